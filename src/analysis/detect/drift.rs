//! Metrics that drift: the next night is better told by the last ones than by the level.

use super::robust::clipped;

/// What a forecast says about the next night.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Expected residual of the next night.
    pub next: f64,
    /// Mean squared error of forecasts one night ahead.
    pub error: f64,
}

/// Weights of the newest night that are tried.
const WEIGHTS: [f64; 2] = [0.3, 0.6];
/// Fewest results for a forecast.
const FEWEST: usize = 12;
/// A forecast must leave less than this share of the variance.
const WORTH: f64 = 0.8;

/// Returns the better of two exponentially weighted forecasts, when one is worth having.
///
/// # Formula
///
/// `f(t+1) = f(t) + λ (r(t) − f(t))` from `f(1) = 0`, λ of 0.3 and 0.6, over residuals pulled in to
/// three standard deviations. `None` for fewer than 12, or unless the mean squared error is below 80 %
/// of the mean square of the residuals.
pub fn forecast(residuals: &[f64]) -> Option<Forecast> {
    let n = residuals.len();
    if n < FEWEST {
        return None;
    }
    let r = clipped(residuals);
    let variance = r.iter().map(|r| r * r).sum::<f64>() / n as f64;
    WEIGHTS
        .into_iter()
        .map(|weight| {
            let (mut expected, mut errors) = (0.0, 0.0);
            for value in &r {
                let off = value - expected;
                errors += off * off;
                expected += weight * off;
            }
            Forecast {
                next: expected,
                error: errors / n as f64,
            }
        })
        .min_by(|a, b| a.error.total_cmp(&b.error))
        .filter(|forecast| forecast.error < WORTH * variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_slope_is_followed() {
        let slope: Vec<f64> = (0..30)
            .map(|i| f64::from(i) - 14.5 + f64::from(i % 2))
            .collect();
        let forecast = forecast(&slope).expect("worth having");
        assert!(forecast.next > 12.0, "{forecast:?}");
    }

    #[test]
    fn alternating_noise_has_no_forecast() {
        let noise: Vec<f64> = (0..30)
            .map(|i| if i % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        assert_eq!(forecast(&noise), None);
        assert_eq!(forecast(&[0.0; 30]), None);
        assert_eq!(forecast(&[1.0; 5]), None);
    }
}
