//! fio on one machine: is it there, a private folder, one sample, everything removed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::fault::{Ended, Fault, judge};
use super::job::{JobFile, OWN_FILES};
use super::logs::LogName;
use super::output::FioOutput;
use super::sample::Log;
use super::target::Made;
use crate::control::cancel::CancelToken;
use crate::control::journal::{Journal, JournalError, Left};
use crate::control::private::PrivateFolder;
use crate::control::undo::{TargetRef, Undo};
use crate::host::Worker;
use crate::shell::{CommandLine, Exit, Limits, Shell, ShellError, ShellExt};
use crate::store::StoreError;
use crate::tests::TestError;

/// The oldest fio whose logs and JSON are known.
const OLDEST: (u32, u32) = (3, 21);
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
        let version = match shell.run(&CommandLine::new("fio").arg("--version"), &limits) {
            Ok(output) if output.exit == Exit::Code(127) => {
                return Err(not_installed(shell.as_ref(), &limits).into());
            }
            Ok(output) => output.text(),
            Err(ShellError::NotFound { .. }) => {
                return Err(not_installed(shell.as_ref(), &limits).into());
            }
            Err(error) => return Err(error.into()),
        };
        check_version(&version, shell.target())?;
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

    /// Runs fio once. What it was given and wrote goes to `raw` on the controller, also when it fails.
    ///
    /// # Errors
    /// A fault of fio, a limit, or a file that cannot be written.
    pub fn sample(
        &self,
        job: &JobFile,
        raw: &Path,
        times: Times,
        limits: &Limits,
    ) -> Result<(FioOutput, Vec<Log>), TestError> {
        let command = CommandLine::new("fio")
            .arg("--output-format=json+")
            .arg("fio.job");
        let text = job.to_string();
        keep(&raw.join("fio.job"), text.as_bytes())?;
        keep(&raw.join("fio.cmd"), format!("{command}\n").as_bytes())?;

        let short = limits.clone().within(SHORT);
        let work = self.folder.join("sample");
        let shown = work.to_string_lossy().into_owned();
        self.shell
            .text(&CommandLine::new("mkdir").arg(shown.as_str()), &short)?;
        self.shell
            .upload(&mut text.as_bytes(), &work.join("fio.job"), 0o600, &short)?;
        let limits = limits
            .clone()
            .within(times.deadline)
            .stalled_after(times.quiet);
        let output = self
            .shell
            .run(&command.current_dir(&work), &limits)
            .map_err(|error| match error {
                ShellError::NotFound { .. } => not_installed(self.shell.as_ref(), &limits).into(),
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
    pub fn clean_up(&self) -> Result<(), Left> {
        let machines = |_: &TargetRef| Ok(Arc::clone(&self.shell));
        let replayed = self
            .journal
            .replay(|entry| entry.scope == self.scope, &machines);
        replayed.left.into_iter().next().map_or(Ok(()), Err)
    }
}

/// Writes a file below the attempt, with the folders to it.
fn keep(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
    }
    let mut file = std::fs::File::create(path).map_err(StoreError::io("create", path))?;
    file.write_all(content)
        .map_err(StoreError::io("write", path))
}

fn not_installed(shell: &dyn Shell, limits: &Limits) -> Fault {
    let release = shell.read_file(Path::new("/etc/os-release"), limits);
    let release = release.ok().flatten().unwrap_or_default();
    let hint = install_hint(&String::from_utf8_lossy(&release));
    // The command stands in the message too: summaries have one line for a failure.
    let message = format!("fio is not installed on {} ({hint})", shell.target());
    Fault::new("not-installed", message, hint)
}

/// Returns how to install fio on a system with this `os-release`.
fn install_hint(release: &str) -> &'static str {
    let like = |names: &[&str]| {
        let lines = release
            .lines()
            .filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="));
        lines
            .flat_map(|line| line.split(['=', '"', ' ', '\'']))
            .any(|word| names.contains(&word))
    };
    if like(&["debian", "ubuntu"]) {
        "apt-get install fio"
    } else if like(&["fedora", "rhel", "centos"]) {
        "dnf install fio"
    } else if like(&["suse", "opensuse", "sles"]) {
        "zypper install fio"
    } else {
        "install fio with the system's package manager: apt-get install fio, or dnf install fio"
    }
}

/// Accepts `fio-3.33`, `fio-3.35-20-g1b4b`.
fn check_version(text: &str, target: &crate::shell::Target) -> Result<(), Fault> {
    let line = text
        .lines()
        .find(|line| line.starts_with("fio-"))
        .unwrap_or_default();
    let mut numbers = line
        .trim_start_matches("fio-")
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        let found = crate::text::one_line(text.trim());
        let message =
            format!("`fio --version` on {target} printed `{found}`, expected fio-3.21 or newer");
        return Err(Fault::new(
            "not-installed",
            message,
            "check which program `fio` is there",
        ));
    };
    if (major, minor) < OLDEST {
        let message = format!(
            "fio {major}.{minor} on {target} is too old, expected {}.{} or newer",
            OLDEST.0, OLDEST.1
        );
        return Err(Fault::new("too-old", message, "install a newer fio"));
    }
    Ok(())
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::shell::Target;
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
    fn a_machine_without_fio_says_how_to_install_it() {
        for (release, command) in [
            ("ID=debian\n", "apt-get install fio"),
            (
                "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "dnf install fio",
            ),
            ("ID=ubuntu\nID_LIKE=debian\n", "apt-get install fio"),
        ] {
            let shell = ScriptedShell::new("foo").file("/etc/os-release", release);
            let error = Machine::prepare(&worker(shell), "a".into(), journal(), &limits())
                .expect_err("no fio");
            assert_eq!(error.hint(), Some(command));
            assert!(
                matches!(error, TestError::Failed { class, message, .. } if class == "not-installed" && message.contains("foo"))
            );
        }
    }

    #[test]
    fn an_old_fio_is_refused_and_odd_versions_are_read() {
        let target = Target("foo".into());
        for good in [
            "fio-3.21\n",
            "fio-3.33\n",
            "fio-3.35-20-g1b4b\n",
            "fio-4.0\n",
        ] {
            assert_eq!(check_version(good, &target), Ok(()), "{good}");
        }
        let fault = check_version("fio-3.7\n", &target).expect_err("too old");
        assert_eq!(
            (fault.class.as_str(), fault.message.as_str()),
            (
                "too-old",
                "fio 3.7 on foo is too old, expected 3.21 or newer"
            )
        );
        assert_eq!(
            check_version("fiorello 2\n", &target)
                .expect_err("another")
                .class,
            "not-installed"
        );
    }

    #[test]
    fn the_private_folder_names_the_files_of_a_run() {
        let shell = ScriptedShell::new("foo")
            .answer("fio --version", "fio-3.33\n")
            .answer("sh -c *", "/scratch")
            .answer("mkdir *", "")
            .answer("rm *", "");
        let (journal, scope) = journal();
        let machine = Machine::prepare(
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
