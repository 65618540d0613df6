//! One command on this machine: started, waited for within its limits, ended with all it started.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::capture::{Shared, Stream};
use super::processes::{Family, MARK, mark_on};
use super::{CommandLine, Exit, Limits, Output, Process, ShellError, Target};
use crate::control::cancel::{CancelToken, Urgency};

/// Between the request to end and the kill.
const GRACE: Duration = Duration::from_secs(2);
/// How long killed processes may take to vanish (uninterruptible disk waits).
const KILL_WAIT: Duration = Duration::from_secs(10);
/// What is carried at once between a stream and a command.
const PIECE: usize = 256 << 10;
/// Between two looks at the limits while nothing moves.
const POLL: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// How long output may still come when the command has ended but something holds its pipes.
const LINGER_QUIET: Duration = Duration::from_millis(200);
/// As above, altogether.
const LINGER: Duration = Duration::from_secs(2);

/// A command in its own process group.
///
/// Dropping it ends what still runs: a panicking thread leaves no benchmark behind.
#[derive(Debug)]
pub(crate) struct LocalProcess {
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

/// The streams of a command.
struct Open {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
}

/// Reads what there is; 0 is the end.
fn read_some(from: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl LocalProcess {
    /// Starts a command; feeds it and reads what it prints.
    pub(crate) fn spawn(target: &Target, command: &CommandLine) -> Result<Self, ShellError> {
        let (process, Open { stdin, stdout }) =
            Self::launch(target, command, command.stdin.is_some())?;
        if let Some(stdout) = stdout {
            let shared = Arc::clone(&process.shared);
            std::thread::spawn(move || shared.drain(stdout, Stream::Stdout));
        }
        if let (Some(mut pipe), Some(input)) = (stdin, command.stdin.clone()) {
            // A command may end without reading what it is fed; that is not an error.
            std::thread::spawn(move || drop(pipe.write_all(&input)));
        }
        Ok(process)
    }

    /// Starts a command whose standard input and output are the caller's affair.
    fn launch(
        target: &Target,
        command: &CommandLine,
        fed: bool,
    ) -> Result<(Self, Open), ShellError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let given = command.env.iter().find(|(name, _)| name == MARK);
        let id = match given {
            Some((_, id)) => id.reveal().to_owned(),
            None => {
                let number = NEXT.fetch_add(1, Ordering::Relaxed);
                format!("{}{number}", mark_on(&target.0))
            }
        };
        let mut os = Command::new(command.program());
        os.args(command.args.iter().skip(1).map(super::command::Arg::reveal))
            .envs(
                command
                    .env
                    .iter()
                    .map(|(name, value)| (name, value.reveal())),
            )
            .env(MARK, &id)
            .process_group(0)
            .stdin(if fed { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(dir) = &command.cwd {
            os.current_dir(dir);
        }
        let mut child = os
            .spawn()
            .map_err(|source| spawn_error(target, command, source))?;
        let raw = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let shared = Shared::new();
        let open = Open {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
        };
        if let Some(stderr) = child.stderr.take() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.drain(stderr, Stream::Stderr));
        }
        let bell = Arc::clone(&shared);
        std::thread::spawn(move || {
            wait_unreaped(raw);
            bell.lock().exited = true;
            bell.bell.notify_all();
        });
        let process = Self {
            target: target.clone(),
            command: command.clone(),
            child,
            family: Family {
                group: raw,
                mark: format!("{MARK}={id}"),
            },
            shared,
            started: Instant::now(),
            exit: None,
            took: Duration::ZERO,
        };
        Ok((process, open))
    }

    /// Runs a command between two streams.
    pub(crate) fn pipe(
        target: &Target,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        let (mut process, open) = Self::launch(target, command, true)?;
        if let Err(source) = process.carry(open, from, to, limits) {
            process.stop()?;
            return Err(ShellError::Io {
                target: target.clone(),
                command: command.clone(),
                source,
            });
        }
        process.shared.lock().open -= 1;
        process.wait(limits)
    }

    /// Carries bytes until the output ends or a limit is over.
    fn carry(
        &mut self,
        open: Open,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> io::Result<()> {
        let Open { mut stdin, stdout } = open;
        let Some(mut stdout) = stdout else {
            return Ok(());
        };
        rustix::io::ioctl_fionbio(&stdout, true)?;
        if let Some(stdin) = &stdin {
            rustix::io::ioctl_fionbio(stdin, true)?;
        }
        let (mut piece, mut sent, mut length) = (vec![0; PIECE], 0, 0);
        let mut buffer = vec![0; PIECE];
        loop {
            let mut moved = false;
            if let Some(pipe) = &mut stdin {
                if sent == length {
                    (sent, length) = (0, read_some(from, &mut piece)?);
                }
                match pipe.write(&piece[sent..length]) {
                    Ok(count) => {
                        sent += count;
                        moved = count > 0;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // It may end without reading all of it.
                    Err(_) => length = 0,
                }
                if length == 0 {
                    stdin = None;
                    moved = true;
                }
            }
            let exited = self.shared.lock().exited;
            match stdout.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    to.write_all(&buffer[..count])?;
                    moved = true;
                }
                // Something it left behind holds the pipe.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && exited => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            let mut state = self.shared.lock();
            if moved {
                state.last_output = Instant::now();
            } else if state.cut(limits).is_some() {
                return Ok(());
            }
            drop(state);
            if limits.cancel.is_cancelled() {
                return Ok(());
            }
            if !moved {
                let mut fds = vec![PollFd::new(&stdout, PollFlags::IN)];
                fds.extend(
                    stdin
                        .as_ref()
                        .map(|stdin| PollFd::new(stdin, PollFlags::OUT)),
                );
                let _ = poll(&mut fds, Some(&POLL));
            }
        }
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
            let waited = self
                .shared
                .bell
                .wait_timeout(state, Duration::from_millis(20));
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
        let source = std::io::Error::other(format!(
            "processes {:?} do not end, even killed",
            self.family.alive()
        ));
        Err(ShellError::Io {
            target: self.target.clone(),
            command: self.command.clone(),
            source,
        })
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
}

impl Process for LocalProcess {
    fn wait(&mut self, limits: &Limits) -> Result<Output, ShellError> {
        if let Some(exit) = self.exit {
            self.linger();
            return Ok(self.shared.take_output(exit, self.took));
        }
        let Some(cut) = self.shared.wait_or_cut(limits) else {
            self.took = self.started.elapsed();
            if peek_signalled(self.family.group) {
                // The parent was killed: its children (fio's jobs) must not go on measuring.
                self.end(None)?;
            }
            self.linger();
            self.reap();
            let exit = self.exit.unwrap_or(Exit::Signal(0));
            return Ok(self.shared.take_output(exit, self.took));
        };
        self.end(Some(&limits.cancel))?;
        self.linger();
        let tail = self.shared.take_output(Exit::Signal(0), self.took).tail();
        Err(cut.error(&self.target, &self.command, self.started, tail))
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
    let Some(pid) = Pid::from_raw(pid) else {
        return;
    };
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    ) {}
}

/// Returns whether a child that has ended was killed by a signal.
fn peek_signalled(pid: i32) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Pid::from_raw(pid)
        .and_then(|pid| {
            rustix::process::waitid(WaitId::Pid(pid), options)
                .ok()
                .flatten()
        })
        .is_some_and(|status| status.terminating_signal().is_some())
}

fn spawn_error(target: &Target, command: &CommandLine, source: std::io::Error) -> ShellError {
    let target = target.clone();
    if source.kind() == std::io::ErrorKind::NotFound {
        // The same errno says "no such folder to run in" and "no such program".
        if let Some(dir) = command.cwd.as_ref().filter(|dir| !dir.is_dir()) {
            return ShellError::NoSuchFile {
                target,
                path: PathBuf::from(dir),
            };
        }
        return ShellError::NotFound {
            target,
            program: command.program().to_owned(),
        };
    }
    ShellError::Io {
        target,
        command: command.clone(),
        source,
    }
}
