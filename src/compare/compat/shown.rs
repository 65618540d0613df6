//! The older judgement as the comparison that every renderer shows.

use std::collections::HashMap;

use super::record::{self, CompatStatus, Record, Value};
use crate::compare::inputs::{Inputs, Options};
use crate::compare::modifiers::Modifiers;
use crate::compare::records::{Indexed, params_changed};
use crate::compare::since::{Past, run};
use crate::compare::types::{
    Build, CheckResult, Comparison, LimitsInForce, Part, Rule, Status, Tool, Verdict,
};
use crate::compare::{builds, environment, errors, incidents, judge, score, verdict};
use crate::metric::{Better, Check, MetricId};

/// Makes the comparison every renderer shows.
pub(super) fn conclude(
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
    let of_builds = environment.changed.into_iter().zip(environment.kernels);
    for (build, (changed, kernels)) in all_builds.iter_mut().zip(of_builds) {
        (build.env_changed, build.kernels) = (changed, kernels);
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
    judged_by.extend(Modifiers::new(options).describe());

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
            Build::default()
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
        environment_equal: environment.equal,
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
        check.change_pct = score::difference(record.id.check(), src, dst);
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
