//! What all metrics of a profile did together: one line instead of hundreds.

use crate::analysis::detect::decide::Thresholds;
use crate::analysis::detect::judge::Candidate;
use crate::analysis::detect::model::HistoryModel;
use crate::analysis::grouping::{JUDGED, merged};
use crate::compare::judge::named;
use crate::compare::types::{CheckResult, Status};
use crate::metric::{Better, MetricId};

/// Label of a group check that is the shift of a whole host.
pub(crate) const HOST_SHIFT: &str = "host-shift";

/// The name of the group of everything in a profile.
fn of_profile(profile: &str) -> Option<MetricId> {
    let any: MetricId = format!("{profile}/*/*:./*-*/*/*.mean").parse().ok()?;
    JUDGED.last().map(|fields| merged(&any, fields))
}

/// One group check a profile: what its metrics did together.
pub(super) fn host_shifts(
    model: &HistoryModel,
    candidate: &Candidate<'_>,
    limits: Thresholds,
) -> Vec<CheckResult> {
    candidate
        .host_shifts(model)
        .into_iter()
        .filter_map(|(profile, host)| {
            let usual = host.usual.exp_m1() * 100.0;
            let basis = format!(
                "shift shared by {} metrics, usually \u{b1}{usual:.2} %",
                host.metrics
            );
            let limit = limits.shift_limit_pct(host.usual);
            shift_check(&profile, host.shift, limit, host.outlier, basis)
        })
        .collect()
}

pub(super) fn shift_check(
    profile: &str,
    shift: f64,
    limit: f64,
    outlier: bool,
    basis: String,
) -> Option<CheckResult> {
    let mut group = named(&of_profile(profile)?, Better::Higher);
    let pct = shift.exp_m1() * 100.0;
    group.labels = vec!["group".into(), HOST_SHIFT.into()];
    group.unit = "%".into();
    (group.score, group.change_pct) = (Some(pct), Some(pct));
    group.tolerance = Some(limit);
    group.band_pct = Some([0.0 - limit, limit]);
    group.bands = Some(pct.abs() / limit).filter(|bands| bands.is_finite());
    group.basis = Some(basis);
    group.status = match pct {
        pct if outlier && pct < -limit => Status::Regression,
        pct if outlier && pct > limit => Status::Improvement,
        _ => Status::Within,
    };
    Some(group)
}
