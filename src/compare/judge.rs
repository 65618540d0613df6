//! This project's judgement: every metric of SRC against DST, seen against the references.
//!
//! One idea each: numbers in [`super::score`], history in [`super::since`], groups in
//! [`super::groups`], what to look at in [`super::incidents`], the answer in [`super::verdict`].
//! docs/judging.md explains it to a reader of reports.

use std::collections::BTreeMap;

use super::history_rule::{self, Decided, ModelRule};
use super::inputs::{Inputs, Options};
use super::modifiers::Modifiers;
use super::records::{Indexed, params_changed};
use super::score::{Judge, Limits, Scored, Side, side, side_from_zero};
use super::since::{Past, flaky, run};
use super::types::{Build, CheckResult, Comparison, LimitsInForce, Rule, SamplePair, Status, Tool};
use super::{builds, by_client, direction, environment, errors, groups, incidents, verdict};
use crate::analysis::directions::unit_of;
use crate::metric::{Better, Check, MetricId};
use crate::store::read::{Measurement, ResultData};

/// One check with what its neighbours need to know about it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) result: CheckResult,
    /// Score of each reference against SRC, without modifiers.
    pub(crate) past_scores: Vec<Option<f64>>,
}

/// Judges DST by the rule in force.
///
/// Pure: the same inputs give the same comparison. References are put in order of date first.
pub(crate) fn compare(mut inputs: Inputs, options: &Options) -> Comparison {
    builds::by_date(&mut inputs.references);
    let limits = Limits::new(&inputs.models, options);
    let model_rule = inputs
        .history
        .model
        .as_ref()
        .map(|(name, model)| ModelRule {
            name,
            model,
            limits: Limits::new(&inputs.models, options),
        });
    let judge: &dyn Judge = match &model_rule {
        Some(rule) => rule,
        None => &limits,
    };
    let mut all_builds = builds::named(&inputs.src, &inputs.references, &inputs.dst);
    let names: Vec<String> = all_builds
        .iter()
        .skip(1)
        .map(|build| build.name.clone())
        .collect();
    let cx = Context {
        src: Indexed::new(&inputs.src),
        references: inputs.references.iter().map(Indexed::new).collect(),
        dst: Indexed::new(&inputs.dst),
        names: &names,
        judge,
        modifiers: Modifiers::new(options),
        options,
    };

    let mut judged: Vec<Judged> = cx
        .src
        .iter()
        .map(|measurement| cx.judge_known(measurement))
        .collect();
    judged.extend(
        cx.dst
            .iter()
            .filter(|m| cx.src.get(&m.id).is_none())
            .map(|m| cx.judge_new(m)),
    );
    let decided = cx.decide(&mut judged, &inputs);
    let rule = match &decided {
        Some(_) if judge.rule() == Rule::Tolerance => Rule::Pairwise,
        _ => judge.rule(),
    };
    let (groups, decided_notes) = match decided {
        Some(decided) => (decided.groups, decided.notes),
        None => {
            let references = &names[..inputs.references.len()];
            let groups = groups::judge(&judged, options.tolerance.value, references);
            (groups, Vec::new())
        }
    };
    let compared = judged.iter().any(|one| {
        one.result.change_pct.is_some() || one.result.labels.iter().any(|l| l == FROM_ZERO)
    });
    let reference_counts: Vec<_> = (0..cx.references.len())
        .map(|index| cx.counts_of_reference(index))
        .collect();

    let (src, references, dst) = (&inputs.src, &inputs.references, &inputs.dst);
    let environment = environment::compare(src, references, dst, &names);
    let mut metrics: Vec<CheckResult> = judged.into_iter().map(|one| one.result).collect();
    for check in metrics.iter_mut().filter(|c| c.check == Check::Mean) {
        let (before, now) = (cx.src.get(&check.id), cx.dst.get(&check.id));
        check.clients = by_client::figures(before, now, options.tolerance.value);
    }
    let client_note = by_client::note(&metrics).filter(|_| !options.by_client);
    if options.by_client {
        metrics.extend(cx.single_clients(&inputs));
    }
    let of_builds = environment.changed.into_iter().zip(environment.kernels);
    for (build, (changed, kernels)) in all_builds.iter_mut().zip(of_builds) {
        (build.env_changed, build.kernels) = (changed, kernels);
    }
    for (build, counts) in all_builds[1..].iter_mut().zip(reference_counts) {
        build.counts = counts;
    }
    let errors = errors::of_target(src, references, dst, &names[references.len()]);
    let mut notes = notes(&cx, &metrics, &inputs);
    notes.extend(decided_notes);
    notes.extend(client_note);
    let by_history = matches!(rule, Rule::Model | Rule::Pairwise).then_some(options.history);
    if by_history.is_none() && !inputs.history.repetitions.is_empty() {
        notes.push("repetitions are judged by a history model or pairwise only; this rule looks at DST alone".into());
    }
    let mut comparison = Comparison {
        schema: Comparison::SCHEMA.into(),
        verdict: super::Verdict::Pass,
        reason: String::new(),
        exit_code: 0,
        tool: Tool {
            version: env!("CARGO_PKG_VERSION").into(),
            command: options.command.clone(),
        },
        rule,
        limits: LimitsInForce {
            mean_pct: Some(options.tolerance.value),
            spread_points: Some(options.stddev_tolerance.value),
            fdr: by_history.map(|limits| limits.fdr),
            min_effect_pct: by_history.map(|limits| limits.min_effect_pct),
            group_pct: by_history.map(|limits| limits.group_pct),
        },
        judged_by: judge
            .describe()
            .into_iter()
            .chain(cx.modifiers.describe())
            .collect(),
        dst: all_builds.pop().unwrap_or_default(),
        src: if all_builds.is_empty() {
            Build::default()
        } else {
            all_builds.remove(0)
        },
        references: all_builds,
        repetitions: inputs
            .history
            .repetitions
            .iter()
            .map(builds::build)
            .collect(),
        counts: BTreeMap::new(),
        counts_primary: BTreeMap::new(),
        counts_groups: BTreeMap::new(),
        incidents: incidents::collect(&metrics),
        metrics,
        groups,
        errors,
        works_again: errors::works_again(src, dst),
        environment: environment.differences,
        environment_equal: environment.equal,
        notes,
    };
    verdict::conclude(&mut comparison, compared, options);
    comparison.dst.counts.clone_from(&comparison.counts);
    comparison
}

/// The label of a check whose SRC is 0 and whose DST is not.
pub(crate) const FROM_ZERO: &str = "from-zero";
/// The label of a check whose `all` covers fewer clients than in SRC.
pub(crate) const CLIENTS_DIFFER: &str = "clients-differ";

struct Context<'a> {
    src: Indexed<'a>,
    references: Vec<Indexed<'a>>,
    dst: Indexed<'a>,
    /// Names of the references, then of DST.
    names: &'a [String],
    judge: &'a dyn Judge,
    modifiers: Modifiers,
    options: &'a Options,
}

/// Returns the side of a pair, or of a change from 0.
fn side_of(scored: &Scored, dst: f64, better: Better) -> Side {
    scored.score.map_or_else(
        || side_from_zero(dst, better),
        |score| side(score, scored.tolerance),
    )
}

impl Context<'_> {
    /// Lets the rules that look at all metrics together have the last word.
    fn decide(&self, judged: &mut Vec<Judged>, inputs: &Inputs) -> Option<Decided> {
        let repetitions = inputs.history.repetitions.iter().map(Indexed::new);
        let dst: Vec<Indexed<'_>> = std::iter::once(Indexed::new(&inputs.dst))
            .chain(repetitions)
            .collect();
        let (limits, tolerance) = (self.options.history, self.options.tolerance);
        if let Some((_, model)) = &inputs.history.model {
            let references = self.references.len();
            let decided =
                history_rule::by_model(judged, model, &dst, limits, tolerance.value, references);
            return Some(decided);
        }
        // Whoever names a limit, or asks for a modifier of it, wants that limit.
        let modified = self.options.average_weight != 0.0 || self.options.n_out_of_weight != 0.0;
        if self.judge.rule() != Rule::Tolerance || tolerance.given || modified {
            return None;
        }
        history_rule::pairwise(judged, &self.src, &dst, limits, tolerance.value)
    }

    fn judge_known(&self, src: &Measurement) -> Judged {
        let id = &src.id;
        let dst = self.dst.get(id);
        let better = direction::better(id, Some(src), dst, &self.options.better);
        let past: Vec<Option<&Measurement>> = self
            .references
            .iter()
            .map(|reference| reference.get(id))
            .collect();
        let mut result = blank(id, Some(src), dst, better);
        result.history = past.iter().map(|m| m.map(|m| m.value)).collect();
        let past_scored: Vec<Option<Scored>> = past
            .iter()
            .map(|m| m.map(|m| self.judge.score(id, src.value, m.value, better)))
            .collect();
        let past_scores = past_scored
            .iter()
            .map(|scored| scored.as_ref().and_then(|scored| scored.score))
            .collect();

        let fewer = |m: &Measurement| m.clients < src.clients;
        if let Some(dst) = dst {
            let mut scored = self.judge.score(id, src.value, dst.value, better);
            let sides: Vec<Option<Side>> = past_scored
                .iter()
                .zip(&past)
                .map(|(scored, m)| Some(side_of(scored.as_ref()?, m.as_ref()?.value, better)))
                .collect();
            self.modifiers
                .apply(&mut scored, &past_scores_of(&past_scored), &sides);
            let verdict = side_of(&scored, dst.value, better);
            take_score(&mut result, scored);
            if better == Better::Unknown {
                result.labels.push("direction-unknown".into());
            }
            if fewer(dst) {
                result.labels.push(CLIENTS_DIFFER.into());
                (result.score, result.bands) = (None, None);
                let states: Vec<Past> = past
                    .iter()
                    .map(|m| missing_state(m.is_none_or(fewer)))
                    .collect();
                self.mark(&mut result, Status::Missing, &states);
            } else {
                let states: Vec<Past> = sides
                    .iter()
                    .map(|side| match side {
                        None => Past::Unknown,
                        Some(side) if *side == verdict => Past::Outside,
                        Some(_) => Past::Inside,
                    })
                    .collect();
                match verdict {
                    Side::Worse => self.mark(&mut result, Status::Regression, &states),
                    Side::Better => self.mark(&mut result, Status::Improvement, &states),
                    Side::Inside => label_minor(&mut result),
                }
            }
        } else {
            let states: Vec<Past> = past.iter().map(|m| missing_state(m.is_none())).collect();
            self.mark(&mut result, Status::Missing, &states);
        }
        Judged {
            result,
            past_scores,
        }
    }

    /// Sets a status, since when, and turns an old unsteadiness into flaky.
    fn mark(&self, result: &mut CheckResult, status: Status, past: &[Past]) {
        let found = run(past);
        result.since = found.first.and_then(|index| self.names.get(index).cloned());
        result.outside_builds = found.builds;
        result.status =
            if matches!(status, Status::Regression | Status::Missing) && flaky(past, found) {
                Status::Flaky
            } else {
                status
            };
    }

    /// Judges what single clients measured, apart from everything else: thirty figures of one cause are
    /// no thirty findings, and no model knows them, so they are held against the fixed limits.
    fn single_clients(&self, inputs: &Inputs) -> Vec<CheckResult> {
        let data = by_client::Apart::new(inputs, &self.options.better);
        let limits = Limits::new(&[], self.options);
        let cx = Context {
            src: Indexed::new(&data.src),
            references: data.references.iter().map(Indexed::new).collect(),
            dst: Indexed::new(&data.dst),
            names: self.names,
            judge: &limits,
            modifiers: Modifiers::new(self.options),
            options: self.options,
        };
        let known = cx.src.iter().map(|m| cx.judge_known(m));
        let new = cx.dst.iter().filter(|m| cx.src.get(&m.id).is_none());
        known
            .chain(new.map(|m| cx.judge_new(m)))
            .map(|one| {
                let mut result = one.result;
                result.labels.push(by_client::CLIENT.into());
                result.basis = Some("a single client, held against the fixed limits".into());
                result
            })
            .collect()
    }

    fn judge_new(&self, dst: &Measurement) -> Judged {
        let better = direction::better(&dst.id, None, Some(dst), &self.options.better);
        let mut result = blank(&dst.id, None, Some(dst), better);
        result.status = Status::New;
        result.history = self
            .references
            .iter()
            .map(|reference| reference.get(&dst.id).map(|m| m.value))
            .collect();
        Judged {
            result,
            past_scores: vec![None; self.references.len()],
        }
    }

    /// Counts the statuses a reference would have had; nothing is flaky there.
    fn counts_of_reference(&self, index: usize) -> BTreeMap<String, usize> {
        let reference = &self.references[index];
        let mut counts = BTreeMap::new();
        let mut add = |status: Status| *counts.entry(status.word().to_owned()).or_insert(0) += 1;
        for src in self.src.iter() {
            let Some(m) = reference.get(&src.id).filter(|m| m.clients >= src.clients) else {
                add(Status::Missing);
                continue;
            };
            let better = direction::better(&src.id, Some(src), Some(m), &self.options.better);
            match side_of(
                &self.judge.score(&src.id, src.value, m.value, better),
                m.value,
                better,
            ) {
                Side::Worse => add(Status::Regression),
                Side::Better => add(Status::Improvement),
                Side::Inside => add(Status::Within),
            }
        }
        for _ in reference.iter().filter(|m| self.src.get(&m.id).is_none()) {
            add(Status::New);
        }
        for _ in &reference.data.failures {
            add(Status::Error);
        }
        counts
    }
}

fn missing_state(missing: bool) -> Past {
    if missing { Past::Outside } else { Past::Inside }
}

fn past_scores_of(past: &[Option<Scored>]) -> Vec<f64> {
    past.iter()
        .flatten()
        .filter_map(|scored| scored.score)
        .collect()
}

fn take_score(result: &mut CheckResult, scored: Scored) {
    result.change_pct = scored.change;
    result.score = scored.score;
    result.tolerance = Some(scored.tolerance);
    result.band_pct = scored.band;
    result.bands = scored
        .score
        .map(|score| score.abs() / scored.tolerance)
        .filter(|bands| bands.is_finite());
    if scored.change.is_none() {
        result.labels.push(FROM_ZERO.into());
    }
    result.checks = scored.parts;
}

fn label_minor(result: &mut CheckResult) {
    if result.bands.is_some_and(|bands| bands > 0.5) {
        result.labels.push("minor".into());
    }
}

/// Returns a check about which nothing is said yet; `within`.
pub(crate) fn blank(
    id: &MetricId,
    src: Option<&Measurement>,
    dst: Option<&Measurement>,
    better: Better,
) -> CheckResult {
    let mut result = named(id, better);
    let stated = dst
        .and_then(|m| m.unit.as_deref())
        .or_else(|| src.and_then(|m| m.unit.as_deref()));
    result.unit = unit_of(id, stated).unwrap_or_default().to_owned();
    result.primary = src.is_some_and(|m| m.primary) || dst.is_some_and(|m| m.primary);
    result.src = src.map(|m| m.value);
    result.dst = dst.map(|m| m.value);
    result.samples = SamplePair {
        src: src.map(|m| m.samples.clone()).unwrap_or_default(),
        dst: dst.map(|m| m.samples.clone()).unwrap_or_default(),
    };
    if let (Some(src), Some(dst)) = (src, dst) {
        result.params_changed = params_changed(&src.params, &dst.params);
        if let (Some(before), Some(now)) = (&src.unit, &dst.unit)
            && before != now
        {
            result.labels.push("unit-differs".into());
        }
    }
    result
}

/// Returns a check of this name, everything else empty.
pub(crate) fn named(id: &MetricId, better: Better) -> CheckResult {
    CheckResult {
        profile: id.profile().to_owned(),
        test: id.test().to_owned(),
        serial: id.serial().to_owned(),
        iteration: id.iteration().to_owned(),
        kind: id.kind().to_owned(),
        metric: id.metric().to_owned(),
        check: id.check(),
        id: id.clone(),
        unit: String::new(),
        better,
        primary: true,
        status: Status::Within,
        labels: Vec::new(),
        compat_status: None,
        src: None,
        dst: None,
        change_pct: None,
        score: None,
        tolerance: None,
        band_pct: None,
        bands: None,
        since: None,
        outside_builds: 0,
        p: None,
        q: None,
        ci_pct: None,
        mde_pct: None,
        basis: None,
        checks: Vec::new(),
        history: Vec::new(),
        samples: SamplePair::default(),
        clients: Vec::new(),
        details: String::new(),
        params_changed: Vec::new(),
    }
}

fn notes(cx: &Context<'_>, metrics: &[CheckResult], inputs: &Inputs) -> Vec<String> {
    let mut notes = inputs.notes.clone();
    notes.extend(errors::retried(&inputs.dst));
    for (role, result) in [("SRC", &inputs.src), ("DST", &inputs.dst)] {
        let more = result.warnings.len().saturating_sub(1);
        if let Some(first) = result.warnings.first() {
            notes.push(match more {
                0 => format!("reading {role}: {first}"),
                _ => format!(
                    "reading {role}: {first}; and {} (-v)",
                    verdict::plural(more, "more remark")
                ),
            });
        }
    }
    let count = |label: &str| {
        metrics
            .iter()
            .filter(|check| check.labels.iter().any(|l| l == label))
            .count()
    };
    for (label, one, text) in [
        (
            "direction-unknown",
            "1 metric has no known direction and is judged two-sided; name it with --better METRIC=higher|lower",
            "metrics have no known direction and are judged two-sided; name it with --better METRIC=higher|lower",
        ),
        (
            CLIENTS_DIFFER,
            "1 metric covers fewer clients than in SRC and counts as missing",
            "metrics cover fewer clients than in SRC and count as missing",
        ),
        (
            "unit-differs",
            "1 metric has another unit than in SRC; its numbers are compared as they stand",
            "metrics have another unit than in SRC; their numbers are compared as they stand",
        ),
        (
            FROM_ZERO,
            "1 metric is 0 in SRC: judged by its direction alone",
            "metrics are 0 in SRC: judged by their direction alone",
        ),
    ] {
        let number = count(label);
        if number > 0 {
            let text = match number {
                1 => one.to_owned(),
                _ => format!("{number} {text}"),
            };
            notes.push(text);
        }
    }
    for (role, index) in [("SRC", &cx.src), ("DST", &cx.dst)] {
        if index.repeated > 0 {
            notes.push(format!(
                "{role} holds {} twice; the first of each counts",
                verdict::plural(index.repeated, "figure")
            ));
        }
    }
    let unreadable = |result: &ResultData| {
        result
            .failures
            .iter()
            .filter(|failure| failure.class == "unreadable")
            .count()
    };
    for (role, result) in std::iter::once(("SRC", &inputs.src))
        .chain(inputs.references.iter().map(|r| ("reference", r)))
    {
        let number = unreadable(result);
        if number > 0 {
            notes.push(format!(
                "{} of {role} {} cannot be read; what it holds is not compared",
                verdict::plural(number, "file"),
                result.name
            ));
        }
    }
    if cx.judge.rule() == Rule::Line {
        let known = metrics
            .iter()
            .filter(|check| {
                check
                    .checks
                    .iter()
                    .any(|part| part.name.starts_with("model"))
            })
            .count();
        let compared = metrics
            .iter()
            .filter(|check| check.src.is_some() && check.dst.is_some())
            .count();
        if known < compared {
            notes.push(format!("{} of {compared} compared metrics are in no model and held against the fixed limits", compared - known));
        }
        notes.extend(wide(metrics));
    }
    notes
}

/// Half of a normal range, in percent of SRC, above which a model says little about a metric.
const WIDE_PCT: f64 = 25.0;

/// Says when the models let half of the primary metrics change by more than [`WIDE_PCT`]: a pass by
/// them means little.
fn wide(metrics: &[CheckResult]) -> Option<String> {
    let mut halves: Vec<f64> = metrics
        .iter()
        .filter(|check| check.primary && check.check == Check::Mean)
        .filter_map(|check| check.band_pct)
        .map(|[low, high]| (high - low) / 2.0)
        .filter(|half| half.is_finite())
        .collect();
    halves.sort_by(f64::total_cmp);
    // The lower one of an even number: at least half are as wide.
    let median = *halves.get(halves.len().checked_sub(1)? / 2)?;
    (median > WIDE_PCT).then(|| {
        format!(
            "the models are wide: the median primary metric may change by {median:.0} % before it is called; \
             learn from more and calmer nights"
        )
    })
}

#[cfg(test)]
mod tests;
