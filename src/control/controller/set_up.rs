//! Once per run: set-up script, packages, facts and logs of the hosts as they were found.

use std::path::Path;
use std::time::Duration;

use super::{Controller, Fatal};
use crate::control::Context;
use crate::control::journal::JournalError;
use crate::control::plan::HostSetup;
use crate::control::private::{FolderError, PrivateFolder};
use crate::control::undo::Undo;
use crate::host::Host;
use crate::shell::processes::{MARK, token};
use crate::shell::{CommandLine, Limits, ShellError, ShellExt};

/// What the older tool gives a set-up script.
const SCRIPT_LIMIT: Duration = Duration::from_secs(3600);
/// What the older tool gives an installation of packages.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Why a host could not be set up.
#[derive(Debug, thiserror::Error)]
enum SetUpError {
    #[error(transparent)]
    Shell(#[from] ShellError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<FolderError> for SetUpError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::Shell(error) => SetUpError::Shell(error),
            FolderError::Journal(error) => SetUpError::Journal(error),
        }
    }
}

impl Controller<'_> {
    pub(super) fn set_up_hosts(&mut self) -> Result<(), Fatal> {
        self.sessions.banner("Setting up hosts");
        for host in &self.hosts {
            let limits = self.cx.limits();
            let done = run_script(
                host,
                &self.plan.setup,
                &self.cx,
                self.plan.options.keep_tmp_files,
            )
            .and_then(|()| Ok(install(host, &self.plan.setup, &limits)?));
            match done {
                Ok(()) => {}
                Err(SetUpError::Shell(ShellError::Interrupted { .. })) => {
                    return Err(Fatal::Stopped);
                }
                Err(error) => {
                    return Err(Fatal::failed(
                        format!("host `{}` could not be set up", host.name),
                        error,
                    ));
                }
            }
        }
        self.go_on()?;
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
    ran?;
    Ok(())
}

fn install(host: &Host, setup: &HostSetup, limits: &Limits) -> Result<(), ShellError> {
    if setup.packages.is_empty() {
        return Ok(());
    }
    let command = match crate::control::plan::find_installer() {
        Some("dnf") => CommandLine::new("dnf").args(["install", "-y", "--nobest", "--skip-broken"]),
        _ => CommandLine::new("apt-get")
            .args(["install", "-y"])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    };
    let command = command.args(setup.packages.iter().map(String::as_str));
    tracing::info!(host = %host.name, packages = setup.packages.len(), "installing packages");
    host.shell
        .text(&command, &limits.clone().within(INSTALL_LIMIT))
        .map(drop)
}
