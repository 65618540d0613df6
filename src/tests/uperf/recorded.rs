//! The 30 recorded runs of uperf 1.0.8: figures where pbench's own are at hand, outcomes of all.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::fault::{judge, no_data};
use super::output::{Series, entries, series, ticks};
use crate::shell::{Exit, Output};
use crate::tests::net::load::{Kind, Load};
use crate::tests::pbench::stats::four_significant;
use crate::tests::pbench::{IterationBuilder, SampleEntry};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

fn recorded(case: &str) -> Output {
    let folder = root().join("uperf").join(case);
    let meta: Value =
        serde_json::from_slice(&std::fs::read(folder.join("meta.json")).expect("fixture"))
            .expect("JSON");
    let exit = match meta["client_exit"].as_i64() {
        Some(code) => Exit::Code(i32::try_from(code).expect("small")),
        None => Exit::Signal(9),
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    Output {
        exit,
        stdout: read("client.stdout"),
        stderr: read("client.stderr"),
        took: Duration::ZERO,
    }
}

fn load(kind: Kind, size: u64, instances: u64) -> Load {
    Load {
        protocol: "tcp".into(),
        kind,
        size,
        instances,
    }
}

fn measured(case: &str, load: &Load, trim_ms: i64) -> Series {
    let output = recorded(case);
    judge(&output).unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
    series(&ticks(&output.text()), load, trim_ms)
}

/// Returns what happened: a class, or `ok` when figures are left with this trim.
fn outcome(case: &str, load: &Load, trim_ms: i64) -> String {
    let output = recorded(case);
    if let Err(fault) = judge(&output) {
        assert!(!fault.message.is_empty() && fault.hint.is_some(), "{case}");
        return fault.class;
    }
    let ticks = ticks(&output.text());
    let series = series(&ticks, load, trim_ms);
    if series.throughput.is_empty() {
        return no_data(ticks.len(), 5, 3).class;
    }
    if series.throughput.iter().all(|point| point.value <= 0.0) {
        return "no-operations".into();
    }
    "ok".into()
}

#[test]
fn every_case_has_the_outcome_its_description_names() {
    let (stream, rr) = (load(Kind::Stream, 64, 1), load(Kind::Rr, 64, 1));
    let cases: &[(&str, &Load, i64, &str)] = &[
        ("00-help", &rr, 0, "bad-option"),
        // The banner is all that -V prints.
        ("00-version", &rr, 0, "no-data"),
        ("01-tcp-stream-64B-1t-raw", &stream, 3000, "ok"),
        ("02-tcp-stream-1024B-4t-raw", &stream, 0, "ok"),
        ("03-tcp-stream-16384B-4t-raw", &stream, 3000, "ok"),
        ("04-tcp-rr-4MiB-1t-raw-resptimes", &rr, 3000, "ok"),
        ("05-tcp-rr-1024B-4t-raw", &rr, 3000, "ok"),
        ("05-tcp-rr-1024B-4t-raw-sample2", &rr, 3000, "ok"),
        ("05-tcp-rr-1024B-4t-raw-sample3", &rr, 3000, "ok"),
        ("06-udp-stream-1024B-1t-raw", &stream, 0, "ok"),
        ("07-udp-rr-64B-1t-raw", &rr, 0, "ok"),
        ("08-tcp-maerts-16384B-1t-raw", &stream, 0, "ok"),
        ("09-tcp-bidirec-1024B-1t-raw", &stream, 0, "ok"),
        // Without -R nothing carries a time.
        ("10-tcp-rr-64B-1t-default-output", &rr, 0, "no-data"),
        ("11-tcp-stream-16384B-4t-all-human", &stream, 0, "no-data"),
        ("12-env-substitution", &stream, 0, "ok"),
        // About a hundred transactions in the first second, then none.
        ("13-tcp-rr-64B-1t-rate-limit", &rr, 0, "ok"),
        ("13-tcp-rr-64B-1t-rate-limit", &rr, 3000, "no-operations"),
        ("20-fail-no-server", &rr, 0, "no-server"),
        // A missing end tag is accepted and runs.
        ("21-fail-malformed-xml", &rr, 0, "ok"),
        ("22-fail-unknown-flowop", &rr, 0, "bad-profile"),
        ("23-fail-env-not-set", &rr, 0, "bad-profile"),
        ("24-fail-profile-missing", &rr, 0, "bad-profile"),
        ("25-fail-not-xml", &rr, 0, "bad-profile"),
        (
            "26-fail-server-sigkill-mid-run-stream",
            &stream,
            0,
            "lost-server",
        ),
        ("27-fail-server-sigkill-mid-run-rr", &rr, 0, "lost-server"),
        (
            "28-fail-server-sigterm-mid-run-udp-rr",
            &rr,
            0,
            "lost-server",
        ),
        ("30-fail-bad-option", &rr, 0, "bad-option"),
        ("31-client-sigint-mid-run", &stream, 0, "killed"),
        ("32-fail-no-such-protocol", &rr, 0, "bad-profile"),
        ("33-fail-no-profile-option", &rr, 0, "bad-option"),
    ];
    for (case, load, trim, expected) in cases {
        assert_eq!(
            outcome(case, load, *trim),
            *expected,
            "{case} without {trim} ms"
        );
    }
    let mut recorded: Vec<String> = std::fs::read_dir(root().join("uperf"))
        .expect("fixtures")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    recorded.sort();
    let mut looked_at: Vec<&str> = cases.iter().map(|(case, ..)| *case).collect();
    looked_at.dedup();
    assert_eq!(recorded, looked_at, "no recording is left out");
}

#[test]
fn messages_say_what_uperf_said() {
    for (case, part) in [
        ("20-fail-no-server", "Connection refused"),
        ("22-fail-unknown-flowop", "Unknown flowop wriite"),
        ("23-fail-env-not-set", "$h not set"),
        ("24-fail-profile-missing", "No such file or directory"),
        (
            "26-fail-server-sigkill-mid-run-stream",
            "Connection reset by peer",
        ),
        ("30-fail-bad-option", "invalid option -- 'x'"),
        ("32-fail-no-such-protocol", "Protocol sctpx not supported"),
    ] {
        let fault = judge(&recorded(case)).expect_err(case);
        assert!(fault.message.contains(part), "{case}: {}", fault.message);
    }
    assert!(
        judge(&recorded("30-fail-bad-option"))
            .expect_err("usage")
            .message
            .contains("status 0")
    );
}

/// A run that was cut anywhere is an error or figures, never a panic.
#[test]
fn every_cut_of_a_recording_is_survived() {
    let whole = recorded("05-tcp-rr-1024B-4t-raw");
    for end in 0..whole.stdout.len() {
        let cut = Output {
            stdout: whole.stdout[..end].to_vec(),
            ..whole.clone()
        };
        let _ = judge(&cut);
        let _ = series(&ticks(&cut.text()), &load(Kind::Rr, 1024, 4), 3000);
    }
}

fn number(value: &Value) -> f64 {
    let text = || value.as_str()?.parse().ok();
    value.as_f64().or_else(text).expect("a number")
}

fn near(ours: f64, theirs: f64) -> bool {
    (ours - theirs).abs() <= 1e-9 * theirs.abs()
}

fn sample(case: &str, load: &Load) -> Vec<SampleEntry> {
    entries(measured(case, load, 3000), load.kind, "127.0.0.1")
}

#[test]
fn cases_with_a_golden_give_the_figures_of_pbench() {
    let cases: &[(&str, Load, &[&str])] = &[
        (
            "1-tcp_stream-64B-1i",
            load(Kind::Stream, 64, 1),
            &["01-tcp-stream-64B-1t-raw"],
        ),
        (
            "2-tcp_stream-16384B-4i",
            load(Kind::Stream, 16384, 4),
            &["03-tcp-stream-16384B-4t-raw"],
        ),
        (
            "3-tcp_rr-4194304B-1i",
            load(Kind::Rr, 4_194_304, 1),
            &["04-tcp-rr-4MiB-1t-raw-resptimes"],
        ),
        (
            "4-tcp_rr-1024B-4i",
            load(Kind::Rr, 1024, 4),
            &[
                "05-tcp-rr-1024B-4t-raw",
                "05-tcp-rr-1024B-4t-raw-sample2",
                "05-tcp-rr-1024B-4t-raw-sample3",
            ],
        ),
    ];
    let mut compared = 0;
    for (folder, load, samples) in cases {
        let mut builder = IterationBuilder::new(1, load.name(), Map::new(), Vec::new());
        let server = vec![
            ("server_hostname", "127.0.0.1".to_owned()),
            ("server_port", "20010".to_owned()),
        ];
        builder.identify("127.0.0.1", server);
        for case in *samples {
            builder.sample(sample(case, load));
        }
        let ours = builder.build();
        assert_eq!(
            folder.split_once('-').map(|(_, name)| name),
            Some(ours.iteration_name.as_str())
        );
        let ours = serde_json::to_value(ours.iteration_data).expect("JSON");
        let path = root()
            .join("pbench-results/uperf")
            .join(folder)
            .join("result.json");
        let golden: Value =
            serde_json::from_slice(&std::fs::read(path).expect("fixture")).expect("JSON");
        for class in ["throughput", "latency"] {
            let metrics = golden
                .get(class)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let own = ours
                .get(class)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&metrics), names(&own), "{folder} {class}");
            for (metric, theirs) in &metrics {
                for (ours, theirs) in own[metric]
                    .as_array()
                    .expect("entries")
                    .iter()
                    .zip(theirs.as_array().expect("entries"))
                {
                    compare(folder, ours, theirs, samples.len());
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 12, "two entries of each metric");
}

fn compare(folder: &str, ours: &Value, theirs: &Value, samples: usize) {
    for key in [
        "client_hostname",
        "role",
        "server_hostname",
        "server_port",
        "uid",
        "description",
    ] {
        assert_eq!(ours[key], theirs[key], "{folder}: {key}");
    }
    for key in ["mean", "stddev", "stddevpct"] {
        let rounded = match samples {
            1 => number(&ours[key]),
            _ => four_significant(number(&ours[key])),
        };
        assert!(
            near(rounded, number(&theirs[key])),
            "{folder} {key}: {rounded}, pbench has {}",
            theirs[key]
        );
    }
    assert!(
        near(
            number(&ours["closest_sample"]),
            number(&theirs["closest_sample"])
        ),
        "{folder}"
    );
    let series = |entry: &Value| -> Vec<(f64, f64)> {
        let samples = entry["samples"].as_array().expect("samples").clone();
        samples
            .iter()
            .flat_map(|sample| {
                let mut rows = vec![(0.0, number(&sample["value"]))];
                for point in sample["timeseries"].as_array().expect("points") {
                    rows.push((number(&point["date"]), number(&point["value"])));
                }
                rows
            })
            .collect()
    };
    let (ours, theirs) = (series(ours), series(theirs));
    assert_eq!(ours.len(), theirs.len(), "{folder}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(
            near(ours.0, theirs.0) && near(ours.1, theirs.1),
            "{folder}: {ours:?}, pbench has {theirs:?}"
        );
    }
}
