//! Which directories and files belong to a result: `PROFILE/TEST/SERIAL/result.json` and
//! `__error*__` at any of the four levels, as the older tool's patterns find them, but sorted.
//!
//! Hidden directories never match. Links to directories are followed; with four levels at most, a
//! loop of links ends by itself.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::StoreError;
use super::super::metadata;
use super::{Failure, Include};

/// Levels of directories: root, profile, test, serial.
const LEVELS: usize = 4;

/// A file with figures.
#[derive(Debug)]
pub(in crate::store) struct ResultFile {
    /// Below the result: `PROFILE/TEST/SERIAL/result.json`.
    pub(in crate::store) path: PathBuf,
}

impl ResultFile {
    /// Returns profile, test and serial.
    pub(in crate::store) fn place(&self) -> [String; 3] {
        let mut names = self
            .path
            .components()
            .map(|name| name.as_os_str().to_string_lossy().into_owned());
        std::array::from_fn(|_| names.next().unwrap_or_default())
    }
}

/// What a result directory holds; paths are below it.
#[derive(Debug, Default)]
pub(in crate::store) struct Found {
    pub(in crate::store) files: Vec<ResultFile>,
    /// `__errorN__` directories.
    pub(in crate::store) errors: Vec<PathBuf>,
    /// Directories that cannot be listed.
    pub(in crate::store) failures: Vec<Failure>,
    pub(in crate::store) warnings: Vec<String>,
}

impl Found {
    fn merge(mut self, other: Found) -> Found {
        self.files.extend(other.files);
        self.errors.extend(other.errors);
        self.failures.extend(other.failures);
        self.warnings.extend(other.warnings);
        self
    }
}

/// Finds everything in a result directory, in sorted order.
///
/// # Errors
/// When it does not exist, cannot be listed, or is no result directory.
pub(in crate::store) fn find(result: &Path, include: Include) -> Result<Found, StoreError> {
    if std::fs::metadata(result).is_ok_and(|meta| !meta.is_dir()) {
        return Err(no_result(
            result,
            "it is a file; expected the directory that run-perf wrote",
        ));
    }
    let entries = list(result).map_err(StoreError::io("list", result))?;
    let found = sort_in(result, PathBuf::new(), entries, include);
    let is_result = !found.files.is_empty()
        || !found.errors.is_empty()
        || !found.failures.is_empty()
        || result.join(metadata::FILE_NAME).symlink_metadata().is_ok();
    if is_result {
        Ok(found)
    } else {
        Err(no_result(result, &missing(result)))
    }
}

fn no_result(path: &Path, reason: &str) -> StoreError {
    StoreError::NoResult {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Returns what a directory lacks, and where the result may be instead.
fn missing(directory: &Path) -> String {
    let expected =
        "neither RUNPERF_METADATA nor PROFILE/TEST/SERIAL/result.json nor __errorN__ is in it";
    let is_result = |path: &Path| path.join(metadata::FILE_NAME).is_file();
    let inside = list(directory)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, _)| directory.join(name))
        .find(|path| is_result(path));
    let above = directory.canonicalize().ok().and_then(|path| {
        path.ancestors()
            .skip(1)
            .find(|path| is_result(path))
            .map(Path::to_owned)
    });
    match inside.or(above) {
        Some(near) => format!("{expected}; did you mean {}?", near.display()),
        None => expected.to_owned(),
    }
}

/// What a name in a listing stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    Other,
}

/// Lists a directory sorted by name, links followed.
fn list(directory: &Path) -> std::io::Result<Vec<(OsString, Kind)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = match entry.file_type() {
            Ok(kind) if kind.is_dir() => Kind::Directory,
            Ok(kind) if kind.is_symlink() && entry.path().is_dir() => Kind::Directory,
            _ => Kind::Other,
        };
        entries.push((entry.file_name(), kind));
    }
    entries.sort_by(|a: &(OsString, Kind), b| a.0.cmp(&b.0));
    Ok(entries)
}

/// Sorts the entries of `at` (below `result`) into what is wanted, and goes down.
fn sort_in(result: &Path, at: PathBuf, entries: Vec<(OsString, Kind)>, include: Include) -> Found {
    let level = at.components().count();
    let mut found = Found::default();
    let mut below = Vec::new();
    for (name, kind) in entries {
        let is_file_of_figures = level == LEVELS - 1 && name == "result.json";
        if kind == Kind::Directory && is_error_record(&name) {
            found.errors.push(at.join(name));
        } else if is_file_of_figures
            && at
                .file_name()
                .is_some_and(|serial| include.incorrect || is_serial(serial))
        {
            found.files.push(ResultFile {
                path: at.join(name),
            });
        } else if kind == Kind::Directory
            && level < LEVELS - 1
            && !name.as_encoded_bytes().starts_with(b".")
        {
            below.push(at.join(name));
        }
    }
    let below: Vec<Found> = below
        .into_par_iter()
        .map(|directory| go_down(result, directory, include))
        .collect();
    below.into_iter().fold(found, Found::merge)
}

fn go_down(result: &Path, directory: PathBuf, include: Include) -> Found {
    match list(&result.join(&directory)) {
        Ok(entries) => sort_in(result, directory, entries, include),
        Err(error) => {
            let mut found = Found::default();
            let names: Vec<String> = directory
                .components()
                .map(|name| name.as_os_str().to_string_lossy().into_owned())
                .collect();
            let reason = format!("cannot be listed: {error}");
            // `__sysinfo__` and its like hold logs, not figures.
            if names.iter().any(|name| name.starts_with("__")) {
                found
                    .warnings
                    .push(format!("{}: {reason}", directory.display()));
            } else {
                found
                    .failures
                    .push(Failure::unreadable(&names, directory, &reason));
            }
            found
        }
    }
}

fn is_error_record(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"__error") && name[b"__error".len()..].ends_with(b"__")
}

fn is_serial(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .first()
        .is_some_and(u8::is_ascii_digit)
}
