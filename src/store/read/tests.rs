//! Reading of good, odd and broken results.

use std::fs;

use std::path::Path;

use super::*;
use crate::metric::Check;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/run-perf-results")
        .join(name)
}

fn read(path: &Path) -> ResultData {
    read_result("r", path, Include::default()).expect("a result")
}

/// A result with one file of this text.
fn result_with(text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let serial = root.path().join("P/t/0000");
    fs::create_dir_all(&serial).expect("directories");
    fs::write(root.path().join("RUNPERF_METADATA"), "build:7\ncmdline:x").expect("written");
    fs::write(serial.join("result.json"), text).expect("written");
    root
}

const ENTRY: &str = r#"[{"client_hostname": "a-1", "mean": 1}, {"client_hostname": "all", "mean": 5, "stddevpct": 0.5}]"#;

fn iteration(name: &str, metrics: &str) -> String {
    format!(
        r#"{{"iteration_name": "{name}", "iteration_data": {{"parameters": {{}}, "throughput": {{{metrics}}}}}}}"#
    )
}

#[test]
fn a_recorded_night_reads_in_order() {
    let night = read(&fixture("1_base/result_20200726_080654"));
    assert_eq!(night.warnings, [""; 0]);
    assert!(night.failures.is_empty());
    assert_eq!(night.metadata.build(), Some("1"));
    assert_eq!(
        night.date().map(|date| date.to_string()).as_deref(),
        Some("2020-07-26T08:06:54Z")
    );
    // 3 iterations and 1 of the second profile, each (1 throughput + 3 latencies) x (mean, spread).
    assert_eq!(night.measurements.len(), (3 + 1) * 4 * 2);
    let first = &night.measurements[0];
    assert_eq!(
        first.id.as_str(),
        "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean"
    );
    assert!(first.primary);
    assert_eq!(first.clients, 1);
    // Spec 8.5, first of the five values.
    assert!((first.value - 183_743.169_491_525).abs() < 1e-9);
    assert_eq!(
        first.params["user0"],
        BTreeMap::from([("profile".to_owned(), "Localhost".to_owned())])
    );
    assert_eq!(first.params["fio"]["bs"], "4k");
    assert_eq!(first.params["fio"]["max_stddevpct"], "5");
    let kinds: Vec<_> = night
        .measurements
        .iter()
        .take(8)
        .map(|m| (m.id.kind(), m.id.check()))
        .collect();
    assert_eq!(kinds[1], ("throughput", Check::Stddev));
    assert_eq!(kinds[2], ("latency", Check::Mean));
    assert_eq!(night.measurements[24].id.profile(), "Localhost2");
}

#[test]
fn recorded_failures_have_their_place_text_and_sums() {
    let night = read(&fixture("9_bad/result_three_bad"));
    let ids: Vec<_> = night
        .failures
        .iter()
        .map(|failure| failure.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "Localhost/fio/1:./ERROR/ERROR/ERROR.error",
            "Localhost/fio/2:./ERROR/ERROR/ERROR.error",
            "Localhost/fio/3:./ERROR/ERROR/ERROR.error"
        ]
    );
    let failure = &night.failures[0];
    assert_eq!(failure.class, "error");
    assert!(!failure.message.is_empty() && failure.message != "<Unknown exception>");
    assert_eq!(
        failure.files.keys().collect::<Vec<_>>(),
        ["details", "exception", "traceback"]
    );
    assert_eq!(failure.files["details"].len(), 40);
}

#[test]
fn failures_stand_from_the_root_down_with_stars_for_missing_names() {
    let root = result_with("[]");
    for place in [
        "__error1__",
        "__error0__",
        "P/__error0__",
        "P/t/0000/__error0__",
        "Q/__error3__",
        ".h/__error0__",
    ] {
        fs::create_dir_all(root.path().join(place)).expect("a directory");
    }
    fs::write(root.path().join("__error1__/class"), "timeout\n").expect("written");
    let night = read(root.path());
    let ids: Vec<_> = night
        .failures
        .iter()
        .map(|failure| failure.id.as_str().split(':').next())
        .collect();
    assert_eq!(
        ids,
        [
            Some("*/*/*"),
            Some("*/*/*"),
            Some("P/*/*"),
            Some("Q/*/*"),
            Some("P/t/0000")
        ]
    );
    assert_eq!(night.failures[0].message, "<Unknown exception>");
    assert_eq!(
        (&*night.failures[0].class, &*night.failures[1].class),
        ("error", "timeout")
    );
}

#[test]
fn incorrect_results_are_read_only_when_asked_for() {
    let text = format!(
        "[{}, {}, {}]",
        iteration("a-fail1", &format!(r#""m": {ENTRY}"#)),
        iteration("a-failure", &format!(r#""m": {ENTRY}"#)),
        iteration("a", &format!(r#""m": {ENTRY}"#))
    );
    let root = result_with(&text);
    let odd = root.path().join("P/t/tmpabc");
    fs::create_dir(&odd).expect("a directory");
    fs::write(odd.join("result.json"), &text).expect("written");
    let names = |include| {
        let night = read_result("r", root.path(), include).expect("a result");
        let names: Vec<_> = night
            .measurements
            .iter()
            .filter(|m| m.id.check() == Check::Mean)
            .map(|m| format!("{}:{}", m.id.serial(), m.id.iteration()))
            .collect();
        names.join(" ")
    };
    assert_eq!(names(Include::default()), "0000:a-failure 0000:a");
    let all = Include {
        incorrect: true,
        ..Include::default()
    };
    assert_eq!(
        names(all),
        "0000:a-fail1 0000:a-failure 0000:a tmpabc:a-fail1 tmpabc:a-failure tmpabc:a"
    );
}

#[test]
fn odd_values_cost_their_metric_and_are_named() {
    let root = result_with(&format!(
        "[{}, 5, {{}}, {}]",
        iteration(
            "i",
            r#""text": [{"client_hostname": "all", "mean": "12.5", "stddevpct": "lots"}],
               "null": [{"client_hostname": "all", "mean": null, "stddevpct": 1}],
               "nan": [{"client_hostname": "all", "mean": "NaN"}],
               "none": [{"client_hostname": "all"}],
               "clients": [{"client_hostname": "a", "mean": 1}],
               "word": "x", "listed": [[]]"#
        ),
        r#"{"iteration_name": 4, "iteration_data": {"throughput": 3}}"#,
    ));
    let night = read(root.path());
    let values: Vec<_> = night
        .measurements
        .iter()
        .map(|m| format!("{}.{}={}", m.id.metric(), m.id.check(), m.value))
        .collect();
    assert_eq!(values, ["text.mean=12.5", "null.stddev=1"]);
    assert!(night.failures.is_empty());
    let said = night.warnings.join("\n");
    for part in [
        "`mean` is the text \"12.5\"; read as a number",
        "`stddevpct` should be a number, found the text \"lots\"",
        "`mean` should be a number, found null",
        "none: no `mean`",
        "i/throughput/clients: no entry `all`",
        "iteration 1, word: expected a list of entries, found the text \"x\"",
        "iteration 2: expected an object, found 5",
        "iteration 3: no `iteration_name`",
        "4: no `parameters`",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(
        night
            .warnings
            .iter()
            .all(|line| line.starts_with("P/t/0000/result.json: "))
    );
}

#[test]
fn a_file_that_is_no_result_is_one_failure() {
    for (text, part) in [
        ("", "it is empty"),
        ("{}", "expected a list of iterations, found an object"),
        ("nonsense", "it is no JSON"),
        (
            r#"[{"iteration_name": "i", "iteration_da"#,
            "it ends too early",
        ),
        ("[] []", "it is no JSON"),
        (
            &r#"[{"iteration_data":{"parameters":{"benchmark":[{"a":"#
                .chars()
                .chain("[".repeat(100_000).chars())
                .collect::<String>(),
            "recursion limit",
        ),
        ("[\"\u{0}\"]", "it is no JSON"),
    ] {
        let night = read(result_with(text).path());
        assert_eq!(night.failures.len(), 1, "{part}");
        let failure = &night.failures[0];
        assert_eq!(
            (failure.class.as_str(), failure.id.serial()),
            ("unreadable", "0000")
        );
        assert!(
            failure.message.contains(part),
            "{part}: {}",
            failure.message
        );
        assert!(
            failure.message.starts_with("P/t/0000/result.json: "),
            "{}",
            failure.message
        );
    }
}

#[test]
fn bare_nan_reads_as_null() {
    let metrics = r#""NaN \"NaN": [{"client_hostname": "all", "mean": NaN, "stddevpct": -Infinity}], "m": [{"client_hostname": "all", "mean": 3}]"#;
    let night = read(result_with(&format!("[{}]", iteration("i", metrics))).path());
    assert_eq!(night.measurements.len(), 1);
    assert!(
        night
            .warnings
            .iter()
            .any(|line| line.contains("NaN and Infinity are no JSON")),
        "{:?}",
        night.warnings
    );
}

#[test]
fn samples_are_read_when_asked_for() {
    let entry = r#""m": [{"client_hostname": "all", "mean": 3, "stddevpct": 1, "unit": "IOPS", "better": "lower",
        "samples": [{"value": 2, "timeseries": [{"date": "1", "value": 2}]}, {"timeseries": []}, {"value": null}, {"value": 4}]}]"#;
    let root = result_with(&format!("[{}]", iteration("i", entry)));
    let with = read_result(
        "r",
        root.path(),
        Include {
            samples: true,
            ..Include::default()
        },
    )
    .expect("a result")
    .measurements;
    assert_eq!(with[0].samples, [2.0, 4.0]);
    assert_eq!(
        (with[0].unit.as_deref(), with[0].better),
        (Some("IOPS"), Some(Better::Lower))
    );
    assert!(with[1].samples.is_empty());
    assert!(read(root.path()).measurements[0].samples.is_empty());
}

#[test]
fn single_clients_are_read_when_asked_for() {
    let entry = r#""m": [{"client_hostname": "192.0.2.1-1", "mean": 1}, {"client_hostname": 7, "mean": 2},
        {"client_hostname": "no figure"}, {"mean": 3}, {"client_hostname": "all", "mean": 6, "stddevpct": 1}]"#;
    let root = result_with(&format!("[{}]", iteration("i", entry)));
    let include = Include {
        clients: true,
        ..Include::default()
    };
    let with = read_result("r", root.path(), include)
        .expect("a result")
        .measurements;
    let seen: Vec<(&str, f64)> = with[0]
        .by_client
        .iter()
        .map(|one| (one.client.as_ref(), one.value))
        .collect();
    assert_eq!(seen, [("192.0.2.1-1", 1.0), ("7", 2.0)]);
    assert_eq!(with[0].clients, 4, "all of them count as there");
    assert!(with[1].by_client.is_empty(), "a spread has none");
    assert!(read(root.path()).measurements[0].by_client.is_empty());
}

#[test]
fn things_that_are_no_files_do_not_stop_the_reading() {
    let root = result_with("[]");
    let place = |name: &str| root.path().join(name);
    fs::create_dir_all(place("P/t/0001/result.json")).expect("a directory");
    fs::create_dir_all(place("P/t/0002")).expect("a directory");
    std::os::unix::fs::symlink("result.json", place("P/t/0002/result.json"))
        .expect("a link to itself");
    std::os::unix::fs::symlink("..", place("P/t/0003")).expect("a link up");
    let night = read(root.path());
    let serials: Vec<_> = night
        .failures
        .iter()
        .map(|failure| failure.id.serial())
        .collect();
    assert_eq!(serials, ["0001", "0002"]);
    assert!(
        night.failures[0].message.contains("it is no regular file"),
        "{}",
        night.failures[0].message
    );
}

#[test]
fn what_is_no_result_is_refused_with_what_was_expected() {
    let root = tempfile::tempdir().expect("a directory");
    let error = |path: &Path| {
        let error = read_result("r", path, Include::default()).expect_err("no result");
        format!("{error} {}", error.reason())
    };
    assert!(
        error(root.path()).contains("neither RUNPERF_METADATA nor"),
        "{}",
        error(root.path())
    );
    assert!(error(&root.path().join("gone")).starts_with("cannot list "));
    fs::write(root.path().join("file"), "").expect("written");
    assert!(error(&root.path().join("file")).contains("it is a file"));
    let base = fixture("1_base");
    assert!(
        error(&base).contains("did you mean") && error(&base).contains("result_20200726_080654"),
        "{}",
        error(&base)
    );
    let inner = fixture("1_base/result_20200726_080654/Localhost/fio/0000");
    assert!(error(&inner).contains("did you mean"), "{}", error(&inner));
}
