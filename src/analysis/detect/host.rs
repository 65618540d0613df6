//! What the whole host did in one night: the shift all metrics of a profile share.

use super::robust::{mad, weighted_median};
use crate::analysis::stats;

/// Fewest metrics of a profile for a host effect.
pub const FEWEST_METRICS: usize = 8;
/// Nights beyond this many robust standard deviations of the usual shift are outliers.
pub const OUTLIER: f64 = 4.0;
/// Subtracting pays when it lowers a metric's own spread to below this share.
const WORTH: f64 = 0.97;
/// Keeps one very quiet metric from speaking for all: share of the median variance added to each.
const DAMPING: f64 = 0.05;

/// Returns the weights of metrics in the host effect, from their variances.
///
/// # Formula
///
/// `1 / (s² + 0.05 · median s²)`; all equal when every variance is 0.
pub fn weights(variances: &[f64]) -> Vec<f64> {
    let base = DAMPING * stats::median(variances).unwrap_or(0.0);
    variances
        .iter()
        .map(|variance| 1.0 / (variance + base))
        .map(|weight| if weight.is_finite() { weight } else { 1.0 })
        .collect()
}

/// Returns the shift of one night: the weighted median of the residuals; `None` below 8 metrics.
pub fn shift(residuals: &[(f64, f64)]) -> Option<f64> {
    (residuals.len() >= FEWEST_METRICS).then(|| weighted_median(residuals))?
}

/// Returns how a profile's shift usually varies: the robust standard deviation over the nights.
pub fn usual(shifts: &[Option<f64>]) -> f64 {
    mad(&shifts.iter().flatten().copied().collect::<Vec<_>>())
}

/// Returns whether a night's shift is far outside the usual.
pub fn is_outlier(shift: f64, usual: f64) -> bool {
    shift.abs() > OUTLIER * usual
}

/// Returns whether subtracting the shifts makes a metric quieter: `MAD(r − h) < 0.97 MAD(r)`.
///
/// Pairs of residual and shift of the same night.
pub fn worth_subtracting(pairs: &[(f64, f64)]) -> bool {
    let before: Vec<f64> = pairs.iter().map(|(r, _)| *r).collect();
    let after: Vec<f64> = pairs.iter().map(|(r, h)| r - h).collect();
    mad(&after) < WORTH * mad(&before)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked example E: all 80 metrics about -6 %, one at -11 % stands out from its siblings.
    #[test]
    fn example_e_a_shared_loss_is_one_thing() {
        let residuals: Vec<(f64, f64)> = (0..80)
            .map(|i| {
                (
                    if i == 17 {
                        -0.11
                    } else {
                        -0.061 + f64::from(i % 5 - 2) * 0.001
                    },
                    1.0,
                )
            })
            .collect();
        let shift = shift(&residuals).expect("enough metrics");
        assert!((shift + 0.061).abs() < 0.0015);
        assert!(is_outlier(shift, 0.0025));
        assert!(!is_outlier(0.009, 0.0025));
        assert!(
            (residuals[17].0 - shift + 0.05).abs() < 0.003,
            "what is left of it"
        );
    }

    #[test]
    fn few_metrics_say_nothing_about_their_host() {
        assert_eq!(shift(&[(1.0, 1.0); 7]), None);
        assert!(usual(&[None, None]) <= 0.0);
    }

    #[test]
    fn weights_stay_finite() {
        assert_eq!(weights(&[0.0, 0.0]), [1.0, 1.0]);
        let weights = weights(&[0.0, 1.0, 1.0]);
        assert!((weights[0] - 20.0).abs() < 1e-9, "{weights:?}");
    }
}
