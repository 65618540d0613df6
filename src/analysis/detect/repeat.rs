//! Several results of the same build as one: never their mean, which one wild run moves.

use crate::analysis::stats;

/// One number for several results, with what repeating did to its noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Combined {
    /// Value to hold against the level when asking for worse.
    pub worse: f64,
    /// Value to hold against the level when asking for better.
    pub better: f64,
    /// Distance of the expected value of `worse` above the true one, in standard deviations of one
    /// result; that of `better` lies as far below.
    pub shift: f64,
    /// Variance in units of the variance of one result.
    pub variance: f64,
}

/// Combines the values (in goodness) of results of the same build; `None` for none.
///
/// # Formula
///
/// One: itself. Two: the better one when asking for worse and the worse one when asking for better;
/// the larger of two normal values has mean `1/√π = 0.564` and variance `1 − 1/π = 0.682`. Three and
/// more: the median, variance about `1.45 / k` (π/2 in the limit, 0.449 at three).
pub fn combine(values: &[f64]) -> Option<Combined> {
    match *values {
        [] => None,
        [one] => Some(Combined {
            worse: one,
            better: one,
            shift: 0.0,
            variance: 1.0,
        }),
        [a, b] => Some(Combined {
            worse: a.max(b),
            better: a.min(b),
            shift: 0.564,
            variance: 0.682,
        }),
        _ => stats::median(values).map(|median| Combined {
            worse: median,
            better: median,
            shift: 0.0,
            variance: 1.45 / values.len() as f64,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wild_run_among_three_does_not_count() {
        let three = combine(&[0.0, -0.15, 0.001]).expect("values");
        assert!((three.worse - 0.0).abs() < 1e-15);
        assert!(three.variance < 0.5);
    }

    #[test]
    fn of_two_the_charitable_one_is_asked() {
        let two = combine(&[-0.1, 0.0]).expect("values");
        assert!(two.worse >= 0.0 && two.better <= -0.1);
        assert_eq!(combine(&[]), None);
    }
}
