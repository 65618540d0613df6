//! Scenarios around a set of workers. The trait is here, each profile in a file of its own.

pub mod localhost;
pub mod persistent;
pub mod registry;
pub mod vm_map;

use crate::control::Context;
use crate::host::facts::Facts;
use crate::host::{Host, Worker};
use crate::shell::ShellError;
use crate::tests::LostWorker;

/// What applying a profile came to.
#[derive(Debug)]
pub enum Applied {
    /// Ready, with these workers.
    Workers(Vec<Worker>),
    /// Restart the host, then apply again.
    Reboot,
}

/// What reverting a profile came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reverted {
    /// The host is as it was found.
    Clean,
    /// Restart the host, then revert again.
    Reboot,
}

/// A way to prepare a host and to make workers on it.
pub trait Profile: Send {
    /// Returns its name in paths and ids (`__NAME__` or its own).
    fn name(&self) -> &str;
    /// Says what it will change on a host, one line each; for `--plan`.
    fn changes(&self) -> Vec<String>;
    /// Checks that it can be applied to the hosts of these names, before anything is touched.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn fits(&self, _hosts: &[&str]) -> Result<(), String> {
        Ok(())
    }
    /// Hands over the workers that could not be had while others could; called after
    /// [`Profile::apply`]. Each is recorded, and the run is not complete.
    fn left_out(&mut self) -> Vec<LostWorker> {
        Vec::new()
    }
    /// Prepares the host.
    ///
    /// # Errors
    /// When it could not; the caller reverts and tries again.
    fn apply(&mut self, host: &Host, cx: &Context) -> Result<Applied, ProfileError>;
    /// Undoes everything.
    ///
    /// # Errors
    /// When something is left.
    fn revert(&mut self, host: &Host, cx: &Context) -> Result<Reverted, ProfileError>;
    /// Describes the prepared host and its guests.
    ///
    /// # Errors
    /// When it cannot be reached.
    fn facts(&self, host: &Host, cx: &Context) -> Result<Facts, ProfileError>;
}

/// Why a profile could not be applied, reverted or described.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A command failed.
    #[error("cannot {action} profile `{profile}` on host `{host}`")]
    Shell {
        /// `apply`, `revert`, `describe`.
        action: &'static str,
        /// Which profile.
        profile: String,
        /// Where.
        host: String,
        /// Why.
        #[source]
        source: Box<ShellError>,
    },
    /// A change of the host could not be written down, so it was not made.
    #[error("cannot change host `{host}`")]
    Journal {
        /// Where.
        host: String,
        /// Why.
        #[source]
        source: crate::control::journal::JournalError,
    },
    /// Not one worker can be used.
    #[error("profile `{profile}` has no worker on host `{host}`: {why}")]
    NoWorkers {
        /// Which profile.
        profile: String,
        /// Where.
        host: String,
        /// The first of the reasons.
        why: String,
    },
    /// A worker is not as it was.
    #[error("cannot revert profile `{profile}` on host `{host}`: {left}")]
    Left {
        /// Which profile.
        profile: String,
        /// Where.
        host: String,
        /// What is left, and why.
        left: String,
    },
    /// The run was cancelled.
    #[error("interrupted")]
    Interrupted,
}
