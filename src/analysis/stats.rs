//! The formulas, as functions over slices.
//!
//! Sums run from the first value to the last, so the same slice gives the same bits everywhere;
//! callers that must not depend on an order sort first. No function looks at units: what goes in
//! comes out (percent where the name says so). Nothing here panics on NaN or infinities, but the
//! answer is then NaN or infinite too; results are read with finite values only.

/// Returns the arithmetic mean, in the unit of the values; `None` for an empty slice.
///
/// # Formula
///
/// `sum / n`, summed in order.
///
/// ```
/// assert_eq!(runperf::analysis::stats::mean(&[1.0, 2.0, 6.0]), Some(3.0));
/// ```
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}

/// Returns the population standard deviation, in the unit of the values; `None` for an empty slice.
///
/// A single value gives 0.
///
/// # Formula
///
/// `sqrt(Σ (x − mean)² / n)`, in two passes. (`statrs` computes it in one, which differs in the last
/// digits from the models that exist already.)
pub fn population_stddev(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Some((squares / count(values.len())).sqrt())
}

/// Returns the population standard deviation in percent of the mean's magnitude.
///
/// `None` for an empty slice, and for a mean of 0, of which nothing is a percentage.
pub fn stddev_pct(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    (mean != 0.0).then_some(population_stddev(values)? / mean.abs() * 100.0)
}

/// Returns by how much a range estimated from `n` values is widened; 1 above 8 values.
///
/// `None` for 0 values.
///
/// # Source
///
/// The table of the older analyze-perf and compare-perf (models, group limits and modifiers use the
/// same one): roughly Student's t over the normal quantile, rounded by hand.
///
/// ```
/// use runperf::analysis::stats::uncertainty_factor;
/// assert_eq!(uncertainty_factor(1), Some(7.0));
/// assert_eq!(uncertainty_factor(5), Some(1.3));
/// assert_eq!(uncertainty_factor(100), Some(1.0));
/// ```
pub fn uncertainty_factor(n: usize) -> Option<f64> {
    const FACTORS: [f64; 8] = [7.0, 2.3, 1.7, 1.4, 1.3, 1.3, 1.2, 1.2];
    Some(*FACTORS.get(n.checked_sub(1)?).unwrap_or(&1.0))
}

/// Returns the change from `src` to `dst` in percent of `src`, positive when `dst` is larger.
///
/// A `src` of exactly 0 yields 0: a run that measured nothing cannot tell a change.
///
/// # Formula
///
/// `(dst − src) / |src| · 100`; the magnitude keeps the sign meaningful for negative values.
pub fn percent_change(src: f64, dst: f64) -> f64 {
    if src == 0.0 {
        0.0
    } else {
        (dst - src) / src.abs() * 100.0
    }
}

/// Returns the value below which `percent` (0 to 100, clamped) of the values lie.
///
/// `None` for an empty slice. NaN sorts last.
///
/// # Formula
///
/// Linear interpolation between the two neighbours of rank `percent / 100 · (n − 1)` (Hyndman and
/// Fan's definition 7, the default of NumPy and R).
///
/// ```
/// use runperf::analysis::stats::percentile;
/// assert_eq!(percentile(&[4.0, 1.0, 3.0, 2.0], 50.0), Some(2.5));
/// assert_eq!(percentile(&[4.0, 1.0, 3.0, 2.0], 25.0), Some(1.75));
/// ```
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile_of_sorted(&sorted, percent)
}

/// As [`percentile`], of values that are sorted already.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank between 0 and n − 1"
)]
pub fn percentile_of_sorted(sorted: &[f64], percent: f64) -> Option<f64> {
    let rank = percent.clamp(0.0, 100.0) / 100.0 * count(sorted.len().checked_sub(1)?);
    let below = rank.floor() as usize;
    let low = *sorted.get(below)?;
    match sorted.get(below + 1) {
        Some(high) if rank > rank.floor() => Some(low + (high - low) * (rank - rank.floor())),
        _ => Some(low),
    }
}

/// Returns the median; `None` for an empty slice.
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// Returns the smallest and the largest value; `None` for an empty slice. NaN is passed over.
pub fn min_max(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(
        values
            .iter()
            .fold((first, first), |(low, high), &x| (low.min(x), high.max(x))),
    )
}

/// Returns the geometric mean; `None` for an empty slice or when a value is not above 0.
///
/// # Formula
///
/// `exp(mean(ln x))`, which cannot overflow where a product would. The right mean for ratios
/// (Fleming and Wallace, "How not to lie with statistics", CACM 29(3), 1986).
///
/// ```
/// let middle = runperf::analysis::stats::geometric_mean(&[2.0, 8.0]);
/// assert!((middle.expect("two positive values") - 4.0).abs() < 1e-12);
/// ```
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    if values.iter().any(|x| x.is_nan() || *x <= 0.0) {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|x| x.ln()).collect();
    mean(&logs).map(f64::exp)
}

/// Counts are far below 2^53, where every whole number is an `f64`.
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers, computed exactly")]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_statistics() {
        assert_eq!(mean(&[]), None);
        assert_eq!(population_stddev(&[]), None);
        assert_eq!(stddev_pct(&[]), None);
        assert_eq!(percentile(&[], 50.0), None);
        assert_eq!(min_max(&[]), None);
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(uncertainty_factor(0), None);
    }

    #[test]
    fn deviation_is_that_of_the_population() {
        // mean 5, squared distances 9 1 1 1 0 0 4 16 = 32 over 8 values
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(population_stddev(&values), Some(2.0));
        assert_eq!(stddev_pct(&values), Some(40.0));
        assert_eq!(population_stddev(&[7.5]), Some(0.0));
        assert_eq!(
            stddev_pct(&[-1.0, 1.0]),
            None,
            "no percentage of a mean of 0"
        );
        assert_eq!(stddev_pct(&[-10.0, -10.0]), Some(0.0));
    }

    #[test]
    fn uncertainty_follows_the_older_table() {
        let factors: Vec<_> = (1..=10).filter_map(uncertainty_factor).collect();
        assert_eq!(factors, [7.0, 2.3, 1.7, 1.4, 1.3, 1.3, 1.2, 1.2, 1.0, 1.0]);
    }

    #[test]
    fn change_is_relative_to_the_magnitude_of_the_source() {
        assert_eq!(percent_change(200.0, 150.0), -25.0);
        assert_eq!(
            percent_change(-200.0, -150.0),
            25.0,
            "less negative is more"
        );
        assert_eq!(percent_change(0.0, 5.0), 0.0);
    }

    #[test]
    fn percentiles_interpolate_and_stay_inside() {
        let values = [10.0, 30.0, 20.0];
        assert_eq!(percentile(&values, 0.0), Some(10.0));
        assert_eq!(percentile(&values, 100.0), Some(30.0));
        assert_eq!(percentile(&values, 75.0), Some(25.0));
        assert_eq!(percentile(&values, 250.0), Some(30.0), "clamped");
        assert_eq!(median(&[1.0]), Some(1.0));
        assert_eq!(
            percentile(&values, f64::NAN),
            Some(10.0),
            "never out of bounds"
        );
    }

    #[test]
    fn a_geometric_mean_needs_positive_values() {
        assert_eq!(geometric_mean(&[4.0, 0.0]), None);
        assert_eq!(geometric_mean(&[4.0, f64::NAN]), None);
        let huge = geometric_mean(&[1e300, 1e300]).expect("positive");
        assert!(
            (huge / 1e300 - 1.0).abs() < 1e-9,
            "a product would overflow: {huge}"
        );
    }

    #[test]
    fn extremes_pass_over_nan() {
        assert_eq!(min_max(&[3.0, f64::NAN, -1.0]), Some((-1.0, 3.0)));
    }
}
