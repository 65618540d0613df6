//! Reading an archive member by member, within limits of time and memory that the archive cannot move.
//!
//! Entries are taken raw from the tar reader: names longer than a header (GNU `L` and `K`, pax `x`
//! and `g`) are read here, bounded, and what only some tar programs obey is a fault.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType, PaxExtensions};

use super::{Contents, Kind, Limits, Member, names};
use crate::control::mask::hex;

/// First bytes of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Longest header extension that is read.
const LONGEST_EXTENSION: u64 = 64 << 10;
/// Most memory for names.
const NAME_BYTES: usize = 64 << 20;
/// Room in the stream for headers and padding of one entry, long names included.
const ENTRY_OVERHEAD: u64 = 4 << 10;
/// Room for the padding at the end; tar programs fill up to their block size.
const END_OVERHEAD: u64 = 16 << 20;

/// Counts and sums up what is read through it.
struct Summed<'a, R> {
    from: R,
    sum: &'a mut Sha256,
    length: &'a Cell<u64>,
}

impl<R: Read> Read for Summed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.sum.update(&buffer[..count]);
        self.length.set(self.length.get() + count as u64);
        Ok(count)
    }
}

/// Fails when more comes out than may.
struct Bounded<'a, R> {
    from: R,
    left: u64,
    exceeded: &'a Cell<bool>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                self.exceeded.set(true);
                return Err(io::Error::other("more than is allowed"));
            }
        }
        Ok(count)
    }
}

/// Reads an archive to its end, or to where it cannot be read any further.
///
/// Takes memory for the list of members only, at most `limits.entries` of them.
pub fn inspect(from: impl Read, limits: &Limits) -> Contents {
    let mut contents = Contents::default();
    let mut sum = Sha256::new();
    let length = Cell::new(0);
    let exceeded = Cell::new(false);
    {
        let summed = Summed {
            from,
            sum: &mut sum,
            length: &length,
        };
        let mut packed = BufReader::with_capacity(64 << 10, summed);
        if looks_packed(&mut packed, &mut contents) {
            let room = limits
                .entries
                .saturating_mul(ENTRY_OVERHEAD)
                .saturating_add(END_OVERHEAD);
            let mut stream = Bounded {
                from: MultiGzDecoder::new(&mut packed),
                left: limits.unpacked.saturating_add(room),
                exceeded: &exceeded,
            };
            let walked = Walk::new(limits, &mut contents).all(&mut stream);
            if let Err(error) = walked.and_then(|whole| match whole {
                true => rest(&mut stream, &mut contents),
                false => Ok(()),
            }) {
                stopped(&error, exceeded.get(), limits, &mut contents);
            }
        }
    }
    contents.packed = length.get();
    contents.sha256 = hex(&sum.finalize());
    contents
}

fn looks_packed(packed: &mut impl io::BufRead, contents: &mut Contents) -> bool {
    let start = match packed.fill_buf() {
        Ok(start) => start,
        Err(error) => {
            contents.fault("damaged", None, format!("it cannot be read: {error}"));
            return false;
        }
    };
    if start.starts_with(&GZIP) {
        return true;
    }
    let found = match start {
        [] => "nothing: the file is empty",
        _ if start.get(257..262) == Some(b"ustar") => "a tar that is not compressed",
        [0xfd, b'7', b'z', ..] => "xz",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [b'P', b'K', ..] => "zip",
        _ => "something else",
    };
    contents.fault(
        "format",
        None,
        format!("format: unsupported: expected a gzip-compressed tar, found {found}"),
    );
    false
}

/// After the end mark only padding may come; the end of the stream also checks the sum of gzip.
fn rest(stream: &mut impl Read, contents: &mut Contents) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut told = false;
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if !told && buffer[..count].iter().any(|byte| *byte != 0) {
            told = true;
            contents.fault(
                "damaged",
                None,
                "expected nothing after the end of the archive, found data that some tar programs would read",
            );
        }
    }
}

fn stopped(error: &io::Error, exceeded: bool, limits: &Limits, contents: &mut Contents) {
    let members = contents.members.len();
    let place = format!(
        "after {members} member{}",
        if members == 1 { "" } else { "s" }
    );
    if exceeded {
        let most = limits.unpacked;
        contents.fault(
            "too-large",
            None,
            format!("expected at most {most} bytes unpacked, found more {place}"),
        );
        return;
    }
    let cut = error.kind() == io::ErrorKind::UnexpectedEof
        || error.to_string().contains("unexpected EOF")
        || error.to_string().contains("failed to read entire block");
    if cut {
        contents.fault(
            "truncated",
            None,
            format!(
                "expected the end of the archive, found the end of the file {place}: it was cut"
            ),
        );
    } else {
        contents.fault("damaged", None, format!("it is damaged {place}: {error}"));
    }
}

/// What header extensions say about the next member.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    /// A fault that was met in them; the member they belong to cannot be believed.
    broken: bool,
}

impl Ahead {
    fn is_something(&self) -> bool {
        self.name.is_some() || self.link.is_some() || self.size.is_some() || self.broken
    }
}

/// One header, as it stands.
struct Header {
    kind: EntryType,
    name: Vec<u8>,
    link: Vec<u8>,
    mode: Option<u32>,
    size: u64,
}

struct Walk<'a> {
    limits: &'a Limits,
    contents: &'a mut Contents,
    ahead: Ahead,
    entries: u64,
    /// Every path with what it is, folders that are only implied included.
    seen: BTreeMap<PathBuf, Seen>,
    /// Bytes of all names in `seen`.
    name_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Folder,
    File,
    Other,
}

impl<'a> Walk<'a> {
    fn new(limits: &'a Limits, contents: &'a mut Contents) -> Self {
        Self {
            limits,
            contents,
            ahead: Ahead::default(),
            entries: 0,
            seen: BTreeMap::new(),
            name_bytes: 0,
        }
    }

    /// Returns whether the end was reached; `false`: a limit was.
    fn all(mut self, stream: &mut impl Read) -> io::Result<bool> {
        let mut archive = Archive::new(stream);
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                let most = self.limits.entries;
                self.contents.fault(
                    "too-many",
                    None,
                    format!("expected at most {most} members, found more"),
                );
                return Ok(false);
            }
            let header = Header {
                kind: entry.header().entry_type(),
                name: entry.path_bytes().into_owned(),
                link: entry.link_name_bytes().unwrap_or_default().into_owned(),
                mode: entry.header().mode().ok(),
                size: entry.header().entry_size()?,
            };
            if self.extension(&header, &mut entry)? {
                continue;
            }
            if !self.member(header) {
                return Ok(false);
            }
        }
        if self.ahead.is_something() {
            self.contents.fault(
                "truncated",
                None,
                "expected a member after its long name, found the end of the archive",
            );
        }
        Ok(true)
    }

    /// Reads what describes the next member; `false` when this is a member itself.
    fn extension(&mut self, header: &Header, data: &mut impl Read) -> io::Result<bool> {
        let kind = header.kind;
        let global = kind.is_pax_global_extensions();
        if !(kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || global)
        {
            return Ok(false);
        }
        if header.size > LONGEST_EXTENSION {
            let message = format!(
                "expected a name of a few thousand bytes, found a header of {}",
                header.size
            );
            self.contents.fault("name", Some(&header.name), message);
            self.ahead.broken = !global;
            return Ok(true);
        }
        let mut text = Vec::new();
        data.read_to_end(&mut text)?;
        if (text.len() as u64) < header.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            while text.last() == Some(&0) {
                text.pop();
            }
            let slot = if kind.is_gnu_longname() {
                &mut self.ahead.name
            } else {
                &mut self.ahead.link
            };
            let twice = slot.replace(text).is_some();
            if twice {
                self.confusing(header, "one long name, found two");
            }
        } else {
            self.pax(header, &text, global);
        }
        Ok(true)
    }

    fn pax(&mut self, header: &Header, text: &[u8], global: bool) {
        for pair in PaxExtensions::new(text) {
            let Ok(pair) = pair else {
                self.confusing(header, "well-formed pax records, found a broken one");
                return;
            };
            let (key, value) = (pair.key_bytes(), pair.value_bytes());
            match key {
                _ if key.starts_with(b"GNU.sparse.") => {
                    self.confusing(header, "a plain file, found a sparse one");
                }
                b"path" | b"linkpath" | b"size" if global => {
                    self.confusing(header, "a name for each member, found one for all of them");
                }
                b"path" | b"linkpath" => {
                    let slot = if key == b"path" {
                        &mut self.ahead.name
                    } else {
                        &mut self.ahead.link
                    };
                    if slot.replace(value.to_vec()).is_some() {
                        self.confusing(header, "one long name, found two");
                    }
                }
                b"size" => {
                    self.ahead.size = std::str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.parse().ok());
                    if self.ahead.size.is_none() {
                        self.confusing(header, "a size, found something else");
                    }
                }
                _ => {}
            }
        }
    }

    /// What tar programs read in different ways.
    fn confusing(&mut self, header: &Header, what: &str) {
        self.contents
            .fault("damaged", Some(&header.name), format!("expected {what}"));
        self.ahead.broken = true;
    }

    /// Checks a member; `false` when a limit is reached.
    fn member(&mut self, header: Header) -> bool {
        let ahead = std::mem::take(&mut self.ahead);
        let name = ahead.name.unwrap_or(header.name);
        let link = ahead.link.unwrap_or(header.link);
        if ahead.broken {
            return true;
        }
        if ahead.size.is_some_and(|size| size != header.size) {
            self.contents.fault(
                "damaged",
                Some(&name),
                format!(
                    "expected one size, found two ({} and {})",
                    header.size,
                    ahead.size.unwrap_or_default()
                ),
            );
            // Where the next header starts is a matter of opinion from here on.
            return false;
        }
        self.contents.unpacked = self.contents.unpacked.saturating_add(header.size);
        if self.contents.unpacked > self.limits.unpacked {
            self.contents.fault(
                "too-large",
                Some(&name),
                format!(
                    "expected at most {} bytes unpacked in all, found {} with this one",
                    self.limits.unpacked, self.contents.unpacked
                ),
            );
            return false;
        }
        let path = match names::inside(&name) {
            Ok(path) => path,
            Err(message) => {
                self.contents.fault("name", Some(&name), message);
                return true;
            }
        };
        let kind = self.kind(header.kind, &name, &path, &link, header.size);
        if !self.place(&name, &path, &kind) {
            return false;
        }
        let Some(mode) = header.mode else {
            self.contents.fault(
                "damaged",
                Some(&name),
                "expected permissions, found something else",
            );
            return true;
        };
        if path.as_os_str().is_empty() {
            if kind != Kind::Folder {
                self.contents
                    .fault("name", Some(&name), "expected a name, found none");
            }
            return true;
        }
        self.contents.members.push(Member {
            path,
            kind,
            mode,
            size: header.size,
        });
        true
    }

    fn kind(&mut self, of: EntryType, name: &[u8], path: &Path, link: &[u8], size: u64) -> Kind {
        let mut fault = |class, message: String| self.contents.fault(class, Some(name), message);
        if !of.is_file() && !of.is_contiguous() && size > 0 {
            fault(
                "damaged",
                format!("expected content in files only, found {size} bytes of it"),
            );
        }
        match of {
            EntryType::Directory => Kind::Folder,
            // The way of very old tar programs to say folder.
            EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => Kind::Folder,
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Symlink => {
                if let Err(message) = names::link_target(path, link) {
                    fault("link", message);
                }
                Kind::Link(PathBuf::from(std::ffi::OsStr::from_bytes(link)))
            }
            EntryType::Link => {
                let target = names::inside(link);
                let known = target
                    .as_ref()
                    .is_ok_and(|target| self.seen.get(target) == Some(&Seen::File));
                if !known {
                    let shown = crate::text::one_line(&String::from_utf8_lossy(link));
                    self.contents.fault(
                        "link",
                        Some(name),
                        format!("expected a second name of an earlier file of the archive, found one of `{shown}`"),
                    );
                }
                Kind::HardLink(target.unwrap_or_default())
            }
            other => {
                let what = match other {
                    EntryType::Char => "a character device",
                    EntryType::Block => "a block device",
                    EntryType::Fifo => "a pipe",
                    EntryType::GNUSparse => "a sparse file",
                    _ => "a member of unknown kind",
                };
                let class = if other == EntryType::GNUSparse {
                    "damaged"
                } else {
                    "kind"
                };
                fault(
                    class,
                    format!("expected a file, folder or link, found {what}"),
                );
                Kind::Other(what)
            }
        }
    }

    /// Names are taken once, and folders are folders: nothing is written through a link. `false`
    /// when there are too many names.
    fn place(&mut self, name: &[u8], path: &Path, kind: &Kind) -> bool {
        let what = match kind {
            Kind::Folder => Seen::Folder,
            Kind::File => Seen::File,
            _ => Seen::Other,
        };
        if path.as_os_str().is_empty() {
            return true;
        }
        let parents = || {
            path.ancestors()
                .skip(1)
                .filter(|parent| !parent.as_os_str().is_empty())
        };
        let blocked = parents().find(|parent| {
            self.seen
                .get(*parent)
                .is_some_and(|seen| *seen != Seen::Folder)
        });
        if let Some(parent) = blocked {
            let message = format!(
                "expected `{}` to be a folder, found a file or link of that name before",
                crate::text::one_line(&parent.to_string_lossy())
            );
            self.contents.fault("link", Some(name), message);
            return true;
        }
        match self.seen.get(path) {
            None => {}
            Some(Seen::Folder) if what == Seen::Folder => return true,
            Some(_) => {
                let message = "expected each name once, found it again";
                self.contents.fault("duplicate", Some(name), message);
                return true;
            }
        }
        let missing: Vec<PathBuf> = parents()
            .take_while(|parent| !self.seen.contains_key(*parent))
            .map(Path::to_owned)
            .collect();
        let names = missing.into_iter().map(|parent| (parent, Seen::Folder));
        for (path, what) in names.chain([(path.to_owned(), what)]) {
            self.name_bytes += path.as_os_str().len();
            self.seen.insert(path, what);
        }
        if self.seen.len() as u64 > self.limits.entries || self.name_bytes > NAME_BYTES {
            let message = format!(
                "expected at most {} files and folders with {NAME_BYTES} bytes of names, found more",
                self.limits.entries
            );
            self.contents.fault("too-many", None, message);
            return false;
        }
        true
    }
}
