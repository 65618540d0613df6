//! A machine a program runs on: its worker, a private folder there, and the way back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::drive::Place;
use super::install::Program;
use crate::control::journal::{Journal, Left};
use crate::control::private::PrivateFolder;
use crate::control::undo::{TargetRef, Undo};
use crate::host::Worker;
use crate::shell::processes::{MARK, token};
use crate::shell::{CommandLine, Exit, Limits, Output, Shell, ShellError};
use crate::tests::fault::Fault;
use crate::tests::{TestContext, TestError};

/// How long the small commands around a measurement may take; connecting to a busy machine included.
pub const SHORT: Duration = Duration::from_secs(180);

/// See the module.
#[derive(Debug)]
pub struct Machine {
    /// As results name it.
    pub client: String,
    /// The worker; for a server of its workers the host itself.
    pub worker: Worker,
    folder: PrivateFolder,
    journal: Journal,
    /// Of the journal: everything this test does on this machine.
    scope: String,
    /// In the environment of everything started in the background.
    mark: String,
}

impl Machine {
    /// Makes the private folder; what will be started in the background is in the journal first.
    ///
    /// # Errors
    /// A shell failure, or a journal that cannot be written.
    pub fn prepare(
        cx: &TestContext<'_>,
        test: &str,
        label: &str,
        place: Place,
    ) -> Result<Self, TestError> {
        let Place { client, worker } = place;
        let scope = format!("{}/{}/{test}", worker.name, cx.profile);
        let journal = cx.run.journal.clone();
        let on = worker.name.as_str();
        let mark = format!("{}/.{label}/{}/", token(), ulid::Ulid::generate());
        // A plan alone is undone as well, whether something was started or not.
        let _step = journal.plan(
            &scope,
            Undo::KillMarked {
                on: on.into(),
                mark: mark.clone(),
            },
        )?;
        let limits = cx.run.limits().within(SHORT);
        let shell = worker.shell.as_ref();
        let folder = PrivateFolder::make(shell, &journal, on, &scope, label, &limits)?;
        Ok(Self {
            client,
            worker,
            folder,
            journal,
            scope,
            mark,
        })
    }

    /// Returns the machine's shell.
    pub fn shell(&self) -> &dyn Shell {
        self.worker.shell.as_ref()
    }

    /// Returns a path in the private folder.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.folder.path()).join(name)
    }

    /// Returns the private folder.
    pub fn folder(&self) -> &str {
        self.folder.path()
    }

    /// Returns a command that is found again by the journal when it runs in the background.
    pub fn marked(&self, command: CommandLine) -> CommandLine {
        command.env(MARK, format!("{}1", self.mark))
    }

    /// Runs a program that may not be there; every way to end is an output.
    ///
    /// # Errors
    /// `not-installed`, `timeout` with what the program last said, or a shell failure.
    pub fn run(
        &self,
        program: &Program,
        command: &CommandLine,
        limits: &Limits,
    ) -> Result<Output, TestError> {
        let missing = || {
            let short = limits.clone().within(SHORT);
            program.missing(command.program(), self.shell(), &short)
        };
        match self.shell().run(command, limits) {
            Ok(output) if output.exit == Exit::Code(127) => Err(missing().into()),
            Ok(output) => Ok(output),
            Err(ShellError::NotFound { .. }) => Err(missing().into()),
            Err(ShellError::TimedOut {
                target,
                limit,
                tail,
                ..
            }) => {
                let said = match crate::text::one_line(tail.trim()) {
                    said if said.is_empty() => "it printed nothing".to_owned(),
                    said => format!("it last said: {said}"),
                };
                let message = format!(
                    "{} on {target} did not end within {} s; {said}",
                    program.name,
                    limit.as_secs()
                );
                let hint = "find out what it waits for, or ask for less";
                Err(Fault::new("timeout", message, hint).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs the program in the private folder and keeps what it was given and wrote below
    /// `raw/CLIENT/`, also when it ends badly.
    ///
    /// # Errors
    /// As [`Machine::run`], or a file that cannot be written.
    pub fn measure(
        &self,
        cx: &TestContext<'_>,
        program: &Program,
        command: CommandLine,
        deadline: Duration,
        raw: &Path,
    ) -> Result<Output, TestError> {
        let raw = raw.join(crate::text::file_name(&self.client));
        cx.keep(&raw.join("command"), format!("{command}\n").as_bytes())?;
        let limits = cx.run.limits().within(deadline);
        let command = command.current_dir(self.folder());
        let output = self.run(program, &command, &limits)?;
        cx.keep(&raw.join("stdout"), &output.stdout)?;
        if !output.stderr.is_empty() {
            cx.keep(&raw.join("stderr"), &output.stderr)?;
        }
        Ok(output)
    }

    /// Writes down how to take a change back before it is made.
    ///
    /// # Errors
    /// When it cannot be written down; then the change must not be made.
    pub fn promise(&self, undo: Undo) -> Result<(), TestError> {
        // Armed by the program itself; a plan alone is undone as well.
        let _step = self.journal.plan(&self.scope, undo)?;
        Ok(())
    }

    /// Returns what nobody can guess, for names outside the private folder.
    pub fn token(&self) -> &str {
        self.folder.token()
    }

    /// Returns the number of processors a program gets there.
    ///
    /// # Errors
    /// When `nproc` does not say.
    pub fn cpus(&self, limits: &Limits) -> Result<u64, TestError> {
        let text = self.small(&CommandLine::new("nproc"), limits)?;
        text.trim().parse().map_err(|_| {
            let found = crate::text::one_line(text.trim());
            let target = self.shell().target();
            let message = format!("`nproc` on {target} printed `{found}`, expected a number");
            Fault::new("no-number", message, "").into()
        })
    }

    /// Runs a small command around the measurement that must succeed, in the private folder.
    ///
    /// # Errors
    /// A shell failure, any status but 0 included.
    pub fn small(&self, command: &CommandLine, limits: &Limits) -> Result<String, TestError> {
        use crate::shell::ShellExt as _;
        let command = command.clone().current_dir(self.folder());
        let limits = limits.clone().within(SHORT);
        Ok(self.shell().text(&command, &limits)?)
    }

    /// Puts a file into the private folder.
    ///
    /// # Errors
    /// When it cannot be written completely.
    pub fn put(&self, name: &str, content: &[u8], limits: &Limits) -> Result<(), TestError> {
        let limits = limits.clone().within(SHORT);
        let mut content = content;
        self.shell()
            .upload(&mut content, &self.path(name), 0o600, &limits)?;
        Ok(())
    }

    /// Reads a file of the private folder; `None` when there is none.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    pub fn get(&self, name: &str, limits: &Limits) -> Result<Option<Vec<u8>>, TestError> {
        use crate::shell::ShellExt as _;
        let limits = limits.clone().within(SHORT * 5);
        Ok(self.shell().read_file(&self.path(name), &limits)?)
    }

    /// Ends what is left and removes the private folder; a second call does no harm.
    ///
    /// # Errors
    /// What could not be taken back; the journal keeps it.
    pub fn clean_up(&self) -> Result<(), Left> {
        let machines = |_: &TargetRef| Ok(Arc::clone(&self.worker.shell));
        let replayed = self
            .journal
            .replay(|entry| entry.scope == self.scope, &machines);
        replayed.left.into_iter().next().map_or(Ok(()), Err)
    }
}
