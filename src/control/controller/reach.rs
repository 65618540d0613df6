//! Hosts that answer, and those that do not any more: these are dropped, the others go on.

use std::path::Path;
use std::time::Duration;

use super::facts::WorkerFacts;
use super::profile::InForce;
use super::{Controller, Fatal, chain};
use crate::control::event::Event;
use crate::host::Host;
use crate::shell::{CommandLine, ShellError, ShellExt};
use crate::store::record::FailureRecord;

/// What a sign of life may take, connecting included.
const SIGN: Duration = Duration::from_secs(60);

impl Controller<'_> {
    /// Connects to every host before anything is done; those that do not answer are dropped.
    pub(super) fn reach_hosts(&mut self) -> Result<(), Fatal> {
        self.drop_lost(None);
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

    /// Drops the remote hosts that give no sign of life, with their workers. What is in force on
    /// them is taken back at the end, if they are there again.
    pub(super) fn drop_lost(&mut self, mut work: Option<(&mut InForce, &mut WorkerFacts)>) {
        let limits = self.cx.limits();
        let signs = each(&self.hosts, |host| {
            if host.shell.is_local() {
                return Ok(());
            }
            let sign = CommandLine::new("true");
            host.shell
                .text(&sign, &limits.clone().within(SIGN))
                .map(drop)
        });
        for (index, sign) in signs.into_iter().enumerate().rev() {
            let Err(error) = sign else { continue };
            if matches!(error, ShellError::Interrupted { .. }) {
                return;
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
            self.lost(host, &error);
        }
    }

    fn lost(&mut self, host: Host, error: &ShellError) {
        let message = self.cx.redactor.clean(&chain(error));
        let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
        let details = format!(
            "host `{}` is left out from here on: {message}{}",
            host.name,
            hint.unwrap_or_default()
        );
        let record = FailureRecord::of(error)
            .details(details)
            .class(error.class());
        let log = self.record(Path::new(""), record);
        self.tell(&Event::Note {
            text: format!("host {} LOST: {message}", host.name),
        });
        if let Some(hint) = error.hint() {
            self.note(format!("{}: {hint}", host.name));
        }
        self.tally.lost.push((host.name.clone(), message, log));
        self.lost.push(host);
    }
}

/// Does something on every host at once; answers come in the order of the hosts.
pub(super) fn each<T: Send>(hosts: &[Host], work: impl Fn(&Host) -> T + Sync) -> Vec<T> {
    if let [host] = hosts {
        return vec![work(host)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = hosts
            .iter()
            .map(|host| scope.spawn(move || work(host)))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(answer) => answer,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
