//! One `result.json`, from bytes to iterations, in one pass.
//!
//! Samples and time series, which are nearly all of such a file, are left out first unless asked for.

use std::cell::RefCell;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};

use super::elide::elide;
use super::entry::{Entries, Metric, Text};
use super::lenient::{Lenient, Take};
use super::params::Parameters;
use super::{BUFFER_KEPT, Include, IterationParams};

/// Warnings kept of one file; the rest is only counted.
const WARNINGS_KEPT: usize = 20;

/// What a file says, before ids are made of it.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) iterations: Vec<Iteration>,
    pub(super) warnings: Vec<String>,
    unsaid: usize,
}

impl Parsed {
    pub(super) fn warn(&mut self, text: impl FnOnce() -> String) {
        if self.warnings.len() < WARNINGS_KEPT {
            self.warnings.push(text());
        } else {
            self.unsaid += 1;
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Iteration {
    pub(super) name: String,
    pub(super) params: Arc<IterationParams>,
    pub(super) primary: Vec<String>,
    pub(super) throughput: Vec<Metric>,
    pub(super) latency: Vec<Metric>,
}

/// Reads a file's text.
///
/// `run_key` tells which keys of `parameters.user` describe the run as a whole (its build, its
/// command line); they are not parameters of the measurement.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(
    bytes: &[u8],
    include: Include,
    run_key: &dyn Fn(&str) -> bool,
) -> Result<Parsed, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    // Kept for the thread's next file: fresh memory for each costs more than the copying.
    thread_local!(static SHORT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    let unasked = if include.samples {
        "timeseries"
    } else {
        "samples"
    };
    let short = SHORT.with_borrow_mut(|short| {
        if !elide(bytes, unasked, short) {
            return None;
        }
        let parsed = parse_once(short, include, run_key).ok();
        short.shrink_to(BUFFER_KEPT);
        parsed
    });
    if let Some(parsed) = short {
        return Ok(parsed);
    }
    // Nothing was left out, or something is wrong: messages name places of the file as it is.
    let fault = match parse_once(bytes, include, run_key) {
        Ok(parsed) => return Ok(parsed),
        Err(Fault::Shape(text)) => return Err(text),
        Err(Fault::Json(error)) => error,
    };
    if is_at_bare_word(bytes, &fault)
        && let Some(Ok(mut parsed)) =
            without_nan(bytes).map(|mended| parse_once(&mended, include, run_key))
    {
        parsed
            .warnings
            .insert(0, "NaN and Infinity are no JSON; read as null".to_owned());
        return Ok(parsed);
    }
    Err(match fault.classify() {
        serde_json::error::Category::Eof => {
            format!("it ends too early, cut off while it was written or copied: {fault}")
        }
        _ => format!("it is no JSON: {fault}"),
    })
}

/// Why a file is of no use.
enum Fault {
    Json(serde_json::Error),
    Shape(String),
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Json(error)
    }
}

fn parse_once(
    bytes: &[u8],
    include: Include,
    run_key: &dyn Fn(&str) -> bool,
) -> Result<Parsed, Fault> {
    let mut parsed = Parsed::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let shape = Lenient(Iterations {
        parsed: &mut parsed,
        include,
        run_key,
    })
    .deserialize(&mut json)?;
    json.end()?;
    if parsed.unsaid > 0 {
        parsed
            .warnings
            .push(format!("{} more of the kind", parsed.unsaid));
    }
    shape.map(|()| parsed).map_err(Fault::Shape)
}

/// Returns whether reading stopped at `NaN` or `Infinity`, which Python writes as bare words.
fn is_at_bare_word(bytes: &[u8], fault: &serde_json::Error) -> bool {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .nth(fault.line().saturating_sub(1));
    let around = fault.column().saturating_sub(3)..fault.column() + 2;
    line.is_some_and(|line| {
        let around = &line[around.start.min(line.len())..around.end.min(line.len())];
        around.iter().any(|byte| matches!(byte, b'N' | b'I'))
    })
}

/// Returns the text with the bare words `NaN`, `Infinity`, `-Infinity` replaced by `null`, or
/// nothing when it has none.
fn without_nan(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut changed = false;
    let (mut index, mut in_text) = (0, false);
    while let Some(&byte) = bytes.get(index) {
        let rest = &bytes[index..];
        let word = [&b"NaN"[..], b"Infinity", b"-Infinity"]
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        match (word, byte) {
            (Some(word), _) => {
                out.extend_from_slice(b"null");
                index += word.len();
                changed = true;
                continue;
            }
            (None, b'\\') if in_text => {
                out.extend_from_slice(&rest[..rest.len().min(2)]);
                index += 2;
                continue;
            }
            (None, b'"') => in_text = !in_text,
            _ => {}
        }
        out.push(byte);
        index += 1;
    }
    changed.then_some(out)
}

/// The whole file: a list of iterations.
struct Iterations<'a> {
    parsed: &'a mut Parsed,
    include: Include,
    run_key: &'a dyn Fn(&str) -> bool,
}

impl<'de> Take<'de> for Iterations<'_> {
    type Out = Result<(), String>;

    fn other(self, found: &str) -> Self::Out {
        Err(format!("expected a list of iterations, found {found}"))
    }
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Out, A::Error> {
        let mut number = 0;
        loop {
            number += 1;
            let seed = OneIteration {
                parsed: &mut *self.parsed,
                include: self.include,
                run_key: self.run_key,
                number,
            };
            if list.next_element_seed(Lenient(seed))?.is_none() {
                return Ok(Ok(()));
            }
        }
    }
}

struct OneIteration<'a> {
    parsed: &'a mut Parsed,
    include: Include,
    run_key: &'a dyn Fn(&str) -> bool,
    number: usize,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum IterationKey {
    IterationName,
    IterationData,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for OneIteration<'_> {
    type Out = ();

    fn other(self, found: &str) {
        self.parsed.warn(|| {
            format!(
                "iteration {}: expected an object, found {found}; passed over",
                self.number
            )
        });
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut iteration = Iteration::default();
        let mut name = None;
        let mut found = Found::default();
        while let Some(key) = object.next_key()? {
            match key {
                IterationKey::IterationName => name = object.next_value_seed(Lenient(Text))?,
                IterationKey::IterationData => {
                    let data = Data {
                        parsed: &mut *self.parsed,
                        iteration: &mut iteration,
                        include: self.include,
                        run_key: self.run_key,
                        number: self.number,
                    };
                    found = object.next_value_seed(Lenient(data))?;
                }
                IterationKey::Other => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Some(name) = name else {
            self.parsed.warn(|| {
                format!(
                    "iteration {}: no `iteration_name`; passed over",
                    self.number
                )
            });
            return Ok(());
        };
        if !found.data {
            self.parsed.warn(|| format!("{name}: no `iteration_data`"));
        } else if !found.parameters {
            self.parsed
                .warn(|| format!("{name}: no `parameters`, so no metric is primary"));
        }
        for (kind, metrics) in [
            ("throughput", &iteration.throughput),
            ("latency", &iteration.latency),
        ] {
            for metric in metrics.iter().filter(|metric| metric.all.is_empty()) {
                self.parsed
                    .warn(|| format!("{name}/{kind}/{}: no entry `all`; passed over", metric.name));
            }
        }
        iteration.name = name;
        self.parsed.iterations.push(iteration);
        Ok(())
    }
}

#[derive(Default)]
struct Found {
    data: bool,
    parameters: bool,
}

/// `iteration_data`.
struct Data<'a> {
    parsed: &'a mut Parsed,
    iteration: &'a mut Iteration,
    include: Include,
    run_key: &'a dyn Fn(&str) -> bool,
    number: usize,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum DataKey {
    Parameters,
    Throughput,
    Latency,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for Data<'_> {
    type Out = Found;

    fn other(self, _: &str) -> Found {
        Found::default()
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Found, A::Error> {
        let mut found = Found {
            data: true,
            parameters: false,
        };
        while let Some(key) = object.next_key()? {
            let metrics = match key {
                DataKey::Parameters => {
                    if let Some((params, primary)) =
                        object.next_value_seed(Lenient(Parameters {
                            run_key: self.run_key,
                        }))?
                    {
                        found.parameters = true;
                        self.iteration.params = Arc::new(params);
                        self.iteration.primary = primary;
                    }
                    continue;
                }
                DataKey::Throughput => &mut self.iteration.throughput,
                DataKey::Latency => &mut self.iteration.latency,
                DataKey::Other => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let take = Metrics {
                parsed: &mut *self.parsed,
                metrics,
                include: self.include,
                number: self.number,
            };
            object.next_value_seed(Lenient(take))?;
        }
        Ok(found)
    }
}

/// `throughput` or `latency`: metric → entries.
struct Metrics<'a> {
    parsed: &'a mut Parsed,
    metrics: &'a mut Vec<Metric>,
    include: Include,
    number: usize,
}

impl<'de> Take<'de> for Metrics<'_> {
    type Out = ();

    fn other(self, found: &str) {
        self.parsed.warn(|| {
            format!(
                "iteration {}: expected metrics, found {found}; passed over",
                self.number
            )
        });
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<String>()? {
            let mut metric = Metric {
                name,
                ..Metric::default()
            };
            let take = Entries {
                parsed: &mut *self.parsed,
                metric: &mut metric,
                include: self.include,
                number: self.number,
            };
            object.next_value_seed(Lenient(take))?;
            self.metrics.push(metric);
        }
        Ok(())
    }
}
