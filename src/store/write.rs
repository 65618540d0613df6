//! Creating a result directory and filling it: attempts, serial numbers, `result.json`.
//!
//! A test works in `PROFILE/TEST/tmpXXXXXXXX`. Only when it is done does one rename give it a
//! serial number, so whatever has a number is whole. Nothing here deletes a result, except
//! [`Existing::Replace`], which makes sure that it is one.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::atomic::{sync_directory, write_file};
use super::layout::Layout;
use super::result_json::Iteration;
use super::{StoreError, metadata};
use crate::text;

/// Serial numbers have four digits.
const SERIALS: u32 = 10_000;

/// What to do when the output is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    #[default]
    Refuse,
    /// Replace it, if it is a result directory or empty.
    Replace,
}

/// A result directory that is being written.
#[derive(Debug, Clone)]
pub struct ResultStore {
    root: PathBuf,
}

impl ResultStore {
    /// Creates the directory, and its parents.
    ///
    /// An existing result is replaced by moving it aside, creating the new one, then deleting the
    /// old; when the new one cannot be created the old one is moved back.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it is there and may not be replaced; [`StoreError::NotReplaced`]
    /// when it does not look like a result, or holds what is needed to clean machines up.
    pub fn create(root: &Path, existing: Existing) -> Result<Self, StoreError> {
        let present = root.symlink_metadata().is_ok();
        match (present, existing) {
            (true, Existing::Refuse) => Err(StoreError::Exists {
                path: root.to_owned(),
            }),
            (true, Existing::Replace) => Self::replace(root),
            (false, _) => {
                if let Some(parent) = root.parent() {
                    fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
                }
                Self::create_new(root)
            }
        }
    }

    fn create_new(root: &Path) -> Result<Self, StoreError> {
        fs::create_dir(root).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists {
                path: root.to_owned(),
            },
            _ => StoreError::io("create", root)(error),
        })?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    fn replace(root: &Path) -> Result<Self, StoreError> {
        if let Some(reason) = why_not_replaceable(root)? {
            return Err(StoreError::NotReplaced {
                path: root.to_owned(),
                reason,
            });
        }
        let real = root.canonicalize().map_err(StoreError::io("read", root))?;
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let aside = real.with_file_name(format!(".{name}.replaced-{}", std::process::id()));
        fs::rename(&real, &aside).map_err(StoreError::io("rename", &real))?;
        if let Err(error) = Self::create_new(&real) {
            // The first error is the one to tell; the old result stays under its other name at worst.
            let _ = fs::rename(&aside, &real);
            return Err(error);
        }
        if let Err(error) = fs::remove_dir_all(&aside) {
            tracing::warn!(path = %aside.display(), %error, "the replaced result could not be deleted");
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Opens an existing one, to add to it.
    ///
    /// # Errors
    /// When it is no directory.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let meta = fs::metadata(root).map_err(StoreError::io("read", root))?;
        if !meta.is_dir() {
            let reason = "expected a directory".to_owned();
            return Err(StoreError::NoResult {
                path: root.to_owned(),
                reason,
            });
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Returns the directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory of a profile, by its safe name.
    pub fn profile_dir(&self, profile: &str) -> PathBuf {
        self.root.join(safe_name(profile))
    }

    /// Returns the directory of a test, by its safe names.
    pub fn test_dir(&self, profile: &str, test: &str) -> PathBuf {
        self.profile_dir(profile).join(safe_name(test))
    }

    /// Starts an attempt at a test in a fresh `PROFILE/TEST/tmpXXXXXXXX`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn begin(&self, profile: &str, test: &str) -> Result<Attempt, StoreError> {
        let test_dir = self.test_dir(profile, test);
        fs::create_dir_all(&test_dir).map_err(StoreError::io("create", &test_dir))?;
        let path = tempfile::Builder::new()
            .prefix("tmp")
            .rand_bytes(8)
            .tempdir_in(&test_dir)
            .map_err(StoreError::io("create", &test_dir))?
            .keep();
        Ok(Attempt {
            root: self.root.clone(),
            test_dir,
            path,
        })
    }

    /// Returns a path as seen from the result, for messages and events.
    pub fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Returns a directory below the result, creating it.
    ///
    /// # Errors
    /// When `place` leaves the result, or cannot be created.
    pub(super) fn place(&self, place: &Path) -> Result<PathBuf, StoreError> {
        let below = self.relative(place);
        if !below
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            let outside = io::Error::new(io::ErrorKind::InvalidInput, "it is outside the result");
            return Err(StoreError::io("create", place)(outside));
        }
        let path = self.root.join(below);
        fs::create_dir_all(&path).map_err(StoreError::io("create", &path))?;
        Ok(path)
    }
}

/// Returns a name that is safe as a directory: [`text::file_name`], never empty and never too long.
pub(crate) fn safe_name(name: &str) -> String {
    let mut safe = text::file_name(name);
    // All ASCII by now, so bytes are characters; a letter outside ASCII became several.
    safe.truncate(255);
    if safe.is_empty() {
        "_".to_owned()
    } else {
        safe
    }
}

/// Says why a directory must not be deleted; nothing when it is a result or empty.
fn why_not_replaceable(root: &Path) -> Result<Option<String>, StoreError> {
    if !root.is_dir() {
        return Ok(Some("it is no directory".to_owned()));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(StoreError::io("list", root))? {
        names.push(entry.map_err(StoreError::io("list", root))?.file_name());
    }
    if names.is_empty() {
        return Ok(None);
    }
    if !root.join(metadata::FILE_NAME).is_file() {
        return Ok(Some(format!(
            "it holds other things and no {}",
            metadata::FILE_NAME
        )));
    }
    if names.iter().any(|name| name == ".git") {
        return Ok(Some("it is a git repository".to_owned()));
    }
    if !journal_is_clean(root) {
        return Ok(Some(
            "its journal still lists changes of machines that were not undone".to_owned(),
        ));
    }
    Ok(None)
}

/// Returns whether the undo journal, if there is one, ends with `clean`.
fn journal_is_clean(root: &Path) -> bool {
    let Ok(text) = fs::read_to_string(root.join("__journal__.jsonl")) else {
        return true;
    };
    // Only `plan` lines stand for changes of a machine.
    let events: Vec<_> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| {
            line.get("event")
                .and_then(|event| event.as_str())
                .map(str::to_owned)
        })
        .collect();
    !events.iter().any(|event| event == "plan")
        || events.last().is_some_and(|event| event == "clean")
}

/// A test's directory while it runs. Dropped without [`Attempt::commit`] it stays as it is, under
/// its temporary name, which no reader takes for a result.
#[derive(Debug)]
#[must_use = "an attempt that is not committed is no result"]
pub struct Attempt {
    root: PathBuf,
    test_dir: PathBuf,
    path: PathBuf,
}

/// Where a finished test ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// `0000`.
    pub serial: String,
    /// Its directory.
    pub path: PathBuf,
    /// The same below the result: `PROFILE/TEST/0000`.
    pub place: PathBuf,
}

impl Attempt {
    /// Returns its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it the first free serial number by one rename.
    ///
    /// # Errors
    /// [`StoreError::NoSerial`] when all 10000 are taken; when the rename fails. The attempt then
    /// stays under its temporary name.
    pub fn commit(self) -> Result<Committed, StoreError> {
        // What the numbered directory promises must be on the disk before it has the number.
        let result = self.path.join("result.json");
        if let Ok(file) = fs::File::open(&result) {
            file.sync_all().map_err(StoreError::io("write", &result))?;
        }
        sync_directory(&self.path).map_err(StoreError::io("write", &self.path))?;
        for number in 0..SERIALS {
            let serial = format!("{number:04}");
            let path = self.test_dir.join(&serial);
            match rename_to_new(&self.path, &path) {
                Ok(()) => {
                    sync_directory(&self.test_dir)
                        .map_err(StoreError::io("write", &self.test_dir))?;
                    let place = path.strip_prefix(&self.root).unwrap_or(&path).to_owned();
                    return Ok(Committed {
                        serial,
                        path,
                        place,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::io("rename", &self.path)(error)),
            }
        }
        Err(StoreError::NoSerial {
            path: self.test_dir,
        })
    }
}

/// Renames, never onto something that is there: two programs get two numbers.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems cannot promise it; a directory with content still refuses.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        other => Ok(other?),
    }
}

/// Writes `result.json` through a temporary name and one rename.
///
/// Keys are sorted as pbench sorts them, each time series is one line. A number that is not finite
/// becomes `null`.
///
/// # Errors
/// When it cannot be written completely; then the old file, if any, is untouched.
pub fn write_result(path: &Path, iterations: &[Iteration]) -> Result<(), StoreError> {
    write_file(path, |out| {
        let mut value = serde_json::to_value(iterations)?;
        value.sort_all_objects();
        let mut json = serde_json::Serializer::with_formatter(&mut *out, Layout::default());
        serde::Serialize::serialize(&value, &mut json)?;
        out.write_all(b"\n")
    })
}
