//! Facts about hosts and workers, for the metadata of the run and of each test, and what spoils
//! figures.

use serde_json::Value;

use super::profile::on_all;
use super::{Controller, Fatal, chain};
use crate::config::host_params::Measured;
use crate::control::parallel::each;
use crate::host::Workers;
use crate::host::facts::Facts;
use crate::host::spoilers::{Look, Note};
use crate::profiles::Profile;
use crate::shell::ShellError;
use crate::store::metadata::MachineFacts;
use crate::store::record::FailureRecord;

/// Facts of every worker by group, with its name.
pub(super) type WorkerFacts = Vec<Vec<(String, MachineFacts)>>;

impl Controller<'_> {
    /// Fills in the parameters of hosts that nobody declared.
    pub(super) fn measure_hosts(&mut self) -> Result<(), Fatal> {
        let mut notes = Vec::new();
        let limits = self.cx.limits();
        let all = self.each(|host| Measured::take(host.shell.as_ref(), &limits));
        for (host, measured) in self.hosts.iter_mut().zip(all) {
            let measured = match measured {
                Ok(measured) => measured,
                Err(ShellError::Interrupted { .. }) => return Err(Fatal::Stopped),
                Err(error) => {
                    return Err(Fatal::failed(
                        format!("host `{}` cannot be used", host.name),
                        error,
                    ));
                }
            };
            let Some(planned) = self.plan.hosts.iter().find(|plan| plan.name == host.name) else {
                continue;
            };
            let resolved = planned.declared.clone().complete(&measured);
            host.params = resolved.params;
            for note in resolved.notes {
                notes.push((host.name.clone(), note));
            }
        }
        for (host, note) in notes {
            self.add_metadata(&format!("host_params_{host}"), &note);
            self.note(format!("host `{host}`: {note}"));
        }
        Ok(())
    }

    /// Looks for what spoils figures before the run, and returns what was found on each host.
    pub(super) fn look_before(&mut self) -> Vec<Vec<Note>> {
        let limits = self.cx.limits();
        self.looks = self.each(|host| Look::take(host.shell.as_ref(), &limits).ok());
        let notes: Vec<Vec<Note>> = self
            .looks
            .iter()
            .map(|look| look.as_ref().map(Look::notes).unwrap_or_default())
            .collect();
        notes
            .iter()
            .flatten()
            .for_each(|note| self.note(note.text.clone()));
        notes
    }

    /// Looks for what spoiled figures since then.
    pub(super) fn look_after(&mut self) {
        let limits = self.cx.limits();
        let mut notes = Vec::new();
        let after = self.each(|host| Look::take(host.shell.as_ref(), &limits));
        for (before, now) in self.looks.iter().zip(after) {
            if let (Some(before), Ok(now)) = (before, now) {
                notes.extend(now.notes_since(before));
            }
        }
        notes.into_iter().for_each(|note| self.note(note.text));
    }

    /// Writes the facts of all hosts as they were found.
    pub(super) fn environment_world(&mut self, notes: &[Vec<Note>]) -> Result<(), Fatal> {
        let mut all = Vec::new();
        let limits = self.cx.limits();
        let gathered =
            self.each(|host| Facts::gather(host.shell.as_ref(), &limits, &host.name, &host.distro));
        for ((host, notes), gathered) in self.hosts.iter().zip(notes).zip(gathered) {
            match gathered {
                Ok(facts) => all.push(facts.with_params(&host.params).with_notes(notes).to_json()),
                Err(ShellError::Interrupted { .. }) => return Err(Fatal::Stopped),
                Err(error) => {
                    return Err(Fatal::failed(
                        format!("facts of host `{}` could not be gathered", host.name),
                        error,
                    ));
                }
            }
        }
        self.add_metadata("environment_world", &Value::Array(all).to_string());
        Ok(())
    }

    /// Gathers the facts of every worker, once for all tests of a profile; a worker that cannot
    /// tell has none.
    pub(super) fn worker_facts(&self, workers: &Workers) -> WorkerFacts {
        let gather = |worker: &crate::host::Worker| {
            let distro = self
                .hosts
                .iter()
                .find(|host| host.name == worker.host)
                .map_or("", |host| host.distro.as_str());
            let facts = Facts::gather(
                worker.shell.as_ref(),
                &self.cx.limits(),
                &worker.name,
                distro,
            );
            let sections = facts.map(|facts| facts.sections).unwrap_or_else(|error| {
                if !matches!(error, ShellError::Interrupted { .. }) {
                    tracing::warn!(worker = %worker.name, %error, "no facts of this worker");
                }
                MachineFacts::new()
            });
            let clean = |(name, text): (String, String)| (name, self.cx.redactor.clean(&text));
            (
                worker.name.clone(),
                sections.into_iter().map(clean).collect(),
            )
        };
        each(self.cx.parallel_hosts, &workers.0, |group| {
            group.iter().map(gather).collect()
        })
    }

    /// Writes the facts of a profile just before it is reverted; where they cannot be had the
    /// reason stands instead.
    pub(super) fn environment_profile(&self, name: &str, instances: &mut [Box<dyn Profile>]) {
        let mut all = Vec::new();
        let gathered = on_all(&self.hosts, instances, &self.cx, |profile, host, cx| {
            Ok(profile.facts(host, cx)?)
        });
        for (host, facts) in self.hosts.iter().zip(gathered) {
            match facts {
                Ok(facts) => all.push(facts.to_json()),
                Err(error) if error.is_interruption() => return,
                Err(error) => {
                    let details = format!(
                        "facts of profile {name} on host `{}` could not be gathered",
                        host.name
                    );
                    let record = FailureRecord::of(&error).details(details).class("facts");
                    self.record(&self.store.profile_dir(name), record);
                    let text = self.cx.redactor.clean(&chain(&error));
                    all.push(serde_json::json!({ "failure": text }));
                }
            }
        }
        // As the older tool has it where there is nothing else to say.
        let value = match &all[..] {
            [only] if only.get("failure").is_some() => only.clone(),
            _ => Value::Array(all),
        };
        self.add_metadata(&format!("environment_profile_{name}"), &value.to_string());
    }
}
