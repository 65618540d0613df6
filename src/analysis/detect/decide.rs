//! One night, many metrics: which of them are called.
//!
//! The last step of a verdict, shared by `compare-perf` and by the replay of a history
//! ([`super::backtest`]): evidence of single metrics in, calls out.

use super::judge::{Evidence, State};
use super::model::Entry;
use super::multiple::q_values;

/// Target false-discovery rate unless one is given; chosen by measurement, see `docs/detection.md`.
pub const DEFAULT_FDR: f64 = 0.10;
/// Smallest effect that is called, percent.
pub const DEFAULT_MIN_EFFECT_PCT: f64 = 0.5;
/// Limit of a host shift, percent.
pub const DEFAULT_GROUP_PCT: f64 = 1.0;
/// Beyond this probability a metric that is not called is suspect: the edge of the normal range.
pub const SUSPECT: f64 = 0.01;
/// A host shift is red beyond this many times its usual size.
const SHIFT_LIMIT: f64 = super::host::OUTLIER;

/// What a person can choose about calling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Target false-discovery rate.
    pub fdr: f64,
    /// Smallest effect that is called, percent.
    pub min_effect_pct: f64,
    /// Limit of a host shift, percent.
    pub group_pct: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fdr: DEFAULT_FDR,
            min_effect_pct: DEFAULT_MIN_EFFECT_PCT,
            group_pct: DEFAULT_GROUP_PCT,
        }
    }
}

impl Thresholds {
    /// Returns the limit of a profile's shift in percent, from how it usually varies (log units).
    pub fn shift_limit_pct(&self, usual: f64) -> f64 {
        (SHIFT_LIMIT * usual.exp_m1() * 100.0).max(self.group_pct)
    }
}

/// What decides about calling one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    /// Probability of a value as bad as this one, if nothing changed.
    pub p_worse: f64,
    /// Likewise for better.
    pub p_better: f64,
    /// Whether the effect is large enough to be called, on either side.
    pub counts: bool,
    /// The upper of two states is no longer seen.
    pub upper_lost: bool,
}

impl Doubt {
    /// Takes the evidence of one metric; `two_sided` when nobody knows which way is better.
    ///
    /// # Formula
    ///
    /// Two-sided: `p = min(2 min(p_worse, p_better), 1)`, any change counts as worse.
    pub fn new(found: &Evidence, entry: &Entry, min_effect_pct: f64, two_sided: bool) -> Self {
        let floor = entry.goodness().floor(entry.mu(), min_effect_pct);
        Self {
            counts: found.effect.abs() >= floor,
            upper_lost: found.state == Some(State::UpperLost),
            p_worse: found.p_worse,
            p_better: found.p_better,
        }
        .two_sided_if(two_sided)
    }

    /// Turns both probabilities into one two-sided one when asked to.
    pub fn two_sided_if(self, two_sided: bool) -> Self {
        if !two_sided {
            return self;
        }
        Self {
            p_worse: (2.0 * self.p_worse.min(self.p_better)).min(1.0),
            p_better: 1.0,
            ..self
        }
    }
}

/// What became of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Worse, under control of false discoveries.
    Worse,
    /// Better, likewise.
    Better,
    /// Worse than normal but not called, or the upper state is gone.
    Suspect,
    /// Nothing.
    None,
}

/// A call and what it was made by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// What became of it.
    pub call: Call,
    /// q-value of the side the metric lies on.
    pub q: f64,
}

/// Decides about one family of metrics (primary ones, or secondary ones), in their order.
///
/// # Formula
///
/// Called when `q <= fdr` ([`q_values`], worse and better apart) and the effect counts; suspect when
/// not called, `p < 0.01` for worse and the effect counts.
pub fn decide(family: &[Doubt], fdr: f64) -> Vec<Decision> {
    let worse = q_values(&family.iter().map(|of| of.p_worse).collect::<Vec<_>>());
    let better = q_values(&family.iter().map(|of| of.p_better).collect::<Vec<_>>());
    family
        .iter()
        .zip(worse.into_iter().zip(better))
        .map(|(doubt, (q_worse, q_better))| {
            let call = if doubt.counts && q_worse <= fdr {
                Call::Worse
            } else if doubt.counts && q_better <= fdr {
                Call::Better
            } else if doubt.upper_lost || (doubt.counts && doubt.p_worse < SUSPECT) {
                Call::Suspect
            } else {
                Call::None
            };
            let q = if doubt.p_worse <= doubt.p_better {
                q_worse
            } else {
                q_better
            };
            Decision { call, q }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(p_worse: f64, counts: bool) -> Doubt {
        Doubt {
            p_worse,
            p_better: 1.0 - p_worse,
            counts,
            upper_lost: false,
        }
    }

    fn calls(family: &[Doubt]) -> Vec<Call> {
        decide(family, 0.1).into_iter().map(|of| of.call).collect()
    }

    #[test]
    fn the_same_p_is_called_among_four_and_suspect_among_four_hundred() {
        let mut family = vec![doubt(0.009, true), doubt(0.5, true), doubt(0.6, true)];
        assert_eq!(calls(&family)[0], Call::Worse);
        family.resize(400, doubt(0.5, true));
        assert_eq!(calls(&family)[0], Call::Suspect);
    }

    #[test]
    fn effects_below_the_floor_are_neither_called_nor_suspect() {
        assert_eq!(calls(&[doubt(1e-9, false)]), [Call::None]);
        assert_eq!(calls(&[doubt(1.0 - 1e-9, true)]), [Call::Better]);
    }

    #[test]
    fn of_an_unknown_direction_any_change_is_worse_and_needs_twice_the_evidence() {
        let better = doubt(0.996, true).two_sided_if(true);
        assert!((better.p_worse - 0.008).abs() < 1e-12);
        assert_eq!(calls(&[better]), [Call::Worse]);
    }
}
