//! Executing commands somewhere: on this machine, over SSH, later in a pod.
//!
//! [`Shell`] is the trait; [`local`] runs on this machine, `ssh` on another one, [`scripted`] plays a machine in unit
//! tests, [`log`] writes what was typed into `__sessions__`. A command is a [`CommandLine`]: a list
//! of arguments that quotes itself and knows which of them are secret.

pub(crate) mod capture;
pub mod command;
pub(crate) mod complaint;
pub(crate) mod cut;
pub mod local;
pub(crate) mod local_process;
pub mod log;
pub(crate) mod processes;
pub mod quote;
pub mod relay;
pub mod scripted;
#[cfg(feature = "ssh")]
pub mod ssh;
pub mod tree;

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use command::CommandLine;

use crate::control::cancel::CancelToken;

/// A machine as messages name it: `localhost`, `root@192.0.2.17`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target(pub String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a command must end, and who may end it earlier.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Ended at this instant; `None` waits for ever.
    pub deadline: Option<Instant>,
    /// Ended when it prints nothing for this long.
    pub stall: Option<Duration>,
    /// Ended when this is cancelled.
    pub cancel: CancelToken,
}

impl Limits {
    /// Limits without deadline and stall watchdog.
    pub fn new(cancel: CancelToken) -> Self {
        Self {
            deadline: None,
            stall: None,
            cancel,
        }
    }
    /// Must end within `time` from now; an earlier deadline stays.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        let end = Instant::now().checked_add(time);
        self.deadline = match (self.deadline, end) {
            (Some(old), Some(new)) => Some(old.min(new)),
            (old, new) => old.or(new),
        };
        self
    }
    /// Is ended when it prints nothing for `quiet`.
    #[must_use]
    pub fn stalled_after(mut self, quiet: Duration) -> Self {
        self.stall = Some(quiet);
        self
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Returns whether the status is 0.
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "status {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What a finished command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Standard output, as it came; need not be UTF-8.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub took: Duration,
}

impl Output {
    /// Returns standard output as text, odd bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Returns the last lines printed (standard error, else standard output), for messages.
    pub fn tail(&self) -> String {
        let source = if self.stderr.iter().any(|b| !b.is_ascii_whitespace()) {
            &self.stderr
        } else {
            &self.stdout
        };
        let text = String::from_utf8_lossy(source);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// A command that runs in the background.
pub trait Process: Send + Sync + fmt::Debug {
    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Shell::run`].
    fn wait(&mut self, limits: &Limits) -> Result<Output, ShellError>;
    /// Ends it and everything it started: asked first, then killed; returns when it is gone.
    ///
    /// # Errors
    /// When it could not be ended.
    fn stop(&mut self) -> Result<(), ShellError>;
    /// Returns whether it still runs.
    fn is_running(&mut self) -> bool;
}

/// A place where commands run.
pub trait Shell: Send + Sync + fmt::Debug {
    /// Returns the machine.
    fn target(&self) -> &Target;
    /// Runs a command to its end. A non-zero status is an [`Output`], not an error.
    ///
    /// # Errors
    /// When it could not be started, or was ended by a limit; then everything it started is gone.
    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError>;
    /// Starts a command in a process group of its own and returns at once.
    ///
    /// # Errors
    /// When it could not be started.
    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError>;
    /// Writes a file on the machine, through a temporary name and a rename.
    ///
    /// # Errors
    /// When it could not be written completely.
    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError>;
    /// Copies a file from the machine; returns its length in bytes.
    ///
    /// # Errors
    /// When it could not be read completely.
    fn download(&self, from: &Path, to: &mut dyn Write, limits: &Limits)
    -> Result<u64, ShellError>;
    /// Connects to a unix socket on the machine; bytes go there and back until either end closes.
    ///
    /// # Errors
    /// When nobody listens there, or the machine lets nobody through.
    fn connect(&self, socket: &Path, _limits: &Limits) -> Result<UnixStream, ShellError> {
        Err(ShellError::File {
            action: "connect to",
            target: self.target().clone(),
            path: socket.to_owned(),
            source: std::io::ErrorKind::Unsupported.into(),
        })
    }
    /// The machine was installed anew: the host key it shows next is believed and pinned for the run.
    fn expect_new_key(&self) {}
    /// Runs a small program that changes nothing, ends by itself and reads no input, and leaves no
    /// trace of it on the machine; standard error may stand among its output.
    ///
    /// # Errors
    /// As [`Shell::run`].
    fn glance(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.run(command, limits)
    }
    /// Runs a command whose standard input and output are streams, in bounded memory; `stdin` of the
    /// command is not used, `stdout` of what is returned is empty. For programs that end when their
    /// pipes do (`tar`, `cat`).
    ///
    /// # Errors
    /// As [`Shell::run`], and when one of the streams fails.
    fn pipe(
        &self,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        // All at once, for shells that play a machine.
        let broken = |source| ShellError::Io {
            target: self.target().clone(),
            command: command.clone(),
            source,
        };
        let mut input = Vec::new();
        from.read_to_end(&mut input).map_err(broken)?;
        let mut output = self.run(&command.clone().stdin(input), limits)?;
        to.write_all(&std::mem::take(&mut output.stdout))
            .map_err(broken)?;
        Ok(output)
    }
    /// Returns whether this is the machine the program itself runs on.
    fn is_local(&self) -> bool {
        false
    }
    /// Forgets connections that are idle: the machine they led to was restarted.
    fn reconnect(&self) {}
}

/// What every kind of shell gets for free.
pub trait ShellExt: Shell {
    /// Runs a command that must end with status 0 and returns what it printed.
    ///
    /// # Errors
    /// As [`Shell::run`], and [`ShellError::Failed`] for any other status.
    fn text(&self, command: &CommandLine, limits: &Limits) -> Result<String, ShellError> {
        let output = self.run(command, limits)?;
        if !output.exit.success() {
            return Err(ShellError::Failed {
                target: self.target().clone(),
                command: command.clone(),
                exit: output.exit,
                tail: output.tail(),
            });
        }
        Ok(output.text())
    }

    /// Reads a small file; `None` when there is none.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    fn read_file(&self, path: &Path, limits: &Limits) -> Result<Option<Vec<u8>>, ShellError> {
        let mut content = Vec::new();
        match self.download(path, &mut content, limits) {
            Ok(_) => Ok(Some(content)),
            Err(ShellError::NoSuchFile { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Copies a folder of this machine, with everything in it, into the folder `to` of the machine,
    /// which is made where it is missing; see [`tree`].
    ///
    /// # Errors
    /// When it did not arrive whole; then a part of it may be there.
    fn upload_tree(&self, from: &Path, to: &Path, limits: &Limits) -> Result<(), ShellError> {
        tree::upload(self, from, to, limits)
    }

    /// Copies what is in a folder of the machine into the folder `to` of this one; see [`tree`].
    ///
    /// # Errors
    /// When there is no such folder, it did not come whole, or what came must not be unpacked.
    fn fetch_tree(
        &self,
        from: &Path,
        to: &Path,
        bounds: tree::Bounds,
        limits: &Limits,
    ) -> Result<tree::Fetched, ShellError> {
        tree::fetch(self, from, to, bounds, limits)
    }
}

impl<S: Shell + ?Sized> ShellExt for S {}

/// Why a command could not be run to its end, or a file not be moved.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The program does not exist there.
    #[error("no program `{program}` on {target}")]
    NotFound {
        /// Where.
        target: Target,
        /// What was asked for.
        program: String,
    },
    /// It could not be started, or its output not be read.
    #[error("cannot run `{command}` on {target}")]
    Io {
        /// Where.
        target: Target,
        /// What.
        command: CommandLine,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended with another status than 0 where 0 is needed.
    #[error("`{command}` on {target} ended with {exit}: {tail}")]
    Failed {
        /// Where.
        target: Target,
        /// What.
        command: CommandLine,
        /// How.
        exit: Exit,
        /// The last lines it printed.
        tail: String,
    },
    /// Its time was over.
    #[error("`{command}` on {target} did not end within {limit:?}")]
    TimedOut {
        /// Where.
        target: Target,
        /// What.
        command: CommandLine,
        /// The time it had.
        limit: Duration,
        /// The last lines it printed.
        tail: String,
    },
    /// It printed nothing for longer than its stall limit.
    #[error("`{command}` on {target} printed nothing for {quiet:?}")]
    Stalled {
        /// Where.
        target: Target,
        /// What.
        command: CommandLine,
        /// For how long.
        quiet: Duration,
        /// The last lines it printed.
        tail: String,
    },
    /// The run was cancelled.
    #[error("interrupted while `{command}` ran on {target}")]
    Interrupted {
        /// Where.
        target: Target,
        /// What.
        command: CommandLine,
    },
    /// There is no such file there.
    #[error("no file {} on {target}", path.display())]
    NoSuchFile {
        /// Where.
        target: Target,
        /// Which.
        path: PathBuf,
    },
    /// There is no connection to it.
    #[error("cannot reach {target}")]
    Connect {
        /// Which machine; a jump host where that is the one.
        target: Target,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It lets nobody in with what was tried.
    #[error("cannot log in to {target}: {tried}")]
    Auth {
        /// Which machine.
        target: Target,
        /// What was tried and what it takes, without secrets.
        tried: String,
    },
    /// Its host key is not the one it should have.
    #[error("the host key of {target} {reason}")]
    HostKey {
        /// Which machine.
        target: Target,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The connection broke while something ran; what it was is ended if the machine can be reached.
    #[error("the connection to {target} was lost while `{command}` ran")]
    Lost {
        /// Where.
        target: Target,
        /// What.
        command: CommandLine,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be moved.
    #[error("cannot {action} {} on {target}", path.display())]
    File {
        /// `read`, `write`, `connect to`.
        action: &'static str,
        /// Where.
        target: Target,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ShellError {
    /// Returns the class of this failure as reports name it: `timeout`, `stall`, `interrupted`,
    /// `connect`, `auth`, `host-key`, `lost`, `shell`.
    pub fn class(&self) -> &'static str {
        match self {
            ShellError::TimedOut { .. } => "timeout",
            ShellError::Stalled { .. } => "stall",
            ShellError::Interrupted { .. } => "interrupted",
            ShellError::NotFound { .. } => "not-found",
            ShellError::Failed { .. } => "exit-status",
            ShellError::Connect { .. } => "connect",
            ShellError::Auth { .. } => "auth",
            ShellError::HostKey { .. } => "host-key",
            ShellError::Lost { .. } => "lost",
            ShellError::Io { .. } | ShellError::NoSuchFile { .. } | ShellError::File { .. } => {
                "shell"
            }
        }
    }

    /// Tells the same of another command: of the one a person asked for, when what ran is what
    /// carried it.
    #[cfg(feature = "ssh")]
    pub(crate) fn about(self, of: &Target, what: &CommandLine) -> Self {
        let (target, command) = (of.clone(), what.clone());
        match self {
            ShellError::Io { source, .. } => ShellError::Io {
                target,
                command,
                source,
            },
            ShellError::TimedOut { limit, tail, .. } => ShellError::TimedOut {
                target,
                command,
                limit,
                tail,
            },
            ShellError::Stalled { quiet, tail, .. } => ShellError::Stalled {
                target,
                command,
                quiet,
                tail,
            },
            ShellError::Interrupted { .. } => ShellError::Interrupted { target, command },
            other => other,
        }
    }

    /// Returns whether the machine itself is out of reach, so that nothing else will work there either.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            ShellError::Connect { .. }
                | ShellError::Auth { .. }
                | ShellError::HostKey { .. }
                | ShellError::Lost { .. }
        )
    }

    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<&str> {
        match self {
            ShellError::HostKey { hint, .. } if !hint.is_empty() => Some(hint),
            ShellError::Auth { .. } => Some(
                "give it a key (`ssh-copy-id`), add one to the agent, or name passwords with --default-passwords or --ask-password",
            ),
            _ => None,
        }
    }
}
