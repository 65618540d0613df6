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
mod pins;
mod pool;
mod process;
mod route;
mod system;
mod transfer;
mod wrap;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use channel::{Mark, small, start};
use connection::{Connection, Fault, StepError};
pub use pins::Pins;
use pool::Pool;
use process::SshProcess;
pub use route::{Address, Settings};
use system::SystemSsh;

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
    address: Address,
    /// Set when it is known how the machine lets us in: the system's `ssh`, or libssh2 when `None`.
    way: Mutex<Option<Option<Arc<SystemSsh>>>>,
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
            address: address.clone(),
            way: Mutex::default(),
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
        if let Some(Some(system)) = self.machine.way().take() {
            return system.close();
        }
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
                    // Its neighbours broke with it: the machine was restarted, or the network cut.
                    self.pool.clear();
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

    fn way(&self) -> MutexGuard<'_, Option<Option<Arc<SystemSsh>>>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the system's `ssh` where libssh2 is not let in and that is; found out once.
    fn system(
        &self,
        shown: &CommandLine,
        limits: &Limits,
    ) -> Result<Option<Arc<SystemSsh>>, ShellError> {
        let mut way = self.way();
        if let Some(known) = &*way {
            return Ok(known.clone());
        }
        let error = match self.pool.take(limits) {
            Ok((connection, _)) => {
                self.pool.give_back(connection);
                *way = Some(None);
                return Ok(None);
            }
            Err(fault) => self.fault(fault, shown, limits, Instant::now()),
        };
        let ShellError::Auth { target, tried } = error else {
            return Err(error);
        };
        let route = self.pool.route();
        match SystemSsh::connect(&self.address, route, &self.folder, &self.mark, limits) {
            Ok(system) => {
                tracing::info!(machine = %self.target, "logged in by the system's ssh: {tried}");
                let system = Some(Arc::new(system));
                *way = Some(system.clone());
                Ok(system)
            }
            Err(said) => Err(ShellError::Auth {
                target,
                tried: format!("{tried}; the system's ssh says: {said}"),
            }),
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

/// A command whose wrapper runs.
struct Begun {
    machine: Arc<Machine>,
    connection: Connection,
    channel: ssh2::Channel,
    mark: Mark,
    /// What must come first on its standard input.
    head: Vec<u8>,
    started: Instant,
}

impl SshShell {
    fn launch(&self, command: &CommandLine, limits: &Limits) -> Result<SshProcess, ShellError> {
        let begun = self.begin(command, limits)?;
        SshProcess::new(begun, command).map_err(|source| ShellError::Io {
            target: self.machine.target.clone(),
            command: command.clone(),
            source,
        })
    }

    /// Starts the wrapper of a command, which waits for its first line.
    fn begin(&self, command: &CommandLine, limits: &Limits) -> Result<Begun, ShellError> {
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
        let private = connection.private.get() == Some(true);
        let head = wrap::wrap(command, &mark, &pid_file, private)
            .map_err(io_error)?
            .into_bytes();
        Ok(Begun {
            machine: Arc::clone(machine),
            connection,
            channel,
            mark: Mark { mark, pid_file },
            head,
            started,
        })
    }
}

impl Shell for SshShell {
    fn target(&self) -> &Target {
        &self.machine.target
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        if let Some(system) = self.machine.system(command, limits)? {
            return system.run(command, limits);
        }
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
        if let Some(system) = self.machine.system(command, &limits)? {
            return system.start(command);
        }
        Ok(Box::new(self.launch(command, &limits)?))
    }

    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        let shown = CommandLine::new("upload").arg(to.display().to_string());
        if let Some(system) = self.machine.system(&shown, limits)? {
            return system.upload(from, to, mode, limits);
        }
        transfer::upload(&self.machine, from, to, mode, limits)
    }

    fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        let shown = CommandLine::new("download").arg(from.display().to_string());
        if let Some(system) = self.machine.system(&shown, limits)? {
            return system.download(from, to, limits);
        }
        transfer::download(&self.machine, from, to, limits)
    }

    /// Without the private folder, which the first other command makes.
    fn glance(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        if let Some(system) = self.machine.system(command, limits)? {
            return system.glance(command, limits);
        }
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

    fn pipe(
        &self,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        if let Some(system) = self.machine.system(command, limits)? {
            return system.pipe(command, from, to, limits);
        }
        transfer::pipe(self.begin(command, limits)?, command, from, to, limits)
    }

    fn expect_new_key(&self) {
        self.machine.pool.expect_new_key();
    }

    fn reconnect(&self) {
        self.machine.pool.clear();
        // The way may be another one now: whoever installed the machine anew may have left a key.
        let way = self.machine.way().take();
        if let Some(Some(system)) = way {
            system.disconnect();
        }
    }

    fn connect(&self, socket: &Path, limits: &Limits) -> Result<UnixStream, ShellError> {
        let started = Instant::now();
        let machine = &self.machine;
        let shown = CommandLine::new("connect").arg(socket.display().to_string());
        if let Some(system) = machine.system(&shown, limits)? {
            return system.connect_to(socket, limits);
        }
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
