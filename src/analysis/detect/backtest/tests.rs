use super::*;
use crate::analysis::detect::training::MetricSeries;
use crate::metric::MetricId;

fn id(index: usize) -> MetricId {
    format!("P/fio/0000:./read{index}/throughput/iops_sec.mean")
        .parse()
        .expect("an id")
}

/// Noise of about 1 % that is the same in every run of the test.
fn noise(night: usize, metric: usize) -> f64 {
    (0..3)
        .map(|part| {
            let hash =
                ((night * 131 + metric * 7 + part + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((hash >> 40) as f64 / (1_u64 << 24) as f64 - 0.5) / 100.0
        })
        .sum()
}

/// Thirty nights of twelve metrics; `change` is a factor by metric and night.
fn nights(change: impl Fn(usize, usize) -> f64) -> Training {
    let count = 30;
    Training {
        builds: (0..count)
            .map(|night| BuildInfo {
                name: format!("n{night:02}"),
                build: Some((night + 100).to_string()),
                ..BuildInfo::default()
            })
            .collect(),
        metrics: (0..12)
            .map(|metric| MetricSeries {
                id: id(metric),
                better: Better::Higher,
                unit: None,
                primary: true,
                values: (0..count)
                    .map(|night| {
                        (
                            night,
                            1000.0 * (1.0 + noise(night, metric)) * change(metric, night),
                        )
                    })
                    .collect(),
                within: None,
            })
            .collect(),
        ..Training::default()
    }
}

fn replayed(training: &Training, nights: usize) -> Backtest {
    Backtest::new(training, Settings::default(), Thresholds::default(), nights)
        .expect("enough nights")
}

#[test]
fn a_lasting_loss_is_noticed_at_once_and_is_no_false_alarm() {
    let backtest = replayed(
        &nights(|metric, night| if metric == 3 && night >= 20 { 0.9 } else { 1.0 }),
        60,
    );
    assert_eq!(
        backtest.nights.len(),
        28,
        "two nights are needed before the first"
    );
    let [change] = &backtest.changes[..] else {
        panic!("{:?}", backtest.changes);
    };
    assert_eq!(
        (change.id.as_str(), change.near.as_str()),
        (id(3).as_str(), "120")
    );
    assert_eq!(
        (change.noticed.as_deref(), change.after_nights),
        (Some("120"), Some(0))
    );
    assert!((change.change_pct + 10.0).abs() < 1.0 && change.worse);
    let of_metric = |night: &ReplayedNight| night.false_alarm_ids.contains(&id(3).to_string());
    assert!(!backtest.nights[18..].iter().any(of_metric));
    assert_eq!(
        (backtest.total.worse_changes, backtest.total.noticed_at_once),
        (1, 1)
    );
    let text = backtest.to_text(false);
    assert!(
        text.contains("read3/throughput/iops_sec") && text.contains("0 nights"),
        "{text}"
    );
}

#[test]
fn one_bad_night_is_a_false_alarm_and_only_that_night() {
    let backtest = replayed(
        &nights(|metric, night| if metric == 3 && night == 20 { 0.8 } else { 1.0 }),
        15,
    );
    assert_eq!(backtest.nights.len(), 15);
    let alarmed: Vec<&str> = backtest
        .nights
        .iter()
        .filter(|night| night.false_alarm_ids == [id(3).to_string()])
        .map(|night| night.name.as_str())
        .collect();
    assert_eq!(alarmed, ["n20"]);
    assert!(backtest.changes.is_empty());
    let rate = backtest.total.false_alarms_per_1000.expect("judged");
    assert!((rate - 1000.0 * backtest.total.false_alarms as f64 / (15.0 * 12.0)).abs() < 1e-9);
}

#[test]
fn a_slow_night_of_the_host_is_one_shift() {
    let backtest = replayed(&nights(|_, night| if night == 25 { 0.92 } else { 1.0 }), 10);
    let night = &backtest.nights[5];
    assert_eq!((night.name.as_str(), night.worse), ("n25", 0));
    assert!((night.host_shifts["P"] + 8.0).abs() < 1.0, "{night:?}");
    assert!(backtest.total.green_nights < 10);
}

#[test]
fn two_nights_cannot_be_replayed() {
    let mut training = nights(|_, _| 1.0);
    training.builds.truncate(2);
    assert_eq!(
        Backtest::new(&training, Settings::default(), Thresholds::default(), 60),
        None
    );
}
