//! One command on a connection: its bytes both ways, until it ends or is ended.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ssh2::Channel;

use super::connection::{Connection, Patience, SLICE, StepError};
use super::wrap;
use crate::shell::capture::Stream;
use crate::shell::{Exit, Limits};

/// How long output may still come when the command has ended but something holds its pipes.
const LINGER_QUIET: Duration = Duration::from_millis(200);
/// As above, altogether.
const LINGER: Duration = Duration::from_secs(2);
/// First look whether a silent command still runs; each further one after twice the time.
const FIRST_PROBE: Duration = Duration::from_secs(2);
const LONGEST_PROBE: Duration = Duration::from_secs(60);
/// What opening a channel and starting a command may take.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What a look whether a command still runs may take.
const PROBE_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks when somebody would wake us.
const WOKEN_SLICE: Duration = Duration::from_millis(500);
/// libssh2 cuts data into packets of 32 KiB.
const BUFFER: usize = 32 << 10;

/// Somebody who feeds a command and takes what it prints.
pub(super) trait Traffic {
    /// Fills `buffer` (empty) with the next bytes of standard input; empty is its end.
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()>;
    /// Takes output.
    fn take(&mut self, which: Stream, bytes: &[u8]) -> io::Result<()>;
    /// Returns whether to go on; asked often.
    fn goes_on(&mut self) -> bool;
    /// What wakes the waiting early.
    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// How the traffic of a command ended.
#[derive(Debug)]
pub(super) enum End {
    /// The command ended.
    Exit(Exit),
    /// The command ended, and something it left behind holds its pipes: the connection is of no more use.
    Left(Exit),
    /// [`Traffic::goes_on`] said no; the command may run on.
    Stopped,
    /// One of the [`Traffic`] calls failed; the command may run on.
    Local(io::Error),
    /// The connection broke; the command may run on.
    Lost(io::Error),
}

/// Starts a command line of the machine's login shell.
///
/// `Err` with `true`: it cannot have begun to run, so it may be tried on another connection.
pub(super) fn start(
    connection: &Connection,
    line: &str,
    limits: &Limits,
) -> Result<Channel, (StepError, bool)> {
    let patience = Patience {
        limits,
        until: Instant::now() + START_LIMIT,
    };
    let mut channel = connection
        .step(&patience, |session| session.channel_session())
        .map_err(|error| (error, true))?;
    connection
        .step(&patience, |_| channel.exec(line))
        .map_err(|error| (error, false))?;
    Ok(channel)
}

/// A command as it is found again.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) mark: String,
    pub(super) pid_file: String,
}

/// Carries bytes until the command has ended. With `mark` it looks now and then whether a silent one
/// still runs.
pub(super) fn drive(
    connection: &Connection,
    channel: &mut Channel,
    mark: Option<&Mark>,
    traffic: &mut dyn Traffic,
) -> End {
    let mut input = Input::default();
    let mut buffer = vec![0; BUFFER];
    let mut last_output = Instant::now();
    let mut ended: Option<Instant> = None;
    let mut pause = FIRST_PROBE;
    let mut next_probe = last_output + pause;
    if !traffic.goes_on() {
        // Nothing was fed yet: a command that waits for its first line has not begun.
        return End::Stopped;
    }
    loop {
        let mut moved = match input.feed(channel, traffic) {
            Ok(moved) => moved,
            Err(error) => return End::Local(error),
        };
        for (which, stream) in [(Stream::Stdout, 0), (Stream::Stderr, 1)] {
            // A stream that never runs dry must not keep the other one and the limits waiting.
            for _ in 0..16 {
                match channel.stream(stream).read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        if let Err(error) = traffic.take(which, &buffer[..count]) {
                            return End::Local(error);
                        }
                        last_output = Instant::now();
                        (pause, next_probe) = (FIRST_PROBE, last_output + FIRST_PROBE);
                        moved = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return End::Lost(error),
                }
            }
        }
        if channel.eof() {
            return close(connection, channel, traffic);
        }
        if !traffic.goes_on() {
            return End::Stopped;
        }
        // It has ended, and something it left behind holds its pipes.
        let now = Instant::now();
        if ended.is_none() && exit_of(channel).is_some_and(|exit| !exit.success()) {
            ended = Some(now);
        }
        if let Some(since) = ended
            && (now - since >= LINGER || now - last_output.max(since) >= LINGER_QUIET)
        {
            return End::Left(exit_of(channel).unwrap_or(Exit::Code(0)));
        }
        // Status 0 cannot be told from "runs still" here: libssh2 starts with 0.
        if let Some(mark) = mark
            && ended.is_none()
            && now >= next_probe
        {
            pause = (pause * 2).min(LONGEST_PROBE);
            next_probe = now + pause;
            match runs(connection, mark) {
                Ok(false) => ended = Some(Instant::now()),
                Ok(true) => {}
                Err(StepError::Ssh(error)) => return End::Lost(error.into()),
                Err(StepError::Slow | StepError::Cut) => {}
            }
        }
        if !moved {
            connection.keep_alive();
            let patient = traffic.wake().is_some() && ended.is_none();
            connection.wait(if patient { WOKEN_SLICE } else { SLICE }, traffic.wake());
        }
    }
}

/// Standard input on its way.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    sent: usize,
    ended: bool,
    closed: bool,
}

impl Input {
    fn feed(&mut self, channel: &mut Channel, traffic: &mut dyn Traffic) -> io::Result<bool> {
        let mut moved = false;
        while !self.closed {
            if self.sent == self.bytes.len() && !self.ended {
                self.bytes.clear();
                self.sent = 0;
                traffic.next(&mut self.bytes)?;
                self.ended = self.bytes.is_empty();
            }
            if self.ended {
                match channel.send_eof() {
                    Err(error) if super::connection::would_block(&error) => break,
                    // A command may end without reading what it is fed.
                    _ => self.closed = true,
                }
                moved = true;
                break;
            }
            match channel.stream(0).write(&self.bytes[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    moved = true;
                    if count == 0 {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.closed = true,
            }
            if self.sent < self.bytes.len() {
                break;
            }
        }
        Ok(moved)
    }
}

/// Waits for the status, which comes after the output; then gives the channel back.
fn close(connection: &Connection, channel: &mut Channel, traffic: &mut dyn Traffic) -> End {
    let mut closed = false;
    loop {
        let step = if closed {
            channel.close()
        } else {
            channel.wait_close()
        };
        match step {
            Ok(()) if closed => return End::Exit(exit_of(channel).unwrap_or(Exit::Code(0))),
            Ok(()) => {
                closed = true;
                continue;
            }
            Err(error) if super::connection::would_block(&error) => {}
            Err(error) => return End::Lost(error.into()),
        }
        if !traffic.goes_on() {
            return End::Stopped;
        }
        connection.keep_alive();
        connection.wait(SLICE, traffic.wake());
    }
}

/// Returns the status or signal that has arrived; status 0 also before any has.
fn exit_of(channel: &Channel) -> Option<Exit> {
    if let Some(name) = channel
        .exit_signal()
        .ok()
        .and_then(|signal| signal.exit_signal)
    {
        return Some(Exit::Signal(signal_number(&name)));
    }
    channel.exit_status().ok().map(Exit::Code)
}

/// Numbers of the names of RFC 4254, 6.10, on Linux.
fn signal_number(name: &str) -> i32 {
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "TRAP" => 5,
        "ABRT" => 6,
        "BUS" => 7,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => 0,
    }
}

/// Bytes in, bytes out, with a time limit: for small programs of our own.
struct Small<'a> {
    input: &'a [u8],
    output: Vec<u8>,
    patience: Patience<'a>,
}

impl Traffic for Small<'_> {
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.extend_from_slice(std::mem::take(&mut self.input));
        Ok(())
    }
    fn take(&mut self, _: Stream, bytes: &[u8]) -> io::Result<()> {
        self.output.extend_from_slice(bytes);
        Ok(())
    }
    fn goes_on(&mut self) -> bool {
        !self.patience.cut() && Instant::now() < self.patience.until
    }
}

/// Runs a small program of our own and returns its status and what it printed.
pub(super) fn small(
    connection: &Connection,
    line: &str,
    input: &[u8],
    limits: &Limits,
    at_most: Duration,
) -> Result<(Exit, Vec<u8>), StepError> {
    let mut channel = start(connection, line, limits).map_err(|(error, _)| error)?;
    let mut traffic = Small {
        input,
        output: Vec::new(),
        patience: Patience {
            limits,
            until: Instant::now() + at_most,
        },
    };
    match drive(connection, &mut channel, None, &mut traffic) {
        End::Exit(exit) | End::Left(exit) => Ok((exit, traffic.output)),
        End::Stopped if traffic.patience.cut() => Err(StepError::Cut),
        End::Stopped => Err(StepError::Slow),
        End::Local(_) | End::Lost(_) => Err(StepError::Ssh(ssh2::Error::eof())),
    }
}

/// Looks whether a command still runs.
fn runs(connection: &Connection, mark: &Mark) -> Result<bool, StepError> {
    let limits = Limits::new(crate::control::cancel::CancelToken::default());
    let (exit, _) = small(
        connection,
        &wrap::probe(&mark.mark, &mark.pid_file),
        &[],
        &limits,
        PROBE_LIMIT,
    )?;
    Ok(exit.success())
}
