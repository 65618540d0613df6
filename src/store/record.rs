//! Recording a failure: `__errorN__/{exception,traceback,details,class,FILES/…}`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::atomic::sync_directory;
use super::write::{ResultStore, safe_name};

/// Failures kept in one place.
const RECORDS: u32 = 1000;

/// File in the record of an attempt whose test passed at a later one: the serial number of that result.
pub(crate) const PASSED_LATER: &str = "passed_later";

/// What is kept of a failure. Texts are masked by the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureRecord {
    /// The message alone; what reports show and compare.
    pub exception: String,
    /// The message and its causes, one a line, or what the failed thing printed.
    pub traceback: String,
    /// A sentence for people.
    pub details: Option<String>,
    /// `timeout`, `enospc`, …: groups like failures in reports.
    pub class: Option<String>,
    /// Further files by name: logs, output.
    pub files: Vec<(String, Vec<u8>)>,
}

impl FailureRecord {
    /// Makes a record of an error and its causes.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut traceback = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(traceback, "\n  caused by: {error}");
            cause = error.source();
        }
        Self {
            exception: error.to_string(),
            traceback,
            ..Self::default()
        }
    }

    /// Adds the sentence for people.
    #[must_use]
    pub fn details(mut self, text: impl Into<String>) -> Self {
        self.details = Some(text.into());
        self
    }

    /// Adds the class.
    #[must_use]
    pub fn class(mut self, class: impl Into<String>) -> Self {
        self.class = Some(class.into());
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }
}

impl ResultStore {
    /// Keeps a failure in the first free `__errorN__` of a directory of the result (absolute, or
    /// below the root; created when missing) and returns the record's directory below the root.
    ///
    /// # Errors
    /// When `place` is outside the result, or the record cannot be written. A record that was begun
    /// stays: an incomplete one still says that something failed.
    pub fn record_failure(
        &self,
        place: &Path,
        record: &FailureRecord,
    ) -> Result<PathBuf, StoreError> {
        let directory = new_record(&self.place(place)?)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            fs::write(&path, bytes).map_err(StoreError::io("write", &path))
        };
        write("exception", record.exception.as_bytes())?;
        write("traceback", record.traceback.as_bytes())?;
        if let Some(details) = &record.details {
            write("details", details.as_bytes())?;
        }
        if let Some(class) = &record.class {
            write("class", class.as_bytes())?;
        }
        if !record.files.is_empty() {
            let files = directory.join("FILES");
            fs::create_dir(&files).map_err(StoreError::io("create", &files))?;
            for (name, content) in &record.files {
                write(&format!("FILES/{}", safe_name(name)), content)?;
            }
        }
        sync_directory(&directory).map_err(StoreError::io("write", &directory))?;
        Ok(self.relative(&directory).to_owned())
    }
}

impl ResultStore {
    /// Notes in the record of a failed attempt (below the root) that a later one passed as `serial`:
    /// readers then take it as a note, not as an error of this result.
    ///
    /// # Errors
    /// When `record` is outside the result, or cannot be written to.
    pub fn passed_later(&self, record: &Path, serial: &str) -> Result<(), StoreError> {
        let directory = self.place(record)?;
        let path = directory.join(PASSED_LATER);
        fs::write(&path, format!("{serial}\n"))
            .and_then(|()| sync_directory(&directory))
            .map_err(StoreError::io("write", &path))
    }
}

/// Creates the first free `__errorN__`.
fn new_record(place: &Path) -> Result<PathBuf, StoreError> {
    for number in 0..RECORDS {
        let directory = place.join(format!("__error{number}__"));
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::io("create", &directory)(error)),
        }
    }
    Err(StoreError::NoSerial {
        path: place.join(format!("__error{RECORDS}__")),
    })
}
