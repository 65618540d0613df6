use proptest::prelude::*;

use super::super::judge::{Candidate, Evidence, State};
use super::super::model::{BuildInfo, HistoryModel};
use super::super::training::{MetricSeries, Training};
use super::*;
use crate::analysis::history::History;
use crate::analysis::history::samples::result;
use crate::metric::{Better, MetricId};

fn id(name: &str) -> MetricId {
    format!("P/fio/0000:./{name}/throughput/iops_sec.mean")
        .parse()
        .expect("an id")
}

fn series(name: &str, better: Better, values: &[f64]) -> MetricSeries {
    MetricSeries {
        id: id(name),
        better,
        unit: None,
        primary: true,
        values: values.iter().copied().enumerate().collect(),
        within: None,
    }
}

fn training(metrics: Vec<MetricSeries>) -> Training {
    let nights = metrics.iter().map(|m| m.values.len()).max().unwrap_or(0);
    Training {
        builds: (0..nights)
            .map(|night| BuildInfo {
                name: format!("n{night:03}"),
                ..BuildInfo::default()
            })
            .collect(),
        metrics,
        ..Training::default()
    }
}

fn judge(model: &HistoryModel, name: &str, value: f64) -> Evidence {
    let id = id(name);
    Candidate::new(model, vec![[(id.as_str(), value)].into()])
        .judge(model, &id)
        .expect("a metric of the model")
}

const A: [f64; 10] = [
    180.2, 181.0, 179.5, 180.8, 179.9, 180.4, 181.2, 180.1, 179.7, 180.6,
];

/// Worked example A: a quiet metric, ten nights.
#[test]
fn example_a_a_quiet_metric() {
    let model = train(
        &training(vec![series("a", Better::Higher, &A)]),
        Settings::default(),
    );
    let entry = &model.metrics[id("a").as_str()];
    assert!((entry.raw - 180.339).abs() < 5e-4, "{entry:?}");
    assert!((entry.sd - 0.003117).abs() < 5e-7);
    assert!((entry.dof - 9.0).abs() < 1e-12);
    assert_eq!((entry.n_seg, entry.segment_start), (10, 0));
    assert!(
        (entry.equation[0] - 3.00599).abs() < 5e-5,
        "{:?}",
        entry.equation
    );
    assert!((entry.equation[1] + 542.121).abs() < 5e-3);
    assert!((entry.mmin + 0.918).abs() < 1e-3 && (entry.mmax - 0.927).abs() < 1e-3);

    let found = judge(&model, "a", 176.9);
    assert!((found.p_worse - 1.16e-4).abs() < 1e-6, "{found:?}");
    assert!((found.effect + 0.01926).abs() < 1e-5);
    assert!((found.effect_pct + 1.91).abs() < 5e-3);
    assert!((found.score + 10.36).abs() < 5e-3);
    let [low, high] = found.ci_pct.expect("an interval");
    assert!((low + 2.63).abs() < 6e-3 && (high + 1.18).abs() < 6e-3);
    assert!((found.mde_pct.expect("a change") - 1.20).abs() < 5e-3);
}

/// Worked example B, the end of it: the moderated scale makes the same night almost suspect.
#[test]
fn example_b_shrunken_scale_and_score() {
    let mut model = train(
        &training(vec![series("a", Better::Higher, &A)]),
        Settings::default(),
    );
    let entry = model.metrics.get_mut(id("a").as_str()).expect("an entry");
    let (variance, nu) = moderated(entry.sd * entry.sd, 9.0, 0.015 * 0.015, 2.0);
    (entry.sd, entry.dof) = (variance.sqrt(), nu);
    let found = judge(&model, "a", 176.9);
    assert!((found.p_worse - 0.0118).abs() < 5e-5, "{found:?}");
    assert!((found.score + 4.83).abs() < 0.01);
}

/// Worked example C: an accepted step in the history.
#[test]
fn example_c_level_of_the_present_segment_spread_of_all() {
    // Around 100 for 18 nights, around 107.27 for 12, with 0.767 % from night to night.
    // Sum 0 and mean square 1 over six nights.
    let wave = |i: usize| [-0.7, 0.2, 1.3, -0.2, -1.3, 0.7][i % 6] / 0.74_f64.sqrt();
    let values: Vec<f64> = (0..30)
        .map(|i| {
            let level: f64 = if i < 18 { 100.0 } else { 107.27 };
            // 30 values over 28 degrees of freedom
            (level.ln() + wave(i) * 0.00767 * (28.0_f64 / 30.0).sqrt()).exp()
        })
        .collect();
    let model = train(
        &training(vec![series("a", Better::Higher, &values)]),
        Settings::default(),
    );
    let entry = &model.metrics[id("a").as_str()];
    assert_eq!((entry.segment_start, entry.n_seg), (18, 12));
    assert_eq!(entry.steps.len(), 1);
    assert!(
        (entry.steps[0].pct - 7.27).abs() < 0.01,
        "{:?}",
        entry.steps
    );
    assert!((entry.raw - 107.27).abs() < 0.005);
    assert!((entry.sd - 0.00767).abs() < 1e-6);
    let found = judge(&model, "a", 104.0);
    assert!((found.effect_pct + 3.05).abs() < 0.005, "{found:?}");
    assert!((found.p_worse - 2.9e-4).abs() < 1e-5);
}

#[test]
fn a_latency_that_rises_is_worse() {
    let model = train(
        &training(vec![series("a", Better::Lower, &A)]),
        Settings::default(),
    );
    let found = judge(&model, "a", 184.0);
    assert!(
        found.p_worse < 1e-3 && found.score < -5.0 && found.effect_pct > 0.0,
        "{found:?}"
    );
    let [a, b] = model.metrics[id("a").as_str()].equation;
    assert!(
        ((a * 184.0 + b) - found.score).abs() < 1e-6,
        "the stored line says the same"
    );
}

#[test]
fn a_known_lower_state_is_no_regression_and_its_long_reign_is_said() {
    let low = |i: usize| matches!(i, 2 | 5 | 9 | 11 | 17 | 23);
    let mut values: Vec<f64> = (0..24)
        .map(|i| (if low(i) { 96.8 } else { 101.2 }) + 0.1 * ((i * 7 % 5) as f64 - 2.0))
        .collect();
    let model = train(
        &training(vec![series("a", Better::Higher, &values)]),
        Settings::default(),
    );
    let entry = &model.metrics[id("a").as_str()];
    assert!(entry.states.is_some(), "{entry:?}");
    let tonight = judge(&model, "a", 96.7);
    assert_eq!(tonight.state, Some(State::Low));
    assert!(tonight.p_worse > 0.01);
    assert!(
        judge(&model, "a", 93.0).p_worse < 1e-4,
        "below the lower state"
    );

    for value in &mut values[19..] {
        *value = 96.8;
    }
    let model = train(
        &training(vec![series("a", Better::Higher, &values)]),
        Settings::default(),
    );
    assert_eq!(judge(&model, "a", 96.8).state, Some(State::UpperLost));
}

#[test]
fn a_night_that_lacks_a_metric_does_not_shift_the_others() {
    let mut gaps = series("a", Better::Higher, &A);
    gaps.values.retain(|(night, _)| night % 3 != 1);
    let mut training = training(vec![gaps]);
    training.builds = vec![BuildInfo::default(); 10];
    let model = train(&training, Settings::default());
    let entry = &model.metrics[id("a").as_str()];
    assert_eq!((entry.n, entry.seen_last10), (7, 7));
}

#[test]
fn a_constant_count_is_watched_to_the_last_digit() {
    let model = train(
        &training(vec![series("a", Better::Lower, &[42.0; 12])]),
        Settings::default(),
    );
    let found = judge(&model, "a", 43.0);
    assert!(found.p_worse <= 0.0 && found.score < -5.0, "{found:?}");
    assert!((judge(&model, "a", 42.0).p_worse - 0.5).abs() < 1e-12);
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-1.0),
        Just(1e300),
        Just(-1e300),
        Just(1e-300),
        Just(f64::MAX),
        Just(5e-324),
        1.0..2.0,
        proptest::num::f64::NORMAL,
    ]
}

proptest! {
    /// Whatever one series holds: nothing panics, every number of the file is finite, and the twenty
    /// good series beside it are learned as if it were not there.
    #[test]
    fn odd_series_neither_panic_nor_poison(
        odd in proptest::collection::vec(any_value(), 1..40),
        tonight in any_value(),
        two_value in proptest::bool::ANY,
    ) {
        let odd: Vec<f64> = if two_value {
            (0..odd.len()).map(|i| if i % 3 == 0 { odd[0] } else { 1.0 }).collect()
        } else {
            odd
        };
        let good = |i: usize| {
            let values: Vec<f64> = A.iter().cycle().take(30).enumerate()
                .map(|(n, v)| v * (1.0 + ((n * (i + 3) + i) % 11) as f64 / 1000.0)).collect();
            let mut series = series(&format!("good{i}"), Better::Higher, &values);
            series.id = format!("Q/fio/0000:./good{i}/throughput/iops_sec.mean").parse().expect("an id");
            series
        };
        let mut metrics: Vec<_> = (0..20).map(good).collect();
        let alone = train(&training(metrics.clone()), Settings::default());
        metrics.push(series("odd", Better::Unknown, &odd));
        let mut together = training(metrics);
        together.builds.resize(40, BuildInfo::default());
        let model = train(&together, Settings::default());

        let text = model.to_text().expect("finite numbers");
        prop_assert!(!text.contains("\"raw\": null") && !text.contains("\"sd\": null") && !text.contains("\"dof\": null"));
        for (id, entry) in &alone.metrics {
            let with = &model.metrics[id];
            prop_assert!((with.raw / entry.raw - 1.0).abs() < 1e-12);
            prop_assert!((with.sd / entry.sd - 1.0).abs() < 0.35, "{} {}", with.sd, entry.sd);
        }
        let odd = id("odd");
        let candidate = Candidate::new(&model, vec![[(odd.as_str(), tonight)].into()]);
        if let Some(found) = candidate.judge(&model, &odd) {
            prop_assert!((0.0..=1.0).contains(&found.p_worse) && (0.0..=1.0).contains(&found.p_better));
            prop_assert!(found.score.is_finite());
        }
    }

    /// Whatever the values and in whichever order the results come: the same bytes.
    #[test]
    fn the_order_of_results_never_matters(
        values in proptest::collection::vec(proptest::collection::vec(any_value(), 12), 3..14),
        shuffle in proptest::collection::vec(0_usize..1000, 14),
    ) {
        let ids: Vec<String> = (0..12).map(|i| id(&format!("read{i}")).to_string()).collect();
        let results: Vec<_> = values.iter().enumerate().map(|(night, values)| {
            let figures: Vec<(&str, f64)> = ids.iter().map(String::as_str).zip(values.iter().copied())
                .filter(|(_, value)| night % 3 != 1 || *value < 1e9).collect();
            result(&format!("n{night:02}"), &figures, &[])
        }).collect();
        let mut order: Vec<usize> = (0..results.len()).collect();
        order.sort_by_key(|index| (shuffle[*index], *index));
        let shuffled = order.iter().map(|index| results[*index].clone()).collect();
        let model = |results| train(
            &Training::new(&History::new(results), &BTreeMap::new()),
            Settings::default(),
        ).to_text().expect("finite numbers");
        prop_assert_eq!(model(results), model(shuffled));
    }
}
