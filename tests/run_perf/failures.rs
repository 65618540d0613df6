//! Tests that fail, skip, panic, take too long.

use crate::support::Place;

#[test]
fn a_failing_command_is_retried_then_recorded_and_the_next_test_runs() {
    let place = Place::new();
    let failing = r#"command:{"command": ["sh", "-c", "echo no such device >&2; exit 3"], "__NAME__": "mine"}"#;
    let ended = place.run(&[
        "--retry-tests",
        "2",
        "--progress",
        "plain",
        "--output",
        "r",
        "--",
        failing,
        "dummy",
    ]);

    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert_eq!(
        ended.last_line(),
        "FAIL: 1 of 2 tests ran, 1 failed, result in r"
    );
    assert!(
        ended
            .stdout
            .contains("see r/Localhost/mine/1/__error0__/exception"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stderr
            .contains("test Localhost/mine (1/2) FAILED attempt 1/2: "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("test Localhost/dummy (2/2) done in "),
        "{}",
        ended.stderr
    );
    for attempt in ["0", "1"] {
        let record = format!("r/Localhost/mine/{attempt}/__error0__");
        assert!(
            place.read(&format!("{record}/exception")).contains("3"),
            "names the status"
        );
        assert!(
            place
                .read(&format!("{record}/traceback"))
                .contains("no such device"),
            "shows what it printed"
        );
        assert!(
            place
                .read(&format!("{record}/details"))
                .starts_with("test mine@Localhost attempt ")
        );
    }
    assert!(!place.exists("r/Localhost/mine/0000"), "no result");
    assert!(place.exists("r/Localhost/dummy/0000/result.json"));
    assert_eq!(place.metadata("r", "exit_code").as_deref(), Some("3"));
    assert!(
        place.metadata("r", "finished").is_some(),
        "the run reached its end"
    );
}

#[test]
fn the_first_success_ends_the_attempts() {
    let place = Place::new();
    let ended = place.run(&["--output", "r", "--", r#"dummy:{"fail-first": 1}"#]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let names = place.list("r/Localhost/dummy");
    assert_eq!(names[..2], ["0", "0000"]);
    assert!(
        names.len() == 3 && names[2].starts_with("tmp"),
        "the failed attempt stays: {names:?}"
    );
}

#[test]
fn a_skip_counts_as_done_and_leaves_its_reason() {
    let place = Place::new();
    let ended = place.run(&["--output", "r", "--", r#"dummy:{"skip": "no such disk"}"#]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        ended.last_line(),
        "PASS: 0 of 1 tests ran, 1 skipped, result in r"
    );
    let names = place.list("r/Localhost/dummy");
    assert!(
        names.len() == 1 && names[0].starts_with("tmp"),
        "no retry, no result: {names:?}"
    );
    assert_eq!(
        place.read(&format!("r/Localhost/dummy/{}/SKIP", names[0])),
        "no such disk\n"
    );
}

#[test]
fn a_panic_in_a_test_is_a_failure_of_that_test_only() {
    let place = Place::new();
    let ended = place.run(&[
        "--retry-tests",
        "1",
        "--output",
        "r",
        "--",
        r#"dummy:{"panic": "oops", "__NAME__": "broken"}"#,
        "dummy",
    ]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert_eq!(
        ended.last_line(),
        "FAIL: 1 of 2 tests ran, 1 failed, result in r"
    );
    assert!(
        place
            .read("r/Localhost/broken/0/__error0__/exception")
            .starts_with("defect in run-perf: oops, at ")
    );
    assert_eq!(place.read("r/Localhost/broken/0/__error0__/class"), "panic");
    assert!(
        !ended.stderr.contains("panicked"),
        "no backtrace between the lines: {}",
        ended.stderr
    );
    assert!(
        place
            .read("r/__sessions__/localhost")
            .contains("Reverting profile Localhost")
    );
}

#[test]
fn the_time_limit_ends_the_run_in_good_order() {
    let place = Place::new();
    let ended = place.run(&[
        "--time-limit",
        "6s",
        "--output",
        "r",
        "--",
        "dummy",
        r#"dummy:{"sleep": 60, "__NAME__": "long"}"#,
        "dummy",
    ]);
    assert_eq!(
        ended.code, 3,
        "what did not run counts as failed: {}",
        ended.stdout
    );
    assert_eq!(
        ended.last_line(),
        "FAIL: 1 of 3 tests ran, time limit reached, result in r"
    );
    assert!(
        place
            .read("r/__sessions__/localhost")
            .contains("Reverting profile Localhost")
    );
}

/// Runs with a small disk as output; nothing (said aloud) where mounting is not allowed.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn run_on_small_disk(place: &Place, kib: u32, args: &[&str]) -> Option<crate::support::Ended> {
    std::fs::create_dir(place.path().join("disk")).expect("a folder");
    // The copy is taken where the disk can be seen: the mount goes away with the shell.
    let script = format!(
        "mount -t tmpfs -o size={kib}k,mode=0777 tmpfs disk || exit 77; \"$@\"; code=$?; cp -r disk seen; exit $code"
    );
    let unshare = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-rm"
    };
    let mut command = std::process::Command::new("unshare");
    command
        .args([unshare, "sh", "-c", &script, "sh"])
        .arg(crate::support::program())
        .args(args);
    command
        .current_dir(place.path())
        .env("XDG_CONFIG_HOME", place.path().join("none"))
        .env("RUNPERF_STATE_DIR", place.path().join("state"));
    let done = crate::support::ended(command.output().expect("unshare of util-linux starts"));
    if done.code == 77 || (done.code == 1 && done.stderr.contains("unshare")) {
        println!("skipped: cannot mount a small disk: {}", done.stderr);
        return None;
    }
    Some(done)
}

#[test]
fn on_a_full_disk_nothing_half_written_is_taken_for_a_result() {
    let place = Place::new();
    let args = [
        "--retry-tests",
        "1",
        "--output",
        "disk/r",
        "--",
        r#"dummy:{"samples": 5000}"#,
    ];
    let Some(ended) = run_on_small_disk(&place, 1000, &args) else {
        return;
    };
    assert_eq!(ended.code, 3, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended.stdout.contains("No space left on device"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        ended.last_line(),
        "FAIL: 0 of 1 tests ran, 1 failed, result in disk/r"
    );
    assert!(!place.exists("seen/r/Localhost/dummy/0000"));
    let data = runperf::store::read::read_result(
        "r",
        &place.path().join("seen/r"),
        runperf::store::read::Include::default(),
    )
    .expect("readable");
    assert!(data.measurements.is_empty());
}

#[test]
fn a_disk_that_is_full_from_the_start_is_said_at_once() {
    let place = Place::new();
    let Some(ended) = run_on_small_disk(&place, 4, &["--output", "disk/r", "--", "dummy"]) else {
        return;
    };
    assert_eq!(ended.code, 1, "{}{}", ended.stdout, ended.stderr);
    assert!(
        ended
            .stderr
            .contains("error: cannot start the run\n  caused by: "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("hint: free some space"),
        "{}",
        ended.stderr
    );
}

/// A nightly reader has to see that a figure needed a second attempt.
#[test]
fn a_test_that_passes_only_later_is_noted() {
    let place = Place::new();
    let once = format!(
        r#"command:{{"command": "[ -e again ] || {{ touch again; exit 3; }}", "cwd": "{}", "samples": 1, "__NAME__": "mine"}}"#,
        place.path().display()
    );
    let ended = place.run(&["--retry-tests", "2", "--output", "r", "--", &once]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stdout.contains(
            "note:     Localhost/mine passed only at attempt 2 of 2, see Localhost/mine/0/__error0__/exception"
        ),
        "{}",
        ended.stdout
    );
    assert_eq!(
        place.read("r/Localhost/mine/0/__error0__/passed_later"),
        "0000\n"
    );

    // It did not fail the night: compare-perf says it and passes; the older tool knows no attempts.
    let (code, shown) = compare(&place, &["-t", "1000", "-s", "1000", "--", "r", "r"]);
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("Localhost/mine failed once in DST and passed at its retry (exit-status:"),
        "{shown}"
    );
    // Of the same failure in both, --compat makes a pass; a failed attempt that is new, none.
    std::fs::create_dir(place.path().join("src")).expect("a folder");
    let copied = std::process::Command::new("cp")
        .args(["-r", "r/.", "src"])
        .current_dir(place.path())
        .status();
    assert!(copied.expect("cp").success());
    std::fs::remove_dir_all(place.path().join("src/Localhost/mine/0")).expect("removed");
    let (code, _) = compare(
        &place,
        &["--compat", "-t", "1000", "-s", "1000", "--", "src", "r"],
    );
    assert_eq!(code, 2, "to the letter");
    let (code, shown) = compare(&place, &["-t", "1000", "-s", "1000", "--", "src", "r"]);
    assert_eq!(code, 0, "{shown}");
}

fn compare(place: &Place, args: &[&str]) -> (i32, String) {
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin("compare-perf"))
        .args(args)
        .current_dir(place.path())
        .output()
        .expect("compare-perf starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn attempts_that_fail_in_the_same_way_are_one_error() {
    let place = Place::new();
    let never = r#"command:{"command": "exit 3", "samples": 1, "__NAME__": "never"}"#;
    let ended = place.run(&["--retry-tests", "3", "--output", "r", "--", "dummy", never]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(!place.exists("r/Localhost/never/0/__error0__/passed_later"));
    let (code, shown) = compare(&place, &["-t", "5", "--", "r", "r"]);
    assert_eq!(code, 2, "{shown}");
    assert_eq!(shown.matches("(3 attempts)").count(), 1, "{shown}");
}

#[test]
fn a_profile_with_an_empty_list_of_tests_is_refused() {
    let place = Place::new();
    let ended = place.run(&[
        "--output",
        "r",
        "--profiles",
        r#"Localhost:{"RUNPERF_TESTS": []}"#,
        "--",
        "dummy",
    ]);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(
        ended
            .stderr
            .contains("`RUNPERF_TESTS` of `Localhost`: expected at least one test, found none"),
        "{}",
        ended.stderr
    );
    assert!(!place.exists("r"));
}

#[test]
fn the_summary_says_what_to_do_about_a_failure() {
    let place = Place::new();
    let ended = place.run(&[
        "--retry-tests",
        "1",
        "--output",
        "r",
        "--",
        r#"fio:{"targets": "/nonexistent/x", "runtime": 1}"#,
    ]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let hints: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("hint:     "))
        .collect();
    assert_eq!(hints.len(), 1, "{}", ended.stdout);
}
