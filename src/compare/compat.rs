//! The older tool's judgement to the letter, oddities included.
//!
//! It exists so that a site can check on its own data that nothing changed before it switches over:
//! records, statuses, scores, tolerances, details, the order of xUnit cases and the exit code are
//! those of run-perf's compare-perf (specification of run-perf 9.1 to 9.8 and 12). What looks wrong
//! here is meant: gains fail, latency may only grow, nearly everything accepted is a minor loss.
//!
//! One thing cannot be known any more: whether a whole number stood in `result.json` with a decimal
//! point. It is taken for an integer, which is what pbench writes.

mod learn;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};

use self::learn::Learned;
use self::record::{CompatStatus, Record, Value};
use super::inputs::{Inputs, Options};
use super::judge;
use super::records::{Indexed, params_changed};
use super::since::{Past, run};
use super::types::{CheckResult, Comparison, LimitsInForce, Part, Rule, Status, Tool, Verdict};
use super::{builds, environment, errors, incidents, verdict};
use crate::analysis::grouping::{JUDGED, merged};
use crate::analysis::stats;
use crate::metric::{Better, Check, MetricId};
use crate::store::read::ResultData;

/// A figure or a failure text of one result.
struct Figure {
    id: MetricId,
    value: Value,
    primary: bool,
}

/// Returns everything of a result in reading order: figures, then failures.
fn figures(result: &ResultData) -> Vec<Figure> {
    let values = result.measurements.iter().map(|m| Figure {
        id: m.id.clone(),
        value: Value::number(m.value),
        primary: m.primary,
    });
    let texts = result.failures.iter().map(|f| Figure {
        id: f.id.clone(),
        value: Value::Text(f.message.clone()),
        primary: true,
    });
    values.chain(texts).collect()
}

/// SRC as the older tool keeps it: one entry an id, at its first place, with its last value.
struct Source {
    order: Vec<MetricId>,
    values: HashMap<MetricId, (Value, bool)>,
}

impl Source {
    fn new(result: &ResultData) -> Self {
        let mut order = Vec::new();
        let mut values = HashMap::new();
        for Figure { id, value, primary } in figures(result) {
            if values.insert(id.clone(), (value, primary)).is_none() {
                order.push(id);
            }
        }
        Self { order, values }
    }
}

/// Judges as the older tool does.
pub(crate) fn compare(inputs: Inputs, options: &Options) -> Comparison {
    let source = Source::new(&inputs.src);
    let rules = record::Rules {
        models: &inputs.models,
        options,
    };
    let mut learned = Learned::new(options);
    let mut past: Vec<HashMap<MetricId, CompatStatus>> = Vec::new();
    for reference in &inputs.references {
        let records = records(&source, reference, &rules, None);
        let groups = group_records(&records, options, None);
        learned.learn(&records);
        learned.learn(&groups);
        past.push(
            records
                .into_iter()
                .map(|record| (record.id, record.status))
                .collect(),
        );
    }
    let records = records(&source, &inputs.dst, &rules, Some(&learned));
    let groups = group_records(&records, options, Some(&learned));
    conclude(&inputs, options, &records, &groups, &past)
}

/// Builds the records of one result: its own figures, then what only SRC has.
fn records(
    source: &Source,
    result: &ResultData,
    rules: &record::Rules<'_>,
    learned: Option<&Learned>,
) -> Vec<Record> {
    let mut used: HashSet<MetricId> = HashSet::new();
    let mut records = Vec::new();
    for Figure { id, value, primary } in figures(result) {
        let record = match source.values.get(&id) {
            Some((src, _)) if used.insert(id.clone()) => {
                rules.regular(id, src, &value, primary, learned)
            }
            _ => Record::broken(
                id,
                format!("Not present in source results ({}).", value.as_is()),
                primary,
                None,
                Some(value),
            ),
        };
        records.push(record);
    }
    for id in source.order.iter().filter(|id| !used.contains(*id)) {
        let (value, primary) = &source.values[id];
        let reason = "Not present in target results (-100)".to_owned();
        records.push(Record::broken(
            id.clone(),
            reason,
            *primary,
            Some(value.clone()),
            None,
        ));
    }
    records
}

/// Builds the group records of one result (specification 9.6).
fn group_records(records: &[Record], options: &Options, learned: Option<&Learned>) -> Vec<Record> {
    let members: Vec<&Record> = records
        .iter()
        .filter(|r| r.primary && r.id.check() != Check::Stddev && r.status != CompatStatus::Error)
        .collect();
    let mut groups = Vec::new();
    for fields in JUDGED {
        let mut order = Vec::new();
        let mut scores: BTreeMap<MetricId, Vec<f64>> = BTreeMap::new();
        for member in &members {
            let name = merged(&member.id, fields);
            let entry = scores.entry(name.clone()).or_default();
            if entry.is_empty() {
                order.push(name);
            }
            entry.push(member.score);
        }
        for name in order {
            let scores = &scores[&name];
            let Some(mean) = stats::mean(scores) else {
                continue;
            };
            let tolerance = options.tolerance.value
                * stats::uncertainty_factor(scores.len()).unwrap_or(1.0)
                / 2.0;
            groups.push(Record::group(name, mean, tolerance, learned));
        }
    }
    groups
}

/// Makes the comparison every renderer shows.
fn conclude(
    inputs: &Inputs,
    options: &Options,
    records: &[Record],
    groups: &[Record],
    past: &[HashMap<MetricId, CompatStatus>],
) -> Comparison {
    let Inputs {
        src,
        references,
        dst,
        models,
        history: _,
        notes: _,
    } = inputs;
    let mut all_builds = builds::named(src, references, dst);
    let names: Vec<String> = all_builds
        .iter()
        .skip(1)
        .map(|build| build.name.clone())
        .collect();
    let environment = environment::compare(src, references, dst, &names);
    for (index, build) in all_builds.iter_mut().enumerate() {
        build.env_changed = environment.changed.get(index).copied().unwrap_or(false);
    }
    for (build, statuses) in all_builds.iter_mut().skip(1).zip(past) {
        for status in statuses.values().filter(|status| status.failed()) {
            *build
                .counts
                .entry(status.plain().word().to_owned())
                .or_default() += 1;
        }
    }
    let of_references: Vec<Indexed<'_>> = references.iter().map(Indexed::new).collect();
    let sides = (Indexed::new(src), Indexed::new(dst));
    let metrics: Vec<CheckResult> = records
        .iter()
        .map(|record| {
            let mut check = shown(record);
            check.history = of_references
                .iter()
                .map(|reference| reference.get(&record.id).map(|m| m.value))
                .collect();
            if let (Some(src), Some(dst)) = (sides.0.get(&record.id), sides.1.get(&record.id)) {
                check.params_changed = params_changed(&src.params, &dst.params);
                check.samples.src.clone_from(&src.samples);
                check.samples.dst.clone_from(&dst.samples);
            }
            since(&mut check, record, past, &names);
            check
        })
        .collect();
    let groups: Vec<CheckResult> = groups.iter().map(shown).collect();

    let failed = |checks: &[CheckResult], primary: bool| {
        checks
            .iter()
            .filter(|check| {
                check.primary == primary
                    && check
                        .compat_status
                        .as_deref()
                        .is_some_and(record::is_failed)
            })
            .count()
    };
    let (in_primary, in_groups, in_others) = (
        failed(&metrics, true),
        failed(&groups, true),
        failed(&metrics, false),
    );
    let total = metrics.len() + groups.len();
    let (verdict, exit_code) = match (in_primary + in_groups, total) {
        (0, 0) => (Verdict::Error, verdict::ERROR_CODE),
        (0, _) => (Verdict::Pass, verdict::PASS_CODE),
        _ => (Verdict::Fail, verdict::FAIL_CODE),
    };
    let reason = if total == 0 {
        "nothing to compare".to_owned()
    } else {
        format!(
            "by the older tool's rules {in_primary} primary, {in_groups} group and {in_others} other checks failed, of {total}"
        )
    };
    let mut judged_by = vec!["the older tool's judgement, see docs/statuses.md".to_owned()];
    judged_by.extend(
        models
            .iter()
            .enumerate()
            .map(|(index, model)| format!("model{index}: {}", model.name)),
    );
    judged_by.extend(super::modifiers::Modifiers::new(options).describe());

    let mut comparison = Comparison {
        schema: Comparison::SCHEMA.into(),
        verdict,
        reason,
        exit_code,
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").into(),
            command: options.command.clone(),
        },
        rule: Rule::Compat,
        limits: LimitsInForce {
            mean_pct: Some(options.tolerance.value),
            spread_points: Some(options.stddev_tolerance.value),
            ..LimitsInForce::default()
        },
        judged_by,
        dst: all_builds.pop().unwrap_or_default(),
        src: if all_builds.is_empty() {
            super::Build::default()
        } else {
            all_builds.remove(0)
        },
        references: all_builds,
        repetitions: Vec::new(),
        counts: verdict::count(&metrics, 0),
        counts_primary: verdict::count(metrics.iter().filter(|check| check.primary), 0),
        counts_groups: verdict::count(&groups, 0),
        incidents: incidents::collect(&metrics),
        metrics,
        groups,
        errors: errors::of_target(src, references, dst, &names[references.len()]),
        works_again: errors::works_again(src, dst),
        environment: environment.differences,
        notes: inputs.notes.clone(),
    };
    comparison.dst.counts.clone_from(&comparison.counts);
    comparison
}

/// Returns a record as the other renderers show it: its status mapped, its own kept beside.
fn shown(record: &Record) -> CheckResult {
    // The older tool knows one direction: up is good, except for spreads.
    let better = if record.id.check() == Check::Stddev {
        Better::Lower
    } else {
        Better::Higher
    };
    let mut check = judge::named(&record.id, better);
    check.primary = record.primary;
    check.status = match (record.status, &record.src, &record.dst) {
        (CompatStatus::Error, Some(_), None) => Status::Missing,
        (CompatStatus::Error, _, Some(_)) if record.id.check() != Check::Error => Status::New,
        (status, _, _) => status.plain(),
    };
    check.compat_status = Some(record.status.as_str().to_owned());
    check.src = record.src.as_ref().and_then(Value::as_number);
    check.dst = record.dst.as_ref().and_then(Value::as_number);
    if let (Some(src), Some(dst), true) =
        (check.src, check.dst, record.status != CompatStatus::Error)
    {
        check.change_pct = super::score::difference(record.id.check(), src, dst);
    }
    check.score = Some(record.score);
    check.tolerance = Some(record.tolerance);
    if record.status != CompatStatus::Error {
        check.band_pct = Some([0.0 - record.tolerance, record.tolerance]);
        check.bands = Some(record.score.abs() / record.tolerance).filter(|bands| bands.is_finite());
    }
    check.checks = record
        .parts
        .iter()
        .map(|part| Part {
            name: part.label.clone(),
            reference: part.source.as_ref().and_then(Value::as_number),
            diff_pct: part.difference,
            weight: part.weight,
        })
        .collect();
    check.details.clone_from(&record.details);
    check
}

/// Says since when it has failed the same way.
fn since(
    check: &mut CheckResult,
    record: &Record,
    past: &[HashMap<MetricId, CompatStatus>],
    names: &[String],
) {
    if !record.status.failed() {
        return;
    }
    let states: Vec<Past> = past
        .iter()
        .map(|statuses| match statuses.get(&record.id) {
            Some(status) if *status == record.status => Past::Outside,
            Some(_) => Past::Inside,
            None => Past::Unknown,
        })
        .collect();
    let found = run(&states);
    check.since = found.first.and_then(|index| names.get(index).cloned());
    check.outside_builds = found.builds;
}

#[cfg(test)]
mod tests {
    use super::super::records::sample::{failure, figure, result};
    use super::*;

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
        super::super::compare(
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
            tolerance: super::super::Limit {
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
}
