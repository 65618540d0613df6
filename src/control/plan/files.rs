//! Files of a plan: scripts, packages, search path, the place of the result.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{HostSetup, PlanError};
use crate::control::options::{RunOptions, expand_home};
use crate::host::packages::Package;
use crate::store::StoreError;

/// Package managers that can install `--host-rpms`.
const INSTALLERS: [&str; 3] = ["dnf", "yum", "apt-get"];

pub(super) fn host_setup(options: &RunOptions) -> Result<HostSetup, PlanError> {
    let local = options
        .hosts
        .iter()
        .any(|host| super::is_this_machine(&host.address));
    if options.host_setup_reboot && local {
        return Err(PlanError::Refused {
            what: "--host-setup-script-reboot would reboot this machine, which run-perf never does"
                .into(),
            hint: "leave the option out and reboot this machine beforehand, or run from another one",
        });
    }
    let script = match &options.host_setup_script {
        Some(path) => Some((path.clone(), read("host setup script", path)?)),
        None => None,
    };
    let packages = packages(&options.host_packages, "--host-rpms")?;
    // Other machines say themselves what they lack.
    if !packages.is_empty() && local {
        if !rustix::process::geteuid().is_root() {
            return Err(PlanError::Refused {
                what: "--host-rpms installs packages, which only root may do".into(),
                hint: "install them beforehand and leave the option out, or run as root",
            });
        }
        if find_installer().is_none() {
            return Err(PlanError::Refused {
                what: format!(
                    "--host-rpms needs one of {} on PATH, found none",
                    INSTALLERS.join(", ")
                ),
                hint: "install the packages beforehand and leave the option out",
            });
        }
    }
    Ok(HostSetup { script, packages })
}

/// Returns the package manager of this machine: its own family's, since Debian packages dnf too.
fn find_installer() -> Option<&'static str> {
    let path = std::env::var_os("PATH")?;
    let there = |name: &&str| {
        std::env::split_paths(&path)
            .any(|dir| rustix::fs::access(dir.join(name), Access::EXEC_OK).is_ok())
    };
    let mut order = INSTALLERS;
    if is_debian(&std::fs::read_to_string("/etc/os-release").unwrap_or_default()) {
        order.reverse();
    }
    order.into_iter().find(there)
}

fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .any(|value| {
            value
                .trim_matches(['"', '\''])
                .split(' ')
                .any(|id| id == "debian")
        })
}

pub(super) fn worker_setup(options: &RunOptions, notes: &mut Vec<String>) -> Result<(), PlanError> {
    if let Some(path) = &options.worker_setup_script {
        read("worker setup script", path)?;
        notes.push(
            "--worker-setup-script has no effect: no profile of this run makes guest images".into(),
        );
    }
    packages(&options.worker_packages, "--worker-rpms")?;
    if !options.worker_packages.is_empty() {
        notes.push("--worker-rpms has no effect: no profile of this run makes guest images".into());
    }
    Ok(())
}

fn packages(names: &[String], option: &str) -> Result<Vec<Package>, PlanError> {
    let parse = |name: &String| {
        Package::parse(name).map_err(|wrong| PlanError::Refused {
            what: format!("`{name}` of {option} {wrong}"),
            hint: "name packages, files or URLs",
        })
    };
    names.iter().map(parse).collect()
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, PlanError> {
    std::fs::read(expand_home(path)).map_err(|source| PlanError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

pub(super) fn search_path(options: &RunOptions) -> Result<(), PlanError> {
    for dir in &options.paths {
        std::fs::read_dir(expand_home(dir)).map_err(|source| PlanError::File {
            what: "asset folder",
            path: dir.clone(),
            source,
        })?;
    }
    Ok(())
}

/// Checks that the result can be written where it was asked for, without creating anything.
pub(super) fn output(options: &RunOptions) -> Result<Option<PathBuf>, PlanError> {
    let here = std::env::current_dir().map_err(StoreError::io("read", Path::new(".")))?;
    let path = match &options.output {
        None => {
            writable(&here, &here)?;
            return Ok(None);
        }
        Some(path) => expand_home(path),
    };
    let absolute = here.join(&path);
    match std::fs::symlink_metadata(&absolute) {
        Ok(_) if !options.force => return Err(StoreError::Exists { path }.into()),
        Ok(_) => replaceable(&path, &absolute, &here)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(PlanError::Output {
                path,
                reason: error.to_string(),
            });
        }
    }
    let parent = absolute
        .ancestors()
        .skip(1)
        .find(|dir| dir.exists())
        .unwrap_or(&here);
    writable(parent, &path)?;
    Ok(Some(path))
}

/// `--force` replaces results only, so that a slip of the finger costs no home folder.
fn replaceable(path: &Path, absolute: &Path, here: &Path) -> Result<(), PlanError> {
    let refused = |reason: &str| {
        Err(PlanError::Output {
            path: path.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let Ok(entries) = std::fs::read_dir(absolute) else {
        return refused("it exists and is no folder, and --force replaces result directories only");
    };
    let ours = ["RUNPERF_METADATA", "__plan__.json"]
        .iter()
        .any(|name| absolute.join(name).exists());
    if !ours && entries.count() > 0 {
        return refused(
            "it exists and holds no RUNPERF_METADATA, and --force replaces result directories only",
        );
    }
    let real = absolute
        .canonicalize()
        .unwrap_or_else(|_| absolute.to_owned());
    if here.starts_with(&real) {
        return refused("it is the working directory, which --force does not replace");
    }
    Ok(())
}

fn writable(dir: &Path, path: &Path) -> Result<(), PlanError> {
    if !dir.is_dir() {
        let reason = format!("{} is no folder", dir.display());
        return Err(PlanError::Output {
            path: path.to_owned(),
            reason,
        });
    }
    rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| PlanError::Output {
        path: path.to_owned(),
        reason: format!(
            "no permission to write in {} ({})",
            dir.display(),
            std::io::Error::from(error)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::is_debian;

    #[test]
    fn derived_systems_belong_to_their_family() {
        assert!(is_debian("NAME=x\nID=debian\n"));
        assert!(is_debian("ID=mint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\n"));
        assert!(!is_debian("ID=\"rhel\"\nID_LIKE=\"fedora\"\n"));
    }
}
