use super::*;
use crate::compare::records::sample::{failure, figure, result};
use crate::compare::types::{CheckResult, Status, Verdict};

fn judged(
    src: ResultData,
    references: Vec<ResultData>,
    dst: ResultData,
    options: Options,
) -> Comparison {
    let options = Options {
        compat: true,
        ..options
    };
    crate::compare::compare(
        Inputs {
            src,
            references,
            dst,
            models: Vec::new(),
            history: Default::default(),
            notes: Vec::new(),
        },
        &options,
    )
}

fn one(src: f64, dst: f64) -> CheckResult {
    let side = |value| result("r", vec![figure("read-4KiB", "iops_sec", value)]);
    judged(side(src), Vec::new(), side(dst), Options::default())
        .metrics
        .remove(0)
}

#[test]
fn statuses_follow_the_older_table_with_its_wrong_sign() {
    for (dst, expected, plain) in [
        (100.0, "MINOR_LOSS", Status::Within),
        (102.5, "PASS", Status::Within),
        (104.0, "MINOR_GAIN", Status::Within),
        (105.0, "MINOR_GAIN", Status::Within),
        (95.0, "MINOR_LOSS", Status::Within),
        (94.0, "FAIL", Status::Regression),
        (106.0, "FAIL_GAIN", Status::Improvement),
    ] {
        let check = one(100.0, dst);
        assert_eq!(check.compat_status.as_deref(), Some(expected), "{dst}");
        assert_eq!(check.status, plain, "{dst}");
    }
    assert_eq!(
        one(0.0, 50.0).compat_status.as_deref(),
        Some("MINOR_LOSS"),
        "a source of 0 never changes"
    );
}

#[test]
fn a_gain_fails_and_growing_latency_is_one() {
    let side = |clat| {
        result(
            "r",
            vec![
                figure("read-4KiB", "iops_sec", 100.0),
                figure("read-4KiB", "clat", clat),
            ],
        )
    };
    let secondary = judged(side(100.0), Vec::new(), side(200.0), Options::default());
    assert_eq!(
        secondary.metrics[1].compat_status.as_deref(),
        Some("FAIL_GAIN")
    );
    assert_eq!(secondary.exit_code, 0, "it is not primary");
    let side = |iops| result("r", vec![figure("read-4KiB", "iops_sec", iops)]);
    assert_eq!(
        judged(side(100.0), Vec::new(), side(200.0), Options::default()).exit_code,
        2
    );
}

#[test]
fn details_say_5_when_defaulted_and_5_0_when_given() {
    assert_eq!(
        one(100.0, 94.5).details,
        "SMALL raw -5.50% (100; 94.5) +-5% tolerance"
    );
    let side = |value| result("r", vec![figure("read-4KiB", "iops_sec", value)]);
    let given = Options {
        tolerance: crate::compare::Limit {
            value: 5.0,
            given: true,
        },
        ..Options::default()
    };
    let check = judged(side(100.25), Vec::new(), side(100.25), given)
        .metrics
        .remove(0);
    assert_eq!(
        check.details,
        "GOOD raw 0.00% (100.25; 100.25) +-5.0% tolerance"
    );
}

#[test]
fn missing_and_unknown_records_are_broken() {
    let src = result("s", vec![figure("read-4KiB", "iops_sec", 5.0)]);
    let dst = result("d", vec![figure("read-8KiB", "iops_sec", 7.5)]);
    let comparison = judged(src, Vec::new(), dst, Options::default());
    let said: Vec<_> = comparison
        .metrics
        .iter()
        .map(|check| (check.status, check.details.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (
                Status::New,
                "ERROR  Not present in source results (7.5). (0; -100) +-1% tolerance"
            ),
            (
                Status::Missing,
                "ERROR  Not present in target results (-100) (0; -100) +-1% tolerance"
            ),
        ]
    );
    assert_eq!(comparison.exit_code, 2, "unknown records fail too");
    assert!(
        comparison.groups.is_empty(),
        "broken records are in no group"
    );
}

#[test]
fn an_equal_failure_passes_a_changed_one_is_a_gain_a_second_one_is_unknown() {
    let with = |texts: &[&str]| {
        let mut result = result("r", Vec::new());
        result.failures = texts
            .iter()
            .map(|text| failure("Localhost", "fio/0", text))
            .collect();
        result
    };
    for (src, dst, expected, code) in [
        (&["a"][..], &["a"][..], vec!["PASS"], 0),
        (&["a"], &["b"], vec!["FAIL_GAIN"], 2),
        (&["a"], &["a", "a"], vec!["PASS", "ERROR"], 2),
        (&[], &["a"], vec!["ERROR"], 2),
        (&["a"], &[], vec!["ERROR"], 2),
    ] {
        let comparison = judged(with(src), Vec::new(), with(dst), Options::default());
        let statuses: Vec<_> = comparison
            .metrics
            .iter()
            .filter_map(|check| check.compat_status.clone())
            .collect();
        assert_eq!(statuses, expected, "{src:?} {dst:?}");
        assert_eq!(comparison.exit_code, code, "{src:?} {dst:?}");
    }
    let comparison = judged(with(&["a"]), Vec::new(), with(&["a"]), Options::default());
    assert_eq!(
        comparison.metrics[0].details,
        "GOOD raw 0.00% (a; a) +-0% tolerance"
    );
}

#[test]
fn group_tolerances_shrink_with_the_number_of_members() {
    let side = |value| {
        result(
            "r",
            (0..9)
                .map(|size| figure(&format!("read-{size}"), "iops_sec", value))
                .collect(),
        )
    };
    let comparison = judged(side(100.0), Vec::new(), side(97.0), Options::default());
    let groups: Vec<_> = comparison
        .groups
        .iter()
        .map(|group| {
            (
                group.id.as_str(),
                group.compat_status.as_deref(),
                group.tolerance,
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            (
                "Localhost/fio/0000:./read-*/throughput/iops_sec.mean",
                Some("FAIL"),
                Some(2.5)
            ),
            (
                "*/fio/0000:./read-*/throughput/iops_sec.mean",
                Some("FAIL"),
                Some(2.5)
            ),
            ("Localhost/*/*:./*-*/*/*.mean", Some("FAIL"), Some(2.5)),
        ]
    );
    assert_eq!(comparison.exit_code, 2, "groups fail a comparison");
    assert_eq!(
        comparison.groups[0].details,
        "SMALL raw -3.00% (-3.00; -3.0) +-2.5% tolerance"
    );
}

#[test]
fn nothing_at_all_ends_with_3() {
    let comparison = judged(
        result("s", Vec::new()),
        Vec::new(),
        result("d", Vec::new()),
        Options::default(),
    );
    assert_eq!(
        (comparison.exit_code, comparison.verdict),
        (3, Verdict::Error)
    );
}

#[test]
fn averages_stand_over_each_group_with_gains_and_losses_apart() {
    let side = |scale: f64| {
        result(
            "r",
            vec![
                figure("read-4KiB", "iops_sec", 100.0 * scale),
                figure("read-8KiB", "iops_sec", 100.0 / scale),
                figure("read-4KiB", "iops_sec.stddev", 1.0),
                figure("read-4KiB", "clat", 9.0),
            ],
        )
    };
    let comparison = judged(side(1.0), Vec::new(), side(0.8), Options::default());
    let text = averages(&comparison);
    let line = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(text.matches("Per-result-id averages:").count(), 3);
    // Scores -20 and +25: quartiles by interpolation, losses and gains over the count of both.
    assert_eq!(
        line("Localhost/fio/0000:./read-*/throughput/iops_sec "),
        "Localhost/fio/0000:./read-*/throughput/iops_sec | -20.0 -8.8 2.5 13.8 25.0 -10.0 12.5 | 0.0 0.0 0.0 0.0 0.0 0.0 0.0"
    );
    assert!(!text.contains("clat"), "primary ones only: {text}");
}
