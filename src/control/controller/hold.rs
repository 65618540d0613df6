//! Taking hosts at the start of a run, giving them back at its end.

use std::sync::Arc;

use super::{Controller, Fatal};
use crate::control::hold::{self, HoldError, Mark};
use crate::control::journal::{Entry, JournalError, Replayed, Step};
use crate::control::undo::{TargetRef, Undo};
use crate::host::{Host, Workers};
use crate::shell::Shell;
use crate::shell::processes::mark_on;

impl Controller<'_> {
    /// Marks every host as held, and writes down how to find what will be started there.
    pub(super) fn take_hosts(&mut self) -> Result<(), Fatal> {
        let profiles: Vec<&str> = self
            .plan
            .profiles
            .iter()
            .map(|profile| profile.name.as_str())
            .collect();
        let mark = Mark::new(&self.cx.run_id, profiles.join(", "), &self.cx.root);
        let wait = self.plan.options.wait_held;
        let mut notes = Vec::new();
        for host in &self.hosts {
            if let Some(folder) = self.folders.get(&host.name) {
                let undo = Undo::RemovePath {
                    on: host.name.as_str().into(),
                    path: folder.clone(),
                    tree: true,
                };
                let made: Result<Step, JournalError> = self.cx.journal.plan(&host.name, undo);
                made.map_err(|error| Fatal::failed("the journal cannot be written", error))?
                    .armed();
            }
            let undo = Undo::KillMarked {
                on: host.name.as_str().into(),
                mark: mark_on(&host.name),
            };
            let started: Result<Step, JournalError> = self.cx.journal.plan(&host.name, undo);
            started
                .map_err(|error| Fatal::failed("the journal cannot be written", error))?
                .armed();
            match hold::take(&host.name, &host.shell, &mark, &self.cx, wait) {
                Ok(()) => {}
                Err(HoldError::Interrupted) => return Err(Fatal::Stopped),
                Err(error @ HoldError::Mark { .. }) => {
                    notes.push(format!(
                        "{}; a second run would not notice this one",
                        super::chain(&error)
                    ));
                }
                Err(error) => {
                    notes.extend(error.hint());
                    notes.into_iter().for_each(|note| self.note(note));
                    return Err(Fatal::Failed {
                        what: error.to_string(),
                        source: None,
                    });
                }
            }
        }
        notes.into_iter().for_each(|note| self.note(note));
        Ok(())
    }

    /// Takes back whatever is still in force, the marks last, and ends the journal.
    pub(super) fn give_back(&mut self) {
        let replayed = self.replay(|_| true, &Workers::default());
        let left = replayed.left.iter().map(|left| {
            let text = format!("{}: {}: {}", left.on, left.step, left.message);
            self.cx.redactor.clean(&text)
        });
        self.tally.left.extend(left);
        self.tally.not_clean |= !replayed.left.is_empty();
        if self.cx.journal.finish() {
            return;
        }
        for kept in self.cx.journal.left().iter().filter(|entry| entry.kept) {
            let text = format!(
                "kept on {}: {} is left to run-perf --recover",
                kept.undo.on(),
                kept.undo
            );
            self.note(text);
        }
    }

    /// Takes back the changes `wanted` names, also when the run was told to stop.
    pub(super) fn replay(&self, wanted: impl Fn(&Entry) -> bool, workers: &Workers) -> Replayed {
        let machines = |on: &TargetRef| find(self.hosts.iter().chain(&self.lost), workers, on);
        self.cx.journal.replay(wanted, &machines)
    }
}

/// Returns the shell of a host or worker by name.
fn find<'h>(
    mut hosts: impl Iterator<Item = &'h Host>,
    workers: &Workers,
    on: &TargetRef,
) -> Result<Arc<dyn Shell>, String> {
    if let Some(shell) = on.controller() {
        return Ok(shell);
    }
    let host = hosts.find(|host| host.name == on.0);
    let worker = || workers.all().find(|worker| worker.name == on.0);
    host.map(|host| &host.shell)
        .or_else(|| worker().map(|worker| &worker.shell))
        .cloned()
        .ok_or_else(|| "this machine is not known any more".to_owned())
}
