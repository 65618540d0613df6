//! What fio prints: finding its JSON between other text, and reading what is needed of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Percentiles that become metrics: name and percent.
pub const PERCENTILES: [(&str, f64); 5] = [
    ("clat_p50", 50.0),
    ("clat_p90", 90.0),
    ("clat_p95", 95.0),
    ("clat_p99", 99.0),
    ("clat_p99_9", 99.9),
];

/// Name of the entry that sums up several clients.
const SUM: &str = "All clients";

/// One document fio printed.
#[derive(Debug, Clone, PartialEq)]
pub struct FioOutput {
    /// `3.33`.
    pub version: Option<String>,
    /// `global options`.
    pub global: Map<String, Value>,
    /// Entries of `jobs` or `client_stats`, without the sum over clients.
    pub jobs: Vec<Job>,
    /// Whether it is the output of `fio --client`.
    pub client_mode: bool,
    /// What stands around the document: messages of fio.
    pub noise: String,
}

/// One entry of `jobs` or `client_stats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Section of the job file.
    pub name: String,
    /// Server and port in client mode.
    pub host: Option<(String, u64)>,
    /// errno, 0 for none.
    pub error: i64,
    /// Errors gone over with `continue_on_error`.
    pub total_errors: u64,
    /// errno of the first of them.
    pub first_error: i64,
    /// `job options`.
    pub options: Map<String, Value>,
    /// Operations done, all directions.
    pub operations: u64,
    /// Completion latencies, all directions: ns → how many; empty without json+.
    pub histogram: Histogram,
    /// Percentiles fio computed itself, when only one direction was at work.
    percentiles: BTreeMap<String, f64>,
}

impl Job {
    fn read(value: &Value) -> Self {
        let number = |key| value.get(key).and_then(Value::as_i64).unwrap_or(0);
        let directions: Vec<&Value> = ["read", "write", "trim"]
            .iter()
            .filter_map(|key| value.get(key))
            .collect();
        let operations = |direction: &Value| {
            direction
                .get("total_ios")
                .and_then(Value::as_u64)
                .unwrap_or(0)
        };
        let mut histogram = Histogram::default();
        for bins in directions
            .iter()
            .filter_map(|direction| direction.pointer("/clat_ns/bins")?.as_object())
        {
            for (ns, count) in bins {
                if let (Ok(ns), Some(count)) = (ns.parse(), count.as_u64()) {
                    histogram.add(ns, count);
                }
            }
        }
        let mut at_work = directions
            .iter()
            .filter(|direction| operations(direction) > 0);
        let percentiles = match (at_work.next(), at_work.next()) {
            (Some(only), None) => only
                .pointer("/clat_ns/percentile")
                .and_then(Value::as_object),
            _ => None,
        };
        let host = value.get("hostname").and_then(Value::as_str);
        Self {
            name: value
                .get("jobname")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            host: host.map(|host| {
                (
                    host.to_owned(),
                    value.get("port").and_then(Value::as_u64).unwrap_or(0),
                )
            }),
            error: number("error"),
            total_errors: value.get("total_err").and_then(Value::as_u64).unwrap_or(0),
            first_error: number("first_error"),
            options: value
                .get("job options")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            operations: directions
                .iter()
                .map(|direction| operations(direction))
                .sum(),
            histogram,
            percentiles: percentiles
                .map(|map| {
                    map.iter()
                        .filter_map(|(key, value)| Some((key.clone(), value.as_f64()?)))
                        .collect()
                })
                .unwrap_or_default(),
        }
    }

    /// Returns a percentile of the completion latency in ns, from the histogram, else as fio computed it.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        self.histogram
            .percentile(percent)
            .or_else(|| self.percentiles.get(&format!("{percent:.6}")).copied())
    }
}

/// Latencies in fio's buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    fn add(&mut self, ns: u64, count: u64) {
        let bin = self.0.entry(ns).or_default();
        *bin = bin.saturating_add(count);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (ns, count) in &other.0 {
            self.add(*ns, *count);
        }
    }

    /// Returns the value of the first bucket up to which `percent` of all lie, as fio defines it
    /// (stat.c, `calc_clat_percentiles`); `None` when nothing was counted.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        let total: u64 = self.0.values().sum();
        let wanted = percent / 100.0 * total as f64;
        let mut seen = 0;
        self.0.iter().find_map(|(ns, count)| {
            seen += count;
            (seen as f64 >= wanted).then_some(*ns as f64)
        })
    }
}

/// Why there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDocument {
    /// Nothing that looks like one.
    Absent,
    /// One begins and does not end.
    Truncated,
}

impl FioOutput {
    /// Finds the last complete document in what fio printed. Text before, between and after is kept as noise.
    ///
    /// # Errors
    /// [`NoDocument`] when there is none, or it is cut off.
    pub fn read(stdout: &[u8]) -> Result<Self, NoDocument> {
        let mut found: Option<Value> = None;
        let mut noise = Vec::new();
        let mut truncated = false;
        let mut at = 0;
        while at < stdout.len() {
            let begins_line = at == 0 || stdout[at - 1] == b'\n';
            if !(begins_line && stdout[at] == b'{') {
                noise.push(stdout[at]);
                at += 1;
                continue;
            }
            let mut documents =
                serde_json::Deserializer::from_slice(&stdout[at..]).into_iter::<Value>();
            match documents.next() {
                Some(Ok(value))
                    if value
                        .get("jobs")
                        .or_else(|| value.get("client_stats"))
                        .is_some_and(Value::is_array) =>
                {
                    at += documents.byte_offset();
                    found = Some(value);
                    truncated = false;
                }
                other => {
                    truncated |= matches!(other, Some(Err(error)) if error.is_eof());
                    noise.push(stdout[at]);
                    at += 1;
                }
            }
        }
        // A document that follows a complete one and is cut off: the last word of fio is missing.
        match found {
            Some(value) if !truncated => Ok(Self::from_value(
                &value,
                String::from_utf8_lossy(&noise).into_owned(),
            )),
            _ if truncated => Err(NoDocument::Truncated),
            _ => Err(NoDocument::Absent),
        }
    }

    fn from_value(value: &Value, noise: String) -> Self {
        let client_mode = value.get("jobs").is_none();
        let entries = value
            .get(if client_mode { "client_stats" } else { "jobs" })
            .and_then(Value::as_array);
        let jobs = entries
            .into_iter()
            .flatten()
            .map(Job::read)
            .filter(|job| !(client_mode && job.name == SUM))
            .collect();
        let version = value.get("fio version").and_then(Value::as_str);
        Self {
            version: version
                .map(|version| version.strip_prefix("fio-").unwrap_or(version).to_owned()),
            global: value
                .get("global options")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            jobs,
            client_mode,
            noise,
        }
    }

    /// Returns a percentile of completion latency over all jobs and directions, in ns: from the
    /// merged histograms. Without histograms only one job with one direction has one.
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        if let [only] = self.jobs.as_slice() {
            return only.percentile(percent);
        }
        let mut all = Histogram::default();
        for job in &self.jobs {
            all.merge(&job.histogram);
        }
        all.percentile(percent)
    }

    /// Returns the benchmark parameters as pbench writes them, values as text, keys sorted: global
    /// options without log names; job options of all jobs joined by commas, the global one first.
    pub fn parameters(&self) -> Map<String, Value> {
        let mut lists: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        for (key, value) in &self.global {
            let log = key
                .strip_prefix("write_")
                .and_then(|rest| rest.strip_suffix("_log"));
            let word = |text: &str| {
                !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            if !log.is_some_and(word) {
                lists.insert(key, vec![plain(value)]);
            }
        }
        // Entries of servers come in the order they answered: by host, so that nights compare.
        let mut jobs: Vec<&Job> = self.jobs.iter().collect();
        jobs.sort_by(|a, b| a.host.cmp(&b.host));
        let mut keys: Vec<&String> = jobs.iter().flat_map(|job| job.options.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let values = jobs
                .iter()
                .map(|job| job.options.get(key).map(plain).unwrap_or_default());
            lists.entry(key).or_default().extend(values);
        }
        lists
            .into_iter()
            .map(|(key, values)| (key.clone(), Value::String(values.join(","))))
            .collect()
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn text_around_the_document_is_kept_and_braces_in_it_do_not_mislead() {
        let text =
            b"fio: error {not json\n{ nor this\n{\"fio version\":\"fio-3.33\",\"jobs\":[]}\nafter";
        let output = FioOutput::read(text).expect("a document");
        assert_eq!(output.version.as_deref(), Some("3.33"));
        assert!(
            output.noise.contains("not json") && output.noise.ends_with("after"),
            "{}",
            output.noise
        );
    }

    #[test]
    fn the_last_of_several_documents_counts_unless_it_is_cut_off() {
        let document = |name: &str| format!("{{\"jobs\":[{{\"jobname\":\"{name}\"}}]}}\n");
        let both = document("a") + &document("b");
        assert_eq!(
            FioOutput::read(both.as_bytes()).expect("two").jobs[0].name,
            "b"
        );
        let cut = &both[..both.len() - 4];
        assert_eq!(FioOutput::read(cut.as_bytes()), Err(NoDocument::Truncated));
        assert_eq!(
            FioOutput::read(b"\xff\xfe nothing"),
            Err(NoDocument::Absent)
        );
        assert_eq!(FioOutput::read(b""), Err(NoDocument::Absent));
    }

    #[test]
    fn deep_nesting_is_no_document_and_no_crash() {
        let deep = "{\"jobs\":".to_owned() + &"[".repeat(100_000);
        assert!(FioOutput::read(deep.as_bytes()).is_err());
    }

    #[test]
    fn percentiles_are_those_of_all_counts() {
        let mut histogram = Histogram::default();
        for (ns, count) in [(10, 50), (20, 40), (30, 9), (40, 1)] {
            histogram.add(ns, count);
        }
        let at = |percent| histogram.percentile(percent).unwrap_or(f64::NAN);
        for (percent, ns) in [
            (50.0, 10.0),
            (50.1, 20.0),
            (90.0, 20.0),
            (99.0, 30.0),
            (99.9, 40.0),
        ] {
            assert!(
                (at(percent) - ns).abs() < 1e-9,
                "{percent}: {}",
                at(percent)
            );
        }
        assert_eq!(Histogram::default().percentile(50.0), None);
    }
}
