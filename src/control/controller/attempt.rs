//! One test: attempts until the first success, each in a directory of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::caught::{Panic, caught};
use super::facts::WorkerFacts;
use super::profile::InForce;
use super::{Controller, chain};
use crate::control::context::Context;
use crate::control::event::Event;
use crate::control::journal::Left;
use crate::control::plan::{PlannedProfile, PlannedTest};
use crate::host::Workers;
use crate::shell::CommandLine;
use crate::store::StoreError;
use crate::store::metadata_file::write_test_metadata;
use crate::store::record::FailureRecord;
use crate::store::result_json::Iteration;
use crate::store::write::Committed;
use crate::tests::params::ParamError;
use crate::tests::{Aftermath, LostWorker, Test, TestContext, TestError};

/// Why an attempt gave no result.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Test(#[from] TestError),
    #[error(transparent)]
    Panic(#[from] Panic),
    #[error(transparent)]
    Params(#[from] ParamError),
    #[error("cannot keep the result")]
    Store(#[from] StoreError),
    #[error("{} is not as it was: could not {}: {}", .0.on, .0.step, .0.message)]
    Left(Left),
    #[error("the test ended without a single iteration")]
    Empty,
}

impl AttemptError {
    fn class(&self) -> String {
        match self {
            AttemptError::Test(TestError::Failed { class, .. }) => class.clone(),
            AttemptError::Test(TestError::Shell(error)) => error.class().into(),
            AttemptError::Test(TestError::Store(_)) | AttemptError::Store(_) => "store".into(),
            AttemptError::Test(_) | AttemptError::Params(_) => "error".into(),
            AttemptError::Panic(_) => "panic".into(),
            AttemptError::Left(_) => "clean-up".into(),
            AttemptError::Empty => "empty".into(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            AttemptError::Test(error) => error.hint().map(str::to_owned),
            AttemptError::Store(error) => error.hint(),
            _ => None,
        }
    }
}

impl Controller<'_> {
    pub(super) fn test(
        &mut self,
        profile: &PlannedProfile,
        planned: &PlannedTest,
        in_force: &mut InForce,
        facts: &mut WorkerFacts,
    ) {
        let name = format!("{}/{}", profile.name, planned.name);
        let mut attempts = self.plan.options.retry_tests;
        let mut failed_before = String::new();
        let mut records: Vec<PathBuf> = Vec::new();
        let mut attempt = 0;
        while attempt < attempts {
            attempt += 1;
            if self.cx.cancel.is_cancelled() || self.hosts.is_empty() {
                return;
            }
            self.tell(&Event::TestStarted {
                profile: profile.name.clone(),
                test: planned.name.clone(),
                attempt,
                iterations: planned.expected.iterations,
            });
            let began = Instant::now();
            match self.attempt(profile, planned, &in_force.workers, facts, attempt) {
                Ok((committed, lost)) => {
                    self.tally.ran += 1;
                    self.passed_later(&records, &committed.serial);
                    if attempt > 1 {
                        self.tally.note(format!(
                            "{name} passed only at attempt {attempt} of {attempts}, see {failed_before}"
                        ));
                    }
                    let partly = self.lost_workers(&name, &committed.place, lost);
                    self.tell(&Event::TestDone {
                        profile: profile.name.clone(),
                        test: planned.name.clone(),
                        place: committed.place.display().to_string(),
                        took: began.elapsed(),
                    });
                    if partly {
                        // The attempt's own folder has another name by now.
                        self.sessions.enter(self.store.profile_dir(&profile.name));
                        self.drop_lost(Some((in_force, facts)));
                    }
                    return;
                }
                Err(AttemptError::Test(TestError::Interrupted))
                    if self.cx.cancel.is_cancelled() =>
                {
                    return;
                }
                Err(AttemptError::Test(TestError::Skip { reason })) => {
                    let reason = self.cx.redactor.clean(&reason);
                    self.tally.skipped.push((name, reason.clone()));
                    self.tell(&Event::TestSkipped {
                        profile: profile.name.clone(),
                        test: planned.name.clone(),
                        reason,
                    });
                    return;
                }
                Err(error) => {
                    let (message, log) = self.attempt_failed(profile, planned, attempt, &error);
                    failed_before.clone_from(&log);
                    records.extend(Path::new(&log).parent().map(Path::to_owned));
                    // Without the hosts that are gone it is another test: the attempt does not count.
                    let lost = self.drop_lost(Some((&mut *in_force, &mut *facts))) > 0;
                    if lost && !self.hosts.is_empty() {
                        attempts += 1;
                    }
                    if attempt == attempts {
                        if let Some(hint) = error.hint()
                            && !message.contains(&hint)
                        {
                            self.tally.hint(hint);
                        }
                        self.tally
                            .failed
                            .push((name.clone(), message.clone(), log.clone()));
                    }
                    self.tell(&Event::TestFailed {
                        profile: profile.name.clone(),
                        test: planned.name.clone(),
                        attempt,
                        attempts,
                        message,
                        log,
                    });
                }
            }
        }
    }

    /// Notes in the records of failed attempts that the test passed after all.
    fn passed_later(&self, records: &[PathBuf], serial: &str) {
        for record in records.iter().filter(|record| record.file_name().is_some()) {
            if let Err(error) = self.store.passed_later(record, serial) {
                tracing::warn!(record = %record.display(), %error, "that a later attempt passed could not be noted");
            }
        }
    }

    fn attempt_failed(
        &self,
        profile: &PlannedProfile,
        planned: &PlannedTest,
        attempt: u32,
        error: &AttemptError,
    ) -> (String, String) {
        let message = self.cx.redactor.clean(&chain(error));
        let mut details = format!(
            "test {}@{} attempt {attempt} execution failure: {message}",
            planned.name, profile.name
        );
        if let Some(hint) = error.hint() {
            details.push_str(&format!("\nhint: {hint}"));
        }
        let mut record = FailureRecord::of(error)
            .details(details)
            .class(error.class());
        if let AttemptError::Panic(panic) = error {
            record = record.file("backtrace", panic.backtrace.as_bytes());
        }
        // Filed under the test's own name, so that two variants of one test stay apart.
        let place = self
            .store
            .test_dir(&profile.name, &planned.name)
            .join((attempt - 1).to_string());
        let log = self.record(&place, record);
        (message, log)
    }

    /// Runs the test once. What has a serial number afterwards is whole.
    fn attempt(
        &mut self,
        profile: &PlannedProfile,
        planned: &PlannedTest,
        workers: &Workers,
        facts: &WorkerFacts,
        attempt: u32,
    ) -> Result<(Committed, Vec<LostWorker>), AttemptError> {
        let mut test = planned.build()?;
        let place = self.store.begin(&profile.name, &planned.name)?;
        self.sessions.enter(place.path());
        self.sessions
            .banner(&format!("Starting test {}", planned.name));
        self.mark_kernel_log(profile, planned);
        let measured = self.measure(test.as_mut(), profile, workers, place.path());
        let cleaned = self.clean_up(test.as_mut(), profile, workers, place.path());
        let Aftermath { lost, notes } = test.aftermath();
        for note in notes {
            self.note(format!("{}/{}: {note}", profile.name, planned.name));
        }
        if let Err(error) = cleaned {
            let details = format!(
                "test {}@{} attempt {attempt} clean-up failure",
                planned.name, profile.name
            );
            let dir = self
                .store
                .test_dir(&profile.name, &planned.name)
                .join((attempt - 1).to_string());
            self.record(
                &dir,
                FailureRecord::of(&error).details(details).class("clean-up"),
            );
            self.tally.not_clean = true;
            self.note(format!(
                "{}/{}: clean-up failed: {}",
                profile.name,
                planned.name,
                chain(&error)
            ));
        }
        let iterations = match measured {
            Ok(iterations) => iterations,
            Err(error) => {
                if let AttemptError::Test(TestError::Skip { reason }) = &error {
                    self.write_skip(place.path(), reason);
                }
                return Err(error);
            }
        };
        if iterations.is_empty() {
            return Err(AttemptError::Empty);
        }
        crate::store::write_result(&place.path().join("result.json"), &iterations)?;
        write_test_metadata(
            place.path(),
            &self.common_metadata,
            &self.plan.options.distro,
            &profile.name,
            facts,
        )?;
        Ok((place.commit()?, lost))
    }

    /// Records workers that are lacking at a place of the result; returns whether there are any.
    pub(super) fn lost_workers(&mut self, name: &str, at: &Path, lost: Vec<LostWorker>) -> bool {
        let some = !lost.is_empty();
        for lost in lost {
            let message = self.cx.redactor.clean(&lost.message);
            let mut details = format!("{name} has no result of worker {}: {message}", lost.worker);
            if let Some(hint) = &lost.hint {
                details.push_str(&format!("\nhint: {hint}"));
                self.tally.hint(hint.clone());
            }
            let record = FailureRecord {
                exception: message.clone(),
                traceback: message.clone(),
                details: Some(details),
                class: Some(lost.class),
                files: lost.files,
            };
            let log = self.record(at, record);
            self.tell(&Event::Note {
                text: format!("{name}: no result of worker {}: {message}", lost.worker),
            });
            let place = format!("{name} on {}", lost.worker);
            self.tally.partial.push((place, message, log));
        }
        some
    }

    fn measure(
        &self,
        test: &mut dyn Test,
        profile: &PlannedProfile,
        workers: &Workers,
        dir: &Path,
    ) -> Result<Vec<Iteration>, AttemptError> {
        let groups = workers.0.iter().filter(|group| !group.is_empty()).count();
        let needed = test.needs().groups;
        if groups < needed {
            let reason = format!("needs {needed} groups of workers, there are {groups}");
            return Err(TestError::Skip { reason }.into());
        }
        let cx = self.test_context(&self.cx, profile, workers, dir);
        Ok(caught(|| {
            test.set_up(&cx)?;
            test.run(&cx)
        })??)
    }

    fn clean_up(
        &self,
        test: &mut dyn Test,
        profile: &PlannedProfile,
        workers: &Workers,
        dir: &Path,
    ) -> Result<(), AttemptError> {
        let run = self.teardown();
        let cx = self.test_context(&run, profile, workers, dir);
        let cleaned = caught(|| test.clean_up(&cx));
        // Whatever the test itself forgot, or did not come to.
        let scopes: Vec<String> = self
            .hosts
            .iter()
            .map(|host| &host.name)
            .chain(workers.all().map(|worker| &worker.name))
            .map(|name| format!("{name}/{}/{}", profile.name, test.name()))
            .collect();
        let replayed = self.replay(|entry| scopes.contains(&entry.scope), workers);
        cleaned??;
        match replayed.left.into_iter().next() {
            Some(left) => Err(AttemptError::Left(left)),
            None => Ok(()),
        }
    }

    fn test_context<'c>(
        &'c self,
        run: &'c Context,
        profile: &'c PlannedProfile,
        workers: &'c Workers,
        dir: &'c Path,
    ) -> TestContext<'c> {
        TestContext {
            run,
            profile: &profile.name,
            host: &self.hosts[0],
            hosts: &self.hosts,
            workers,
            dir,
        }
    }

    fn write_skip(&self, dir: &Path, reason: &str) {
        let path = dir.join("SKIP");
        if let Err(error) = std::fs::write(&path, format!("{}\n", self.cx.redactor.clean(reason))) {
            tracing::warn!(path = %path.display(), %error, "the reason of a skip could not be kept");
        }
    }

    /// Leaves a line in the kernel log of the host and all workers, where that is allowed, so that
    /// messages of the kernel can be told apart by test.
    fn mark_kernel_log(&self, profile: &PlannedProfile, planned: &PlannedTest) {
        let now = jiff::Timestamp::now();
        let text = format!(
            "runperf: W{}: C{}: {}: Starting test {}",
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            now.as_second(),
            profile.name,
            planned.name
        );
        let command = CommandLine::script("[ \"$(id -u)\" != 0 ] || cat > /dev/kmsg")
            .stdin(format!("{text}\n"));
        for host in &self.hosts {
            let limits = self.cx.limits().within(Duration::from_secs(10));
            if let Err(error) = host.shell.run(&command, &limits) {
                tracing::debug!(host = %host.name, %error, "no note in the kernel log");
            }
        }
    }
}
