//! The second way to a machine: the system's `ssh`, for logins libssh2 cannot do (certificates, keys
//! in hardware, whatever else `ssh_config` asks for).
//!
//! One shared connection (`ControlMaster`) carries everything; each command is an `ssh` process of
//! this machine, fed the same wrapper as over libssh2. Differences: a command that ended by a signal
//! is told as status 255, and passwords are not tried: `ssh` is never allowed to ask anybody.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::channel::Mark;
use super::process::GRACE;
use super::route::{Address, Route};
use super::transfer::{
    Answer, Tally, download_line, head_line, not_placed, place_line, upload_line,
};
use super::wrap;
use crate::control::cancel::CancelToken;
use crate::control::options::HostKeys;
use crate::shell::complaint::complaint;
use crate::shell::local::LocalShell;
use crate::shell::quote::quote;
use crate::shell::{CommandLine, Exit, Limits, Output, Process, Shell, ShellError, Target};

/// For ending what a command started, and other small things.
const SMALL_LIMIT: Duration = Duration::from_secs(30);
/// For connecting and logging in.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// `ssh` ends with this when it failed itself.
const SSH_FAILED: Exit = Exit::Code(255);

/// A machine reached by the system's `ssh`.
#[derive(Debug)]
pub(super) struct SystemSsh {
    local: LocalShell,
    target: Target,
    args: Vec<String>,
    host: String,
    /// Private folder on the machine.
    folder: String,
    /// How marks of its commands begin.
    mark: String,
    /// Socket of the shared connection; nobody else may enter.
    control: TempDir,
    /// The private folder was made.
    prepared: AtomicBool,
}

impl SystemSsh {
    /// Connects; the error is what `ssh` said.
    pub(super) fn connect(
        address: &Address,
        route: &Route,
        folder: &str,
        mark: &str,
        limits: &Limits,
    ) -> Result<Self, String> {
        let control = tempfile::Builder::new()
            .prefix("rp-")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let hop = route.to();
        let mut args: Vec<String> = ["-T", "-x", "-l", &hop.user, "-p", &hop.port.to_string()]
            .map(str::to_owned)
            .to_vec();
        if let Some(config) = &route.settings.config {
            args.extend(["-F".to_owned(), config.display().to_string()]);
        }
        let keys = match route.settings.host_keys {
            HostKeys::Strict => "yes",
            HostKeys::AcceptNew => "accept-new",
            HostKeys::Ignore => "no",
        };
        let mut options = vec![
            "BatchMode=yes".to_owned(),
            format!("StrictHostKeyChecking={keys}"),
            format!("ControlPath={}/%C", control.path().display()),
            "ServerAliveInterval=10".into(),
            "ServerAliveCountMax=3".into(),
            format!("ConnectTimeout={}", hop.connect_limit.as_secs()),
        ];
        if route.settings.host_keys == HostKeys::Ignore {
            options.push("UserKnownHostsFile=/dev/null".into());
        }
        for option in options {
            args.extend(["-o".to_owned(), option]);
        }
        let system = Self {
            local: LocalShell::new("ssh"),
            target: hop.target(),
            args,
            host: address.host.clone(),
            folder: folder.to_owned(),
            mark: mark.to_owned(),
            control,
            prepared: AtomicBool::new(false),
        };
        let master = CommandLine::new("ssh")
            .args(["-fNM", "-o", "ControlPersist=60"])
            .args(system.args.iter().map(String::as_str))
            .args(["--", &system.host]);
        let limits = limits.clone().within(CONNECT_LIMIT);
        let said = |output: &Output| {
            let text = output.tail();
            text.lines().next_back().unwrap_or("no reason").to_owned()
        };
        match system.local.run(&master, &limits) {
            Ok(output) if output.exit.success() => Ok(system),
            Ok(output) => Err(said(&output)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes the private folder, once.
    fn prepare(&self, limits: &Limits) {
        if self.prepared.swap(true, Ordering::SeqCst) {
            return;
        }
        let folder = &self.folder;
        let line = format!("[ -d {folder} ] || mkdir -m 700 {folder}");
        let made = self.local.run(&self.ssh(&line), limits);
        if !made.is_ok_and(|output| output.exit.success()) {
            tracing::warn!(machine = %self.target, folder, "the private folder cannot be made");
        }
    }

    /// Runs a small program that leaves no trace.
    pub(super) fn glance(
        &self,
        command: &CommandLine,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        let output = self.local.run(&self.ssh(&command.to_string()), limits);
        let output = output.map_err(|error| error.about(&self.target, command))?;
        if output.exit == SSH_FAILED && !self.is_up() {
            return Err(self.lost(command, output.tail()));
        }
        Ok(output)
    }

    /// What runs a line of the machine's login shell.
    fn ssh(&self, line: &str) -> CommandLine {
        CommandLine::new("ssh")
            .args(["-o", "ControlMaster=no"])
            .args(self.args.iter().map(String::as_str))
            .args(["--", &self.host, line])
    }

    /// A command in its wrapper: what runs it, its mark, and what must be fed first.
    fn wrapped(&self, command: &CommandLine) -> Result<(CommandLine, Mark, Vec<u8>), ShellError> {
        let id = ulid::Ulid::generate();
        let mark = Mark {
            mark: quote(&format!("{}{id}", self.mark)),
            pid_file: format!("{}/{id}", self.folder),
        };
        let head = wrap::wrap(command, &mark.mark, &mark.pid_file, true);
        let head = head.map_err(|source| ShellError::Io {
            target: self.target.clone(),
            command: command.clone(),
            source,
        })?;
        Ok((self.ssh(&wrap::line(&mark.mark)), mark, head.into_bytes()))
    }

    /// Ends everything a command started.
    fn end(&self, mark: &Mark) -> Result<(), ShellError> {
        let line = format!("exec sh -s {} {} {GRACE}", mark.mark, mark.pid_file);
        let command = self.ssh(&line).stdin(wrap::END);
        let limits = Limits::new(CancelToken::default()).within(SMALL_LIMIT);
        match self.local.run(&command, &limits) {
            Ok(output) if output.exit.success() => Ok(()),
            Ok(output) => Err(self.lost(&command, output.tail())),
            Err(error) => Err(self.lost(&command, error.to_string())),
        }
    }

    fn lost(&self, command: &CommandLine, why: String) -> ShellError {
        ShellError::Lost {
            target: self.target.clone(),
            command: command.clone(),
            source: io::Error::new(io::ErrorKind::ConnectionAborted, why),
        }
    }

    /// Tells what became of `ssh` as what became of the command.
    fn outcome(
        &self,
        result: Result<Output, ShellError>,
        command: &CommandLine,
        mark: &Mark,
    ) -> Result<Output, ShellError> {
        match result {
            Ok(output) => {
                if output.exit == SSH_FAILED && !self.is_up() {
                    let ended = self.end(mark);
                    tracing::debug!(
                        ok = ended.is_ok(),
                        "ended what ran when the connection broke"
                    );
                    return Err(self.lost(command, output.tail()));
                }
                let odd = matches!(output.exit, Exit::Code(126 | 127));
                match wrap::trouble(&output.stderr, &mark.mark, &self.target, command) {
                    Some(error) if odd => Err(error),
                    _ => Ok(output),
                }
            }
            Err(error) => {
                // The `ssh` here is gone; what it started there is not.
                self.end(mark)?;
                Err(error.about(&self.target, command))
            }
        }
    }

    /// Returns whether the shared connection is there.
    fn is_up(&self) -> bool {
        let check = CommandLine::new("ssh")
            .args(self.args.iter().map(String::as_str))
            .args(["-O", "check", "--", &self.host]);
        let limits = Limits::new(CancelToken::default()).within(SMALL_LIMIT);
        self.local
            .run(&check, &limits)
            .is_ok_and(|output| output.exit.success())
    }

    pub(super) fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.prepare(limits);
        let (ssh, mark, mut input) = self.wrapped(command)?;
        input.extend_from_slice(command.stdin.as_deref().unwrap_or_default());
        let result = self.local.run(&ssh.stdin(input), limits);
        self.outcome(result, command, &mark)
    }

    pub(super) fn start(
        self: &std::sync::Arc<Self>,
        command: &CommandLine,
    ) -> Result<Box<dyn Process>, ShellError> {
        self.prepare(&Limits::new(CancelToken::default()).within(SMALL_LIMIT));
        let (ssh, mark, mut input) = self.wrapped(command)?;
        input.extend_from_slice(command.stdin.as_deref().unwrap_or_default());
        let inner = self.local.start(&ssh.stdin(input));
        Ok(Box::new(SystemProcess {
            inner: inner.map_err(|error| error.about(&self.target, command))?,
            system: std::sync::Arc::clone(self),
            command: command.clone(),
            mark,
            over: false,
        }))
    }

    pub(super) fn pipe(
        &self,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        self.prepare(limits);
        let (ssh, mark, head) = self.wrapped(command)?;
        let mut input = head.as_slice().chain(from);
        let result = self.local.pipe(&ssh, &mut input, to, limits);
        self.outcome(result, command, &mark)
    }

    fn file_error(&self, action: &'static str, path: &Path, source: io::Error) -> ShellError {
        ShellError::File {
            action,
            target: self.target.clone(),
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        let shown = CommandLine::new("upload").arg(to.display().to_string());
        let mut answer = Answer::default();
        let mut counted = Counted {
            inner: from,
            tally: Tally::new(),
        };
        let sent = self.local.pipe(
            &self.ssh(&upload_line(to)),
            &mut counted,
            &mut answer,
            limits,
        );
        let temporary = answer.temporary();
        let result = sent
            .map_err(|error| error.about(&self.target, &shown))
            .and_then(|output| {
                if output.exit == SSH_FAILED {
                    return Err(self.lost(&shown, output.tail()));
                }
                if !output.exit.success() {
                    let source = complaint(output.exit, &output.stderr);
                    return Err(self.file_error("write", to, source));
                }
                let line = place_line(&temporary, counted.tally, to, mode);
                let placed = self.local.run(&self.ssh(&line), limits);
                let placed = placed.map_err(|error| error.about(&self.target, &shown))?;
                if !placed.exit.success() {
                    let source = not_placed(placed.exit, &placed.stderr);
                    return Err(self.file_error("write", to, source));
                }
                Ok(())
            });
        if result.is_err() && !temporary.is_empty() {
            let line = format!("rm -f -- {}", quote(&temporary));
            let limits = Limits::new(CancelToken::default()).within(SMALL_LIMIT);
            if !self
                .local
                .run(&self.ssh(&line), &limits)
                .is_ok_and(|output| output.exit.success())
            {
                tracing::warn!(machine = %self.target, path = temporary, "a part of a file could not be removed");
            }
        }
        result
    }

    pub(super) fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        let shown = CommandLine::new("download").arg(from.display().to_string());
        let mut counted = Counted {
            inner: to,
            tally: Tally::new(),
        };
        let output = self
            .local
            .pipe(
                &self.ssh(&download_line(from)),
                &mut io::empty(),
                &mut counted,
                limits,
            )
            .map_err(|error| error.about(&self.target, &shown))?;
        match output.exit {
            Exit::Code(0) => {}
            Exit::Code(3) => {
                return Err(ShellError::NoSuchFile {
                    target: self.target.clone(),
                    path: from.to_owned(),
                });
            }
            Exit::Code(4) => {
                let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
                return Err(self.file_error("read", from, source));
            }
            SSH_FAILED => return Err(self.lost(&shown, output.tail())),
            exit => {
                return Err(self.file_error("read", from, complaint(exit, &output.stderr)));
            }
        }
        let length = counted.tally.length();
        if let Some(line) = head_line(from, length) {
            let summed = self.local.run(&self.ssh(&line), limits);
            let summed = summed.map_err(|error| error.about(&self.target, &shown))?;
            let text = summed.text();
            let sum = text.split(' ').next().unwrap_or_default();
            counted
                .tally
                .must_be(sum)
                .map_err(|source| self.file_error("read", from, source))?;
        }
        Ok(length)
    }

    /// Connects to a unix socket on the machine, through a socket here that `ssh` leads there.
    pub(super) fn connect_to(
        &self,
        socket: &Path,
        limits: &Limits,
    ) -> Result<UnixStream, ShellError> {
        let failed = |source| self.file_error("connect to", socket, source);
        let near = self.control.path().join(ulid::Ulid::generate().to_string());
        let forward = CommandLine::new("ssh")
            .args(self.args.iter().map(String::as_str))
            .args(["-O", "forward", "-L"])
            .arg(format!("{}:{}", near.display(), socket.display()))
            .args(["--", &self.host]);
        let shown = CommandLine::new("connect").arg(socket.display().to_string());
        let done = self.local.run(&forward, limits);
        let done = done.map_err(|error| error.about(&self.target, &shown))?;
        if !done.exit.success() {
            return Err(failed(complaint(done.exit, &done.stderr)));
        }
        UnixStream::connect(near).map_err(failed)
    }

    /// Removes the private folder and ends the shared connection.
    pub(super) fn close(&self) -> Result<(), ShellError> {
        let limits = Limits::new(CancelToken::default()).within(SMALL_LIMIT);
        let remove = self.ssh(&format!("rm -rf -- {}", self.folder));
        let removed = self.local.run(&remove, &limits);
        self.disconnect();
        match removed {
            Ok(output) if output.exit.success() => Ok(()),
            Ok(output) => Err(self.lost(&remove, output.tail())),
            Err(error) => Err(self.lost(&remove, error.to_string())),
        }
    }

    /// Ends the shared connection; the machine was restarted.
    pub(super) fn disconnect(&self) {
        let limits = Limits::new(CancelToken::default()).within(SMALL_LIMIT);
        let exit = CommandLine::new("ssh")
            .args(self.args.iter().map(String::as_str))
            .args(["-O", "exit", "--", &self.host]);
        let _ = self.local.run(&exit, &limits);
    }
}

/// Sums up what passes.
struct Counted<T> {
    inner: T,
    tally: Tally,
}

impl<T: Read> Read for Counted<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.tally.add(&buffer[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Counted<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.tally.add(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A command that runs over the system's `ssh`.
#[derive(Debug)]
struct SystemProcess {
    inner: Box<dyn Process>,
    system: std::sync::Arc<SystemSsh>,
    command: CommandLine,
    mark: Mark,
    /// Nothing of it runs there any more.
    over: bool,
}

impl Process for SystemProcess {
    fn wait(&mut self, limits: &Limits) -> Result<Output, ShellError> {
        let result = self.inner.wait(limits);
        let result = if self.over {
            result.map_err(|error| error.about(&self.system.target, &self.command))
        } else {
            self.system.outcome(result, &self.command, &self.mark)
        };
        self.over = true;
        result
    }

    fn stop(&mut self) -> Result<(), ShellError> {
        if !self.is_running() {
            return Ok(());
        }
        // There first: `ssh` then ends by itself, with the last output.
        self.system.end(&self.mark)?;
        self.over = true;
        let until = Instant::now() + Duration::from_secs(2);
        while self.inner.is_running() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.inner.stop()
    }

    fn is_running(&mut self) -> bool {
        self.inner.is_running()
    }
}

impl Drop for SystemProcess {
    fn drop(&mut self) {
        if !self.over && self.inner.is_running() {
            let _ = self.stop();
        }
    }
}
