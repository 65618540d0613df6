//! Once per run, on all hosts at once: set-up script, packages, reboot, calming down; then facts and
//! logs of the hosts as they are.

use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use super::restart::RestartError;
use super::{Controller, Fatal, chain};
use crate::control::Context;
use crate::control::event::Event;
use crate::control::journal::JournalError;
use crate::control::options::CALM_LIMIT;
use crate::control::plan::HostSetup;
use crate::control::private::{FolderError, PrivateFolder};
use crate::control::undo::Undo;
use crate::host::packages::{self, PackagesError};
use crate::host::{Host, calm};
use crate::shell::processes::{MARK, token};
use crate::shell::{CommandLine, ShellError, ShellExt};

/// What the older tool gives a set-up script.
const SCRIPT_LIMIT: Duration = Duration::from_secs(3600);

/// Why a host could not be set up.
#[derive(Debug, thiserror::Error)]
enum SetUpError {
    #[error("the set-up script failed")]
    Script(#[source] ShellError),
    #[error(transparent)]
    Shell(#[from] ShellError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Packages(#[from] PackagesError),
    #[error(transparent)]
    Restart(#[from] RestartError),
}

impl From<FolderError> for SetUpError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Shell(error) => SetUpError::Shell(error),
            FolderError::Journal(error) => SetUpError::Journal(error),
        }
    }
}

impl SetUpError {
    /// What a shell said, where one did.
    fn shell(&self) -> Option<&ShellError> {
        match self {
            SetUpError::Script(error)
            | SetUpError::Shell(error)
            | SetUpError::Packages(
                PackagesError::Shell(error) | PackagesError::Folder(FolderError::Shell(error)),
            ) => Some(error),
            _ => None,
        }
    }

    fn is_interruption(&self) -> bool {
        match self {
            SetUpError::Restart(error) => error.is_interruption(),
            other => matches!(other.shell(), Some(ShellError::Interrupted { .. })),
        }
    }

    /// Whether the host is out of reach, which is no fault of what was to be done there.
    fn is_unreachable(&self) -> bool {
        match self {
            SetUpError::Restart(error) => error.is_unreachable(),
            other => other.shell().is_some_and(ShellError::is_unreachable),
        }
    }
}

impl Controller<'_> {
    pub(super) fn set_up_hosts(&mut self) -> Result<(), Fatal> {
        self.sessions.banner("Setting up hosts");
        let done = self.each(|host| {
            let done = self.set_up(host);
            self.doing(host, None, false);
            done
        });
        let mut failed = Vec::new();
        let mut unreachable = false;
        for (host, done) in self.hosts.iter().zip(done) {
            match done {
                Ok(()) => {}
                Err(error) if error.is_interruption() => return Err(Fatal::Stopped),
                Err(error) if error.is_unreachable() => {
                    tracing::warn!(host = %host.name, message = %chain(&error), "out of reach while it was set up");
                    unreachable = true;
                }
                Err(error) => failed.push((host.name.clone(), error)),
            }
        }
        self.go_on()?;
        if let [(name, _), ..] = &failed[..] {
            let what = match &failed[1..] {
                [] => format!("host `{name}` could not be set up"),
                others => format!(
                    "host `{name}` could not be set up, nor {}",
                    crate::control::progress::count(others.len(), "other host")
                ),
            };
            let (_, error) = failed.swap_remove(0);
            return Err(Fatal::failed(what, error));
        }
        if unreachable {
            self.drop_lost(None);
            self.some_host()?;
        }
        self.refresh_boots();
        self.measure_hosts()?;
        let notes = self.look_before();
        self.go_on()?;
        self.environment_world(&notes)?;
        self.go_on()?;
        self.sessions
            .banner("Collecting logs before the first profile");
        self.fetch_logs(Path::new("__sysinfo_before__"));
        Ok(())
    }

    /// Says what is done on one host of several.
    pub(super) fn doing(&self, host: &Host, what: Option<String>, notable: bool) {
        self.tell(&Event::HostDoing {
            host: host.name.clone(),
            what,
            notable,
        });
    }

    fn set_up(&self, host: &Host) -> Result<(), SetUpError> {
        let (setup, options) = (&self.plan.setup, &self.plan.options);
        let step = |what: String| self.doing(host, Some(what), true);
        if let Some((path, _)) = &setup.script {
            step(format!("set-up script {}", path.display()));
            run_script(host, setup, &self.cx, options.keep_tmp_files)?;
        }
        if !setup.packages.is_empty() {
            let count = crate::control::progress::count(setup.packages.len(), "package");
            step(format!("install {count}"));
            packages::install(host, &setup.packages, &self.cx)?;
        }
        if options.host_setup_reboot {
            self.restart(host, &self.cx)?;
        }
        if options.host_setup_reboot {
            self.calm_down(host, &self.cx, CALM_LIMIT)?;
        } else if setup.script.is_some() || !setup.packages.is_empty() {
            self.calm_down(host, &self.cx, Duration::ZERO)?;
        }
        Ok(())
    }

    /// Waits until what set-up or boot left to do on a host is done, for `default` where nobody said
    /// how long; a host that stays busy is noted.
    pub(super) fn calm_down(
        &self,
        host: &Host,
        cx: &Context,
        default: Duration,
    ) -> Result<(), ShellError> {
        let at_most = self.plan.options.calm_limit.unwrap_or(default);
        if at_most.is_zero() {
            return Ok(());
        }
        let mut told = false;
        let shell = host.shell.as_ref();
        let calm = calm::wait(shell, &cx.limits(), calm::POLL, at_most, |load1| {
            let what = format!("wait until it calms down (load {load1:.2})");
            self.doing(host, Some(what), !std::mem::replace(&mut told, true));
        })?;
        if !calm.calm {
            let text = format!(
                "host `{}` did not calm down within {}, its load is {:.2}: figures may suffer",
                host.name,
                crate::control::progress::spell(at_most),
                calm.load1
            );
            self.tell(&Event::Note { text: text.clone() });
            self.noted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(text);
        }
        Ok(())
    }
}

/// Runs the set-up script by `sh -x` from a private folder.
fn run_script(host: &Host, setup: &HostSetup, cx: &Context, keep: bool) -> Result<(), SetUpError> {
    let Some((path, text)) = &setup.script else {
        return Ok(());
    };
    let limits = cx.limits();
    let folder = PrivateFolder::make(
        host.shell.as_ref(),
        &cx.journal,
        &host.name,
        &host.name,
        "setup",
        &limits,
    )?;
    // What the script started goes when the script fails; what a script that succeeded leaves
    // running is meant.
    let mark = format!("{}/.setup/{}", token(), crate::text::file_name(&host.name));
    let undo = Undo::KillMarked {
        on: host.name.as_str().into(),
        mark: mark.clone(),
    };
    let started = cx.journal.plan(&host.name, undo)?;
    let name = path.file_name().unwrap_or_default();
    let script = Path::new(folder.path()).join(name);
    let limits = limits.clone().within(SCRIPT_LIMIT);
    let ran = host.shell.upload(&mut &text[..], &script, 0o700, &limits).and_then(|()| {
        tracing::info!(host = %host.name, script = %path.display(), "running the host set-up script");
        let command = CommandLine::new("sh").arg("-x").arg(script.to_string_lossy()).env(MARK, mark);
        host.shell.text(&command, &limits)
    });
    let kept = ran.is_err() && keep;
    if ran.is_ok() {
        started.done();
    } else if let Err(left) = started.undo(&host.shell) {
        tracing::warn!(host = %host.name, message = %left.message, "what the set-up script started could not be ended");
    }
    if kept {
        folder.keep();
    } else if let Err(left) = folder.remove(&host.shell) {
        tracing::warn!(host = %host.name, message = %left.message, "the folder of the set-up script could not be removed");
    }
    ran.map(drop).map_err(SetUpError::Script)
}
