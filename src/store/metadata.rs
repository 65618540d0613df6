//! `RUNPERF_METADATA`: `key:value` lines about a run.

use std::collections::BTreeMap;

/// What a run says about itself. A missing key reads as `Unknown` in reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Later lines override earlier ones; values without their line end.
    pub values: BTreeMap<String, String>,
}

impl Metadata {
    /// Returns a value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}
