//! Ctrl-C at many points: the run ends in order, nothing is left behind, the result can be read.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Ended, Place, ended};

/// Generous: the machine the tests run on may be busy. What is asserted is the outcome.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(place: &Place, args: &[&str]) -> Child {
    place
        .command()
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("not 0");
    kill_process(pid, signal).expect("it runs");
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end(child: Child) -> Ended {
    ended(child.wait_with_output().expect("it ends"))
}

/// Processes whose command line holds the mark.
fn running(mark: &str) -> Vec<PathBuf> {
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok())
        })
        .filter(|path| {
            std::fs::read(path.join("cmdline")).is_ok_and(|line| {
                let line = String::from_utf8_lossy(&line).into_owned();
                line.contains(mark) && !line.contains("run-perf")
            })
        })
        .collect()
}

/// Number of processes that have a file open.
fn holding(file: &std::path::Path) -> usize {
    let open = |process: &std::fs::DirEntry| {
        std::fs::read_dir(process.path().join("fd")).is_ok_and(|mut links| {
            links.any(|link| {
                link.and_then(|link| std::fs::read_link(link.path()))
                    .is_ok_and(|target| target == file)
            })
        })
    };
    std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter(open)
        .count()
}

/// A sleep that can be told apart from those of other tests.
fn marked_sleep(number: u32) -> (String, String) {
    let seconds = format!("97{}.{number}", std::process::id());
    (format!("sleep {seconds}"), seconds)
}

#[test]
fn a_running_command_and_its_children_are_gone_and_the_next_run_starts_at_once() {
    for (number, signal) in [(1, Signal::INT), (2, Signal::TERM), (3, Signal::HUP)] {
        let place = Place::new();
        let (sleep, mark) = marked_sleep(number);
        let test = format!(r#"command:{{"command": ["sh", "-c", "{sleep} & {sleep}"]}}"#);
        let child = start(
            &place,
            &[
                "--output",
                "r",
                "--",
                "dummy",
                &test,
                r#"dummy:{"__NAME__": "never"}"#,
            ],
        );
        wait_for("the command", || running(&mark).len() >= 2);

        send(&child, signal);
        let done = end(child);

        assert_eq!(done.code, 130, "{}", done.stderr);
        assert_eq!(
            done.last_line(),
            "INTERRUPTED: 1 of 3 tests ran, result in r"
        );
        assert!(running(&mark).is_empty(), "nothing goes on");
        assert!(
            place
                .read("r/__sessions__/localhost")
                .contains("Reverting profile Localhost")
        );
        assert!(
            place.exists("r/Localhost/dummy/0000/result.json"),
            "what was measured stays"
        );
        assert!(!place.exists("r/Localhost/never"));
        assert_eq!(place.metadata("r", "finished"), None);
        assert_eq!(place.metadata("r", "exit_code").as_deref(), Some("130"));
        let data = runperf::store::read::read_result(
            "r",
            &place.path().join("r"),
            runperf::store::read::Include::default(),
        )
        .expect("readable");
        assert!(
            !data.measurements.is_empty() && data.failures.is_empty(),
            "an interruption is no failure"
        );
        assert_eq!(place.run(&["--output", "again", "--", "dummy"]).code, 0);
    }
}

#[test]
fn finished_samples_of_an_interrupted_test_are_kept() {
    let place = Place::new();
    let child = start(&place, &["--output", "r", "--", r#"dummy:{"sleep": 0.3}"#]);
    let kept = || {
        let dir = place.path().join("r/Localhost/dummy");
        std::fs::read_dir(dir)
            .ok()?
            .flatten()
            .map(|entry| entry.path().join("result.json"))
            .find(|path| path.exists())
    };
    wait_for("the first sample", || kept().is_some());
    send(&child, Signal::INT);
    let done = end(child);
    assert_eq!(done.code, 130, "{}", done.stderr);
    let path = kept().expect("the attempt stays");
    assert!(
        path.parent()
            .and_then(|dir| dir.file_name())
            .is_some_and(|name| name.to_string_lossy().starts_with("tmp"))
    );
    let iterations: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON");
    assert_eq!(iterations[0]["iteration_name"], "read-4KiB");
    assert!(!place.exists("r/Localhost/dummy/0000"));
}

#[test]
fn the_set_up_script_can_be_interrupted() {
    let place = Place::new();
    let (sleep, mark) = marked_sleep(4);
    place.write("setup.sh", &format!("{sleep}\n"));
    let child = start(
        &place,
        &[
            "--host-setup-script",
            "setup.sh",
            "--output",
            "r",
            "--",
            "dummy",
        ],
    );
    wait_for("the script", || !running(&mark).is_empty());
    send(&child, Signal::INT);
    let done = end(child);
    assert_eq!(done.code, 130, "{}", done.stderr);
    assert_eq!(
        done.last_line(),
        "INTERRUPTED: 0 of 1 tests ran, result in r"
    );
    assert!(running(&mark).is_empty(), "nothing goes on");
    assert!(
        !place.exists("r/__error0__"),
        "an interruption is no failure"
    );
}

#[test]
fn at_any_moment_the_run_ends_with_130_and_a_readable_result() {
    // From the first milliseconds to the middle of the test: facts, logs, apply, samples.
    for delay in [0, 30, 80, 150, 250, 400, 600, 900, 1300] {
        let place = Place::new();
        let child = start(&place, &["--output", "r", "--", r#"dummy:{"sleep": 5}"#]);
        wait_for("the result", || place.exists("r/RUNPERF_METADATA"));
        std::thread::sleep(Duration::from_millis(delay));
        send(&child, Signal::INT);
        let done = end(child);
        assert_eq!(done.code, 130, "after {delay} ms: {}", done.stderr);
        assert_eq!(
            done.last_line(),
            "INTERRUPTED: 0 of 1 tests ran, result in r"
        );
        assert_eq!(place.metadata("r", "exit_code").as_deref(), Some("130"));
        assert!(
            !done.stderr.contains("error"),
            "after {delay} ms: {}",
            done.stderr
        );
    }
}

#[test]
fn the_third_signal_leaves_at_once() {
    let place = Place::new();
    let (sleep, mark) = marked_sleep(5);
    // Ignores the request to end, so that the first signal takes its time.
    let test = format!(r#"command:{{"command": ["sh", "-c", "trap '' TERM; {sleep}; {sleep}"]}}"#);
    let child = start(&place, &["--output", "r", "--", &test]);
    wait_for("the command", || !running(&mark).is_empty());
    send(&child, Signal::INT);
    send(&child, Signal::INT);
    send(&child, Signal::INT);
    let done = end(child);
    assert_eq!(done.code, 130, "{}", done.stderr);
    for path in running(&mark) {
        let pid = path
            .file_name()
            .and_then(|name| name.to_string_lossy().parse().ok())
            .and_then(Pid::from_raw);
        // What a person who asked three times accepts to be left; not left by this test.
        let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
    }
}

#[test]
fn sigusr1_prints_where_the_run_is() {
    let place = Place::new();
    let child = start(
        &place,
        &[
            "--progress",
            "none",
            "--output",
            "r",
            "--",
            r#"dummy:{"sleep": 2, "samples": 1}"#,
        ],
    );
    wait_for("the test", || place.exists("r/Localhost/dummy"));
    send(&child, Signal::USR1);
    let done = end(child);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stderr.contains("localhost  Localhost (1 of 1)  dummy"),
        "{}",
        done.stderr
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn a_running_fio_is_gone_and_leaves_no_file() {
    if std::process::Command::new("fio")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: no fio on PATH");
        return;
    }
    let place = Place::new();
    let target = place.path().join("fio.target");
    let test = format!(
        r#"fio:{{"type": "read", "block-sizes": "4", "ramptime": 0, "runtime": 2, "samples": 50, "file-size": 8, "direct": 0, "targets": "{}"}}"#,
        target.display()
    );
    let child = start(&place, &["--output", "r", "--", &test]);
    let kept = || {
        let dir = place.path().join("r/Localhost/fio");
        std::fs::read_dir(dir)
            .ok()?
            .flatten()
            .map(|entry| entry.path().join("result.json"))
            .find(|path| path.exists())
    };
    wait_for("the first sample", || kept().is_some());
    let fio = || holding(&target);
    wait_for("the next one", || fio() > 0);
    send(&child, Signal::INT);
    let done = end(child);
    assert_eq!(done.code, 130, "{}", done.stderr);
    assert_eq!(fio(), 0, "no fio goes on");
    assert!(!target.exists(), "the file it made is removed");
    let text = std::fs::read(kept().expect("finished samples stay")).expect("readable");
    let iterations: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(iterations[0]["iteration_name"], "read-4KiB");
}
