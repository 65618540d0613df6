//! Figures of recorded runs against those pbench made of them.

use serde_json::Value;

use super::{fixtures, json, judged};
use crate::store::result_json::Iteration;
use crate::tests::fio::logs::LogName;
use crate::tests::fio::output::FioOutput;
use crate::tests::fio::sample::{self, Log};
use crate::tests::pbench::IterationBuilder;

#[test]
fn percentiles_from_bins_are_those_fio_computes() {
    let output = judged("02-randrw-4jobs-group-jsonplus").expect("a good run");
    let recorded = json(&fixtures().join("fio/02-randrw-4jobs-group-jsonplus/output.json"));
    // One direction alone must give fio's own figures; both together lie between them.
    for (percent, key) in [
        (50.0, "50.000000"),
        (99.0, "99.000000"),
        (99.9, "99.900000"),
    ] {
        let of = |direction: &str| {
            let only = serde_json::json!({"jobs": [{"jobname": "x", direction: recorded["jobs"][0][direction]}]});
            let output = FioOutput::read(only.to_string().as_bytes()).expect("a document");
            let ours = output.percentile(percent).expect("bins");
            let fios = recorded["jobs"][0][direction]["clat_ns"]["percentile"][key]
                .as_f64()
                .expect("a percentile");
            assert!(
                (ours - fios).abs() < 1e-9,
                "{direction} {percent}: {ours}, fio says {fios}"
            );
            ours
        };
        let (read, write) = (of("read"), of("write"));
        let both = output.percentile(percent).expect("bins");
        assert!(
            both >= read.min(write) && both <= read.max(write),
            "{percent}: {read} {write} {both}"
        );
    }
}

#[test]
fn without_bins_only_one_direction_has_percentiles() {
    let read = judged("13-pbench-template-read-logs").expect("a good run");
    assert!(read.percentile(99.9).is_some());
    let mixed = judged("12-pbench-template-randrw-logs").expect("a good run");
    assert_eq!(
        mixed.percentile(99.9),
        None,
        "percentiles of reads and writes cannot be joined"
    );
}

/// Builds the iteration of a recorded run.
fn iteration(
    case: &str,
    client: &str,
) -> (FioOutput, Vec<crate::tests::pbench::SampleEntry>, Iteration) {
    let output = judged(case).unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(fixtures().join("fio").join(case)).expect("fixture") {
        let entry = entry.expect("an entry");
        if let Some(name) = entry.file_name().to_str().and_then(LogName::parse) {
            logs.push(Log {
                name,
                text: std::fs::read_to_string(entry.path()).expect("text"),
            });
        }
    }
    let entries = sample::entries(&output, &logs, client, None).expect("figures");
    let mut builder = IterationBuilder::new(
        1,
        "x",
        crate::tests::fio::benchmark(&output, 5.0),
        Vec::new(),
    );
    builder.sample(entries.clone());
    let built = builder.build();
    (output, entries, built)
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .or_else(|| value.as_str()?.parse().ok())
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn near(found: f64, expected: &Value, what: &str) {
    let expected = number(expected);
    // pbench prints 15 significant digits.
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{what}: {found}, pbench has {expected}"
    );
}

#[test]
fn recorded_logs_give_pbenchs_figures_number_by_number() {
    for (case, golden, client) in [
        (
            "12-pbench-template-randrw-logs",
            "1-randrw-4KiB",
            "localhost",
        ),
        ("13-pbench-template-read-logs", "2-read-4KiB", "localhost"),
        (
            "41-client-two-servers-pbench-logs",
            "3-randrw-4KiB",
            "127.0.0.1",
        ),
    ] {
        let (_, entries, built) = iteration(case, client);
        let golden = fixtures().join("pbench-results/fio").join(golden);
        let of_iteration = json(&golden.join("result.json"));
        let of_sample = json(&golden.join("sample1/result.json"));
        let data = &built.iteration_data;
        let mut compared = 0;
        for (class, ours) in [("throughput", &data.throughput), ("latency", &data.latency)] {
            for (metric, theirs) in of_iteration[class].as_object().expect("metrics") {
                let theirs = theirs.as_array().expect("entries");
                assert_eq!(ours[metric].len(), theirs.len(), "{case} {metric}");
                for (ours, theirs) in ours[metric].iter().zip(theirs) {
                    let what = format!("{case} {metric} {}", ours.client_hostname);
                    for (key, text) in [
                        ("client_hostname", &ours.client_hostname),
                        ("role", &ours.role),
                        ("description", &ours.description),
                        ("uid", &ours.uid),
                        ("closest_sample", &ours.closest_sample),
                    ] {
                        assert_eq!(theirs[key], **text, "{what} {key}");
                    }
                    near(ours.mean, &theirs["mean"], &what);
                    near(ours.stddev, &theirs["stddev"], &what);
                    near(ours.stddevpct, &theirs["stddevpct"], &what);
                    near(ours.samples[0].value, &theirs["samples"][0]["value"], &what);
                    let series = theirs["samples"][0]["timeseries"]
                        .as_array()
                        .expect("a series");
                    assert_eq!(ours.samples[0].timeseries.len(), series.len(), "{what}");
                    for (ours, theirs) in ours.samples[0].timeseries.iter().zip(series) {
                        assert_eq!(
                            ours.date.to_string(),
                            number(&theirs["date"]).to_string(),
                            "{what}"
                        );
                        near(ours.value, &theirs["value"], &what);
                        compared += 1;
                    }
                }
            }
        }
        // The sample's own file has the same entries, aggregate first.
        for class in ["throughput", "latency"] {
            for (metric, theirs) in of_sample[class].as_object().expect("metrics") {
                let with = crate::tests::pbench::aggregate::with_aggregates(&entries);
                let ours: Vec<_> = with
                    .iter()
                    .filter(|entry| entry.metric == *metric)
                    .collect();
                for (ours, theirs) in ours.iter().zip(theirs.as_array().expect("entries")) {
                    assert_eq!(theirs["client_hostname"], *ours.client, "{case} {metric}");
                    near(ours.value, &theirs["value"], metric);
                }
                assert_eq!(ours.len(), theirs.as_array().map_or(0, Vec::len));
            }
        }
        assert!(compared > 20, "{case}: {compared} points");
        let benchmark = &data.parameters.benchmark[0];
        for (key, theirs) in of_iteration["parameters"]["benchmark"][0]
            .as_object()
            .expect("parameters")
        {
            assert_eq!(&benchmark[key], theirs, "{case} {key}");
        }
        assert_eq!(benchmark["tool_version"], "3.33");
        assert_eq!(benchmark["driver"], "native");
        assert_eq!(
            benchmark.len(),
            of_iteration["parameters"]["benchmark"][0]
                .as_object()
                .map_or(0, serde_json::Map::len)
                + 2
        );
        assert!(data.throughput.contains_key("bw"), "which pbench lacks");
    }
}

#[test]
fn bandwidth_is_operations_times_block_size() {
    let (_, _, built) = iteration("13-pbench-template-read-logs", "localhost");
    let mean = |metric: &str| {
        built.iteration_data.throughput[metric]
            .last()
            .expect("all")
            .mean
    };
    assert!(
        (mean("bw") / mean("iops_sec") - 4.0).abs() < 0.01,
        "4 KiB each: {} {}",
        mean("bw"),
        mean("iops_sec")
    );
}

#[test]
fn a_process_without_a_log_makes_the_sum_no_figure() {
    let output = judged("12-pbench-template-randrw-logs").expect("a good run");
    let log = |job, text: &str| Log {
        name: LogName {
            kind: crate::tests::fio::logs::Kind::Iops,
            job,
            client: None,
        },
        text: text.into(),
    };
    let fault = sample::entries(
        &output,
        &[log(1, "1000, 5, 0, 0\n"), log(2, "")],
        "a",
        Some(2),
    )
    .expect_err("one is missing");
    assert_eq!(fault.class, "no-data");
    assert!(
        fault.message.contains("only 1 of 2 processes"),
        "{}",
        fault.message
    );
}
