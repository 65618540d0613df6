//! Student's t, and the functions behind the shrinkage of variances.

use statrs::distribution::{ContinuousCDF, StudentsT};
pub use statrs::function::gamma::digamma;

/// Returns `P(T <= t)` for Student's t with `dof` degrees of freedom (above 0, may be broken).
///
/// Infinite t gives 0 or 1. A NaN, or degrees of freedom that are none, give 0.5: nothing is known.
pub fn cdf(t: f64, dof: f64) -> f64 {
    if t == f64::INFINITY {
        return 1.0;
    }
    if t == f64::NEG_INFINITY {
        return 0.0;
    }
    match StudentsT::new(0.0, 1.0, dof) {
        Ok(student) if t.is_finite() && dof.is_finite() => student.cdf(t).clamp(0.0, 1.0),
        _ => 0.5,
    }
}

/// Returns the t with `P(T <= t) = p` for 0.5 <= p < 1, to about 12 digits.
///
/// By halving, because the closed approximations lose digits at one and two degrees of freedom.
/// NaN for other arguments.
pub fn quantile(p: f64, dof: f64) -> f64 {
    let sane = (0.5..1.0).contains(&p) && dof > 0.0 && dof.is_finite();
    let Some(student) = StudentsT::new(0.0, 1.0, dof).ok().filter(|_| sane) else {
        return f64::NAN;
    };
    let (mut low, mut high) = (0.0, 4.0);
    while student.cdf(high) < p && high < 1e9 {
        (low, high) = (high, high * 4.0);
    }
    while high - low > 1e-12 * high {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if student.cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// Returns the trigamma function, the second derivative of `ln Γ`, for x above 0; NaN otherwise.
///
/// # Formula
///
/// `ψ'(x) = ψ'(x + 1) + 1/x²` up to x = 6, then the asymptotic series (Abramowitz and Stegun 6.4.12).
pub fn trigamma(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 6.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + 1.0 / x
        + y / 2.0
        + y / x
            * (1.0 / 6.0 - y * (1.0 / 30.0 - y * (1.0 / 42.0 - y * (1.0 / 30.0 - y * 5.0 / 66.0))))
}

/// Returns the x between `low` and `high` with `trigamma(x) = target`, the nearer end beyond them.
pub fn inverse_trigamma(target: f64, low: f64, high: f64) -> f64 {
    // Falls from infinity at 0 to 0, so halving always works.
    let (mut low, mut high) = (low, high);
    if target.is_nan() || target <= trigamma(high) {
        return high;
    }
    if target >= trigamma(low) {
        return low;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if trigamma(middle) > target {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, dof, expected) in [
            (0.99, 9.0, 2.8214),
            (0.99, 1.0, 31.8205),
            (0.99, 2.0, 6.9646),
            (0.975, 9.0, 2.2622),
            (0.8, 9.0, 0.8834),
            (0.8, 2.0, 1.0607),
        ] {
            let found = quantile(p, dof);
            assert!((found - expected).abs() < 5e-5, "{p} {dof}: {found}");
        }
        assert!(quantile(0.99, 0.0).is_nan() && quantile(0.3, 5.0).is_nan());
    }

    #[test]
    fn probabilities_of_impossible_numbers_say_nothing() {
        assert!((cdf(-5.890, 9.0) - 1.16e-4).abs() < 1e-6);
        assert!(cdf(f64::NEG_INFINITY, 3.0) <= 0.0);
        assert!((cdf(f64::NAN, 3.0) - 0.5).abs() < 1e-15);
        assert!((cdf(1.0, f64::NAN) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn trigamma_at_known_points_and_back() {
        let at_one = std::f64::consts::PI.powi(2) / 6.0;
        assert!((trigamma(1.0) - at_one).abs() < 1e-10);
        assert!((trigamma(0.5) - std::f64::consts::PI.powi(2) / 2.0).abs() < 1e-10);
        assert!((inverse_trigamma(at_one, 1e-3, 15.0) - 1.0).abs() < 1e-9);
        assert!((inverse_trigamma(0.0, 1e-3, 15.0) - 15.0).abs() < 1e-12);
    }
}
