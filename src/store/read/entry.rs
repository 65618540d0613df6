//! The entries of one metric: who measured, and the figures.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::lenient::{Lenient, Scalar, Take};
use super::parse::Parsed;
use super::{ClientValue, Include};
use crate::metric::Better;

#[derive(Debug, Default)]
pub(super) struct Metric {
    pub(super) name: String,
    /// Entries of `all`; one, unless the file is odd.
    pub(super) all: Vec<Entry>,
    /// Entries of single clients.
    pub(super) clients: u32,
    /// Those that have a name and a figure, when asked for.
    pub(super) by_client: Vec<ClientValue>,
}

#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) mean: Option<f64>,
    pub(super) stddevpct: Option<f64>,
    pub(super) unit: Option<Arc<str>>,
    pub(super) better: Option<Better>,
    pub(super) samples: Vec<f64>,
}

/// The entries of one metric.
pub(super) struct Entries<'a> {
    pub(super) parsed: &'a mut Parsed,
    pub(super) metric: &'a mut Metric,
    pub(super) include: Include,
    /// Of the iteration, from 1, for messages.
    pub(super) number: usize,
}

impl<'de> Take<'de> for Entries<'_> {
    type Out = ();

    fn other(self, found: &str) {
        let Self {
            parsed,
            metric,
            number,
            ..
        } = self;
        parsed.warn(|| {
            format!(
                "iteration {number}, {}: expected a list of entries, found {found}",
                metric.name
            )
        });
    }
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self {
            parsed,
            metric,
            include,
            number,
        } = self;
        loop {
            let take = OneEntry {
                parsed: &mut *parsed,
                metric: &metric.name,
                include,
                number,
            };
            match list.next_element_seed(Lenient(take))? {
                None => return Ok(()),
                Some(Some((Some(client), entry))) if client == "all" => metric.all.push(entry),
                Some(Some((client, entry))) => {
                    metric.clients += 1;
                    if let (true, Some(client), Some(value)) = (include.clients, client, entry.mean)
                    {
                        let client = client.into();
                        metric.by_client.push(ClientValue { client, value });
                    }
                }
                Some(None) => {}
            }
        }
    }
}

struct OneEntry<'a> {
    parsed: &'a mut Parsed,
    metric: &'a str,
    include: Include,
    number: usize,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EntryKey {
    ClientHostname,
    Mean,
    Stddevpct,
    Unit,
    Better,
    Samples,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for OneEntry<'_> {
    /// Whose entry it is (`all`: of all together), and its figures.
    type Out = Option<(Option<String>, Entry)>;

    fn other(self, found: &str) -> Self::Out {
        self.parsed.warn(|| {
            format!(
                "iteration {}, {}: expected an entry, found {found}",
                self.number, self.metric
            )
        });
        None
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Out, A::Error> {
        let Self {
            parsed,
            metric,
            include,
            number,
        } = self;
        let mut client = None;
        let mut entry = Entry::default();
        let mut mean_seen = false;
        let mut doubts = Vec::new();
        while let Some(key) = object.next_key()? {
            match key {
                EntryKey::ClientHostname => {
                    client = object.next_value_seed(Lenient(Text))?;
                }
                EntryKey::Mean => {
                    mean_seen = true;
                    entry.mean = object.next_value_seed(Lenient(Figure("mean", &mut doubts)))?;
                }
                EntryKey::Stddevpct => {
                    entry.stddevpct =
                        object.next_value_seed(Lenient(Figure("stddevpct", &mut doubts)))?;
                }
                EntryKey::Unit => {
                    entry.unit = object
                        .next_value_seed(Lenient(Text))?
                        .filter(|unit| !unit.is_empty())
                        .map(Arc::from);
                }
                EntryKey::Better => {
                    entry.better =
                        object.next_value_seed(Lenient(Text))?.and_then(|word| {
                            match word.as_str() {
                                "higher" => Some(Better::Higher),
                                "lower" => Some(Better::Lower),
                                "unknown" => Some(Better::Unknown),
                                _ => None,
                            }
                        });
                }
                EntryKey::Samples if include.samples => {
                    object.next_value_seed(Lenient(Samples(&mut entry.samples)))?;
                }
                EntryKey::Samples | EntryKey::Other => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        if client.as_deref() == Some("all") {
            if !mean_seen {
                doubts.push("no `mean`".to_owned());
            }
            for doubt in doubts {
                parsed.warn(|| format!("iteration {number}, {metric}: {doubt}"));
            }
        }
        Ok(Some((client, entry)))
    }
}

/// A finite number; numeric text counts, with a doubt.
struct Figure<'a>(&'static str, &'a mut Vec<String>);

impl<'de> Take<'de> for Figure<'_> {
    type Out = Option<f64>;

    fn other(self, found: &str) -> Option<f64> {
        self.1
            .push(format!("`{}` should be a number, found {found}", self.0));
        None
    }
    fn scalar(self, value: Scalar<'_>) -> Option<f64> {
        match value {
            Scalar::Number(number) if number.is_finite() => return Some(number),
            Scalar::Text(text) => {
                if let Some(number) = text
                    .trim()
                    .parse()
                    .ok()
                    .filter(|number: &f64| number.is_finite())
                {
                    self.1.push(format!(
                        "`{}` is the text {text:?}; read as a number",
                        self.0
                    ));
                    return Some(number);
                }
            }
            _ => {}
        }
        self.other(&value.describe())
    }
}

/// Text, or a plain value as its text.
pub(super) struct Text;

impl<'de> Take<'de> for Text {
    type Out = Option<String>;

    fn other(self, _: &str) -> Option<String> {
        None
    }
    fn scalar(self, value: Scalar<'_>) -> Option<String> {
        match value {
            Scalar::Text(text) => Some(text.to_owned()),
            Scalar::Number(number) => Some(number.to_string()),
            Scalar::Null | Scalar::Bool(_) => None,
        }
    }
}

/// `samples[].value`.
struct Samples<'a>(&'a mut Vec<f64>);

impl<'de> Take<'de> for Samples<'_> {
    type Out = ();

    fn other(self, _: &str) {}
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element_seed(Lenient(OneSample))? {
            self.0.extend(value);
        }
        Ok(())
    }
}

struct OneSample;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum SampleKey {
    Value,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for OneSample {
    type Out = Option<f64>;

    fn other(self, _: &str) -> Option<f64> {
        None
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Option<f64>, A::Error> {
        let mut value = None;
        while let Some(key) = object.next_key()? {
            match key {
                SampleKey::Value => {
                    value = object.next_value_seed(Lenient(Figure("value", &mut Vec::new())))?;
                }
                SampleKey::Other => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(value)
    }
}
