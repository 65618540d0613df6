//! `analyze-perf --backtest`: the nights of a history judged as they came.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{history, run};

#[test]
fn a_replay_tells_lasting_losses_from_bad_nights() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|night, metric| match metric {
        // A loss that stays, at once red; one night that is bad.
        "boot21" if night >= 7 => 1.15,
        "read4" if night == 9 => 0.8,
        _ => 1.0,
    });
    let with = |options: &[&str]| {
        let mut args = options.to_vec();
        args.push("--");
        args.extend(nights.iter().map(String::as_str));
        run(&dir, "analyze-perf", &args)
    };
    let (code, text, err) = with(&["--backtest"]);
    assert_eq!(code, 0, "{err}");
    assert!(text.starts_with("10 of 12 nights replayed"), "{text}");
    assert!(
        text.contains("boot21/latency/lat") && text.contains("+15."),
        "{text}"
    );

    let (code, text, err) = with(&["--backtest=4", "--json", "-"]);
    assert_eq!(code, 0, "{err}");
    let found: Value = serde_json::from_str(&text).expect("the table went away for the JSON");
    assert_eq!(found["schema"], "runperf-backtest/1");
    let replayed = found["nights"].as_array().expect("a list");
    assert_eq!((replayed.len(), &replayed[1]["build"]), (4, &"109".into()));
    assert_eq!(
        replayed[1]["false_alarm_ids"][0],
        "Localhost/fio/0000:./read4/throughput/iops_sec.mean"
    );
    assert_eq!(found["total"]["false_alarms"], 1);

    let (_, text, _) = with(&["--backtest", "--json", "-"]);
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let change = &all["changes"][0];
    assert_eq!(
        (
            change["near"].as_str(),
            change["noticed"].as_str(),
            change["after_nights"].as_u64()
        ),
        (Some("107"), Some("107"), Some(0))
    );
    assert_eq!(change["worse"], true, "a latency that rises");

    let mut backwards: Vec<&str> = nights.iter().map(String::as_str).rev().collect();
    let mut args = vec!["--backtest", "--json", "-", "--"];
    args.append(&mut backwards);
    assert_eq!(
        run(&dir, "analyze-perf", &args).1,
        text,
        "order comes from the nights"
    );
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let dir = TempDir::new().expect("a directory");
    let nights = history(&dir, &|_, _| 1.0);
    let (code, _, err) = run(
        &dir,
        "analyze-perf",
        &["--backtest", "--", &nights[0], &nights[1]],
    );
    assert_eq!(code, 3);
    assert!(
        err.contains("2 of different nights") && err.contains("three nights"),
        "{err}"
    );
    for wrong in [
        ["--backtest=0", "-q"],
        ["--json", "x.json"],
        ["--fdr", "0.2"],
    ] {
        let (code, _, err) = run(
            &dir,
            "analyze-perf",
            &[wrong[0], wrong[1], "--", &nights[0]],
        );
        assert_eq!(code, 2, "{wrong:?}: {err}");
    }
}
