//! Range models: from many runs of one metric to "how far is normal".
//!
//! A model maps a measured value onto a scale where ±tolerance is the range the training runs stayed
//! in: `score = a · value + b`. Two kinds are trained here: [`Method::MinMax`] and
//! [`Method::ThreeSigma`]; both give a [`Line`] per metric. How models are stored is in
//! [`super::model_file`], the file format in `docs/model-format.md`.

use std::collections::BTreeMap;

use super::history::History;
use super::stats;
use crate::metric::MetricId;

/// How the range of normal values is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// From the smallest to the largest value.
    MinMax,
    /// Three population standard deviations to either side of the mean.
    ThreeSigma,
}

impl Method {
    /// Returns the version number of model files of this kind.
    pub fn version(self) -> u32 {
        match self {
            Method::MinMax => 2,
            Method::ThreeSigma => 1,
        }
    }
}

/// Score at the edge of the normal range.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Tolerance {
    /// Nobody chose one: 4. Stored as a whole number, so that model files stay the same.
    #[default]
    Default,
    /// Chosen; positive and finite.
    Given(f64),
}

impl Tolerance {
    /// Returns the number.
    pub fn value(self) -> f64 {
        match self {
            Tolerance::Default => 4.0,
            Tolerance::Given(value) => value,
        }
    }
}

/// What is normal for one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Score per unit of the metric.
    pub a: f64,
    /// Score of the value 0.
    pub b: f64,
    /// Mean of the training values; `None` in files of the oldest format.
    pub raw: Option<f64>,
    /// Lower edge of the normal range, in percent of the mean; `None` for a mean of 0.
    pub mmin: Option<f64>,
    /// Upper edge.
    pub mmax: Option<f64>,
}

impl Line {
    /// Returns how far a value is from normal: 0 in the middle, ±tolerance at the edges.
    ///
    /// Positive means larger than normal, whether or not that is better (but a version 3 line already
    /// falls where larger is worse).
    pub fn score(&self, value: f64) -> f64 {
        self.a * value + self.b
    }
}

/// Why a metric has no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// No values.
    #[error("it has no values")]
    Empty,
    /// All values are equal and 0 or below, so the range has no width.
    #[error("its range has no width")]
    NoRange,
    /// The values are too large, too small or too close together for a line in double precision.
    #[error("its range cannot be expressed in double precision")]
    NotFinite,
}

impl Line {
    /// Finds the line for the values of one metric.
    ///
    /// # Formula
    ///
    /// With T the tolerance, n values of mean `avg` and `k = T / 100 / 1.1`:
    ///
    /// - min/max: `hi = max(max, avg (1 + k))`, `lo = min(min, avg (1 − k))`;
    /// - 3 sigma: `d = 3 · stddev · u(n)`, `hi = max(avg + d, avg (1 + k))`, `lo = min(avg − d,
    ///   avg (1 − k))`, u being [`stats::uncertainty_factor`];
    /// - `a hi + b = T`, `a lo + b = −T`; `mmin = (lo − avg) / avg · 100`, `mmax` likewise.
    ///
    /// The term with k keeps a model from being stricter than `T / 1.1` percent (for values above 0;
    /// below 0 it has no effect, as in the older tool). Where both sides are widened by it,
    /// `a = 110 / avg` and `b = −110` whatever T is.
    ///
    /// # Errors
    ///
    /// [`LeftOut`]: constant 0 (typical for spreads), or numbers beyond double precision.
    pub fn train(values: &[f64], method: Method, tolerance: f64) -> Result<Self, LeftOut> {
        let avg = stats::mean(values).ok_or(LeftOut::Empty)?;
        let k = tolerance / 100.0 / 1.1;
        let (low, high) = match method {
            Method::MinMax => stats::min_max(values).ok_or(LeftOut::Empty)?,
            Method::ThreeSigma => {
                let stddev = stats::population_stddev(values).ok_or(LeftOut::Empty)?;
                let d =
                    3.0 * stddev * stats::uncertainty_factor(values.len()).ok_or(LeftOut::Empty)?;
                (avg - d, avg + d)
            }
        };
        if !avg.is_finite() {
            return Err(LeftOut::NotFinite);
        }
        let high = high.max(avg * (1.0 + k));
        let low = low.min(avg * (1.0 - k));
        if high <= low {
            return Err(LeftOut::NoRange);
        }
        let (a, b) = through(high, low, tolerance);
        let edge =
            |limit: f64| Some((limit - avg) / avg * 100.0).filter(|percent| percent.is_finite());
        let line = Self {
            a,
            b,
            raw: Some(avg),
            mmin: edge(low),
            mmax: edge(high),
        };
        if a.is_finite() && b.is_finite() {
            Ok(line)
        } else {
            Err(LeftOut::NotFinite)
        }
    }

    /// Returns this line moved so that `mean` scores 0; its slope and everything else stay.
    ///
    /// `raw`, `mmin` and `mmax` keep telling about the old training values, as they always did: a
    /// comparison shows them beside the moved line.
    #[must_use]
    pub fn rebased(self, mean: f64) -> Self {
        Self {
            b: -mean * self.a,
            ..self
        }
    }
}

/// Solves `a·high + b = t`, `a·low + b = −t` for (a, b).
///
/// Gaussian elimination with row pivoting, multiplying by the reciprocal of the pivot: the steps of
/// LAPACK's `gesv`, by which existing models were made. The closed form `2t / (high − low)` differs
/// from it in the last digits, and files would differ for no reason.
fn through(high: f64, low: f64, t: f64) -> (f64, f64) {
    let (pivot, other, at_pivot) = if high.abs() >= low.abs() {
        (high, low, t)
    } else {
        (low, high, -t)
    };
    let factor = other * (1.0 / pivot);
    let b = (-at_pivot - factor * at_pivot) / (1.0 - factor);
    ((at_pivot - b) / pivot, b)
}

/// What is normal for every metric of a history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RangeModel {
    pub(super) version: u32,
    pub(super) tolerance: Tolerance,
    /// By the text of the id: other tools may have stored names this one would not make.
    pub(super) lines: BTreeMap<String, Line>,
}

/// A model, and the metrics it says nothing about.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model.
    pub model: RangeModel,
    /// Metrics without a line, in order, and why.
    pub left_out: Vec<(MetricId, LeftOut)>,
    /// Number of metrics that the model did not know before (all of them, unless it was rebased).
    pub new: usize,
}

impl RangeModel {
    /// Trains on every metric, primary or not, that has only numbers.
    pub fn train(history: &History, method: Method, tolerance: Tolerance) -> Trained {
        Self {
            version: method.version(),
            tolerance,
            lines: BTreeMap::new(),
        }
        .rebase(history, method, tolerance)
    }

    /// Moves the centre of known metrics to their mean in `history` and trains unknown ones.
    ///
    /// A metric that only the model knows stays as it is, and so does one with a failure text. When
    /// unknown metrics were trained, the stored tolerance becomes theirs. The result carries the
    /// version of `method`.
    pub fn rebase(mut self, history: &History, method: Method, tolerance: Tolerance) -> Trained {
        let mut left_out = Vec::new();
        let mut new = 0;
        for (id, series) in history.numeric() {
            let values = series.numbers();
            if let Some(line) = self.lines.get_mut(id.as_str()) {
                let moved = stats::mean(&values)
                    .map(|mean| line.rebased(mean))
                    .filter(|line| line.b.is_finite());
                match moved {
                    Some(moved) => *line = moved,
                    None => left_out.push((id.clone(), LeftOut::NotFinite)),
                }
                continue;
            }
            match Line::train(&values, method, tolerance.value()) {
                Ok(line) => {
                    self.lines.insert(id.to_string(), line);
                    self.tolerance = tolerance;
                    new += 1;
                }
                Err(reason) => left_out.push((id.clone(), reason)),
            }
        }
        self.version = method.version();
        Trained {
            model: self,
            left_out,
            new,
        }
    }

    /// Returns what is normal for a metric; `None` when the model does not know it.
    pub fn get(&self, id: &MetricId) -> Option<&Line> {
        self.lines.get(id.as_str())
    }

    /// Returns how far a value of a metric is from normal; `None` when the model does not know it.
    pub fn score(&self, id: &MetricId, value: f64) -> Option<f64> {
        self.get(id).map(|line| line.score(value))
    }

    /// Returns every line with the text of its id, sorted.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &Line)> {
        self.lines.iter().map(|(id, line)| (id.as_str(), line))
    }

    /// Returns the score at the edge of the normal range.
    pub fn tolerance(&self) -> f64 {
        self.tolerance.value()
    }

    /// Returns the version of the file format: 2 min/max, 1 three sigma, 3 history model, 0 the oldest.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the number of metrics it knows.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns whether it knows no metric at all.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::samples::*;
    use super::*;

    const VALUES: [f64; 5] = [
        183743.169491525,
        180638.779661017,
        172656.847457627,
        181495.288135593,
        178208.220338983,
    ];

    fn close(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 1e-12,
            "{found} instead of {expected}"
        );
    }

    #[test]
    fn min_max_gives_the_worked_example() {
        // hi is the mean widened by k, lo the smallest value.
        let line = Line::train(&VALUES, Method::MinMax, 4.0).expect("a line");
        close(line.a, 0.0006054470965131463);
        close(line.b, -108.53458698633347);
        close(line.raw.expect("a mean"), 179348.46101694903);
        close(line.mmin.expect("an edge"), -3.7310682909565887);
        close(line.mmax.expect("an edge"), 3.6363636363636447);
        assert!((line.score(171197.389830508) + 4.88).abs() < 0.005);
    }

    #[test]
    fn three_sigma_gives_the_worked_example() {
        let line = Line::train(&VALUES, Method::ThreeSigma, 4.0).expect("a line");
        close(line.a, 0.0002709109468892366);
        close(line.b, -48.58746139722899);
        close(line.mmax.expect("an edge"), 8.232576646262329);
        assert!((line.score(171197.389830508) + 2.21).abs() < 0.005);
    }

    #[test]
    fn a_quiet_metric_is_never_held_tighter_than_t_over_1_1_percent() {
        for tolerance in [1.0, 4.0, 7.5] {
            let line = Line::train(&[200.0, 200.0], Method::MinMax, tolerance).expect("a line");
            close(line.a, 110.0 / 200.0);
            close(line.b, -110.0);
            close(line.score(200.0 * (1.0 + tolerance / 110.0)), tolerance);
        }
    }

    #[test]
    fn the_edges_score_plus_and_minus_the_tolerance() {
        for values in [
            &[-5.0, -1.0][..],
            &[-300.0, 10.0],
            &[1e-300, 3e-300],
            &[1e200, 2e200],
        ] {
            let line = Line::train(values, Method::MinMax, 4.0).expect("a line");
            let (low, high) = stats::min_max(values).expect("values");
            let (low, high) = (line.score(low), line.score(high));
            assert!(
                (-4.000_001..=4.000_001).contains(&low) && (-4.000_001..=4.000_001).contains(&high),
                "{values:?}"
            );
            assert!(low < high);
        }
    }

    #[test]
    fn a_range_without_width_or_beyond_double_precision_is_left_out() {
        assert_eq!(
            Line::train(&[0.0, 0.0], Method::MinMax, 4.0),
            Err(LeftOut::NoRange)
        );
        assert_eq!(
            Line::train(&[], Method::ThreeSigma, 4.0),
            Err(LeftOut::Empty)
        );
        assert_eq!(
            Line::train(&[1e308, 1.5e308, 1.7e308], Method::ThreeSigma, 4.0),
            Err(LeftOut::NotFinite)
        );
        assert_eq!(
            Line::train(&[1e-320], Method::MinMax, 4.0),
            Err(LeftOut::NotFinite)
        );
    }

    #[test]
    fn a_mean_of_zero_has_no_limits_in_percent() {
        let line = Line::train(&[-1.0, 1.0], Method::MinMax, 4.0).expect("a line");
        assert_eq!((line.mmin, line.mmax), (None, None));
        close(line.score(1.0), 4.0);
    }

    #[test]
    fn rebasing_moves_the_centre_and_trains_what_is_new() {
        let old = History::new(vec![
            result("a", &[(IOPS, 100.0)], &[]),
            result("b", &[(IOPS, 140.0)], &[]),
        ]);
        let new = History::new(vec![result("c", &[(IOPS, 90.0), (LAT, 7.0)], &[])]);
        let model = RangeModel::train(&old, Method::MinMax, Tolerance::Given(3.0)).model;
        let before = *model.get(&id(IOPS)).expect("known");

        let Trained {
            model,
            left_out,
            new,
        } = model.rebase(&new, Method::MinMax, Tolerance::Default);

        let after = model.get(&id(IOPS)).expect("still known");
        assert_eq!(
            (after.a.to_bits(), after.raw),
            (before.a.to_bits(), before.raw),
            "slope and old mean stay"
        );
        assert!(after.score(90.0).abs() < 1e-12);
        assert!(model.get(&id(LAT)).is_some());
        assert_eq!((new, left_out.len()), (1, 0));
        assert!(
            (model.tolerance() - 4.0).abs() < 1e-12,
            "that of the metric trained now"
        );
    }

    #[test]
    fn rebasing_on_nothing_new_keeps_the_rest() {
        let history = History::new(vec![result("a", &[(IOPS, 100.0)], &[])]);
        let model = RangeModel::train(&history, Method::ThreeSigma, Tolerance::Given(3.0)).model;
        let rebased =
            model
                .clone()
                .rebase(&History::default(), Method::ThreeSigma, Tolerance::Default);
        assert_eq!(rebased.model, model);
    }

    #[test]
    fn a_metric_with_a_failure_text_is_not_trained() {
        let history = History::new(vec![result("a", &[(IOPS, 1.0)], &[(FAILED, "broken")])]);
        let trained = RangeModel::train(&history, Method::MinMax, Tolerance::Default);
        assert_eq!(trained.model.len(), 1);
        assert!(trained.model.get(&id(FAILED)).is_none());
    }

    proptest::proptest! {
        /// Whatever the values: no panic, and a line that exists is finite, rises, and keeps what it
        /// learned from inside its range.
        #[test]
        fn any_values_give_a_sound_line_or_none(
            values in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 1..12),
            tolerance in 0.01f64..200.0,
        ) {
            for method in [Method::MinMax, Method::ThreeSigma] {
                if let Ok(line) = Line::train(&values, method, tolerance) {
                    proptest::prop_assert!(line.a.is_finite() && line.b.is_finite());
                    proptest::prop_assert!(line.a >= 0.0, "{line:?}");
                }
            }
            if let Ok(line) = Line::train(&values, Method::MinMax, tolerance) {
                // Rounding: of a sum of terms as large as b.
                let slack = tolerance * 1e-6 + line.b.abs() * 1e-9;
                for value in values {
                    let score = line.score(value);
                    proptest::prop_assert!(score.abs() <= tolerance + slack, "{value} scores {score}: {line:?}");
                }
            }
        }
    }
}
