//! pbench-agent and a benchmark's packages on a machine, and the tools that watch all of them.
//!
//! What is installed stays, as packages of `--host-rpms` do.

use std::time::Duration;

use super::args::ToolLine;
use crate::shell::quote::quote;
use crate::shell::{CommandLine, Limits, Shell, ShellExt};
use crate::tests::TestError;
use crate::text::one_line;

/// Where its packages come from when the run does not say.
const REPOSITORIES: &str = "ndokos/pbench;ndokos/pbench-0.73";
/// What one installation may take.
const INSTALL: Duration = Duration::from_secs(600);
/// What the commands around it may take.
const SHORT: Duration = Duration::from_secs(120);
/// Where pbench keeps results and registrations.
pub(super) const AGENT: &str = "/var/lib/pbench-agent";
const CONFIG: &str = "/opt/pbench-agent/config";

/// What the run's metadata say about pbench.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// `pbench_copr_repos`, separated by semicolons.
    pub repositories: Option<String>,
    /// `pbench_server`.
    pub server: Option<String>,
}

/// Makes sure that pbench and its benchmark are on a machine.
///
/// # Errors
/// `not-installed` naming the machine and what is missing, or a shell failure.
pub fn install(
    shell: &dyn Shell,
    benchmark: &str,
    site: &Site,
    limits: &Limits,
) -> Result<(), TestError> {
    let short = limits.clone().within(SHORT);
    let on = Machine { shell, limits };
    shell.text(&CommandLine::new("mkdir").args(["-p", AGENT]), &short)?;
    if !on.has("pbench-register-tool-set")? {
        if !on.has("dnf")? {
            let message = format!(
                "there is no pbench-agent on {} and no dnf to install it with",
                shell.target()
            );
            return Err(missing(message));
        }
        on.dnf(&["install", "-y", "wget", "rsync"])?;
        let repositories = site.repositories.as_deref().unwrap_or(REPOSITORIES);
        for repository in repositories
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            on.dnf(&["copr", "enable", "-y", repository])?;
        }
        let packages = [
            "install",
            "-y",
            "--skip-broken",
            "pbench-agent",
            "pbench-sysstat",
            "python3-libselinux",
        ];
        on.dnf(&packages)?;
        configure(shell, site, &short)?;
    }
    let packages = [benchmark.to_owned(), format!("pbench-{benchmark}")];
    if !on.has_package(&packages)? {
        on.dnf(&["install", "-y", "--skip-broken", &packages[0], &packages[1]])?;
        if !on.has_package(&packages)? {
            let message = format!(
                "neither {} nor {} could be installed on {}",
                packages[0],
                packages[1],
                shell.target()
            );
            return Err(missing(message));
        }
    }
    Ok(())
}

struct Machine<'a> {
    shell: &'a dyn Shell,
    limits: &'a Limits,
}

impl Machine<'_> {
    /// Whether a program is there, in pbench's own folders too.
    fn has(&self, program: &str) -> Result<bool, TestError> {
        let look = format!(
            "[ ! -r /etc/profile.d/pbench-agent.sh ] || . /etc/profile.d/pbench-agent.sh; command -v {program}"
        );
        let limits = self.limits.clone().within(SHORT);
        let output = self
            .shell
            .run(&CommandLine::new("bash").arg("-c").arg(look), &limits)?;
        Ok(output.exit.success())
    }

    fn has_package(&self, packages: &[String; 2]) -> Result<bool, TestError> {
        let limits = self.limits.clone().within(SHORT);
        for package in packages {
            let query = CommandLine::new("rpm").arg("-q").arg(package.as_str());
            match self.shell.run(&query, &limits) {
                Ok(output) if output.exit.success() => return Ok(true),
                Ok(_) | Err(crate::shell::ShellError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    fn dnf(&self, args: &[&str]) -> Result<(), TestError> {
        let command = CommandLine::new("dnf").args(args.iter().copied());
        let output = self
            .shell
            .run(&command, &self.limits.clone().within(INSTALL))?;
        if output.exit.success() {
            return Ok(());
        }
        let message = format!(
            "`{command}` on {} ended with {}: {}",
            self.shell.target(),
            output.exit,
            one_line(&output.tail())
        );
        Err(missing(message))
    }
}

fn missing(message: String) -> TestError {
    TestError::Failed {
        class: "not-installed".into(),
        message,
        hint: Some("install pbench-agent there, or leave out `driver`: nothing but the benchmark is needed then".into()),
    }
}

/// Writes pbench's own configuration, as its installation leaves that to the site.
fn configure(shell: &dyn Shell, site: &Site, limits: &Limits) -> Result<(), TestError> {
    let server = site.server.as_deref().unwrap_or_default();
    let text = format!(
        "[DEFAULT]\npbench_install_dir = /opt/pbench-agent\npbench_web_server = {server}\n\n\
         [pbench-agent]\npbench_run = {AGENT}\n\n[results]\nuser = pbench\nhost_info_uri = pbench-results-host-info.versioned/pbench-results-host-info.URL002\n\
         host_info_url = http://%(pbench_web_server)s/%(host_info_uri)s\nscp_opts = -o StrictHostKeyChecking=no\n\n\
         [config]\npath = %(pbench_install_dir)s/config\nfiles = pbench-agent-default.cfg\n"
    );
    let file = format!("{CONFIG}/pbench-agent.cfg");
    shell.upload(
        &mut text.as_bytes(),
        std::path::Path::new(&file),
        0o644,
        limits,
    )?;
    let options = "sed -i 's/^\\(ssh_opts\\|scp_opts\\) *=.*/\\1 = -o StrictHostKeyChecking=no -o UserKnownHostsFile=\\/dev\\/null/' \"$1\"";
    let defaults = CommandLine::script(format!("[ ! -f \"$1\" ] || {options}"))
        .arg("configure")
        .arg(format!("{CONFIG}/pbench-agent-default.cfg"));
    shell.text(&defaults, limits)?;
    Ok(())
}

/// Forgets tools that were registered before, on every machine.
///
/// # Errors
/// When a machine cannot be asked.
pub fn forget_tools(shell: &dyn Shell, limits: &Limits) -> Result<(), TestError> {
    let command = CommandLine::script(format!("rm -rf -- {AGENT}/tools-*"));
    shell.text(&command, &limits.clone().within(SHORT))?;
    Ok(())
}

/// Registers tools for all machines, on the main host.
///
/// # Errors
/// When pbench refuses one.
pub fn register_tools(
    shell: &dyn Shell,
    tools: &[ToolLine],
    remotes: &[String],
    limits: &Limits,
) -> Result<(), TestError> {
    let limits = limits.clone().within(INSTALL);
    if tools.is_empty() {
        // pbench wants a group, if only an empty one.
        let make = CommandLine::new("mkdir").args(["-p", &format!("{AGENT}/tools-v1-default")]);
        shell.text(&make, &limits)?;
    }
    for ToolLine { name, options } in tools {
        let command = format!(
            ". /opt/pbench-agent/base; pbench-register-tool --name={} --remotes={} -- {options}",
            quote(name),
            quote(&remotes.join(","))
        );
        let command = CommandLine::new("bash").arg("-c").arg(command.trim_end());
        let output = shell.run(&command, &limits)?;
        if !output.exit.success() {
            return Err(TestError::Failed {
                class: "pbench-tools".into(),
                message: format!(
                    "pbench could not register the tool `{name}` on {}: {}",
                    shell.target(),
                    one_line(&output.tail())
                ),
                hint: Some("choose others with `pbench_tools`, or none: []".into()),
            });
        }
    }
    Ok(())
}
