//! One `result.json` made small: what the right half reads, and nothing else, in one pass.
//!
//! What stands at an unexpected place is kept as it is, so that a reader finds the same fault.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Keys of a metric entry that are kept: who, figures, and what they mean.
const ENTRY_KEYS: [&str; 8] = [
    "client_hostname",
    "server_hostname",
    "server_port",
    "mean",
    "stddevpct",
    "unit",
    "better",
    "samples",
];

/// Returns the file's content with only what is needed, compact, keys in their order.
///
/// # Errors
/// When it is no JSON.
pub(super) fn prune(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Level::File.deserialize(&mut json)?;
    json.end()?;
    serde_json::to_vec(&value)
}

/// Where in the document a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    File,
    Iteration,
    Data,
    /// `throughput` or `latency`.
    Class,
    /// Entries of one metric.
    Entries,
    Entry,
    /// Of one entry.
    Samples,
    Sample,
    /// Kept whole.
    Whole,
}

impl Level {
    /// Returns what an object's value is, or nothing when it is left out.
    fn below(self, key: &str) -> Option<Level> {
        match (self, key) {
            (Level::Iteration, "iteration_name") | (Level::Data, "parameters") => {
                Some(Level::Whole)
            }
            (Level::Iteration, "iteration_data") => Some(Level::Data),
            (Level::Data, "throughput" | "latency") => Some(Level::Class),
            (Level::Class, _) => Some(Level::Entries),
            (Level::Entry, "samples") => Some(Level::Samples),
            (Level::Sample, "value") => Some(Level::Whole),
            (Level::Entry, key) if ENTRY_KEYS.contains(&key) => Some(Level::Whole),
            (Level::File | Level::Entries | Level::Samples | Level::Whole, _) => Some(Level::Whole),
            _ => None,
        }
    }

    /// Returns what a list's elements are.
    fn element(self) -> Level {
        match self {
            Level::File => Level::Iteration,
            Level::Entries => Level::Entry,
            Level::Samples => Level::Sample,
            _ => Level::Whole,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(value) = list.next_element_seed(self.element())? {
            kept.push(value);
        }
        // One client's figures are those of `all`.
        let one_client = kept.len() == 2 && kept.iter().all(Value::is_object);
        if self == Level::Entries
            && one_client
            && kept.iter().filter(|entry| is_all(entry)).count() == 1
        {
            kept.retain(is_all);
        }
        Ok(kept.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            match self.below(&key) {
                Some(level) => {
                    let value = object.next_value_seed(level)?;
                    kept.insert(key, value);
                }
                None => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        let mut kept = kept.into();
        // Reports show the samples of `all` only.
        if self == Level::Entry
            && !is_all(&kept)
            && let Value::Object(entry) = &mut kept
        {
            entry.shift_remove("samples");
        }
        Ok(kept)
    }
}

fn is_all(entry: &Value) -> bool {
    entry.get("client_hostname").and_then(Value::as_str) == Some("all")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(text: &str) -> String {
        String::from_utf8(prune(text.as_bytes()).expect("JSON")).expect("UTF-8")
    }

    #[test]
    fn figures_names_and_parameters_stay_the_rest_goes() {
        let entry = |client: &str| {
            format!(
                r#"{{"client_hostname": "{client}", "mean": 1.0, "stddev": 2, "stddevpct": 0.1, "unit": "ns", "better": "lower",
                    "role": "x", "samples": [{{"value": 1, "timeseries": [[]]}}]}}"#
            )
        };
        let text = format!(
            r#"[{{"iteration_number": 1, "iteration_name": "i", "iteration_data": {{
                "parameters": {{"benchmark": [{{"a": [1]}}], "user": [{{"workers": {{}}}}]}},
                "resource": {{"cpu": [{}]}}, "throughput": {{"one": [{}, {}]}},
                "latency": {{"two": [{}, {}, {}]}}}}}}]"#,
            entry("all"),
            entry("a"),
            entry("all"),
            entry("a"),
            entry("b"),
            entry("all")
        );
        let kept = |client| {
            format!(
                r#"{{"client_hostname":"{client}","mean":1.0,"stddevpct":0.1,"unit":"ns","better":"lower"{}}}"#,
                match client {
                    "all" => r#","samples":[{"value":1}]"#,
                    _ => "",
                }
            )
        };
        assert_eq!(
            pruned(&text),
            format!(
                r#"[{{"iteration_name":"i","iteration_data":{{"parameters":{{"benchmark":[{{"a":[1]}}],"user":[{{"workers":{{}}}}]}},"throughput":{{"one":[{}]}},"latency":{{"two":[{},{},{}]}}}}}}]"#,
                kept("all"),
                kept("a"),
                kept("b"),
                kept("all")
            )
        );
    }

    #[test]
    fn what_is_odd_stays_odd_in_the_same_way() {
        for text in [
            "{}",
            "3",
            r#"[5,{},[],{"iteration_name":4,"iteration_data":"x"}]"#,
            r#"[{"iteration_data":{"throughput":{"m":{"mean":1}},"latency":[7]}}]"#,
            r#"[{"iteration_data":{"throughput":{"m":[{"client_hostname":"all","mean":"12.5"},8]}}}]"#,
        ] {
            assert_eq!(pruned(text), text);
        }
        assert!(prune(b"[{]").is_err());
        assert!(prune(b"[] 1").is_err());
    }
}
