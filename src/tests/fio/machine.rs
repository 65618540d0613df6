//! fio on one machine: is it there, a private folder, one sample, everything removed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::fault::{Ended, Fault, judge};
use super::installed;
use super::job::{JobFile, OWN_FILES};
use super::logs::LogName;
use super::output::FioOutput;
use super::sample::Log;
use super::served::Served;
use super::target::Made;
use crate::control::cancel::CancelToken;
use crate::control::journal::{Journal, JournalError, Left};
use crate::control::private::PrivateFolder;
use crate::control::undo::{TargetRef, Undo};
use crate::host::Worker;
use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};
use crate::store::StoreError;
use crate::tests::TestError;

/// In the path of every private folder of this test.
pub(super) const PRIVATE: &str = "/runperf-fio.";
/// How long the small commands around fio may take.
const SHORT: Duration = Duration::from_secs(60);
/// How long cleaning up may take; a large file takes a while to go.
const CLEAN_UP: Duration = Duration::from_secs(120);

/// A machine fio runs on.
#[derive(Debug)]
pub struct Machine {
    /// As results name it.
    pub client: String,
    shell: Arc<dyn Shell>,
    /// As the journal names it.
    name: String,
    /// Private folder on the machine.
    folder: PathBuf,
    token: String,
    /// Of fio: `3.33`.
    version: String,
    served: Option<Served>,
    journal: Journal,
    /// Of the journal: everything this test does on this machine.
    scope: String,
}

/// Limits of one run of fio.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Ended after this time.
    pub deadline: Duration,
    /// Ended when it prints nothing for this long.
    pub quiet: Duration,
}

impl Machine {
    /// Checks that fio is there and new enough, and makes a private folder.
    ///
    /// # Errors
    /// `not-installed` with the command that installs it, `too-old`, or a shell failure.
    pub fn prepare(
        worker: &Worker,
        client: String,
        (journal, scope): (Journal, String),
        limits: &Limits,
    ) -> Result<Self, TestError> {
        let shell = Arc::clone(&worker.shell);
        let limits = limits.clone().within(SHORT);
        let version = installed::version(shell.as_ref(), &limits)?;
        let own = PrivateFolder::make(
            shell.as_ref(),
            &journal,
            &worker.name,
            &scope,
            "fio",
            &limits,
        )?;
        Ok(Self {
            client,
            name: worker.name.clone(),
            shell,
            folder: PathBuf::from(own.path()),
            token: own.token().to_owned(),
            version,
            served: None,
            journal,
            scope,
        })
    }

    /// Writes down what fio will make beside its folder, so that it is removed whatever happens.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn expect(&self, made: &Made) -> Result<(), JournalError> {
        let files = made.files.iter().map(|path| Undo::RemovePath {
            on: self.name.as_str().into(),
            path: path.clone(),
            tree: false,
        });
        let folders = made.directories.iter().map(|folder| Undo::RemoveMatching {
            on: self.name.as_str().into(),
            folder: folder.clone(),
            prefix: format!("{OWN_FILES}{}-", self.token),
        });
        for undo in files.chain(folders) {
            // Armed by fio itself; a plan alone is undone as well.
            let _step = self.journal.plan(&self.scope, undo)?;
        }
        Ok(())
    }

    /// Returns what stands in the names of files made on this machine; nobody can guess it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns the version of its fio: `3.33`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns its private folder, removed by [`Machine::clean_up`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes down how a change of this machine is taken back; the change comes after it.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn plan(&self, undo: impl FnOnce(TargetRef) -> Undo) -> Result<(), JournalError> {
        // A plan that was never armed is taken back too.
        let _step = self
            .journal
            .plan(&self.scope, undo(self.name.as_str().into()))?;
        Ok(())
    }

    /// Keeps what serves fio here, until [`Machine::clean_up`].
    pub fn serve(&mut self, served: Served) {
        self.served = Some(served);
    }

    /// Returns what fio works on in place of its targets.
    pub fn served(&self) -> Option<&str> {
        self.served.as_ref().map(|served| served.path.as_str())
    }

    /// Returns the machine's shell.
    pub fn shell(&self) -> &dyn Shell {
        self.shell.as_ref()
    }

    /// Says whether a script is there and may be executed.
    ///
    /// # Errors
    /// `pre-iteration-script` when it is not.
    pub fn check_script(&self, script: &str, limits: &Limits) -> Result<(), TestError> {
        let test = CommandLine::script("[ -f \"$1\" ] && [ -x \"$1\" ]")
            .arg("test")
            .arg(script);
        let output = self.shell.run(&test, &limits.clone().within(SHORT))?;
        if output.exit.success() {
            return Ok(());
        }
        let message = format!(
            "pre-iteration-script `{script}` is no executable file on {}",
            self.shell.target()
        );
        Err(Fault::new(
            "pre-iteration-script",
            message,
            "copy it there and make it executable",
        )
        .into())
    }

    /// Runs it.
    ///
    /// # Errors
    /// `pre-iteration-script` when it ends with another status than 0.
    pub fn run_script(&self, script: &str, limits: &Limits) -> Result<(), TestError> {
        // As long as setup scripts of hosts may take.
        let limits = limits.clone().within(Duration::from_secs(3600));
        let output = self.shell.run(&CommandLine::new(script), &limits)?;
        if output.exit.success() {
            return Ok(());
        }
        let message = format!(
            "pre-iteration-script `{script}` ended with {} on {}: {}",
            output.exit,
            self.shell.target(),
            output.tail()
        );
        Err(Fault::new(
            "pre-iteration-script",
            message,
            "correct the script, or leave it out",
        )
        .into())
    }

    /// Puts a job file where [`Machine::run`] finds it, and into `raw` on the controller.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lay_out(&self, job: &JobFile, raw: &Path, limits: &Limits) -> Result<(), TestError> {
        let text = job.to_string();
        keep(&raw.join("fio.job"), text.as_bytes())?;
        keep(&raw.join("fio.cmd"), format!("{}\n", command()).as_bytes())?;
        let short = limits.clone().within(SHORT);
        let work = self.work();
        let make = CommandLine::new("mkdir").arg(work.to_string_lossy());
        self.shell.text(&make, &short)?;
        let to = work.join("fio.job");
        self.shell
            .upload(&mut text.as_bytes(), &to, 0o600, &short)?;
        Ok(())
    }

    /// Runs fio once. What it wrote goes to `raw` on the controller, also when it fails.
    ///
    /// # Errors
    /// A fault of fio, a limit, or a file that cannot be written.
    pub fn run(
        &self,
        raw: &Path,
        times: Times,
        limits: &Limits,
    ) -> Result<(FioOutput, Vec<Log>), TestError> {
        let work = self.work();
        let limits = limits
            .clone()
            .within(times.deadline)
            .stalled_after(times.quiet);
        let output = self
            .shell
            .run(&command().current_dir(&work), &limits)
            .map_err(|error| match error {
                ShellError::NotFound { .. } => {
                    installed::not_installed(self.shell.as_ref(), &limits).into()
                }
                other => TestError::from(other),
            })?;
        keep(&raw.join("fio-result.txt"), &output.stdout)?;
        if !output.stderr.is_empty() {
            keep(&raw.join("fio-stderr.txt"), &output.stderr)?;
        }
        let logs = self.fetch_logs(&work, raw)?;
        let judged = judge(
            Ended {
                exit: output.exit,
                stdout: &output.stdout,
                stderr: &output.stderr,
            },
            None,
        )?;
        Ok((judged, logs))
    }

    /// Working folder of one sample.
    fn work(&self) -> PathBuf {
        self.folder.join("sample")
    }

    /// Takes every log to the controller, then removes the working folder of the sample.
    fn fetch_logs(&self, work: &Path, raw: &Path) -> Result<Vec<Log>, TestError> {
        // Not cut short by a cancellation: the sample is done, and this is quick.
        let limits = Limits::new(CancelToken::default()).within(CLEAN_UP);
        let listed = self
            .shell
            .text(&CommandLine::new("ls").current_dir(work), &limits)?;
        let place = raw
            .join("clients")
            .join(crate::text::file_name(&self.client));
        let mut logs = Vec::new();
        for file in listed.lines().filter(|file| file.ends_with(".log")) {
            let mut content = Vec::new();
            self.shell
                .download(&work.join(file), &mut content, &limits)?;
            keep(&place.join(crate::text::file_name(file)), &content)?;
            if let Some(name) = LogName::parse(file) {
                logs.push(Log {
                    name,
                    text: String::from_utf8_lossy(&content).into_owned(),
                });
            }
        }
        self.shell.text(
            &CommandLine::new("rm")
                .args(["-rf", "--"])
                .arg(work.to_string_lossy()),
            &limits,
        )?;
        Ok(logs)
    }

    /// Removes the private folder and every file fio made; a second call does no harm.
    ///
    /// # Errors
    /// What could not be removed; the journal keeps it.
    pub fn clean_up(&mut self) -> Result<(), Left> {
        for process in self
            .served
            .iter_mut()
            .flat_map(|served| &mut served.processes)
        {
            if let Err(error) = process.stop() {
                tracing::warn!(client = %self.client, %error, "what served fio could not be ended");
            }
        }
        self.served = None;
        let machines = |_: &TargetRef| Ok(Arc::clone(&self.shell));
        let replayed = self
            .journal
            .replay(|entry| entry.scope == self.scope, &machines);
        replayed.left.into_iter().next().map_or(Ok(()), Err)
    }
}

fn command() -> CommandLine {
    CommandLine::new("fio")
        .arg("--output-format=json+")
        .arg("fio.job")
}

/// Writes a file below the attempt, with the folders to it.
pub(super) fn keep(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
    }
    let mut file = std::fs::File::create(path).map_err(StoreError::io("create", path))?;
    file.write_all(content)
        .map_err(StoreError::io("write", path))
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::shell::scripted::ScriptedShell;

    fn worker(shell: ScriptedShell) -> Worker {
        let shell: Arc<dyn Shell> = Arc::new(shell);
        Worker {
            name: "foo".into(),
            address: "192.0.2.17".into(),
            role: None,
            host: "foo".into(),
            shell,
        }
    }

    fn journal() -> (Journal, String) {
        (Journal::in_memory(), "foo/Localhost/fio".into())
    }

    fn limits() -> Limits {
        Limits::new(CancelToken::default())
    }

    #[test]
    fn the_private_folder_names_the_files_of_a_run() {
        let shell = ScriptedShell::new("foo")
            .answer("fio --version", "fio-3.33\n")
            .answer("sh -c *", "/scratch")
            .answer("mkdir *", "")
            .answer("rm *", "");
        let (journal, scope) = journal();
        let mut machine = Machine::prepare(
            &worker(shell.clone()),
            "a".into(),
            (journal.clone(), scope),
            &limits(),
        )
        .expect("prepared");
        let folder = format!("/scratch/runperf-fio.{}", machine.token());
        assert_eq!(machine.token().len(), 16);
        machine
            .expect(&Made {
                files: vec!["/data/new".into()],
                directories: Vec::new(),
            })
            .expect("written down");
        machine.clean_up().expect("removed");
        machine.clean_up().expect("twice");
        assert_eq!(
            shell.commands()[2..],
            [
                format!("mkdir -m 700 -- {folder}"),
                "rm -f -- /data/new".to_owned(),
                format!("rm -rf -- {folder}"),
            ]
        );
        assert!(journal.left().is_empty());
    }
}
