//! The loop of a run: host set-up, then for each profile apply, tests, logs, facts, revert.
//!
//! A failed test does not stop the run, a failed profile skips its tests, and whatever happens a
//! profile that was applied is reverted. Every failure is recorded where it happened
//! (`__errorN__`) and told to the observer; [`Tally`] adds it all up to an exit code.

mod attempt;
mod caught;
mod facts;
mod hold;
mod logs;
mod profile;
mod provision;
mod reach;
mod restart;
mod set_up;
mod tally;
mod watched;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use caught::install_panic_hook;
pub use tally::Tally;

use super::before::{Identity, Reached};
use super::cancel::{CancelToken, Urgency};
use super::context::Context;
use super::event::Event;
use super::plan::Plan;
use super::reach::{Reach, WorkerShells};
use crate::host::Host;
use crate::host::spoilers::Look;
use crate::shell::log::{LoggedShell, SessionLog};
use crate::shell::{Shell, ShellError};
use crate::store::ResultStore;
use crate::store::metadata_file::MetadataFile;
use crate::store::record::FailureRecord;

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
enum Fatal {
    /// It was told to stop; already accounted for.
    #[error("interrupted")]
    Stopped,
    /// Something failed that everything after it needs.
    #[error("{what}")]
    Failed {
        what: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A machine could not be left as it was found.
    #[error("{what}")]
    NotClean {
        what: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Fatal {
    fn failed(
        what: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Fatal::Failed {
            what: what.into(),
            source: Some(Box::new(source)),
        }
    }
}

/// A run that goes on.
pub struct Controller<'a> {
    plan: &'a Plan,
    cx: Context,
    store: ResultStore,
    metadata: MetadataFile,
    /// What every test's own metadata repeats.
    common_metadata: BTreeMap<String, String>,
    sessions: SessionLog,
    hosts: Vec<Host>,
    /// Dropped on the way.
    lost: Vec<Host>,
    /// What each host said about itself last.
    answers: BTreeMap<String, Result<Identity, ShellError>>,
    /// What was told while several hosts were worked on, for the summary.
    noted: Mutex<Vec<String>>,
    /// The run itself rebooted a host since their boots were asked for.
    rebooted: AtomicBool,
    /// Folders of shells on other machines, by host.
    folders: BTreeMap<String, String>,
    reach: Arc<Reach>,
    logs: logs::LogFetcher,
    /// Each host as it was at the start.
    looks: Vec<Option<Look>>,
    tally: Tally,
    /// How long it may take, where that can be told.
    expected: Option<Duration>,
    /// Set when the run stops because its time is over, not because somebody asked.
    time_up: Arc<AtomicBool>,
}

impl<'a> Controller<'a> {
    /// Prepares a run whose result directory and metadata file exist.
    #[expect(
        clippy::too_many_arguments,
        reason = "called once, with what the start of a run has made"
    )]
    pub(crate) fn new(
        plan: &'a Plan,
        mut cx: Context,
        store: ResultStore,
        metadata: MetadataFile,
        common_metadata: BTreeMap<String, String>,
        expected: Option<Duration>,
        time_up: Arc<AtomicBool>,
        reach: Reach,
        reached: Vec<Reached>,
    ) -> Self {
        let sessions = SessionLog::new(cx.redactor.clone());
        sessions.enter(store.root());
        let reach = Arc::new(reach);
        cx.workers = WorkerShells::new(Arc::clone(&reach), sessions.clone());
        let mut folders = BTreeMap::new();
        let several = plan.hosts.len() > 1;
        let mut hosts = Vec::new();
        let mut answers = BTreeMap::new();
        for reached in reached {
            let Some(host) = plan.hosts.iter().find(|host| host.name == reached.name) else {
                continue;
            };
            if let Some(folder) = reached.folder {
                folders.insert(host.name.clone(), folder);
            }
            answers.insert(host.name.clone(), reached.answer);
            let mut shell: Arc<dyn Shell> = reached.shell;
            if several {
                let observer = cx.observer.clone();
                shell = Arc::new(watched::WatchedShell::new(shell, &host.name, observer));
            }
            hosts.push(Host {
                name: host.name.clone(),
                address: host.address.clone(),
                params: host.params(),
                distro: plan.options.distro.clone(),
                shell: Arc::new(LoggedShell::new(shell, &host.name, sessions.clone())),
            });
        }
        let tally = Tally::new(plan.tests().count());
        Self {
            plan,
            cx,
            store,
            metadata,
            common_metadata,
            sessions,
            hosts,
            lost: Vec::new(),
            answers,
            noted: Mutex::default(),
            rebooted: AtomicBool::new(false),
            folders,
            reach,
            logs: logs::LogFetcher::default(),
            looks: Vec::new(),
            tally,
            expected,
            time_up,
        }
    }

    /// Runs everything and adds it up. Always returns: failures are in the tally.
    pub fn run(mut self) -> Tally {
        let end = self.everything();
        match end {
            Ok(()) => {}
            Err(Fatal::Stopped) => {}
            Err(fatal) => {
                self.tally.not_clean |= matches!(fatal, Fatal::NotClean { .. });
                self.tally.fatal = Some(
                    self.cx
                        .redactor
                        .clean(&crate::text::one_line(&chain(&fatal))),
                );
                self.tally.fatal_log = self.record(
                    Path::new(""),
                    FailureRecord::of(&fatal).details(format!("the run ended early: {fatal}")),
                );
            }
        }
        self.give_back();
        self.reach.close();
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        noted.into_iter().for_each(|text| self.tally.note(text));
        if self.cx.cancel.is_cancelled() {
            if self.time_up.load(Ordering::SeqCst) && self.cx.cancel.urgency() == Urgency::Stop {
                self.tally.time_up = true;
            } else {
                self.tally.interrupted = true;
            }
        }
        self.tally
    }

    fn everything(&mut self) -> Result<(), Fatal> {
        let steps = self
            .plan
            .profiles
            .iter()
            .map(|profile| {
                (
                    profile.name.clone(),
                    profile.tests.iter().map(|test| test.name.clone()).collect(),
                )
            })
            .collect();
        self.tell(&Event::RunStarted {
            steps,
            expected: self.expected,
        });
        self.provision_hosts()?;
        self.reach_hosts()?;
        if !self.take_hosts()? {
            return Ok(());
        }
        self.set_up_hosts()?;
        let plan = self.plan;
        for profile in &plan.profiles {
            self.go_on()?;
            self.profile(profile)?;
            self.some_host()?;
        }
        self.look_after();
        Ok(())
    }

    /// Ends the run when it was told to stop.
    fn go_on(&self) -> Result<(), Fatal> {
        if self.cx.cancel.is_cancelled() {
            Err(Fatal::Stopped)
        } else {
            Ok(())
        }
    }

    fn tell(&self, event: &Event) {
        self.cx.observer.event(event);
    }

    fn note(&mut self, text: impl Into<String>) {
        let text = self.cx.redactor.clean(&text.into());
        self.tell(&Event::Note { text: text.clone() });
        self.tally.note(text);
    }

    /// Keeps a failure at a place of the result; returns the path of its `exception` below the
    /// result, for messages. A result that cannot be written any more is said and survived.
    fn record(&self, place: &Path, record: FailureRecord) -> String {
        let clean = |text: &str| self.cx.redactor.clean(text);
        let record = FailureRecord {
            exception: clean(&record.exception),
            traceback: clean(&record.traceback),
            details: record.details.as_deref().map(clean),
            class: record.class,
            files: record
                .files
                .into_iter()
                .map(|(name, bytes)| (name, clean(&String::from_utf8_lossy(&bytes)).into_bytes()))
                .collect(),
        };
        match self.store.record_failure(place, &record) {
            Ok(place) => place.join("exception").display().to_string(),
            Err(error) => {
                tracing::error!(%error, failure = %record.exception, "the failure could not be recorded");
                Tally::NOT_RECORDED.to_owned()
            }
        }
    }

    /// The context of clean-up: it goes on when the run was told to stop.
    fn teardown(&self) -> Context {
        Context {
            cancel: CancelToken::default(),
            ..self.cx.clone()
        }
    }

    /// Adds a line to the run's metadata; a full disk must not keep machines from being reverted.
    fn add_metadata(&self, key: &str, value: &str) {
        if let Err(error) = self.metadata.append(key, &self.cx.redactor.clean(value)) {
            tracing::error!(%error, key, "metadata could not be written");
        }
    }
}

/// Returns an error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
