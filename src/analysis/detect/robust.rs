//! Level and scale that a few wild nights cannot move.

use crate::analysis::stats;

/// From the median of magnitudes to a standard deviation, for a normal distribution:
/// `1 / Φ⁻¹(3/4)`.
pub const MAD_TO_SD: f64 = 1.4826;

/// Corner of Huber's estimate, in standard deviations: 96 % efficient for normal noise.
pub const HUBER_CORNER: f64 = 1.5;

/// Residuals beyond this many robust standard deviations count as this many.
pub const CLIP: f64 = 3.0;

/// Returns the median absolute deviation from the median, as a standard deviation; 0 for no values.
pub fn mad(values: &[f64]) -> f64 {
    let Some(median) = stats::median(values) else {
        return 0.0;
    };
    mad_around(values, median)
}

/// Returns the median absolute deviation from `center`, as a standard deviation; 0 for no values.
pub fn mad_around(values: &[f64], center: f64) -> f64 {
    let far: Vec<f64> = values.iter().map(|x| (x - center).abs()).collect();
    MAD_TO_SD * stats::median(&far).unwrap_or(0.0)
}

/// Returns the standard deviation of the noise between neighbours, which steps cannot inflate.
///
/// 0 for fewer than two values and for constant ones. Where more than half of the differences are
/// equal (values of a coarse clock), their mean distance takes the place of the median.
///
/// # Formula
///
/// `1.4826 · median |dx − median(dx)| / √2`, dx being successive differences.
pub fn noise_between_neighbours(x: &[f64]) -> f64 {
    let mut steps: Vec<f64> = x.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let Some(middle) = (match steps.len() {
        0 => None,
        // Of one or two differences the median would take away what is to be measured.
        1 | 2 => Some(0.0),
        _ => stats::median(&steps),
    }) else {
        return 0.0;
    };
    for step in &mut steps {
        *step = (*step - middle).abs();
    }
    let scale = MAD_TO_SD * stats::median(&steps).unwrap_or(0.0);
    let scale = if scale > 0.0 {
        scale
    } else {
        // E|X| of a normal X is sqrt(2/π) of its standard deviation.
        stats::mean(&steps).unwrap_or(0.0) * (std::f64::consts::PI / 2.0).sqrt()
    };
    scale / std::f64::consts::SQRT_2
}

/// Returns Huber's M-estimate of location, given the scale of the noise; `None` for no values.
///
/// With a scale of 0 the median.
///
/// # Formula
///
/// The `m` with `Σ ψ((x − m) / s) = 0`, `ψ(z) = max(−c, min(c, z))`, c = 1.5, by reweighting from the
/// median. Source: P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Stat. 35, 1964.
pub fn huber(x: &[f64], scale: f64) -> Option<f64> {
    let mut level = stats::median(x)?;
    let usable = scale > 0.0 && scale.is_finite();
    if !usable {
        return Some(level);
    }
    let corner = HUBER_CORNER * scale;
    for _ in 0..50 {
        let (mut sum, mut weights) = (0.0, 0.0);
        for value in x {
            let far = (value - level).abs();
            let weight = if far <= corner { 1.0 } else { corner / far };
            sum += weight * (value - level);
            weights += weight;
        }
        let move_by = sum / weights;
        level += move_by;
        if move_by.abs() <= 1e-12 * scale {
            break;
        }
    }
    Some(level)
}

/// Returns the values with everything beyond three robust standard deviations pulled in to there.
///
/// Values whose deviation is 0 by the median (more than half equal) are left as they are.
pub fn clipped(residuals: &[f64]) -> Vec<f64> {
    let limit = CLIP * mad_around(residuals, 0.0);
    if limit <= 0.0 {
        return residuals.to_vec();
    }
    residuals.iter().map(|r| r.clamp(-limit, limit)).collect()
}

/// Returns the variance of residuals around levels, pooled over all segments; `None` without a
/// degree of freedom.
///
/// # Formula
///
/// `s² = Σ clip(r)² / (N − segments)`: the level comes from the present segment, the spread from all
/// of them (an accepted step must not widen the limits for months).
pub fn pooled_variance(residuals: &[f64], segments: usize) -> Option<f64> {
    let freedom = residuals.len().checked_sub(segments).filter(|d| *d > 0)?;
    let squares: f64 = clipped(residuals).iter().map(|r| r * r).sum();
    Some(squares / freedom as f64)
}

/// Returns the weighted median; `None` when no weight is above 0.
///
/// # Formula
///
/// The smallest value at which half of the weight is reached; where it is met exactly, the middle
/// between it and the next.
pub fn weighted_median(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut pairs: Vec<(f64, f64)> = pairs
        .iter()
        .copied()
        .filter(|(value, weight)| value.is_finite() && *weight > 0.0 && weight.is_finite())
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = pairs.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut reached = 0.0;
    for (index, (value, weight)) in pairs.iter().enumerate() {
        reached += weight;
        if reached > half {
            return Some(*value);
        }
        if reached >= half {
            let next = pairs.get(index + 1).map_or(*value, |(next, _)| *next);
            return Some((value + next) / 2.0);
        }
    }
    pairs.last().map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_night_hardly_moves_the_level() {
        let quiet = [1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0];
        let level = huber(&quiet, 1.0).expect("values");
        let mut wild = quiet.to_vec();
        wild.push(-1000.0);
        let moved = huber(&wild, 1.0).expect("values");
        assert!((level - 2.0).abs() < 1e-9);
        // At most c·s / (number of the others).
        assert!((level - moved).abs() < 1.5 / 6.0, "{level} {moved}");
        assert_eq!(huber(&[], 1.0), None);
        assert_eq!(huber(&[3.0, 1.0, 2.0], 0.0), Some(2.0));
    }

    #[test]
    fn a_step_does_not_inflate_the_noise_between_neighbours() {
        let still: Vec<f64> = (0..40).map(|i| f64::from(i * i * 7 % 11)).collect();
        let step: Vec<f64> = still
            .iter()
            .enumerate()
            .map(|(i, x)| if i < 20 { *x } else { x + 500.0 })
            .collect();
        let (a, b) = (
            noise_between_neighbours(&still),
            noise_between_neighbours(&step),
        );
        assert!((a - b).abs() < 0.3 * a, "{a} {b}");
        assert!(noise_between_neighbours(&[1.0]) <= 0.0);
        assert!(noise_between_neighbours(&[1.0, 1.0, 1.0]) <= 0.0);
        // A coarse clock: most differences are 0, and yet there is noise.
        assert!(noise_between_neighbours(&[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]) > 0.0);
    }

    #[test]
    fn spread_is_pooled_over_segments() {
        // residuals ±1 around two levels: Σ r² = 6, 6 − 2 degrees of freedom
        let residuals = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0];
        assert_eq!(pooled_variance(&residuals, 2), Some(1.5));
        assert_eq!(pooled_variance(&residuals, 6), None);
        assert_eq!(pooled_variance(&[], 1), None);
    }

    #[test]
    fn the_weighted_median_by_hand() {
        assert_eq!(
            weighted_median(&[(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]),
            Some(2.0)
        );
        assert_eq!(
            weighted_median(&[(1.0, 5.0), (2.0, 1.0), (3.0, 1.0)]),
            Some(1.0)
        );
        assert_eq!(weighted_median(&[(1.0, 1.0), (2.0, 1.0)]), Some(1.5));
        assert_eq!(weighted_median(&[(f64::NAN, 1.0), (2.0, 1.0)]), Some(2.0));
        assert_eq!(weighted_median(&[(1.0, 0.0)]), None);
    }
}
