//! Recorded failures: `__errorN__/{exception,traceback,details,class,…}`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::Failure;
use crate::metric::{Check, MetricId, Parts};
use crate::store::record::PASSED_LATER;

/// What the older tool says when a record has no `exception`.
const UNKNOWN: &str = "<Unknown exception>";

impl Failure {
    /// Returns the id of a failure in the directory with these up to three names.
    pub(super) fn id(names: &[String]) -> MetricId {
        let name = |index: usize| names.get(index).map_or("*", String::as_str);
        MetricId::new(Parts {
            profile: name(0),
            test: name(1),
            serial: name(2),
            iteration: "ERROR",
            kind: "ERROR",
            metric: "ERROR",
            check: Check::Error,
        })
    }

    /// Returns the failure of something in the result that cannot be read.
    pub(super) fn unreadable(names: &[String], place: PathBuf, reason: &str) -> Self {
        let message = format!("{}: {reason}", place.display());
        Self {
            id: Self::id(names),
            place,
            class: "unreadable".to_owned(),
            message,
            files: BTreeMap::new(),
            passed_later: None,
        }
    }
}

/// Reads the record at `place` below `result`; also returns what was passed over.
pub(super) fn read(result: &Path, place: &Path) -> (Failure, Vec<String>) {
    let names: Vec<String> = place
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .map(|name| name.as_os_str().to_string_lossy().into_owned())
        .collect();
    let directory = result.join(place);
    let mut warnings = Vec::new();
    let mut files = BTreeMap::new();
    sum_files(&directory, &directory, &mut files, &mut warnings);
    let text = |name: &str| {
        let path = directory.join(name);
        // The list holds regular files only: a pipe called `exception` is never opened.
        files
            .contains_key(name)
            .then(|| std::fs::read(path).ok())
            .flatten()
    };
    let exception = text("exception");
    let message = exception.map_or_else(
        || UNKNOWN.to_owned(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    );
    let passed_later =
        text(PASSED_LATER).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let class = text("class")
        .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
        .filter(|class| !class.is_empty())
        .unwrap_or_else(|| "error".to_owned());
    (
        Failure {
            id: Failure::id(&names),
            place: place.to_owned(),
            class,
            message,
            files,
            passed_later,
        },
        warnings,
    )
}

/// Adds the sum of every regular file below `directory`, by its name relative to `record`.
fn sum_files(
    record: &Path,
    directory: &Path,
    sums: &mut BTreeMap<String, String>,
    warnings: &mut Vec<String>,
) {
    let entries =
        match std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => {
                warnings.push(format!("{} cannot be listed: {error}", directory.display()));
                return;
            }
        };
    for entry in entries {
        let path = entry.path();
        // Links to directories are not followed, so that a loop of them ends.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sum_files(record, &path, sums, warnings);
        } else if std::fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
            match sha1_of(&path) {
                Ok(sum) => {
                    let name = path
                        .strip_prefix(record)
                        .unwrap_or(&path)
                        .to_string_lossy()
                        .into_owned();
                    sums.insert(name, sum);
                }
                Err(error) => warnings.push(format!("{} cannot be read: {error}", path.display())),
            }
        }
    }
}

fn sha1_of(path: &Path) -> std::io::Result<String> {
    let mut sum = HashWriter(Sha1::new());
    std::io::copy(&mut File::open(path)?, &mut sum)?;
    Ok(sum
        .0
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Feeds what is written to it into the sum.
struct HashWriter(Sha1);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
