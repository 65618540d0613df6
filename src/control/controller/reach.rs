//! Hosts that answer, and those that do not any more: these are dropped, the others go on.

use std::path::Path;

use super::facts::WorkerFacts;
use super::profile::InForce;
use super::{Controller, Fatal, chain};
use crate::control::before::{Identity, SIGN, sign_of_life};
use crate::control::event::Event;
use crate::control::parallel::each;
use crate::host::Host;
use crate::shell::ShellError;
use crate::store::record::FailureRecord;

impl Controller<'_> {
    /// Drops the hosts that did not answer, before anything is done.
    pub(super) fn reach_hosts(&mut self) -> Result<(), Fatal> {
        for index in (0..self.hosts.len()).rev() {
            let name = &self.hosts[index].name;
            if !matches!(self.answers.get(name), Some(Err(_))) {
                continue;
            }
            let host = self.hosts.remove(index);
            if let Some(Err(error)) = self.answers.remove(&host.name) {
                self.lost(host, &error, error.class(), error.hint());
            }
        }
        self.tally.lost.reverse();
        self.go_on()?;
        self.some_host()
    }

    /// Ends the run when no host is left.
    pub(super) fn some_host(&self) -> Result<(), Fatal> {
        if self.hosts.is_empty() {
            return Err(Fatal::Failed {
                what: "no host can be reached".into(),
                source: None,
            });
        }
        Ok(())
    }

    /// Drops the remote hosts that give no sign of life, with their workers, and returns how many.
    /// What is in force on them is taken back at the end, if they are there again.
    pub(super) fn drop_lost(
        &mut self,
        mut work: Option<(&mut InForce, &mut WorkerFacts)>,
    ) -> usize {
        let before = self.lost.len();
        let limits = self.cx.limits();
        let signs = self.each(|host| {
            if host.shell.is_local() {
                return None;
            }
            Some(sign_of_life(host.shell.as_ref(), &limits))
        });
        for (index, sign) in signs.into_iter().enumerate().rev() {
            let error = match sign {
                None => continue,
                Some(Ok(who)) => {
                    self.compare_boots(index, who);
                    continue;
                }
                Some(Err(error)) => error,
            };
            if matches!(error, ShellError::Interrupted { .. }) {
                break;
            }
            let host = self.hosts.remove(index);
            if index < self.looks.len() {
                self.looks.remove(index);
            }
            if let Some((in_force, facts)) = &mut work {
                in_force.forget(index);
                if index < facts.len() {
                    facts.remove(index);
                }
            }
            self.lost(host, &error, error.class(), error.hint());
        }
        self.lost.len() - before
    }

    /// Asks which boot every host is in, after it may have been restarted by the run itself.
    pub(super) fn refresh_boots(&mut self) {
        if !self.plan.options.host_setup_reboot {
            return;
        }
        self.learn_boots();
    }

    /// Takes the present boot of every host for the one it should stay in.
    pub(super) fn learn_boots(&mut self) {
        let limits = self.cx.limits().within(SIGN);
        let asked = self.each(|host| Identity::ask(host.shell.as_ref(), &limits));
        for (host, who) in self.hosts.iter().zip(asked) {
            if let Ok(who) = who {
                self.answers.insert(host.name.clone(), Ok(who));
            }
        }
    }

    /// Notes that a host was restarted by somebody else.
    fn compare_boots(&mut self, index: usize, who: Identity) {
        let name = self.hosts[index].name.clone();
        let before = self.answers.insert(name.clone(), Ok(who.clone()));
        if matches!(before, Some(Ok(before)) if before.boot != who.boot) {
            self.note(format!(
                "host `{name}` was restarted meanwhile, not by this run"
            ));
        }
    }

    /// Leaves a host out from here on.
    pub(super) fn lost(
        &mut self,
        host: Host,
        error: &(dyn std::error::Error + 'static),
        class: &str,
        next: Option<&str>,
    ) {
        let message = self.cx.redactor.clean(&chain(error));
        let hint = next.map(|hint| format!("\nhint: {hint}"));
        let details = format!(
            "host `{}` is left out from here on: {message}{}",
            host.name,
            hint.unwrap_or_default()
        );
        let record = FailureRecord::of(error).details(details).class(class);
        let log = self.record(Path::new(""), record);
        self.tell(&Event::HostLost {
            host: host.name.clone(),
            message: message.clone(),
        });
        if let Some(hint) = next {
            self.note(format!("{}: {hint}", host.name));
        }
        self.tally.lost.push((host.name.clone(), message, log));
        self.lost.push(host);
    }
}

impl Controller<'_> {
    /// Does something on every host, on `--parallel-hosts` of them at once; answers come in the
    /// order of the hosts.
    pub(super) fn each<T: Send>(&self, work: impl Fn(&Host) -> T + Sync) -> Vec<T> {
        each(self.cx.parallel_hosts, &self.hosts, work)
    }
}
