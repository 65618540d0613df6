//! One profile: apply with attempts, tests, logs, facts, revert.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::caught::{Panic, caught};
use super::restart::RestartError;
use super::{Controller, Fatal, chain};
use crate::control::context::Context;
use crate::control::event::Event;
use crate::control::options::CALM_LIMIT;
use crate::control::parallel::each;
use crate::control::plan::PlannedProfile;
use crate::host::{Host, Workers};
use crate::profiles::{Applied, Profile, ProfileError, Reverted};
use crate::shell::ShellError;
use crate::store::record::FailureRecord;
use crate::tests::params::ParamError;

/// Why an attempt at applying or reverting failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Panic(#[from] Panic),
    #[error(transparent)]
    Params(#[from] ParamError),
    #[error(transparent)]
    Restart(#[from] RestartError),
    #[error("cannot wait until host `{host}` calms down")]
    Calm {
        host: String,
        #[source]
        source: Box<ShellError>,
    },
    #[error("host `{host}` was rebooted {times} times and would have to be once more")]
    Again { host: String, times: usize },
}

/// Reboots of one host that applying a profile may ask for, as the older tool has it.
const APPLY_REBOOTS: usize = 4;
/// The same for reverting.
const REVERT_REBOOTS: usize = 2;

impl StepError {
    pub(super) fn is_interruption(&self) -> bool {
        match self {
            StepError::Profile(ProfileError::Interrupted) => true,
            StepError::Restart(error) => error.is_interruption(),
            StepError::Calm { source, .. } => matches!(**source, ShellError::Interrupted { .. }),
            _ => false,
        }
    }
}

/// A profile in force: one instance for each host, and the workers they made.
pub(super) struct InForce {
    instances: Vec<Box<dyn Profile>>,
    pub(super) workers: Workers,
}

impl InForce {
    /// Drops what belongs to the host with this number.
    pub(super) fn forget(&mut self, host: usize) {
        if host < self.instances.len() {
            drop(self.instances.remove(host));
        }
        if host < self.workers.0.len() {
            self.workers.0.remove(host);
        }
    }
}

impl Controller<'_> {
    pub(super) fn profile(&mut self, planned: &PlannedProfile) -> Result<(), Fatal> {
        self.sessions.enter(self.store.root());
        let Some(mut in_force) = self.apply(planned)? else {
            return Ok(());
        };
        self.sessions.enter(self.store.profile_dir(&planned.name));
        if self.rebooted.swap(false, Ordering::SeqCst) {
            self.learn_boots();
        }
        let mut facts = self.worker_facts(&in_force.workers);
        for test in &planned.tests {
            if self.cx.cancel.is_cancelled() || self.hosts.is_empty() {
                break;
            }
            self.test(planned, test, &mut in_force, &mut facts);
        }
        self.sessions.enter(self.store.profile_dir(&planned.name));
        if !self.cx.cancel.is_cancelled() {
            self.sessions.banner("Collecting logs and facts");
            self.fetch_profile_logs(&planned.name);
        }
        if !self.cx.cancel.is_cancelled() {
            self.environment_profile(&planned.name, &mut in_force.instances);
        }
        self.sessions.enter(self.store.root());
        self.revert(planned, &mut in_force.instances)?;
        self.go_on()
    }

    /// Applies a profile; `None` when it failed after all attempts.
    fn apply(&mut self, planned: &PlannedProfile) -> Result<Option<InForce>, Fatal> {
        let mut attempts = self.plan.options.retry_tests;
        let mut attempt = 0;
        while attempt < attempts {
            attempt += 1;
            self.go_on()?;
            self.tell(&Event::ProfileApply {
                profile: planned.name.clone(),
                attempt,
            });
            self.sessions
                .banner(&format!("Applying profile {}", planned.name));
            let began = Instant::now();
            let mut instances = Vec::new();
            match self.apply_once(planned, &mut instances) {
                Ok(workers) => {
                    let lost = instances.iter_mut().flat_map(|profile| profile.left_out());
                    let lost = lost.collect();
                    self.lost_workers(&planned.name, Path::new(&planned.name), lost);
                    self.tell(&Event::ProfileReady {
                        profile: planned.name.clone(),
                        took: began.elapsed(),
                    });
                    return Ok(Some(InForce { instances, workers }));
                }
                Err(error) if error.is_interruption() => {
                    self.revert(planned, &mut instances)?;
                    return Err(Fatal::Stopped);
                }
                Err(error) => {
                    self.profile_failed(planned, attempt, &error);
                    let mut in_force = InForce {
                        instances,
                        workers: Workers::default(),
                    };
                    let lost = self.drop_lost(Some((&mut in_force, &mut Vec::new())));
                    attempts += u32::from(lost > 0);
                    self.revert(planned, &mut in_force.instances)?;
                    self.some_host()?;
                }
            }
        }
        Ok(None)
    }

    /// Applies on all hosts at once. `instances` holds what has to be reverted, whatever comes back.
    fn apply_once(
        &self,
        planned: &PlannedProfile,
        instances: &mut Vec<Box<dyn Profile>>,
    ) -> Result<Workers, StepError> {
        for _ in &self.hosts {
            instances.push(planned.build()?);
        }
        let applied = on_all(&self.hosts, instances, &self.cx, |profile, host, cx| {
            for _ in 0..=APPLY_REBOOTS {
                match profile.apply(host, cx)? {
                    Applied::Workers(workers) => return Ok(workers),
                    Applied::Reboot => self.reboot_for(host, cx)?,
                }
            }
            Err(again(host, APPLY_REBOOTS + 1))
        });
        let groups: Result<_, _> = applied.into_iter().collect();
        Ok(Workers(groups?))
    }

    /// Restarts a host because a profile wants it, and waits until the boot has calmed down.
    fn reboot_for(&self, host: &Host, cx: &Context) -> Result<(), StepError> {
        let done = self
            .restart(host, cx)
            .map_err(StepError::from)
            .and_then(|()| {
                self.calm_down(host, cx, CALM_LIMIT)
                    .map_err(|source| StepError::Calm {
                        host: host.name.clone(),
                        source: Box::new(source),
                    })
            });
        self.doing(host, None, false);
        self.rebooted.store(true, Ordering::SeqCst);
        done
    }

    fn profile_failed(&mut self, planned: &PlannedProfile, attempt: u32, error: &StepError) {
        let attempts = self.plan.options.retry_tests;
        let message = self.cx.redactor.clean(&chain(error));
        let details = format!(
            "profile {} attempt {attempt} apply failure: {message}",
            planned.name
        );
        let record = FailureRecord::of(error).details(details).class("profile");
        let record = match error {
            StepError::Panic(panic) => record.file("backtrace", panic.backtrace.as_bytes()),
            _ => record,
        };
        let log = self.record(Path::new(""), record);
        if attempt == attempts {
            self.tally
                .failed_profiles
                .push((planned.name.clone(), message.clone(), log.clone()));
        }
        self.tell(&Event::ProfileFailed {
            profile: planned.name.clone(),
            attempt,
            attempts,
            message,
            log,
        });
    }

    /// Reverts on all hosts, also when the run was told to stop.
    fn revert(
        &mut self,
        planned: &PlannedProfile,
        instances: &mut [Box<dyn Profile>],
    ) -> Result<(), Fatal> {
        if instances.is_empty() {
            return Ok(());
        }
        self.sessions
            .banner(&format!("Reverting profile {}", planned.name));
        let cx = self.teardown();
        let reverted = on_all(&self.hosts, instances, &cx, |profile, host, cx| {
            for _ in 0..=REVERT_REBOOTS {
                match profile.revert(host, cx)? {
                    Reverted::Clean => return Ok(()),
                    Reverted::Reboot => self.reboot_for(host, cx)?,
                }
            }
            Err(again(host, REVERT_REBOOTS + 1))
        });
        for (host, reverted) in self.hosts.iter().zip(reverted) {
            let Err(error) = reverted else { continue };
            return Err(Fatal::NotClean {
                what: format!(
                    "profile `{}` could not be reverted on host `{}`",
                    planned.name, host.name
                ),
                source: Some(Box::new(error)),
            });
        }
        // Whatever the profile itself forgot.
        let scopes: Vec<String> = self
            .hosts
            .iter()
            .map(|host| format!("{}/{}", host.name, planned.name))
            .collect();
        let replayed = self.replay(|entry| scopes.contains(&entry.scope), &Workers::default());
        if let Some(left) = replayed.left.first() {
            return Err(Fatal::NotClean {
                what: format!(
                    "profile `{}` could not be reverted on host `{}`: could not {}: {}",
                    planned.name, left.on, left.step, left.message
                ),
                source: None,
            });
        }
        self.tell(&Event::ProfileReverted {
            profile: planned.name.clone(),
        });
        Ok(())
    }
}

fn again(host: &Host, times: usize) -> StepError {
    let host = host.name.clone();
    StepError::Again { host, times }
}

/// Does one step on every host, on several at once; a panic is that host's failure.
pub(super) fn on_all<T: Send>(
    hosts: &[Host],
    instances: &mut [Box<dyn Profile>],
    cx: &Context,
    step: impl Fn(&mut dyn Profile, &Host, &Context) -> Result<T, StepError> + Sync,
) -> Vec<Result<T, StepError>> {
    each(
        cx.parallel_hosts,
        hosts.iter().zip(instances),
        |(host, profile)| match caught(|| step(profile.as_mut(), host, cx)) {
            Ok(result) => result,
            Err(panic) => Err(StepError::from(panic)),
        },
    )
}
