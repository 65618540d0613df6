//! The result directory: the only thing the two halves of the program share.
//!
//! - [`result_json`]: the types written to `result.json`
//! - [`mod@write`]: creating a result, attempts, serials, `result.json`
//! - [`record`]: failure records (`__errorN__`)
//! - [`atomic`]: files that are whole or not there
//! - [`read`]: what the right half sees of a result, read leniently
//! - [`metadata`], [`metadata_file`]: reading and writing `RUNPERF_METADATA`
//! - [`strip`]: small results

pub mod atomic;
mod layout;
pub mod metadata;
pub mod metadata_file;
pub mod read;
pub mod record;
pub mod result_json;
pub mod strip;
pub mod write;

use std::path::{Path, PathBuf};

pub use metadata_file::{MetadataFile, write_test_metadata};
pub use record::FailureRecord;
pub(crate) use write::safe_name;
pub use write::{Attempt, Committed, Existing, ResultStore, write_result};

/// Why a result could not be created, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `create`, `read`, `write`, `rename`, `list`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The output directory is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It was to be replaced, but must not be deleted.
    #[error("{} is not replaced: {reason}", path.display())]
    NotReplaced {
        /// Which.
        path: PathBuf,
        /// What it is, or still holds.
        reason: String,
    },
    /// It is not a result directory.
    #[error("{} is no result directory: {reason}", path.display())]
    NoResult {
        /// Which.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// All serial numbers (or error numbers) are taken.
    #[error("no free number left in {}", path.display())]
    NoSerial {
        /// Directory of the test, or of the failures.
        path: PathBuf,
    },
}

impl StoreError {
    /// Builds [`StoreError::Io`]; for `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| StoreError::Io {
            action,
            path,
            source,
        }
    }

    /// Returns the underlying reason in words, for one-line messages.
    pub fn reason(&self) -> String {
        std::error::Error::source(self)
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            StoreError::Exists { .. } => {
                Some("choose another --output, or replace it with --force".into())
            }
            StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("free some space; what was written before is kept".into())
            }
            StoreError::Io { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Some("check who owns it and who may read and write it".into())
            }
            StoreError::Io {
                action: "list" | "read",
                source,
                ..
            } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("check the path, and that it is given as seen from here".into())
            }
            StoreError::NotReplaced { path, reason } if reason.contains("journal") => Some(
                format!("undo them first: run-perf --recover {}", path.display()),
            ),
            StoreError::NotReplaced { .. } => {
                Some("choose another --output, or remove it by hand".into())
            }
            StoreError::NoResult { .. } => Some(
                "name the directory given to run-perf --output, usually result_DATE_TIME".into(),
            ),
            StoreError::NoSerial { .. } => Some("start a new result with another --output".into()),
            _ => None,
        }
    }
}
