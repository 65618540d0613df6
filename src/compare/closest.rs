//! Which of several results is most like another one: the question a bisection asks.
//!
//! Every metric both sides have gives each candidate a value between 0 and about 1; values are
//! summed, over primary metrics and over the others. The direction of a change does not matter.

use std::collections::BTreeMap;

use statrs::distribution::{Continuous, Normal};

use crate::metric::Check;
use crate::store::read::ResultData;

/// Makes the normal density at its peak, times its deviation, about 1 (it is 1 / sqrt(2π) = 0.399).
const PEAK: f64 = 2.51;

/// The farthest candidate lies this many deviations out where there is no spread to go by.
const FARTHEST: f64 = 3.0;

/// One possible answer: a single result, or several that are averaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As it is shown.
    pub name: String,
    /// Its members, as indices into the results; not empty.
    pub members: Vec<usize>,
}

/// Values of the candidates for one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricScore {
    /// Id without its check.
    pub stem: String,
    /// Whether it is a main metric in SRC.
    pub primary: bool,
    /// In the order of candidates; 0 far away, about 1 (0.5 without a spread) equal.
    pub values: Vec<f64>,
}

/// How near each candidate is.
#[derive(Debug, Clone, PartialEq)]
pub struct Closeness {
    /// Index of the nearest candidate.
    pub closest: usize,
    /// Sum over primary metrics, in the order of candidates.
    pub primary: Vec<f64>,
    /// Sum over the others.
    pub secondary: Vec<f64>,
    /// Whether several candidates share the highest primary sum.
    pub tie: bool,
    /// Every metric that counted, in order.
    pub metrics: Vec<MetricScore>,
    /// Stems of SRC that no candidate has, in order.
    pub only_src: Vec<String>,
    /// Number of metrics in which all candidates are equally far, so that they decide nothing.
    pub undecided: usize,
}

/// Scores candidates against `src`; `flatten` widens the probability curve (1: as measured).
///
/// The highest primary sum wins, among equals the highest secondary sum, then the first.
///
/// # Formula
///
/// Mean and spread of a metric belong together. When SRC or any candidate has a spread, a candidate
/// of mean `x` gets `density of Normal(mean of SRC, s) at x · s · 2.51`, with `s = flatten · max |mean
/// · stddevpct / 100|` over SRC and the candidates; one that lacks the metric gets 0. Otherwise the
/// distance `d = |x − mean of SRC|` (0 or 1 for failure texts) is scaled so that the farthest is at
/// 3, and the value is `exp(−d² / 2) / 2`; one that lacks the metric is twice as far as the farthest
/// (at 1 when all the others are equal to SRC). A group gets the mean of its members.
///
/// # Panics
///
/// When a candidate names a result that is not there.
pub fn closest(
    src: &ResultData,
    results: &[ResultData],
    candidates: &[Candidate],
    flatten: f64,
) -> Closeness {
    let source = figures(src);
    let others: Vec<BTreeMap<&str, Figure<'_>>> = results.iter().map(figures).collect();
    let mut closeness = Closeness {
        closest: 0,
        primary: vec![0.0; candidates.len()],
        secondary: vec![0.0; candidates.len()],
        tie: false,
        metrics: Vec::new(),
        only_src: Vec::new(),
        undecided: 0,
    };
    for (stem, figure) in &source {
        let found: Vec<Option<&Figure<'_>>> = others.iter().map(|other| other.get(stem)).collect();
        if found.iter().all(Option::is_none) {
            closeness.only_src.push((*stem).to_owned());
            continue;
        }
        let singles = by_spread(figure, &found, flatten).or_else(|| by_distance(figure, &found));
        let Some(singles) = singles else {
            closeness.undecided += 1;
            continue;
        };
        let values: Vec<f64> = candidates
            .iter()
            .map(|candidate| {
                let sum: f64 = candidate
                    .members
                    .iter()
                    .map(|&member| singles[member])
                    .sum();
                sum / candidate.members.len() as f64
            })
            .collect();
        let sums = if figure.primary {
            &mut closeness.primary
        } else {
            &mut closeness.secondary
        };
        for (sum, value) in sums.iter_mut().zip(&values) {
            *sum += value;
        }
        closeness.metrics.push(MetricScore {
            stem: (*stem).to_owned(),
            primary: figure.primary,
            values,
        });
    }
    let sums = || {
        closeness
            .primary
            .iter()
            .zip(&closeness.secondary)
            .enumerate()
    };
    let best = |(a, b): (&f64, &f64), (c, d): (&f64, &f64)| a.total_cmp(c).then(b.total_cmp(d));
    // `max_by` takes the last of equals; the first is wanted.
    closeness.closest = sums()
        .rev()
        .max_by(|a, b| best(a.1, b.1))
        .map_or(0, |(index, _)| index);
    let highest = closeness.primary.get(closeness.closest);
    closeness.tie = closeness
        .primary
        .iter()
        .filter(|sum| Some(*sum) == highest)
        .count()
        > 1;
    closeness
}

/// What a result says about one metric.
#[derive(Debug, Clone, Copy, Default)]
struct Figure<'a> {
    mean: Option<f64>,
    stddev_pct: f64,
    text: Option<&'a str>,
    primary: bool,
}

impl Figure<'_> {
    /// Deviation in the unit of the metric.
    fn deviation(&self) -> f64 {
        (self.mean.unwrap_or(0.0) * self.stddev_pct / 100.0).abs()
    }

    fn distance(&self, other: &Self) -> f64 {
        match (self.mean, other.mean) {
            (Some(a), Some(b)) => (a - b).abs(),
            _ if self.text == other.text && self.mean == other.mean => 0.0,
            _ => 1.0,
        }
    }
}

fn figures(result: &ResultData) -> BTreeMap<&str, Figure<'_>> {
    let mut figures: BTreeMap<&str, Figure<'_>> = BTreeMap::new();
    for measurement in &result.measurements {
        let figure = figures.entry(measurement.id.stem()).or_default();
        figure.primary |= measurement.primary;
        match measurement.id.check() {
            Check::Stddev => figure.stddev_pct = measurement.value,
            _ => figure.mean = Some(measurement.value),
        }
    }
    // A spread alone says nothing about nearness.
    figures.retain(|_, figure| figure.mean.is_some());
    for failure in &result.failures {
        let figure = figures.entry(failure.id.stem()).or_default();
        figure.primary = true;
        figure.text = Some(&failure.message);
    }
    figures
}

/// Values by probability; `None` when nobody has a spread.
fn by_spread(src: &Figure<'_>, others: &[Option<&Figure<'_>>], flatten: f64) -> Option<Vec<f64>> {
    let mean = src.mean?;
    let widest = others
        .iter()
        .flatten()
        .map(|other| other.deviation())
        .fold(src.deviation(), f64::max);
    let s = widest * flatten;
    let normal = (s > 0.0).then(|| Normal::new(mean, s).ok())??;
    let value = |other: &Figure<'_>| other.mean.map_or(0.0, |x| normal.pdf(x) * s * PEAK);
    let values: Vec<f64> = others
        .iter()
        .map(|other| other.map_or(0.0, value))
        .collect();
    values
        .iter()
        .all(|value| value.is_finite())
        .then_some(values)
}

/// Values by distance; `None` when all are equally far.
fn by_distance(src: &Figure<'_>, others: &[Option<&Figure<'_>>]) -> Option<Vec<f64>> {
    let known: Vec<f64> = others
        .iter()
        .flatten()
        .map(|other| src.distance(other))
        .collect();
    let nearest = known.iter().copied().fold(f64::INFINITY, f64::min);
    let farthest = known.iter().copied().fold(0.0, f64::max);
    let missing = if farthest > 0.0 { 2.0 * farthest } else { 1.0 };
    let any_missing = known.len() < others.len();
    if !any_missing && nearest >= farthest {
        return None;
    }
    let scale = FARTHEST / if any_missing { missing } else { farthest };
    let values = others.iter().map(|other| {
        let d = other.map_or(missing, |other| src.distance(other)) * scale;
        (-d * d / 2.0).exp() / 2.0
    });
    let values: Vec<f64> = values.collect();
    values
        .iter()
        .all(|value| value.is_finite())
        .then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::history::samples::{FAILED, IOPS, LAT, result};

    const SPREAD: &str = "P/fio/0000:./read-4KiB/throughput/iops_sec.stddev";

    fn single(results: &[ResultData]) -> Vec<Candidate> {
        results
            .iter()
            .enumerate()
            .map(|(index, result)| Candidate {
                name: result.name.clone(),
                members: vec![index],
            })
            .collect()
    }

    fn scores(src: &ResultData, results: &[ResultData]) -> Closeness {
        closest(src, results, &single(results), 1.0)
    }

    fn close(found: &[f64], expected: &[f64]) {
        let near = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(
            near && found.len() == expected.len(),
            "{found:?} instead of {expected:?}"
        );
    }

    #[test]
    fn without_a_spread_the_farthest_is_at_three_deviations() {
        let src = result("s", &[(IOPS, 100.0)], &[]);
        let found = scores(
            &src,
            &[
                result("a", &[(IOPS, 130.0)], &[]),
                result("b", &[(IOPS, 90.0)], &[]),
            ],
        );
        // exp(-9/2)/2 and exp(-1/2)/2
        close(&found.primary, &[0.005_55, 0.303_27]);
        assert_eq!((found.closest, found.tie), (1, false));
    }

    #[test]
    fn with_a_spread_the_density_counts() {
        let src = result("s", &[(IOPS, 100.0), (SPREAD, 0.0)], &[]);
        let a = result("a", &[(IOPS, 100.0), (SPREAD, 5.0)], &[]);
        let b = result("b", &[(IOPS, 200.0), (SPREAD, 25.0)], &[]);
        let found = scores(&src, &[a, b, result("c", &[(LAT, 1.0)], &[])]);
        // s = 200 · 25 % = 50: at 0 and 2 deviations, and nothing
        close(&found.primary, &[1.001_35, 0.135_52, 0.0]);
    }

    #[test]
    fn flattening_widens_the_curve() {
        let src = result("s", &[(IOPS, 100.0), (SPREAD, 10.0)], &[]);
        let others = [
            result("a", &[(IOPS, 120.0)], &[]),
            result("b", &[(IOPS, 100.0)], &[]),
        ];
        let value = |flatten| closest(&src, &others, &single(&others), flatten).primary[0];
        assert!(value(4.0) > value(2.0) && value(2.0) > value(1.0));
    }

    #[test]
    fn a_candidate_that_lacks_the_metric_is_never_nearer_than_one_that_has_it() {
        let src = result("s", &[(IOPS, 100.0)], &[]);
        let others = [
            result("a", &[], &[]),
            result("b", &[(IOPS, 500.0)], &[]),
            result("c", &[(IOPS, 100.0)], &[]),
        ];
        // distances 800 (missing), 400, 0, scaled to 3, 1.5, 0
        close(&scores(&src, &others).primary, &[0.005_55, 0.162_33, 0.5]);
        // distances 1 (missing) and 0
        close(
            &scores(&src, &[others[0].clone(), others[2].clone()]).primary,
            &[0.005_55, 0.5],
        );
    }

    #[test]
    fn a_group_is_the_mean_of_its_members() {
        let src = result("s", &[(IOPS, 100.0)], &[]);
        let others = [
            result("a", &[(IOPS, 100.0)], &[]),
            result("b", &[(IOPS, 130.0)], &[]),
        ];
        let mut candidates = single(&others);
        candidates.push(Candidate {
            name: "a + b".into(),
            members: vec![0, 1],
        });
        close(
            &closest(&src, &others, &candidates, 1.0).primary,
            &[0.5, 0.005_55, 0.252_78],
        );
    }

    #[test]
    fn secondary_metrics_decide_a_tie_and_then_the_first_wins() {
        let src = result("s", &[(IOPS, 1.0), (LAT, 10.0)], &[]);
        let with = |name, lat| result(name, &[(IOPS, 1.0), (LAT, lat)], &[]);
        let found = scores(&src, &[with("a", 30.0), with("b", 12.0)]);
        assert_eq!((found.closest, found.tie, found.undecided), (1, true, 1));
        let same = scores(&src, &[with("a", 10.0), with("b", 10.0)]);
        assert_eq!((same.closest, same.tie), (0, true));
    }

    #[test]
    fn failure_texts_are_equal_or_not() {
        let src = result("s", &[], &[(FAILED, "boom")]);
        let found = scores(
            &src,
            &[
                result("a", &[], &[(FAILED, "bang")]),
                result("b", &[], &[(FAILED, "boom")]),
            ],
        );
        close(&found.primary, &[0.005_55, 0.5]);
    }

    #[test]
    fn what_only_the_source_has_is_listed() {
        let found = scores(
            &result("s", &[(IOPS, 1.0)], &[]),
            &[result("a", &[(LAT, 1.0)], &[])],
        );
        assert_eq!(
            found.only_src,
            ["P/fio/0000:./read-4KiB/throughput/iops_sec"]
        );
        assert!(found.metrics.is_empty());
    }

    #[test]
    fn extreme_values_give_finite_scores() {
        let src = result("s", &[(IOPS, -1.7e308), (SPREAD, 1e300)], &[]);
        let others = [
            result("a", &[(IOPS, 1.7e308)], &[]),
            result("b", &[(IOPS, 0.0)], &[]),
        ];
        assert!(
            scores(&src, &others)
                .primary
                .iter()
                .all(|sum| sum.is_finite())
        );
    }
}
