//! Commands on the machine the program itself runs on.
//!
//! Each command gets a process group of its own, so that a Ctrl-C on the terminal reaches only
//! run-perf, which then ends commands in order. When a limit ends a command, everything it started
//! is gone before [`Shell::run`] returns: asked with SIGTERM, killed after [`GRACE`]. A command that
//! ends by itself may leave a daemon behind; one that was killed may not.
//!
//! What this cannot do: when run-perf itself is killed with SIGKILL, commands go on. They carry
//! `RUNPERF_COMMAND` in their environment, by which recovery finds them.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::capture::{Clip, Shared, Stream};
use super::processes::{Family, MARK};
use super::{CommandLine, Exit, Limits, Output, Process, Shell, ShellError, Target};
use crate::control::cancel::{CancelToken, Urgency};

/// Between the request to end and the kill.
pub const GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take to vanish (uninterruptible disk waits).
const KILL_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at cancellation and limits; the end of a command is noticed at once.
const POLL: Duration = Duration::from_millis(50);
/// How long output may still come when the command has ended but something holds its pipes.
const LINGER_QUIET: Duration = Duration::from_millis(200);
/// As above, altogether.
const LINGER: Duration = Duration::from_secs(2);

/// This machine.
#[derive(Debug)]
pub struct LocalShell {
    target: Target,
}

impl LocalShell {
    /// A shell on this machine that messages call `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { target: Target(name.into()) }
    }

    fn file_error(&self, action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> ShellError {
        let (target, path) = (self.target.clone(), path.to_owned());
        move |source| ShellError::File { action, target: target.clone(), path: path.clone(), source }
    }

    /// Copies in pieces, so that cancellation and deadline are noticed between them.
    fn copy(
        &self,
        from: &mut dyn Read,
        to: &mut dyn Write,
        shown: &CommandLine,
        limits: &Limits,
        failed: &dyn Fn(std::io::Error) -> ShellError,
    ) -> Result<u64, ShellError> {
        let started = Instant::now();
        let mut buffer = vec![0; 256 << 10];
        let mut total = 0;
        loop {
            check(&self.target, shown, limits, started)?;
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            to.write_all(&buffer[..count]).map_err(failed)?;
            total += count as u64;
        }
        to.flush().map_err(failed)?;
        Ok(total)
    }
}

impl Shell for LocalShell {
    fn target(&self) -> &Target {
        &self.target
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        check(&self.target, command, limits, Instant::now())?;
        LocalProcess::spawn(&self.target, command)?.wait(limits)
    }

    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        Ok(Box::new(LocalProcess::spawn(&self.target, command)?))
    }

    fn upload(&self, from: &mut dyn Read, to: &Path, mode: u32, limits: &Limits) -> Result<(), ShellError> {
        let failed = self.file_error("write", to);
        let shown = CommandLine::new("upload").arg(to.display().to_string());
        let folder = match to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // Gone again when anything below fails.
        let mut file = tempfile::Builder::new().prefix(".runperf-").tempfile_in(folder).map_err(&failed)?;
        self.copy(from, file.as_file_mut(), &shown, limits, &failed)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(&failed)?;
        file.persist(to).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn download(&self, from: &Path, to: &mut dyn Write, limits: &Limits) -> Result<u64, ShellError> {
        let failed = self.file_error("read", from);
        let shown = CommandLine::new("download").arg(from.display().to_string());
        let kind = match std::fs::metadata(from) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ShellError::NoSuchFile { target: self.target.clone(), path: from.to_owned() });
            }
            Err(error) => return Err(failed(error)),
        };
        if !kind.is_file() {
            // A pipe would block, a device never end.
            return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file")));
        }
        let mut file = std::fs::File::open(from).map_err(&failed)?;
        self.copy(&mut file, to, &shown, limits, &failed)
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// Says whether a limit is over already.
fn check(target: &Target, command: &CommandLine, limits: &Limits, started: Instant) -> Result<(), ShellError> {
    let (target, command) = (target.clone(), command.clone());
    if limits.cancel.is_cancelled() {
        return Err(ShellError::Interrupted { target, command });
    }
    match limits.deadline {
        Some(deadline) if Instant::now() >= deadline => {
            let limit = deadline.saturating_duration_since(started);
            Err(ShellError::TimedOut { target, command, limit, tail: String::new() })
        }
        _ => Ok(()),
    }
}

/// A command in its own process group.
///
/// Dropping it ends what still runs: a panicking thread leaves no benchmark behind.
#[derive(Debug)]
struct LocalProcess {
    target: Target,
    command: CommandLine,
    child: Child,
    family: Family,
    shared: Arc<Shared>,
    started: Instant,
    /// Set once, when the child is reaped.
    exit: Option<Exit>,
    took: Duration,
}

/// Why the waiting ended before the command did.
enum Cut {
    Cancelled,
    Deadline(Instant),
    Stall(Duration),
}

impl LocalProcess {
    fn spawn(target: &Target, command: &CommandLine) -> Result<Self, ShellError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut os = Command::new(command.program());
        os.args(command.args.iter().skip(1).map(super::command::Arg::reveal))
            .envs(command.env.iter().map(|(name, value)| (name, value.reveal())))
            .env(MARK, &id)
            .process_group(0)
            .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(dir) = &command.cwd {
            os.current_dir(dir);
        }
        let mut child = os.spawn().map_err(|source| spawn_error(target, command, source))?;
        let raw = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let shared = Shared::new();
        if let Some(stdout) = child.stdout.take() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.drain(stdout, Stream::Stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.drain(stderr, Stream::Stderr));
        }
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), command.stdin.clone()) {
            // A command may end without reading what it is fed; that is not an error.
            std::thread::spawn(move || drop(pipe.write_all(&input)));
        }
        let bell = Arc::clone(&shared);
        std::thread::spawn(move || {
            wait_unreaped(raw);
            bell.lock().exited = true;
            bell.bell.notify_all();
        });
        Ok(Self {
            target: target.clone(),
            command: command.clone(),
            child,
            family: Family { group: raw, mark: format!("{MARK}={id}") },
            shared,
            started: Instant::now(),
            exit: None,
            took: Duration::ZERO,
        })
    }

    /// Waits for the end of the command or of its limits, whichever comes first.
    fn wait_or_cut(&self, limits: &Limits) -> Option<Cut> {
        let mut state = self.shared.lock();
        while !state.exited {
            let now = Instant::now();
            if limits.cancel.is_cancelled() {
                return Some(Cut::Cancelled);
            }
            if let Some(deadline) = limits.deadline.filter(|deadline| now >= *deadline) {
                return Some(Cut::Deadline(deadline));
            }
            if let Some(stall) = limits.stall.filter(|stall| now - state.last_output >= *stall) {
                return Some(Cut::Stall(stall));
            }
            let next = [limits.deadline, limits.stall.and_then(|stall| state.last_output.checked_add(stall))]
                .into_iter()
                .flatten()
                .map(|end| end.saturating_duration_since(now))
                .fold(POLL, Duration::min);
            let waited = self.shared.bell.wait_timeout(state, next.max(Duration::from_millis(1)));
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        None
    }

    /// Reads what is left in the pipes after the end.
    ///
    /// A grandchild may hold them open for hours; what the command itself wrote is in the pipe
    /// already, so a short silence is the end.
    fn linger(&self) {
        let end = Instant::now() + LINGER;
        let began = Instant::now();
        let mut state = self.shared.lock();
        while state.open > 0 {
            let now = Instant::now();
            if now >= end || now - state.last_output.max(began) >= LINGER_QUIET {
                return;
            }
            let waited = self.shared.bell.wait_timeout(state, Duration::from_millis(20));
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Asks, then kills, everything that belongs to the command, and reaps it.
    fn end(&mut self, cancel: Option<&CancelToken>) -> Result<(), ShellError> {
        if self.exit.is_some() {
            return Ok(());
        }
        let hurry = || cancel.is_some_and(|cancel| cancel.urgency() >= Urgency::Now);
        self.family.signal(Signal::TERM);
        // A stopped process acts on SIGTERM only when it goes on.
        self.family.signal(Signal::CONT);
        let mut gone = self.family.wait_gone(GRACE, hurry);
        let end = Instant::now() + KILL_WAIT;
        while !gone && Instant::now() < end {
            // Again and again: what forks while it is being killed has new children.
            self.family.signal(Signal::KILL);
            gone = self.family.wait_gone(Duration::from_millis(100), || false);
        }
        if gone {
            self.reap();
            return Ok(());
        }
        let source = std::io::Error::other(format!("processes {:?} do not end, even killed", self.family.alive()));
        Err(ShellError::Io { target: self.target.clone(), command: self.command.clone(), source })
    }

    /// Takes the exit status. Only called when the child has ended: from now on its number may
    /// belong to another process.
    fn reap(&mut self) {
        if self.exit.is_some() {
            return;
        }
        if self.took.is_zero() {
            self.took = self.started.elapsed();
        }
        self.exit = Some(match self.child.wait() {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, signal) => Exit::Signal(signal.unwrap_or(0)),
            },
            Err(_) => Exit::Signal(0),
        });
    }

    fn take_output(&mut self, exit: Exit) -> Output {
        let mut state = self.shared.lock();
        Output {
            exit,
            stdout: state.stdout.take().map(Clip::into_bytes).unwrap_or_default(),
            stderr: state.stderr.take().map(Clip::into_bytes).unwrap_or_default(),
            took: self.took,
        }
    }
}

impl Process for LocalProcess {
    fn wait(&mut self, limits: &Limits) -> Result<Output, ShellError> {
        if let Some(exit) = self.exit {
            self.linger();
            return Ok(self.take_output(exit));
        }
        let Some(cut) = self.wait_or_cut(limits) else {
            self.took = self.started.elapsed();
            if peek_signalled(self.family.group) {
                // The parent was killed: its children (fio's jobs) must not go on measuring.
                self.end(None)?;
            }
            self.linger();
            self.reap();
            let exit = self.exit.unwrap_or(Exit::Signal(0));
            return Ok(self.take_output(exit));
        };
        self.end(Some(&limits.cancel))?;
        self.linger();
        let tail = self.take_output(Exit::Signal(0)).tail();
        let (target, command) = (self.target.clone(), self.command.clone());
        Err(match cut {
            Cut::Cancelled => ShellError::Interrupted { target, command },
            Cut::Deadline(deadline) => {
                let limit = deadline.saturating_duration_since(self.started);
                ShellError::TimedOut { target, command, limit, tail }
            }
            Cut::Stall(quiet) => ShellError::Stalled { target, command, quiet, tail },
        })
    }

    fn stop(&mut self) -> Result<(), ShellError> {
        self.end(None)
    }

    fn is_running(&mut self) -> bool {
        self.exit.is_none() && !self.shared.lock().exited
    }
}

impl Drop for LocalProcess {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.end(None);
        } else {
            self.reap();
        }
    }
}

/// Returns when the child has ended, and leaves it as a zombie: its number stays taken, so that
/// signals to its group cannot hit a stranger.
fn wait_unreaped(pid: i32) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    while let Err(rustix::io::Errno::INTR) =
        rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
}

/// Returns whether a child that has ended was killed by a signal.
fn peek_signalled(pid: i32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Pid::from_raw(pid)
        .and_then(|pid| rustix::process::waitid(WaitId::Pid(pid), options).ok().flatten())
        .is_some_and(|status| status.terminating_signal().is_some())
}

fn spawn_error(target: &Target, command: &CommandLine, source: std::io::Error) -> ShellError {
    let target = target.clone();
    if source.kind() == std::io::ErrorKind::NotFound {
        // The same errno says "no such folder to run in" and "no such program".
        if let Some(dir) = command.cwd.as_ref().filter(|dir| !dir.is_dir()) {
            return ShellError::NoSuchFile { target, path: PathBuf::from(dir) };
        }
        return ShellError::NotFound { target, program: command.program().to_owned() };
    }
    ShellError::Io { target, command: command.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> LocalShell {
        LocalShell::new("here")
    }

    fn no_limits() -> Limits {
        Limits::new(CancelToken::default())
    }

    #[test]
    fn streams_status_and_input_come_through() {
        let command = CommandLine::script("cat; echo oops >&2; exit 3").stdin("fed");
        let output = shell().run(&command, &no_limits()).expect("sh exists");
        assert_eq!((output.exit, output.text().as_str(), output.tail().as_str()), (Exit::Code(3), "fed", "oops"));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = shell().run(&CommandLine::new("no-such-program"), &no_limits()).expect_err("is not there");
        assert_eq!(error.to_string(), "no program `no-such-program` on here");
        let command = CommandLine::new("true").current_dir("/no/such/folder");
        let error = shell().run(&command, &no_limits()).expect_err("cannot run there");
        assert!(matches!(error, ShellError::NoSuchFile { .. }), "{error}");
    }

    #[test]
    fn nothing_starts_when_the_run_is_cancelled() {
        let limits = no_limits();
        limits.cancel.raise();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let command = CommandLine::new("touch").arg("made").current_dir(dir.path());
        assert!(matches!(shell().run(&command, &limits), Err(ShellError::Interrupted { .. })));
        assert!(!dir.path().join("made").exists());
    }

    #[test]
    fn files_go_up_whole_and_come_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a file");
        shell().upload(&mut &b"\0binary\xff"[..], &path, 0o640, &no_limits()).expect("folder is writable");
        let mut back = Vec::new();
        let length = shell().download(&path, &mut back, &no_limits()).expect("was written");
        assert_eq!((length, back.as_slice()), (8, &b"\0binary\xff"[..]));
        let mode = std::fs::metadata(&path).expect("exists").permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1, "no temporary name is left");
    }

    #[test]
    fn a_failed_upload_leaves_the_old_file_and_nothing_else() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("source went away"))
            }
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("kept");
        std::fs::write(&path, "old").expect("folder is writable");
        let error = shell().upload(&mut Broken, &path, 0o644, &no_limits()).expect_err("source is broken");
        assert!(matches!(error, ShellError::File { action: "write", .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "old");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_is_no_file_is_refused_instead_of_read_for_ever() {
        let mut sink = Vec::new();
        let error = shell().download(Path::new("/dev/zero"), &mut sink, &no_limits()).expect_err("a device");
        assert!(matches!(error, ShellError::File { .. }), "{error}");
        let error = shell().download(Path::new("/no/such"), &mut sink, &no_limits()).expect_err("missing");
        assert!(matches!(error, ShellError::NoSuchFile { .. }), "{error}");
    }
}
