//! What is measured: benchmarks. The trait is here, each test in a file or folder of its own.
//!
//! A test gets its workers and an attempt directory, and yields pbench-like iterations
//! ([`crate::store::result_json::Iteration`]), built by [`pbench`]. [`registry`] is the one
//! table of names, aliases, parameters and constructors.

pub mod command;
pub mod dummy;
pub mod fault;
pub mod fio;
pub mod fio_libblkio;
pub mod fio_nbd;
pub mod iperf3;
pub mod linpack;
pub mod net;
pub mod params;
pub mod payload;
pub mod pbench;
pub mod pbench_driver;
pub mod registry;
pub mod stress_ng;
pub mod sysbench;
pub mod tool;
pub mod uperf;

use std::path::Path;
use std::time::Duration;

use crate::control::Context;
use crate::control::journal::JournalError;
use crate::control::private::FolderError;
use crate::host::{Host, Worker, Workers};
use crate::shell::ShellError;
use crate::store::StoreError;
use crate::store::result_json::Iteration;

/// What a test needs to run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Groups of workers (hosts) it needs at least.
    pub groups: usize,
}

impl Default for Needs {
    fn default() -> Self {
        Self { groups: 1 }
    }
}

/// How long a test should take, as far as its parameters tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// Iterations it will do.
    pub iterations: Option<usize>,
    /// Samples of each.
    pub samples: Option<u32>,
    /// All of it.
    pub duration: Option<Duration>,
}

/// What a running test is handed.
#[derive(Debug)]
pub struct TestContext<'a> {
    /// The run.
    pub run: &'a Context,
    /// Profile in force, as ids name it.
    pub profile: &'a str,
    /// The main host.
    pub host: &'a Host,
    /// Every host of the run, the main one first.
    pub hosts: &'a [Host],
    /// Where the test runs.
    pub workers: &'a Workers,
    /// The attempt's own directory on the controller: `raw/`, `monitor/` go below it.
    pub dir: &'a Path,
}

impl TestContext<'_> {
    /// Writes what is measured so far to `result.json` of the attempt, so that an interruption
    /// loses no finished sample. One rename, never a half-written file.
    ///
    /// # Errors
    /// When it cannot be written (disk full).
    pub fn checkpoint(&self, iterations: &[Iteration]) -> Result<(), StoreError> {
        crate::store::write_result(&self.dir.join("result.json"), iterations)
    }

    /// Returns how results name each worker, in the order of [`Workers::all`]: by address; workers
    /// that share one are named by themselves.
    pub fn client_names(&self) -> Vec<String> {
        let shared = |worker: &Worker| {
            let same = |other: &&Worker| other.address == worker.address;
            self.workers.all().filter(same).count() > 1
        };
        let name = |worker: &Worker| {
            if shared(worker) {
                worker.name.clone()
            } else {
                worker.address.clone()
            }
        };
        self.workers.all().map(name).collect()
    }

    /// Writes what a tool left, folders included and secrets masked; bytes that are no text are kept
    /// as they are.
    ///
    /// # Errors
    /// When it cannot be written (disk full).
    pub fn keep(&self, path: &Path, content: &[u8]) -> Result<(), StoreError> {
        let clean = std::str::from_utf8(content)
            .ok()
            .map(|text| self.run.redactor.clean(text));
        let content = clean.as_ref().map_or(content, String::as_bytes);
        let folder = path.parent().unwrap_or(path);
        std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        std::fs::write(path, content).map_err(StoreError::io("write", path))
    }

    /// Tells who watches the run.
    pub fn tell(&self, event: &crate::control::event::Event) {
        self.run.observer.event(event);
    }
}

/// A benchmark.
pub trait Test: Send {
    /// Returns its name in paths and ids (`__NAME__` or its own).
    fn name(&self) -> &str;
    /// Returns what it needs.
    fn needs(&self) -> Needs {
        Needs::default()
    }
    /// Returns what it will do, for plan and progress.
    fn expected(&self) -> Expected {
        Expected::default()
    }
    /// Describes for `--plan` what it will run, one line each.
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }
    /// Prepares workers.
    ///
    /// # Errors
    /// When it cannot run: `Skip` with the reason, or a failure.
    fn set_up(&mut self, _cx: &TestContext<'_>) -> Result<(), TestError> {
        Ok(())
    }
    /// Measures.
    ///
    /// # Errors
    /// When there is no complete result; what was checkpointed stays.
    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError>;
    /// Removes what it left on workers; called on every way out.
    ///
    /// # Errors
    /// When something could not be removed.
    fn clean_up(&mut self, _cx: &TestContext<'_>) -> Result<(), TestError> {
        Ok(())
    }
    /// Hands over what is to be said beside the result; called once, after [`Test::clean_up`].
    fn aftermath(&mut self) -> Aftermath {
        Aftermath::default()
    }
}

/// A worker that gave no result in a test that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostWorker {
    /// Its name.
    pub worker: String,
    /// Class as reports name it: `exit-status`, `timeout`, `lost`.
    pub class: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What it left, by name: its output.
    pub files: Vec<(String, Vec<u8>)>,
}

/// What is to be said about a test beside its result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// Each is recorded beside the result, and the run is not complete.
    pub lost: Vec<LostWorker>,
    /// For the summary.
    pub notes: Vec<String>,
}

/// Why a test has no result.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// It does not apply here; not a failure.
    #[error("skipped: {reason}")]
    Skip {
        /// Why.
        reason: String,
    },
    /// The tool ran and failed, or gave nothing that can be used.
    #[error("{message}")]
    Failed {
        /// Class as reports name it: `timeout`, `enospc`, `no-json`.
        class: String,
        /// What happened.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The run was cancelled.
    #[error("interrupted")]
    Interrupted,
    /// A command could not be run.
    #[error("cannot run the test")]
    Shell(#[source] ShellError),
    /// A change of a machine could not be written down, so it was not made.
    #[error("cannot run the test")]
    Journal(#[from] JournalError),
    /// The result could not be written.
    #[error("cannot keep the result")]
    Store(#[from] StoreError),
}

impl From<ShellError> for TestError {
    fn from(error: ShellError) -> Self {
        match error {
            ShellError::Interrupted { .. } => TestError::Interrupted,
            other => TestError::Shell(other),
        }
    }
}

impl From<FolderError> for TestError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Shell(error) => error.into(),
            FolderError::Journal(error) => error.into(),
        }
    }
}

impl TestError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<&str> {
        match self {
            TestError::Failed { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}
