//! Every recorded run of fio 3.33 in `tests/fixtures/fio` against what must come of it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fault::{Ended, Fault, judge};
use super::logs::LogName;
use super::output::FioOutput;
use super::sample::{self, Log};
use crate::shell::Exit;
use crate::store::result_json::Iteration;
use crate::tests::pbench::IterationBuilder;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Judges a recorded run as if it had just ended.
fn judged(case: &str) -> Result<FioOutput, Fault> {
    let dir = fixtures().join("fio").join(case);
    let status = json(&dir.join("meta.json"))["exit"]
        .as_i64()
        .expect("a status");
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap_or_default();
    // With --output the document is in a file, else on standard output.
    let stdout = if dir.join("output.json").exists() {
        read("output.json")
    } else {
        read("stdout")
    };
    let clients = dir.join("fio-client.file").exists().then(|| {
        String::from_utf8_lossy(&read("fio-client.file"))
            .lines()
            .count()
    });
    let exit = Exit::Code(i32::try_from(status).expect("a small status"));
    judge(
        Ended {
            exit,
            stdout: &stdout,
            stderr: &read("stderr"),
        },
        clients,
    )
}

/// Figures that each good run states: jobs, operations, version.
#[test]
fn good_runs_give_the_figures_in_their_output() {
    let good: [(&str, usize, u64); 15] = [
        // python3: sum of read, write and trim total_ios over `jobs` (`client_stats` without `All clients`)
        ("01-read-2jobs-json", 2, 387_939),
        ("02-randrw-4jobs-group-jsonplus", 1, 247_091),
        ("03-randrw-4jobs-nogroup-json", 4, 318_067),
        ("04-libaio-percentiles-json", 1, 110_469),
        ("05-write-fsync-json", 1, 14_337),
        ("07-two-groups-new_group-json", 2, 312_634),
        ("08-normal-plus-json-on-stdout", 1, 8_254),
        ("10-iodepth-rate-iops-json", 1, 1_500),
        ("11-status-interval-json-on-stdout", 1, 20_131),
        ("12-pbench-template-randrw-logs", 2, 297_776),
        ("13-pbench-template-read-logs", 1, 219_830),
        ("23-missing-directory-is-created", 1, 1_024),
        ("40-client-two-servers", 2, 52_347),
        ("41-client-two-servers-pbench-logs", 4, 194_788),
        ("42-client-one-server", 1, 419_073),
    ];
    for (case, jobs, operations) in good {
        let output = judged(case).unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
        assert_eq!(output.version.as_deref(), Some("3.33"), "{case}");
        assert_eq!(output.jobs.len(), jobs, "{case}");
        assert_eq!(
            output.jobs.iter().map(|job| job.operations).sum::<u64>(),
            operations,
            "{case}"
        );
        assert_eq!(output.client_mode, case.starts_with('4'), "{case}");
    }
}

/// Runs that gave nothing useful, with the class a report names and words of the message and hint.
#[test]
fn bad_runs_say_what_happened_and_what_to_do() {
    let bad: [(&str, &str, &str, &str); 21] = [
        (
            "06-trim-not-supported-json",
            "enotty",
            "(errno 25)",
            "block device that can discard",
        ),
        ("09-terse-v5", "no-json", "status 0", "by hand"),
        (
            "20-fail-bad-option",
            "bad-option",
            "Bad option <no_such_option=1>",
            "job-file",
        ),
        (
            "21-fail-bad-value",
            "bad-option",
            "failed parsing rw=sideways",
            "job-file",
        ),
        (
            "22-fail-bad-ioengine",
            "bad-engine",
            "nosuchengine not loadable",
            "--enghelp",
        ),
        (
            "24-fail-job-file-missing",
            "no-job",
            "unable to open 'missing.fio'",
            "job-file",
        ),
        (
            "25-fail-empty-job-file",
            "no-job",
            "No job(s) defined",
            "job-file",
        ),
        (
            "26-fail-one-of-two-jobs",
            "enotdir",
            "`bad` failed: Not a directory (errno 20); 1 of 2 jobs failed",
            "is a file",
        ),
        (
            "27-fail-enospc",
            "enospc",
            "`w` failed: No space left on device (errno 28)",
            "file-size",
        ),
        (
            "28-fail-enospc-continue",
            "enospc",
            "No space left on device (errno 28)",
            "file-size",
        ),
        (
            "29-fail-read-only-device",
            "enospc",
            "/dev/full",
            "file-size",
        ),
        (
            "30-fail-cmdline-unknown-option",
            "bad-option",
            "unrecognized option '--no-such-flag'",
            "parameters",
        ),
        (
            "31-verify-mismatch",
            "eilseq",
            "(errno 84); it said: verify: bad magic header",
            "verify",
        ),
        (
            "32-fail-target-not-a-directory",
            "enotdir",
            "(errno 20)",
            "targets",
        ),
        (
            "33-fail-target-missing-no-create",
            "target-missing",
            "does not exist",
            "targets",
        ),
        (
            "34-fail-block-device-missing-stdout",
            "target-missing",
            "does not exist",
            "targets",
        ),
        (
            "35-fail-enospc-json-on-stdout",
            "enospc",
            "(errno 28)",
            "file-size",
        ),
        (
            "43-fail-one-server-down",
            "lost-client",
            "1 of 2 fio servers",
            "network",
        ),
        (
            "44-fail-all-servers-down",
            "lost-client",
            "failed to connect to 127.0.0.1:8765",
            "port",
        ),
        (
            "45-fail-server-killed-mid-run",
            "lost-client",
            "1 of 2 fio servers",
            "network",
        ),
        (
            "46-fail-server-job-error",
            "enotdir",
            "(errno 20) on server 127.0.0.1:8765",
            "is a file",
        ),
    ];
    for (case, class, message, hint) in bad {
        let fault = judged(case).expect_err(case);
        assert_eq!(fault.class, class, "{case}: {fault:?}");
        assert!(fault.message.contains(message), "{case}: {}", fault.message);
        assert!(
            fault.hint.as_deref().unwrap_or_default().contains(hint),
            "{case}: {:?}",
            fault.hint
        );
        assert!(!fault.message.contains('\n'), "{case}: one line");
    }
}

#[test]
fn every_recorded_run_is_in_one_of_the_tests() {
    let this = include_str!("recorded.rs");
    let mut cases = 0;
    for entry in std::fs::read_dir(fixtures().join("fio")).expect("fixtures") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        if entry.path().is_dir() {
            assert!(
                this.contains(&format!("\"{name}\",")),
                "{name} is not tested"
            );
            cases += 1;
        }
    }
    assert_eq!(cases, 36);
}

#[test]
fn errors_gone_over_are_counted_with_the_first_of_them() {
    let text = br#"{"jobs": [{"jobname": "w", "error": 0, "total_err": 7, "first_error": 5, "write": {"total_ios": 9}}]}"#;
    let ended = Ended {
        exit: Exit::Code(0),
        stdout: text,
        stderr: b"",
    };
    let fault = judge(ended, None).expect_err("errors are errors");
    assert_eq!(fault.class, "eio");
    assert!(
        fault.message.contains("first of 7 errors"),
        "{}",
        fault.message
    );
}

#[test]
fn a_run_ended_from_outside_is_no_result_although_fio_ends_with_status_0() {
    // Printed by fio 3.33 on SIGTERM, status 0; on SIGKILL of a worker process, by the parent.
    for noise in [
        "fio: terminating on signal 15",
        "fio: pid=20046, got signal=9",
    ] {
        let text = format!(
            "\n{noise}\n{{\"jobs\": [{{\"jobname\": \"j\", \"error\": 0, \"read\": {{\"total_ios\": 9}}}}]}}\n"
        );
        let ended = Ended {
            exit: Exit::Code(0),
            stdout: text.as_bytes(),
            stderr: b"",
        };
        assert_eq!(judge(ended, None).expect_err(noise).class, "killed");
    }
    let ended = Ended {
        exit: Exit::Signal(9),
        stdout: b"",
        stderr: b"",
    };
    assert_eq!(judge(ended, None).expect_err("killed").class, "killed");
}

#[test]
fn status_0_without_an_operation_is_no_result() {
    let text = br#"{"jobs": [{"jobname": "r", "error": 0, "read": {"total_ios": 0}}]}"#;
    let ended = Ended {
        exit: Exit::Code(0),
        stdout: text,
        stderr: b"",
    };
    assert_eq!(
        judge(ended, None).expect_err("nothing was done").class,
        "no-io"
    );
    let text = br#"{"jobs": [{"jobname": "r", "error": 0, "read": {"total_ios": 5}}]}"#;
    let ended = Ended {
        exit: Exit::Code(3),
        stdout: text,
        stderr: b"",
    };
    assert_eq!(
        judge(ended, None).expect_err("a bad status").class,
        "exit-status"
    );
}

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
    let mut builder = IterationBuilder::new(1, "x", super::benchmark(&output, 5.0), Vec::new());
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
            kind: super::logs::Kind::Iops,
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
