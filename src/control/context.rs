//! What every profile and test is handed: limits, events, secrets, names.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::cancel::CancelToken;
use super::event::Observer;
use super::journal::Journal;
use super::reach::WorkerShells;
use crate::secret::Redactor;
use crate::shell::Limits;

/// The run a piece of work belongs to.
#[derive(Clone)]
pub struct Context {
    /// Names the run in metadata and marks.
    pub run_id: String,
    /// The run's result directory.
    pub root: PathBuf,
    /// Set when the run should stop.
    pub cancel: CancelToken,
    /// Who is told about progress.
    pub observer: Arc<dyn Observer>,
    /// Knows every secret; everything written goes through it.
    pub redactor: Redactor,
    /// `--metadata`, masked already.
    pub metadata: BTreeMap<String, String>,
    /// Between two looks at the machine beside a sample; `None` is off.
    pub monitor_interval: Option<Duration>,
    /// Hosts worked on at once.
    pub parallel_hosts: usize,
    /// Where changes of machines are written down before they are made.
    pub journal: Journal,
    /// Makes shells of workers that are machines of their own.
    pub workers: WorkerShells,
    /// Whether hosts may be restarted; `--no-reboot` forbids it.
    pub reboots: Reboots,
}

/// Whether hosts may be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboots {
    /// Yes; never the machine the program runs on.
    Allowed,
    /// No: what needs one fails before anything is changed.
    Forbidden,
}

impl Context {
    /// Returns limits that end with the run and at nothing else.
    pub fn limits(&self) -> Limits {
        Limits::new(self.cancel.clone())
    }

    /// A context for unit tests: nobody is told anything.
    pub fn for_test(root: impl Into<PathBuf>) -> Self {
        Self {
            run_id: "test-run".into(),
            root: root.into(),
            cancel: CancelToken::default(),
            observer: Arc::new(super::event::Silent),
            redactor: Redactor::default(),
            metadata: BTreeMap::new(),
            monitor_interval: None,
            parallel_hosts: super::options::PARALLEL_HOSTS,
            journal: Journal::in_memory(),
            workers: WorkerShells::default(),
            reboots: Reboots::Allowed,
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("run_id", &self.run_id)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
