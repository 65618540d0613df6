//! `iteration_data.parameters`: how an iteration was measured.
//!
//! One group per benchmark object, named by its `benchmark_name`, and `user0`, `user1`, … for where
//! it ran. `workers` (facts of machines, kept with the run) and what describes the run as a whole
//! are no parameters.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::IterationParams;
use super::lenient::{Lenient, Take};

/// `parameters`: the groups, and the names of the primary metrics.
pub(super) struct Parameters<'a> {
    /// Which keys of `user` describe the run as a whole.
    pub(super) run_key: &'a dyn Fn(&str) -> bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ParametersKey {
    Benchmark,
    User,
    #[serde(other)]
    Other,
}

impl<'de> Take<'de> for Parameters<'_> {
    type Out = Option<(IterationParams, Vec<String>)>;

    fn other(self, _: &str) -> Self::Out {
        None
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Out, A::Error> {
        let mut params = IterationParams::new();
        let mut primary = Vec::new();
        let keep_all = |_: &str| false;
        let run_key = |key: &str| key == "workers" || key == "cmdline" || (self.run_key)(key);
        while let Some(key) = object.next_key()? {
            let (groups, is_user) = match key {
                ParametersKey::Benchmark => (
                    object.next_value_seed(Lenient(Groups { skip: &keep_all }))?,
                    false,
                ),
                ParametersKey::User => (
                    object.next_value_seed(Lenient(Groups { skip: &run_key }))?,
                    true,
                ),
                ParametersKey::Other => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            for (index, group) in groups.into_iter().enumerate() {
                let name = if is_user {
                    format!("user{index}")
                } else {
                    primary.extend(group.get("primary_metric").cloned());
                    let name = group
                        .get("benchmark_name")
                        .cloned()
                        .unwrap_or_else(|| index.to_string());
                    if params.contains_key(&name) {
                        format!("{name}-{index}")
                    } else {
                        name
                    }
                };
                params.insert(name, group);
            }
        }
        Ok(Some((params, primary)))
    }
}

type Group = BTreeMap<String, String>;

/// A list of parameter objects.
struct Groups<'a> {
    skip: &'a dyn Fn(&str) -> bool,
}

impl<'de> Take<'de> for Groups<'_> {
    type Out = Vec<Group>;

    fn other(self, _: &str) -> Vec<Group> {
        Vec::new()
    }
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Group>, A::Error> {
        let mut groups = Vec::new();
        while let Some(group) = list.next_element_seed(Lenient(OneGroup { skip: self.skip }))? {
            groups.push(group);
        }
        Ok(groups)
    }
}

struct OneGroup<'a> {
    skip: &'a dyn Fn(&str) -> bool,
}

impl<'de> Take<'de> for OneGroup<'_> {
    type Out = Group;

    fn other(self, _: &str) -> Group {
        Group::new()
    }
    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<Group, A::Error> {
        let mut group = Group::new();
        while let Some(key) = object.next_key::<String>()? {
            if (self.skip)(&key) {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            let text = match object.next_value::<serde_json::Value>()? {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            group.insert(key, text);
        }
        Ok(group)
    }
}
