//! The model file: refused ones, and levels that are accepted.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{history, judge, run, train, with_status, write};

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

#[test]
fn what_stands_twice_in_a_model_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    let path = dir.path().join("model.json");
    let text = fs::read_to_string(&path).expect("written");
    // As a merge leaves it: the block of one metric a second time.
    let id = "Localhost/fio/0000:./read3/throughput/iops_sec.mean";
    let merged = text.replacen(
        '{',
        &format!("{{\n    \"{id}\": {{\"equation\": [1, 2]}},"),
        1,
    );
    fs::write(&path, merged).expect("written");
    let (code, _, err) = run(
        &dir,
        "compare-perf",
        &["--model", "model.json", "--", "n50", "n49"],
    );
    assert_eq!(code, 4);
    assert!(
        err.contains(id) && err.contains("stands there twice at line"),
        "{err}"
    );
}

#[test]
fn a_tolerance_below_0_is_answered_with_what_was_expected() {
    let dir = TempDir::new().expect("a directory");
    for (program, code, expected) in [
        ("analyze-perf", 2, "above 0"),
        ("compare-perf", 4, "0 or above"),
    ] {
        let ended = run(&dir, program, &["-t", "-1", "--", "x"]);
        assert_eq!(ended.0, code, "{program}");
        assert!(
            ended.2.contains(&format!("expected a number, {expected}"))
                || ended.2.contains(&format!("expected a number {expected}")),
            "{}",
            ended.2
        );
    }
}

#[test]
fn the_schema_tells_all_that_is_written() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    train(&dir, &nights);
    let (code, schema, _) = run(&dir, "analyze-perf", &["--generate", "schema"]);
    assert_eq!(code, 0);
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let text = fs::read_to_string(dir.path().join("model.json")).expect("written");
    let model: Value = serde_json::from_str(&text).expect("JSON");
    let known = |name: &str| {
        let properties = schema["$defs"][name]["properties"]
            .as_object()
            .expect("an object");
        properties.keys().cloned().collect::<Vec<_>>()
    };
    for (written, of) in [
        (&model["__metadata__"], "Metadata"),
        (
            &model["Localhost/fio/0000:./read3/throughput/iops_sec.mean"],
            "Entry",
        ),
    ] {
        for field in written.as_object().expect("an object").keys() {
            assert!(known(of).contains(field), "{of}.{field}");
        }
    }
    assert!(known("Backtest").contains(&"nights".to_owned()));
}
