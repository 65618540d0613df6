//! Names in an archive: which ones stay in the folder it is unpacked in.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest name of one file, as file systems have it.
const LONGEST_PART: usize = 255;
/// Longest path, as Linux has it.
const LONGEST_PATH: usize = 4096;

/// Returns a member's name without `.` and doubled slashes; the folder itself is the empty path.
///
/// # Errors
/// What is wrong with it: absolute, leads upwards, too long, control characters.
pub(crate) fn inside(name: &[u8]) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("expected a name, found none".into());
    }
    sane(name)?;
    if name.starts_with(b"/") {
        return Err("expected a relative name, found an absolute one".into());
    }
    let mut path = PathBuf::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err("expected a name inside the archive, found `..`".into()),
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}

/// Returns where a symbolic link at `from` leads, inside the folder.
///
/// # Errors
/// When it leads out: absolute, or more `..` than there are folders around it.
pub(crate) fn link_target(from: &Path, target: &[u8]) -> Result<PathBuf, String> {
    if target.is_empty() {
        return Err("expected a target, found none".into());
    }
    sane(target)?;
    let shown = crate::text::one_line(&String::from_utf8_lossy(target));
    if target.starts_with(b"/") {
        return Err(format!(
            "expected a link inside the archive, found one to `{shown}`"
        ));
    }
    let mut place = from.parent().map(Path::to_owned).unwrap_or_default();
    let mut named = false;
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            // What stands before it may itself be a link, and then up is somewhere else.
            b".." if named => {
                return Err(format!(
                    "expected `..` at the beginning of a link only, found `{shown}`"
                ));
            }
            b".." => {
                if !place.pop() {
                    return Err(format!(
                        "expected a link inside the archive, found one out of it (`{shown}`)"
                    ));
                }
            }
            part => {
                named = true;
                place.push(OsStr::from_bytes(part));
            }
        }
    }
    Ok(place)
}

fn sane(name: &[u8]) -> Result<(), String> {
    if name.len() >= LONGEST_PATH {
        return Err(format!(
            "expected a name of less than {LONGEST_PATH} bytes, found {}",
            name.len()
        ));
    }
    if let Some(part) = name
        .split(|byte| *byte == b'/')
        .find(|part| part.len() > LONGEST_PART)
    {
        return Err(format!(
            "expected names of at most {LONGEST_PART} bytes, found one of {}",
            part.len()
        ));
    }
    if name.iter().any(|byte| byte.is_ascii_control()) {
        return Err("expected printable characters, found a control character".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_ways_to_write_a_name_are_one_name() {
        for name in [
            "payload.sh",
            "./payload.sh",
            ".//./payload.sh",
            "payload.sh/",
        ] {
            assert_eq!(inside(name.as_bytes()), Ok("payload.sh".into()), "{name}");
        }
        assert_eq!(inside(b"./"), Ok(PathBuf::new()));
        assert_eq!(
            inside(b"sub/..x/...").map(|path| path.display().to_string()),
            Ok("sub/..x/...".into()),
            "dots in a name are no way upwards"
        );
    }

    #[test]
    fn a_name_that_leads_out_is_none() {
        for name in ["/etc/passwd", "../x", "a/../../x", "a/..", "..", "", "a\nb"] {
            assert!(inside(name.as_bytes()).is_err(), "{name}");
        }
        assert!(inside(&[b'a'; 256]).is_err(), "no file system takes it");
        assert!(inside(&b"a/".repeat(3000)).is_err());
        assert!(inside(b"caf\xe9").is_ok(), "names are bytes");
    }

    #[test]
    fn links_may_go_up_as_far_as_the_folder_itself() {
        let at = |from: &str, target: &str| link_target(Path::new(from), target.as_bytes());
        assert_eq!(at("a/b/link", "../../c"), Ok("c".into()));
        assert_eq!(at("link", "a//./b"), Ok("a/b".into()));
        for (from, target) in [
            ("link", ".."),
            ("link", "../x"),
            ("a/link", "../../x"),
            ("link", "/bin/sh"),
            ("link", ""),
            ("link", "a/../../b"),
            // `d/e/s` may be a link to `../..`, which is the folder itself.
            ("t", "d/e/s/.."),
        ] {
            assert!(at(from, target).is_err(), "{from} -> {target}");
        }
    }
}
