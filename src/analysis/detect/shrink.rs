//! Few nights: what all metrics together say about the noise of one.
//!
//! G. K. Smyth, "Linear models and empirical Bayes methods for assessing differential expression",
//! SAGMB 3(1), 2004: variances of many metrics follow a scaled inverse chi-square; what one metric
//! says is weighed against what its kind usually does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::robust::mad;
use super::student::{digamma, inverse_trigamma, trigamma};
use crate::analysis::stats;

/// Fewest metrics for a prior.
pub const FEWEST: usize = 8;
/// Most weight a prior gets, in nights.
const MOST_WEIGHT: f64 = 30.0;

/// One metric as the fit sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Variance between nights.
    pub variance: f64,
    /// Degrees of freedom of it.
    pub freedom: f64,
    /// Mean variance inside a result, relative to the value; `None` when samples were not kept.
    pub within: Option<f64>,
}

/// What variances are like among all metrics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prior {
    /// Intercept of the regression of the (unbiased) log variance.
    pub a: f64,
    /// Its slope over the log of the variance inside a result.
    pub b: f64,
    /// Weight of the prior, in degrees of freedom.
    pub d0: f64,
    /// Mean log variance inside a result, which stands in where a metric has none.
    #[serde(default)]
    pub within: f64,
}

impl Prior {
    /// Fits the prior; `None` with fewer than 8 metrics whose variance is known and not 0.
    ///
    /// # Formula
    ///
    /// `e = ln s² − ψ(d/2) + ln(d/2)`, regressed on the log of the variance inside a result;
    /// `ψ'(d0/2) = mean((e − fit)² − ψ'(d/2))`, d0 at most 30. Where the covariate is unknown or the
    /// same everywhere, the fit is the mean.
    pub fn fit(metrics: &[Observed]) -> Option<Self> {
        let usable: Vec<(f64, Option<f64>, f64)> = metrics
            .iter()
            .filter(|m| m.variance > 0.0 && m.variance.is_finite() && m.freedom > 0.0)
            .map(|m| {
                let half = m.freedom / 2.0;
                let e = m.variance.ln() - digamma(half) + half.ln();
                (e, log_within(m.within), trigamma(half))
            })
            .collect();
        if usable.len() < FEWEST {
            return None;
        }
        let usable = pulled_in(usable);
        let known: Vec<f64> = usable.iter().filter_map(|(_, w, _)| *w).collect();
        let within = stats::mean(&known).unwrap_or(0.0);
        let centred: Vec<(f64, f64)> = usable
            .iter()
            .map(|(e, w, _)| (w.map_or(0.0, |w| w - within), *e))
            .collect();
        let mean_e = stats::mean(&centred.iter().map(|(_, e)| *e).collect::<Vec<_>>())?;
        let squares: f64 = centred.iter().map(|(w, _)| w * w).sum();
        let products: f64 = centred.iter().map(|(w, e)| w * (e - mean_e)).sum();
        let b = if squares > 1e-9 {
            products / squares
        } else {
            0.0
        };
        let excess: Vec<f64> = usable
            .iter()
            .zip(&centred)
            .map(|((e, _, noise), (w, _))| {
                let off = e - (mean_e + b * w);
                off * off - noise
            })
            .collect();
        let d0 = 2.0 * inverse_trigamma(stats::mean(&excess)?, 0.01, MOST_WEIGHT / 2.0);
        Some(Self {
            a: mean_e - b * within,
            b,
            d0,
            within,
        })
    }

    /// Returns the variance this prior expects of a metric.
    ///
    /// # Formula
    ///
    /// `s0² = exp(fit + ψ(d0/2) − ln(d0/2))`.
    pub fn expected(&self, within: Option<f64>) -> f64 {
        let fit = self.a + self.b * log_within(within).unwrap_or(self.within);
        let half = self.d0 / 2.0;
        (fit + digamma(half) - half.ln()).exp()
    }
}

/// Pulls log variances in to four robust standard deviations, so that one absurd metric does not
/// decide what is usual (B. Phipson et al., "Robust hyperparameter estimation protects against
/// hypervariable genes", Ann. Appl. Stat. 10, 2016, do so by quantiles).
fn pulled_in(mut usable: Vec<(f64, Option<f64>, f64)>) -> Vec<(f64, Option<f64>, f64)> {
    let logs: Vec<f64> = usable.iter().map(|(e, _, _)| *e).collect();
    let noise: Vec<f64> = usable.iter().map(|(_, _, noise)| *noise).collect();
    let middle = stats::median(&logs).unwrap_or(0.0);
    let limit = 4.0 * mad(&logs).max(stats::median(&noise).unwrap_or(0.0).sqrt());
    for (e, _, _) in &mut usable {
        *e = e.clamp(middle - limit, middle + limit);
    }
    usable
}

/// Returns the moderated variance and its degrees of freedom.
///
/// # Formula
///
/// `s~² = (d0 s0² + d s²) / (d0 + d)`, `nu = d0 + d`.
pub fn moderated(variance: f64, freedom: f64, expected: f64, d0: f64) -> (f64, f64) {
    let nu = d0 + freedom;
    ((d0 * expected + freedom * variance) / nu, nu)
}

fn log_within(within: Option<f64>) -> Option<f64> {
    within.filter(|v| *v > 0.0 && v.is_finite()).map(f64::ln)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked example B: a quiet metric in a noisy family.
    #[test]
    fn example_b_a_quiet_metric_is_believed_less() {
        let (variance, nu) = moderated(0.3117_f64.powi(2), 9.0, 1.5_f64.powi(2), 2.0);
        assert!((variance.sqrt() - 0.699).abs() < 5e-4);
        assert!((nu - 11.0).abs() < 1e-12);
    }

    #[test]
    fn equal_variances_are_trusted_fully_and_wild_ones_hardly() {
        let same = vec![
            Observed {
                variance: 4.0,
                freedom: 3.0,
                within: None
            };
            50
        ];
        let prior = Prior::fit(&same).expect("a prior");
        assert!((prior.d0 - 30.0).abs() < 1e-9);
        let wild: Vec<Observed> = (0..50)
            .map(|i| Observed {
                variance: 10_f64.powi(i % 9 - 4),
                freedom: 3.0,
                within: None,
            })
            .collect();
        assert!(Prior::fit(&wild).expect("a prior").d0 < 1.0);
    }

    #[test]
    fn the_spread_inside_a_result_helps_as_far_as_it_tells() {
        let told: Vec<Observed> = (0..40)
            .map(|i| {
                let within = 10_f64.powi(i % 5 - 6);
                Observed {
                    variance: within * 2.0,
                    freedom: 4.0,
                    within: Some(within),
                }
            })
            .collect();
        let prior = Prior::fit(&told).expect("a prior");
        assert!((prior.b - 1.0).abs() < 1e-6, "{prior:?}");
        assert!(prior.expected(Some(1e-4)) > 50.0 * prior.expected(Some(1e-6)));
    }

    #[test]
    fn seven_metrics_or_nothing_but_constants_give_no_prior() {
        let few = vec![
            Observed {
                variance: 4.0,
                freedom: 3.0,
                within: None
            };
            7
        ];
        assert_eq!(Prior::fit(&few), None);
        let constant = vec![
            Observed {
                variance: 0.0,
                freedom: 3.0,
                within: None
            };
            50
        ];
        assert_eq!(Prior::fit(&constant), None);
        let odd = vec![
            Observed {
                variance: f64::NAN,
                freedom: 3.0,
                within: Some(f64::NAN)
            };
            50
        ];
        assert_eq!(Prior::fit(&odd), None);
    }
}
