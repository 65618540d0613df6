//! analyze-perf: the real program on recorded nightly results.
//!
//! The files beside the results were made by the older tool; they are compared byte by byte, since
//! sites keep models under version control.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

const BASE: [&str; 5] = ["080654", "091827", "092842", "093220", "093657"];
const IOPS: &str = "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean";

fn recorded(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/run-perf-results")
        .join(path)
}

fn base() -> Vec<PathBuf> {
    BASE.iter()
        .map(|time| recorded(&format!("1_base/result_20200726_{time}")))
        .collect()
}

fn analyze() -> Command {
    let mut command = Command::cargo_bin("analyze-perf").expect("a program of this package");
    command.env_remove("RUNPERF_CONFIG").env("NO_COLOR", "1");
    command
}

/// What the program said, and its exit code.
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Said {
    let output = command.output().expect("it starts");
    Said {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn ok(command: &mut Command) -> String {
    let said = run(command);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.err, "", "nothing to warn about");
    said.out
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("written")).expect("JSON")
}

/// A result directory with one iteration and the given metrics in `throughput`, the first is primary.
fn make_result(dir: &Path, iteration: &str, metrics: &[(&str, f64, f64)]) {
    let serial = dir.join("P/fio/0000");
    fs::create_dir_all(&serial).expect("made");
    let throughput: serde_json::Map<String, Value> = metrics
        .iter()
        .map(|(name, mean, spread)| {
            (
                (*name).to_owned(),
                json!([{"client_hostname": "all", "mean": mean, "stddevpct": spread}]),
            )
        })
        .collect();
    let result = json!([{"iteration_name": iteration, "iteration_data": {
        "parameters": {"benchmark": [{"primary_metric": metrics[0].0}]}, "throughput": throughput}}]);
    fs::write(serial.join("result.json"), result.to_string()).expect("written");
    fs::write(dir.join("RUNPERF_METADATA"), "build:1").expect("written");
}

fn same_bytes(written: &Path, expected: &str) {
    let expected = recorded(expected);
    let (written, golden) = (
        fs::read(written).expect("written"),
        fs::read(&expected).expect("recorded"),
    );
    assert!(
        written == golden,
        "{} differs:\n{}",
        expected.display(),
        String::from_utf8_lossy(&written)
    );
}

#[cfg(feature = "frames")]
#[test]
fn models_and_table_are_those_of_the_older_tool() {
    let dir = TempDir::new().expect("a directory");
    let (l, s, c) = (
        dir.path().join("l"),
        dir.path().join("s"),
        dir.path().join("c"),
    );
    ok(analyze()
        .arg("-l")
        .arg(&l)
        .arg("-s")
        .arg(&s)
        .arg("-c")
        .arg(&c)
        .arg("--")
        .args(base()));
    same_bytes(&l, "1_base/linear_model.json");
    same_bytes(&s, "1_base/stddev_model.json");
    same_bytes(&c, "data.csv");
}

#[test]
fn a_model_moved_to_a_new_level_is_that_of_the_older_tool() {
    let dir = TempDir::new().expect("a directory");
    let moved = dir.path().join("moved");
    ok(analyze()
        .arg("--rebase-model")
        .arg(recorded("1_base/stddev_model.json"))
        .arg("-s")
        .arg(&moved)
        .arg("--")
        .arg(recorded("2_kernel_update/result_20200726_114437")));
    same_bytes(&moved, "2_kernel_update/rebased_model.json");
    let b = json(&moved)[IOPS]["equation"][1]
        .as_f64()
        .expect("a number");
    assert!((b / -45.850424223910075 - 1.0).abs() < 1e-12, "{b}");
}

#[test]
fn a_model_may_be_moved_in_place() {
    let dir = TempDir::new().expect("a directory");
    let model = dir.path().join("model.json");
    fs::copy(recorded("1_base/stddev_model.json"), &model).expect("copied");
    ok(analyze()
        .arg("--rebase-model")
        .arg(&model)
        .arg("-s")
        .arg(&model)
        .arg("--")
        .arg(recorded("2_kernel_update/result_20200726_114437")));
    same_bytes(&model, "2_kernel_update/rebased_model.json");
}

/// The worked example with `-t 3` (and `-t 4`, where only the type of the tolerance differs).
#[test]
fn a_given_tolerance_gives_the_worked_example() {
    let dir = TempDir::new().expect("a directory");
    let (l, s) = (dir.path().join("l"), dir.path().join("s"));
    let train = |tolerance: &str| {
        ok(analyze()
            .args(["-t", tolerance])
            .arg("-l")
            .arg(&l)
            .arg("-s")
            .arg(&s)
            .arg("--")
            .args(base()));
        (json(&l), json(&s))
    };
    let close = |model: &Value, expected: [f64; 4]| {
        let entry = &model[IOPS];
        let found = [
            &entry["equation"][0],
            &entry["equation"][1],
            &entry["mmin"],
            &entry["mmax"],
        ];
        for (found, expected) in found.iter().zip(expected) {
            let found = found.as_f64().expect("a number");
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "{found} instead of {expected}"
            );
        }
    };

    let (linear, stddev) = train("3");
    close(
        &linear,
        [
            0.0005180034148743251,
            -92.43683658448622,
            -3.7310682909565887,
            2.7272727272727333,
        ],
    );
    close(
        &stddev,
        [
            0.00020318321016692744,
            -36.440596047921744,
            -8.232576646262329,
            8.232576646262329,
        ],
    );
    assert_eq!(
        linear["__metadata__"],
        json!({"version": 2, "tolerance": 3.0})
    );
    assert_eq!(
        stddev["__metadata__"],
        json!({"version": 1, "tolerance": 3.0})
    );

    let (linear, _) = train("4");
    assert_eq!(
        linear["__metadata__"].to_string(),
        r#"{"version":2,"tolerance":4.0}"#
    );
    close(
        &linear,
        [
            0.0006054470965131463,
            -108.53458698633347,
            -3.7310682909565887,
            3.6363636363636447,
        ],
    );
}

#[cfg(feature = "frames")]
#[test]
fn the_order_of_arguments_does_not_change_a_byte() {
    let dir = TempDir::new().expect("a directory");
    let write = |name: &str, results: Vec<PathBuf>| -> Vec<Vec<u8>> {
        let files = ["l", "s", "c"].map(|kind| dir.path().join(format!("{name}{kind}")));
        let [l, s, c] = &files;
        ok(analyze()
            .arg("-l")
            .arg(l)
            .arg("-s")
            .arg(s)
            .arg("-c")
            .arg(c)
            .arg("--")
            .args(results));
        files
            .iter()
            .map(|file| fs::read(file).expect("written"))
            .collect()
    };
    let sorted = write("a", base());
    assert_eq!(write("b", base()), sorted, "the same call again");
    for shift in 1..BASE.len() {
        let mut results = base();
        results.rotate_left(shift);
        results.reverse();
        assert_eq!(
            write("c", results),
            sorted,
            "rotated by {shift} and reversed"
        );
    }
}

#[test]
fn without_an_output_it_says_what_is_there() {
    let out = ok(analyze().arg("--").args(base().into_iter().rev()));
    let nights: Vec<&str> = out
        .lines()
        .filter_map(|line| line.strip_prefix("result_20200726_"))
        .collect();
    let times: Vec<&str> = nights.iter().map(|line| &line[..6]).collect();
    assert_eq!(times, BASE, "nights in order of time");
    assert!(out.contains("20 metrics, 5 primary\n"), "{out}");
    let row = out
        .lines()
        .find(|line| line.starts_with("Localhost/fio/0000:./read-4KiB"))
        .expect("a primary metric");
    // population deviation 3785.9 of the mean 179348
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>()[1..],
        ["5", "179348", "IOPS", "2.11", "%"]
    );
}

#[cfg(feature = "frames")]
#[test]
fn recorded_failures_are_shown_and_stand_in_the_table() {
    let bad = [
        "result_20200726_091827",
        "result_three_bad",
        "result_two_bad",
    ]
    .map(|name| recorded("9_bad").join(name));
    let out = ok(analyze().arg("--").args(&bad));
    assert!(
        out.contains("Some exc") && out.contains("Localhost/fio/3"),
        "{out}"
    );

    let table = ok(analyze().args(["-c", "-", "--"]).args(&bad));
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(table.as_bytes());
    let heading = reader.headers().expect("a heading").clone();
    assert_eq!(
        heading.iter().skip(1).collect::<Vec<_>>(),
        [
            "result_20200726_091827",
            "result_three_bad",
            "result_two_bad"
        ]
    );
    let rows: Vec<csv::StringRecord> = reader
        .records()
        .map(|row| row.expect("valid CSV"))
        .collect();
    assert!(
        rows.iter().all(|row| row.len() == 5),
        "a cell per build and one empty after the last comma"
    );
    let failed = rows
        .iter()
        .find(|row| &row[0] == "Localhost/fio/2:./ERROR/ERROR/ERROR.error")
        .expect("a failure");
    assert_eq!((&failed[1], &failed[2]), ("-100", "Some exc"));
    assert!(
        failed[3].starts_with("Failed to get") && failed[3].contains('\n'),
        "whole text: {failed:?}"
    );
}

#[cfg(feature = "frames")]
#[test]
fn results_of_equal_name_do_not_overwrite_each_other() {
    let dir = TempDir::new().expect("a directory");
    for (place, value) in [("monday", 10.0), ("tuesday", 20.0)] {
        make_result(
            &dir.path().join(place).join("night"),
            "read",
            &[("m", value, 0.0)],
        );
    }
    let said = run(analyze().current_dir(dir.path()).args([
        "-c",
        "-",
        "--",
        "tuesday/night",
        "monday/night",
    ]));
    assert_eq!(said.code, 0);
    let expected = "test,\"monday/night\",\"tuesday/night\"\n\
                    P/fio/0000:./read/throughput/m.mean,10,20,\n\
                    P/fio/0000:./read/throughput/m.stddev,0,0,";
    assert_eq!(said.out, expected);
    assert!(
        said.err.contains("several results are called night"),
        "{}",
        said.err
    );
}

#[test]
fn a_result_named_twice_counts_once() {
    let dir = TempDir::new().expect("a directory");
    make_result(&dir.path().join("a"), "read", &[("m", 10.0, 0.0)]);
    make_result(&dir.path().join("b"), "read", &[("m", 20.0, 0.0)]);
    std::os::unix::fs::symlink("a", dir.path().join("latest")).expect("linked");
    let once = run(analyze()
        .current_dir(dir.path())
        .args(["-s", "-", "--", "a", "b"]));
    let twice = run(analyze()
        .current_dir(dir.path())
        .args(["-s", "-", "--", "latest", "b", "a", "a/"]));
    assert_eq!(twice.out, once.out);
    assert!(twice.err.contains("counts once"), "{}", twice.err);
}

#[cfg(feature = "frames")]
#[test]
fn an_id_with_a_comma_keeps_the_table_valid() {
    let dir = TempDir::new().expect("a directory");
    make_result(&dir.path().join("a"), "read, 4 \"KiB\"", &[("m", 1.5, 0.0)]);
    let table = ok(analyze().args(["-c", "-", "--"]).arg(dir.path().join("a")));
    assert!(
        table.contains("\n\"P/fio/0000:./read, 4 \"\"KiB\"\"/throughput/m.mean\",1.5,\n"),
        "{table}"
    );
}

#[test]
fn a_metric_around_zero_has_null_limits_and_constant_zero_has_no_line() {
    let dir = TempDir::new().expect("a directory");
    make_result(
        &dir.path().join("a"),
        "i",
        &[("swings", -1.0, 0.0), ("zero", 0.0, 0.0)],
    );
    make_result(
        &dir.path().join("b"),
        "i",
        &[("swings", 1.0, 0.0), ("zero", 0.0, 0.0)],
    );
    let model = dir.path().join("model.json");
    ok(analyze()
        .arg("-l")
        .arg(&model)
        .arg("--")
        .args([dir.path().join("a"), dir.path().join("b")]));
    let model = json(&model);
    assert_eq!(
        model.as_object().expect("an object").len(),
        2,
        "metadata and one metric: {model}"
    );
    let line = &model["P/fio/0000:./i/throughput/swings.mean"];
    assert_eq!((&line["mmin"], &line["mmax"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_new_metric_in_a_moved_model_is_learned_and_a_mixed_scale_is_said() {
    let dir = TempDir::new().expect("a directory");
    make_result(&dir.path().join("a"), "i", &[("old", 100.0, 0.0)]);
    make_result(
        &dir.path().join("b"),
        "i",
        &[("old", 90.0, 0.0), ("new", 7.0, 0.0)],
    );
    let model = dir.path().join("model.json");
    ok(analyze()
        .args(["-t", "3", "-l"])
        .arg(&model)
        .arg("--")
        .arg(dir.path().join("a")));
    let move_it = |more: &[&str]| {
        run(analyze()
            .args(more)
            .arg("--rebase-model")
            .arg(&model)
            .args(["-l", "-", "--"])
            .arg(dir.path().join("b")))
    };

    let said = move_it(&[]);
    assert!(said.err.contains("use -t 3"), "{}", said.err);
    let moved: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(moved["__metadata__"]["tolerance"], json!(4));
    assert!(
        moved["P/fio/0000:./i/throughput/new.mean"].is_object(),
        "{moved}"
    );
    assert_eq!(move_it(&["-t", "3"]).err, "", "one scale, nothing to say");
}

#[test]
fn a_model_that_cannot_be_used_is_explained_and_nothing_is_written() {
    let dir = TempDir::new().expect("a directory");
    let model = dir.path().join("model.json");
    for (content, expected) in [
        (r#"{"__metadata__": {"version": 4}}"#, "newer version"),
        (
            r#"{"__metadata__": {"version": 3, "tolerance": 5.0}}"#,
            "version 3, which cannot be moved",
        ),
        (r#"{"__metadata__": {"version": 2, "tol"#, "is not JSON"),
        ("", "is not JSON"),
        ("[]", "expected an object of metrics, found a list"),
        (
            r#"{"P/t/0:./i/latency/m.mean": [NaN, 1]}"#,
            "damaged at `P/t/0:./i/latency/m.mean`",
        ),
    ] {
        fs::write(&model, content).expect("written");
        let out = dir.path().join("out.json");
        let said = run(analyze()
            .arg("--rebase-model")
            .arg(&model)
            .arg("-l")
            .arg(&out)
            .arg("--")
            .args(base()));
        assert_eq!(said.code, 1, "{content}: {}", said.err);
        assert!(
            said.err.starts_with("error: ") && said.err.contains(expected),
            "{content}: {}",
            said.err
        );
        assert!(!out.exists() && said.out.is_empty());
    }
}

#[test]
fn a_model_that_is_not_there_is_wrong_usage() {
    let said = run(analyze()
        .args(["--rebase-model", "nowhere.json", "-l", "-", "--"])
        .args(base()));
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("cannot read the model nowhere.json"),
        "{}",
        said.err
    );
}

#[test]
fn models_of_the_oldest_form_can_be_moved() {
    let dir = TempDir::new().expect("a directory");
    let model = dir.path().join("model.json");
    fs::write(&model, format!("{{\"{IOPS}\": [0.5, -1]}}")).expect("written");
    let out = run(analyze()
        .arg("--rebase-model")
        .arg(&model)
        .args(["-l", "-", "--"])
        .arg(&base()[0]))
    .out;
    let moved: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        moved[IOPS],
        json!({"equation": [0.5, -91871.5847457625], "raw": null, "mmin": null, "mmax": null})
    );
}

#[cfg(feature = "frames")]
#[test]
fn wrong_usage_touches_nothing() {
    let dir = TempDir::new().expect("a directory");
    let first = base()[0].clone();
    let said = |args: &[&str]| {
        run(analyze()
            .current_dir(dir.path())
            .args(args)
            .arg("--")
            .arg(&first))
    };
    for (args, expected) in [
        (&["--rebase-model", "x"][..], "add -l FILE or -s FILE"),
        (&["-l", "m", "-s", "m"], "two outputs cannot both go to m"),
        (
            &["-l", "-", "-c", "-"],
            "two outputs cannot both go to standard output",
        ),
        (&["-l", "no/where"], "there is no directory no"),
        (&["-t", "0", "-l", "m"], "expected a number above 0"),
        (&["-t", "NaN", "-l", "m"], "expected a number above 0"),
        (&["--linear-regresion", "m"], "--linear-regression"),
    ] {
        let said = said(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.err);
        assert!(said.err.contains(expected), "{args:?}: {}", said.err);
    }
    let missing = run(analyze()
        .args(["-l", "m", "--", "nowhere", "gone"])
        .arg(&first));
    assert_eq!(missing.code, 2);
    assert!(
        missing.err.contains("`nowhere`, `gone`"),
        "all at once: {}",
        missing.err
    );
    assert_eq!(run(&mut analyze()).code, 2, "no result at all");
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
}

#[test]
fn results_that_cannot_be_read_are_left_out_and_said() {
    let dir = TempDir::new().expect("a directory");
    let (good, empty, broken) = (
        dir.path().join("good"),
        dir.path().join("empty"),
        dir.path().join("broken"),
    );
    make_result(&good, "i", &[("m", 1.0, 0.0)]);
    fs::create_dir(&empty).expect("made");
    make_result(&broken, "i", &[("m", 1.0, 0.0)]);
    fs::write(
        broken.join("P/fio/0000/result.json"),
        "[{\"iteration_name\": \"i\"",
    )
    .expect("written");

    let said = run(analyze()
        .args(["-l", "-", "--"])
        .args([&empty, &broken, &good]));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("empty is left out"), "{}", said.err);
    let overview = run(analyze().arg("--").args([&broken, &good]));
    assert!(
        overview.out.contains("FAILED IN") && overview.out.contains("P/fio/0000"),
        "{}",
        overview.out
    );

    let model = dir.path().join("model.json");
    fs::write(&model, "old").expect("written");
    let said = run(analyze()
        .arg("-l")
        .arg(&model)
        .arg("--")
        .args([&empty, &broken]));
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(
        said.err.contains("none of 2 results holds a figure"),
        "{}",
        said.err
    );
    assert_eq!(fs::read(&model).expect("still there"), b"old");
}

/// `/dev/full` takes nothing, as a full disk does.
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let to_file = run(analyze().args(["-l", "/dev/full", "--"]).args(base()));
    assert_eq!(to_file.code, 1);
    assert!(
        to_file.err.contains("cannot write /dev/full") && to_file.err.contains("No space left"),
        "{}",
        to_file.err
    );
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let program = env!("CARGO_BIN_EXE_analyze-perf");
    let status = std::process::Command::new(program)
        .args(["-l", "-", "--"])
        .args(base())
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .status()
        .expect("it starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn older_abbreviations_of_options_work() {
    let dir = TempDir::new().expect("a directory");
    let (l, s) = (dir.path().join("l"), dir.path().join("s"));
    ok(analyze()
        .arg("--linear")
        .arg(&l)
        .arg("--stddev")
        .arg(&s)
        .arg("--")
        .args(base()));
    same_bytes(&l, "1_base/linear_model.json");
    same_bytes(&s, "1_base/stddev_model.json");
}

#[test]
fn a_written_model_fits_its_schema_in_names_and_kinds() {
    let schema: Value =
        serde_json::from_str(&ok(analyze().arg("--generate=schema"))).expect("a JSON Schema");
    let schema = &schema["anyOf"][0];
    let model = json(&recorded("1_base/linear_model.json"));
    let names = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(names(&model["__metadata__"]), ["version", "tolerance"]);
    assert_eq!(
        names(&schema["properties"]["__metadata__"]["properties"]),
        names(&model["__metadata__"])
    );
    assert_eq!(
        names(&schema["additionalProperties"]["properties"]),
        names(&model[IOPS])
    );
}

#[cfg(not(feature = "frames"))]
#[test]
fn the_table_needs_a_build_with_frames() {
    let said = run(analyze().args(["-c", "-", "--"]).args(base()));
    assert_eq!(said.code, 2);
    assert!(
        said.err
            .contains("`--csv` needs a build with the `frames` feature"),
        "{}",
        said.err
    );
}
