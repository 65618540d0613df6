//! Unpacking a tar stream that a machine sends, which may be hostile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use tar::{Archive, EntryType, PaxExtensions};

use super::copy_exactly;

/// Names longer than any file system has.
const LONGEST_NAME: u64 = 64 << 10;
/// How many things that were left out are named.
const NAMED: usize = 100;

/// How much may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

impl Default for Bounds {
    /// 2 GiB in 200 000 files: more than the logs of a machine have.
    fn default() -> Self {
        Self {
            bytes: 2 << 30,
            entries: 200_000,
        }
    }
}

/// What came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Regular files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What was not unpacked, at most 100: `NAME -> TARGET` for links that lead out, else names.
    pub left_out: Vec<String>,
}

fn refused(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Unpacks a stream into `folder`, which is made where it is missing.
pub(super) fn unpack(from: impl Read, folder: &Path, bounds: Bounds) -> io::Result<Fetched> {
    fs::create_dir_all(folder)?;
    let mut archive = Archive::new(from);
    let mut fetched = Fetched::default();
    let mut entries = 0;
    let (mut long_name, mut long_link) = (None, None);
    // Raw: long names are read here, with a limit.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if matches!(
            kind,
            EntryType::GNULongName
                | EntryType::GNULongLink
                | EntryType::XHeader
                | EntryType::XGlobalHeader
        ) {
            let mut text = Vec::new();
            let length = entry.header().entry_size()?;
            if length > LONGEST_NAME {
                return Err(refused(format!("a name of {length} bytes")));
            }
            copy_exactly(&mut entry, &mut text, length)?;
            match kind {
                EntryType::GNULongName => long_name = Some(path_of(&text)),
                EntryType::GNULongLink => long_link = Some(path_of(&text)),
                EntryType::XHeader => {
                    for record in PaxExtensions::new(&text) {
                        let record = record?;
                        match record.key_bytes() {
                            b"path" => long_name = Some(path_of(record.value_bytes())),
                            b"linkpath" => long_link = Some(path_of(record.value_bytes())),
                            b"size" => {
                                return Err(refused("a file whose size is told twice".into()));
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
            continue;
        }
        let name = match long_name.take() {
            Some(name) => name,
            None => path_of(&entry.header().path_bytes()),
        };
        let link = match long_link.take() {
            Some(link) => Some(link),
            None => entry.header().link_name_bytes().map(|link| path_of(&link)),
        };
        entries += 1;
        if entries > bounds.entries {
            return Err(refused(format!("more than {} files", bounds.entries)));
        }
        let Some(inside) = inside(&name) else {
            return Err(refused(format!(
                "the name `{}` leads out of the folder",
                name.display()
            )));
        };
        if inside.as_os_str().is_empty() {
            continue;
        }
        let place = Place {
            folder,
            inside: &inside,
        };
        match kind {
            EntryType::Directory => place.make_folders(&inside)?,
            EntryType::Regular | EntryType::Continuous => {
                let size = entry.header().entry_size()?;
                fetched.bytes = fetched.bytes.saturating_add(size);
                if fetched.bytes > bounds.bytes {
                    return Err(refused(format!("more than {} bytes", bounds.bytes)));
                }
                let (mode, time) = (entry.header().mode()?, entry.header().mtime()?);
                let mut file = place.create(mode)?;
                copy_exactly(&mut entry, &mut file, size)?;
                if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time)) {
                    let _ = file.set_modified(time);
                }
                fetched.files += 1;
            }
            EntryType::Symlink if place.stays_inside(link.as_deref()) => {
                place.make_parents()?;
                symlink(link.unwrap_or_default(), place.path())
                    .map_err(|error| place.named(error))?;
            }
            EntryType::Link if place.hard_link(link.as_deref())? => fetched.files += 1,
            _ => {
                tracing::debug!(name = %inside.display(), ?kind, "left out of what came");
                if fetched.left_out.len() < NAMED {
                    let to = link.map(|link| format!(" -> {}", link.display()));
                    fetched.left_out.push(format!(
                        "{}{}",
                        inside.display(),
                        to.unwrap_or_default()
                    ));
                }
            }
        }
    }
    // What fills the last record, so that the sender need not stop halfway.
    let mut rest = archive.into_inner();
    io::copy(&mut rest.by_ref().take(1 << 20), &mut io::sink())?;
    Ok(fetched)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    Path::new(std::ffi::OsStr::from_bytes(&bytes[..end])).to_owned()
}

/// Returns a name below the folder without `.`; `None` when it leads out.
fn inside(name: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for part in name.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => inside.push(part),
            _ => return None,
        }
    }
    Some(inside)
}

/// Where an entry goes.
struct Place<'a> {
    folder: &'a Path,
    inside: &'a Path,
}

impl Place<'_> {
    fn path(&self) -> PathBuf {
        self.folder.join(self.inside)
    }

    fn named(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::AlreadyExists => {
                refused(format!("`{}` exists already", self.inside.display()))
            }
            kind => io::Error::new(kind, format!("{}: {error}", self.path().display())),
        }
    }

    fn make_parents(&self) -> io::Result<()> {
        match self.inside.parent() {
            Some(parent) => self.make_folders(parent),
            None => Ok(()),
        }
    }

    /// Makes folders one by one, never through a link that came before.
    fn make_folders(&self, inside: &Path) -> io::Result<()> {
        let mut path = self.folder.to_owned();
        for part in inside {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => {
                    return Err(refused(format!(
                        "`{}` goes through something that is no folder",
                        self.inside.display()
                    )));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::DirBuilder::new().mode(0o755).create(&path)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A new file; its owner may always read, change and remove it, and nothing runs as somebody else.
    fn create(&self, mode: u32) -> io::Result<File> {
        self.make_parents()?;
        let path = self.path();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| self.named(error))?;
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777 | 0o600))?;
        Ok(file)
    }

    /// Returns whether a link ends below the folder: some `..`, never more than there are folders above
    /// it, then names. A `..` behind a name could come out anywhere, as the name may be a link itself.
    fn stays_inside(&self, link: Option<&Path>) -> bool {
        let Some(link) = link.filter(|link| !link.as_os_str().is_empty()) else {
            return false;
        };
        let above = self.inside.components().count() - 1;
        let up = link
            .components()
            .take_while(|part| matches!(part, Component::ParentDir | Component::CurDir))
            .filter(|part| *part == Component::ParentDir)
            .count();
        up <= above
            && link
                .components()
                .skip_while(|part| matches!(part, Component::ParentDir | Component::CurDir))
                .all(|part| matches!(part, Component::Normal(_)))
    }

    /// Links to a file that came before; `false` when there is none.
    fn hard_link(&self, link: Option<&Path>) -> io::Result<bool> {
        let Some(first) = link
            .and_then(inside)
            .filter(|name| !name.as_os_str().is_empty())
        else {
            return Ok(false);
        };
        let mut path = self.folder.to_owned();
        let parents = first.components().count() - 1;
        for (index, part) in first.iter().enumerate() {
            path.push(part);
            let metadata = fs::symlink_metadata(&path);
            let fits = |metadata: fs::Metadata| {
                if index < parents {
                    metadata.is_dir()
                } else {
                    metadata.is_file()
                }
            };
            if !metadata.is_ok_and(fits) {
                return Ok(false);
            }
        }
        self.make_parents()?;
        fs::hard_link(path, self.path()).map_err(|error| self.named(error))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;

    /// Kind, name as it stands in the header, what a link leads to, content.
    type Item<'a> = (EntryType, &'a str, &'a str, &'a [u8]);

    fn archive(items: &[Item<'_>]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (kind, name, link, content) in items {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o4755);
            header.set_size(content.len() as u64);
            // Written as they are: the builder itself refuses bad names.
            let gnu = header.as_gnu_mut().expect("made so");
            gnu.name[..name.len()].copy_from_slice(name.as_bytes());
            gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_cksum();
            tar.append(&header, *content).expect("memory");
        }
        tar.into_inner().expect("memory")
    }

    fn unpacked(items: &[Item<'_>]) -> (tempfile::TempDir, io::Result<Fetched>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let result = unpack(
            &archive(items)[..],
            &dir.path().join("to"),
            Bounds::default(),
        );
        assert_eq!(
            fs::read_dir(dir.path()).expect("there").count(),
            1,
            "nothing outside"
        );
        (dir, result)
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["../x", "/etc/x", "a/../../x", "a/.."] {
            let (_dir, result) = unpacked(&[(EntryType::Regular, name, "", b"x")]);
            let error = result.expect_err(name);
            assert!(error.to_string().contains("leads out"), "{name}: {error}");
        }
    }

    #[test]
    fn links_that_lead_out_devices_and_pipes_are_left_out() {
        use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
        let (dir, result) = unpacked(&[
            (Directory, "a/", "", b""),
            (Regular, "a/f", "", b"x"),
            (Symlink, "abs", "/etc/passwd", b""),
            (Symlink, "up", "../x", b""),
            (Symlink, "a/up", "../../x", b""),
            (Symlink, "here", ".", b""),
            (Symlink, "tricky", "here/../x", b""),
            (Symlink, "a/fine", "../a/f", b""),
            (Link, "hard", "a/f", b""),
            (Link, "out", "/etc/passwd", b""),
            (Link, "through", "abs", b""),
            (Char, "tty", "", b""),
            (Block, "disk", "", b""),
            (Fifo, "pipe", "", b""),
        ]);
        let fetched = result.expect("unpacked");
        assert_eq!(
            fetched.left_out,
            [
                "abs -> /etc/passwd",
                "up -> ../x",
                "a/up -> ../../x",
                "tricky -> here/../x",
                "out -> /etc/passwd",
                "through -> abs",
                "tty",
                "disk",
                "pipe"
            ]
        );
        assert_eq!(fetched.files, 2);
        let to = dir.path().join("to");
        assert_eq!(fs::read(to.join("a/fine")).expect("a link"), b"x");
        let mode = fs::metadata(to.join("hard"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755, "not as somebody else");
    }

    #[test]
    fn nothing_is_written_through_a_link_or_over_a_file() {
        use EntryType::{Regular, Symlink};
        let (_dir, result) = unpacked(&[(Symlink, "l", ".", b""), (Regular, "l/f", "", b"x")]);
        assert!(result.is_err_and(|error| error.to_string().contains("no folder")));
        let (_dir, result) = unpacked(&[(Regular, "f", "", b"x"), (Regular, "f", "", b"y")]);
        assert!(result.is_err_and(|error| error.to_string().contains("exists already")));
    }

    #[test]
    fn a_stream_that_is_cut_or_no_archive_is_an_error() {
        let whole = archive(&[(EntryType::Regular, "f", "", &[7; 2000])]);
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (index, bytes) in [&whole[..1000], &[9; 4096][..]].into_iter().enumerate() {
            let to = dir.path().join(index.to_string());
            assert!(unpack(bytes, &to, Bounds::default()).is_err(), "{index}");
        }
        let huge = archive(&[(EntryType::GNULongName, "n", "", &[b'n'; 70_000])]);
        let error = unpack(&huge[..], &dir.path().join("n"), Bounds::default());
        assert!(error.is_err_and(|error| error.to_string().contains("70000")));
    }
}
