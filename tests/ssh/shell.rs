//! What a remote shell does is what the local one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use runperf::control::cancel::CancelToken;
use runperf::shell::tree::Bounds;
use runperf::shell::{CommandLine, Exit, Limits, Shell, ShellError, ShellExt};

use crate::skip_unless;
use crate::support::{Sshd, Wire, limits, running};

#[test]
fn a_command_gets_what_it_is_given_and_gives_back_what_it_leaves() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let command = CommandLine::script("cat; echo \"$A|$1|$PWD\" >&2; exit 3")
        .arg("x")
        .arg("it's $HOME\nand `more`")
        .env("A", "a b'c")
        .current_dir("/usr")
        .stdin(*b"\0\xff in");
    let output = shell.run(&command, &limits()).expect("it runs");
    assert_eq!(output.exit, Exit::Code(3));
    assert_eq!(output.stdout, b"\0\xff in", "not UTF-8, not text");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "a b'c|it's $HOME\nand `more`|/usr\n"
    );
    let killed = shell
        .run(&CommandLine::script("kill -9 $$"), &limits())
        .expect("it runs");
    assert_eq!(killed.exit, Exit::Signal(9));
    let missing = shell.run(&CommandLine::new("no-such-program"), &limits());
    assert!(
        matches!(missing, Err(ShellError::NotFound { .. })),
        "{missing:?}"
    );
    let nowhere = shell.run(&CommandLine::new("true").current_dir("/no/such"), &limits());
    assert!(
        matches!(nowhere, Err(ShellError::NoSuchFile { .. })),
        "{nowhere:?}"
    );
    // Longer than one packet.
    let long = "y".repeat(60_000);
    let output = shell
        .run(&CommandLine::new("printf").arg("%s").arg(&long), &limits())
        .expect("it runs");
    assert_eq!(output.text(), long);
    assert_eq!(
        shell
            .text(&CommandLine::new("echo").arg("still here"), &limits())
            .expect("works"),
        "still here\n"
    );
    let folder = shell.folder().to_owned();
    assert_eq!(
        fs::metadata(&folder).expect("made").permissions().mode() & 0o777,
        0o700
    );
    shell.close().expect("reachable");
    assert!(!Path::new(&folder).exists(), "nothing is left");
}

/// Waits until a command is really under way on the other side: before that there is nothing to end.
fn seen(text: &str) {
    for _ in 0..1200 {
        if running(text).iter().any(|line| line.starts_with("sleep")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("`{text}` did not start");
}

#[test]
fn a_limit_ends_everything_a_command_started() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    // One leaves the session, one loses the mark, one does not listen.
    let script = "setsid sleep 7001 & env -i sleep 7002 & sh -c 'trap \"\" TERM; sleep 7003; sleep 7003' & echo begun; wait";
    let script = CommandLine::script(script);
    let timed_out = shell.run(&script, &limits().within(Duration::from_secs(10)));
    let Err(ShellError::TimedOut { tail, .. }) = timed_out else {
        panic!("{timed_out:?}")
    };
    assert_eq!(tail, "begun");
    assert_eq!(running("sleep 700"), [""; 0]);

    let stalled = shell.run(&script, &limits().stalled_after(Duration::from_secs(2)));
    assert!(
        matches!(stalled, Err(ShellError::Stalled { .. })),
        "{stalled:?}"
    );
    assert_eq!(running("sleep 700"), [""; 0]);

    let cancel = CancelToken::default();
    let mut process = shell.start(&script).expect("starts");
    assert!(process.is_running());
    seen("sleep 7003");
    cancel.raise();
    let interrupted = process.wait(&Limits::new(cancel));
    assert!(
        matches!(interrupted, Err(ShellError::Interrupted { .. })),
        "{interrupted:?}"
    );
    assert_eq!(running("sleep 700"), [""; 0]);

    let mut process = shell
        .start(&CommandLine::script("echo out; sleep 7004"))
        .expect("starts");
    seen("sleep 7004");
    process.stop().expect("ends");
    let output = process.wait(&limits()).expect("has ended");
    assert!(!output.exit.success());
    assert_eq!(running("sleep 7004"), [""; 0]);
    shell.close().expect("reachable");
}

/// There was a window between the login shell and the mark by which a command is found: what was
/// stopped in it was believed gone and began to run then.
#[test]
fn a_command_that_is_stopped_while_it_starts_does_not_run() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    // A login shell takes this long or less.
    for delay in (0..40).map(|step| Duration::from_micros(400 * step)) {
        let mut process = shell
            .start(&CommandLine::new("sleep").arg("7005"))
            .expect("starts");
        std::thread::sleep(delay);
        process.stop().expect("ends");
        assert_eq!(running("sleep 7005"), [""; 0], "stopped after {delay:?}");
    }
    shell.close().expect("reachable");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(running("sleep 7005"), [""; 0], "none begins later");
    assert!(!Path::new(shell.folder()).exists(), "nothing is left");
}

#[test]
fn a_slow_login_shell_starts_nothing_after_the_end() {
    let sshd = skip_unless!(Sshd::with(
        // Commands take longer to start than their end is waited for; what ends them does not.
        "ForceCommand case $SSH_ORIGINAL_COMMAND in *env*) sleep 4 ;; esac; eval \"$SSH_ORIGINAL_COMMAND\"",
        |sshd| sshd
    ));
    let shell = sshd.shell();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let made = dir.path().join("made");
    let mut process = shell
        .start(&CommandLine::new("touch").arg(made.display().to_string()))
        .expect("starts");
    std::thread::sleep(Duration::from_secs(1));
    let _ = process.stop();
    shell.close().expect("reachable");
    std::thread::sleep(Duration::from_secs(6));
    assert!(!made.exists(), "it did not run");
    assert!(!Path::new(shell.folder()).exists(), "nothing is left");
}

#[test]
fn a_private_folder_that_somebody_removed_is_made_again() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let echo = CommandLine::new("echo").arg("works");
    for _ in 0..2 {
        assert_eq!(shell.text(&echo, &limits()).expect("runs"), "works\n");
        fs::remove_dir_all(shell.folder()).expect("was made");
    }
    shell.close().expect("reachable");
}

#[test]
fn variables_stand_in_no_command_line() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let secret = format!("marked-{}", std::process::id());
    let mut process = shell
        .start(&CommandLine::new("sleep").arg("7006").env("TOKEN", &secret))
        .expect("starts");
    // From before the command begins until it is there.
    while !running("sleep 7006")
        .iter()
        .any(|line| line.starts_with("sleep"))
    {
        assert_eq!(running(&secret), [""; 0]);
    }
    assert_eq!(running(&secret), [""; 0]);
    process.stop().expect("ends");
    shell.close().expect("reachable");
}

#[test]
fn a_daemon_that_keeps_the_output_does_not_keep_the_command() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let began = Instant::now();
    let output = shell
        .run(&CommandLine::script("sleep 300 & echo $!"), &limits())
        .expect("ends");
    assert!(
        began.elapsed() < Duration::from_secs(200),
        "it did not wait for the daemon"
    );
    assert_eq!(output.exit, Exit::Code(0));
    let pid: u32 = output.text().trim().parse().expect("a number");
    assert!(
        Path::new(&format!("/proc/{pid}")).exists(),
        "a command that ended by itself may leave a daemon"
    );
    shell
        .run(&CommandLine::new("kill").arg(pid.to_string()), &limits())
        .expect("ours");
    shell.close().expect("reachable");
}

#[test]
fn a_gigabyte_of_output_is_read_in_bounded_memory() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let command = CommandLine::script("head -c 1000000000 /dev/zero; echo; echo end");
    let output = shell
        .run(&command, &limits().within(Duration::from_secs(600)))
        .expect("ends");
    assert_eq!(output.exit, Exit::Code(0));
    assert!(
        output.stdout.len() < 40 << 20,
        "{} bytes kept",
        output.stdout.len()
    );
    let tail = String::from_utf8_lossy(&output.stdout[output.stdout.len() - 5..]).into_owned();
    assert_eq!(tail, "\nend\n");
    let peak = fs::read_to_string("/proc/self/status").expect("there is proc");
    let peak = peak
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("known")
        .trim();
    let kib: u64 = peak.trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 600 << 10, "{peak} at the peak");
    shell.close().expect("reachable");
}

#[test]
fn files_go_up_whole_and_come_back() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("it's a file");
    let content: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    shell
        .upload(&mut &content[..], &path, 0o640, &limits())
        .expect("goes up");
    assert_eq!(fs::read(&path).expect("there"), content);
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o7777,
        0o640
    );
    let mut back = Vec::new();
    assert_eq!(
        shell
            .download(&path, &mut back, &limits())
            .expect("comes back"),
        12_000_000
    );
    assert!(back == content);
    shell
        .upload(&mut &b""[..], &path, 0o600, &limits())
        .expect("an empty one too");
    assert_eq!(
        shell.read_file(&path, &limits()).expect("there"),
        Some(Vec::new())
    );
    assert!(
        shell
            .read_file(Path::new("/proc/stat"), &limits())
            .expect("there")
            .is_some_and(|text| !text.is_empty())
    );
    assert_eq!(
        shell
            .read_file(Path::new("/no/such"), &limits())
            .expect("absent"),
        None
    );
    let error = shell
        .download(Path::new("/dev/zero"), &mut back, &limits())
        .expect_err("no file");
    assert!(matches!(error, ShellError::File { .. }), "{error:?}");
    let error = shell
        .upload(&mut &b"x"[..], dir.path(), 0o600, &limits())
        .expect_err("a folder");
    assert!(matches!(error, ShellError::File { .. }), "{error:?}");
    let error = shell
        .upload(
            &mut &b"x"[..],
            Path::new("/no/such/folder/file"),
            0o600,
            &limits(),
        )
        .expect_err("no folder");
    assert!(matches!(error, ShellError::File { .. }), "{error:?}");
    assert_eq!(
        fs::read_dir(dir.path()).expect("there").count(),
        1,
        "no temporary name is left"
    );
    shell.close().expect("reachable");
}

/// Open files of this process.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd")
        .expect("there is proc")
        .count()
}

/// Kilobytes of memory this process holds.
fn memory() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("there is proc");
    let pages: usize = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4
}

/// Commands one after the other: one connection, no memory, files or processes that add up.
fn in_a_row(count: usize) {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let echo = |number: usize| {
        let command = CommandLine::new("echo").arg(number.to_string());
        let output = shell.text(&command, &limits()).expect("works");
        assert_eq!(output, format!("{number}\n"));
    };
    (0..count / 10).for_each(echo);
    let (memory_before, files_before) = (memory(), open_files());
    (0..count).for_each(echo);
    let grown = memory().saturating_sub(memory_before);
    // Other tests of this process run at the same time.
    assert!(grown < 700 << 10, "{grown} KiB more than before");
    assert!(open_files() < files_before + 500, "files stay open");
    shell.close().expect("reachable");
    let log = fs::read_to_string(sshd.path("log")).expect("there");
    let logins = log.matches("Accepted publickey").count();
    assert_eq!(logins, 1, "one connection serves them all");
}

#[test]
fn a_thousand_commands_in_a_row_share_one_connection() {
    in_a_row(1_000);
}

#[test]
#[ignore = "takes minutes; a thousand show the same, scripts/bench-ssh counts as well"]
fn ten_thousand_commands_in_a_row_share_one_connection() {
    in_a_row(10_000);
}

#[test]
fn a_connection_that_broke_while_it_was_idle_is_replaced() {
    let sshd = skip_unless!(Sshd::start());
    skip_unless!(crate::support::program("pkill"));
    let wire = Wire::to(sshd.port);
    sshd.lead_through(wire.port);
    let shell = sshd.shell();
    let echo = CommandLine::new("echo").arg("works");
    assert_eq!(shell.text(&echo, &limits()).expect("runs"), "works\n");
    // As after a restart: the other side says so.
    sshd.cut_connections();
    assert_eq!(shell.text(&echo, &limits()).expect("runs"), "works\n");
    // As after a power failure, or behind a firewall that forgets: nobody says anything.
    wire.frozen.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| shell.text(&echo, &limits()));
        std::thread::sleep(Duration::from_secs(2));
        wire.frozen.store(false, Ordering::SeqCst);
        assert_eq!(late.join().expect("no panic").expect("runs"), "works\n");
    });
    shell.close().expect("reachable");
}

#[test]
fn an_upload_that_stands_still_is_ended() {
    let sshd = skip_unless!(Sshd::start());
    let wire = Wire::to(sshd.port);
    sshd.lead_through(wire.port);
    let shell = sshd.shell();
    let dir = tempfile::tempdir().expect("a temporary folder");
    shell
        .text(&CommandLine::new("true"), &limits())
        .expect("runs");
    /// Freezes the wire when the first piece was taken.
    struct Freezing<'a>(&'a Wire);
    impl std::io::Read for Freezing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.frozen.store(true, Ordering::SeqCst);
            Ok(buffer.len())
        }
    }
    let stalling = limits().stalled_after(Duration::from_secs(3));
    let result = shell.upload(
        &mut Freezing(&wire),
        &dir.path().join("f"),
        0o600,
        &stalling,
    );
    wire.frozen.store(false, Ordering::SeqCst);
    assert!(
        matches!(result, Err(ShellError::Stalled { .. })),
        "{result:?}"
    );
    assert!(!dir.path().join("f").exists());
    shell.close().expect("reachable");
}

#[test]
fn folders_go_up_and_come_back_as_they_were() {
    let sshd = skip_unless!(Sshd::start());
    skip_unless!(crate::support::program("tar"));
    let shell = sshd.shell();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let from = dir.path().join("from");
    fs::create_dir_all(from.join("a/b")).expect("writable");
    fs::write(from.join("a/b/big"), vec![5; 6_000_000]).expect("writable");
    fs::write(from.join("run.sh"), "echo").expect("writable");
    fs::set_permissions(from.join("run.sh"), fs::Permissions::from_mode(0o750)).expect("ours");
    let there = dir.path().join("it's there");
    shell
        .upload_tree(&from, &there, &limits())
        .expect("goes up");
    std::os::unix::fs::symlink("/etc/passwd", there.join("out")).expect("writable");
    let back = dir.path().join("back");
    let fetched = shell
        .fetch_tree(&there, &back, Bounds::default(), &limits())
        .expect("comes back");
    assert_eq!((fetched.files, fetched.bytes), (2, 6_000_004));
    assert_eq!(fetched.left_out, ["out -> /etc/passwd"]);
    assert!(fs::read(back.join("a/b/big")).expect("there") == vec![5; 6_000_000]);
    let mode = fs::metadata(back.join("run.sh"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o750);
    // Refused on the way: the other side learns it and the connection goes on.
    let bounds = Bounds {
        bytes: 1000,
        ..Bounds::default()
    };
    let refused = shell.fetch_tree(&there, &dir.path().join("no"), bounds, &limits());
    assert!(
        matches!(refused, Err(ShellError::File { .. })),
        "{refused:?}"
    );
    let missing = shell.fetch_tree(Path::new("/no/such"), &back, bounds, &limits());
    assert!(
        matches!(missing, Err(ShellError::NoSuchFile { .. })),
        "{missing:?}"
    );
    shell
        .text(&CommandLine::new("true"), &limits())
        .expect("works");
    shell.close().expect("reachable");
}

#[test]
fn commands_at_once_share_few_connections() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    std::thread::scope(|scope| {
        for number in 0..40 {
            let shell = &shell;
            scope.spawn(move || {
                let output = shell.text(
                    &CommandLine::script(format!("sleep 0.2; echo {number}")),
                    &limits(),
                );
                assert_eq!(output.expect("works"), format!("{number}\n"));
            });
        }
    });
    shell.close().expect("reachable");
    let log = fs::read_to_string(sshd.path("log")).expect("there");
    let logins = log
        .lines()
        .filter(|line| line.contains("Accepted publickey"))
        .count();
    assert!((1..=17).contains(&logins), "{logins} connections");
}

#[test]
fn a_server_that_takes_few_newcomers_is_asked_again() {
    let sshd = skip_unless!(Sshd::with("MaxStartups 1:100:1", |sshd| sshd));
    let shell = sshd.shell();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                shell
                    .text(&CommandLine::script("sleep 1"), &limits())
                    .expect("in the end")
            });
        }
    });
    shell.close().expect("reachable");
}

#[test]
fn a_machine_behind_two_jumps_is_reached() {
    let sshd = skip_unless!(Sshd::start());
    let jump = format!(
        " ProxyJump {0}@127.0.0.1:{1},lab2\nHost lab2\n HostName 127.0.0.1\n Port {1}\n",
        crate::support::user(),
        sshd.port
    );
    sshd.write_config(&jump);
    let shell = sshd.shell();
    let text = shell.text(
        &CommandLine::script("echo $SSH_CONNECTION; head -c 3000000 /dev/zero | tr '\\0' x"),
        &limits(),
    );
    let text = text.expect("reached");
    assert_eq!(text.lines().nth(1).map(str::len), Some(3_000_000));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let content = vec![7; 5_000_000];
    shell
        .upload(&mut &content[..], &dir.path().join("f"), 0o600, &limits())
        .expect("goes up");
    assert!(fs::read(dir.path().join("f")).expect("there") == content);
    shell.close().expect("reachable");
    let log = fs::read_to_string(sshd.path("log")).expect("there");
    assert!(
        log.lines()
            .filter(|line| line.contains("Accepted publickey"))
            .count()
            >= 3,
        "each jump is a login"
    );
}

#[test]
fn an_agent_lets_in_without_a_key_file() {
    let sshd = skip_unless!(Sshd::start());
    skip_unless!(crate::support::program("ssh-agent"));
    // The agent is found through the environment, which only another process can be given.
    let script = "eval $(ssh-agent -s) >/dev/null && ssh-add -q \"$1\" && rm \"$1\" && \"$2\" --exact shell::with_the_agent --ignored --nocapture; s=$?; ssh-agent -k >/dev/null; exit $s";
    let test = std::env::current_exe().expect("known");
    let output = std::process::Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(sshd.path("key"))
        .arg(test)
        .env("RUNPERF_TEST_SSHD", sshd.path("config"))
        .output()
        .expect("there is sh");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
#[ignore = "run by an_agent_lets_in_without_a_key_file, with an agent in its environment"]
fn with_the_agent() {
    let Some(config) = std::env::var_os("RUNPERF_TEST_SSHD") else {
        return;
    };
    let text = fs::read_to_string(&config)
        .expect("there")
        .replace("IdentitiesOnly yes", "IdentitiesOnly no");
    fs::write(&config, text).expect("writable");
    let settings = runperf::shell::ssh::Settings {
        config: Some(config.into()),
        ..Default::default()
    };
    let shell = crate::support::shell(settings);
    assert_eq!(
        shell
            .text(&CommandLine::new("echo").arg("in"), &limits())
            .expect("let in"),
        "in\n"
    );
    shell.close().expect("reachable");
}

/// A host that takes certificates only, which libssh2 cannot show.
fn with_certificates() -> Result<(Sshd, tempfile::TempDir), String> {
    let ca = tempfile::tempdir().expect("a temporary folder");
    let key = ca.path().join("ca");
    crate::support::program("ssh-keygen")?;
    crate::support::keygen(&key);
    let trusted = format!(
        "TrustedUserCAKeys {}\nAuthorizedKeysFile none\nPermitUserRC no",
        key.with_extension("pub").display()
    );
    let sshd = Sshd::with(&trusted, |sshd| sshd)?;
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-I", "test", "-n", &crate::support::user(), "-s"])
        .arg(&key)
        .arg(sshd.path("key.pub"))
        .status();
    assert!(status.expect("there is ssh-keygen").success());
    Ok((sshd, ca))
}

#[test]
fn where_only_a_certificate_lets_in_the_systems_ssh_is_the_way() {
    let (sshd, _ca) = skip_unless!(with_certificates());
    skip_unless!(crate::support::program("ssh"));
    let shell = sshd.shell();
    let command = CommandLine::script("cat; echo \"$A|$1\" >&2; exit 3")
        .arg("x")
        .arg("it's\nlong")
        .env("A", "a b'c")
        .stdin(*b"\0\xff in");
    let output = shell.run(&command, &limits()).expect("it runs");
    assert_eq!(output.exit, Exit::Code(3));
    assert_eq!(output.stdout, b"\0\xff in");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "a b'c|it's\nlong\n"
    );
    let missing = shell.run(&CommandLine::new("no-such-program"), &limits());
    assert!(
        matches!(missing, Err(ShellError::NotFound { .. })),
        "{missing:?}"
    );
    let own = shell.run(&CommandLine::script("exit 255"), &limits());
    assert_eq!(own.expect("its own status").exit, Exit::Code(255));

    // What is ended is ended there.
    let script = CommandLine::script("setsid sleep 7011 & echo begun; sleep 7011");
    let stalled = shell.run(&script, &limits().stalled_after(Duration::from_secs(3)));
    assert!(
        matches!(&stalled, Err(ShellError::Stalled { tail, .. }) if tail == "begun"),
        "{stalled:?}"
    );
    assert_eq!(running("sleep 7011"), [""; 0]);
    let mut process = shell.start(&script).expect("starts");
    seen("sleep 7011");
    process.stop().expect("ends");
    assert_eq!(running("sleep 7011"), [""; 0]);

    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("it's a file");
    let content: Vec<u8> = (0..500_000u32).flat_map(u32::to_le_bytes).collect();
    shell
        .upload(&mut &content[..], &path, 0o640, &limits())
        .expect("goes up");
    assert_eq!(
        fs::metadata(&path).expect("there").permissions().mode() & 0o7777,
        0o640
    );
    let mut back = Vec::new();
    let length = shell
        .download(&path, &mut back, &limits())
        .expect("comes back");
    assert!(length == 2_000_000 && back == content);
    let error = shell
        .read_file(Path::new("/no/such"), &limits())
        .expect("absent");
    assert_eq!(error, None);
    let error = shell.upload(
        &mut &b"x"[..],
        Path::new("/no/such/folder/f"),
        0o600,
        &limits(),
    );
    assert!(matches!(error, Err(ShellError::File { .. })), "{error:?}");
    let to = tempfile::tempdir().expect("a temporary folder");
    shell
        .upload_tree(dir.path(), &to.path().join("tree"), &limits())
        .expect("goes up");
    assert!(to.path().join("tree/it's a file").exists());

    shell.close().expect("reachable");
    assert!(!Path::new(shell.folder()).exists(), "nothing is left");
    let master = sshd.path("config").display().to_string();
    assert_eq!(running(&master), [""; 0], "no connection is left");
}
