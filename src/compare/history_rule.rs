//! The rules that look at all metrics together: a history model, or SRC against DST with a pooled
//! scale.
//!
//! Each metric gets a probability of being as bad as it is if nothing changed; which of them are
//! called is decided over the whole night (Benjamini and Hochberg), so that 400 metrics do not mean
//! four false alarms. What the numbers mean is in `docs/detection.md`, the formulas in
//! [`crate::analysis::detect`]. One idea a file:
//!
//! - [`mod@by_model`]: a night held against a history model; [`mod@line`]: the model's lines for single pairs
//! - [`absent`]: what is missing, and what is missing as usual
//! - [`shifts`]: what all metrics of a profile did together
//! - [`drift`]: losses that add up; [`notes`]: what a reader should know
//! - [`mod@pairwise`]: no history at all

mod absent;
mod by_model;
mod drift;
mod line;
mod notes;
mod pairwise;
mod shifts;

use std::collections::BTreeMap;

pub(crate) use self::by_model::by_model;
pub(crate) use self::line::ModelRule;
pub(crate) use self::pairwise::pairwise;
use super::judge::Judged;
use super::records::Indexed;
use super::types::{CheckResult, Part, Status};
use crate::analysis::detect::decide::{Call, Doubt, decide};

/// Label of a check without enough data for the rule in force: judged by `--tolerance`.
pub(crate) const NOT_ENOUGH_DATA: &str = "not-enough-data";

/// Everything the history rules add to a comparison.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// Host shifts.
    pub(crate) groups: Vec<CheckResult>,
    /// What a reader should know, one line each.
    pub(crate) notes: Vec<String>,
}

/// One metric before it is decided which are called.
struct Finding {
    /// Index into the judged checks.
    index: usize,
    doubt: Doubt,
}

fn level_part(level: f64, diff: f64) -> Part {
    Part {
        name: "level".into(),
        reference: Some(level),
        diff_pct: diff,
        weight: 1.0,
    }
}

fn by_id<'a>(result: &Indexed<'a>) -> BTreeMap<&'a str, f64> {
    result.iter().map(|m| (m.id.as_str(), m.value)).collect()
}

/// Decides which findings are called: primary and secondary levels are families of their own, and so
/// are worse and better.
fn settle(judged: &mut [Judged], findings: &[Finding], fdr: f64) {
    for primary in [true, false] {
        let family: Vec<&Finding> = findings
            .iter()
            .filter(|finding| judged[finding.index].result.primary == primary)
            .collect();
        let doubts: Vec<Doubt> = family.iter().map(|of| of.doubt).collect();
        for (finding, decision) in family.into_iter().zip(decide(&doubts, fdr)) {
            let check = &mut judged[finding.index].result;
            check.q = Some(decision.q);
            check.labels.retain(|label| label != "minor");
            check.status = match decision.call {
                Call::Worse => Status::Regression,
                Call::Better => Status::Improvement,
                Call::Suspect => Status::Suspect,
                Call::None => Status::Within,
            };
            if check.status == Status::Within {
                (check.since, check.outside_builds) = (None, 0);
                if check.bands.is_some_and(|bands| bands > 0.5) {
                    check.labels.push("minor".into());
                }
            }
        }
    }
}
