//! Archives of other people, looked at before anything is done with them.
//!
//! [`inspect`] reads a gzip-compressed tar from its first byte to its last and says everything that
//! is wrong with it: names that lead out of the folder it is unpacked in, links and devices, bombs,
//! truncation. Nothing is written. Whatever two tar programs could read in two ways is refused, so
//! that what was checked here is what `tar` unpacks over there. [`names`] has the rules for names,
//! [`walk`] the reading.

pub(crate) mod names;
#[cfg(test)]
mod tests;
mod walk;

use std::io;
use std::path::{Path, PathBuf};

pub use walk::inspect;

/// Faults that are listed one by one; the rest is counted.
pub(crate) const LISTED: usize = 100;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of all files together, unpacked.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 100_000,
            unpacked: 4 << 30,
        }
    }
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link that stays inside; as written.
    Link(PathBuf),
    /// A second name of an earlier file of the archive.
    HardLink(PathBuf),
    /// Anything else, which is a fault: in words.
    Other(&'static str),
}

/// One member, under its name without `.` and doubled slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name below the folder it is unpacked in.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
}

/// Something that is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `format`, `truncated`, `damaged`, `name`, `link`, `kind`, `duplicate`, `too-large`, `too-many`.
    pub class: &'static str,
    /// Name of the member as it stands in the archive, if it is one member's.
    pub member: Option<String>,
    /// What was expected and what was found.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.member {
            Some(member) => write!(f, "member `{member}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What an archive holds, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// In the order of the archive.
    pub members: Vec<Member>,
    /// Bytes of all files together.
    pub unpacked: u64,
    /// Bytes of the archive itself.
    pub packed: u64,
    /// SHA-256 of the archive, of what was read of it.
    pub sha256: String,
    /// What is wrong, in the order it was met; a hundred at most.
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more_faults: u64,
    /// Odd, but harmless.
    pub notes: Vec<String>,
}

impl Contents {
    fn fault(&mut self, class: &'static str, member: Option<&[u8]>, message: impl Into<String>) {
        if self.faults.len() >= LISTED {
            self.more_faults += 1;
            return;
        }
        let member = member.map(|name| {
            let name = crate::text::one_line(&String::from_utf8_lossy(name));
            if name.chars().count() > 120 {
                format!("{}…", name.chars().take(120).collect::<String>())
            } else {
                name
            }
        });
        self.faults.push(Fault {
            class,
            member,
            message: message.into(),
        });
    }
}

/// Inspects an archive on disk.
///
/// # Errors
/// When it cannot be opened; whatever is wrong inside is in [`Contents::faults`].
pub fn inspect_file(path: &Path, limits: &Limits) -> io::Result<Contents> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    Ok(inspect(file, limits))
}
