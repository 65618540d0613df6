//! The name of one measured figure, and what is known about it.
//!
//! A [`MetricId`] is written `PROFILE/TEST/SERIAL:./ITERATION/KIND/METRIC.CHECK`, for example
//! `Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean`. It is built from its parts where
//! a result is read and printed where a report is written; nobody in between splits on slashes.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is said about a metric: its level, its spread, or a recorded failure.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Mean over the samples, in the metric's unit.
    Mean,
    /// Standard deviation over the samples, in percent of the mean.
    Stddev,
    /// A recorded failure; its value is text.
    Error,
}

impl Check {
    /// Returns the last word of an id: `mean`, `stddev` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Mean => "mean",
            Check::Stddev => "stddev",
            Check::Error => "error",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a metric should move.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better: operations per second, bandwidth.
    Higher,
    /// Less is better: latency, boot time, spread.
    Lower,
    /// Nobody said; judged two-sided.
    #[default]
    Unknown,
}

impl Better {
    /// Returns +1, -1 or 0 (unknown).
    pub fn sign(self) -> f64 {
        match self {
            Better::Higher => 1.0,
            Better::Lower => -1.0,
            Better::Unknown => 0.0,
        }
    }
}

/// The parts of an id, borrowed; what [`MetricId::new`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Profile, or `*` in a group.
    pub profile: &'a str,
    /// Test, or `*`.
    pub test: &'a str,
    /// Serial number directory (`0000`), attempt number in a failure, or `*`.
    pub serial: &'a str,
    /// Iteration (`read-4KiB`); may hold anything, also slashes.
    pub iteration: &'a str,
    /// `throughput` or `latency` (or another class of the result), or `*`.
    pub kind: &'a str,
    /// Metric (`iops_sec`).
    pub metric: &'a str,
    /// Level, spread or failure.
    pub check: Check,
}

/// Name of one figure of a result; a pointer, ordered by its text.
///
/// Results of many nights hold the same names: [`Names`] gives all of them one text.
///
/// ```
/// use runperf::metric::{Check, MetricId};
/// let id: MetricId = "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean".parse()?;
/// assert_eq!(id.iteration(), "read-4KiB");
/// assert_eq!(id.check(), Check::Mean);
/// assert_eq!(id.to_string(), "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean");
/// # Ok::<(), runperf::metric::ParseIdError>(())
/// ```
#[derive(Clone)]
pub struct MetricId(Arc<Id>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    text: Box<str>,
    /// Where profile, test, serial, iteration, kind and metric end in `text`.
    ends: [u32; 6],
    check: Check,
}

impl PartialEq for MetricId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for MetricId {}

impl Hash for MetricId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl Ord for MetricId {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for MetricId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl MetricId {
    /// Builds an id from its parts.
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts {
            profile,
            test,
            serial,
            iteration,
            kind,
            metric,
            check,
        } = parts;
        let mut text = String::with_capacity(
            profile.len()
                + test.len()
                + serial.len()
                + iteration.len()
                + kind.len()
                + metric.len()
                + 14,
        );
        let mut ends = [0; 6];
        for (end, (part, after)) in ends.iter_mut().zip([
            (profile, "/"),
            (test, "/"),
            (serial, ":./"),
            (iteration, "/"),
            (kind, "/"),
            (metric, "."),
        ]) {
            text.push_str(part);
            *end = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.push_str(after);
        }
        text.push_str(check.as_str());
        Self(Arc::new(Id {
            text: text.into(),
            ends,
            check,
        }))
    }

    fn part(&self, index: usize, separator_before: usize) -> &str {
        let start = if index == 0 {
            0
        } else {
            self.0.ends[index - 1] as usize + separator_before
        };
        &self.0.text[start..self.0.ends[index] as usize]
    }

    /// Returns the whole id.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
    /// Returns the profile.
    pub fn profile(&self) -> &str {
        self.part(0, 0)
    }
    /// Returns the test.
    pub fn test(&self) -> &str {
        self.part(1, 1)
    }
    /// Returns the serial number directory, such as `0000`.
    pub fn serial(&self) -> &str {
        self.part(2, 1)
    }
    /// Returns the iteration, such as `read-4KiB`.
    pub fn iteration(&self) -> &str {
        self.part(3, 3)
    }
    /// Returns the kind: `throughput`, `latency`.
    pub fn kind(&self) -> &str {
        self.part(4, 1)
    }
    /// Returns the metric, such as `iops_sec`.
    pub fn metric(&self) -> &str {
        self.part(5, 1)
    }
    /// Returns whether this is a level, a spread or a failure.
    pub fn check(&self) -> Check {
        self.0.check
    }
    /// Returns the id without its check: what mean and spread of one metric share.
    pub fn stem(&self) -> &str {
        &self.0.text[..self.0.ends[5] as usize]
    }
    /// Returns all parts, borrowed.
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            profile: self.profile(),
            test: self.test(),
            serial: self.serial(),
            iteration: self.iteration(),
            kind: self.kind(),
            metric: self.metric(),
            check: self.0.check,
        }
    }
}

/// One text for each name, however many results hold it. Threads may share it.
#[derive(Debug, Default)]
pub struct Names {
    /// Picks the shelf; order and content of shelves are seen by nobody.
    hasher: RandomState,
    shelves: [Mutex<HashSet<MetricId>>; 16],
}

impl Names {
    /// Returns the name with these parts.
    pub fn id(&self, parts: Parts<'_>) -> MetricId {
        self.share(MetricId::new(parts))
    }

    /// Returns the name that was first seen equal to this one.
    pub fn share(&self, id: MetricId) -> MetricId {
        let hash = self.hasher.hash_one(&id);
        let shelf = &self.shelves[(hash >> 32) as usize % self.shelves.len()];
        // A panic elsewhere leaves a set of names a set of names.
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shelf.get(&id) {
            return known.clone();
        }
        shelf.insert(id.clone());
        id
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// Why a text is no metric id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{text}` is no metric id: {missing}; expected PROFILE/TEST/SERIAL:./ITERATION/KIND/METRIC.CHECK"
)]
pub struct ParseIdError {
    text: String,
    missing: &'static str,
}

impl FromStr for MetricId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let fail = |missing| ParseIdError {
            text: text.to_owned(),
            missing,
        };
        let (place, rest) = text.split_once(":./").ok_or_else(|| fail("no `:./`"))?;
        let mut place = place.splitn(3, '/');
        let profile = place.next().ok_or_else(|| fail("no profile"))?;
        let test = place.next().ok_or_else(|| fail("no test"))?;
        let serial = place.next().ok_or_else(|| fail("no serial"))?;
        // From the right: an iteration may hold slashes, a foreign metric may hold dots.
        let (rest, check) = rest
            .rsplit_once('.')
            .ok_or_else(|| fail("no check after a dot"))?;
        let check = match check {
            "mean" => Check::Mean,
            "stddev" => Check::Stddev,
            "error" => Check::Error,
            _ => return Err(fail("the check is none of mean, stddev, error")),
        };
        let (rest, metric) = rest.rsplit_once('/').ok_or_else(|| fail("no metric"))?;
        let (iteration, kind) = rest.rsplit_once('/').ok_or_else(|| fail("no kind"))?;
        Ok(Self::new(Parts {
            profile,
            test,
            serial,
            iteration,
            kind,
            metric,
            check,
        }))
    }
}

impl Serialize for MetricId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

impl<'de> Deserialize<'de> for MetricId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for MetricId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MetricId".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_round_trips_through_its_parts() {
        let text = "A/b/0001:./x/y-4KiB/latency/clat_p99_9.stddev";
        let id: MetricId = text.parse().expect("a good id");
        assert_eq!(id.iteration(), "x/y-4KiB", "an iteration may hold a slash");
        assert_eq!(MetricId::new(id.parts()), id);
        assert_eq!(id.stem(), "A/b/0001:./x/y-4KiB/latency/clat_p99_9");
        assert_eq!(id.to_string(), text);
    }

    #[test]
    fn equal_names_are_one() {
        let names = Names::default();
        let text = "A/b/0001:./x/latency/clat.mean";
        let [one, two] = [text, text].map(|text| names.share(text.parse().expect("a good id")));
        assert!(Arc::ptr_eq(&one.0, &two.0));
        let other = names.share("A/b/0001:./x/latency/clat.stddev".parse().expect("good"));
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_missing_in_a_bad_id_is_named() {
        for (text, missing) in [
            ("", "no `:./`"),
            ("a/b:./i/k/m.mean", "no serial"),
            ("a/b/c:./i/k/m", "no check"),
            ("a/b/c:./i/k/m.median", "none of mean"),
            ("a/b/c:./m.mean", "no metric"),
        ] {
            let error = text.parse::<MetricId>().expect_err(text).to_string();
            assert!(error.contains(missing), "{text}: {error}");
        }
    }
}
