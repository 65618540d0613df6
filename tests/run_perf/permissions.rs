//! Runs of a person who is not root.

use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use crate::support::{Ended, Place, ended, program};

const NOBODY: u32 = 65534;

/// Runs the program as somebody without rights; as oneself when one is not root.
fn run_unprivileged(place: &Place, args: &[&str]) -> Ended {
    if !rustix::process::geteuid().is_root() {
        return place.run(args);
    }
    // The build folder need not be readable for others.
    let copy = place.path().join("run-perf");
    if !copy.exists() {
        std::fs::copy(program(), &copy).expect("copied");
    }
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).expect("allowed");
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&copy)
        .args(args)
        .current_dir(place.path())
        .env("HOME", place.path())
        .env("XDG_CONFIG_HOME", place.path().join("none"))
        .env("RUNPERF_STATE_DIR", place.path().join("mine/state"));
    ended(command.output().expect("setpriv of util-linux starts"))
}

fn folder(place: &Place, name: &str, mode: u32) {
    let path = place.path().join(name);
    std::fs::create_dir(&path).expect("a folder");
    if rustix::process::geteuid().is_root() {
        chown(&path, Some(NOBODY), Some(NOBODY)).expect("allowed");
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("allowed");
}

#[test]
fn localhost_works_without_root() {
    let place = Place::new();
    folder(&place, "mine", 0o755);
    let ended = run_unprivileged(&place, &["--output", "mine/r", "--", "dummy"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        ended.last_line(),
        "PASS: 1 of 1 tests ran, result in mine/r"
    );
    assert!(place.metadata("mine/r", "environment_world").is_some());
}

#[test]
fn a_place_that_may_not_be_written_is_refused_beforehand() {
    let place = Place::new();
    folder(&place, "locked", 0o555);
    let ended = run_unprivileged(&place, &["--output", "locked/r", "--", "dummy"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("no permission to write in "),
        "{}",
        ended.stderr
    );
    assert_eq!(place.list("locked"), [""; 0]);
}

#[test]
fn packages_are_for_root() {
    let place = Place::new();
    folder(&place, "mine", 0o755);
    let ended = run_unprivileged(
        &place,
        &["--output", "mine/r", "--host-rpms", "fio", "--", "dummy"],
    );
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("only root may do"),
        "{}",
        ended.stderr
    );
}

/// Met in containers, where `HOME` stays that of root.
#[test]
fn a_home_folder_that_may_not_be_entered_is_no_obstacle() {
    let place = Place::new();
    folder(&place, "mine", 0o755);
    folder(&place, "none", 0o000);
    let ended = run_unprivileged(&place, &["--output", "mine/r", "--", "dummy"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .stderr
            .contains("is left out: no permission to look there"),
        "{}",
        ended.stderr
    );
}
