//! What was typed on each machine: `__sessions__/<machine>` below the directory in force.
//!
//! A log reads like a shell history: commands as they can be pasted into a terminal (secrets
//! masked), everything else as comments. Outputs go to the debug log only.
//!
//! ```text
//! # 2026-03-01T02:00:04Z Run fio
//! fio --output-format=json job.fio
//! # ended with status 1 after 0.3 s
//! ```

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{debug, trace, warn};

use super::quote::quote;
use super::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};
use crate::secret::Redactor;
use crate::text::file_name;

/// The command logs of a run; clones are the same logs.
#[derive(Debug, Clone)]
pub struct SessionLog {
    redactor: Redactor,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    dir: Option<PathBuf>,
    machines: Vec<String>,
    /// A full disk is reported once, not once for each command.
    complained: bool,
}

impl SessionLog {
    /// Logs that are written nowhere until [`SessionLog::enter`].
    pub fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            state: Arc::default(),
        }
    }

    /// Goes on below `dir` (the result, a profile, an attempt); files are made when first needed.
    pub fn enter(&self, dir: impl Into<PathBuf>) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .dir = Some(dir.into());
    }

    /// Returns the directory in force.
    pub fn dir(&self) -> Option<PathBuf> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .dir
            .clone()
    }

    /// Writes the name of a stage (`Applying profile Localhost`) to the log of every machine.
    pub fn banner(&self, text: &str) {
        let machines = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .machines
            .clone();
        for machine in machines {
            self.banner_on(&machine, text);
        }
    }

    /// Writes the name of a stage to the log of one machine.
    pub fn banner_on(&self, machine: &str, text: &str) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        self.append(
            machine,
            &format!("# {now} {}\n", crate::text::one_line(text)),
        );
    }

    fn append(&self, machine: &str, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(dir) = state.dir.as_ref().map(|dir| dir.join("__sessions__")) else {
            return;
        };
        let path = dir.join(file_name(machine));
        // One write, so that lines of parallel threads do not mix.
        let written = std::fs::create_dir_all(&dir)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
            .and_then(|mut file| file.write_all(self.redactor.clean(text).as_bytes()));
        if let Err(error) = written
            && !std::mem::replace(&mut state.complained, true)
        {
            warn!(path = %path.display(), %error, "cannot write the command log, going on without");
        }
    }
}

/// A shell whose commands are logged.
#[derive(Debug, Clone)]
pub struct LoggedShell {
    inner: Arc<dyn Shell>,
    machine: String,
    log: SessionLog,
}

impl LoggedShell {
    /// Logs everything done through `inner` under the name `machine`.
    pub fn new(inner: Arc<dyn Shell>, machine: impl Into<String>, log: SessionLog) -> Self {
        let machine = machine.into();
        let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.machines.contains(&machine) {
            state.machines.push(machine.clone());
        }
        drop(state);
        Self {
            inner,
            machine,
            log,
        }
    }

    fn typed(&self, command: &CommandLine, background: bool) {
        let mut line = String::new();
        if let Some(dir) = &command.cwd {
            line += &format!("cd {} && ", quote(&dir.display().to_string()));
        }
        line += &command.to_string();
        if background {
            line += " &";
        }
        if let Some(input) = &command.stdin {
            line += &format!("  # fed {} bytes", input.len());
        }
        debug!(machine = %self.machine, command = %self.log.redactor.clean(&line), "run");
        self.log.append(&self.machine, &(line + "\n"));
    }

    fn ended(&self, result: &Result<Output, ShellError>) {
        let note = match result {
            Ok(output) => {
                debug!(machine = %self.machine, exit = %output.exit, took = ?output.took, "ended");
                trace!(
                    machine = %self.machine,
                    stdout = %self.log.redactor.clean(&String::from_utf8_lossy(&output.stdout)),
                    stderr = %self.log.redactor.clean(&String::from_utf8_lossy(&output.stderr)),
                    "printed"
                );
                if output.exit.success() {
                    return;
                }
                format!(
                    "ended with {} after {:.1} s",
                    output.exit,
                    output.took.as_secs_f64()
                )
            }
            Err(error) => error.class().to_owned(),
        };
        self.log.append(&self.machine, &format!("# {note}\n"));
    }
}

impl Shell for LoggedShell {
    fn target(&self) -> &Target {
        self.inner.target()
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.typed(command, false);
        let result = self.inner.run(command, limits);
        self.ended(&result);
        result
    }

    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        self.typed(command, true);
        let result = self.inner.start(command);
        if let Err(error) = &result {
            self.log
                .append(&self.machine, &format!("# {}\n", error.class()));
        }
        result
    }

    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        self.log.append(
            &self.machine,
            &format!("# upload {} (mode {mode:o})\n", to.display()),
        );
        self.inner.upload(from, to, mode, limits)
    }

    fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        self.log
            .append(&self.machine, &format!("# download {}\n", from.display()));
        self.inner.download(from, to, limits)
    }

    fn connect(&self, socket: &Path, limits: &Limits) -> Result<UnixStream, ShellError> {
        self.log.append(
            &self.machine,
            &format!("# connect to {}\n", socket.display()),
        );
        self.inner.connect(socket, limits)
    }

    fn glance(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.inner.glance(command, limits)
    }

    fn pipe(
        &self,
        command: &CommandLine,
        from: &mut dyn Read,
        to: &mut dyn Write,
        limits: &Limits,
    ) -> Result<Output, ShellError> {
        self.typed(command, false);
        let result = self.inner.pipe(command, from, to, limits);
        self.ended(&result);
        result
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn reconnect(&self) {
        self.inner.reconnect();
    }

    fn expect_new_key(&self) {
        self.inner.expect_new_key();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::secret::Secret;
    use crate::shell::scripted::ScriptedShell;

    #[test]
    fn a_log_reads_like_a_history_and_holds_no_secret() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let redactor = Redactor::default();
        let secret = Secret::new("s3cret word");
        redactor.learn(&secret);
        let log = SessionLog::new(redactor);
        let scripted = ScriptedShell::new("foo")
            .answer("echo *", "")
            .fail("false", 1, "");
        let shell = LoggedShell::new(Arc::new(scripted), "foo/1", log.clone());
        let limits = Limits::new(CancelToken::default());

        shell
            .run(&CommandLine::new("echo").arg("nobody hears this"), &limits)
            .expect("scripted");
        log.enter(dir.path());
        log.banner("Run fio");
        let hidden = CommandLine::new("echo")
            .secret(&secret)
            .arg("not s3cret word either")
            .current_dir("/a b");
        shell.run(&hidden, &limits).expect("scripted");
        shell
            .run(&CommandLine::new("false"), &limits)
            .expect("scripted");
        log.enter(dir.path().join("below"));
        shell
            .start(&CommandLine::new("echo").arg("bg"))
            .expect("scripted");

        let text =
            std::fs::read_to_string(dir.path().join("__sessions__/foo_1")).expect("log is written");
        let (stage, commands) = text.split_once('\n').expect("several lines");
        assert!(
            stage.starts_with("# 2") && stage.ends_with("Z Run fio"),
            "{stage}"
        );
        assert_eq!(
            commands,
            "cd '/a b' && echo *** 'not *** either'\nfalse\n# ended with status 1 after 0.0 s\n"
        );
        let below = std::fs::read_to_string(dir.path().join("below/__sessions__/foo_1"))
            .expect("log is written");
        assert_eq!(below, "echo bg &\n");
    }
}
