//! Writing a tar stream of a folder of this machine.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

/// Writes everything below `folder`, sorted by name, links as links.
///
/// # Errors
/// When something cannot be read, or nobody reads what is written.
pub(super) fn pack(folder: &Path, to: impl Write) -> io::Result<()> {
    let mut tar = Builder::new(BufWriter::with_capacity(256 << 10, to));
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is not a folder", folder.display()),
        ));
    }
    // Last is next: folders come before what is in them.
    let mut todo = vec![PathBuf::new()];
    while let Some(name) = todo.pop() {
        let path = folder.join(&name);
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            let mut inside: Vec<PathBuf> = fs::read_dir(&path)?
                .map(|entry| Ok(name.join(entry?.file_name())))
                .collect::<io::Result<_>>()?;
            inside.sort_unstable_by(|a, b| b.cmp(a));
            todo.append(&mut inside);
        }
        if !name.as_os_str().is_empty() {
            add(&mut tar, &name, &path, &metadata).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        }
    }
    tar.into_inner()?.flush()
}

fn add<W: Write>(
    tar: &mut Builder<W>,
    name: &Path,
    path: &Path,
    metadata: &Metadata,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(metadata.permissions().mode() & 0o7777);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    let kind = metadata.file_type();
    if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        return tar.append_link(&mut header, name, fs::read_link(path)?);
    }
    if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        return tar.append_data(&mut header, name, io::empty());
    }
    if !kind.is_file() {
        let what = if kind.is_socket() {
            "socket"
        } else {
            "device or pipe"
        };
        tracing::warn!(path = %path.display(), what, "left out of what is sent");
        return Ok(());
    }
    header.set_entry_type(EntryType::Regular);
    header.set_size(metadata.len());
    let file = Exactly {
        file: File::open(path)?,
        left: metadata.len(),
    };
    tar.append_data(&mut header, name, file)
}

/// As many bytes as the header says, though the file may change meanwhile.
struct Exactly {
    file: File,
    left: u64,
}

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.file.read(&mut buffer[..most])?;
        self.left -= count as u64;
        if count == 0 && most > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it became shorter while it was read",
            ));
        }
        Ok(count)
    }
}
