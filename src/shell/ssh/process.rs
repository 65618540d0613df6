//! A command on another machine: a thread of its own carries its bytes, and ends it when asked to.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ssh2::Channel;

use super::channel::{End, Mark, Traffic, drive, small};
use super::connection::{Connection, StepError};
use super::wrap;
use super::{Begun, Machine};
use crate::control::cancel::{CancelToken, Urgency};
use crate::shell::capture::{Shared, Stream};
use crate::shell::cut::POLL;
use crate::shell::{CommandLine, Exit, Limits, Output, Process, ShellError};

/// Between the request to end and the kill, in tenths of a second.
pub(super) const GRACE: u8 = 20;
/// What ending a command may take, connecting again included.
const END_LIMIT: Duration = Duration::from_secs(30);
/// How long output of an ended command may still come.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// No wish to end it.
const RUN: u8 = u8::MAX;

/// The wish that a command ends: the tenths of a second it may take for it.
#[derive(Debug)]
struct Wish {
    grace: AtomicU8,
    bell: Mutex<UnixStream>,
}

impl Wish {
    fn end(&self, grace: u8) {
        self.grace.fetch_min(grace, Ordering::SeqCst);
        // A full socket means that it rings already.
        let _ = self
            .bell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(&[0]);
    }

    fn grace(&self) -> Option<u8> {
        Some(self.grace.load(Ordering::SeqCst)).filter(|grace| *grace != RUN)
    }
}

/// What became of a command.
#[derive(Debug, Default)]
struct Outcome {
    exit: Option<Exit>,
    lost: Option<io::Error>,
    /// Why something of it may still run.
    not_ended: Option<String>,
    took: Duration,
}

/// A command that runs on another machine.
#[derive(Debug)]
pub(super) struct SshProcess {
    machine: Arc<Machine>,
    command: CommandLine,
    mark: Mark,
    shared: Arc<Shared>,
    outcome: Arc<Mutex<Outcome>>,
    wish: Arc<Wish>,
    started: Instant,
}

impl SshProcess {
    /// Takes over a channel whose command was just started.
    pub(super) fn new(begun: Begun, command: &CommandLine) -> io::Result<Self> {
        let Begun {
            machine,
            connection,
            channel,
            mark,
            head,
            started,
        } = begun;
        let mut input = head;
        input.extend_from_slice(command.stdin.as_deref().unwrap_or_default());
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        let process = Self {
            machine,
            command: command.clone(),
            mark,
            shared: Shared::new(),
            outcome: Arc::default(),
            wish: Arc::new(Wish {
                grace: AtomicU8::new(RUN),
                bell: Mutex::new(near),
            }),
            started,
        };
        let work = Work {
            machine: Arc::clone(&process.machine),
            mark: process.mark.clone(),
            shared: Arc::clone(&process.shared),
            outcome: Arc::clone(&process.outcome),
            wish: Arc::clone(&process.wish),
            started,
        };
        std::thread::Builder::new()
            .name("ssh-command".into())
            .spawn(move || work.run(connection, channel, input, far))?;
        Ok(process)
    }

    /// Has the command ended and waits for that.
    fn end(&self, cancel: Option<&CancelToken>) -> Result<(), ShellError> {
        let hurry = |cancel: &CancelToken| cancel.urgency() >= Urgency::Now;
        self.wish
            .end(if cancel.is_some_and(hurry) { 0 } else { GRACE });
        // The thread has limits of its own for every step; this one only guards against a defect in it.
        let until = Instant::now() + 4 * END_LIMIT;
        let mut state = self.shared.lock();
        while !state.exited && Instant::now() < until {
            state = self
                .shared
                .bell
                .wait_timeout(state, POLL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let exited = state.exited;
        drop(state);
        let left = if exited {
            self.outcome().not_ended.take()
        } else {
            Some("no answer".into())
        };
        match left {
            None => Ok(()),
            Some(why) => Err(ShellError::Io {
                target: self.machine.target.clone(),
                command: self.command.clone(),
                source: io::Error::other(format!("it could not be ended: {why}")),
            }),
        }
    }

    fn outcome(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process for SshProcess {
    fn wait(&mut self, limits: &Limits) -> Result<Output, ShellError> {
        let (target, command) = (&self.machine.target, &self.command);
        let Some(cut) = self.shared.wait_or_cut(limits) else {
            let (exit, lost, took) = {
                let mut outcome = self.outcome();
                (outcome.exit, outcome.lost.take(), outcome.took)
            };
            let output = self
                .shared
                .take_output(exit.unwrap_or(Exit::Signal(0)), took);
            if let Some(source) = lost {
                return Err(ShellError::Lost {
                    target: target.clone(),
                    command: command.clone(),
                    source,
                });
            }
            let odd = matches!(output.exit, Exit::Code(126 | 127));
            return match wrap::trouble(&output.stderr, &self.mark.mark, target, command) {
                Some(error) if odd => Err(error),
                _ => Ok(output),
            };
        };
        let ended = self.end(Some(&limits.cancel));
        let tail = self
            .shared
            .take_output(Exit::Signal(0), Duration::ZERO)
            .tail();
        ended?;
        Err(cut.error(target, command, self.started, tail))
    }

    fn stop(&mut self) -> Result<(), ShellError> {
        if !self.is_running() {
            return Ok(());
        }
        self.end(None)
    }

    fn is_running(&mut self) -> bool {
        !self.shared.lock().exited
    }
}

impl Drop for SshProcess {
    /// Its own thread ends it; a panicking thread leaves no benchmark behind.
    fn drop(&mut self) {
        if !self.shared.lock().exited {
            self.wish.end(GRACE);
        }
    }
}

/// What the thread of a command holds.
struct Work {
    machine: Arc<Machine>,
    mark: Mark,
    shared: Arc<Shared>,
    outcome: Arc<Mutex<Outcome>>,
    wish: Arc<Wish>,
    started: Instant,
}

/// Bytes of a command, until somebody wishes its end.
struct Running<'a> {
    input: Vec<u8>,
    shared: &'a Shared,
    wish: &'a Wish,
    bell: &'a UnixStream,
    /// Set when it has been ended: the last output may come until then.
    until: Option<Instant>,
}

impl Traffic for Running<'_> {
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        *buffer = std::mem::take(&mut self.input);
        Ok(())
    }

    fn take(&mut self, which: Stream, bytes: &[u8]) -> io::Result<()> {
        self.shared.push(which, bytes);
        Ok(())
    }

    fn goes_on(&mut self) -> bool {
        match self.until {
            Some(until) => Instant::now() < until,
            None => self.wish.grace().is_none(),
        }
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        self.until.is_none().then(|| self.bell.as_fd())
    }
}

impl Work {
    fn run(
        self,
        connection: Connection,
        mut channel: Channel,
        input: Vec<u8>,
        mut bell: UnixStream,
    ) {
        let mut traffic = Running {
            input,
            shared: &self.shared,
            wish: &self.wish,
            bell: &bell,
            until: None,
        };
        let end = drive(&connection, &mut channel, Some(&self.mark), &mut traffic);
        let mut outcome = Outcome {
            took: self.started.elapsed(),
            ..Outcome::default()
        };
        let mut reusable = false;
        match end {
            End::Exit(exit) => {
                outcome.exit = Some(exit);
                reusable = true;
                if matches!(exit, Exit::Signal(_)) {
                    // The parent was killed: its children (fio's jobs) must not go on measuring.
                    outcome.not_ended = self
                        .machine
                        .end_all(&self.mark, Some(&connection), GRACE)
                        .err();
                }
            }
            End::Left(exit) => outcome.exit = Some(exit),
            End::Stopped => {
                let grace = self.wish.grace().unwrap_or(GRACE);
                outcome.not_ended = self
                    .machine
                    .end_all(&self.mark, Some(&connection), grace)
                    .err();
                traffic.until = Some(Instant::now() + LAST_OUTPUT);
                match drive(&connection, &mut channel, None, &mut traffic) {
                    End::Exit(exit) => {
                        outcome.exit = Some(exit);
                        reusable = true;
                    }
                    End::Left(exit) => outcome.exit = Some(exit),
                    _ => {}
                }
            }
            End::Local(error) | End::Lost(error) => {
                tracing::warn!(machine = %self.machine.target, %error, "connection lost, ending what ran on it");
                outcome.not_ended = self.machine.end_all(&self.mark, None, GRACE).err();
                if let Some(why) = &outcome.not_ended {
                    tracing::warn!(machine = %self.machine.target, why, "what ran there could not be ended");
                }
                outcome.lost = Some(error);
            }
        }
        let _ = bell.read(&mut [0; 64]);
        drop(channel);
        if reusable {
            self.machine.pool.give_back(connection);
        } else {
            drop(connection);
            self.machine.pool.lost();
        }
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
        let mut state = self.shared.lock();
        state.open = 0;
        state.exited = true;
        drop(state);
        self.shared.bell.notify_all();
    }
}

impl Machine {
    /// Ends everything the command started, over its own connection or a new one.
    pub(super) fn end_all(
        &self,
        mark: &Mark,
        connection: Option<&Connection>,
        grace: u8,
    ) -> Result<(), String> {
        let limits = Limits::new(CancelToken::default()).within(END_LIMIT);
        let line = format!("exec sh -s {} {} {grace}", mark.mark, mark.pid_file);
        let mut result = connection
            .map(|connection| small(connection, &line, wrap::END.as_bytes(), &limits, END_LIMIT));
        if !matches!(result, Some(Ok(_))) {
            let limits = Limits::new(CancelToken::default()).within(END_LIMIT);
            let new = self.pool.extra(&limits);
            let new = new.map_err(|_| format!("{} cannot be reached", self.target))?;
            result = Some(small(&new, &line, wrap::END.as_bytes(), &limits, END_LIMIT));
        }
        match result {
            Some(Ok((exit, _))) if exit.success() => Ok(()),
            Some(Ok((_, left))) => Err(format!(
                "processes {} do not end, even killed",
                String::from_utf8_lossy(&left).trim()
            )),
            Some(Err(StepError::Ssh(error))) => Err(error.to_string()),
            _ => Err("no answer in time".into()),
        }
    }
}
