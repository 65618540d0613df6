//! The undo journal, `__journal__.jsonl` of a result: every change of a machine is written down
//! with its way back, and synced, before it is made.
//!
//! `plan` comes before the change, `armed` after it, then `undone` or `failed`; `clean` stands at
//! the end when nothing is left. A plan that was never armed is undone too: the change may have
//! happened. Reverting is a replay of the journal, so the code that runs after a crash is the code
//! that runs every night. The file is locked while its run lives.

mod file;
mod line;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use line::{Header, MachineRef, Recorded};

use self::file::JournalFile;
use self::line::Event;
use super::undo::{TargetRef, Undo};
use crate::secret::Redactor;
use crate::shell::Shell;

/// Name of the journal in a result.
pub const FILE_NAME: &str = "__journal__.jsonl";

/// Shortest secret that is looked for in steps.
const SECRET_LENGTH: usize = 6;

/// Why a change cannot be written down, or a journal not be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file failed; the change must not be made.
    #[error("cannot {action} the journal {}", path.display())]
    Io {
        /// `write`, `read`, `lock`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A step that holds a secret would put it on disk.
    #[error("the way back of a change holds a password and is not written down")]
    Secret,
    /// There is none.
    #[error("{} has no journal: nothing is known that could be undone", path.display())]
    None {
        /// The result.
        path: PathBuf,
    },
    /// It does not begin as a journal does.
    #[error("{} does not begin like a journal", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// Its run goes on.
    #[error("the run of {} is still going on", path.display())]
    Alive {
        /// The result.
        path: PathBuf,
    },
}

impl JournalError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            JournalError::None { .. } | JournalError::Foreign { .. } => {
                Some("name the result directory of the run that died".into())
            }
            JournalError::Alive { .. } => {
                Some("wait for its end, or stop it with Ctrl-C: it cleans up itself".into())
            }
            JournalError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Some("free some space; nothing was changed".into())
            }
            _ => None,
        }
    }
}

/// How far a change is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It may have been made.
    Planned,
    /// It was made.
    Armed,
    /// It was taken back.
    Undone,
    /// It could not be taken back.
    Failed(String),
}

/// A change with its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Number of its line.
    pub n: u64,
    /// What it belongs to: `foo`, `foo/TunedLibvirt`, `foo/TunedLibvirt/fio`.
    pub scope: String,
    /// The way back.
    pub undo: Recorded,
    /// How far it is.
    pub state: State,
    /// Left on purpose (`--keep-tmp-files`).
    pub kept: bool,
}

/// A step that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The machine, if the step says one.
    pub on: String,
    /// The step in words.
    pub step: String,
    /// Why.
    pub message: String,
}

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Steps taken: machine and step, in order.
    pub undone: Vec<(String, String)>,
    /// Steps that failed.
    pub left: Vec<Left>,
    /// Machines that must be restarted for a step to show.
    pub reboot: Vec<String>,
}

/// Finds the shell of a machine by its name; an error says why there is none.
pub type Machines<'a> = dyn Fn(&TargetRef) -> Result<Arc<dyn Shell>, String> + 'a;

#[derive(Debug)]
struct Book {
    file: Option<JournalFile>,
    header: Header,
    entries: Vec<Entry>,
    next: u64,
    unreadable: usize,
    redactor: Redactor,
}

/// A journal; clones are the same one.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Mutex<Book>>);

impl Journal {
    /// Begins the journal of a run; or goes on with the one that is there, which must be free.
    ///
    /// # Errors
    /// When it cannot be written, or belongs to a run that goes on.
    pub fn create(result: &Path, header: Header, redactor: Redactor) -> Result<Self, JournalError> {
        let (file, text) = JournalFile::open(&result.join(FILE_NAME), true)?;
        let journal = Self::of(Some(file), &text, redactor);
        journal.lock().header = header.clone();
        journal.append(Event::Run(header))?;
        Ok(journal)
    }

    /// Opens the journal a run left.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or its run goes on.
    pub fn open(result: &Path, redactor: Redactor) -> Result<Self, JournalError> {
        let path = result.join(FILE_NAME);
        let (file, text) = match JournalFile::open(&path, false) {
            Err(JournalError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(JournalError::None {
                    path: result.to_owned(),
                });
            }
            Err(JournalError::Alive { .. }) => {
                return Err(JournalError::Alive {
                    path: result.to_owned(),
                });
            }
            other => other?,
        };
        let journal = Self::of(Some(file), &text, redactor);
        // A run that died before its first line was whole changed nothing.
        if journal.lock().header.version == 0 && journal.lock().next > 1 {
            return Err(JournalError::Foreign { path });
        }
        Ok(journal)
    }

    /// Reads a journal without touching it, whether its run goes on or not.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn peek(result: &Path) -> Result<Self, JournalError> {
        let path = result.join(FILE_NAME);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Self::of(None, &bytes, Redactor::default())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(JournalError::None {
                path: result.to_owned(),
            }),
            Err(source) => Err(JournalError::Io {
                action: "read",
                path,
                source,
            }),
        }
    }

    /// A journal that is written nowhere; for unit tests.
    pub fn in_memory() -> Self {
        Self::of(None, b"", Redactor::default())
    }

    fn of(file: Option<JournalFile>, bytes: &[u8], redactor: Redactor) -> Self {
        let read = line::read(bytes);
        Self(Arc::new(Mutex::new(Book {
            file,
            header: read.header,
            entries: read.entries,
            next: read.next,
            unreadable: read.unreadable,
            redactor,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the head of the last run that wrote it.
    pub fn header(&self) -> Header {
        self.lock().header.clone()
    }

    /// Returns how many whole lines could not be read; what they said is not known.
    pub fn unreadable(&self) -> usize {
        self.lock().unreadable
    }

    fn append(&self, event: Event) -> Result<u64, JournalError> {
        let mut book = self.lock();
        let n = book.next;
        let text = line::write(n, event);
        if let Some(file) = &mut book.file {
            file.append(&text)?;
        }
        book.next += 1;
        Ok(n)
    }

    /// Notes the end of a step; that it is not on disk only means that it is taken once more.
    fn note(&self, event: Event) {
        if let Err(error) = self.append(event) {
            tracing::warn!(%error, "the journal could not be continued");
        }
    }

    /// Writes down how a machine is reached that is no host of the run, so that recovery finds it.
    ///
    /// # Errors
    /// When it is not safely on disk.
    pub fn machine(&self, machine: MachineRef) -> Result<(), JournalError> {
        self.append(Event::Machine(machine.clone()))?;
        self.lock().header.add(machine);
        Ok(())
    }

    /// Writes down how a change will be undone. Make the change only when this returned.
    ///
    /// # Errors
    /// When it is not safely on disk.
    pub fn plan(&self, scope: &str, undo: Undo) -> Result<Step, JournalError> {
        let text = serde_json::to_string(&undo).unwrap_or_default();
        if self.lock().redactor.finds(&text, SECRET_LENGTH) {
            return Err(JournalError::Secret);
        }
        let n = self.append(Event::Plan {
            scope: scope.to_owned(),
            undo: Recorded::Known(undo.clone()),
        })?;
        self.lock().entries.push(Entry {
            n,
            scope: scope.to_owned(),
            undo: Recorded::Known(undo),
            state: State::Planned,
            kept: false,
        });
        Ok(Step {
            journal: self.clone(),
            n,
        })
    }

    fn set(&self, n: u64, state: State) {
        let mut book = self.lock();
        if let Some(entry) = book.entries.iter_mut().find(|entry| entry.n == n) {
            entry.state = state;
        }
    }

    /// Returns what is not undone, the latest change first.
    pub fn left(&self) -> Vec<Entry> {
        let book = self.lock();
        let left = book.entries.iter().rev();
        left.filter(|entry| entry.state != State::Undone)
            .cloned()
            .collect()
    }

    /// Takes back, in reverse order, every change `wanted` says yes to that is still in force;
    /// what was started is ended before anything else.
    ///
    /// A step that fails is noted and the others are taken all the same.
    pub fn replay(&self, wanted: impl Fn(&Entry) -> bool, machines: &Machines<'_>) -> Replayed {
        let mut replayed = Replayed::default();
        let mut entries = self.left();
        entries.retain(|entry| !entry.kept && wanted(entry));
        // A program that still runs would make again what is removed under it.
        entries
            .sort_by_key(|entry| !matches!(entry.undo, Recorded::Known(Undo::KillMarked { .. })));
        for entry in entries {
            let (on, step) = (entry.undo.on(), entry.undo.to_string());
            let taken = match &entry.undo {
                Recorded::Known(undo) => machines(undo.on())
                    .and_then(|shell| undo.take(shell.as_ref()).map_err(|error| chain(&error))),
                Recorded::Unknown(_) => {
                    Err("this version does not know such a step; use the one that wrote it".into())
                }
            };
            match taken {
                Ok(()) => {
                    self.note(Event::Undone { of: entry.n });
                    self.set(entry.n, State::Undone);
                    let reboot =
                        matches!(&entry.undo, Recorded::Known(undo) if undo.needs_reboot());
                    if reboot && !replayed.reboot.contains(&on) {
                        replayed.reboot.push(on.clone());
                    }
                    replayed.undone.push((on, step));
                }
                Err(message) => {
                    let message = self.lock().redactor.clean(&message);
                    let message = crate::text::one_line(&message);
                    tracing::warn!(machine = %on, %step, %message, "a change could not be undone");
                    self.note(Event::Failed {
                        of: entry.n,
                        message: message.clone(),
                    });
                    self.set(entry.n, State::Failed(message.clone()));
                    replayed.left.push(Left { on, step, message });
                }
            }
        }
        replayed
    }

    /// Ends the journal: writes `clean` when nothing is left, and returns whether that is so.
    pub fn finish(&self) -> bool {
        let clean = self.left().is_empty() && self.unreadable() == 0;
        if clean {
            self.note(Event::Clean);
        }
        clean
    }
}

/// A change that is written down.
#[derive(Debug)]
#[must_use = "say when the change is made, or undo it"]
pub struct Step {
    journal: Journal,
    n: u64,
}

impl Step {
    /// Notes that the change was made.
    pub fn armed(&self) {
        self.journal.note(Event::Armed { of: self.n });
        self.journal.set(self.n, State::Armed);
    }

    /// Takes it back.
    ///
    /// # Errors
    /// Says in words why that failed; it is noted, and tried again by whoever replays next.
    pub fn undo(&self, shell: &Arc<dyn Shell>) -> Result<(), Left> {
        let shell = Arc::clone(shell);
        let machines = move |_: &TargetRef| Ok(Arc::clone(&shell));
        let replayed = self.journal.replay(|entry| entry.n == self.n, &machines);
        replayed.left.into_iter().next().map_or(Ok(()), Err)
    }

    /// Notes that there is nothing to take back any more.
    pub fn done(&self) {
        self.journal.note(Event::Undone { of: self.n });
        self.journal.set(self.n, State::Undone);
    }

    /// Leaves it for `--recover`: asked for by `--keep-tmp-files`.
    pub fn keep(&self) {
        let mut book = self.journal.lock();
        if let Some(entry) = book.entries.iter_mut().find(|entry| entry.n == self.n) {
            entry.kept = true;
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
