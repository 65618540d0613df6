//! Tells what runs on a host, so that each of several can be followed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::control::event::{Event, Observer};
use crate::shell::command::Arg;
use crate::shell::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};

/// Longest part of a command that is shown.
const LENGTH: usize = 48;

/// A shell whose commands are told to the observer. What runs in the background is not.
pub(super) struct WatchedShell {
    inner: Arc<dyn Shell>,
    host: String,
    observer: Arc<dyn Observer>,
    next: AtomicU64,
}

impl WatchedShell {
    pub(super) fn new(inner: Arc<dyn Shell>, host: &str, observer: Arc<dyn Observer>) -> Self {
        Self {
            inner,
            host: host.to_owned(),
            observer,
            next: AtomicU64::new(0),
        }
    }

    fn tell<T>(&self, what: String, work: impl FnOnce() -> T) -> T {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let event = |what| Event::HostCommand {
            host: self.host.clone(),
            id,
            what,
        };
        self.observer.event(&event(Some(what)));
        let done = work();
        self.observer.event(&event(None));
        done
    }
}

impl std::fmt::Debug for WatchedShell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

/// The beginning of a command without its environment; a program of our own by what it is called.
fn short(command: &CommandLine) -> String {
    let word = |at: usize| command.args.get(at).map(Arg::to_string).unwrap_or_default();
    let text = match (command.program(), word(1).as_str()) {
        ("sh", "-c") if command.args.len() > 3 => word(3),
        ("sh", "-s") => "look at the machine".into(),
        _ => {
            let words: Vec<String> = command.args.iter().map(Arg::to_string).collect();
            words.join(" ")
        }
    };
    crate::text::one_line(&text).chars().take(LENGTH).collect()
}

impl Shell for WatchedShell {
    fn target(&self) -> &Target {
        self.inner.target()
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.tell(short(command), || self.inner.run(command, limits))
    }

    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        self.inner.start(command)
    }

    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        let what = format!("upload {}", to.display());
        self.tell(what, || self.inner.upload(from, to, mode, limits))
    }

    fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        let what = format!("download {}", from.display());
        self.tell(what, || self.inner.download(from, to, limits))
    }

    fn connect(&self, socket: &Path, limits: &Limits) -> Result<UnixStream, ShellError> {
        self.inner.connect(socket, limits)
    }

    fn glance(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.inner.glance(command, limits)
    }

    fn pipe(
        &self,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        self.tell(short(command), || {
            self.inner.pipe(command, from, to, limits)
        })
    }

    fn expect_new_key(&self) {
        self.inner.expect_new_key();
    }

    fn reconnect(&self) {
        self.inner.reconnect();
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn what_runs_is_said_in_few_words_and_without_secrets() {
        let once = CommandLine::new("fio")
            .arg("my job.fio")
            .env("RUNPERF_SAMPLE", "1");
        assert_eq!(short(&once), "fio 'my job.fio'");
        let ours = CommandLine::script("a\nb")
            .arg("back-up")
            .arg("/etc/rc.local");
        assert_eq!(short(&ours), "back-up");
        let secret = CommandLine::new("login").secret(&Secret::new("s3cret word"));
        assert_eq!(short(&secret), "login ***");
        assert_eq!(
            short(&CommandLine::new("x").arg("y".repeat(99))).len(),
            LENGTH
        );
    }
}
