//! Machines out of nothing: what is done before a host is reached for the first time.
//!
//! A provisioner works on the controller. What gives a machine back is a command that is in the
//! journal before the machine is asked for, so that the end of the run, an interrupted one and
//! `--recover` alike give it back.

mod beaker;
mod existing;
mod external;
pub mod registry;
mod retry;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::control::Context;
use crate::control::journal::JournalError;
use crate::control::undo::{TargetRef, Undo};
use crate::shell::{Shell, ShellError};

/// A machine to be made or checked.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Short name.
    pub name: String,
    /// Where it will be reached.
    pub address: String,
    /// As declared, else that of the controller.
    pub arch: String,
    /// `--distro`.
    pub distro: String,
}

/// What a provisioner is handed.
pub struct At<'a> {
    /// The run.
    pub cx: &'a Context,
    /// Runs commands on the machine run-perf runs on.
    pub here: &'a Arc<dyn Shell>,
    /// Runs commands on the host, as far as it answers.
    pub there: &'a Arc<dyn Shell>,
    /// For files worth keeping, such as a job; need not exist.
    pub folder: &'a Path,
    /// Says what is done, for people.
    pub tell: &'a (dyn Fn(String) + Sync),
}

impl std::fmt::Debug for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("At")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// What became of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provisioned {
    /// It was installed anew: its host key is new, and it has to calm down.
    pub fresh: bool,
    /// How long it may take until it answers.
    pub patience: Duration,
}

/// A way to get machines. One value serves all hosts of a run, several at once.
pub trait Provisioner: Send + Sync + std::fmt::Debug {
    /// Says what it will do with a host, one line each; for `--plan`.
    fn describe(&self, host: &HostSpec) -> Vec<String>;
    /// Returns whether it replaces the system of the machine.
    fn installs(&self) -> bool;
    /// Makes the machine; need not wait until it answers.
    ///
    /// # Errors
    /// When there will be no machine.
    fn provision(&self, host: &HostSpec, at: &At<'_>) -> Result<Provisioned, ProvisionError>;
}

/// Why there is no machine.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A command failed.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// The way back could not be written down, so nothing was asked for.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file could not be written.
    #[error("cannot write {path}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The other side said no, or something that cannot be understood.
    #[error("{0}")]
    Refused(String),
}

impl ProvisionError {
    /// Returns whether the run was told to stop meanwhile.
    pub fn is_interruption(&self) -> bool {
        matches!(self, ProvisionError::Shell(ShellError::Interrupted { .. }))
    }
}

impl At<'_> {
    /// Writes down the command that gives a machine back, before it is asked for: it is run on the
    /// controller at the end, and must be harmless when it runs twice or for nothing.
    ///
    /// # Errors
    /// When it is not safely on disk; the machine must not be asked for then.
    pub fn promise(&self, host: &HostSpec, argv: Vec<String>) -> Result<(), ProvisionError> {
        let undo = Undo::Command {
            on: TargetRef::CONTROLLER.into(),
            argv,
        };
        self.cx.journal.plan(&host.name, undo)?.armed();
        Ok(())
    }
}
