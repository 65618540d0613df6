//! Two results and no history: how far pairs usually lie apart tells how far is far.

use super::student::cdf;
use crate::analysis::stats;

/// Fewest metrics for the rule; below, fixed limits.
pub const FEWEST: usize = 20;
/// Fewest pairs of a profile whose common shift is taken out.
const FEWEST_OF_PROFILE: usize = 8;
/// Degrees of freedom: the scale is a fit over all, the tails are those of single runs.
pub const FREEDOM: f64 = 4.0;
/// Median of |X| for a normal X of standard deviation 1.
const MEDIAN_OF_HALF_NORMAL: f64 = 0.6745;

/// One metric in both results.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair<'a> {
    /// Profile it belongs to.
    pub profile: &'a str,
    /// Difference in goodness, negative is worse; may be infinite.
    pub d: f64,
    /// Variance inside the results, relative to the value; `None` when unknown.
    pub within: Option<f64>,
}

/// What the rule says about one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Difference after the profile's common shift is taken out.
    pub d: f64,
    /// Expected standard deviation of it.
    pub sd: f64,
    /// Probability of a difference as bad as this or worse, if nothing changed.
    pub p_worse: f64,
    /// Likewise for better.
    pub p_better: f64,
}

/// Judges all pairs together; `None` with fewer than 20 of them, or when all differences are 0.
///
/// # Formula
///
/// `d` minus the profile's median d; scale from `ln |d| = a + b ln(sd inside)`, fitted by the median
/// of slopes between quarters (Theil and Sen), then scaled so that the median of `|d / sd|` is 0.6745;
/// Student's t with 4 degrees of freedom.
pub fn judge(pairs: &[Pair<'_>]) -> Option<Vec<Verdict>> {
    if pairs.len() < FEWEST {
        return None;
    }
    let centred = centred(pairs);
    let scales = scales(pairs, &centred);
    let ratios: Vec<f64> = centred
        .iter()
        .zip(&scales)
        .map(|(d, scale)| (d / scale).abs())
        .filter(|ratio| ratio.is_finite())
        .collect();
    let unit = stats::median(&ratios)? / MEDIAN_OF_HALF_NORMAL;
    if unit.is_nan() || unit <= 0.0 {
        return None;
    }
    let verdicts = centred
        .into_iter()
        .zip(scales)
        .map(|(d, scale)| {
            let sd = scale * unit;
            let t = if d == 0.0 { 0.0 } else { d / sd };
            Verdict {
                d,
                sd,
                p_worse: cdf(t, FREEDOM),
                p_better: cdf(-t, FREEDOM),
            }
        })
        .collect();
    Some(verdicts)
}

fn centred(pairs: &[Pair<'_>]) -> Vec<f64> {
    let mut by_profile: std::collections::BTreeMap<&str, Vec<f64>> = Default::default();
    for pair in pairs.iter().filter(|pair| pair.d.is_finite()) {
        by_profile.entry(pair.profile).or_default().push(pair.d);
    }
    let shift = |profile: &str| {
        by_profile
            .get(profile)
            .filter(|of| of.len() >= FEWEST_OF_PROFILE)
            .and_then(|of| stats::median(of))
            .unwrap_or(0.0)
    };
    let shifts: std::collections::BTreeMap<&str, f64> = by_profile
        .keys()
        .map(|profile| (*profile, shift(profile)))
        .collect();
    pairs
        .iter()
        .map(|pair| pair.d - shifts.get(pair.profile).copied().unwrap_or(0.0))
        .collect()
}

/// Relative scales from the spread inside results; 1 where the fit has nothing to go by.
fn scales(pairs: &[Pair<'_>], centred: &[f64]) -> Vec<f64> {
    let inside = |pair: &Pair<'_>| {
        pair.within
            .filter(|v| *v > 0.0 && v.is_finite())
            .map(|v| 0.5 * v.ln())
    };
    let mut known: Vec<(f64, f64)> = pairs
        .iter()
        .zip(centred)
        .filter(|(_, d)| **d != 0.0 && d.is_finite())
        .filter_map(|(pair, d)| Some((inside(pair)?, d.abs().ln())))
        .collect();
    if known.len() < FEWEST {
        return vec![1.0; pairs.len()];
    }
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let slope = slope(&known).clamp(0.0, 1.5);
    let middle = stats::median(&known.iter().map(|(w, _)| *w).collect::<Vec<_>>()).unwrap_or(0.0);
    pairs
        .iter()
        .map(|pair| inside(pair).map_or(1.0, |w| (slope * (w - middle)).exp()))
        .collect()
}

/// Median of the slopes between points half the set apart, which a few wild pairs cannot turn.
fn slope(sorted: &[(f64, f64)]) -> f64 {
    let half = sorted.len() / 2;
    let slopes: Vec<f64> = sorted[..sorted.len() - half]
        .iter()
        .zip(&sorted[half..])
        .map(|(a, b)| (b.1 - a.1) / (b.0 - a.0))
        .filter(|slope| slope.is_finite())
        .collect();
    stats::median(&slopes).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(d: impl Fn(usize) -> f64) -> Vec<Pair<'static>> {
        (0..60)
            .map(|i| Pair {
                profile: "P",
                d: d(i),
                within: Some(1e-4),
            })
            .collect()
    }

    #[test]
    fn a_loss_among_quiet_pairs_stands_out_and_a_shared_one_does_not() {
        let noise = |i: usize| ((i as f64 * 2.0_f64.sqrt()).fract() - 0.5) / 100.0;
        let verdicts =
            judge(&pairs(|i| noise(i) - 0.03 - if i == 7 { 0.2 } else { 0.0 })).expect("enough");
        assert!(verdicts[7].p_worse < 1e-4, "{:?}", verdicts[7]);
        let called = verdicts.iter().filter(|v| v.p_worse < 1e-3).count();
        assert_eq!(called, 1);
    }

    #[test]
    fn odd_pairs_do_not_poison_the_others() {
        let verdicts = judge(&pairs(|i| match i {
            0 => f64::NAN,
            1 => f64::NEG_INFINITY,
            2 => 1e300,
            _ => (i as f64).sin() / 100.0,
        }))
        .expect("enough");
        assert!((verdicts[0].p_worse - 0.5).abs() < 1e-12);
        assert!(verdicts[1].p_worse <= 0.0);
        assert!(verdicts[3..].iter().all(|v| v.p_worse > 1e-3));
        assert_eq!(
            judge(&pairs(|_| 0.0)),
            None,
            "nothing to learn a scale from"
        );
        assert_eq!(judge(&pairs(|i| i as f64)[..10]), None);
    }
}
