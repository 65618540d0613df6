//! The entry over all clients of one sample.
//!
//! Series are put on the times of the first client by linear interpolation and added up; latencies
//! are then divided by the number of clients. Clients that were not all at work at some time do not
//! count there: such times are dropped.

use std::cmp::Ordering;

use super::{ALL, Class, SampleEntry};
use crate::store::result_json::Point;

/// Returns the entries of a sample with an aggregate in front of each metric that wants one.
///
/// A metric in which some entry says `aggregate: false` gets none; one that has an [`ALL`] entry of
/// its own keeps it. Metrics stay in the order they came in.
pub fn with_aggregates(entries: &[SampleEntry]) -> Vec<SampleEntry> {
    let mut out: Vec<SampleEntry> = Vec::with_capacity(entries.len() * 2);
    let mut done: Vec<(Class, &str)> = Vec::new();
    for entry in entries {
        let key = (entry.class, entry.metric.as_str());
        if done.contains(&key) {
            continue;
        }
        done.push(key);
        let same: Vec<&SampleEntry> = entries
            .iter()
            .filter(|other| (other.class, other.metric.as_str()) == key)
            .collect();
        if same
            .iter()
            .all(|entry| entry.aggregate && entry.client != ALL)
        {
            out.push(aggregate(&same));
        }
        out.extend(same.into_iter().cloned());
    }
    out
}

/// Returns the entry over `clients`, of which there is at least one and all are the same metric.
fn aggregate(clients: &[&SampleEntry]) -> SampleEntry {
    let first = clients[0];
    let shared = |value: f64| {
        if first.class == Class::Latency {
            value / clients.len() as f64
        } else {
            value
        }
    };
    let mut series = Vec::new();
    if clients.iter().all(|entry| entry.series.len() >= 2) {
        series.clone_from(&first.series);
        for other in &clients[1..] {
            series.retain_mut(|point| match at(&other.series, point.date) {
                Some(value) => {
                    point.value += value;
                    true
                }
                None => false,
            });
        }
        for point in &mut series {
            point.value = shared(point.value);
        }
    }
    // Clients that never worked at the same time have no common series; their figures still add up.
    let value =
        mean(&series).unwrap_or_else(|| shared(clients.iter().map(|entry| entry.value).sum()));
    SampleEntry {
        client: ALL.into(),
        value,
        series,
        ..first.clone()
    }
}

/// Returns the mean value of a series; `None` when it is empty.
pub fn mean(series: &[Point]) -> Option<f64> {
    (!series.is_empty())
        .then(|| series.iter().map(|point| point.value).sum::<f64>() / series.len() as f64)
}

/// Returns the value of a series (sorted by date) at `date`, linear between points; `None` outside.
fn at(series: &[Point], date: i64) -> Option<f64> {
    let next = series.partition_point(|point| point.date < date);
    let right = series.get(next)?;
    match (right.date.cmp(&date), next.checked_sub(1)) {
        (Ordering::Equal, _) => Some(right.value),
        (_, None) => None,
        (_, Some(before)) => {
            let left = series[before];
            let share = (date - left.date) as f64 / (right.date - left.date) as f64;
            Some(left.value + (right.value - left.value) * share)
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::metric::Better;

    fn client(name: &str, class: Class, points: &[(i64, f64)]) -> SampleEntry {
        let series: Vec<Point> = points
            .iter()
            .map(|(date, value)| Point {
                date: *date,
                value: *value,
            })
            .collect();
        SampleEntry {
            class,
            metric: "m".into(),
            client: name.into(),
            unit: String::new(),
            better: Better::Unknown,
            description: String::new(),
            value: mean(&series).unwrap_or(4.0),
            series,
            aggregate: true,
        }
    }

    #[test]
    fn series_are_added_at_the_times_of_the_first_client() {
        let a = client(
            "a",
            Class::Throughput,
            &[(0, 1.0), (1000, 2.0), (2000, 3.0)],
        );
        let b = client(
            "b",
            Class::Throughput,
            &[(500, 10.0), (1500, 20.0), (2000, 30.0)],
        );
        let all = &with_aggregates(&[a, b])[0];
        // 0 lies before b's first point; at 1000 b is halfway between 10 and 20.
        assert_eq!(
            all.series,
            [
                Point {
                    date: 1000,
                    value: 17.0
                },
                Point {
                    date: 2000,
                    value: 33.0
                }
            ]
        );
        assert!((all.value - 25.0).abs() < 1e-12);
    }

    #[test]
    fn one_short_series_leaves_only_the_values() {
        let a = client("a", Class::Latency, &[(0, 2.0), (1000, 2.0)]);
        let b = client("b", Class::Latency, &[(500, 6.0)]);
        let all = &with_aggregates(&[a, b])[0];
        assert!(all.series.is_empty());
        assert!((all.value - 4.0).abs() < 1e-12);
    }

    #[test]
    fn clients_that_never_met_have_values_but_no_series() {
        let a = client("a", Class::Throughput, &[(0, 2.0), (1000, 2.0)]);
        let b = client("b", Class::Throughput, &[(5000, 6.0), (6000, 6.0)]);
        let all = &with_aggregates(&[a, b])[0];
        assert!(all.series.is_empty());
        assert!((all.value - 8.0).abs() < 1e-12);
    }

    #[test]
    fn one_client_alone_has_an_aggregate_too() {
        let found = with_aggregates(&[client("a", Class::Latency, &[])]);
        assert_eq!(
            found
                .iter()
                .map(|entry| entry.client.as_str())
                .collect::<Vec<_>>(),
            ["all", "a"]
        );
    }
}
