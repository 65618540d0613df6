//! Files, directories and devices fio works on: looked at before, left as they were after.
//!
//! fio itself would lay a file out below a mistyped mount point, create missing directories, and
//! write to a disk that holds a file system; each of these is refused before it starts.

use super::fault::Fault;
use super::job::{JobFile, Place};
use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

/// Prints one line for each path: kind, `r` or `-`, `w` or `-`, and for devices what they hold.
const LOOK: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
holds() {
    path=$(readlink -f -- "$1"); name=${path##*/}; self=/sys/class/block/$name
    for part in "$self" "$self/$name"*; do
        [ -e "$part/dev" ] || continue
        [ "$part" = "$self" ] || printf ' partition %s,' "${part##*/}"
        read -r number <"$part/dev"
        while read -r _ _ where _ at _; do
            [ "$where" = "$number" ] && printf ' mounted at %s,' "$at"
        done </proc/self/mountinfo
        while read -r swap _; do
            [ "$swap" = "/dev/${part##*/}" ] && printf ' swap %s,' "$swap"
        done </proc/swaps
        for holder in "$part"/holders/*; do
            [ -e "$holder" ] && printf ' used by %s,' "${holder##*/}"
        done
    done
    for what in $(blkid -p -s PTTYPE -s TYPE -o value -- "$path" 2>/dev/null); do
        printf ' data of kind %s,' "$what"
    done
}
for path do
    kind=other
    if [ -b "$path" ]; then kind=block
    elif [ -d "$path" ]; then kind=directory
    elif [ -f "$path" ]; then kind=file
    elif [ ! -e "$path" ]; then
        kind=absent
        case $path in */*) parent=${path%/*} ;; esac
        [ -d "${parent:=/}" ] || kind=nowhere
        path=$parent; parent=
    fi
    r=-; w=-
    [ -r "$path" ] && r=r
    [ -w "$path" ] && w=w
    printf '%s %s %s' "$kind" "$r" "$w"
    [ "$kind" = block ] && holds "$path"
    printf '\n'
done
"#;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A disk or partition.
    Block,
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A character device or the like.
    Other,
    /// Nothing; the directory it would be in is there.
    Absent,
    /// Nothing, nor a directory it could be in.
    Nowhere,
}

/// A path as found on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Whether we may read it (the directory, when absent).
    pub readable: bool,
    /// Whether we may write it (the directory, when absent).
    pub writable: bool,
    /// What a device holds: mounts, partitions, swap, file systems; empty for a blank one.
    pub holds: String,
}

/// Looks at paths on a machine; the answers are in the order of `paths`.
///
/// # Errors
/// When the machine cannot be asked.
pub fn look(shell: &dyn Shell, paths: &[&str], limits: &Limits) -> Result<Vec<Found>, ShellError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let command = CommandLine::script(LOOK)
        .arg("look")
        .args(paths.iter().copied());
    let text = shell.text(&command, limits)?;
    Ok(text.lines().filter_map(found).collect())
}

fn found(line: &str) -> Option<Found> {
    let mut words = line.splitn(4, ' ');
    let kind = match words.next()? {
        "block" => Kind::Block,
        "directory" => Kind::Directory,
        "file" => Kind::File,
        "absent" => Kind::Absent,
        "nowhere" => Kind::Nowhere,
        _ => Kind::Other,
    };
    let readable = words.next()? == "r";
    let writable = words.next()? == "w";
    let holds = words
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches(',')
        .to_owned();
    Some(Found {
        kind,
        readable,
        writable,
        holds,
    })
}

/// Says whether fio may work on a place; `writes` when any iteration writes or trims.
///
/// # Errors
/// `target-missing`, `target-not-writable`, `target-not-readable`, `device-in-use`, `target-kind`.
pub fn permit(
    place: &Place,
    found: &Found,
    writes: bool,
    allow_device_write: bool,
) -> Result<(), Fault> {
    let path = &place.path;
    let fault = |class: &str, message: String, hint: &str| Err(Fault::new(class, message, hint));
    if found.kind == Kind::Nowhere
        || (found.kind == Kind::Absent && (place.directory || path.starts_with("/dev/")))
    {
        let what = if path.starts_with("/dev/") && !place.directory {
            "device"
        } else {
            "directory"
        };
        let missing = if found.kind == Kind::Nowhere && !place.directory {
            parent(path)
        } else {
            path
        };
        let message = format!(
            "target `{path}`: there is no {what} `{missing}`, and fio would lay a file out where nothing was meant to be"
        );
        return fault(
            "target-missing",
            message,
            "correct `targets`, or create it first",
        );
    }
    if place.directory && found.kind != Kind::Directory {
        return fault(
            "target-kind",
            format!("target `{path}`: expected a directory, as the job file says"),
            "correct `targets` or `job-file`",
        );
    }
    let creates = found.kind == Kind::Absent || found.kind == Kind::Directory;
    if creates && !found.writable {
        let place = if found.kind == Kind::Absent {
            parent(path)
        } else {
            path
        };
        let message = format!(
            "target `{path}`: no file can be created in `{place}` (no permission, or mounted read-only)"
        );
        return fault(
            "target-not-writable",
            message,
            "run as a user who may write there, or choose other `targets`",
        );
    }
    if writes && !found.writable {
        let message = format!("target `{path}` cannot be written (no permission, or read-only)");
        return fault(
            "target-not-writable",
            message,
            "run as a user who may write it, or choose other `targets`",
        );
    }
    if !found.readable {
        return fault(
            "target-not-readable",
            format!("target `{path}` cannot be read"),
            "run as a user who may read it, or choose other `targets`",
        );
    }
    if writes && found.kind == Kind::Block && !found.holds.is_empty() && !allow_device_write {
        let message = format!(
            "target `{path}` would be overwritten, and it is in use or holds data: {}",
            found.holds
        );
        let hint = "choose a blank device; only when all that may be lost, give \"__ALLOW_DEVICE_WRITE__\": 1";
        return fault("device-in-use", message, hint);
    }
    Ok(())
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// What is to be removed when the test is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Files that were not there before.
    pub files: Vec<String>,
    /// Directories in which files of ours lie.
    pub directories: Vec<String>,
}

impl Made {
    /// Notes what a job will make at a place.
    pub fn expect(&mut self, place: &Place, found: &Found) {
        let (list, ours) = match found.kind {
            Kind::Absent => (&mut self.files, !place.directory),
            _ => (&mut self.directories, place.directory),
        };
        if ours && !list.contains(&place.path) {
            list.push(place.path.clone());
        }
    }
}

/// Returns targets as the machine knows them: those that are directories marked so.
pub fn resolve(targets: &[String], found: &[Found]) -> Vec<Place> {
    let is_directory = |index: usize| {
        found
            .get(index)
            .is_some_and(|found| found.kind == Kind::Directory)
    };
    targets
        .iter()
        .enumerate()
        .map(|(index, path)| Place {
            path: path.clone(),
            directory: is_directory(index),
        })
        .collect()
}

/// Checks every place of every job on a machine and notes what will have to be removed.
///
/// # Errors
/// As [`look`], and the first fault of [`permit`].
pub fn check(
    shell: &dyn Shell,
    jobs: &[JobFile],
    allow_device_write: bool,
    limits: &Limits,
) -> Result<(Made, Vec<String>), crate::tests::TestError> {
    let mut places: Vec<(Place, bool)> = Vec::new();
    for job in jobs {
        for place in job.places() {
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, writes)) => *writes |= job.writes(),
                None => places.push((place, job.writes())),
            }
        }
    }
    let paths: Vec<&str> = places
        .iter()
        .map(|(place, _)| place.path.as_str())
        .collect();
    let found = look(shell, &paths, limits)?;
    let mut made = Made::default();
    let mut notes = Vec::new();
    for ((place, writes), found) in places.iter().zip(&found) {
        permit(place, found, *writes, allow_device_write)?;
        if *writes && found.kind == Kind::File {
            notes.push(format!(
                "target `{}` exists already: its content is overwritten and it is not removed",
                place.path
            ));
        }
        made.expect(place, found);
    }
    Ok((made, notes))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn file(path: &str) -> Place {
        Place {
            path: path.into(),
            directory: false,
        }
    }

    fn at(kind: Kind, writable: bool, holds: &str) -> Found {
        Found {
            kind,
            readable: true,
            writable,
            holds: holds.into(),
        }
    }

    #[test]
    fn what_must_not_happen_is_refused_with_its_reason() {
        for (place, found, class, message) in [
            (
                file("/mtn/disk/fio"),
                at(Kind::Nowhere, false, ""),
                "target-missing",
                "no directory `/mtn/disk`",
            ),
            (
                file("/dev/sdx"),
                at(Kind::Absent, true, ""),
                "target-missing",
                "no device `/dev/sdx`",
            ),
            (
                file("/ro/fio"),
                at(Kind::Absent, false, ""),
                "target-not-writable",
                "created in `/ro`",
            ),
            (
                file("/f"),
                at(Kind::File, false, ""),
                "target-not-writable",
                "`/f` cannot be written",
            ),
            (
                file("/dev/sda"),
                at(Kind::Block, true, "mounted at /"),
                "device-in-use",
                "holds data: mounted at /",
            ),
            (
                Place {
                    path: "/f".into(),
                    directory: true,
                },
                at(Kind::File, true, ""),
                "target-kind",
                "expected a directory",
            ),
        ] {
            let fault = permit(&place, &found, true, false).expect_err(class);
            assert_eq!(fault.class, class, "{fault:?}");
            assert!(fault.message.contains(message), "{fault:?}");
        }
    }

    #[test]
    fn a_device_in_use_may_be_read_and_a_blank_one_written() {
        let used = at(Kind::Block, true, "partition sda1");
        assert_eq!(permit(&file("/dev/sda"), &used, false, false), Ok(()));
        assert_eq!(
            permit(&file("/dev/sda"), &used, true, true),
            Ok(()),
            "when asked for by name"
        );
        assert_eq!(
            permit(&file("/dev/sdb"), &at(Kind::Block, true, ""), true, false),
            Ok(())
        );
    }

    #[test]
    fn only_what_was_absent_or_is_ours_is_removed() {
        let mut made = Made::default();
        made.expect(&file("/new"), &at(Kind::Absent, true, ""));
        made.expect(&file("/old"), &at(Kind::File, true, ""));
        made.expect(&file("/dev/sda"), &at(Kind::Block, true, ""));
        made.expect(
            &Place {
                path: "/mnt".into(),
                directory: true,
            },
            &at(Kind::Directory, true, ""),
        );
        assert_eq!(
            made,
            Made {
                files: vec!["/new".into()],
                directories: vec!["/mnt".into()]
            }
        );
    }

    #[test]
    fn answers_of_the_machine_are_read() {
        let line = "block r w mounted at /boot, data of kind vfat,";
        assert_eq!(
            found(line),
            Some(at(Kind::Block, true, "mounted at /boot, data of kind vfat"))
        );
        assert_eq!(found("absent r -"), Some(at(Kind::Absent, false, "")));
        assert_eq!(found("noise"), None);
    }
}
