//! What is configured: files, environment and embedded defaults, each value with its origin.
//!
//! Strongest first: the command line (applied by [`crate::cli::configured`]), variables
//! `RUNPERF_SECTION_KEY`, `run-perf.toml` (`--config` or the working directory), the person's own
//! `run-perf/config.toml`, and the defaults that [`schema`] documents. Files are read strictly.
//! Tests and profiles declared there are in [`declared`], parameters of hosts in [`host_params`],
//! the search for their files in [`assets`].

pub mod assets;
pub mod declared;
pub mod host_params;
mod layer;
pub mod schema;
mod show;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metric::Better;
pub use declared::{Declared, Kind};
pub use show::toml_line;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Typed.
    CommandLine,
    /// A variable.
    Environment(String),
    /// A configuration file.
    File {
        /// As it was named.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("command line"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// In the type the schema states.
    pub value: Value,
    /// Where it was said.
    pub origin: Origin,
}

/// Everything that is configured, merged.
#[derive(Clone, Default)]
pub struct Config {
    /// `run.retry_tests` → value; only what somebody set.
    settings: BTreeMap<String, Setting>,
    directions: BTreeMap<String, (Better, Origin)>,
    tests: BTreeMap<String, Declared>,
    profiles: BTreeMap<String, Declared>,
    /// Files that were read, strongest first.
    files: Vec<PathBuf>,
    /// Folders that may hold `hosts/` and `libvirt/`, strongest first.
    folders: Vec<PathBuf>,
}

impl fmt::Debug for Config {
    /// Values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in a file is wrong; shown with the line it stands on.
    #[error("{}:{line}:{column}: {message}\n{snippet}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What was expected and found.
        message: String,
        /// The line with a caret below.
        snippet: String,
    },
    /// A value is wrong, and its place is all there is to show.
    #[error("{origin}: {message}")]
    Value {
        /// Where it was said.
        origin: Origin,
        /// What was expected and found.
        message: String,
    },
    /// Host parameters cannot be read.
    #[error("cannot use the host parameters {}", path.display())]
    Host {
        /// Which file.
        path: PathBuf,
        /// Line and reason.
        #[source]
        source: host_params::HostParamsError,
    },
}

impl Config {
    /// Reads everything: `explicit` (`--config`) or `run-perf.toml` of the working directory, the
    /// person's own file, and variables.
    ///
    /// # Errors
    /// When a file cannot be read or holds something that nobody knows or that does not fit.
    pub fn load(explicit: Option<&Path>) -> Result<Self, ConfigError> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        });
        let user = user_folder(|name| std::env::var_os(name).map(PathBuf::from));
        Self::load_from(
            explicit,
            Path::new("run-perf.toml"),
            user.as_deref(),
            variables,
        )
    }

    /// Reads one file alone; its text is given.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn of_text(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        layer::file(&mut config, path, text)?;
        Ok(config)
    }

    /// As [`Config::load`], with the places given by the caller.
    pub(crate) fn load_from(
        explicit: Option<&Path>,
        project: &Path,
        user: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        layer::environment(&mut config, variables)?;
        match explicit {
            Some(path) => config.add_file(path, true)?,
            None => config.add_file(project, false)?,
        };
        if let Some(folder) = user {
            let open = config.add_file(&folder.join("config.toml"), false)?;
            if open && !config.folders.iter().any(|known| known == folder) {
                config.folders.push(folder.to_owned());
            }
        }
        Ok(config)
    }

    /// Returns whether its folder may be looked into.
    fn add_file(&mut self, path: &Path, required: bool) -> Result<bool, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                return Ok(true);
            }
            // `HOME` of somebody else, as after `setpriv` or in a container: whether there is a
            // file cannot even be asked. One that is there and cannot be read is an error.
            Err(error)
                if error.kind() == std::io::ErrorKind::PermissionDenied
                    && !required
                    && path.symlink_metadata().is_err() =>
            {
                tracing::warn!(
                    "{} is left out: no permission to look there",
                    path.display()
                );
                return Ok(false);
            }
            Err(source) => {
                return Err(ConfigError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        layer::file(self, path, &text)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        self.files.push(path.to_owned());
        self.folders.push(folder.to_owned());
        Ok(true)
    }

    /// Returns what is set for `section.key` (`run.retry_tests`), if anything.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// Returns what is set in a section, by key.
    pub fn section<'a>(&'a self, section: &'a str) -> impl Iterator<Item = (&'a str, &'a Setting)> {
        self.settings.iter().filter_map(move |(name, setting)| {
            let key = name.strip_prefix(section)?.strip_prefix('.')?;
            Some((key, setting))
        })
    }

    /// Returns the declared directions: metric → which way is better.
    pub fn directions(&self) -> BTreeMap<String, Better> {
        self.directions
            .iter()
            .map(|(metric, (better, _))| (metric.clone(), *better))
            .collect()
    }

    /// Returns the files that were read, strongest first.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns the folders that may hold assets, strongest first.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }
}

/// Returns `$XDG_CONFIG_HOME/run-perf` or `~/.config/run-perf`.
fn user_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // The XDG specification says that a relative path is to be ignored.
    let base = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    base.or_else(|| Some(variable("HOME")?.join(".config")))
        .map(|base| base.join("run-perf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a project file and a user file and loads them with these variables.
    pub(super) fn load(
        project: &str,
        user: &str,
        variables: &[(&str, &str)],
    ) -> Result<Config, ConfigError> {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (file, folder) = (root.path().join("run-perf.toml"), root.path().join("user"));
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(&file, project).expect("a file");
        std::fs::write(folder.join("config.toml"), user).expect("a file");
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load_from(None, &file, Some(&folder), variables)
    }

    #[test]
    fn the_strongest_layer_wins_and_each_value_keeps_its_origin() {
        let config = load(
            "[run]\nretry_tests = 5\ndistro = \"a\"\n",
            "[run]\nretry_tests = 6\ndistro = \"b\"\noutput = \"x\"\n",
            &[
                ("RUNPERF_RUN_RETRY_TESTS", "7"),
                ("RUNPERF_OTHER", "ignored"),
                ("HOME", "/x"),
            ],
        )
        .expect("fits");

        let seen: Vec<_> = config
            .section("run")
            .map(|(key, setting)| {
                let origin = match &setting.origin {
                    Origin::File { path, line } => {
                        format!("{}:{line}", path.file_name().expect("a name").display())
                    }
                    other => other.to_string(),
                };
                (key, setting.value.to_string(), origin)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("distro", "\"a\"".into(), "run-perf.toml:3".into()),
                ("output", "\"x\"".into(), "config.toml:4".into()),
                (
                    "retry_tests",
                    "7".into(),
                    "environment RUNPERF_RUN_RETRY_TESTS".into()
                ),
            ]
        );
    }

    #[test]
    fn a_named_file_must_exist_and_the_others_need_not() {
        let none = Path::new("/nonexistent/run-perf.toml");
        assert!(Config::load_from(None, none, None, std::iter::empty()).is_ok());
        let error = Config::load_from(Some(none), none, None, std::iter::empty())
            .expect_err("it is not there");
        assert_eq!(
            error.to_string(),
            "cannot read the configuration file /nonexistent/run-perf.toml"
        );
    }

    #[test]
    fn the_persons_folder_follows_xdg() {
        let with = |pairs: &'static [(&str, &str)]| {
            user_folder(|name| {
                pairs
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, path)| PathBuf::from(path))
            })
        };
        assert_eq!(
            with(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/h")]),
            Some("/c/run-perf".into())
        );
        assert_eq!(
            with(&[("XDG_CONFIG_HOME", "c"), ("HOME", "/h")]),
            Some("/h/.config/run-perf".into())
        );
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn directions_are_read() {
        let config = load(
            "[directions]\nboot_ms = \"lower\"\n",
            "[directions]\nboot_ms = \"higher\"\nx = \"higher\"\n",
            &[],
        );
        let directions = config.expect("fits").directions();
        assert_eq!(
            directions,
            BTreeMap::from([
                ("boot_ms".into(), Better::Lower),
                ("x".into(), Better::Higher)
            ])
        );
    }
}
