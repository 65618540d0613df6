//! Many result directories into one history.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::history::{Builder, History};
use super::nights::distinct_names;
use crate::store::StoreError;
use crate::store::read::{Include, Reader, ResultData};

/// Results that are read at once.
const BATCH: usize = 32;

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

    // The history takes results in the order of their names.
    let mut named: Vec<(String, Place)> = names.into_iter().zip(places).collect();
    named.sort();
    let reader = Reader::default();
    let mut history = Builder::default();
    let mut unusable = Vec::new();
    // Some at a time: what was read of all results at once would be larger than the history.
    for batch in named.chunks(BATCH) {
        let read: Vec<Result<ResultData, StoreError>> = batch
            .par_iter()
            .map(|(name, place)| reader.read(name, &place.typed, Include::default()))
            .collect();
        for (result, (_, place)) in read.into_iter().zip(batch) {
            match result {
                Ok(mut result) => {
                    warnings.extend(
                        result
                            .warnings
                            .drain(..)
                            .map(|text| format!("{}: {text}", result.name)),
                    );
                    history.add(result);
                }
                Err(error) => unusable.push((place.typed.clone(), error)),
            }
        }
    }
    unusable.sort_by(|a, b| a.0.cmp(&b.0));
    let mut history = history.finish();
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
