//! Many result directories into one history.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::history::History;
use super::nights::distinct_names;
use crate::store::StoreError;
use crate::store::read::{Include, ResultData, read_result};

/// What was read, and what was not.
#[derive(Debug)]
pub struct Reading {
    /// Everything that was read.
    pub history: History,
    /// Directories that hold no result that can be read, and why; sorted by path.
    pub unusable: Vec<(PathBuf, StoreError)>,
    /// What was passed over, one line each, for the log.
    pub warnings: Vec<String>,
}

/// Returns in one line why a result cannot be used, for where its path stands already.
pub fn why(error: &StoreError) -> String {
    match error {
        StoreError::NoResult { reason, .. } => reason.clone(),
        StoreError::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

/// Reads result directories, strictly (no incorrect results), several at a time.
///
/// A directory that is named twice, also by another path, is read once. The answer does not depend on
/// the order of `paths`.
pub fn read_all(paths: &[PathBuf]) -> Reading {
    let mut places: Vec<Place> = paths.iter().map(|path| Place::of(path)).collect();
    places.sort();
    let mut warnings = Vec::new();
    places.dedup_by(|again, first| {
        let same = again.real == first.real;
        if same {
            warnings.push(format!(
                "{} is named more than once; it counts once",
                first.typed.display()
            ));
        }
        same
    });
    warnings.dedup();
    let names = distinct_names(
        &places
            .iter()
            .map(|place| place.named.clone())
            .collect::<Vec<_>>(),
    );
    for (name, place) in names.iter().zip(&places) {
        if name.contains('/') {
            warnings.push(format!(
                "several results are called {}; this one is named {name} here",
                place.named.file_name().unwrap_or_default().display()
            ));
        }
    }

    let read: Vec<Result<ResultData, StoreError>> = names
        .par_iter()
        .zip(&places)
        .map(|(name, place)| read_result(name, &place.typed, Include::default()))
        .collect();
    let mut results = Vec::new();
    let mut unusable = Vec::new();
    for (result, place) in read.into_iter().zip(places) {
        match result {
            Ok(mut result) => {
                warnings.extend(
                    result
                        .warnings
                        .drain(..)
                        .map(|text| format!("{}: {text}", result.name)),
                );
                results.push(result);
            }
            Err(error) => unusable.push((place.typed, error)),
        }
    }
    let mut history = History::new(results);
    warnings.append(&mut history.warnings);
    Reading {
        history,
        unusable,
        warnings,
    }
}

/// One argument; sorted by where it really is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Without links, so that two ways to one directory are noticed.
    real: PathBuf,
    /// Absolute, links as they are: people name results by links (`latest`).
    named: PathBuf,
    /// As typed, for messages.
    typed: PathBuf,
}

impl Place {
    fn of(path: &Path) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let named = match path.file_name() {
            Some(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            // `.` and `..` name a directory without saying its name.
            None => real.clone(),
        };
        Self {
            real,
            named,
            typed: path.to_owned(),
        }
    }
}
