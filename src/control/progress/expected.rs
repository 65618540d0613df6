//! How long a run may take: as long as the last one of the same plan did, step by step, else what
//! the parameters of its tests say.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::control::plan::Plan;
use crate::store::metadata::Metadata;

/// An earlier result of the same plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its directory.
    pub path: PathBuf,
    /// How long each test took, in order of running; empty when that cannot be told.
    pub durations: Vec<Duration>,
}

/// Finds the newest finished result of the same plan (`digest`) among the folders of `parent`.
pub fn find_previous(parent: &Path, digest: &str, plan: &Plan) -> Option<Previous> {
    let entries = std::fs::read_dir(parent).ok()?;
    entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let (metadata, _) = path
                .join("RUNPERF_METADATA")
                .is_file()
                .then(|| Metadata::read(&path).ok())??;
            if metadata.get("plan_sha256")? != digest || metadata.get("exit_code")? != "0" {
                return None;
            }
            let started: Timestamp = metadata.get("started")?.parse().ok()?;
            let finished: Timestamp = metadata.get("finished")?.parse().ok()?;
            Some((started, finished, path))
        })
        // The name decides between two that started in the same second.
        .max()
        .map(|(started, finished, path)| {
            let durations =
                durations(&path, plan, started.into(), finished.into()).unwrap_or_default();
            Previous { path, durations }
        })
}

/// Reads the end of each test off the time of its metadata file. A copied result has lost these
/// times; then they do not lie between its start and end, or not in order.
fn durations(
    path: &Path,
    plan: &Plan,
    started: SystemTime,
    finished: SystemTime,
) -> Option<Vec<Duration>> {
    let mut serials = std::collections::BTreeMap::<(&str, &str), usize>::new();
    let mut last = started;
    let mut durations = Vec::new();
    for (profile, test) in plan.tests() {
        let serial = serials.entry((&profile.name, &test.name)).or_default();
        let place = path
            .join(&profile.name)
            .join(&test.name)
            .join(format!("{serial:04}"));
        *serial += 1;
        let end = std::fs::metadata(place.join("RUNPERF_METADATA.json"))
            .ok()?
            .modified()
            .ok()?;
        // Metadata has whole seconds.
        if end > finished + Duration::from_secs(1) {
            return None;
        }
        durations.push(end.duration_since(last).ok()?);
        last = end;
    }
    Some(durations)
}
