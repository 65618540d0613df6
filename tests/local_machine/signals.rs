//! Real signals to a real process: this test program, started once more in another role.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use runperf::control::cancel::{CancelToken, install};
use rustix::process::{Pid, Signal, kill_process};

const ROLE: &str = "RUNPERF_TEST_ROLE";

/// Not a test of its own: the other role. Prints each change; ends only by its third signal.
#[test]
fn role_that_listens() {
    if std::env::var(ROLE).as_deref() != Ok("listen") {
        return;
    }
    let say = |text: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "@{text}").expect("the parent reads");
        out.flush().expect("the parent reads");
    };
    let token = CancelToken::default();
    let guard = install(
        token.clone(),
        move || say("last words"),
        move || say("progress"),
    )
    .expect("can listen");
    say("ready");
    let mut seen = token.urgency();
    loop {
        let now = token.urgency();
        if now != seen {
            say(&format!("{now:?}"));
            seen = now;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
        let _ = &guard;
    }
}

struct Listener {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Listener {
    /// `wrapper`: a command line put in front.
    fn start(wrapper: &[&str]) -> Self {
        let own = std::env::current_exe().expect("a running program has a path");
        let mut words: Vec<&str> = wrapper.to_vec();
        let own = own.display().to_string();
        words.extend([
            own.as_str(),
            "--exact",
            "signals::role_that_listens",
            "--nocapture",
        ]);
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env(ROLE, "listen")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("this very program can be started");
        let out = BufReader::new(child.stdout.take().expect("is piped"));
        let mut listener = Self { child, out };
        listener.expect("ready");
        listener
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("not 0");
        kill_process(pid, signal).expect("our own child");
    }

    /// Reads what the role says next; lines of the test harness do not count.
    fn expect(&mut self, text: &str) {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.out.read_line(&mut line).expect("readable"),
                0,
                "ended before it said {text}"
            );
            if let Some((_, said)) = line.trim_end().split_once('@') {
                assert_eq!(said, text);
                return;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn three_signals_stop_hurry_and_leave_with_130() {
    let mut listener = Listener::start(&["env"]);
    listener.send(Signal::USR1);
    listener.expect("progress");
    listener.send(Signal::INT);
    listener.expect("Stop");
    listener.send(Signal::TERM);
    listener.expect("Now");
    listener.send(Signal::USR1);
    listener.expect("progress");
    listener.send(Signal::HUP);
    // The loop may or may not still see the last step.
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut listener.out, &mut rest).expect("readable");
    assert!(rest.contains("@last words\n"), "{rest}");
    assert_eq!(
        listener.child.wait().expect("our own child").code(),
        Some(130)
    );
}

#[test]
fn nohup_is_respected() {
    let mut listener = Listener::start(&["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]);
    listener.send(Signal::HUP);
    listener.send(Signal::INT);
    listener.expect("Stop");
    listener.send(Signal::USR1);
    // Had the hangup counted, "Now" would have come first.
    listener.expect("progress");
}
