//! The table of provisioners; programs `run-perf-provisioner-NAME` on PATH are found by their name.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Provisioner, beaker, existing, external};
use crate::registry::{self, Available, Entry, LookupError};
use crate::tests::params::ParamError;

/// Makes a provisioner of its parameters.
pub type Build = fn(&Map<String, Value>) -> Result<Arc<dyn Provisioner>, ParamError>;

/// Every provisioner of this program, in the order of `--list`.
pub static PROVISIONERS: &[Entry<Build>] = &[
    Entry {
        name: "beaker",
        aliases: &[],
        summary: beaker::SUMMARY,
        params: beaker::PARAMS,
        available: Available::Built(beaker::build),
    },
    Entry {
        name: "existing",
        aliases: &[],
        summary: existing::SUMMARY,
        params: existing::PARAMS,
        available: Available::Built(existing::build),
    },
];

/// Why there is no such provisioner.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nobody knows the name.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A parameter does not fit.
    #[error(transparent)]
    Param(#[from] ParamError),
}

/// Finds and makes a provisioner: a built-in one, else a program on PATH.
///
/// # Errors
/// [`LookupError::Unknown`] with the nearest name; when a parameter does not fit.
pub fn make(name: &str, params: &Map<String, Value>) -> Result<Arc<dyn Provisioner>, FindError> {
    match registry::find("provisioner", PROVISIONERS, name) {
        Ok(Entry {
            available: Available::Built(build),
            ..
        }) => Ok(build(params)?),
        Ok(entry) => Err(LookupError::NotYet {
            kind: "provisioner",
            name: entry.name.to_owned(),
        }
        .into()),
        Err(unknown) => match external::find(name) {
            Some(program) => Ok(Arc::new(external::External::new(name, program, params))),
            None => Err(unknown.into()),
        },
    }
}
