//! `run-perf --recover`: gives machines back that a run which died left changed.
//!
//! Needs the result directory only. What cannot be undone stays in the journal, for the next try.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::hold::this_machine;
use super::journal::{Header, Journal, JournalError, Left};
use super::plan::is_this_machine;
use super::reach::{Place, Reach};
use super::undo::TargetRef;
use crate::secret::Redactor;
use crate::shell::Shell;
use crate::text::one_line;

/// What recovery did, or would do.
#[derive(Debug, Default)]
pub struct Recovered {
    run_id: String,
    place: String,
    dry_run: bool,
    done: Vec<(String, String)>,
    left: Vec<Left>,
    reboot: Vec<String>,
    unreadable: usize,
}

/// Takes back every change of a run that is still in force; with `dry_run` says which these are.
///
/// # Errors
/// When there is no journal, it cannot be read, or its run goes on.
pub fn recover(
    result: &Path,
    dry_run: bool,
    redactor: &Redactor,
    reach: &Reach,
) -> Result<Recovered, JournalError> {
    let journal = if dry_run {
        Journal::peek(result)?
    } else {
        Journal::open(result, redactor.clone())?
    };
    reach.keep_keys_in(result);
    let header = journal.header();
    let mut recovered = Recovered {
        run_id: header.run_id.clone(),
        place: result.display().to_string(),
        dry_run,
        unreadable: journal.unreadable(),
        ..Recovered::default()
    };
    if dry_run {
        let left = journal.left();
        recovered.done = left
            .iter()
            .map(|entry| (entry.undo.on(), entry.undo.to_string()))
            .collect();
        return Ok(recovered);
    }
    let replayed = journal.replay(|_| true, &|on| machine(&header, on, reach));
    reach.close();
    recovered.done = replayed.undone;
    recovered.left = replayed.left;
    recovered.reboot = replayed.reboot;
    if !recovered.done.is_empty() {
        journal.finish();
    }
    Ok(recovered)
}

/// Returns the shell of a machine of a run that died.
fn machine(header: &Header, on: &TargetRef, reach: &Reach) -> Result<Arc<dyn Shell>, String> {
    let here = on.controller();
    let host = header.hosts.iter().find(|host| host.name == on.0);
    let local = here.is_some() || host.is_some_and(|host| is_this_machine(&host.address));
    if local && !header.controller.is_empty() && header.controller != this_machine() {
        return Err(format!(
            "the run was on `{}`; recover there",
            header.controller
        ));
    }
    if let Some(shell) = here {
        return Ok(shell);
    }
    let Some(host) = host else {
        return Err("the journal does not say where this machine is".into());
    };
    let place = Place {
        name: &host.name,
        address: &host.address,
        user: host.user.as_deref(),
        port: host.port,
    };
    reach.shell(place).map(|(shell, _)| shell)
}

impl Recovered {
    /// Returns whether every machine is as it was found.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && self.unreadable == 0
    }

    /// Returns what to print; the verdict is the last line.
    pub fn report(&self) -> String {
        let mut text = String::new();
        let word = if self.dry_run { "would:" } else { "undone:" };
        for (on, step) in &self.done {
            let _ = writeln!(text, "{word:<9} {}: {}", one_line(on), one_line(step));
        }
        for left in &self.left {
            let _ = writeln!(
                text,
                "left:     {}: {}: {}",
                one_line(&left.on),
                left.step,
                left.message
            );
        }
        for host in &self.reboot {
            let _ = writeln!(
                text,
                "note:     {}: reboot it, the running system still shows what was changed",
                one_line(host)
            );
        }
        if self.unreadable > 0 {
            let _ = writeln!(
                text,
                "note:     {} damaged {} of the journal; what they recorded is not known",
                self.unreadable,
                if self.unreadable == 1 {
                    "line"
                } else {
                    "lines"
                }
            );
        }
        let count = self.done.len();
        let changes = |count: usize| format!("{count} change{}", if count == 1 { "" } else { "s" });
        let run = format!("run {}, result in {}", one_line(&self.run_id), self.place);
        let _ = match (self.dry_run, self.is_clean(), count) {
            (_, true, 0) => writeln!(text, "CLEAN: nothing is left to undo, {run}"),
            (true, _, _) => writeln!(text, "{} would be undone, {run}", changes(count)),
            (false, true, _) => writeln!(text, "CLEAN: {} undone, {run}", changes(count)),
            (false, false, _) => writeln!(
                text,
                "NOT CLEAN: {} undone, {} left, {run}",
                changes(count),
                self.left.len()
            ),
        };
        text
    }
}
