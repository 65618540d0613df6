//! Installing packages on a host: by name, from a file of this machine or of the host, from a URL; by
//! dnf or yum on systems of the rpm family, by apt-get on those of the dpkg family.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Host;
use crate::control::Context;
use crate::control::private::{FolderError, PrivateFolder};
use crate::shell::{CommandLine, Limits, ShellError, ShellExt};

/// What the older tool gives an installation of packages.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);
/// Until another program lets go of dpkg's lock, in seconds: unattended upgrades take a while.
const LOCK_S: u32 = 300;

/// Prints the user's number and the family's own installer: Debian packages dnf, too.
const FIND: &str = r#"id -u
debian=$(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' /etc/os-release 2>/dev/null | tr -d "\"'" | tr ' ' '\n' | grep -cx debian)
if [ "$debian" -gt 0 ]; then order="apt-get dnf yum"; else order="dnf yum apt-get"; fi
for name in $order; do command -v "$name" >/dev/null && { echo "$name"; exit 0; }; done
echo none"#;

/// Fetches `$2` as `$1` with whatever the host has; every system with apt-get has apt's own helper.
const FETCH: &str = r#"if command -v curl >/dev/null; then exec curl -fsSL --retry 2 -o "$1" -- "$2"
elif command -v wget >/dev/null; then exec wget -nv -O "$1" -- "$2"
elif [ -x /usr/lib/apt/apt-helper ]; then exec /usr/lib/apt/apt-helper download-file "$2" "$1"
else echo "there is neither curl nor wget" >&2; exit 1; fi"#;

/// Installs with the lists that are there; refreshes them once when that does not do.
const APT: &str = r#"timeout=$1; shift
install() { apt-get -o "DPkg::Lock::Timeout=$timeout" install -y -- "$@"; }
install "$@" && exit 0
apt-get update && install "$@""#;

/// One thing to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Package {
    /// By name, from the repositories of the host.
    Name(String),
    /// Fetched by the host.
    Url(String),
    /// A file of this machine, which is sent.
    Here(PathBuf),
    /// A file of the host.
    There(String),
}

impl Package {
    /// Reads a package, path or URL.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(typed: &str) -> Result<Self, &'static str> {
        // It would be an option of the package manager.
        if typed.is_empty() || typed.starts_with('-') {
            return Err("is no package, path or URL");
        }
        if typed.contains("://") {
            let known = ["http://", "https://", "ftp://", "file://"];
            return match known.iter().any(|scheme| typed.starts_with(scheme)) {
                true => Ok(Package::Url(typed.to_owned())),
                false => Err("is no URL of http, https, ftp or file"),
            };
        }
        let file = typed.contains('/') || [".rpm", ".deb"].iter().any(|end| typed.ends_with(end));
        if !file {
            return Ok(Package::Name(typed.to_owned()));
        }
        let path = Path::new(typed);
        match (path.is_file(), path.is_absolute()) {
            (true, _) => std::path::absolute(path)
                .map(Package::Here)
                .map_err(|_| "has no absolute path"),
            (false, true) => Ok(Package::There(typed.to_owned())),
            (false, false) => Err("is no file here; a file of the host has an absolute path"),
        }
    }
}

/// Why packages could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// A command failed.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// No folder for what is sent or fetched.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The host cannot.
    #[error("packages cannot be installed on `{host}`: {reason}")]
    Unsupported {
        /// Where.
        host: String,
        /// What is missing.
        reason: &'static str,
    },
    /// A package of this machine cannot be read.
    #[error("cannot read the package {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Installs packages on a host.
///
/// # Errors
/// When the host has no package manager or not the rights, or the installation fails.
pub fn install(host: &Host, packages: &[Package], cx: &Context) -> Result<(), PackagesError> {
    if packages.is_empty() {
        return Ok(());
    }
    let limits = cx.limits().within(INSTALL_LIMIT);
    let unsupported = |reason| PackagesError::Unsupported {
        host: host.name.clone(),
        reason,
    };
    let found = host
        .shell
        .text(&CommandLine::script(FIND).arg("find"), &limits)?;
    let (user, installer) = found.trim().split_once('\n').unwrap_or(("", "none"));
    if installer == "none" {
        return Err(unsupported("it has neither dnf nor yum nor apt-get"));
    }
    if user != "0" {
        return Err(unsupported("only root may, and the run is not root there"));
    }
    tracing::info!(host = %host.name, packages = packages.len(), installer, "installing packages");
    let apt = installer == "apt-get";
    let carried = |package: &Package| match package {
        Package::Here(_) => !host.shell.is_local(),
        Package::Url(_) => apt,
        Package::Name(_) | Package::There(_) => false,
    };
    let folder = match packages.iter().any(carried) {
        false => None,
        true => Some(PrivateFolder::make(
            host.shell.as_ref(),
            &cx.journal,
            &host.name,
            &host.name,
            "packages",
            &limits,
        )?),
    };
    let installed = words(host, packages, apt, folder.as_ref(), &limits).and_then(|words| {
        host.shell.text(&command(installer, &words), &limits)?;
        Ok(())
    });
    if let Some(folder) = folder
        && let Err(left) = folder.remove(&host.shell)
    {
        tracing::warn!(host = %host.name, message = %left.message, "the folder of packages could not be removed");
    }
    installed
}

fn command(installer: &str, words: &[String]) -> CommandLine {
    match installer {
        "apt-get" => CommandLine::script(APT)
            .args(["apt-get install".to_owned(), LOCK_S.to_string()])
            .env("DEBIAN_FRONTEND", "noninteractive"),
        "yum" => CommandLine::new("yum").args(["install", "-y"]),
        _ => CommandLine::new("dnf").args(["install", "-y", "--nobest", "--skip-broken"]),
    }
    .args(words.iter().map(String::as_str))
}

/// What the package manager is given, when everything it needs lies on the host.
fn words(
    host: &Host,
    packages: &[Package],
    apt: bool,
    folder: Option<&PrivateFolder>,
    limits: &Limits,
) -> Result<Vec<String>, PackagesError> {
    let mut words = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        // Two packages may have one file name.
        let place = |name: &str| {
            let folder = folder.map(PrivateFolder::path).unwrap_or_default();
            format!("{folder}/{number}-{}", crate::text::file_name(name))
        };
        words.push(match package {
            Package::Name(name) => name.clone(),
            Package::There(path) => path.clone(),
            Package::Here(path) if host.shell.is_local() => path.display().to_string(),
            Package::Here(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let to = place(&name);
                let mut file = std::fs::File::open(path).map_err(|source| PackagesError::Read {
                    path: path.clone(),
                    source,
                })?;
                host.shell
                    .upload(&mut file, Path::new(&to), 0o644, limits)?;
                to
            }
            Package::Url(url) if !apt => url.clone(),
            Package::Url(url) => match url.strip_prefix("file://") {
                Some(path) => path.to_owned(),
                None => {
                    let name = url.split(['?', '#']).next().unwrap_or(url);
                    let name = name.rsplit('/').next().unwrap_or("package");
                    let to = place(name);
                    // apt-get takes a file for a package by the end of its name.
                    let to = if to.ends_with(".deb") {
                        to
                    } else {
                        format!("{to}.deb")
                    };
                    let fetch = CommandLine::script(FETCH).args(["fetch", &to, url]);
                    host.shell.text(&fetch, limits)?;
                    to
                }
            },
        });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::HostParams;
    use crate::shell::scripted::ScriptedShell;

    fn host(shell: &ScriptedShell) -> Host {
        Host {
            name: "foo".into(),
            address: "192.0.2.17".into(),
            params: HostParams::default(),
            distro: "Fedora-40".into(),
            shell: Arc::new(shell.clone()),
        }
    }

    #[test]
    fn what_was_typed_is_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.rpm");
        std::fs::write(&file, "").expect("written");
        let typed = file.display().to_string();
        assert_eq!(Package::parse(&typed), Ok(Package::Here(file)));
        assert_eq!(Package::parse("fio"), Ok(Package::Name("fio".into())));
        let url = "https://example.org/a.rpm";
        assert_eq!(Package::parse(url), Ok(Package::Url(url.into())));
        let there = "/nonexistent/a.rpm";
        assert_eq!(Package::parse(there), Ok(Package::There(there.into())));
        for wrong in ["", "-y", "gopher://x/a.rpm", "nowhere/a.rpm", "a.deb"] {
            assert!(Package::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dnf_fetches_urls_itself_and_apt_gets_them_as_files() {
        let cx = Context::for_test("/nonexistent");
        let packages = [
            Package::Name("fio".into()),
            Package::Url("http://example.org/x/a.deb?b=c".into()),
        ];
        let shell = ScriptedShell::new("foo")
            .answer("sh -c * find", "0\ndnf\n")
            .answer("dnf *", "");
        install(&host(&shell), &packages, &cx).expect("installed");
        assert_eq!(
            shell.commands()[1],
            "dnf install -y --nobest --skip-broken fio 'http://example.org/x/a.deb?b=c'"
        );

        let shell = ScriptedShell::new("foo")
            .answer("sh -c * find", "0\napt-get\n")
            .answer("sh -c 'printf %s*", "/tmp")
            .answer("*", "");
        install(&host(&shell), &packages, &cx).expect("installed");
        let commands = shell.commands();
        let fetched = commands
            .iter()
            .find(|line| line.contains(" fetch /tmp/runperf-packages."));
        assert!(
            fetched.is_some_and(|line| line.contains("1-a.deb")),
            "{commands:?}"
        );
        assert!(
            commands
                .iter()
                .any(|line| line.contains("'apt-get install' 300 fio /tmp/runperf-packages.")),
            "{commands:?}"
        );
        assert!(cx.journal.left().is_empty(), "the folder is gone");
    }

    #[test]
    fn a_host_that_cannot_says_why() {
        let cx = Context::for_test("/nonexistent");
        let packages = [Package::Name("fio".into())];
        for (says, reason) in [
            ("0\nnone\n", "neither dnf nor yum"),
            ("1000\ndnf\n", "only root may"),
        ] {
            let shell = ScriptedShell::new("foo").answer("sh -c * find", says);
            let error = install(&host(&shell), &packages, &cx).expect_err(says);
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
