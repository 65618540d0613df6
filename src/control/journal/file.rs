//! The file: appended a line at a time, synced, locked while its run lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::JournalError;

#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
    path: PathBuf,
    /// Bytes that are whole lines.
    length: u64,
}

impl JournalFile {
    /// Opens the file for appending and returns what is in it; a torn last line is cut off.
    pub(super) fn open(path: &Path, create: bool) -> Result<(Self, Vec<u8>), JournalError> {
        let failed = |action| {
            let path = path.to_owned();
            move |source| JournalError::Io {
                action,
                path,
                source,
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(create)
            .open(path)
            .map_err(failed("open"))?;
        // A program that is just being started shares the lock for a moment.
        let locked = (0..10)
            .find_map(|_| match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(Duration::from_millis(20));
                    None
                }
                other => Some(other),
            })
            .unwrap_or(Err(TryLockError::WouldBlock));
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Alive {
                    path: path.to_owned(),
                });
            }
            // Some network file systems know no locks; the run's mark on the host is left then.
            Err(TryLockError::Error(error)) => {
                tracing::debug!(path = %path.display(), %error, "the journal cannot be locked");
            }
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if whole < bytes.len() {
            bytes.truncate(whole);
            file.set_len(whole as u64).map_err(failed("write"))?;
        }
        if create {
            let folder = path.parent().unwrap_or(Path::new("."));
            crate::store::atomic::sync_directory(folder).map_err(failed("write"))?;
        }
        let file = Self {
            file,
            path: path.to_owned(),
            length: whole as u64,
        };
        Ok((file, bytes))
    }

    /// Appends one line; it is on disk when this returns, or not in the file at all.
    pub(super) fn append(&mut self, line: &str) -> Result<(), JournalError> {
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(source) => {
                // The next line must not be glued to half of this one.
                let _ = self.file.set_len(self.length);
                Err(JournalError::Io {
                    action: "write",
                    path: self.path.clone(),
                    source,
                })
            }
        }
    }
}
