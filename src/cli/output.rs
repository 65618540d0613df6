//! Where an answer goes: a file, written whole or not at all, or standard output.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A FILE argument of an option that writes; `-` is standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file; replaced when it exists.
    File(PathBuf),
}

impl From<OsString> for Target {
    fn from(typed: OsString) -> Self {
        if typed == "-" {
            Target::Stdout
        } else {
            Target::File(typed.into())
        }
    }
}

impl Target {
    /// Checks before the work that the file has a place to go to.
    ///
    /// # Errors
    ///
    /// When its directory does not exist, or it is a directory itself.
    pub fn check(&self) -> anyhow::Result<()> {
        let Target::File(path) = self else {
            return Ok(());
        };
        if path.as_os_str().is_empty() {
            bail!("cannot write to a file without a name");
        }
        if path.is_dir() {
            bail!("cannot write {}: it is a directory", path.display());
        }
        let parent = parent(path);
        if !parent.is_dir() {
            bail!(
                "cannot write {}: there is no directory {}",
                path.display(),
                parent.display()
            );
        }
        Ok(())
    }

    /// Returns whether both would end up in the same file, however it is spelled.
    pub fn is_same_file(&self, other: &Target) -> bool {
        let (Target::File(a), Target::File(b)) = (self, other) else {
            return false;
        };
        a == b || place(a).is_some_and(|place_of_a| Some(place_of_a) == place(b))
    }

    /// Writes `content` as a whole: through a temporary file beside the target and one rename, so
    /// that a full disk or an interruption leaves the old file as it was.
    ///
    /// A symbolic link is followed; what is no regular file (a pipe, `/dev/stdout`) is written
    /// directly. Permissions of an existing file are kept. A closed standard output is no error.
    ///
    /// # Errors
    ///
    /// When it cannot be written completely.
    pub fn write(&self, content: &[u8]) -> anyhow::Result<()> {
        match self {
            Target::Stdout => print(content).context("cannot write to standard output"),
            Target::File(path) => write_file(path, content)
                .with_context(|| format!("cannot write {}", path.display())),
        }
    }
}

/// Writes an answer to standard output; a reader that has gone away (`| head`) is no error.
///
/// # Errors
///
/// When standard output does not take it (full disk).
pub fn print(content: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Returns where a file is or will be, without links and detours.
fn place(path: &Path) -> Option<PathBuf> {
    let directory = || Some(fs::canonicalize(parent(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(directory)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)?
            .write_all(content);
    }
    let path = if old.is_some() {
        fs::canonicalize(path)?
    } else {
        path.to_owned()
    };
    // Masked by the umask when the file is made; an existing file keeps what it had.
    let permissions = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(".run-perf-")
        .permissions(permissions)
        .tempfile_in(parent(&path))?;
    file.write_all(content)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("model.json");
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");

        Target::File(path.clone()).write(b"new").expect("written");

        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(
            fs::read_dir(dir.path()).expect("listed").count(),
            1,
            "nothing else is left"
        );
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, link) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "old").expect("written");
        std::os::unix::fs::symlink("a", &link).expect("linked");

        Target::File(link.clone()).write(b"new").expect("written");

        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&path).expect("read"), b"new");
    }

    #[test]
    fn one_file_is_known_by_every_spelling() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = |name: &str| Target::File(dir.path().join(name));
        fs::create_dir(dir.path().join("sub")).expect("made");
        fs::write(dir.path().join("there"), "").expect("written");
        std::os::unix::fs::symlink("there", dir.path().join("link")).expect("linked");
        for (a, b, same) in [
            ("x", "x", true),
            ("x", "./x", true),
            ("x", "sub/../x", true),
            ("there", "link", true),
            ("x", "y", false),
            ("x", "sub/x", false),
            ("no/x", "no/./x", true),
            ("no/x", "nor/x", false),
        ] {
            assert_eq!(target(a).is_same_file(&target(b)), same, "{a} {b}");
        }
        assert!(!Target::Stdout.is_same_file(&Target::Stdout));
    }

    #[test]
    fn a_target_without_a_place_is_refused_before_the_work() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = |path: PathBuf| {
            Target::File(path)
                .check()
                .expect_err("no place")
                .to_string()
        };
        assert!(error(dir.path().join("no/where")).contains("there is no directory"));
        assert!(error(dir.path().to_owned()).contains("it is a directory"));
        assert!(error(PathBuf::new()).contains("without a name"));
        assert!(Target::from(OsString::from("-")).check().is_ok());
        assert!(Target::File("plain".into()).check().is_ok());
    }
}
