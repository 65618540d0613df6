//! The table of docs/statuses.md, row by row, on results built in memory.

use super::super::records::sample::{failure, figure, result};
use super::super::{Limit, LineModel, ModelLine, Verdict, compare};
use super::*;
use crate::metric::Check;

fn judged(
    src: ResultData,
    references: Vec<ResultData>,
    dst: ResultData,
    options: &Options,
) -> Comparison {
    compare(
        Inputs {
            src,
            references,
            dst,
            models: Vec::new(),
            history: Default::default(),
            notes: Vec::new(),
        },
        options,
    )
}

fn iops(value: f64) -> ResultData {
    result("r", vec![figure("read-4KiB", "iops_sec", value)])
}

/// References of these values in order of date; `None`: the metric is missing.
fn references(values: &[Option<f64>]) -> Vec<ResultData> {
    values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let mut data = result(
                &format!("ref{index}"),
                value
                    .iter()
                    .map(|v| figure("read-4KiB", "iops_sec", *v))
                    .collect(),
            );
            data.metadata.values.insert(
                "started".into(),
                format!("2026-01-{:02}T00:00:00Z", index + 1),
            );
            data
        })
        .collect()
}

fn with_gain() -> Options {
    Options {
        fail_on_gain: true,
        ..Options::default()
    }
}

fn without_missing() -> Options {
    Options {
        allow_missing: true,
        ..Options::default()
    }
}

#[test]
fn each_status_and_exit_code_follows_the_table() {
    let empty = || result("r", Vec::new());
    let plain = Options::default;
    let cases: Vec<(&str, ResultData, ResultData, Options, Status, u8)> = vec![
        (
            "equal",
            iops(100.0),
            iops(100.0),
            plain(),
            Status::Within,
            0,
        ),
        (
            "equal with a limit of 0",
            iops(0.3),
            iops(0.3),
            Options {
                tolerance: Limit {
                    value: 0.0,
                    given: true,
                },
                ..plain()
            },
            Status::Within,
            0,
        ),
        (
            "worse",
            iops(100.0),
            iops(94.0),
            plain(),
            Status::Regression,
            2,
        ),
        (
            "exactly the limit",
            iops(100.0),
            iops(95.0),
            plain(),
            Status::Within,
            0,
        ),
        (
            "better",
            iops(100.0),
            iops(106.0),
            plain(),
            Status::Improvement,
            0,
        ),
        (
            "better, failing",
            iops(100.0),
            iops(106.0),
            with_gain(),
            Status::Improvement,
            2,
        ),
        (
            "missing",
            result(
                "r",
                vec![figure("a", "iops_sec", 1.0), figure("b", "iops_sec", 1.0)],
            ),
            result("r", vec![figure("b", "iops_sec", 1.0)]),
            plain(),
            Status::Missing,
            2,
        ),
        (
            "missing, allowed",
            result(
                "r",
                vec![figure("a", "iops_sec", 1.0), figure("b", "iops_sec", 1.0)],
            ),
            result("r", vec![figure("b", "iops_sec", 1.0)]),
            without_missing(),
            Status::Missing,
            0,
        ),
        (
            "all missing, allowed",
            iops(1.0),
            empty(),
            without_missing(),
            Status::Missing,
            3,
        ),
        ("only new", empty(), iops(1.0), plain(), Status::New, 3),
        (
            "slower and secondary",
            result("r", vec![figure("a", "clat", 100.0)]),
            result("r", vec![figure("a", "clat", 150.0)]),
            plain(),
            Status::Regression,
            0,
        ),
    ];
    for (name, src, dst, options, status, code) in cases {
        let comparison = judged(src, Vec::new(), dst, &options);
        assert_eq!(comparison.metrics[0].status, status, "{name}");
        assert_eq!(comparison.exit_code, code, "{name}: {}", comparison.reason);
        let expected = match code {
            0 => Verdict::Pass,
            2 => Verdict::Fail,
            _ => Verdict::Error,
        };
        assert_eq!(comparison.verdict, expected, "{name}");
    }
}

#[test]
fn nothing_on_both_sides_is_an_error_not_a_pass() {
    let comparison = judged(
        result("s", Vec::new()),
        Vec::new(),
        result("d", Vec::new()),
        &Options::default(),
    );
    assert_eq!(
        (comparison.verdict, comparison.exit_code),
        (Verdict::Error, 3)
    );
    assert_eq!(
        comparison.reason,
        "nothing to compare: neither result holds a metric"
    );
}

#[test]
fn growing_latency_is_a_regression_and_falling_latency_a_gain() {
    let side = |clat| result("r", vec![figure("read-4KiB", "clat", clat)]);
    for (dst, status, score) in [
        (110.0, Status::Regression, -10.0),
        (90.0, Status::Improvement, 10.0),
    ] {
        let check = judged(side(100.0), Vec::new(), side(dst), &Options::default())
            .metrics
            .remove(0);
        assert_eq!(check.status, status);
        assert!((check.score.expect("a score") - score).abs() < 1e-9);
        assert!(
            (check.change_pct.expect("a change") + score).abs() < 1e-9,
            "the change stays as measured"
        );
    }
}

#[test]
fn an_unknown_direction_is_judged_both_ways_and_said() {
    let side = |value| {
        let mut figure = figure("read-4KiB", "iops_sec", value);
        figure.better = Some(Better::Unknown);
        result("r", vec![figure])
    };
    for dst in [90.0, 110.0] {
        let comparison = judged(side(100.0), Vec::new(), side(dst), &Options::default());
        assert_eq!(comparison.metrics[0].status, Status::Regression, "{dst}");
        assert_eq!(comparison.metrics[0].labels, ["direction-unknown"]);
        assert!(
            comparison.groups.is_empty(),
            "nothing can be said about a sum of them"
        );
        assert!(
            comparison.notes[0].contains("--better"),
            "{:?}",
            comparison.notes
        );
    }
    let given = Options {
        better: [("iops_sec".to_owned(), Better::Higher)].into(),
        ..Options::default()
    };
    assert_eq!(
        judged(side(100.0), Vec::new(), side(110.0), &given).metrics[0].status,
        Status::Improvement
    );
}

#[test]
fn spreads_are_judged_in_points_and_lower_is_better() {
    let side = |points| result("r", vec![figure("read-4KiB", "iops_sec.stddev", points)]);
    for (src, dst, status) in [
        (1.0, 7.0, Status::Regression),
        (7.0, 1.0, Status::Improvement),
        (0.0, 4.0, Status::Within),
        (0.0, 6.0, Status::Regression),
    ] {
        let check = judged(side(src), Vec::new(), side(dst), &Options::default())
            .metrics
            .remove(0);
        assert_eq!(check.check, Check::Stddev);
        assert_eq!(check.status, status, "{src} {dst}");
        assert_eq!(check.change_pct, Some(dst - src));
    }
}

#[test]
fn a_source_of_0_is_judged_by_direction_alone() {
    for (better, dst, status) in [
        (Better::Higher, 5.0, Status::Improvement),
        (Better::Lower, 5.0, Status::Regression),
        (Better::Lower, 0.0, Status::Within),
        (Better::Unknown, 5.0, Status::Regression),
    ] {
        let side = |value| {
            let mut figure = figure("a", "iops_sec", value);
            figure.better = Some(better);
            result("r", vec![figure])
        };
        let comparison = judged(side(0.0), Vec::new(), side(dst), &Options::default());
        let check = &comparison.metrics[0];
        assert_eq!(check.status, status, "{better:?} {dst}");
        assert_eq!(check.labels.contains(&FROM_ZERO.to_owned()), dst > 0.0);
        assert!(
            check.score.is_none_or(f64::is_finite) && check.change_pct.is_none_or(f64::is_finite)
        );
        assert_ne!(comparison.verdict, Verdict::Error, "a pair was compared");
    }
}

#[test]
fn beyond_half_the_limit_is_a_label() {
    for (dst, minor) in [(97.6, false), (97.4, true), (102.4, false), (102.6, true)] {
        let check = judged(iops(100.0), Vec::new(), iops(dst), &Options::default())
            .metrics
            .remove(0);
        assert_eq!(
            (check.status, check.labels == ["minor"]),
            (Status::Within, minor),
            "{dst}"
        );
    }
}

#[test]
fn since_and_flaky_come_from_the_references_in_order_of_date() {
    const GOOD: Option<f64> = Some(100.0);
    const BAD: Option<f64> = Some(80.0);
    for (past, status, since, builds) in [
        (
            vec![GOOD, GOOD, BAD, BAD],
            Status::Regression,
            Some("ref2"),
            3,
        ),
        (vec![GOOD, GOOD, GOOD], Status::Regression, None, 1),
        (vec![BAD, GOOD, GOOD, GOOD, GOOD], Status::Flaky, None, 1),
        (vec![BAD, GOOD, GOOD, GOOD], Status::Regression, None, 1),
        (
            vec![GOOD, GOOD, GOOD, GOOD, BAD, BAD],
            Status::Regression,
            Some("ref4"),
            3,
        ),
        (vec![BAD; 6], Status::Regression, Some("ref0"), 7),
        (
            vec![GOOD, BAD, GOOD, BAD],
            Status::Regression,
            Some("ref1"),
            3,
        ),
        (
            vec![None, GOOD, None, BAD, None],
            Status::Regression,
            Some("ref3"),
            2,
        ),
    ] {
        let comparison = judged(
            iops(100.0),
            references(&past),
            iops(80.0),
            &Options::default(),
        );
        let check = &comparison.metrics[0];
        assert_eq!(
            (check.status, check.since.as_deref(), check.outside_builds),
            (status, since, builds),
            "{past:?}"
        );
        assert_eq!(check.history, past);
        let mut reversed = references(&past);
        reversed.reverse();
        assert_eq!(
            judged(iops(100.0), reversed, iops(80.0), &Options::default()),
            comparison,
            "order of arguments"
        );
    }
}

#[test]
fn a_metric_that_was_often_missing_is_flaky_one_that_stays_away_is_missing() {
    const GOOD: Option<f64> = Some(100.0);
    for (past, status) in [
        (vec![None, GOOD, GOOD, GOOD, GOOD], Status::Flaky),
        (vec![None, GOOD, GOOD, GOOD], Status::Missing),
        (vec![None; 30], Status::Missing),
        (vec![GOOD; 30], Status::Missing),
    ] {
        let dst = result("r", vec![figure("other", "iops_sec", 1.0)]);
        let comparison = judged(iops(100.0), references(&past), dst, &Options::default());
        assert_eq!(comparison.metrics[0].status, status, "{past:?}");
    }
}

#[test]
fn fewer_clients_than_in_src_is_missing_more_is_not() {
    let side = |clients| {
        let mut figure = figure("a", "iops_sec", 100.0);
        figure.clients = clients;
        result("r", vec![figure])
    };
    let fewer = judged(side(3), Vec::new(), side(2), &Options::default());
    assert_eq!(
        (fewer.metrics[0].status, fewer.exit_code),
        (Status::Missing, 2)
    );
    assert_eq!(fewer.metrics[0].labels, [CLIENTS_DIFFER]);
    assert_eq!(
        judged(side(2), Vec::new(), side(3), &Options::default()).metrics[0].status,
        Status::Within
    );
}

#[test]
fn failures_of_dst_fail_even_when_src_had_the_same() {
    let with = |failures: Vec<_>| {
        let mut data = iops(100.0);
        data.failures = failures;
        data
    };
    let src = with(vec![
        failure("Localhost", "uperf/0", "x"),
        failure("Gone", "fio/1", "y"),
    ]);
    let dst = with(vec![
        failure("Localhost", "uperf/0", "\n first line \nsecond"),
        failure("*", "*/*", "fatal"),
    ]);
    let comparison = judged(
        src,
        vec![with(vec![failure("*", "*/*", "fatal")])],
        dst,
        &Options::default(),
    );
    assert_eq!(
        (comparison.verdict, comparison.exit_code),
        (Verdict::Fail, 2)
    );
    let said: Vec<_> = comparison
        .errors
        .iter()
        .map(|e| {
            (
                e.place.as_str(),
                e.message.as_str(),
                e.same_in_src,
                e.in_references,
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("Localhost/uperf", "first line", true, 0),
            ("run", "fatal", false, 1)
        ]
    );
    assert_eq!(comparison.works_again, ["Gone/fio"]);
    assert_eq!(comparison.counts["error"], 2);
    assert!(
        comparison.reason.contains("Localhost/uperf: first line"),
        "{}",
        comparison.reason
    );
}

#[test]
fn counts_add_up() {
    let src = result(
        "s",
        (0..20)
            .map(|i| {
                figure(
                    &format!("read-{i}"),
                    if i % 2 == 0 { "iops_sec" } else { "clat" },
                    100.0,
                )
            })
            .collect(),
    );
    let mut dst = result(
        "d",
        (3..25)
            .map(|i| {
                figure(
                    &format!("read-{i}"),
                    if i % 2 == 0 { "iops_sec" } else { "clat" },
                    80.0 + f64::from(i) * 2.0,
                )
            })
            .collect(),
    );
    dst.failures = vec![failure("Localhost", "fio/0", "x")];
    let comparison = judged(src, Vec::new(), dst, &Options::default());
    let sum = |counts: &BTreeMap<String, usize>| counts.values().sum::<usize>();
    assert_eq!(
        sum(&comparison.counts),
        comparison.metrics.len() + comparison.errors.len()
    );
    assert_eq!(
        sum(&comparison.counts_primary),
        comparison.metrics.iter().filter(|c| c.primary).count() + comparison.errors.len()
    );
    assert_eq!(sum(&comparison.counts_groups), comparison.groups.len());
    assert_eq!(comparison.counts.len(), Status::ALL.len());
    for status in Status::ALL
        .into_iter()
        .filter(|status| *status != Status::Within && *status != Status::Error)
    {
        let members: usize = comparison
            .incidents
            .iter()
            .filter(|i| i.status == status)
            .map(|i| i.metrics.len())
            .sum();
        assert_eq!(
            members,
            comparison.counts[status.word()],
            "{status:?} in incidents"
        );
    }
}

#[test]
fn a_wide_loss_fails_its_groups_although_no_member_does() {
    let side = |value| {
        result(
            "r",
            (0..9)
                .map(|size| figure(&format!("read-{size}"), "iops_sec", value))
                .collect(),
        )
    };
    let comparison = judged(side(100.0), Vec::new(), side(97.0), &Options::default());
    assert_eq!(comparison.counts["regression"], 0);
    assert_eq!(
        (comparison.counts_groups["regression"], comparison.exit_code),
        (3, 2)
    );
    assert_eq!(
        comparison.groups[2].id.as_str(),
        "Localhost/*/*:./*-*/*/*.mean"
    );
    assert!((comparison.groups[0].change_pct.expect("pairs") - -3.0).abs() < 1e-9);
}

#[test]
fn a_group_does_not_cancel_slower_latency_against_throughput() {
    // Both got worse by 6 %: turned, their mean is -6, not 0.
    let side = |iops, clat| {
        let mut latency = figure("read-4KiB", "clat", clat);
        latency.primary = true;
        result("r", vec![figure("read-4KiB", "iops_sec", iops), latency])
    };
    let comparison = judged(
        side(100.0, 100.0),
        Vec::new(),
        side(94.0, 106.0),
        &Options::default(),
    );
    let all = comparison.groups.last().expect("a group of the profile");
    assert!((all.score.expect("a score") - -6.0).abs() < 1e-9, "{all:?}");
    assert_eq!(all.status, Status::Regression);
}

#[test]
fn an_incident_joins_what_moved_together_and_ranks_by_bands() {
    let src = result(
        "s",
        vec![
            figure("a", "clat", 100.0),
            figure("a", "iops_sec", 100.0),
            figure("b", "iops_sec", 100.0),
            figure("c", "clat", 100.0),
        ],
    );
    let dst = result(
        "d",
        vec![
            figure("a", "clat", 110.0),
            figure("a", "iops_sec", 93.0),
            figure("b", "iops_sec", 50.0),
            figure("c", "clat", 900.0),
        ],
    );
    let comparison = judged(src, Vec::new(), dst, &Options::default());
    let places: Vec<_> = comparison
        .incidents
        .iter()
        .map(|i| (i.iteration.as_str(), i.metrics.len()))
        .collect();
    assert_eq!(
        places,
        [("b", 1), ("a", 2), ("c", 1)],
        "primary first, then by weight"
    );
    assert_eq!(
        comparison.incidents[1].metrics[0].metric(),
        "iops_sec",
        "primary first"
    );
    assert_eq!(
        comparison.reason,
        "4 regressions in 3 places, 2 groups slower as a whole, 0 of 4 within band; worst: Localhost / fio / b iops_sec -50.0 %, 10.0 x the band"
            .replace("2 groups", &format!("{} groups", comparison.counts_groups["regression"]))
    );
}

#[test]
fn a_model_makes_a_quiet_metric_strict_and_a_loud_one_lenient() {
    let line = |low: f64, high: f64| ModelLine {
        a: 8.0 / (high - low),
        b: -4.0 * (high + low) / (high - low),
        raw: Some((high + low) / 2.0),
        turned: false,
    };
    for (low, high, dst, status) in [
        (99.0, 101.0, 98.0, Status::Regression),
        (80.0, 120.0, 85.0, Status::Within),
        (99.0, 101.0, 102.0, Status::Improvement),
    ] {
        let id = figure("read-4KiB", "iops_sec", 0.0).id;
        let model = LineModel {
            name: "m.json".into(),
            lines: [(id.to_string(), line(low, high))].into(),
        };
        let comparison = compare(
            Inputs {
                src: iops(100.0),
                references: Vec::new(),
                dst: iops(dst),
                models: vec![model],
                history: Default::default(),
                notes: Vec::new(),
            },
            &Options::default(),
        );
        assert_eq!(comparison.rule, Rule::Line);
        assert_eq!(comparison.metrics[0].status, status, "{low} {high} {dst}");
        let parts: Vec<_> = comparison.metrics[0]
            .checks
            .iter()
            .map(|part| part.name.as_str())
            .collect();
        assert_eq!(parts, ["model0", "mraw0", "raw"]);
    }
}

#[test]
fn builds_of_one_name_can_be_told_apart() {
    let mut src = iops(1.0);
    let mut dst = iops(1.0);
    for (data, name) in [(&mut src, "one"), (&mut dst, "two")] {
        name.clone_into(&mut data.name);
        data.metadata.values.insert("build".into(), "57".into());
    }
    let comparison = judged(src, Vec::new(), dst, &Options::default());
    assert_eq!(
        (comparison.src.name.as_str(), comparison.dst.name.as_str()),
        ("57 (one)", "57 (two)")
    );
}
