//! Taking hosts at the start of a run, giving them back at its end.

use std::sync::Arc;
use std::time::Duration;

use super::{Controller, Fatal};
use crate::control::before::Identity;
use crate::control::cancel::CancelToken;
use crate::control::hold::{self, HoldError, Mark};
use crate::control::journal::{Entry, Left, Replayed};
use crate::control::parallel::each;
use crate::control::undo::{TargetRef, Undo};
use crate::host::{Host, Workers};
use crate::shell::processes::mark_on;
use crate::shell::{Limits, Shell};

/// What asking a lost host for a last time may take.
const LAST_TRY: Duration = Duration::from_secs(30);

impl Controller<'_> {
    /// Marks every host as held, and writes down how to find what will be started there.
    ///
    /// Returns `false` when another run was faster; nothing has been done then.
    pub(super) fn take_hosts(&mut self) -> Result<bool, Fatal> {
        let profiles: Vec<&str> = self
            .plan
            .profiles
            .iter()
            .map(|profile| profile.name.as_str())
            .collect();
        let mark = Mark::new(&self.cx.run_id, profiles.join(", "), &self.cx.root);
        let wait = self.plan.options.wait_held;
        let taken = self.each(|host| self.take_host(host, &mark, wait));
        let mut notes = Vec::new();
        let mut held = None;
        for (host, taken) in self.hosts.iter().zip(taken) {
            match taken {
                Ok(()) => {}
                Err(HoldError::Interrupted) => return Err(Fatal::Stopped),
                Err(error @ HoldError::Mark { .. }) => {
                    notes.push(format!(
                        "{}; a second run would not notice this one",
                        super::chain(&error)
                    ));
                }
                Err(error @ HoldError::Held { .. }) => held = held.or(Some(error)),
                Err(error) => {
                    return Err(Fatal::failed(
                        format!("host `{}` cannot be taken", host.name),
                        error,
                    ));
                }
            }
        }
        if held.is_some() {
            self.tally.held = held;
            return Ok(false);
        }
        notes.into_iter().for_each(|note| self.note(note));
        Ok(true)
    }

    fn take_host(&self, host: &Host, mark: &Mark, wait: Duration) -> Result<(), HoldError> {
        let journal = &self.cx.journal;
        if let Some(folder) = self.folders.get(&host.name) {
            let undo = Undo::RemovePath {
                on: host.name.as_str().into(),
                path: folder.clone(),
                tree: true,
            };
            journal.plan(&host.name, undo)?.armed();
        }
        let undo = Undo::KillMarked {
            on: host.name.as_str().into(),
            mark: mark_on(&host.name),
        };
        journal.plan(&host.name, undo)?.armed();
        hold::take(&host.name, &host.shell, mark, &self.cx, wait)
    }

    /// Takes back whatever is still in force, the marks last, and ends the journal.
    pub(super) fn give_back(&mut self) {
        let hosts: Vec<&Host> = self.hosts.iter().chain(&self.lost).collect();
        let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        let elsewhere = |entry: &Entry| !names.contains(&entry.undo.on().as_str());
        let mut replayed = each(self.cx.parallel_hosts, &hosts, |host| {
            self.give_back_one(host)
        });
        replayed.push(self.replay(elsewhere, &Workers::default()));
        let left: Vec<Left> = replayed.into_iter().flat_map(|one| one.left).collect();
        for left in &left {
            let text = format!("{}: {}: {}", left.on, left.step, left.message);
            let text = self.cx.redactor.clean(&text);
            // Nobody can clean up where nobody gets in; that the host was lost is said already.
            if self.lost.iter().any(|host| host.name == left.on) {
                self.tally.left_on_lost.push(text);
            } else {
                self.tally.not_clean = true;
                self.tally.left.push(text);
            }
        }
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

    /// Takes back what is in force on one host. A host that was lost is asked once whether it is
    /// there again, not at each step.
    fn give_back_one(&self, host: &Host) -> Replayed {
        let gone = self
            .lost
            .iter()
            .any(|lost| lost.name == host.name)
            .then(|| {
                let limits = Limits::new(CancelToken::default()).within(LAST_TRY);
                Identity::ask(host.shell.as_ref(), &limits).err()
            });
        let gone = gone.flatten().map(|error| super::chain(&error));
        let shell = |_: &TargetRef| match &gone {
            Some(why) => Err(why.clone()),
            None => Ok(Arc::clone(&host.shell)),
        };
        let here = |entry: &Entry| entry.undo.on() == host.name;
        self.cx.journal.replay(here, &shell)
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
