//! One night held against a model.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{history, judge, run, train, with_status, write};

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
fn another_tool_version_unit_or_machine_is_used_but_said() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    let change = |name: &str, version: &str, unit: &str| {
        let path = dir.path().join(name).join("Localhost/fio/0000/result.json");
        let text = fs::read_to_string(&path).expect("written");
        let text = text
            .replace(
                "\"benchmark_name\":\"fio\"",
                &format!("\"benchmark_name\":\"fio\",\"tool_version\":\"{version}\""),
            )
            .replace("\"role\"", &format!("\"unit\":\"{unit}\",\"role\""));
        fs::write(&path, text).expect("written");
    };
    for night in &nights {
        change(night, "3.33", "IOPS");
    }
    train(&dir, &nights);
    write(dir.path(), "other", 20, &|_| 1.0);
    change("other", "3.36", "kIOPS");
    let metadata = dir.path().join("other/RUNPERF_METADATA");
    let text = fs::read_to_string(&metadata)
        .expect("written")
        .replace("machine:foo", "machine:bar");
    fs::write(&metadata, text).expect("written");
    let (code, found) = judge(&dir, &[], &nights[11], "other");
    assert_eq!(
        (code, found["rule"].as_str()),
        (0, Some("model")),
        "{}",
        found["reason"]
    );
    let notes = found["notes"].to_string();
    for said in [
        "the model was trained on foo, DST ran on bar",
        "the tool of fio was version 3.33 when the model was trained, 3.36 in DST",
        "24 metrics have another unit than the model was trained on",
        "IOPS there, kIOPS in DST",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
}

#[test]
fn an_unknown_direction_is_judged_two_sided_until_somebody_says_it() {
    let dir = TempDir::new().expect("a directory");
    let rename = |name: &str| {
        let path = dir.path().join(name).join("Localhost/fio/0000/result.json");
        let text = fs::read_to_string(&path).expect("written");
        let text = text.replace("\"lat\"", "\"watts\"");
        let mut iterations: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        for iteration in &mut iterations {
            if let Some(entry) = iteration.pointer_mut("/iteration_data/latency/watts/0") {
                entry["better"] = "unknown".into();
            }
        }
        fs::write(&path, Value::from(iterations).to_string()).expect("written");
    };
    let nights = history(&dir, &|_, _| 1.0);
    nights.iter().for_each(|night| rename(night));
    write(dir.path(), "other", 20, &|metric| match metric {
        "boot21" => 1.1,
        "boot22" => 0.9,
        _ => 1.0,
    });
    rename("other");
    train(&dir, &nights);
    let (_, found) = judge(&dir, &[], &nights[11], "other");
    assert_eq!(
        with_status(&found, "regression"),
        ["boot21", "boot22"],
        "either way"
    );
    let metrics = found["metrics"].as_array().expect("a list");
    let one = metrics
        .iter()
        .find(|check| check["iteration"] == "boot22")
        .expect("judged");
    assert!(
        one["labels"].to_string().contains("direction-unknown"),
        "{}",
        one["labels"]
    );

    // Told when comparing, although the model does not know it.
    let (_, found) = judge(&dir, &["--better", "watts=lower"], &nights[11], "other");
    assert_eq!(with_status(&found, "regression"), ["boot21"]);
    assert_eq!(with_status(&found, "improvement"), ["boot22"]);
    // Told by the configuration, to both programs.
    fs::write(
        dir.path().join("run-perf.toml"),
        "[directions]\nwatts = \"lower\"\n",
    )
    .expect("written");
    train(&dir, &nights);
    let (_, found) = judge(&dir, &[], &nights[11], "other");
    assert_eq!(with_status(&found, "regression"), ["boot21"]);
    let text = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let model: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        model["Localhost/fio/0000:./boot21/latency/watts.mean"]["dir"],
        -1
    );
}

#[test]
fn a_spread_regresses_when_it_is_unusual_and_large() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    let spread = |name: &str, of: &dyn Fn(&str) -> f64| {
        let path = dir.path().join(name).join("Localhost/fio/0000/result.json");
        let text = fs::read_to_string(&path).expect("written");
        let mut iterations: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        for iteration in &mut iterations {
            let pct = of(iteration["iteration_name"].as_str().expect("a name"));
            if let Some(entry) = iteration.pointer_mut("/iteration_data/throughput/iops_sec/0") {
                entry["stddevpct"] = pct.into();
            }
        }
        fs::write(&path, Value::from(iterations).to_string()).expect("written");
    };
    for (night, name) in nights.iter().enumerate() {
        let wave = ((night * 7) % 5) as f64;
        spread(name, &|iteration| match iteration {
            // Anything between 0.5 and 14 points is usual for this one.
            "read4" => 0.5 + 3.4 * wave,
            _ => 1.0 + 0.05 * wave,
        });
    }
    train(&dir, &nights);
    write(dir.path(), "tonight", 20, &|_| 1.0);
    spread("tonight", &|iteration| match iteration {
        "read3" => 3.0,
        "read4" => 14.0,
        "read5" => 9.0,
        _ => 1.1,
    });
    let (_, found) = judge(&dir, &[], &nights[11], "tonight");
    let metrics = found["metrics"].as_array().expect("a list");
    let status = |iteration: &str| {
        let spread = metrics
            .iter()
            .find(|check| check["iteration"] == iteration && check["check"] == "stddev")
            .expect("judged");
        spread["status"].as_str().expect("a status").to_owned()
    };
    assert_eq!(
        status("read3"),
        "within",
        "three times the usual, and nobody's concern"
    );
    assert_eq!(status("read4"), "within", "large, as on other nights");
    assert_eq!(status("read5"), "regression", "both");
    assert_eq!(status("read6"), "within");
}
