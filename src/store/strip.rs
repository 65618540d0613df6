//! Small results: only what the right half reads.
//!
//! A stripped result compares exactly like the one it was made from, faults included.

mod prune;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::atomic::{Durability, write_file_with};
use super::read::{Include, walk};
use super::{StoreError, metadata};

/// What to keep beyond figures, failures and metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StripOptions {
    /// Also serial directories that do not start with a digit.
    pub include_incorrect: bool,
    /// Also `__sysinfo*__` of the run and of each profile.
    pub attach_sysinfo: bool,
    /// Replace files that are there and differ.
    pub force: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stripped {
    /// `result.json` files made small.
    pub results: usize,
    /// Failure records copied.
    pub failures: usize,
    /// Bytes of all files read and of all files in their new form.
    pub bytes: (u64, u64),
    /// What was kept as it is or passed over, one line each.
    pub warnings: Vec<String>,
}

/// Why a result could not be stripped.
#[derive(Debug, thiserror::Error)]
pub enum StripError {
    /// A file or directory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A directory of the source cannot be looked into.
    #[error("cannot copy all of the result: {message}")]
    Unreadable {
        /// Which, and why.
        message: String,
    },
    /// The source holds nothing to compare.
    #[error("{} holds no result.json that can be read and no recorded failure", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Files are there already and differ; nothing was written.
    #[error("{} in {} {} not what would be written: {}", count(paths.len(), "file"), destination.display(), if paths.len() == 1 { "is" } else { "are" }, some(paths))]
    Differs {
        /// Where to.
        destination: PathBuf,
        /// Which, below it.
        paths: Vec<PathBuf>,
    },
    /// Source and destination are the same, or one is in the other.
    #[error("{} and {} are one inside the other", from.display(), to.display())]
    Overlap {
        /// Source.
        from: PathBuf,
        /// Destination.
        to: PathBuf,
    },
    /// It was asked to stop; every file written is whole.
    #[error("interrupted; what was written is whole, the rest is missing")]
    Interrupted,
}

impl StripError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            StripError::Store(StoreError::NoResult { .. }) => Some("name a directory written by run-perf as SRC".into()),
            StripError::Store(error) => error.hint(),
            StripError::Unreadable { .. } => Some("check who owns it and who may read it".into()),
            StripError::Empty { .. } => {
                Some("--include-incorrect also takes results in directories that do not start with a digit".into())
            }
            StripError::Differs { .. } => Some("choose another DST, or replace them with --force".into()),
            StripError::Overlap { .. } => Some("choose a DST beside SRC".into()),
            StripError::Interrupted => Some("run it again: files that are there already are kept".into()),
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Names the first few of a list.
fn some(paths: &[PathBuf]) -> String {
    let mut text = paths
        .iter()
        .take(3)
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() > 3 {
        text.push_str(", …");
    }
    text
}

/// How a file gets into the small result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Prune,
    Copy,
}

/// Writes a small copy of the result `from` into `to`, which is created when missing; what is there
/// already is kept. `stop` is looked at between files.
///
/// # Errors
/// [`StripError`]; when files in `to` differ nothing is written unless `force`.
pub fn strip(
    from: &Path,
    to: &Path,
    options: StripOptions,
    stop: &AtomicBool,
) -> Result<Stripped, StripError> {
    check_apart(from, to)?;
    let found = walk::find(
        from,
        Include {
            incorrect: options.include_incorrect,
            samples: false,
            clients: false,
        },
    )?;
    let mut done = Stripped {
        failures: found.errors.len(),
        warnings: found.warnings,
        ..Stripped::default()
    };
    // Left out of the copy, it would be missing from its comparison.
    if let Some(failure) = found.failures.into_iter().next() {
        return Err(StripError::Unreadable {
            message: failure.message,
        });
    }
    if found.files.is_empty() && found.errors.is_empty() {
        return Err(StripError::Empty {
            path: from.to_owned(),
        });
    }

    let mut files = Vec::new();
    let whole = |path: PathBuf| from.join(&path).is_file().then_some((path, How::Copy));
    files.extend(whole(metadata::FILE_NAME.into()));
    for file in found.files {
        files.extend(whole(
            file.path
                .with_file_name(format!("{}.json", metadata::FILE_NAME)),
        ));
        files.push((file.path, How::Prune));
    }
    let mut trees = found.errors;
    if options.attach_sysinfo {
        trees.extend(sysinfo(from)?);
    }
    for tree in trees {
        add_tree(from, &tree, &mut files, &mut done.warnings);
    }

    let replaces = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if replaces && !options.force {
        refuse_differing(from, to, &files, stop)?;
    }
    let written: Vec<Result<Written, StripError>> = files
        .par_iter()
        .map(|(path, how)| transfer(from, to, path, *how, stop))
        .collect();
    for written in written {
        let Written {
            pruned,
            bytes,
            warning,
        } = written?;
        done.results += usize::from(pruned);
        done.bytes = (done.bytes.0 + bytes.0, done.bytes.1 + bytes.1);
        done.warnings.extend(warning);
    }
    if done.results == 0 && done.failures == 0 {
        return Err(StripError::Empty {
            path: from.to_owned(),
        });
    }
    Ok(done)
}

/// Refuses a destination inside the source and the other way round.
fn check_apart(from: &Path, to: &Path) -> Result<(), StripError> {
    let Ok(source) = from.canonicalize() else {
        return Ok(());
    };
    // The nearest ancestor that exists: the destination itself usually does not.
    let absolute = std::path::absolute(to).map_err(StoreError::io("read", to))?;
    let near = absolute
        .ancestors()
        .find_map(|path| Some((path, path.canonicalize().ok()?)));
    let Some((existing, real)) = near else {
        return Ok(());
    };
    let target = real.join(absolute.strip_prefix(existing).unwrap_or(Path::new("")));
    if target.starts_with(&source) || source.starts_with(&target) {
        return Err(StripError::Overlap {
            from: from.to_owned(),
            to: to.to_owned(),
        });
    }
    Ok(())
}

/// Returns the `__sysinfo*__` directories of the run and of its profiles, below `from`, sorted.
fn sysinfo(from: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let directories = |path: &Path| -> Result<Vec<PathBuf>, StoreError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(StoreError::io("list", path))? {
            let entry = entry.map_err(StoreError::io("list", path))?;
            if entry.path().is_dir() {
                names.push(PathBuf::from(entry.file_name()));
            }
        }
        names.sort();
        Ok(names)
    };
    let is_sysinfo = |name: &Path| {
        let name = name.as_os_str().as_encoded_bytes();
        name.starts_with(b"__sysinfo") && name.ends_with(b"__")
    };
    let (mut found, profiles): (Vec<_>, Vec<_>) = directories(from)?
        .into_iter()
        .partition(|name| is_sysinfo(name));
    for profile in profiles
        .iter()
        .filter(|name| !name.as_os_str().as_encoded_bytes().starts_with(b"."))
    {
        // A profile that cannot be listed was named by the walk already.
        let inside = directories(&from.join(profile)).unwrap_or_default();
        found.extend(
            inside
                .into_iter()
                .filter(|name| is_sysinfo(name))
                .map(|name| profile.join(name)),
        );
    }
    Ok(found)
}

/// Adds every regular file of a directory, sorted; links to directories are not followed.
fn add_tree(
    from: &Path,
    directory: &Path,
    files: &mut Vec<(PathBuf, How)>,
    warnings: &mut Vec<String>,
) {
    let entries =
        fs::read_dir(from.join(directory)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            warnings.push(format!(
                "{}: cannot be listed: {error}",
                directory.display()
            ));
            return;
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = directory.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            add_tree(from, &path, files, warnings);
        } else if entry.path().is_file() {
            files.push((path, How::Copy));
        } else {
            warnings.push(format!("{}: no regular file, left out", path.display()));
        }
    }
}

fn check_stop(stop: &AtomicBool) -> Result<(), StripError> {
    if stop.load(Ordering::Relaxed) {
        Err(StripError::Interrupted)
    } else {
        Ok(())
    }
}

fn refuse_differing(
    from: &Path,
    to: &Path,
    files: &[(PathBuf, How)],
    stop: &AtomicBool,
) -> Result<(), StripError> {
    let differs = |(path, how): &(PathBuf, How)| -> Result<Option<PathBuf>, StripError> {
        check_stop(stop)?;
        let target = to.join(path);
        // What cannot be looked at (a loop of links, a file where a directory should be) differs too.
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &target)(error).into()),
            Ok(meta) if !meta.is_file() => Ok(Some(path.clone())),
            Ok(_) => {
                let there = fs::read(&target).map_err(StoreError::io("read", &target))?;
                let (content, _) = content(from, path, *how)?;
                Ok((there != content.bytes).then(|| path.clone()))
            }
        }
    };
    let paths = files
        .par_iter()
        .map(differs)
        .collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<_> = paths.into_iter().flatten().collect();
    if paths.is_empty() {
        Ok(())
    } else {
        Err(StripError::Differs {
            destination: to.to_owned(),
            paths,
        })
    }
}

struct Written {
    pruned: bool,
    bytes: (u64, u64),
    warning: Option<String>,
}

struct Content {
    bytes: Vec<u8>,
    pruned: bool,
    before: usize,
}

/// Returns a file's content in its new form. A `result.json` that is no JSON is kept as it is.
fn content(from: &Path, path: &Path, how: How) -> Result<(Content, Option<String>), StoreError> {
    let source = from.join(path);
    if !fs::metadata(&source)
        .map_err(StoreError::io("read", &source))?
        .is_file()
    {
        return Err(StoreError::io("read", &source)(io::Error::other(
            "it is no regular file",
        )));
    }
    let bytes = fs::read(&source).map_err(StoreError::io("read", &source))?;
    let before = bytes.len();
    if how == How::Copy {
        return Ok((
            Content {
                bytes,
                pruned: false,
                before,
            },
            None,
        ));
    }
    match prune::prune(&bytes) {
        Ok(small) => Ok((
            Content {
                bytes: small,
                pruned: true,
                before,
            },
            None,
        )),
        Err(error) => {
            let warning = format!("{}: kept as it is: {error}", path.display());
            Ok((
                Content {
                    bytes,
                    pruned: false,
                    before,
                },
                Some(warning),
            ))
        }
    }
}

fn transfer(
    from: &Path,
    to: &Path,
    path: &Path,
    how: How,
    stop: &AtomicBool,
) -> Result<Written, StripError> {
    check_stop(stop)?;
    let (
        Content {
            bytes,
            pruned,
            before,
        },
        warning,
    ) = content(from, path, how)?;
    let target = to.join(path);
    let same = fs::read(&target).is_ok_and(|there| there == bytes);
    if !same {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
        }
        write_file_with(&target, Durability::Cached, |out| out.write_all(&bytes))?;
        // A night that says no date has that of its metadata file; a file system that keeps no
        // times is no reason to fail.
        let modified = fs::metadata(from.join(path)).and_then(|meta| meta.modified());
        modified
            .and_then(|time| {
                fs::File::options()
                    .write(true)
                    .open(&target)?
                    .set_modified(time)
            })
            .unwrap_or_default();
    }
    Ok(Written {
        pruned,
        bytes: (before as u64, bytes.len() as u64),
        warning,
    })
}
