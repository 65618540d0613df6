//! `run-perf --recover` after `kill -9`: files, processes and marks are as they were found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Ended, Place, ended};

/// Generous: the machine the tests run on may be busy. What is asserted is the outcome.
const PATIENCE: Duration = Duration::from_secs(120);

/// A machine of its own, as far as a folder can be one: targets, temporary files, marks.
fn site() -> Place {
    let place = Place::new();
    for folder in ["data", "tmp"] {
        std::fs::create_dir(place.path().join(folder)).expect("made");
    }
    place.write("data/old", "was here before");
    place.write("setup.sh", "sleep 0.1\n");
    place
}

fn command(place: &Place) -> Command {
    let mut command = place.command();
    command.env("TMPDIR", place.path().join("tmp"));
    command
}

fn has_fio() -> bool {
    Command::new("fio")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// A run that changes as much as a run can on this machine.
#[expect(clippy::print_stdout, reason = "what is left out is said")]
fn start(place: &Place) -> Child {
    let test = if has_fio() {
        let data = place.path().join("data");
        format!(
            r#"fio:{{"type": "write", "block-sizes": "4", "ramptime": 0, "runtime": 1, "samples": 1, "file-size": 4, "direct": 0, "targets": "{0}/new,{0}"}}"#,
            data.display()
        )
    } else {
        println!("without fio: no fio on PATH");
        r#"command:{"command": ["sleep", "1"], "samples": 1}"#.to_owned()
    };
    command(place)
        .args([
            "--output",
            "r",
            "--retry-tests",
            "1",
            "--host-setup-script",
            "setup.sh",
        ])
        .args(["--", &test])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Files with their content, and what runs for this place, run-perf itself excepted.
fn snapshot(place: &Place) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
    let mut files = BTreeMap::new();
    for folder in ["data", "tmp", "state"] {
        if place.exists(folder) {
            files.insert(folder.into(), Vec::new());
            for path in place.files(folder) {
                let content = std::fs::read(&path).expect("readable");
                files.insert(path, content);
            }
            for folder in place.list(folder) {
                files.entry(folder.into()).or_default();
            }
        }
    }
    (files, running(place))
}

/// Command lines of processes that inherited this place's environment.
fn running(place: &Place) -> Vec<String> {
    let own = format!("RUNPERF_STATE_DIR={}", place.path().join("state").display());
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ
            .split(|byte| *byte == 0)
            .any(|set| set == own.as_bytes())
        {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            lines.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    lines.sort();
    lines
}

fn journal_lines(result: &Path) -> usize {
    let text = std::fs::read(result.join("__journal__.jsonl")).unwrap_or_default();
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// Kills the run as soon as its journal has so many lines; `false` when it ended before that.
fn kill_after(place: &Place, lines: usize) -> bool {
    let mut run = start(place);
    let result = place.path().join("r");
    let began = Instant::now();
    while journal_lines(&result) < lines {
        assert!(
            began.elapsed() < PATIENCE,
            "waited in vain for line {lines}"
        );
        if run.try_wait().expect("asked").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    run.kill().expect("it runs");
    run.wait().expect("it is gone");
    true
}

fn recover(place: &Place, args: &[&str]) -> Ended {
    ended(command(place).args(args).output().expect("it starts"))
}

#[test]
fn killed_after_any_entry_of_its_journal_a_run_can_be_undone_completely() {
    let place = site();
    let before = snapshot(&place);
    let status = start(&place).wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert_eq!(snapshot(&place), before, "a run that ends leaves nothing");
    let journal = place.read("r/__journal__.jsonl");
    assert!(journal.ends_with("\"event\":\"clean\"}\n"), "{journal}");
    let all = journal_lines(&place.path().join("r"));
    let plans = journal.matches("\"event\":\"plan\"").count();
    assert!(plans >= 4, "the run changes something: {journal}");

    for lines in 1..=all {
        let place = site();
        let before = snapshot(&place);
        if !kill_after(&place, lines) {
            continue;
        }
        let what = || {
            format!(
                "killed at line {lines} of {all}:\n{}",
                place.read("r/__journal__.jsonl")
            )
        };
        let first = recover(&place, &["--recover", "r"]);
        assert_eq!(first.code, 0, "{}{}{}", first.stdout, first.stderr, what());
        assert!(first.last_line().starts_with("CLEAN: "), "{}", first.stdout);
        assert_eq!(snapshot(&place), before, "{}\n{}", first.stdout, what());

        let second = recover(&place, &["--recover", "r"]);
        assert_eq!(second.code, 0, "{}", second.stderr);
        assert!(
            second.stdout.starts_with("CLEAN: nothing is left to undo"),
            "{}",
            second.stdout
        );
        assert_eq!(snapshot(&place), before, "a second time is harmless");
    }
}

#[test]
fn a_dry_run_says_what_recovery_would_do_and_touches_nothing() {
    let place = site();
    assert!(kill_after(&place, 5));
    let (files, _) = snapshot(&place);
    let journal = place.read("r/__journal__.jsonl");
    let ended = recover(&place, &["--recover", "r", "--dry-run"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("would:    localhost: give the host back ("),
        "{}",
        ended.stdout
    );
    assert_eq!(snapshot(&place).0, files);
    assert_eq!(place.read("r/__journal__.jsonl"), journal);
    assert_eq!(recover(&place, &["--recover", "r"]).code, 0);
}

#[test]
fn a_host_that_is_held_is_refused_and_given_back_by_recovery() {
    let place = site();
    assert!(kill_after(&place, 5), "the mark is left");
    let second = recover(&place, &["--output", "second", "--", "dummy"]);
    assert_eq!(second.code, 1, "{}", second.stdout);
    let result = place.path().join("r");
    for words in [
        "error: host `localhost` is held by run `",
        "that died (profile Localhost, since ",
        &format!(
            "give the host back first: run-perf --recover {}",
            result.display()
        ),
    ] {
        assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
    }
    assert!(!place.exists("second"), "not even a directory was made");

    let refused = recover(&place, &["--force", "--output", "r", "--", "dummy"]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(
        refused
            .stderr
            .contains(&format!("run-perf --recover {}", result.display())),
        "{}",
        refused.stderr
    );

    assert_eq!(recover(&place, &["--recover", "r"]).code, 0);
    let third = recover(&place, &["--output", "third", "--", "dummy"]);
    assert_eq!(third.code, 0, "{}", third.stdout);
}

#[test]
fn a_run_that_goes_on_is_waited_for_and_never_recovered() {
    let place = site();
    let mut first = command(&place)
        .args([
            "--output",
            "r",
            "--",
            r#"command:{"command": ["sleep", "3"], "samples": 1}"#,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let began = Instant::now();
    while journal_lines(&place.path().join("r")) < 5 {
        assert!(began.elapsed() < PATIENCE, "waited in vain for the mark");
        std::thread::sleep(Duration::from_millis(1));
    }
    let refused = recover(&place, &["--recover", "r"]);
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("is still going on"),
        "{}",
        refused.stderr
    );
    let refused = recover(&place, &["--output", "now", "--", "dummy"]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("--wait-held"), "{}", refused.stderr);
    assert!(!place.exists("now"), "no directory was made");

    let waited = recover(
        &place,
        &["--output", "later", "--wait-held", "10m", "--", "dummy"],
    );
    assert_eq!(waited.code, 0, "{}{}", waited.stdout, waited.stderr);
    assert!(first.wait().expect("it ends").success());
}

#[test]
fn where_no_mark_can_be_left_the_run_says_so_and_goes_on() {
    let place = site();
    let ended = ended(
        command(&place)
            .env("RUNPERF_STATE_DIR", "/proc/no-such-folder")
            .args(["--output", "r", "--", "dummy"])
            .output()
            .expect("it starts"),
    );
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("could not be marked as held")
            && ended
                .stdout
                .contains("a second run would not notice this one"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_cannot_be_undone_is_said_with_exit_code_4() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("r")).expect("made");
    let line =
        |n: u32, rest: &str| format!("{{\"n\":{n},\"at\":\"2026-03-01T02:00:00Z\",{rest}}}\n");
    let target = place.write("made", "");
    let journal = [
        line(
            1,
            r#""event":"run","version":1,"run_id":"x","pid":1,"hosts":[{"name":"foo","address":"127.0.0.1"}]"#,
        ),
        line(
            2,
            &format!(
                r#""event":"plan","scope":"foo","undo":{{"remove_path":{{"on":"foo","path":"{}"}}}}"#,
                target.display()
            ),
        ),
        line(
            3,
            r#""event":"plan","scope":"foo","undo":{"command":{"on":"foo","argv":["false"]}}"#,
        ),
        line(
            4,
            r#""event":"plan","scope":"foo","undo":{"remove_path":{"on":"foo","path":"/etc","tree":true}}"#,
        ),
    ];
    place.write("r/__journal__.jsonl", &journal.concat());
    let ended = place.run(&["--recover", "r"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(!place.exists("made"), "the rest is undone all the same");
    for words in [
        "left:     foo: run false: `false` on foo ended with status 1",
        "left:     foo: remove /etc: the journal asks to remove /etc, which is refused",
        "NOT CLEAN: 1 change undone, 2 left, run x, result in r",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    let again = place.run(&["--recover", "r"]);
    assert_eq!(again.code, 4, "it is still there");

    let nothing = place.run(&["--recover", "nowhere"]);
    assert_eq!(nothing.code, 2);
    assert!(
        nothing.stderr.contains("nowhere has no journal"),
        "{}",
        nothing.stderr
    );
    assert_eq!(place.run(&["--recover", "r", "--", "dummy"]).code, 2);
    assert_eq!(place.run(&["--dry-run", "--", "dummy"]).code, 2);
}

#[test]
fn a_resumed_run_does_only_what_is_missing() {
    let place = site();
    let mut run = command(&place)
        .args([
            "--output",
            "r",
            "--metadata",
            "build=7",
            "--retry-tests",
            "1",
        ])
        .args(["--host-setup-script", "setup.sh", "--profiles", "Localhost"])
        .args(["Localhost:{\"__NAME__\": \"Again\"}", "--", "dummy"])
        .arg("command:{\"__NAME__\": \"slow\", \"command\": [\"sleep\", \"2\"], \"samples\": 1}")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let began = Instant::now();
    let started = |name: &str| {
        let folder = place.path().join(name);
        std::fs::read_dir(folder).is_ok_and(|mut all| all.next().is_some())
    };
    while !started("r/Localhost/slow") {
        assert!(
            began.elapsed() < PATIENCE,
            "waited in vain for the slow test"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().expect("it runs");
    run.wait().expect("it is gone");
    let first = place.read("r/Localhost/dummy/0000/result.json");
    let plan = place.read("r/__plan__.json");

    let ended = recover(&place, &["--resume", "r"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.last_line(), "PASS: 3 of 3 tests ran, result in r");
    assert!(
        ended
            .stdout
            .contains("resumed: 1 of 4 tests had run before"),
        "{}",
        ended.stdout
    );
    for (test, count) in [
        ("Localhost/dummy", 1),
        ("Localhost/slow", 1),
        ("Again/dummy", 1),
        ("Again/slow", 1),
    ] {
        let names = place.list(&format!("r/{test}"));
        let serials = names.iter().filter(|name| name.starts_with('0')).count();
        assert_eq!(serials, count, "{test}: {names:?}");
    }
    assert_eq!(place.read("r/Localhost/dummy/0000/result.json"), first);
    assert_eq!(place.read("r/__plan__.json"), plan);
    assert!(place.metadata("r", "resumed").is_some() && place.metadata("r", "finished").is_some());
    assert!(
        place
            .read("r/Again/slow/0000/RUNPERF_METADATA.json")
            .contains("\"build\""),
        "metadata of the run is known to its later tests"
    );
    assert!(
        place
            .read("r/__journal__.jsonl")
            .ends_with("\"event\":\"clean\"}\n")
    );

    let again = recover(&place, &["--resume", "r"]);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "PASS: nothing is left to run, result in r\n")
    );
}

#[test]
fn a_plan_that_means_something_else_now_is_not_resumed() {
    let place = site();
    assert!(kill_after(&place, 5));
    place.write("setup.sh", "sleep 0.2\n");
    let changed = recover(&place, &["--resume", "r"]);
    assert_eq!(changed.code, 2, "{}", changed.stdout);
    assert!(
        changed
            .stderr
            .contains("`host_setup_script` of its plan comes out differently now"),
        "{}",
        changed.stderr
    );
    let none = recover(&place, &["--resume", "data"]);
    assert_eq!(none.code, 2, "{}", none.stdout);
    assert!(
        none.stderr.contains("its __plan__.json cannot be read"),
        "{}",
        none.stderr
    );
}

#[test]
fn the_clean_up_of_a_command_is_run_by_recovery() {
    let place = site();
    let made = place.path().join("data/made");
    let test = format!(
        r#"command:{{"setup": ["touch", "{0}"], "command": ["sleep", "60"], "cleanup": ["rm", "-f", "{0}"], "samples": 1}}"#,
        made.display()
    );
    let before = snapshot(&place);
    let mut run = command(&place)
        .args(["--output", "r", "--", &test])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let began = Instant::now();
    while !made.exists() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for the set-up");
        std::thread::sleep(Duration::from_millis(2));
    }
    run.kill().expect("it runs");
    run.wait().expect("it is gone");
    let ended = recover(&place, &["--recover", "r"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(snapshot(&place), before, "{}", ended.stdout);
}
