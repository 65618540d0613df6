//! Pairing: the same metric in several results.

use std::collections::HashMap;
use std::sync::Arc;

use crate::metric::MetricId;
use crate::store::read::{IterationParams, Measurement, ResultData};

/// A result by metric.
#[derive(Debug)]
pub(crate) struct Indexed<'a> {
    pub(crate) data: &'a ResultData,
    by_id: HashMap<&'a MetricId, &'a Measurement>,
    /// Number of figures whose id stood there before; the first one counts.
    pub(crate) repeated: usize,
}

impl<'a> Indexed<'a> {
    pub(crate) fn new(data: &'a ResultData) -> Self {
        let mut by_id = HashMap::with_capacity(data.measurements.len());
        for measurement in &data.measurements {
            by_id.entry(&measurement.id).or_insert(measurement);
        }
        let repeated = data.measurements.len() - by_id.len();
        Self {
            data,
            by_id,
            repeated,
        }
    }

    pub(crate) fn get(&self, id: &MetricId) -> Option<&'a Measurement> {
        self.by_id.get(id).copied()
    }

    /// Returns every figure once, in reading order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a Measurement> + '_ {
        self.data.measurements.iter().filter(|m| {
            self.by_id
                .get(&m.id)
                .is_some_and(|first| std::ptr::eq(*first, *m))
        })
    }
}

/// Returns `group.key: SRC -> DST` for every parameter that differs, sorted; an absent one is `(none)`.
pub(crate) fn params_changed(
    src: &Arc<IterationParams>,
    dst: &Arc<IterationParams>,
) -> Vec<String> {
    changed_params(src, dst)
        .into_iter()
        .map(|(key, src, dst)| {
            format!(
                "{key}: {} -> {}",
                src.unwrap_or("(none)"),
                dst.unwrap_or("(none)")
            )
        })
        .collect()
}

/// Returns every parameter that differs as (`group.key`, SRC, DST), sorted.
pub(crate) fn changed_params<'a>(
    src: &'a Arc<IterationParams>,
    dst: &'a Arc<IterationParams>,
) -> Vec<(String, Option<&'a str>, Option<&'a str>)> {
    if Arc::ptr_eq(src, dst) || src == dst {
        return Vec::new();
    }
    let keys = |params: &'a IterationParams| {
        params
            .iter()
            .flat_map(|(group, pairs)| pairs.keys().map(move |key| (group.as_str(), key.as_str())))
    };
    let all: std::collections::BTreeSet<_> = keys(src).chain(keys(dst)).collect();
    all.into_iter()
        .filter_map(|(group, key)| {
            let of = |params: &'a IterationParams| {
                params
                    .get(group)
                    .and_then(|pairs| pairs.get(key))
                    .map(String::as_str)
            };
            let (src, dst) = (of(src), of(dst));
            (src != dst).then(|| (format!("{group}.{key}"), src, dst))
        })
        .collect()
}

/// Results for tests, built in a line each.
#[cfg(test)]
pub(crate) mod sample {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::metric::{Check, MetricId, Parts};
    use crate::store::metadata::Metadata;
    use crate::store::read::{Failure, Measurement, ResultData};

    /// A figure of test `fio` of profile `Localhost`, primary when the metric is `iops_sec`.
    pub(crate) fn figure(iteration: &str, metric: &str, value: f64) -> Measurement {
        let kind = if metric.starts_with("clat") {
            "latency"
        } else {
            "throughput"
        };
        let (metric, check) = metric
            .strip_suffix(".stddev")
            .map_or((metric, Check::Mean), |metric| (metric, Check::Stddev));
        let id = MetricId::new(Parts {
            profile: "Localhost",
            test: "fio",
            serial: "0000",
            iteration,
            kind,
            metric,
            check,
        });
        Measurement {
            id,
            value,
            primary: metric == "iops_sec",
            unit: None,
            better: None,
            clients: 1,
            by_client: Vec::new(),
            samples: Vec::new(),
            params: Arc::default(),
        }
    }

    /// A result of these figures.
    pub(crate) fn result(name: &str, measurements: Vec<Measurement>) -> ResultData {
        ResultData {
            name: name.to_owned(),
            path: PathBuf::from(name),
            metadata: Metadata::default(),
            measurements,
            failures: Vec::new(),
            retried: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// A recorded failure, `test` being `fio/0` or `*/*`.
    pub(crate) fn failure(profile: &str, test: &str, message: &str) -> Failure {
        let (test, serial) = test.split_once('/').expect("TEST/ATTEMPT");
        let id = MetricId::new(Parts {
            profile,
            test,
            serial,
            iteration: "ERROR",
            kind: "ERROR",
            metric: "ERROR",
            check: Check::Error,
        });
        Failure {
            id,
            place: PathBuf::from(format!("{profile}/{test}/{serial}/__error0__")),
            class: "error".into(),
            message: message.into(),
            files: BTreeMap::new(),
            passed_later: None,
        }
    }
}
