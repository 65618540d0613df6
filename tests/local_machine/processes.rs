//! Real processes through the local shell: nothing is left, nothing hangs, memory is bounded.

use std::path::Path;
use std::time::{Duration, Instant};

use runperf::control::cancel::CancelToken;
use runperf::shell::local::LocalShell;
use runperf::shell::{CommandLine, Exit, Limits, Shell, ShellError};

fn shell() -> LocalShell {
    LocalShell::new("localhost")
}

fn limits() -> Limits {
    Limits::new(CancelToken::default())
}

/// Returns whether a process with this number exists and is no zombie.
fn runs(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    !matches!(
        stat[stat.rfind(')').expect("stat names the program") + 1..]
            .trim_start()
            .as_bytes()[0],
        b'Z' | b'X'
    )
}

/// Waits until the file has this many lines and returns them.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count && text.ends_with('\n') {
            return lines;
        }
        assert!(
            Instant::now() < end,
            "{} never got {count} lines: {text:?}",
            path.display()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A parent, a child, a grandchild that ignores SIGTERM, and one in a session of its own, as fio's
/// jobs are; each writes its number to `pids`.
const FAMILY: &str = r#"
echo $$ >> pids
sleep 1000 & echo $! >> pids
sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1; done' &
setsid sh -c 'echo $$ >> pids; while :; do sleep 1; done' &
setsid sh -c 'sh -c "echo \$\$ >> pids; exec sleep 1000" & exit 0' &
wait
"#;
const FAMILY_SIZE: usize = 5;

fn assert_all_gone(dir: &Path) {
    for pid in lines(&dir.join("pids"), FAMILY_SIZE) {
        assert!(!runs(&pid), "process {pid} is left");
    }
}

#[test]
fn a_deadline_ends_the_whole_family_even_what_left_the_group() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let command = CommandLine::script(FAMILY).current_dir(dir.path());
    let error = shell()
        .run(&command, &limits().within(Duration::from_secs(8)))
        .expect_err("runs for ever");
    assert!(matches!(error, ShellError::TimedOut { .. }), "{error}");
    assert_all_gone(dir.path());
}

#[test]
fn cancelling_ends_the_family_and_says_interrupted() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let command = CommandLine::script(FAMILY).current_dir(dir.path());
    let limits = limits();
    let cancel = limits.cancel.clone();
    let pids = dir.path().join("pids");
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| shell().run(&command, &limits));
        lines(&pids, FAMILY_SIZE);
        cancel.raise();
        running.join().expect("does not panic")
    });
    assert!(
        matches!(result, Err(ShellError::Interrupted { .. })),
        "{result:?}"
    );
    assert_all_gone(dir.path());
}

#[test]
fn silence_ends_a_command_and_output_keeps_it_alive() {
    let stalled = limits().stalled_after(Duration::from_secs(5));
    let error = shell()
        .run(&CommandLine::script("echo began; sleep 1000"), &stalled)
        .expect_err("goes silent");
    let ShellError::Stalled { tail, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(tail, "began");

    // Three times the limit altogether, but on either stream something comes each half second.
    let busy = "for i in 1 2 3; do echo out; sleep 0.5; echo err >&2; sleep 0.5; done";
    let patient = limits().stalled_after(Duration::from_secs(20));
    assert!(
        shell()
            .run(&CommandLine::script(busy), &patient)
            .expect("never silent for long")
            .exit
            .success()
    );
}

#[test]
fn a_killed_command_leaves_no_children_to_spoil_the_next_test() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = format!(
        "{} kill -KILL $$",
        FAMILY.replace(
            "wait\n",
            "while test $(wc -l < pids) -lt 5; do sleep 0.1; done\n"
        )
    );
    let output = shell()
        .run(
            &CommandLine::script(text).current_dir(dir.path()),
            &limits(),
        )
        .expect("it ends");
    assert_eq!(output.exit, Exit::Signal(9));
    assert_all_gone(dir.path());
}

#[test]
fn a_daemon_that_keeps_the_pipe_does_not_hang_the_wait() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = "echo said; sleep 1000 & echo $! > pid";
    let output = shell()
        .run(
            &CommandLine::script(text).current_dir(dir.path()),
            &limits().within(Duration::from_secs(120)),
        )
        .expect("ends although its child holds the pipe");
    assert_eq!(
        (output.exit, output.text().as_str()),
        (Exit::Code(0), "said\n")
    );
    let pid = lines(&dir.path().join("pid"), 1).remove(0);
    assert!(runs(&pid), "a command that ended well may leave a daemon");
    let raw = rustix::process::Pid::from_raw(pid.parse().expect("a number")).expect("not 0");
    rustix::process::kill_process(raw, rustix::process::Signal::KILL)
        .expect("is our own child's child");
}

#[test]
fn two_hundred_megabytes_are_read_and_only_their_ends_kept() {
    let text =
        "echo first; head -c 200000000 /dev/zero; echo; echo last; head -c 1000000 /dev/zero >&2";
    let output = shell()
        .run(&CommandLine::script(text), &limits())
        .expect("it ends");
    assert!(output.exit.success());
    assert!(output.stdout.starts_with(b"first\n") && output.stdout.ends_with(b"\nlast\n"));
    assert!(
        output.stdout.len() < 34 << 20,
        "kept {} bytes",
        output.stdout.len()
    );
    assert!(
        output.stdout.capacity() < 80 << 20,
        "holds {} bytes",
        output.stdout.capacity()
    );
    assert_eq!(output.stderr.len(), 1_000_000, "what is short is whole");
}

#[test]
fn bytes_that_are_no_text_come_through_unchanged() {
    let output = shell()
        .run(
            &CommandLine::script(r"printf '\000\377\376\n\200'"),
            &limits(),
        )
        .expect("it ends");
    assert_eq!(output.stdout, b"\x00\xff\xfe\n\x80");
}

#[test]
fn big_input_and_big_output_at_once_do_not_block_each_other() {
    let input = vec![b'x'; 5 << 20];
    let output = shell()
        .run(&CommandLine::new("cat").stdin(input.clone()), &limits())
        .expect("it ends");
    assert!(output.stdout == input, "cat returns what it is fed");
    let output = shell()
        .run(&CommandLine::new("true").stdin(input), &limits())
        .expect("it ends");
    assert!(output.exit.success(), "who does not read is not waited for");
}

#[test]
fn a_background_process_is_seen_stopped_and_gone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut process = shell()
        .start(&CommandLine::script(FAMILY).current_dir(dir.path()))
        .expect("it starts");
    lines(&dir.path().join("pids"), FAMILY_SIZE);
    assert!(process.is_running());
    process.stop().expect("it can be ended");
    assert!(!process.is_running());
    assert_all_gone(dir.path());
    assert_eq!(
        process.wait(&limits()).expect("it has ended").exit,
        Exit::Signal(15)
    );
}

#[test]
fn a_background_process_that_ended_by_itself_does_not_run() {
    let mut process = shell()
        .start(&CommandLine::script("echo done"))
        .expect("it starts");
    let end = Instant::now() + Duration::from_secs(60);
    while process.is_running() {
        assert!(Instant::now() < end, "a zombie counts as gone");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(
        process.wait(&limits()).expect("it has ended").text(),
        "done\n"
    );
}

#[test]
fn dropping_a_process_ends_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let process = shell()
        .start(&CommandLine::script(FAMILY).current_dir(dir.path()))
        .expect("it starts");
    lines(&dir.path().join("pids"), FAMILY_SIZE);
    drop(process);
    assert_all_gone(dir.path());
}
