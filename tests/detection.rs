//! History models: `analyze-perf --model` and `compare-perf --model` as programs, on nights made for
//! the case.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

const IOPS: usize = 20;
const LAT: usize = 4;
const NIGHTS: usize = 12;

/// What is different about one result.
type Change<'a> = &'a dyn Fn(&str) -> f64;

/// Noise of about one percent that is the same in every run of the test.
fn noise(night: usize, metric: usize) -> f64 {
    (0..3)
        .map(|part| {
            let hash =
                ((night * 131 + metric * 7 + part + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((hash >> 40) as f64 / (1_u64 << 24) as f64 - 0.5) / 100.0
        })
        .sum()
}

/// Writes a result; `change` gives the factor of each metric by its iteration, NaN leaves it out.
fn write(dir: &Path, name: &str, night: usize, change: Change<'_>) {
    let entry = |value: f64| {
        json!([{"client_hostname": "all", "role": "aggregate", "mean": value, "stddev": value / 100.0,
                "stddevpct": 1.0, "samples": [{"value": value}]}])
    };
    let mut iterations = Vec::new();
    for metric in 0..IOPS + LAT {
        let is_lat = metric >= IOPS;
        let iteration = format!("{}{metric}", if is_lat { "boot" } else { "read" });
        let factor = change(&iteration);
        if factor.is_nan() {
            continue;
        }
        // Nights that are judged are quiet ones: nothing is called by chance.
        let quiet = if night < NIGHTS { 1.0 } else { 0.3 };
        let value = 1000.0 * (metric + 1) as f64 * (1.0 + quiet * noise(night, metric)) * factor;
        let (kind, primary) = if is_lat {
            ("latency", "lat")
        } else {
            ("throughput", "iops_sec")
        };
        iterations.push(json!({"iteration_number": metric, "iteration_name": iteration, "iteration_name_format": "%s",
            "iteration_data": {"parameters": {"benchmark": [{"benchmark_name": "fio", "primary_metric": primary}]},
                kind: {primary: entry(value)}}}));
    }
    let place = dir.join(name).join("Localhost/fio/0000");
    fs::create_dir_all(&place).expect("made");
    fs::write(
        place.join("result.json"),
        Value::from(iterations).to_string(),
    )
    .expect("written");
    let metadata = format!(
        "build:{}\nmachine:foo\nstarted:2026-01-{:02}T02:00:00Z\n",
        night + 100,
        night + 1
    );
    fs::write(dir.join(name).join("RUNPERF_METADATA"), metadata).expect("written");
}

/// Twelve nights; names that sort against their dates.
fn history(dir: &TempDir, change: &dyn Fn(usize, &str) -> f64) -> Vec<String> {
    (0..NIGHTS)
        .map(|night| {
            let name = format!("n{:02}", 50 - night);
            write(dir.path(), &name, night, &|metric| change(night, metric));
            name
        })
        .collect()
}

fn run(dir: &TempDir, program: &str, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin(program)
        .expect("a program of this package")
        .env_remove("RUNPERF_CONFIG")
        .env_remove("XDG_CONFIG_HOME")
        .env("NO_COLOR", "1")
        .env("HOME", dir.path())
        .current_dir(dir.path())
        .args(args)
        .output()
        .expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

fn train(dir: &TempDir, nights: &[String]) {
    let mut args = vec!["--model", "model.json", "--"];
    args.extend(nights.iter().map(String::as_str));
    let (code, _, err) = run(dir, "analyze-perf", &args);
    assert_eq!(code, 0, "{err}");
}

/// Compares by the model and returns the exit code and the JSON.
fn judge(dir: &TempDir, options: &[&str], src: &str, dst: &str) -> (i32, Value) {
    let mut args = vec!["--model", "model.json", "--json", "out.json", "-q"];
    args.extend(options);
    args.extend(["--", src, dst]);
    let (code, _, err) = run(dir, "compare-perf", &args);
    assert!(code == 0 || code == 2, "{code}: {err}");
    let text = fs::read_to_string(dir.path().join("out.json")).expect("written");
    (code, serde_json::from_str(&text).expect("JSON"))
}

fn with_status<'a>(comparison: &'a Value, status: &str) -> Vec<&'a str> {
    let all = comparison["metrics"].as_array().expect("a list");
    all.iter()
        .filter(|check| check["status"] == status && check["check"] == "mean")
        .filter_map(|check| check["iteration"].as_str())
        .collect()
}

#[test]
fn a_night_like_the_others_passes_and_losses_are_called_in_either_direction() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    write(dir.path(), "same", 20, &|_| 1.0);
    let (code, same) = judge(&dir, &[], &nights[11], "same");
    assert_eq!(
        (code, same["rule"].as_str()),
        (0, Some("model")),
        "{}",
        same["reason"]
    );

    write(dir.path(), "worse", 20, &|metric| match metric {
        "read3" => 0.93,
        "boot21" => 1.08,
        "read5" => 1.08,
        _ => 1.0,
    });
    let (code, worse) = judge(
        &dir,
        &[
            "--xunit",
            "out.xml",
            "--markdown",
            "out.md",
            "--html",
            "out.html",
            "--suspects",
            "again.json",
        ],
        &nights[11],
        "worse",
    );
    assert_eq!(code, 2);
    assert_eq!(
        with_status(&worse, "regression"),
        ["read3", "boot21"],
        "a latency that rises is worse"
    );
    assert_eq!(with_status(&worse, "improvement"), ["read5"]);
    let metrics = worse["metrics"].as_array().expect("a list");
    let latency = metrics
        .iter()
        .find(|check| check["iteration"] == "boot21" && check["check"] == "mean")
        .expect("judged");
    assert!(latency["change_pct"].as_f64() > Some(4.0), "as measured");
    assert!(latency["score"].as_f64() < Some(-5.0), "turned");
    assert!(latency["q"].as_f64() <= worse["limits"]["fdr"].as_f64());
    for field in ["p", "mde_pct", "basis", "ci_pct"] {
        assert!(!latency[field].is_null(), "{field}");
    }
    let file = |name: &str| fs::read_to_string(dir.path().join(name)).expect("written");
    assert!(file("out.xml").contains("type=\"regression\"") && file("out.xml").contains("boot21"));
    for report in ["out.md", "out.html"] {
        assert!(file(report).contains("boot21"), "{report}");
    }
    let (_, console, _) = run(
        &dir,
        "compare-perf",
        &["--model", "model.json", "--", &nights[11], "worse"],
    );
    assert!(console.contains("boot21"), "{console}");

    let again: Value = serde_json::from_str(&file("again.json")).expect("JSON");
    assert_eq!(again["schema"], "runperf-suspects/1");
    let first = &again["items"][0];
    assert_eq!(
        (first["iteration"].as_str(), first["status"].as_str()),
        (Some("boot21"), Some("regression"))
    );
    assert_eq!(
        first["ids"][0],
        "Localhost/fio/0000:./boot21/latency/lat.mean"
    );
}

#[test]
fn order_of_arguments_and_copies_of_nights_change_nothing() {
    let dir = TempDir::new().expect("a directory");
    let mut nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    let model = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let builds: Value = serde_json::from_str(&model).expect("JSON");
    let first = &builds["__metadata__"]["builds"][0];
    assert_eq!(first["name"], nights[0], "by date, not by name");

    nights.reverse();
    nights.swap(2, 7);
    write(dir.path(), "zz-copy-of-n45", 5, &|_| 1.0);
    nights.push("zz-copy-of-n45".into());
    nights.push(nights[3].clone());
    train(&dir, &nights);
    let again = fs::read_to_string(dir.path().join("model.json")).expect("written");
    assert!(model == again, "the same nights give the same bytes");
}

#[test]
fn a_loss_of_the_whole_host_is_one_red_line() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    write(dir.path(), "slow", 20, &|metric| {
        let shift = if metric.starts_with("boot") {
            1.0 / 0.94
        } else {
            0.94
        };
        // One metric lost more than its siblings.
        if metric == "read7" {
            shift * 0.94
        } else {
            shift
        }
    });
    let (code, slow) = judge(&dir, &[], &nights[11], "slow");
    assert_eq!(code, 2);
    assert_eq!(
        with_status(&slow, "regression"),
        ["read7"],
        "{}",
        slow["reason"]
    );
    let groups = slow["groups"].as_array().expect("a list");
    let red: Vec<&Value> = groups
        .iter()
        .filter(|group| group["status"] == "regression")
        .collect();
    assert_eq!(red.len(), 1);
    assert_eq!(red[0]["profile"], "Localhost");
    assert!(
        red[0]["labels"]
            .as_array()
            .expect("a list")
            .contains(&json!("host-shift"))
    );
    let shift = red[0]["change_pct"].as_f64().expect("a number");
    assert!((-7.0..-5.0).contains(&shift), "{shift}");
}

#[test]
fn what_is_often_absent_is_flaky_and_what_never_was_is_missing() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|night, metric| {
        if metric == "read4" && night % 3 == 1 {
            f64::NAN
        } else {
            1.0
        }
    });
    train(&dir, &nights);
    write(dir.path(), "gaps", 20, &|metric| {
        if metric == "read4" || metric == "read8" {
            f64::NAN
        } else {
            1.0
        }
    });
    // SRC lacks one of them as well: the model remembers it.
    write(dir.path(), "src", 19, &|metric| {
        if metric == "read8" { f64::NAN } else { 1.0 }
    });
    let (code, found) = judge(&dir, &[], "src", "gaps");
    assert_eq!(code, 2);
    assert_eq!(with_status(&found, "missing"), ["read8"]);
    assert_eq!(with_status(&found, "flaky"), ["read4"]);
    // A repetition that has it answers for the build.
    write(dir.path(), "again", 21, &|_| 1.0);
    let (code, found) = judge(&dir, &["--repetitions", "again"], "src", "gaps");
    assert_eq!(code, 0, "{}", found["reason"]);
    assert_eq!(found["repetitions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn one_wild_run_among_three_is_no_regression() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    write(dir.path(), "wild", 20, &|metric| {
        if metric == "read2" { 0.85 } else { 1.0 }
    });
    write(dir.path(), "second", 21, &|_| 1.0);
    write(dir.path(), "third", 22, &|_| 1.0);
    let called = |repetitions: &[&str]| {
        let mut options = vec!["--repetitions"];
        options.extend(repetitions);
        let options = if repetitions.is_empty() {
            &[][..]
        } else {
            &options
        };
        let (_, found) = judge(&dir, options, &nights[11], "wild");
        with_status(&found, "regression").contains(&"read2")
    };
    assert!(called(&[]));
    assert!(!called(&["second"]), "of two the better one");
    assert!(!called(&["third", "second"]));
    assert!(
        called(&["./wild"]),
        "the same result again is no repetition"
    );
}

#[test]
fn nights_in_another_unit_do_not_count() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|night, _| if night < 4 { 1000.0 } else { 1.0 });
    for night in &nights {
        let path = dir
            .path()
            .join(night)
            .join("Localhost/fio/0000/result.json");
        let text = fs::read_to_string(&path).expect("written");
        let unit = if nights[..4].contains(night) {
            "ns"
        } else {
            "us"
        };
        let text = text.replace("\"role\"", &format!("\"unit\":\"{unit}\",\"role\""));
        fs::write(&path, text).expect("written");
    }
    train(&dir, &nights);
    let text = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let model: Value = serde_json::from_str(&text).expect("JSON");
    let entry = &model["Localhost/fio/0000:./read3/throughput/iops_sec.mean"];
    assert_eq!(
        (entry["n"].as_u64(), entry["unit"].as_str()),
        (Some(8), Some("us"))
    );
    let raw = entry["raw"].as_f64().expect("a level");
    assert!((3900.0..4100.0).contains(&raw), "{raw}");
}

#[test]
fn a_model_that_cannot_be_used_is_wrong_usage() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    let mut args = vec!["-l", "old.json", "--"];
    args.extend(nights.iter().map(String::as_str));
    assert_eq!(run(&dir, "analyze-perf", &args).0, 0);
    args[0] = "--model";
    let (code, _, err) = run(&dir, "analyze-perf", &args);
    assert_eq!(
        (code, err.contains("old.json")),
        (1, true),
        "not overwritten: {err}"
    );
    let (code, _, err) = run(
        &dir,
        "compare-perf",
        &["--model", "old.json", "--", "n50", "n49"],
    );
    assert_eq!(code, 4);
    assert!(
        err.contains("-l") && err.contains("analyze-perf --model"),
        "{err}"
    );
    let (code, _, err) = run(
        &dir,
        "compare-perf",
        &["--model", "none.json", "--", "n50", "n49"],
    );
    assert_eq!((code, err.contains("none.json")), (4, true), "{err}");
    let (code, _, _) = run(
        &dir,
        "compare-perf",
        &["--model", "a", "-l", "b", "--", "n50", "n49"],
    );
    assert_eq!(code, 4);
    for (option, value) in [
        ("--fdr", "0"),
        ("--fdr", "1"),
        ("--min-effect", "-1"),
        ("--group-tolerance", "nan"),
    ] {
        let (code, _, err) = run(&dir, "compare-perf", &[option, value, "--", "n50", "n49"]);
        assert_eq!(code, 4, "{option} {value}: {err}");
    }
}

#[test]
fn the_older_line_of_a_history_model_can_be_used_too() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    write(dir.path(), "worse", 20, &|metric| {
        if metric == "boot21" { 1.2 } else { 1.0 }
    });
    let (code, out, err) = run(
        &dir,
        "compare-perf",
        &[
            "-l",
            "model.json",
            "--format",
            "json",
            "--",
            &nights[11],
            "worse",
        ],
    );
    assert_eq!(code, 2, "{err}");
    let found: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (
            found["rule"].as_str(),
            with_status(&found, "regression").contains(&"boot21")
        ),
        (Some("line"), true)
    );
}

#[test]
fn a_lasting_loss_stays_red_from_the_first_acceptance_until_it_is_accepted() {
    let dir = TempDir::new().expect("a directory");
    // Half of the nights at the old level, half 8 % below: a step, guessed to be accepted.
    let nights = history(&dir, &|night, metric| {
        if metric == "read6" && night >= 6 {
            0.92
        } else {
            1.0
        }
    });
    write(dir.path(), "tonight", 20, &|metric| {
        if metric == "read6" { 0.92 } else { 1.0 }
    });
    train(&dir, &nights);
    let (code, found) = judge(&dir, &[], &nights[11], "tonight");
    assert_eq!(code, 0, "{}", found["reason"]);
    let notes = found["notes"].to_string();
    assert!(
        notes.contains("1 primary metrics are by now more than 5 % worse"),
        "{notes}"
    );

    let accept = |build: &str| {
        let mut args = vec![
            "--model",
            "model.json",
            "--accept",
            build,
            "--note",
            "new scheduler",
            "--",
        ];
        args.extend(nights.iter().map(String::as_str));
        run(&dir, "analyze-perf", &args)
    };
    assert_eq!(accept("102").0, 0);
    let (code, found) = judge(&dir, &[], &nights[11], "tonight");
    assert_eq!(
        (code, with_status(&found, "regression")),
        (2, vec!["read6"])
    );
    // Training again into the same file does not forget it.
    train(&dir, &nights);
    assert_eq!(judge(&dir, &[], &nights[11], "tonight").0, 2);

    assert_eq!(accept("109").0, 0);
    assert_eq!(judge(&dir, &[], &nights[11], "tonight").0, 0);
    let text = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let model: Value = serde_json::from_str(&text).expect("JSON");
    let accepted = model["__metadata__"]["accepted"]
        .as_array()
        .expect("a list");
    assert_eq!(accepted.len(), 2, "who accepted what before is kept");
    assert_eq!(
        (&accepted[1]["build"], &accepted[1]["note"]),
        (&json!("109"), &json!("new scheduler"))
    );

    let (code, _, err) = accept("999");
    assert_eq!(
        (code, err.contains("`999`") && err.contains("`111`")),
        (2, true),
        "{err}"
    );
}
