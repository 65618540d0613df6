//! Files both ways through `cat`, which is the fastest way libssh2 has, with length and checksum.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::channel::{End, Traffic, drive, small};
use super::connection::{Connection, is_over};
use super::process::GRACE;
use super::{Begun, Machine, cut_error, wrap};
use crate::control::cancel::CancelToken;
use crate::control::mask::hex;
use crate::shell::capture::Stream;
use crate::shell::complaint::complaint;
use crate::shell::cut::Cut;
use crate::shell::quote::quote;
use crate::shell::{CommandLine, Exit, Limits, Output, ShellError};

/// What is kept of messages and answers.
const ANSWER: usize = 4 << 10;
/// What is read from the source at once.
const PIECE: usize = 256 << 10;
/// Files of this size and more are summed up by the fastest program there is.
const LARGE: u64 = 8 << 20;
/// Status when what arrived is not what was sent.
pub(super) const MISMATCH: i32 = 5;
/// For removing what an upload that failed has left.
const CLEAN_LIMIT: Duration = Duration::from_secs(10);
/// Summing up what was copied reads the file once more; as slow as a slow disk.
const SUM_LIMIT: Duration = Duration::from_secs(600);

/// What a transfer has seen.
pub(super) struct Tally {
    sum: Sha256,
    length: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            sum: Sha256::new(),
            length: 0,
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn hex(self) -> String {
        hex(&self.sum.finalize())
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Compares with the checksum of the other side.
    pub(super) fn must_be(self, there: &str) -> io::Result<()> {
        let (length, sum) = (self.length, self.hex());
        if there == sum {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the {length} bytes that came are not those of the file: checksum {there} there, {sum} here"
            ),
        ))
    }
}

/// Bytes both ways, as long as they move.
struct Flow<'a> {
    /// Sent before what is read.
    head: Vec<u8>,
    from: &'a mut dyn Read,
    to: &'a mut dyn Write,
    sent: Option<Tally>,
    got: Option<Tally>,
    messages: Vec<u8>,
    limits: &'a Limits,
    last: Instant,
}

impl<'a> Flow<'a> {
    fn new(from: &'a mut dyn Read, to: &'a mut dyn Write, limits: &'a Limits) -> Self {
        Self {
            head: Vec::new(),
            from,
            to,
            sent: None,
            got: None,
            messages: Vec::new(),
            limits,
            last: Instant::now(),
        }
    }

    /// Returns the limit that is over, if one is.
    fn cut(&self) -> Option<Cut> {
        Cut::before(self.limits).or_else(|| Cut::stalled(self.limits, self.last))
    }
}

impl Traffic for Flow<'_> {
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.last = Instant::now();
        if !self.head.is_empty() {
            *buffer = std::mem::take(&mut self.head);
            return Ok(());
        }
        buffer.resize(PIECE, 0);
        let count = loop {
            match self.from.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        buffer.truncate(count);
        if let Some(tally) = &mut self.sent {
            tally.add(buffer);
        }
        Ok(())
    }

    fn take(&mut self, which: Stream, bytes: &[u8]) -> io::Result<()> {
        self.last = Instant::now();
        match which {
            Stream::Stdout => {
                if let Some(tally) = &mut self.got {
                    tally.add(bytes);
                }
                self.to.write_all(bytes)
            }
            Stream::Stderr => {
                keep(&mut self.messages, bytes);
                Ok(())
            }
        }
    }

    fn goes_on(&mut self) -> bool {
        self.cut().is_none()
    }
}

/// A short answer; what is too long is forgotten.
#[derive(Default)]
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// Returns the temporary name an upload tells.
    pub(super) fn temporary(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        text.lines().next().unwrap_or_default().to_owned()
    }
}

impl Write for Answer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        keep(&mut self.0, bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn keep(answer: &mut Vec<u8>, bytes: &[u8]) {
    let room = ANSWER.saturating_sub(answer.len()).min(bytes.len());
    answer.extend_from_slice(&bytes[..room]);
}

/// One file of one machine.
struct File<'a> {
    machine: &'a Machine,
    action: &'static str,
    path: &'a Path,
    shown: CommandLine,
    limits: &'a Limits,
    started: Instant,
}

impl File<'_> {
    fn error(&self, source: io::Error) -> ShellError {
        ShellError::File {
            action: self.action,
            target: self.machine.target.clone(),
            path: self.path.to_owned(),
            source,
        }
    }

    fn cut(&self) -> ShellError {
        cut_error(&self.machine.target, &self.shown, self.limits, self.started)
    }

    /// What a program over there complained about.
    fn complaint(&self, exit: Exit, messages: &[u8]) -> ShellError {
        self.error(complaint(exit, messages))
    }

    /// The channel's end, unless it is an orderly one.
    fn failed(&self, end: End, cut: Option<Cut>) -> Result<Exit, ShellError> {
        match end {
            End::Exit(exit) | End::Left(exit) => Ok(exit),
            End::Stopped => Err(match cut {
                Some(cut @ Cut::Stall(_)) => cut.error(
                    &self.machine.target,
                    &self.shown,
                    self.started,
                    String::new(),
                ),
                _ => self.cut(),
            }),
            End::Local(error) => Err(self.error(error)),
            End::Lost(source) => Err(ShellError::Lost {
                target: self.machine.target.clone(),
                command: self.shown.clone(),
                source,
            }),
        }
    }
}

/// What receives a file and tells its temporary name.
pub(super) fn upload_line(to: &Path) -> String {
    let folder = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let template = quote(&folder.join(".runperf-XXXXXXXXXX").to_string_lossy());
    // `cat` ends when the connection does; what it wrote has its temporary name still.
    format!("t=$(mktemp {template}) || exit 1; printf '%s\\n' \"$t\"; exec cat >\"$t\"")
}

/// What sums up standard input. That of coreutils is plain C, OpenSSL's uses what the processor has,
/// which is half of what a large upload takes; it starts slower, which is all a small one takes.
fn sum_program(length: u64) -> &'static str {
    if length < LARGE {
        "sha256sum"
    } else {
        "if command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r; else sha256sum; fi"
    }
}

/// What gives a file that was received its name, when it is what was sent: status 5 when not.
pub(super) fn place_line(temporary: &str, sent: Tally, to: &Path, mode: u32) -> String {
    let (program, sum) = (sum_program(sent.length), sent.hex());
    let (target, temporary) = (quote(&to.to_string_lossy()), quote(temporary));
    format!(
        "if [ -d {target} ]; then echo 'it is a folder' >&2; exit 1; fi; \
         s=$({{ {program}; }} <{temporary}) || exit 1; \
         [ \"${{s%% *}}\" = {sum} ] || {{ echo \"what arrived has the checksum ${{s%% *}}, not {sum}\" >&2; exit {MISMATCH}; }}; \
         chmod {mode:o} {temporary} && mv -f -- {temporary} {target}"
    )
}

/// What sends a file: status 3 when there is none, 4 when it is none.
pub(super) fn download_line(from: &Path) -> String {
    let path = quote(&from.to_string_lossy());
    // A pipe would block, a device never end.
    format!("[ -e {path} ] || exit 3; [ -f {path} ] || exit 4; exec cat -- {path}")
}

/// What tells the checksum of the beginning of a file, as logs grow while they are read; `None` for
/// what the kernel makes up anew for each reader.
pub(super) fn head_line(path: &Path, length: u64) -> Option<String> {
    let made_up = ["/proc", "/sys", "/dev"];
    if length == 0 || made_up.iter().any(|made_up| path.starts_with(made_up)) {
        return None;
    }
    let path = quote(&path.to_string_lossy());
    let program = sum_program(length);
    Some(format!("head -c {length} -- {path} | {{ {program}; }}"))
}

/// Why a file did not get its name.
pub(super) fn not_placed(exit: Exit, messages: &[u8]) -> io::Error {
    let error = complaint(exit, messages);
    if exit == Exit::Code(MISMATCH) {
        return io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    }
    error
}

pub(super) fn upload(
    machine: &Machine,
    from: &mut dyn Read,
    to: &Path,
    mode: u32,
    limits: &Limits,
) -> Result<(), ShellError> {
    let file = File {
        machine,
        action: "write",
        path: to,
        shown: CommandLine::new("upload").arg(to.display().to_string()),
        limits,
        started: Instant::now(),
    };
    let line = upload_line(to);
    let (connection, mut channel) = machine.begin(&line, &file.shown, limits, file.started)?;
    let mut answer = Answer::default();
    let mut traffic = Flow::new(from, &mut answer, limits);
    traffic.sent = Some(Tally::new());
    let end = drive(&connection, &mut channel, None, &mut traffic);
    let cut = traffic.cut();
    let Flow { sent, messages, .. } = traffic;
    let tally = sent.unwrap_or_else(Tally::new);
    let temporary = answer.temporary();
    let orderly = matches!(end, End::Exit(_));
    drop(channel);
    let result = file.failed(end, cut).and_then(|exit| {
        if !exit.success() {
            return Err(file.complaint(exit, &messages));
        }
        let line = place_line(&temporary, tally, to, mode);
        match small(&connection, &line, &[], limits, SUM_LIMIT) {
            Ok((exit, _)) if exit.success() => Ok(()),
            Ok((exit, messages)) => Err(file.error(not_placed(exit, &messages))),
            Err(_) if is_over(limits) => Err(file.cut()),
            Err(_) => Err(file.error(io::Error::new(io::ErrorKind::TimedOut, "no answer"))),
        }
    });
    if result.is_err() && !temporary.is_empty() {
        remove(machine, orderly.then_some(&connection), &temporary);
    }
    machine.finish(connection, orderly && result.is_ok());
    result
}

/// Removes what an upload has left, also when the run was told to stop.
fn remove(machine: &Machine, connection: Option<&Connection>, temporary: &str) {
    let limits = Limits::new(CancelToken::default()).within(CLEAN_LIMIT);
    let line = format!("rm -f -- {}", quote(temporary));
    let done = |connection: &Connection| {
        small(connection, &line, &[], &limits, CLEAN_LIMIT).is_ok_and(|(exit, _)| exit.success())
    };
    let removed =
        connection.is_some_and(done) || machine.pool.extra(&limits).is_ok_and(|new| done(&new));
    if !removed {
        tracing::warn!(machine = %machine.target, path = temporary, "a part of a file could not be removed");
    }
}

pub(super) fn download(
    machine: &Machine,
    from: &Path,
    to: &mut dyn Write,
    limits: &Limits,
) -> Result<u64, ShellError> {
    let file = File {
        machine,
        action: "read",
        path: from,
        shown: CommandLine::new("download").arg(from.display().to_string()),
        limits,
        started: Instant::now(),
    };
    let line = download_line(from);
    let (connection, mut channel) = machine.begin(&line, &file.shown, limits, file.started)?;
    let mut nothing = io::empty();
    let mut traffic = Flow::new(&mut nothing, to, limits);
    traffic.got = Some(Tally::new());
    let end = drive(&connection, &mut channel, None, &mut traffic);
    let cut = traffic.cut();
    let Flow { got, messages, .. } = traffic;
    let tally = got.unwrap_or_else(Tally::new);
    drop(channel);
    let orderly = matches!(end, End::Exit(_));
    let result = file.failed(end, cut).and_then(|exit| match exit {
        Exit::Code(0) => verify(&file, &connection, tally),
        Exit::Code(3) => Err(ShellError::NoSuchFile {
            target: machine.target.clone(),
            path: from.to_owned(),
        }),
        Exit::Code(4) => Err(file.error(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))),
        _ => Err(file.complaint(exit, &messages)),
    });
    machine.finish(connection, orderly);
    result
}

/// Compares with the beginning of the file: logs grow while they are read.
fn verify(file: &File<'_>, connection: &Connection, tally: Tally) -> Result<u64, ShellError> {
    let length = tally.length();
    let Some(line) = head_line(file.path, length) else {
        return Ok(length);
    };
    let there = match small(connection, &line, &[], file.limits, SUM_LIMIT) {
        Ok((_, answer)) => String::from_utf8_lossy(&answer).into_owned(),
        Err(_) if is_over(file.limits) => return Err(file.cut()),
        Err(_) => String::new(),
    };
    let sum = there.split(' ').next().unwrap_or_default();
    tally.must_be(sum).map_err(|error| file.error(error))?;
    Ok(length)
}

/// Runs a command between two streams.
pub(super) fn pipe(
    begun: Begun,
    command: &CommandLine,
    from: &mut dyn Read,
    to: &mut dyn Write,
    limits: &Limits,
) -> Result<Output, ShellError> {
    let Begun {
        machine,
        connection,
        mut channel,
        mark,
        head,
        started,
    } = begun;
    let mut traffic = Flow::new(from, to, limits);
    traffic.head = head;
    let end = drive(&connection, &mut channel, Some(&mark), &mut traffic);
    let cut = traffic.cut();
    let stderr = traffic.messages;
    drop(channel);
    if let End::Exit(exit) | End::Left(exit) = end {
        machine.finish(connection, matches!(end, End::Exit(_)));
        let trouble = wrap::trouble(&stderr, &mark.mark, &machine.target, command);
        return match (exit, trouble) {
            (Exit::Code(126 | 127), Some(error)) => Err(error),
            _ => Ok(Output {
                exit,
                stdout: Vec::new(),
                stderr,
                took: started.elapsed(),
            }),
        };
    }
    // The pipes of what runs there are closed with the connection; it is ended all the same.
    let broken = matches!(end, End::Lost(_));
    let ended = machine.end_all(&mark, (!broken).then_some(&connection), GRACE);
    drop(connection);
    machine.pool.lost();
    if let Err(why) = ended {
        tracing::warn!(machine = %machine.target, why, "what ran there could not be ended");
    }
    let (target, command) = (machine.target.clone(), command.clone());
    Err(match end {
        End::Lost(source) => ShellError::Lost {
            target,
            command,
            source,
        },
        End::Local(source) => ShellError::Io {
            target,
            command,
            source,
        },
        _ => cut
            .unwrap_or(Cut::Cancelled)
            .error(&target, &command, started, String::new()),
    })
}
