//! compare-perf: the real program on recorded nightly results and on results made for the case.

mod clients;
mod files;
mod readers;
mod schema;
mod terminals;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// SRC, three references and DST of the recorded nights.
const NIGHTS: [&str; 5] = [
    "1_base/result_20200726_080654",
    "1_base/result_20200726_112748",
    "2_kernel_update/result_20200726_114437",
    "3_kernel_and_less_cpus/result_20200726_125851",
    "4_kernel_and_less_cpus_and_different_duration/result_20200726_130256",
];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/run-perf-results")
        .join(name)
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn compare(dir: &TempDir, args: &[&str]) -> Ran {
    let mut command = Command::cargo_bin("compare-perf").expect("a program of this package");
    command
        .env_remove("RUNPERF_CONFIG")
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", dir.path());
    command
        .env_remove("XDG_CONFIG_HOME")
        .current_dir(dir.path())
        .args(args);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: status.code().expect("an exit code"),
        out: text(stdout),
        err: text(stderr),
    }
}

/// A fresh directory with the recorded nights below it, so that paths are the same everywhere.
fn recorded() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    std::os::unix::fs::symlink(fixture(""), dir.path().join("nights")).expect("linked");
    dir
}

fn nights() -> Vec<String> {
    NIGHTS
        .iter()
        .map(|night| format!("nights/{night}"))
        .collect()
}

fn with_nights<'a>(options: &[&'a str], nights: &'a [String]) -> Vec<&'a str> {
    options
        .iter()
        .copied()
        .chain(["--"])
        .chain(nights.iter().map(String::as_str))
        .collect()
}

fn json_of(dir: &TempDir, options: &[&str], results: &[&str]) -> Value {
    let args: Vec<&str> = options
        .iter()
        .chain(&["--format", "json", "--"])
        .chain(results)
        .copied()
        .collect();
    let ran = compare(dir, &args);
    serde_json::from_str(&ran.out)
        .unwrap_or_else(|error| panic!("{error}: {} {}", ran.out, ran.err))
}

/// Writes a result with one primary metric (`iops`) and one latency, for each iteration.
fn write_result(dir: &TempDir, name: &str, iterations: &[(&str, Value, Value)]) -> String {
    let serial = dir.path().join(name).join("Localhost/fio/0000");
    fs::create_dir_all(&serial).expect("made");
    fs::write(
        dir.path().join(name).join("RUNPERF_METADATA"),
        format!("build:{name}"),
    )
    .expect("written");
    let entry =
        |value: &Value| json!([{"client_hostname": "all", "mean": value, "stddevpct": 0.5}]);
    let all: Vec<Value> = iterations
        .iter()
        .map(|(iteration, iops, clat)| {
            json!({"iteration_name": iteration, "iteration_data": {
                "parameters": {"benchmark": [{"primary_metric": "iops_sec"}]},
                "throughput": {"iops_sec": entry(iops)}, "latency": {"clat": entry(clat)}}})
        })
        .collect();
    fs::write(serial.join("result.json"), Value::from(all).to_string()).expect("written");
    name.to_owned()
}

/// SRC and DST that differ in one primary figure only.
fn pair(dir: &TempDir, src: f64, dst: f64) {
    write_result(dir, "src", &[("read-4KiB", json!(src), json!(10.0))]);
    write_result(dir, "dst", &[("read-4KiB", json!(dst), json!(10.0))]);
}

const CLASSIC: [&str; 10] = [
    "--compat",
    "--tolerance",
    "5",
    "--stddev-tolerance",
    "10",
    "-l",
    "nights/1_base/linear_model.json",
    "--model-builds-average=1",
    "--n-out-of-results",
    "1",
];

#[test]
fn the_older_tools_verdict_is_reproduced_byte_for_byte() {
    let dir = recorded();
    let nights = nights();
    let options: Vec<&str> = CLASSIC
        .iter()
        .copied()
        .chain(["--xunit", "x.xml"])
        .collect();

    let ran = compare(&dir, &with_nights(&options, &nights));

    assert_eq!(ran.code, 2, "{}", ran.err);
    let xml = fs::read_to_string(dir.path().join("x.xml")).expect("written");
    let (head, rest) = xml.split_once("timestamp=\"").expect("a time");
    let (time, rest) = rest.split_once('"').expect("a time");
    assert!(time.parse::<jiff::civil::DateTime>().is_ok(), "{time}");
    let expected = fs::read_to_string(fixture("result.xunit")).expect("the recorded file");
    assert_eq!(format!("{head}timestamp=\"FILTERED\"{rest}"), expected);
}

#[test]
fn the_older_tools_counts_are_those_it_prints() {
    // compare-perf 1.2 on these two nights: `6/0/17/35 primary/grouped/non-primary/all checks failed`.
    let dir = recorded();
    let nights = nights();
    let found = json_of(&dir, &["--compat"], &[&nights[0], &nights[4]]);
    let failed = |checks: &Value, primary: bool| {
        let all = checks.as_array().expect("a list");
        let bad = |check: &&Value| {
            ["FAIL", "FAIL_GAIN", "ERROR"]
                .contains(&check["compat_status"].as_str().expect("a status"))
        };
        all.iter()
            .filter(|check| check["primary"] == primary)
            .filter(bad)
            .count()
    };
    let groups = found["groups"].as_array().expect("a list").len();
    let metrics = found["metrics"].as_array().expect("a list").len();
    assert_eq!(
        (
            failed(&found["metrics"], true),
            failed(&found["groups"], true),
            failed(&found["metrics"], false),
            metrics + groups
        ),
        (6, 0, 17, 35)
    );
    assert_eq!(found["rule"], "compat");
}

#[test]
fn scores_of_the_recorded_nights_are_those_of_the_specification() {
    let dir = recorded();
    let nights = nights();
    let (src, dst) = (nights[0].as_str(), nights[4].as_str());
    let linear = "nights/1_base/linear_model.json";
    let stddev = "nights/1_base/stddev_model.json";
    for (options, expected) in [
        (vec![], -6.83),
        (vec!["-l", linear], -4.88),
        (vec!["-l", stddev], -2.21),
        (vec!["-l", linear, stddev], -3.55),
    ] {
        for rule in ["--fail-on-gain", "--compat"] {
            let options: Vec<&str> = options.iter().copied().chain([rule]).collect();
            let found = json_of(&dir, &options, &[src, dst]);
            let score = found["metrics"][0]["score"].as_f64().expect("a score");
            assert_eq!(
                found["metrics"][0]["id"],
                "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean"
            );
            // Two decimals are what the specification gives.
            assert!((score - expected).abs() < 0.005, "{options:?}: {score}");
        }
    }
}

#[test]
fn the_recorded_nights_are_judged_by_direction() {
    let dir = recorded();
    let nights = nights();
    let ran = compare(&dir, &with_nights(&[], &nights));
    assert_eq!(ran.code, 2);
    let last = ran.out.trim_end().lines().last().expect("a summary");
    assert_eq!(
        last,
        "FAIL: 3 regressions in 1 place, 16 missing, 4 improvements, 9 of 32 within band"
    );
    assert!(ran.out.contains("since build 8"), "{}", ran.out);
    assert_eq!(ran.err, "", "nothing to complain about");

    // Without the profile that went away, and with the two lines its kernel update brought.
    let found = json_of(
        &dir,
        &[],
        &nights.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let clat = found["metrics"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|check| {
            check["iteration"] == "read-4KiB"
                && check["metric"] == "clat"
                && check["check"] == "mean"
        });
    assert_eq!(
        clat.expect("a latency")["status"],
        "regression",
        "latency grew"
    );
    let kernels = found["environment"]["kernel"].as_array().expect("a list");
    assert!(
        kernels
            .iter()
            .any(|change| change["name"] == "kernel" && change["since"] == "8"),
        "{kernels:?}"
    );
}

#[test]
fn counts_of_every_status_add_up_in_the_json() {
    let dir = recorded();
    let nights = nights();
    let found = json_of(
        &dir,
        &[],
        &nights.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let counts = found["counts"].as_object().expect("counts");
    let sum: u64 = counts.values().filter_map(Value::as_u64).sum();
    let listed = found["metrics"].as_array().expect("a list").len()
        + found["errors"].as_array().expect("a list").len();
    assert_eq!(usize::try_from(sum).expect("small"), listed);
    for (status, count) in counts.iter().filter(|(status, _)| *status != "error") {
        let seen = found["metrics"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|check| check["status"] == **status)
            .count();
        assert_eq!(count.as_u64(), Some(seen as u64), "{status}");
    }
}

#[test]
fn the_same_bytes_come_out_whatever_the_order_of_references() {
    let dir = recorded();
    let mut nights = nights();
    let outputs = |nights: &[String], mark: &str| {
        let files = ["json", "md", "csv"].map(|kind| format!("{mark}.{kind}"));
        let options = [
            "--json",
            &files[0],
            "--markdown",
            &files[1],
            "--plot-csv",
            &files[2],
        ];
        let ran = compare(&dir, &with_nights(&options, nights));
        let mut all: Vec<String> = files
            .iter()
            .map(|file| fs::read_to_string(dir.path().join(file)).expect("written"))
            .collect();
        // What was typed is in the report; it is the only difference there may be.
        let mut json: Value = serde_json::from_str(&all[0]).expect("JSON");
        json["tool"]["command"] = Value::Null;
        all[0] = json.to_string();
        all.push(ran.out.replace(mark, "…"));
        all
    };
    let first = outputs(&nights, "first");
    assert_eq!(outputs(&nights, "again"), first, "twice the same");
    nights[1..4].reverse();
    assert_eq!(
        outputs(&nights, "other"),
        first,
        "references the other way round"
    );
    let further: Vec<&str> = vec![
        "--json",
        "d.json",
        "--references",
        &nights[1],
        &nights[2],
        &nights[3],
        "--",
        &nights[0],
        &nights[4],
    ];
    compare(&dir, &further);
    let mut json: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("d.json")).expect("written"))
            .expect("JSON");
    json["tool"]["command"] = Value::Null;
    assert_eq!(
        json.to_string(),
        first[0],
        "--references is the same as between"
    );
}

#[test]
fn each_outcome_has_its_exit_code_and_xunit_element() {
    for (name, src, dst, options, code, element) in [
        ("equal", 100.0, 100.0, vec![], 0, None),
        (
            "worse",
            100.0,
            90.0,
            vec![],
            2,
            Some("<failure type=\"regression\""),
        ),
        (
            "worse within a wide limit",
            100.0,
            90.0,
            vec!["-t", "40"],
            0,
            None,
        ),
        ("better", 100.0, 120.0, vec![], 0, None),
        (
            "better, failing",
            100.0,
            120.0,
            vec!["--fail-on-gain"],
            2,
            Some("<failure type=\"improvement\""),
        ),
        (
            "better, by the older rules",
            100.0,
            120.0,
            vec!["--compat"],
            2,
            Some("<skipped type=\"skipped\""),
        ),
    ] {
        let dir = TempDir::new().expect("a directory");
        pair(&dir, src, dst);
        let args: Vec<&str> = options
            .into_iter()
            .chain(["--xunit", "x.xml", "--", "src", "dst"])
            .collect();
        let ran = compare(&dir, &args);
        assert_eq!(ran.code, code, "{name}: {} {}", ran.out, ran.err);
        let xml = fs::read_to_string(dir.path().join("x.xml")).expect("written");
        match element {
            Some(element) => assert!(xml.contains(element), "{name}: {xml}"),
            None => assert!(
                !xml.contains("<failure") && !xml.contains("<error") && !xml.contains("<skipped"),
                "{name}: {xml}"
            ),
        }
    }
}

#[test]
fn missing_fails_unless_allowed_and_new_passes() {
    let dir = TempDir::new().expect("a directory");
    let (a, b) = (
        ("read-4KiB", json!(1.0), json!(1.0)),
        ("read-8KiB", json!(1.0), json!(1.0)),
    );
    write_result(&dir, "both", &[a.clone(), b]);
    write_result(&dir, "one", &[a]);
    let ran = compare(&dir, &["--xunit", "x.xml", "--", "both", "one"]);
    assert_eq!(ran.code, 2);
    assert!(
        fs::read_to_string(dir.path().join("x.xml"))
            .expect("written")
            .contains("<error type=\"missing\"")
    );
    let ran = compare(
        &dir,
        &["--allow-missing", "--xunit", "x.xml", "--", "both", "one"],
    );
    assert_eq!(ran.code, 0);
    assert!(
        fs::read_to_string(dir.path().join("x.xml"))
            .expect("written")
            .contains("<skipped")
    );
    assert_eq!(
        compare(&dir, &["--", "one", "both"]).code,
        0,
        "new ones pass"
    );
    assert_eq!(
        compare(&dir, &["--compat", "--", "one", "both"]).code,
        2,
        "but not by the older rules"
    );
}

#[test]
fn a_failure_recorded_in_dst_fails_and_is_named() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 100.0);
    for result in ["src", "dst"] {
        let record = dir.path().join(result).join("Localhost/fio/0/__error0__");
        fs::create_dir_all(&record).expect("made");
        fs::write(record.join("exception"), "fio: got signal=9\n").expect("written");
    }
    let ran = compare(&dir, &["--", "src", "dst"]);
    assert_eq!(ran.code, 2, "that SRC had the same is no excuse");
    assert!(ran.out.contains("got signal=9"), "{}", ran.out);
    let found = json_of(&dir, &[], &["src", "dst"]);
    assert_eq!(found["errors"][0]["same_in_src"], true);
    assert_eq!(found["counts"]["error"], 1);
    assert_eq!(
        compare(&dir, &["--compat", "--", "src", "dst"]).code,
        0,
        "equal failures passed in the older tool"
    );
}

#[test]
fn an_unreadable_result_in_dst_is_an_error_not_a_pass() {
    for (name, content) in [
        ("truncated", "[{\"iteration_na"),
        ("no JSON", "hello"),
        ("an object", "{}"),
    ] {
        let dir = TempDir::new().expect("a directory");
        pair(&dir, 100.0, 100.0);
        fs::write(
            dir.path().join("dst/Localhost/fio/0000/result.json"),
            content,
        )
        .expect("written");
        let ran = compare(&dir, &["--", "src", "dst"]);
        assert_eq!(ran.code, 2, "{name}: {} {}", ran.out, ran.err);
        let found = json_of(&dir, &[], &["src", "dst"]);
        assert_eq!(found["errors"][0]["class"], "unreadable", "{name}");
        // A reference like that is only a smaller history.
        let ran = compare(&dir, &["--", "src", "dst", "src"]);
        assert_eq!(ran.code, 0, "{name}: {} {}", ran.out, ran.err);
    }
}

#[test]
fn figures_that_are_no_numbers_never_become_one() {
    let dir = TempDir::new().expect("a directory");
    write_result(&dir, "src", &[("read-4KiB", json!(100.0), json!(10.0))]);
    write_result(&dir, "dst", &[("read-4KiB", json!("NaN"), json!(10.0))]);
    let found = json_of(&dir, &[], &["src", "dst"]);
    assert!(
        !found.to_string().contains("NaN\":"),
        "JSON has no such number"
    );
    assert_eq!(found["exit_code"], 2);
    let text = fs::read_to_string(dir.path().join("dst/Localhost/fio/0000/result.json"))
        .expect("read")
        .replace("\"NaN\"", "NaN");
    fs::write(dir.path().join("dst/Localhost/fio/0000/result.json"), text).expect("written");
    assert_eq!(json_of(&dir, &[], &["src", "dst"])["exit_code"], 2);
}

#[test]
fn nothing_to_compare_ends_with_3() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 100.0);
    for empty in ["empty1", "empty2"] {
        fs::create_dir(dir.path().join(empty)).expect("made");
        fs::write(dir.path().join(empty).join("RUNPERF_METADATA"), "build:1").expect("written");
    }
    for options in [vec![], vec!["--compat"]] {
        let args: Vec<&str> = options
            .into_iter()
            .chain(["--", "empty1", "empty2"])
            .collect();
        let ran = compare(&dir, &args);
        assert_eq!(ran.code, 3, "{} {}", ran.out, ran.err);
        assert!(ran.out.contains("ERROR"), "{}", ran.out);
    }
    assert_eq!(
        compare(&dir, &["--", "src", "empty1"]).code,
        2,
        "all missing is a failure"
    );
    fs::create_dir(dir.path().join("no_result")).expect("made");
    let ran = compare(&dir, &["--", "src", "no_result"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("no_result"), "{}", ran.err);
}

#[test]
fn wrong_usage_ends_with_4_and_in_compat_mode_with_2() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 100.0);
    fs::write(
        dir.path().join("newer.json"),
        r#"{"__metadata__": {"version": 9, "tolerance": 4}}"#,
    )
    .expect("written");
    for (args, said) in [
        (vec!["--", "src", "no_such"], "no_such"),
        (vec!["--", "name:no_such", "src"], "name:no_such"),
        (vec!["--tolerance", "many", "--", "src", "dst"], "many"),
        (vec!["--tolerance", "NaN", "--", "src", "dst"], "0 or above"),
        (vec!["--tolerence", "5", "--", "src", "dst"], "--tolerance"),
        (
            vec!["-l", "no_model.json", "--", "src", "dst"],
            "no_model.json",
        ),
        (vec!["-l", "newer.json", "--", "src", "dst"], "newer"),
        (
            vec!["--better", "iops=sideways", "--", "src", "dst"],
            "sideways",
        ),
        (
            vec!["--json", "-", "--xunit", "-", "--", "src", "dst"],
            "only one report",
        ),
        (
            vec!["--format", "json", "--xunit", "-", "--", "src", "dst"],
            "only one report",
        ),
        (
            vec!["--json", "same", "--xunit", "same", "--", "src", "dst"],
            "two reports",
        ),
        (
            vec!["--html", "no/where.html", "--", "src", "dst"],
            "no directory",
        ),
    ] {
        let ran = compare(&dir, &args);
        assert_eq!(ran.code, 4, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{args:?}");
        let compat: Vec<&str> = ["--compat"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        assert_eq!(compare(&dir, &compat).code, 2, "{compat:?}");
    }
}

#[test]
fn only_what_was_asked_for_goes_to_standard_output() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 90.0);
    let ran = compare(&dir, &["--json", "-", "--", "src", "dst"]);
    assert_eq!(
        serde_json::from_str::<Value>(&ran.out).expect("nothing but JSON")["verdict"],
        "fail"
    );
    assert!(
        compare(&dir, &["--xunit", "-", "--", "src", "dst"])
            .out
            .starts_with("<?xml")
    );
    assert!(
        compare(&dir, &["--format", "markdown", "--", "src", "dst"])
            .out
            .starts_with("<!-- compare-perf")
    );
    let quiet = compare(&dir, &["-q", "--", "src", "dst"]);
    assert_eq!(quiet.out.lines().count(), 1, "{}", quiet.out);
    assert!(quiet.out.starts_with("FAIL"), "{}", quiet.out);
    assert!(
        compare(&dir, &["--ascii", "--", "src", "dst"])
            .out
            .is_ascii()
    );
}

#[test]
fn all_reports_are_written_in_one_call_and_agree() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 90.0);
    let files = ["r.html", "r.xml", "r.json", "r.md", "r.csv"];
    let ran = compare(
        &dir,
        &[
            "--html",
            files[0],
            "--xunit",
            files[1],
            "--json",
            files[2],
            "--markdown",
            files[3],
            "--plot-csv",
            files[4],
            "--",
            "src",
            "dst",
        ],
    );
    assert_eq!(ran.code, 2, "{}", ran.err);
    for file in files {
        assert!(ran.out.contains(file), "{file} is named: {}", ran.out);
        let content = fs::read_to_string(dir.path().join(file)).expect("written");
        assert!(content.contains("iops_sec") || file == "r.csv", "{file}");
    }
}

#[test]
fn a_report_that_cannot_be_written_does_not_hide_the_verdict() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 90.0);
    let ran = compare(&dir, &["--json", "/dev/full", "--", "src", "dst"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("/dev/full"), "{}", ran.err);
    assert!(ran.out.contains("FAIL"), "{}", ran.out);
}

#[test]
fn names_are_taken_from_the_argument_and_told_apart() {
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 100.0);
    for result in ["src", "dst"] {
        fs::remove_file(dir.path().join(result).join("RUNPERF_METADATA")).expect("there");
    }
    let name =
        |found: &Value, which: &str| found[which]["name"].as_str().expect("a name").to_owned();
    let found = json_of(&dir, &[], &["good:src", "bad:dst"]);
    assert_eq!(
        (name(&found, "src"), name(&found, "dst")),
        ("good".into(), "bad".into())
    );
    let found = json_of(&dir, &[], &["x:src", "x:dst"]);
    assert_eq!(
        (name(&found, "src"), name(&found, "dst")),
        ("x (src)".into(), "x (dst)".into())
    );
    let found = json_of(&dir, &[], &["src"]);
    assert_eq!(
        found["verdict"], "pass",
        "one result is compared with itself"
    );
}

#[test]
fn directions_come_from_the_option_or_the_configuration() {
    let dir = TempDir::new().expect("a directory");
    for (name, value) in [("src", 100.0), ("dst", 110.0)] {
        let mut text = json!([{"iteration_name": "i", "iteration_data": {"parameters": {"benchmark": [{"primary_metric": "thing"}]},
            "throughput": {"thing": [{"client_hostname": "all", "mean": value, "stddevpct": 0, "better": "unknown"}]}}}]);
        let serial = dir.path().join(name).join("P/t/0000");
        fs::create_dir_all(&serial).expect("made");
        fs::write(serial.join("result.json"), text.take().to_string()).expect("written");
    }
    assert_eq!(
        json_of(&dir, &[], &["src", "dst"])["metrics"][0]["status"],
        "regression"
    );
    assert_eq!(
        json_of(&dir, &["--better", "thing=higher"], &["src", "dst"])["metrics"][0]["status"],
        "improvement"
    );
    fs::write(
        dir.path().join("run-perf.toml"),
        "[directions]\nthing = \"higher\"\n",
    )
    .expect("written");
    assert_eq!(
        json_of(&dir, &[], &["src", "dst"])["metrics"][0]["status"],
        "improvement"
    );
    assert_eq!(
        json_of(&dir, &["--better", "thing=lower"], &["src", "dst"])["metrics"][0]["status"],
        "regression"
    );
}

#[test]
fn incorrect_results_are_read_on_request_but_never_of_src() {
    let dir = TempDir::new().expect("a directory");
    let wrong = ("read-4KiB-fail1", json!(50.0), json!(10.0));
    let right = ("read-4KiB", json!(100.0), json!(10.0));
    write_result(&dir, "src", &[right.clone(), wrong.clone()]);
    write_result(&dir, "dst", &[right, wrong]);
    let new = |options: &[&str]| json_of(&dir, options, &["src", "dst"])["counts"]["new"].as_u64();
    assert_eq!(new(&[]), Some(0));
    assert_eq!(new(&["--include-incorrect-results"]), Some(4));
}
