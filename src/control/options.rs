//! What a run was asked to do: the command line without its spelling.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cli::item::{HostArg, Item};
use crate::secret::Secret;

/// Default of `--parallel-hosts`.
pub const PARALLEL_HOSTS: usize = 32;
/// Default of `--calm-limit` after a reboot or an installation, as the older tool has it.
pub const CALM_LIMIT: Duration = crate::host::calm::AT_MOST;

/// Everything the command line says about a run; nothing in it is checked against the world yet.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Tests, in order.
    pub tests: Vec<Item>,
    /// Profiles, in order; never empty.
    pub profiles: Vec<Item>,
    /// Hosts, the main one first; never empty.
    pub hosts: Vec<HostArg>,
    /// What is done about host keys.
    pub host_keys: HostKeys,
    /// Run on every host first.
    pub provisioner: Option<Item>,
    /// Distribution of the hosts; a label.
    pub distro: String,
    /// Distribution of guests; `None` as the hosts.
    pub guest_distro: Option<String>,
    /// Installed on every host.
    pub host_packages: Vec<String>,
    /// Installed in guests.
    pub worker_packages: Vec<String>,
    /// Run on every host.
    pub host_setup_script: Option<PathBuf>,
    /// Reboot the hosts after that.
    pub host_setup_reboot: bool,
    /// How long a host that was set up or rebooted is waited for to calm down; zero is off. `None`:
    /// [`CALM_LIMIT`] after a reboot or an installation, not at all after a script or packages.
    pub calm_limit: Option<Duration>,
    /// Hosts worked on at once; at least 1.
    pub parallel_hosts: usize,
    /// Run in guests while their image is made.
    pub worker_setup_script: Option<PathBuf>,
    /// Host parameters by address; stronger than files.
    pub force_params: BTreeMap<String, Map<String, Value>>,
    /// Asset search path.
    pub paths: Vec<PathBuf>,
    /// Where passwords come from.
    pub passwords: Vec<PasswordSource>,
    /// Attempts for a test and for applying a profile; at least 1.
    pub retry_tests: u32,
    /// For the whole run.
    pub time_limit: Option<Duration>,
    /// No clean-up of hosts after a fatal error.
    pub keep_tmp_files: bool,
    /// What needs a reboot fails.
    pub no_reboot: bool,
    /// Result directory; `None` is named by the time of the start.
    pub output: Option<PathBuf>,
    /// Replace it if it exists.
    pub force: bool,
    /// Kept with the result, in the order given.
    pub metadata: Vec<(String, String)>,
    /// Name of the run; `None` is generated.
    pub run_id: Option<String>,
    /// How long a host that another run holds is waited for.
    pub wait_held: Duration,
    /// Between two looks at the machine; `None` is off.
    pub monitor_interval: Option<Duration>,
    /// As typed, program first; not masked.
    pub command_line: Vec<String>,
}

/// What is done about the keys by which machines are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeys {
    /// Only machines whose key is known.
    #[default]
    Strict,
    /// New machines too, whose key is kept; a changed key is refused.
    AcceptNew,
    /// Any machine.
    Ignore,
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// Typed on the command line, where `ps` shows it.
    Literal(Secret),
    /// Typed on the terminal when asked for.
    Terminal(Secret),
    /// One a line of this file.
    File(PathBuf),
    /// This environment variable.
    Environment(String),
}

impl PasswordSource {
    /// Reads `@FILE`, `env:NAME` or the password itself.
    pub fn parse(typed: &str) -> Self {
        if let Some(path) = typed.strip_prefix('@') {
            PasswordSource::File(path.into())
        } else if let Some(name) = typed.strip_prefix("env:") {
            PasswordSource::Environment(name.into())
        } else {
            PasswordSource::Literal(Secret::new(typed))
        }
    }

    /// Returns the passwords.
    ///
    /// # Errors
    /// When the file cannot be read or the variable is not set.
    pub fn read(&self) -> Result<Vec<Secret>, PasswordError> {
        match self {
            PasswordSource::Literal(secret) | PasswordSource::Terminal(secret) => {
                Ok(vec![secret.clone()])
            }
            PasswordSource::File(path) => std::fs::read_to_string(path)
                .map(|text| {
                    text.lines()
                        .filter(|line| !line.is_empty())
                        .map(Secret::new)
                        .collect()
                })
                .map_err(|source| PasswordError::File {
                    path: path.clone(),
                    source,
                }),
            PasswordSource::Environment(name) => std::env::var(name)
                .map(|value| vec![Secret::new(value)])
                .map_err(|_| PasswordError::Variable { name: name.clone() }),
        }
    }
}

/// Why passwords could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// From a file.
    #[error("cannot read passwords from {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// From a variable.
    #[error("the environment variable {name} that should hold a password is not set")]
    Variable {
        /// Which.
        name: String,
    },
}

/// Replaces a leading `~` by the home folder.
pub(crate) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}
