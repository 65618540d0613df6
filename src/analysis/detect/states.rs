//! Metrics that have two states: where memory was placed, whether the turbo came on.

/// What is known about the two states of a metric; levels relative to the segment's level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct States {
    /// Level of the upper and of the lower state.
    pub levels: [f64; 2],
    /// Standard deviation inside a state, pooled over both.
    pub sd: f64,
    /// Results in the upper and in the lower state.
    pub counts: [usize; 2],
    /// Number of the newest results in a row that were in the lower state.
    pub low_run: usize,
}

/// Fewest results for two states: of ten, chance alone makes two heaps in every tenth metric, whose
/// narrow heaps then call false alarms (measured, see `docs/detection.md`).
const FEWEST: usize = 16;
/// Least distance of the levels, in standard deviations inside a state.
const GAP: f64 = 4.2;
/// Least width of the empty band between them.
const BAND: f64 = 1.2;
/// Fewest results in a state.
const LEAST: usize = 3;
/// Least share of a state: one in so many.
const SHARE: usize = 10;
/// Fewest changes between states, as runs: fewer are a step, not states.
const RUNS: usize = 4;

/// Finds two states in residuals, in order of time.
///
/// # Formula
///
/// The split of the sorted residuals with the smallest sum of squares inside (exact two-means);
/// accepted when the levels are 4.2 inner standard deviations apart, the empty band between them is
/// 1.2 wide, each holds 3 results and 10 %, and the states interleave in time (4 runs or more).
pub fn find(residuals: &[f64]) -> Option<States> {
    let n = residuals.len();
    if n < FEWEST || residuals.iter().any(|r| !r.is_finite()) {
        return None;
    }
    let mut sorted = residuals.to_vec();
    sorted.sort_by(f64::total_cmp);
    let split = best_split(&sorted);
    let (low, high) = sorted.split_at(split);
    let least = LEAST.max(n.div_ceil(SHARE));
    if low.len() < least || high.len() < least {
        return None;
    }
    let (low_level, low_squares) = level(low);
    let (high_level, high_squares) = level(high);
    let sd = ((low_squares + high_squares) / (n - 2) as f64).sqrt();
    let band = high[0] - low[low.len() - 1];
    // Negated, so that a NaN or two exact values (sd 0) are judged by the first comparison alone.
    let apart = high_level - low_level >= GAP * sd && band >= BAND * sd && band > 0.0;
    if !apart {
        return None;
    }
    let middle = (high[0] + low[low.len() - 1]) / 2.0;
    let is_low: Vec<bool> = residuals.iter().map(|r| *r < middle).collect();
    let runs = 1 + is_low.windows(2).filter(|pair| pair[0] != pair[1]).count();
    (runs >= RUNS).then(|| States {
        levels: [high_level, low_level],
        sd,
        counts: [high.len(), low.len()],
        low_run: is_low.iter().rev().take_while(|low| **low).count(),
    })
}

/// Returns how many of the sorted values belong to the lower part.
fn best_split(sorted: &[f64]) -> usize {
    let n = sorted.len();
    let center = sorted[n / 2];
    let total: f64 = sorted.iter().map(|x| x - center).sum();
    let mut sum = 0.0;
    let mut best = (f64::NEG_INFINITY, 1);
    for (index, value) in sorted.iter().enumerate().take(n - 1) {
        sum += value - center;
        let (below, above) = ((index + 1) as f64, (n - index - 1) as f64);
        // The squares between are largest where those inside are smallest.
        let between = sum * sum / below + (total - sum) * (total - sum) / above;
        if between > best.0 {
            best = (between, index + 1);
        }
    }
    best.1
}

fn level(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, squares)
}

/// Returns whether the upper state seems lost: the last `run` results were all low, at least six, and
/// so many in a row would be a chance below one in a hundred, with the share of low ones before them.
pub fn upper_lost(share_low: f64, run: usize) -> bool {
    let exponent = i32::try_from(run).unwrap_or(i32::MAX);
    run >= 6 && share_low.powi(exponent) < 0.01
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_levels_are_states() {
        let residuals = [
            0.1, -5.0, 0.0, -5.1, -0.1, 0.05, -4.9, 0.02, -5.0, 0.0, 0.1, -0.05, 0.0, 0.1, -0.1,
            0.0,
        ];
        let states = find(&residuals).expect("two states");
        assert_eq!(states.counts, [12, 4]);
        assert!((states.levels[0] - 0.01).abs() < 1e-9);
        assert!((states.levels[1] + 5.0).abs() < 1e-9);
        assert_eq!(states.low_run, 0);
    }

    #[test]
    fn a_step_or_an_outlier_is_no_state() {
        let step: Vec<f64> = (0..12)
            .map(|i| if i < 6 { 0.0 } else { -5.0 } + f64::from(i % 3) / 10.0)
            .collect();
        assert_eq!(find(&step), None);
        let mut outlier = [0.0, 0.1, -0.1, 0.05, -0.02, 0.03, -0.08, 0.0, 0.1, -0.1].repeat(2);
        outlier.push(-9.0);
        assert_eq!(find(&outlier), None);
        assert_eq!(find(&[0.0; 30]), None);
        assert_eq!(find(&[1.0, 5.0, 1.0]), None);
        assert_eq!(find(&[f64::NAN; 20]), None);
    }

    #[test]
    fn two_exact_values_are_states_too() {
        let residuals: Vec<f64> = (0..16).map(|i| f64::from(i % 2)).collect();
        let states = find(&residuals).expect("two states");
        assert!(states.sd <= 0.0);
    }

    #[test]
    fn a_long_absence_of_the_upper_state_is_noticed() {
        assert!(upper_lost(0.38, 6));
        assert!(!upper_lost(0.38, 5));
        assert!(!upper_lost(0.9, 6), "it is low most nights anyway");
    }
}
