//! A folder of a run's own on a machine: its name cannot be guessed, only its owner may look, and
//! the journal knows how to remove it before it exists.

use std::sync::Arc;
use std::time::Duration;

use super::journal::{Journal, JournalError, Left, Step};
use super::undo::Undo;
use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

/// How long making it may take.
const SHORT: Duration = Duration::from_secs(60);

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// On the machine.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// See the module. Stays until it is removed, or the journal is replayed.
#[derive(Debug)]
pub struct PrivateFolder {
    path: String,
    token: String,
    step: Step,
}

impl PrivateFolder {
    /// Makes `runperf-LABEL.TOKEN` where the machine keeps temporary files.
    ///
    /// # Errors
    /// When it cannot be written down or made; a name that is taken is an error, never followed.
    pub fn make(
        shell: &dyn Shell,
        journal: &Journal,
        on: &str,
        scope: &str,
        label: &str,
        limits: &Limits,
    ) -> Result<Self, FolderError> {
        let limits = limits.clone().within(SHORT);
        let where_from = CommandLine::script(r#"printf %s "${TMPDIR:-/tmp}""#);
        let parent = shell.text(&where_from, &limits)?;
        let parent = match parent.trim_end_matches('/') {
            parent if parent.starts_with('/') => parent.to_owned(),
            _ => "/tmp".to_owned(),
        };
        // 80 random bits; a ULID's first half is the time.
        let token = ulid::Ulid::generate().to_string().split_off(10);
        let path = format!("{parent}/runperf-{label}.{token}");
        let step = journal.plan(
            scope,
            Undo::RemovePath {
                on: on.into(),
                path: path.clone(),
                tree: true,
            },
        )?;
        let make = CommandLine::new("mkdir")
            .args(["-m", "700", "--"])
            .arg(&path);
        if let Err(error) = shell.text(&make, &limits) {
            // Whatever has this name is not ours.
            if matches!(error, ShellError::Failed { .. }) {
                step.done();
            }
            return Err(error.into());
        }
        step.armed();
        Ok(Self { path, token, step })
    }

    /// Returns its path on the machine.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what nobody can guess in its name, for names of other files of the run.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Removes it with everything in it; a second time does no harm.
    ///
    /// # Errors
    /// When something could not be removed; the journal keeps it.
    pub fn remove(&self, shell: &Arc<dyn Shell>) -> Result<(), Left> {
        self.step.undo(shell)
    }

    /// Leaves it for `--recover`.
    pub fn keep(&self) {
        self.step.keep();
    }
}
