//! Why a run cannot start.

use std::path::PathBuf;

use super::only::OnlyError;
use crate::config::ConfigError;
use crate::control::options::PasswordError;
use crate::registry::LookupError;
use crate::store::StoreError;
use crate::tests::params::ParamError;

/// Why a run cannot start; nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A name leads nowhere.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A parameter does not fit.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// A host cannot be used.
    #[error("host `{name}`: {reason}")]
    Host {
        /// Its short name.
        name: String,
        /// Why.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// A file that was named cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    File {
        /// `host setup script`.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The result cannot be written there.
    #[error("the result cannot be written to {}: {reason}", path.display())]
    Output {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// As the store says.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Passwords cannot be had.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The suspects of `--only` cannot be followed.
    #[error(transparent)]
    Only(#[from] OnlyError),
    /// It cannot be done, here or at all.
    #[error("{what}")]
    Refused {
        /// What and why.
        what: String,
        /// What to do.
        hint: &'static str,
    },
}

impl PlanError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            PlanError::Lookup(error) => Some(error.hint()),
            PlanError::Param(_) => {
                Some("`run-perf --list` shows every parameter with its default".into())
            }
            PlanError::Host { hint, .. } | PlanError::Refused { hint, .. } => {
                Some((*hint).to_owned())
            }
            PlanError::Store(error) => error.hint(),
            PlanError::Only(error) => error.hint(),
            PlanError::Output { .. } => Some("choose another place with --output".into()),
            PlanError::Config(_) | PlanError::File { .. } | PlanError::Password(_) => None,
        }
    }
}
