//! Writing a file so that nobody ever sees half of it.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::StoreError;

/// Writes a file through a temporary name in the same directory and one rename; both the file and
/// the directory are on the disk when it returns.
///
/// # Errors
/// When it cannot be written completely; then the old file, if any, is untouched and the temporary
/// one is gone.
pub fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), StoreError> {
    write_file_with(path, Durability::Synced, fill)
}

/// What holds when a write returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It survives a power cut.
    Synced,
    /// The system has it; right for what can be made again.
    Cached,
}

/// [`write_file`], with a choice.
pub(super) fn write_file_with(
    path: &Path,
    durability: Durability,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), StoreError> {
    write(path, durability, fill).map_err(StoreError::io("write", path))
}

fn write(
    path: &Path,
    durability: Durability,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Hidden, so that no reader takes it for a result; the umask still applies.
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    let mut out = BufWriter::with_capacity(1 << 16, &mut file);
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    if durability == Durability::Synced {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    match durability {
        Durability::Synced => sync_directory(directory),
        Durability::Cached => Ok(()),
    }
}

/// Makes renames and new names in a directory survive a power cut.
///
/// File systems that cannot sync a directory do not fail the write.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("f");
        write_file(&path, |out| out.write_all(b"old")).expect("written");
        let error = write_file(&path, |out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .expect_err("full");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("free some space"))
        );
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "old");
        assert_eq!(std::fs::read_dir(root.path()).expect("listable").count(), 1);
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o600, 0o600);
    }
}
