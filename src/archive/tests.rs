//! Hostile archives, made byte by byte where the tar writer is too polite.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

/// A tar with any names, kinds and links.
struct Made(Builder<Vec<u8>>);

impl Made {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(mut self, name: &str, kind: EntryType, link: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).expect("in memory");
        self
    }

    fn file(self, name: &str, content: &[u8]) -> Self {
        self.add(name, EntryType::Regular, "", content)
    }

    fn tar(self) -> Vec<u8> {
        self.0.into_inner().expect("in memory")
    }

    fn packed(self) -> Vec<u8> {
        gzip(&self.tar())
    }

    fn inspected(self) -> Contents {
        inspect(&self.packed()[..], &Limits::default())
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).expect("in memory");
    out.finish().expect("in memory")
}

fn classes(contents: &Contents) -> Vec<&'static str> {
    contents.faults.iter().map(|fault| fault.class).collect()
}

#[test]
fn an_honest_archive_is_listed_and_has_no_fault() {
    let packed = Made::new()
        .add("./", EntryType::Directory, "", b"")
        .file("./payload.sh", b"#!/bin/sh\n")
        .file("data/deep/x", b"12345")
        .add("data/", EntryType::Directory, "", b"")
        .add("data/link", EntryType::Symlink, "../payload.sh", b"")
        .add("again", EntryType::Link, "payload.sh", b"")
        .packed();
    let contents = inspect(&packed[..], &Limits::default());
    assert_eq!(contents.faults, []);
    let paths: Vec<_> = contents
        .members
        .iter()
        .map(|member| member.path.display().to_string())
        .collect();
    assert_eq!(
        paths,
        ["payload.sh", "data/deep/x", "data", "data/link", "again"]
    );
    assert_eq!(
        (contents.unpacked, contents.packed),
        (15, packed.len() as u64)
    );
    use sha2::{Digest, Sha256};
    assert_eq!(
        contents.sha256,
        crate::control::mask::hex(&Sha256::digest(&packed))
    );
}

#[test]
fn every_fault_is_said_at_once_with_its_member() {
    let contents = Made::new()
        .file("/etc/passwd", b"x")
        .file("../up", b"x")
        .file("a/../../up", b"x")
        .add("out", EntryType::Symlink, "/etc", b"")
        .add("up", EntryType::Symlink, "../..", b"")
        .add("hard", EntryType::Link, "../../etc/passwd", b"")
        .add("hard2", EntryType::Link, "nothing", b"")
        .add("null", EntryType::Char, "", b"")
        .add("disk", EntryType::Block, "", b"")
        .add("pipe", EntryType::Fifo, "", b"")
        .file("twice", b"x")
        .file("./twice", b"x")
        .file("out/through", b"x")
        .file("twice/below", b"x")
        .file("new\nline", b"x")
        .inspected();
    assert_eq!(
        classes(&contents),
        [
            "name",
            "name",
            "name",
            "link",
            "link",
            "link",
            "link",
            "kind",
            "kind",
            "kind",
            "duplicate",
            "link",
            "link",
            "name"
        ]
    );
    assert_eq!(
        contents.faults[0].to_string(),
        "member `/etc/passwd`: expected a relative name, found an absolute one"
    );
    assert_eq!(
        contents.faults[13].member.as_deref(),
        Some("new line"),
        "nothing for a terminal to obey"
    );
}

#[test]
fn a_link_that_leads_out_through_another_one_is_found() {
    let contents = Made::new()
        .add("d/e/s", EntryType::Symlink, "../..", b"")
        .add("t", EntryType::Symlink, "d/e/s/..", b"")
        .inspected();
    assert_eq!(classes(&contents), ["link"]);
    assert_eq!(contents.faults[0].member.as_deref(), Some("t"));
}

#[test]
fn what_is_no_packed_tar_is_named() {
    let found = |bytes: &[u8]| {
        let contents = inspect(bytes, &Limits::default());
        assert_eq!(classes(&contents), ["format"]);
        contents.faults[0].message.clone()
    };
    assert!(found(b"").ends_with("the file is empty"));
    assert!(found(&Made::new().file("x", b"").tar()).ends_with("a tar that is not compressed"));
    assert!(found(b"PK\x03\x04").ends_with("zip"));
    assert!(found(b"hello").ends_with("something else"));
}

#[test]
fn a_cut_archive_is_never_taken_for_a_whole_one() {
    let packed = Made::new()
        .file("payload.sh", &[7; 3000])
        .file("more", &[9; 3000])
        .packed();
    for length in 2..packed.len() {
        let contents = inspect(&packed[..length], &Limits::default());
        assert!(
            ["truncated", "damaged"].contains(&classes(&contents)[0]),
            "cut at {length}: {:?}",
            contents.faults
        );
    }
    // Cut before it was packed.
    let tar = Made::new().file("payload.sh", &[7; 3000]).tar();
    for length in [100, 512, 1000, 3000] {
        let contents = inspect(&gzip(&tar[..length])[..], &Limits::default());
        assert_eq!(classes(&contents), ["truncated"], "cut at {length}");
    }
}

#[test]
fn a_changed_byte_is_noticed_or_means_nothing() {
    let packed = Made::new().file("payload.sh", &[7; 300]).packed();
    let whole = inspect(&packed[..], &Limits::default());
    let mut noticed = 0;
    for index in 0..packed.len() {
        let mut broken = packed.clone();
        broken[index] ^= 0x55;
        let contents = inspect(&broken[..], &Limits::default());
        // Time and system in the head of gzip, and bits that only fill a byte.
        let same = contents.members == whole.members && contents.unpacked == whole.unpacked;
        assert!(!contents.faults.is_empty() || same, "byte {index}");
        noticed += usize::from(!contents.faults.is_empty());
    }
    assert!(
        noticed * 10 > packed.len() * 8,
        "{noticed} of {}",
        packed.len()
    );
}

#[test]
fn bombs_end_at_the_limit_without_being_unpacked() {
    let limits = Limits {
        entries: 10,
        unpacked: 1000,
    };
    let big = Made::new().file("zeros", &vec![0; 5000]).packed();
    let contents = inspect(&big[..], &limits);
    assert_eq!(classes(&contents), ["too-large"]);
    assert!(contents.members.is_empty());

    let mut many = Made::new();
    for number in 0..11 {
        many = many.file(&format!("f{number}"), b"");
    }
    assert_eq!(classes(&inspect(&many.packed()[..], &limits)), ["too-many"]);
    let deep = Made::new().file(&"a/".repeat(40), b"").packed();
    assert_eq!(
        classes(&inspect(&deep[..], &limits)),
        ["too-many"],
        "folders that are only implied count"
    );

    // A size in the header alone makes nobody wait or allocate.
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..1].copy_from_slice(b"x");
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    let contents = inspect(&gzip(header.as_bytes())[..], &Limits::default());
    assert_eq!(classes(&contents), ["too-large"]);

    // Padding that never ends.
    let mut padded = Made::new().file("x", b"").tar();
    padded.resize(32 << 20, 0);
    assert_eq!(
        classes(&inspect(&gzip(&padded)[..], &limits)),
        ["too-large"]
    );
}

#[test]
fn names_longer_than_a_header_are_read_and_bounded() {
    let long = format!("{}/x", "a".repeat(200));
    let contents = Made::new()
        .add("././@LongLink", EntryType::GNULongName, "", long.as_bytes())
        .file("cut", b"x")
        .inspected();
    assert_eq!(contents.faults, []);
    assert_eq!(contents.members[0].path, PathBuf::from(&long));

    let pax = |text: &str| {
        let record = |length: usize| format!("{length} {text}\n");
        let mut length = text.len() + 3;
        while record(length).len() != length {
            length += 1;
        }
        record(length)
    };
    let contents = Made::new()
        .add("x", EntryType::XHeader, "", pax("path=../../up").as_bytes())
        .file("innocent", b"x")
        .inspected();
    assert_eq!(classes(&contents), ["name"], "the long name counts");
    let contents = Made::new()
        .add("x", EntryType::XHeader, "", pax("size=0").as_bytes())
        .file("innocent", &[0; 512])
        .inspected();
    assert_eq!(
        classes(&contents),
        ["damaged"],
        "two opinions about where it ends"
    );
    let contents = Made::new()
        .add(
            "x",
            EntryType::XHeader,
            "",
            pax("GNU.sparse.major=1").as_bytes(),
        )
        .file("innocent", b"x")
        .inspected();
    assert_eq!(classes(&contents), ["damaged"]);
    let contents = Made::new()
        .add("x", EntryType::GNULongName, "", &vec![b'a'; 70_000])
        .file("innocent", b"x")
        .inspected();
    assert_eq!(classes(&contents), ["name"]);
    assert!(contents.members.is_empty());
}

#[test]
fn a_second_archive_behind_the_first_is_refused() {
    let mut both = Made::new().file("a", b"x").tar();
    both.extend(Made::new().file("../b", b"x").tar());
    assert_eq!(
        classes(&inspect(&gzip(&both)[..], &Limits::default())),
        ["damaged"]
    );
}

#[test]
fn a_hundred_faults_are_listed_and_the_rest_counted() {
    let mut bad = Made::new();
    for number in 0..150 {
        bad = bad.file(&format!("/{number}"), b"");
    }
    let contents = bad.inspected();
    assert_eq!((contents.faults.len(), contents.more_faults), (100, 50));
}
