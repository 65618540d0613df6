//! Whether fio is on a machine, and new enough; what is said when it is not.

use std::path::Path;

use super::fault::Fault;
use crate::shell::{CommandLine, Exit, Limits, Shell, ShellError, ShellExt, Target};
use crate::tests::TestError;

/// The oldest fio whose logs and JSON are known.
const OLDEST: (u32, u32) = (3, 21);

/// Returns the version of the fio on a machine: `3.33`.
///
/// # Errors
/// `not-installed` with the command that installs it, `too-old`, or a shell failure.
pub fn version(shell: &dyn Shell, limits: &Limits) -> Result<String, TestError> {
    match shell.run(&CommandLine::new("fio").arg("--version"), limits) {
        Ok(output) if output.exit == Exit::Code(127) => Err(not_installed(shell, limits).into()),
        Ok(output) => Ok(check_version(&output.text(), shell.target())?),
        Err(ShellError::NotFound { .. }) => Err(not_installed(shell, limits).into()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the fault of a machine without fio, with the command that installs it there.
pub fn not_installed(shell: &dyn Shell, limits: &Limits) -> Fault {
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

/// Accepts `fio-3.33`, `fio-3.35-20-g1b4b`; returns what follows the dash.
fn check_version(text: &str, target: &Target) -> Result<String, Fault> {
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
    Ok(line.trim_start_matches("fio-").trim().to_owned())
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::shell::scripted::ScriptedShell;

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
            let limits = Limits::new(crate::control::cancel::CancelToken::default());
            let error = version(&shell, &limits).expect_err("no fio");
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
            let version = check_version(good, &target).expect(good);
            assert_eq!(format!("fio-{version}\n"), good);
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
}
