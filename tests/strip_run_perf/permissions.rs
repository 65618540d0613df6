//! Files and directories one may not read or write. Root may everything, so as root the programs
//! run as another user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Said, copy_tree, fixture, is_root, said};

/// The program with file permissions in force, or nothing (said aloud) when that cannot be had.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn bound_by_permissions(copy_in: &Path) -> Option<Command> {
    if !is_root() {
        return Some(Command::new(env!("CARGO_BIN_EXE_strip-run-perf")));
    }
    // Another user may not reach the build directory.
    let program = copy_in.join("strip-run-perf");
    fs::copy(env!("CARGO_BIN_EXE_strip-run-perf"), &program).expect("copied");
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program);
    match Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("-V")
        .output()
    {
        Ok(output) if output.status.success() => Some(command),
        other => {
            let why = other.map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&output.stderr).into_owned(),
            );
            println!("skipped: cannot run as another user: {why}");
            None
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
}

#[test]
fn what_may_not_be_read_or_written_is_named_and_nothing_is_half_done() {
    let dir = tempfile::tempdir().expect("a directory");
    set_mode(dir.path(), 0o755);
    let night = dir.path().join("night");
    copy_tree(&fixture("9_bad/result_two_bad"), &night);
    let open = dir.path().join("open");
    fs::create_dir(&open).expect("a directory");
    set_mode(&open, 0o777);
    let Some(_) = bound_by_permissions(dir.path()) else {
        return;
    };
    let run = |to: &Path| {
        let mut command = bound_by_permissions(dir.path()).expect("it could be run before");
        said(command.arg(&night).arg(to))
    };

    let Said { code, err, .. } = run(&dir.path().join("closed/deep"));
    if is_root() {
        assert_eq!(code, Some(1), "{err}");
        assert!(
            err.contains("cannot create") && err.contains("ermission denied"),
            "{err}"
        );
        assert!(err.contains("hint: check who owns it"), "{err}");
    }

    for (closed, part) in [
        ("Localhost/fio/0000/result.json", "cannot read"),
        ("Localhost/fio/1", "cannot be listed"),
        ("Localhost", "cannot be listed"),
        ("RUNPERF_METADATA", "cannot read"),
        ("", "cannot list"),
    ] {
        let path = night.join(closed);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        set_mode(&path, 0);
        let to = open.join("small");
        let Said { code, err, .. } = run(&to);
        set_mode(&path, mode);
        assert_eq!(code, Some(1), "{closed}: {err}");
        assert!(
            err.contains(part) && err.contains("ermission denied"),
            "{closed}: {err}"
        );
        assert!(err.contains("hint: "), "{closed}: {err}");
        // Files of `other` are removed before the next round.
        let _ = fs::remove_dir_all(&to);
    }
    assert_eq!(
        run(&open.join("small")).code,
        Some(0),
        "with its permissions back it works"
    );
}
