//! What is known about a machine, raw and filtered for comparison.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Environment of one machine as `RUNPERF_METADATA` keeps it: section → text. A section `X_raw`
/// is the unfiltered form of `X`: reports compare `X` and show `X_raw`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts {
    /// Sections by name: `general`, `kernel`, `kernel_raw`, `mitigations`, `rpm` or `dpkg`, …
    pub sections: BTreeMap<String, String>,
}
