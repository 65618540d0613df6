//! Commands on other machines over SSH.
//!
//! [`SshShell`] does there what [`LocalShell`](super::local::LocalShell) does here: the same outputs,
//! the same errors, and when a limit ends a command everything it started is gone before
//! [`Shell::run`] returns. One connection carries one command at a time (`pool`); each command runs
//! in a session of its own, with a mark in its environment and a pid file in a private folder of
//! unpredictable name (`wrap`), so that it is found again when its connection is gone.
//!
//! Differences that remain: a command that ended while something it left behind holds its output is
//! noticed after 2 s of silence or more, and what was left behind then writes into a closed pipe.

mod bridge;
mod channel;
mod config;
mod connection;
mod known_hosts;
mod login;
mod pool;
mod process;
mod route;
mod transfer;
mod wrap;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use channel::{Mark, small, start};
use connection::{Connection, Fault, StepError};
use pool::Pool;
use process::SshProcess;
pub use route::{Address, Settings};

use super::cut::Cut;
use super::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};
use crate::control::cancel::CancelToken;

/// For removing the private folder at the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(20);

/// A machine that is reached over SSH; clones share its connections.
#[derive(Debug, Clone)]
pub struct SshShell {
    machine: Arc<Machine>,
}

#[derive(Debug)]
struct Machine {
    target: Target,
    pool: Pool,
    /// Private folder there, made by the first command.
    folder: String,
    /// How the marks of its commands begin.
    mark: String,
}

impl SshShell {
    /// Reads OpenSSH's configuration; connects to nobody yet. `name` is how the run calls the machine.
    pub fn new(name: &str, address: &Address, settings: Arc<Settings>) -> Self {
        let config = config::SshConfig::load(settings.config.as_deref());
        let route = route::Route::resolve(address, &config, settings);
        let machine = Machine {
            target: route.to().target(),
            pool: Pool::new(route),
            folder: format!("/tmp/runperf-{}", ulid::Ulid::generate()),
            mark: super::processes::mark_on(name).replace(char::is_whitespace, "_"),
        };
        Self {
            machine: Arc::new(machine),
        }
    }

    /// Returns the folder on the machine that holds everything of this shell; it need not exist.
    pub fn folder(&self) -> &str {
        &self.machine.folder
    }

    /// Removes the private folder and closes all connections. Commands that still run are waited for
    /// a while.
    ///
    /// # Errors
    /// When the machine cannot be reached any more.
    pub fn close(&self) -> Result<(), ShellError> {
        let limits = Limits::new(CancelToken::default()).within(CLOSE_LIMIT);
        if !self.machine.pool.used() {
            return Ok(());
        }
        self.machine.pool.wait_idle(&limits);
        let command = CommandLine::new("rm").args(["-rf", "--", &self.machine.folder]);
        let started = Instant::now();
        let line = command.to_string();
        let removed = self
            .machine
            .fresh(&command, &limits, started, |connection| {
                small(connection, &line, &[], &limits, CLOSE_LIMIT)
            });
        self.machine.pool.clear();
        removed.map(drop)
    }
}

impl Machine {
    /// Takes a connection and starts a line on it. A connection that broke while it was idle is
    /// replaced; what may have begun to run is never run again.
    fn begin(
        &self,
        line: &str,
        shown: &CommandLine,
        limits: &Limits,
        started: Instant,
    ) -> Result<(Connection, ssh2::Channel), ShellError> {
        self.begin_with(|_| Ok(line.to_owned()), shown, limits, started)
    }

    fn begin_with(
        &self,
        line: impl Fn(&Connection) -> Result<String, StepError>,
        shown: &CommandLine,
        limits: &Limits,
        started: Instant,
    ) -> Result<(Connection, ssh2::Channel), ShellError> {
        loop {
            let (connection, used) = self
                .pool
                .take(limits)
                .map_err(|fault| self.fault(fault, shown, limits, started))?;
            let begun = line(&connection)
                .map_err(|error| (error, true))
                .and_then(|line| start(&connection, &line, limits));
            let (error, harmless) = match begun {
                Ok(channel) => return Ok((connection, channel)),
                Err(error) => error,
            };
            drop(connection);
            self.pool.lost();
            match error {
                StepError::Cut => return Err(cut_error(&self.target, shown, limits, started)),
                _ if used && harmless => {
                    tracing::debug!(machine = %self.target, "a connection was broken, opening a new one");
                }
                StepError::Slow => {
                    let source = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer");
                    return Err(ShellError::Lost {
                        target: self.target.clone(),
                        command: shown.clone(),
                        source,
                    });
                }
                StepError::Ssh(error) => {
                    return Err(ShellError::Lost {
                        target: self.target.clone(),
                        command: shown.clone(),
                        source: error.into(),
                    });
                }
            }
        }
    }

    /// Does something small that may be done twice, on any connection that works.
    fn fresh<T>(
        &self,
        shown: &CommandLine,
        limits: &Limits,
        started: Instant,
        work: impl Fn(&Connection) -> Result<T, StepError>,
    ) -> Result<T, ShellError> {
        loop {
            let (connection, used) = self
                .pool
                .take(limits)
                .map_err(|fault| self.fault(fault, shown, limits, started))?;
            match work(&connection) {
                Ok(value) => {
                    self.pool.give_back(connection);
                    return Ok(value);
                }
                Err(error) => {
                    drop(connection);
                    self.pool.lost();
                    if connection::is_over(limits) {
                        return Err(cut_error(&self.target, shown, limits, started));
                    }
                    if !used {
                        let source = match error {
                            StepError::Ssh(error) => error.into(),
                            _ => std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer"),
                        };
                        return Err(ShellError::Lost {
                            target: self.target.clone(),
                            command: shown.clone(),
                            source,
                        });
                    }
                }
            }
        }
    }

    fn finish(&self, connection: Connection, reusable: bool) {
        if reusable {
            self.pool.give_back(connection);
        } else {
            drop(connection);
            self.pool.lost();
        }
    }

    fn fault(
        &self,
        fault: Fault,
        shown: &CommandLine,
        limits: &Limits,
        started: Instant,
    ) -> ShellError {
        match fault {
            Fault::Cut => cut_error(&self.target, shown, limits, started),
            Fault::Again(error) | Fault::Final(error) => error,
        }
    }

    /// Makes the private folder, once for each connection: what starts late, when the run is over and
    /// the folder is gone, must not make it again.
    fn prepare(&self, connection: &Connection, limits: &Limits) -> Result<(), StepError> {
        if connection.private.get().is_some() {
            return Ok(());
        }
        let folder = &self.folder;
        let line =
            format!("[ -d {folder} ] || mkdir -m 700 {folder} 2>/dev/null || [ -d {folder} ]");
        let (exit, _) = small(connection, &line, &[], limits, CLOSE_LIMIT)?;
        if !exit.success() {
            // A full disk: commands run all the same, and are found by their mark.
            tracing::warn!(machine = %self.target, folder, "the private folder cannot be made");
        }
        connection.private.set(Some(exit.success()));
        Ok(())
    }
}

/// Which limit it was.
fn cut_error(
    target: &Target,
    command: &CommandLine,
    limits: &Limits,
    started: Instant,
) -> ShellError {
    let cut = match limits.deadline {
        Some(deadline) if !limits.cancel.is_cancelled() => Cut::Deadline(deadline),
        _ => Cut::Cancelled,
    };
    cut.error(target, command, started, String::new())
}

impl SshShell {
    fn launch(&self, command: &CommandLine, limits: &Limits) -> Result<SshProcess, ShellError> {
        let started = Instant::now();
        let machine = &self.machine;
        if connection::is_over(limits) {
            return Err(cut_error(&machine.target, command, limits, started));
        }
        let io_error = |source| ShellError::Io {
            target: machine.target.clone(),
            command: command.clone(),
            source,
        };
        let mark = super::quote::quote(&format!("{}{}", machine.mark, ulid::Ulid::generate()));
        // Checked before a connection is opened for it.
        wrap::wrap(command, &mark, "/dev/null", true).map_err(io_error)?;
        let line = |connection: &Connection| {
            machine.prepare(connection, limits)?;
            Ok(wrap::line(&mark))
        };
        let (connection, channel) = machine.begin_with(line, command, limits, started)?;
        let pid_file = format!("{}/{}", machine.folder, connection.number);
        let mut input = wrap::wrap(
            command,
            &mark,
            &pid_file,
            connection.private.get() == Some(true),
        )
        .map_err(io_error)?
        .into_bytes();
        input.extend_from_slice(command.stdin.as_deref().unwrap_or_default());
        let mark = Mark { mark, pid_file };
        SshProcess::new(
            Arc::clone(machine),
            connection,
            channel,
            mark,
            command,
            input,
            started,
        )
        .map_err(io_error)
    }
}

impl Shell for SshShell {
    fn target(&self) -> &Target {
        &self.machine.target
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        let result = self.launch(command, limits)?.wait(limits);
        match result {
            // Nothing ran; the next connection makes the folder again.
            Err(error) if wrap::private_gone(&error) => {
                tracing::warn!(machine = %self.machine.target, "somebody removed the private folder there");
                self.machine.pool.clear();
                self.launch(command, limits)?.wait(limits)
            }
            result => result,
        }
    }

    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        let limits = Limits::new(CancelToken::default()).within(START_LIMIT);
        Ok(Box::new(self.launch(command, &limits)?))
    }

    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        transfer::upload(&self.machine, from, to, mode, limits)
    }

    fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        transfer::download(&self.machine, from, to, limits)
    }

    /// Without the private folder, which the first other command makes.
    fn glance(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        let started = Instant::now();
        let line = command.to_string();
        let (exit, stdout) = self.machine.fresh(command, limits, started, |connection| {
            small(connection, &line, &[], limits, CLOSE_LIMIT)
        })?;
        Ok(Output {
            exit,
            stdout,
            stderr: Vec::new(),
            took: started.elapsed(),
        })
    }

    fn reconnect(&self) {
        self.machine.pool.clear();
    }

    fn connect(&self, socket: &Path, limits: &Limits) -> Result<UnixStream, ShellError> {
        let started = Instant::now();
        let machine = &self.machine;
        let shown = CommandLine::new("connect").arg(socket.display().to_string());
        // Of its own: it may stay for as long as the longest command.
        let connection = machine
            .pool
            .extra(limits)
            .map_err(|fault| machine.fault(fault, &shown, limits, started))?;
        let patience = connection::Patience {
            limits,
            until: Instant::now() + CLOSE_LIMIT,
        };
        let path = socket.display().to_string();
        bridge::to_socket(connection, &path, &patience).map_err(|error| {
            let source = match error {
                StepError::Cut => return cut_error(&machine.target, &shown, limits, started),
                StepError::Slow => std::io::ErrorKind::TimedOut.into(),
                StepError::Ssh(error) => std::io::Error::other(format!(
                    "{}; nobody listens there, or sshd says `AllowStreamLocalForwarding no`",
                    error.message()
                )),
            };
            ShellError::File {
                action: "connect to",
                target: machine.target.clone(),
                path: socket.to_owned(),
                source,
            }
        })
    }
}

/// What starting a background command may take, connecting included.
const START_LIMIT: Duration = Duration::from_secs(90);
