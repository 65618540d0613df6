//! Figures of a real run, computed once more.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use runperf::control::event::Event;
use runperf::store::result_json::{Iteration, MetricEntry};
use serde_json::{Value, json};

use super::support::{Bench, all, has};

/// Mean, population deviation in percent and closest sample, computed another way than the program does.
fn recompute(entry: &MetricEntry) {
    let values: Vec<f64> = entry.samples.iter().map(|sample| sample.value).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| value * value).sum::<f64>() / n - mean * mean;
    let percent = if mean == 0.0 {
        0.0
    } else {
        100.0 * variance.max(0.0).sqrt() / mean
    };
    let closest = (0..values.len()).min_by(|a, b| {
        (values[*a] - mean)
            .abs()
            .total_cmp(&(values[*b] - mean).abs())
    });
    assert!(
        (entry.mean - mean).abs() <= 1e-9 * mean.abs(),
        "{} {mean}",
        entry.mean
    );
    // Four significant figures are stored.
    assert!(
        (entry.stddevpct - percent).abs() <= 1e-3 * percent.max(1e-3),
        "{} {percent}",
        entry.stddevpct
    );
    assert_eq!(
        entry.closest_sample,
        (closest.expect("samples") + 1).to_string()
    );
}

/// Keys of every object of a JSON value, with where they stand; array places are not told apart.
fn shape(value: &Value, place: &str, found: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Object(map) => {
            for (key, value) in map {
                shape(value, &format!("{place}.{key}"), found);
            }
            "object"
        }
        Value::Array(items) => {
            for item in items {
                shape(item, &format!("{place}[]"), found);
            }
            "array"
        }
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    };
    found.insert(place.to_owned(), kind);
}

#[test]
fn a_real_run_has_pbenchs_shape_and_figures_that_add_up() {
    need!(has("fio"), "no fio");
    let mut bench = Bench::new();
    bench.context.monitor_interval = Some(Duration::from_secs(1));
    let target = bench.target("target");
    let given = json!({"type": "randrw", "block-sizes": "4", "runtime": "1", "ramptime": "0", "samples": 3,
        "file-size": "8", "targets": target, "numjobs": "__PER_WORKER_CPUS__", "direct": 0, "iodepth": 4});
    let iterations = bench.run(&given).expect("figures");

    assert_eq!(iterations.len(), 1);
    let iteration = &iterations[0];
    assert_eq!(
        (
            iteration.iteration_number,
            iteration.iteration_name.as_str()
        ),
        (1, "randrw-4KiB")
    );
    let data = &iteration.iteration_data;
    assert_eq!(
        data.throughput.keys().collect::<Vec<_>>(),
        ["bw", "iops_sec"]
    );
    let latencies = [
        "clat",
        "clat_p50",
        "clat_p90",
        "clat_p95",
        "clat_p99",
        "clat_p99_9",
        "lat",
        "slat",
    ];
    assert_eq!(data.latency.keys().collect::<Vec<_>>(), latencies);
    for entries in data.throughput.values().chain(data.latency.values()) {
        let clients: Vec<&str> = entries
            .iter()
            .map(|entry| entry.client_hostname.as_str())
            .collect();
        assert_eq!(clients, ["127.0.0.1-2", "127.0.0.1-1", "all"]);
        for entry in entries {
            assert_eq!(entry.samples.len(), 3);
            assert!(entry.mean > 0.0);
            recompute(entry);
        }
    }
    let (bw, iops) = (
        all(&data.throughput, "bw").mean,
        all(&data.throughput, "iops_sec").mean,
    );
    // fio averages each log over intervals of its own, so this is about the unit, not the last percent.
    assert!((2.0..8.0).contains(&(bw / iops)), "4 KiB each: {bw} {iops}");
    let percentiles: Vec<f64> = latencies[1..6]
        .iter()
        .map(|metric| all(&data.latency, metric).mean)
        .collect();
    assert!(percentiles.is_sorted(), "{percentiles:?}");
    let benchmark = &data.parameters.benchmark[0];
    for (key, value) in [
        ("bs", json!("4k")),
        ("rw", json!("randrw,randrw")),
        ("numjobs", json!("2,2")),
        ("driver", json!("native")),
        ("primary_metric", json!("iops_sec")),
        ("max_stddevpct", json!(5)),
        ("runtime", json!("1")),
    ] {
        assert_eq!(benchmark[key], value, "{key}");
    }
    assert_eq!(data.parameters.user[0]["profile"], "Localhost");

    // Every key pbench writes is there, of the same kind.
    let ours: Value = serde_json::from_slice(
        &std::fs::read(bench.attempt().join("result.json")).expect("a checkpoint"),
    )
    .expect("JSON");
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pbench-results/fio/result.json");
    let theirs: Value =
        serde_json::from_slice(&std::fs::read(golden).expect("a fixture")).expect("JSON");
    let (mut have, mut want) = (BTreeMap::new(), BTreeMap::new());
    shape(&ours, "", &mut have);
    shape(&theirs, "", &mut want);
    for (place, kind) in &want {
        // pbench writes some dates as text, ours are numbers.
        let kind = if place.ends_with(".date") {
            &"number"
        } else {
            kind
        };
        assert_eq!(have.get(place), Some(kind), "{place}");
    }
    let written: Vec<Iteration> = serde_json::from_value(ours).expect("our own types");
    assert_eq!(written, iterations);

    // What fio wrote is kept, and what the machine did meanwhile; nothing else is left on the machine.
    let kept = bench.kept();
    let monitor = std::fs::read_to_string(
        bench
            .attempt()
            .join("monitor/randrw-4KiB/sample2/localhost.csv"),
    );
    let monitor = monitor.expect("one file a sample");
    assert!(
        monitor.starts_with("t,cpu_user,") && monitor.lines().count() >= 2,
        "{monitor}"
    );
    for file in [
        "fio.job",
        "fio.cmd",
        "fio-result.txt",
        "clients/127.0.0.1/fio_iops.2.log",
        "clients/127.0.0.1/fio_clat_hist.1.log",
    ] {
        let path = format!("raw/randrw-4KiB/sample3/{file}");
        assert!(kept.contains(&path), "{path} in {kept:?}");
    }
    assert!(
        !Path::new(&target).exists(),
        "fio made it, so it is removed"
    );
    let samples = bench
        .memory
        .0
        .lock()
        .expect("held by nobody")
        .iter()
        .filter(|e| matches!(e, Event::SampleStarted { .. }))
        .count();
    assert_eq!(samples, 3);
}
