//! What a reader should know before trusting a verdict by a history model.

use super::{Finding, NOT_ENOUGH_DATA};
use crate::analysis::detect::decide::Thresholds;
use crate::analysis::detect::model::HistoryModel;
use crate::analysis::history::tool_versions;
use crate::analysis::stats;
use crate::compare::judge::Judged;
use crate::compare::records::Indexed;

pub(super) fn notes(
    judged: &[Judged],
    model: &HistoryModel,
    dst: &[Indexed<'_>],
    findings: &[Finding],
    limits: Thresholds,
) -> Vec<String> {
    let mut notes = Vec::new();
    let primary = |finding: &&Finding| judged[finding.index].result.primary;
    let mde: Vec<f64> = findings
        .iter()
        .filter(primary)
        .filter_map(|finding| judged[finding.index].result.mde_pct)
        .collect();
    if let Some(median) = stats::median(&mde) {
        notes.push(format!(
            "{} primary metrics held against the model at a target false-discovery rate of {:.0} %; half of them would show a change of {median:.1} %",
            mde.len(),
            limits.fdr * 100.0
        ));
    }
    let without = judged
        .iter()
        .filter(|one| {
            one.result
                .labels
                .iter()
                .any(|label| label == NOT_ENOUGH_DATA)
        })
        .count();
    if without > 0 {
        notes.push(format!(
            "{without} metrics have too few nights in the model and are held against --tolerance"
        ));
    }
    notes.extend(other_unit(judged, model));
    if let Some(dst) = dst.first() {
        notes.extend(other_place(model, dst));
    }
    notes
}

/// Metrics whose numbers mean something else than those the model was trained on.
fn other_unit(judged: &[Judged], model: &HistoryModel) -> Option<String> {
    let differ: Vec<(&str, &str, &str)> = judged
        .iter()
        .filter_map(|one| {
            let id = one.result.id.as_str();
            let trained = model.get(id)?.unit.as_deref()?;
            let tonight = one.result.unit.as_str();
            (!tonight.is_empty() && trained != tonight).then_some((id, trained, tonight))
        })
        .collect();
    let (id, trained, tonight) = differ.first()?;
    Some(format!(
        "{} metrics have another unit than the model was trained on ({id}: {trained} there, {tonight} in DST); their numbers are compared as they stand",
        differ.len()
    ))
}

/// The machine and the versions of tools, where they are not those of the model's newest night.
fn other_place(model: &HistoryModel, dst: &Indexed<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let newest = model.metadata.builds.last();
    let trained_on = newest.and_then(|build| build.machine.as_deref());
    if let (Some(trained), Some(tonight)) = (trained_on, dst.data.metadata.get("machine"))
        && trained != tonight
    {
        notes.push(format!(
            "the model was trained on {trained}, DST ran on {tonight}"
        ));
    }
    for (test, tonight) in tool_versions(dst.data) {
        if let Some(trained) = model.metadata.tools.get(&test)
            && *trained != tonight
        {
            notes.push(format!(
                "the tool of {test} was version {trained} when the model was trained, {tonight} in DST"
            ));
        }
    }
    notes
}
