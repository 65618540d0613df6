//! Nothing a run leaves, on either side, holds a secret it was given.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;

use crate::skip_unless;
use crate::support::{program, running};
use crate::testbed::{self, Hosts};

/// Found again wherever they turn up.
const PASSWORD: &str = "marked-password-Zq7x";
const WRONG: &str = "marked-wrong-one-Zq7x";
const PASSPHRASE: &str = "marked-passphrase-Zq7x";
const TOKEN: &str = "marked-token-Zq7x";
const MARKED: &str = "Zq7x";

/// Hosts 1 and 3 take the password, host 2 a key with a passphrase.
fn hosts() -> Result<&'static Hosts, String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    HOSTS.get_or_init(make).as_ref().map_err(Clone::clone)
}

fn make() -> Result<Hosts, String> {
    let openssl = program("openssl")?;
    let hash = Command::new(openssl)
        .args(["passwd", "-6", PASSWORD])
        .output()
        .map_err(|error| error.to_string())?;
    let hash = String::from_utf8_lossy(&hash.stdout).trim().to_owned();
    let hosts = testbed::up_with(3, &["--password-hash", &hash])?;
    let config = hosts.path(".ssh/config");
    let text = fs::read_to_string(&config).expect("made");
    let key = hosts.path("hosts/id_ed25519").display().to_string();
    let encrypted = hosts.path("encrypted").display().to_string();
    fs::copy(&key, &encrypted).expect("writable");
    let status = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", &encrypted])
        .status();
    assert!(status.expect("there is ssh-keygen").success());
    // The key itself stays for the test's own look at the hosts.
    fs::write(hosts.path("own_config"), &text).expect("writable");
    let mut number = 0;
    let lines = text.lines().map(|line| {
        number += usize::from(line.starts_with("Host "));
        match (line.trim_start().starts_with("IdentityFile"), number) {
            (true, 2) => format!("  IdentityFile {encrypted}"),
            (true, _) => "  IdentityFile /nonexistent".to_owned(),
            _ => line.to_owned(),
        }
    });
    // Named in no command line, which would be found.
    fs::write(hosts.path("mark"), MARKED).expect("writable");
    fs::write(&config, lines.collect::<Vec<_>>().join("\n") + "\n").expect("writable");
    Ok(hosts)
}

/// Files below a folder that hold the mark of the secrets, in their content or name.
fn holding(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(path) = todo.pop() {
        if path.to_string_lossy().contains(MARKED) {
            found.push(path.display().to_string());
        }
        if path.is_dir() && !path.is_symlink() {
            todo.extend(
                fs::read_dir(&path)
                    .expect("readable")
                    .flatten()
                    .map(|entry| entry.path()),
            );
        } else if path.is_file() {
            let content = fs::read(&path).unwrap_or_default();
            if content
                .windows(MARKED.len())
                .any(|part| part == MARKED.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// What a host itself has that holds a secret, in the folders the run may write to.
fn on_host(hosts: &Hosts, number: usize) -> String {
    let output = Command::new("ssh")
        .arg("-F")
        .arg(hosts.path("own_config"))
        .arg(hosts.address(number))
        .arg(format!(
            "grep -rlaFf {} /var/lib/runperf /opt/benchkit /tmp/runperf-* 2>/dev/null",
            hosts.path("mark").display()
        ))
        .output()
        .expect("there is ssh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn no_secret_is_left_or_shown_on_either_side() {
    let hosts = skip_unless!(hosts());
    fs::write(
        hosts.path("passwords"),
        format!("{WRONG}\n{PASSWORD}\n{PASSPHRASE}\n"),
    )
    .expect("writable");
    // A parameter whose name tells; printed by the command as well.
    let config = format!(
        "[tests.talkative]\nextends = \"command\"\n\
         command = [\"sh\", \"-c\", \"echo token=$API_TOKEN; echo $API_TOKEN >&2; sleep 1; echo 42\"]\n\
         samples = 2\nenv = {{ API_TOKEN = \"{TOKEN}\" }}\n\
         metrics = [{{ name = \"answers\", regex = \"(?m)^(\\\\d+)$\", primary = true }}]\n"
    );
    fs::write(hosts.path("run-perf.toml"), config).expect("writable");
    let state = hosts.path("state");
    let over = AtomicBool::new(false);
    let (output, shown, there) = std::thread::scope(|scope| {
        // Both sides are processes of this machine: all command lines are looked at, all the time.
        let shown = scope.spawn(|| {
            let mut shown = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                shown.extend(running(MARKED));
                std::thread::sleep(Duration::from_millis(10));
            }
            shown
        });
        let there = scope.spawn(|| {
            let mut there = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                for number in [1, 2] {
                    there.insert(on_host(hosts, number));
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            there
        });
        let output = hosts
            .run_perf()
            .env("RUNPERF_STATE_DIR", &state)
            .args(["-vvv", "--log", "log", "--hosts"])
            .args([hosts.host(1), hosts.host(2)])
            .args(["--default-passwords", "@passwords", "--output", "result"])
            .args(["--retry-tests", "1", "--", "talkative"])
            .output();
        over.store(true, Ordering::Relaxed);
        (
            output.expect("run-perf starts"),
            shown.join().expect("no panic"),
            there.join().expect("no panic"),
        )
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert_eq!(shown, BTreeSet::new(), "command lines");
    assert_eq!(there, BTreeSet::from([String::new()]), "on the hosts");
    for (name, text) in [("stdout", &out), ("stderr", &err)] {
        let line = text.lines().find(|line| line.contains(MARKED));
        assert_eq!(line, None, "{name}");
    }
    for place in ["result", "state", "log"] {
        if hosts.path(place).exists() {
            assert_eq!(holding(&hosts.path(place)), [""; 0], "{place}");
        }
    }
    // What is looked for would be found: the command printed it.
    assert!(err.contains("token=***"), "-vvv shows outputs: {err}");
    assert!(
        fs::read_to_string(hosts.path("result/__journal__.jsonl"))
            .is_ok_and(|j| j.contains("clean"))
    );
}

#[test]
fn a_password_is_asked_for_on_the_terminal_only() {
    let hosts = skip_unless!(hosts());
    let script = skip_unless!(program("script"));
    let args = |output: &str| {
        format!(
            "{} --hosts {} --ask-password --monitor-interval 0 --output {output} -- dummy",
            cargo_bin("run-perf").display(),
            hosts.host(3)
        )
    };
    // A pseudo-terminal; what is typed there is echoed unless somebody forbids it.
    let mut child = Command::new(script)
        .args(["-qec", &args("asked"), "/dev/null"])
        .env("HOME", hosts.home.path())
        .env("RUNPERF_STATE_DIR", hosts.path("state"))
        .env_remove("SSH_AUTH_SOCK")
        .current_dir(hosts.home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut typing = child.stdin.take().expect("piped");
    let mut screen = child.stdout.take().expect("piped");
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"Password of the hosts: ") {
        assert_eq!(
            screen.read(&mut byte).expect("readable"),
            1,
            "{}",
            String::from_utf8_lossy(&seen)
        );
        seen.push(byte[0]);
    }
    typing
        .write_all(format!("{PASSWORD}\n").as_bytes())
        .expect("typed");
    typing.flush().expect("typed");
    std::io::copy(&mut screen, &mut seen).expect("readable");
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(child.wait().expect("ends").success(), "{seen}");
    assert!(!seen.contains(MARKED), "{seen}");

    // No terminal, no question: jobs do not hang.
    let output = Command::new("setsid")
        .args(["-w", "sh", "-c", &args("not-asked")])
        .env("HOME", hosts.home.path())
        .current_dir(hosts.home.path())
        .stdin(Stdio::null())
        .output()
        .expect("there is setsid");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(
        err.contains("--ask-password needs a terminal") && err.contains("@FILE"),
        "{err}"
    );
    assert!(!hosts.path("not-asked").exists());
}
