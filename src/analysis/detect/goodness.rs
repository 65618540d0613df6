//! Log goodness: one scale on which negative is worse and 0.02 is two percent.

use crate::analysis::stats;

/// Beyond this many times the usual magnitude squares and their sums leave double precision.
const LARGEST: f64 = 1e100;

/// How the values of one metric become numbers that can be subtracted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// Natural logarithm; every value seen is above 0.
    Log,
    /// Divided by this typical magnitude (above 0), because a value is 0 or negative.
    Linear(f64),
    /// All values are 0: nothing but equality can be said.
    Equality,
}

/// Direction and transform of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goodness {
    /// +1 where larger is better (also where nobody knows), -1 where smaller is.
    pub sign: f64,
    /// How values become comparable.
    pub transform: Transform,
}

impl Goodness {
    /// Chooses the transform for these values; `None` when there is none (no values, or numbers
    /// beyond double precision).
    ///
    /// # Formula
    ///
    /// Logarithm when all values are above 0. Otherwise the value over the median of the magnitudes,
    /// or over their mean where more than half are 0.
    pub fn choose(values: &[f64], sign: f64) -> Option<Self> {
        let sign = if sign < 0.0 { -1.0 } else { 1.0 };
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let transform = if values.iter().all(|value| *value > 0.0) {
            Transform::Log
        } else {
            let magnitudes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
            let typical = stats::median(&magnitudes)
                .filter(|median| *median > 0.0)
                .or_else(|| stats::mean(&magnitudes))?;
            if typical > 0.0 {
                Transform::Linear(typical)
            } else {
                Transform::Equality
            }
        };
        let goodness = Self { sign, transform };
        values
            .iter()
            .all(|value| goodness.of(*value).abs() <= LARGEST)
            .then_some(goodness)
    }

    /// Returns the goodness of a value.
    ///
    /// A value of 0 or below has no logarithm: it is infinitely bad for a throughput, infinitely good
    /// for a latency. With [`Transform::Equality`] the value itself, turned.
    ///
    /// # Formula
    ///
    /// `x = sign · ln(y)`, or `sign · y / typical`.
    pub fn of(&self, value: f64) -> f64 {
        match self.transform {
            Transform::Log if value <= 0.0 => self.sign * f64::NEG_INFINITY,
            Transform::Log => self.sign * value.ln(),
            Transform::Linear(typical) => self.sign * value / typical,
            Transform::Equality => self.sign * value,
        }
    }

    /// Returns the value of a goodness, in the metric's unit.
    pub fn value(&self, x: f64) -> f64 {
        match self.transform {
            Transform::Log => (self.sign * x).exp(),
            Transform::Linear(typical) => self.sign * x * typical,
            Transform::Equality => self.sign * x,
        }
    }

    /// Returns the change as measured that a difference `d` in goodness from the level `mu` is,
    /// in percent of the level's magnitude. Not finite where the level is 0.
    pub fn change_pct(&self, mu: f64, d: f64) -> f64 {
        match self.transform {
            Transform::Log => (self.sign * d).exp_m1() * 100.0,
            Transform::Linear(_) | Transform::Equality => self.sign * d / mu.abs() * 100.0,
        }
    }

    /// Returns the smallest difference in goodness that counts, of `percent` of the level.
    pub fn floor(&self, mu: f64, percent: f64) -> f64 {
        match self.transform {
            Transform::Log => (percent / 100.0).ln_1p(),
            Transform::Linear(_) | Transform::Equality => mu.abs() * percent / 100.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_negative_whatever_the_direction() {
        let up = Goodness::choose(&[100.0, 101.0], 1.0).expect("values");
        let down = Goodness::choose(&[100.0, 101.0], -1.0).expect("values");
        assert!(up.of(98.0) - up.of(100.0) < 0.0);
        assert!(down.of(102.0) - down.of(100.0) < 0.0);
        let d = down.of(102.0) - down.of(100.0);
        assert!(
            (down.change_pct(down.of(100.0), d) - 2.0).abs() < 1e-9,
            "as measured"
        );
        assert!((down.value(down.of(7.0)) - 7.0).abs() < 1e-12);
    }

    #[test]
    fn values_without_a_logarithm_are_taken_relative_to_their_size() {
        let goodness = Goodness::choose(&[-10.0, 0.0, 10.0, 20.0], 1.0).expect("values");
        assert_eq!(goodness.transform, Transform::Linear(10.0));
        let mostly_zero = Goodness::choose(&[0.0, 0.0, 3.0], -1.0).expect("values");
        assert_eq!(mostly_zero.transform, Transform::Linear(1.0));
        let zero = Goodness::choose(&[0.0, 0.0], 1.0).expect("values");
        assert_eq!(zero.transform, Transform::Equality);
    }

    #[test]
    fn what_cannot_be_computed_with_is_refused() {
        assert_eq!(Goodness::choose(&[], 1.0), None);
        assert_eq!(Goodness::choose(&[1.0, f64::NAN], 1.0), None);
        assert_eq!(Goodness::choose(&[1.0, f64::INFINITY], 1.0), None);
        assert!(Goodness::choose(&[1e300, 2e300], 1.0).is_some());
        assert!(Goodness::choose(&[-1e300, 1e300], 1.0).is_some());
    }

    #[test]
    fn a_throughput_of_nothing_is_as_bad_as_can_be() {
        let goodness = Goodness::choose(&[100.0], 1.0).expect("a value");
        assert!(goodness.of(0.0) < f64::MIN);
        let latency = Goodness::choose(&[100.0], -1.0).expect("a value");
        assert!(latency.of(0.0) > f64::MAX);
    }
}
