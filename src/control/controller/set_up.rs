//! Once per run: set-up script, packages, facts and logs of the hosts as they were found.

use std::path::Path;
use std::time::Duration;

use super::{Controller, Fatal};
use crate::control::plan::HostSetup;
use crate::host::Host;
use crate::shell::{CommandLine, Limits, ShellError, ShellExt};

/// What the older tool gives a set-up script.
const SCRIPT_LIMIT: Duration = Duration::from_secs(3600);
/// What the older tool gives an installation of packages.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

impl Controller<'_> {
    pub(super) fn set_up_hosts(&mut self) -> Result<(), Fatal> {
        self.sessions.banner("Setting up hosts");
        for host in &self.hosts {
            let limits = self.cx.limits();
            let done = run_script(
                host,
                &self.plan.setup,
                &limits,
                self.plan.options.keep_tmp_files,
            )
            .and_then(|()| install(host, &self.plan.setup, &limits));
            match done {
                Ok(()) => {}
                Err(ShellError::Interrupted { .. }) => return Err(Fatal::Stopped),
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
fn run_script(
    host: &Host,
    setup: &HostSetup,
    limits: &Limits,
    keep: bool,
) -> Result<(), ShellError> {
    let Some((path, text)) = &setup.script else {
        return Ok(());
    };
    let folder = host.shell.text(
        &CommandLine::new("mktemp")
            .arg("-d")
            .arg("--tmpdir")
            .arg("runperf-XXXXXXXX"),
        &limits.clone().within(Duration::from_secs(60)),
    )?;
    let folder = Path::new(folder.trim_end());
    let name = path.file_name().unwrap_or_default();
    let script = folder.join(name);
    let limits = limits.clone().within(SCRIPT_LIMIT);
    let ran = host.shell.upload(&mut &text[..], &script, 0o700, &limits).and_then(|()| {
        tracing::info!(host = %host.name, script = %path.display(), "running the host set-up script");
        host.shell.text(&CommandLine::new("sh").arg("-x").arg(script.to_string_lossy()), &limits)
    });
    if ran.is_ok() || !keep {
        let remove = CommandLine::new("rm")
            .arg("-rf")
            .arg("--")
            .arg(folder.to_string_lossy());
        let limits = Limits::new(crate::control::cancel::CancelToken::default())
            .within(Duration::from_secs(60));
        if let Err(error) = host.shell.text(&remove, &limits) {
            tracing::warn!(host = %host.name, %error, "the folder of the set-up script could not be removed");
        }
    }
    ran.map(|output| tracing::debug!(host = %host.name, %output, "set-up script"))
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
