//! Files both ways through `cat`, which is the fastest way libssh2 has, with length and checksum.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::channel::{End, Traffic, drive, small};
use super::connection::{Connection, is_over};
use super::{Machine, cut_error};
use crate::control::cancel::CancelToken;
use crate::control::mask::hex;
use crate::shell::capture::Stream;
use crate::shell::quote::quote;
use crate::shell::{CommandLine, Exit, Limits, ShellError};

/// What is kept of messages and answers.
const ANSWER: usize = 4 << 10;
/// What is read from the source at once.
const PIECE: usize = 256 << 10;
/// For small programs before and after.
const SMALL_LIMIT: Duration = Duration::from_secs(30);
/// For removing what an upload that failed has left.
const CLEAN_LIMIT: Duration = Duration::from_secs(10);
/// Summing up what was copied reads the file once more; as slow as a slow disk.
const SUM_LIMIT: Duration = Duration::from_secs(600);

/// What a transfer has seen.
struct Tally {
    sum: Sha256,
    length: u64,
}

impl Tally {
    fn new() -> Self {
        Self {
            sum: Sha256::new(),
            length: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
    }

    fn hex(self) -> String {
        hex(&self.sum.finalize())
    }
}

struct Upload<'a> {
    from: &'a mut dyn Read,
    tally: Tally,
    answer: Vec<u8>,
    messages: Vec<u8>,
    limits: &'a Limits,
}

impl Traffic for Upload<'_> {
    fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(PIECE, 0);
        let count = loop {
            match self.from.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        buffer.truncate(count);
        self.tally.add(buffer);
        Ok(())
    }
    fn take(&mut self, which: Stream, bytes: &[u8]) -> io::Result<()> {
        keep(
            if matches!(which, Stream::Stdout) {
                &mut self.answer
            } else {
                &mut self.messages
            },
            bytes,
        );
        Ok(())
    }
    fn goes_on(&mut self) -> bool {
        !is_over(self.limits)
    }
}

struct Download<'a> {
    to: &'a mut dyn Write,
    tally: Tally,
    messages: Vec<u8>,
    limits: &'a Limits,
}

impl Traffic for Download<'_> {
    fn next(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
    fn take(&mut self, which: Stream, bytes: &[u8]) -> io::Result<()> {
        match which {
            Stream::Stdout => {
                self.tally.add(bytes);
                self.to.write_all(bytes)
            }
            Stream::Stderr => {
                keep(&mut self.messages, bytes);
                Ok(())
            }
        }
    }
    fn goes_on(&mut self) -> bool {
        !is_over(self.limits)
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
        let text = String::from_utf8_lossy(messages);
        let last = text
            .lines()
            .rfind(|line| !line.trim().is_empty())
            .unwrap_or_default();
        self.error(io::Error::new(
            kind_of(last),
            if last.is_empty() {
                exit.to_string()
            } else {
                last.to_owned()
            },
        ))
    }

    /// The channel's end, unless it is an orderly one.
    fn failed(&self, end: End) -> Result<Exit, ShellError> {
        match end {
            End::Exit(exit) | End::Left(exit) => Ok(exit),
            End::Stopped => Err(self.cut()),
            End::Local(error) => Err(self.error(error)),
            End::Lost(source) => Err(ShellError::Lost {
                target: self.machine.target.clone(),
                command: self.shown.clone(),
                source,
            }),
        }
    }
}

/// Tells errors apart by what coreutils and BusyBox print for them.
fn kind_of(message: &str) -> io::ErrorKind {
    [
        ("No space left on device", io::ErrorKind::StorageFull),
        ("Disk quota exceeded", io::ErrorKind::QuotaExceeded),
        ("Permission denied", io::ErrorKind::PermissionDenied),
        ("Read-only file system", io::ErrorKind::ReadOnlyFilesystem),
        ("No such file or directory", io::ErrorKind::NotFound),
    ]
    .into_iter()
    .find_map(|(text, kind)| message.contains(text).then_some(kind))
    .unwrap_or(io::ErrorKind::Other)
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
    let folder = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let template = quote(&folder.join(".runperf-XXXXXXXXXX").to_string_lossy());
    // `cat` ends when the connection does; what it wrote has its temporary name still.
    let line = format!(
        "t=$(mktemp {template}) || exit 1; printf '%s\\n' \"$t\"; cat >\"$t\" && sha256sum <\"$t\""
    );
    let (connection, mut channel) = machine.begin(&line, &file.shown, limits, file.started)?;
    let mut traffic = Upload {
        from,
        tally: Tally::new(),
        answer: Vec::new(),
        messages: Vec::new(),
        limits,
    };
    let end = drive(&connection, &mut channel, None, &mut traffic);
    let Upload {
        tally,
        answer,
        messages,
        ..
    } = traffic;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let mut lines = answer.lines();
    let temporary = lines.next().unwrap_or_default().to_owned();
    let orderly = matches!(end, End::Exit(_));
    drop(channel);
    let result = file.failed(end).and_then(|exit| {
        let (length, sum) = (tally.length, tally.hex());
        let there = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default();
        if !exit.success() {
            return Err(file.complaint(exit, &messages));
        }
        if there != sum {
            let message = format!("the {length} bytes sent did not arrive as they were: checksum {there}, not {sum}");
            return Err(file.error(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        let target = quote(&to.to_string_lossy());
        let line = format!(
            "if [ -d {target} ]; then echo 'it is a folder' >&2; exit 1; fi; chmod {mode:o} {0} && mv -f -- {0} {target}",
            quote(&temporary)
        );
        match small(&connection, &line, &[], limits, SMALL_LIMIT) {
            Ok((exit, _)) if exit.success() => Ok(()),
            Ok((exit, messages)) => Err(file.complaint(exit, &messages)),
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
    let path = quote(&from.to_string_lossy());
    // A pipe would block, a device never end.
    let line = format!("[ -e {path} ] || exit 3; [ -f {path} ] || exit 4; exec cat -- {path}");
    let (connection, mut channel) = machine.begin(&line, &file.shown, limits, file.started)?;
    let mut traffic = Download {
        to,
        tally: Tally::new(),
        messages: Vec::new(),
        limits,
    };
    let end = drive(&connection, &mut channel, None, &mut traffic);
    let Download {
        tally, messages, ..
    } = traffic;
    drop(channel);
    let orderly = matches!(end, End::Exit(_));
    let result = file.failed(end).and_then(|exit| match exit {
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
    let length = tally.length;
    // What the kernel makes up anew for each reader has no checksum.
    if length == 0
        || ["/proc", "/sys", "/dev"]
            .iter()
            .any(|made_up| file.path.starts_with(made_up))
    {
        return Ok(length);
    }
    let line = format!(
        "head -c {length} -- {} | sha256sum",
        quote(&file.path.to_string_lossy())
    );
    let there = match small(connection, &line, &[], file.limits, SUM_LIMIT) {
        Ok((_, answer)) => String::from_utf8_lossy(&answer).into_owned(),
        Err(_) if is_over(file.limits) => return Err(file.cut()),
        Err(_) => String::new(),
    };
    if there.split(' ').next() != Some(tally.hex().as_str()) {
        let message = format!(
            "the {length} bytes that came are not those of the file: it changed while it was read"
        );
        return Err(file.error(io::Error::new(io::ErrorKind::InvalidData, message)));
    }
    Ok(length)
}
