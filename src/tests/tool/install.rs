//! How to install what is missing, by family of the system.

use std::path::Path;

use crate::shell::{Limits, Shell, ShellExt};
use crate::tests::fault::Fault;

/// A program and where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// As messages call it.
    pub name: &'static str,
    /// Package of Debian and its kin.
    pub debian: Option<&'static str>,
    /// Package of Fedora and its kin.
    pub fedora: Option<&'static str>,
    /// Package of SUSE.
    pub suse: Option<&'static str>,
    /// What to do where there is no package.
    pub otherwise: &'static str,
}

impl Program {
    /// Says that it is not on a machine and how to get it there, `looked` for under this name.
    pub fn missing(&self, looked: &str, shell: &dyn Shell, limits: &Limits) -> Fault {
        let release = shell.read_file(Path::new("/etc/os-release"), limits);
        let release = release.ok().flatten().unwrap_or_default();
        let hint = self.hint(&String::from_utf8_lossy(&release));
        let at = if looked == self.name {
            String::new()
        } else {
            format!(" as `{looked}`")
        };
        // The command stands in the message too: summaries have one line for a failure.
        let message = format!(
            "{} is not installed on {}{at} ({hint})",
            self.name,
            shell.target()
        );
        Fault::new("not-installed", message, &hint)
    }

    /// Returns the next step on a system with this `os-release`.
    fn hint(&self, release: &str) -> String {
        let like = |names: &[&str]| {
            let lines = release
                .lines()
                .filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="));
            lines
                .flat_map(|line| line.split(['=', '"', ' ', '\'']))
                .any(|word| names.contains(&word))
        };
        let (command, package) = if like(&["debian", "ubuntu"]) {
            ("apt-get install", self.debian)
        } else if like(&["fedora", "rhel", "centos"]) {
            ("dnf install", self.fedora)
        } else if like(&["suse", "opensuse", "sles"]) {
            ("zypper install", self.suse)
        } else {
            ("install package", self.debian.or(self.fedora))
        };
        match package {
            Some(package) => format!("{command} {package}"),
            None => self.otherwise.to_owned(),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::shell::scripted::ScriptedShell;

    #[test]
    fn the_hint_names_the_package_of_the_family() {
        let program = Program {
            name: "tool",
            debian: Some("tool-deb"),
            fedora: Some("tool-rpm"),
            suse: None,
            otherwise: "build it",
        };
        for (release, hint) in [
            ("ID=debian\n", "apt-get install tool-deb"),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                "dnf install tool-rpm",
            ),
            ("ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", "build it"),
            ("", "install package tool-deb"),
        ] {
            let shell = ScriptedShell::new("foo").file("/etc/os-release", release);
            let limits = Limits::new(CancelToken::default());
            let fault = program.missing("tool", &shell, &limits);
            assert_eq!(fault.hint.as_deref(), Some(hint));
            assert_eq!(
                fault.message,
                format!("tool is not installed on foo ({hint})")
            );
        }
    }
}
