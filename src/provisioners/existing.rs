//! `existing`: machines that are there already; checks that they are what they should be.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{At, HostSpec, ProvisionError, Provisioned, Provisioner};
use crate::control::before::sign_of_life_within;
use crate::shell::{CommandLine, ShellExt};
use crate::tests::params::{Param, ParamError, Params};

pub(super) const SUMMARY: &str = "Checks that the hosts answer and are what they should be";

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "wait_s",
        aliases: &[],
        default: "60",
        summary: "Seconds a host may take to answer",
    },
    Param {
        name: "check_distro",
        aliases: &[],
        default: "true",
        summary: "The installed system must be that of --distro, where one is given",
    },
];

/// What a look may take once the host answers.
const LOOK: Duration = Duration::from_secs(60);
const ASK: &str = "uname -m; cat /etc/os-release 2>/dev/null || :";

#[derive(Debug)]
struct Existing {
    wait: Duration,
    check_distro: bool,
}

pub(super) fn build(given: &Map<String, Value>) -> Result<Arc<dyn Provisioner>, ParamError> {
    let params = Params::check("existing", given, PARAMS)?;
    Ok(Arc::new(Existing {
        wait: Duration::from_secs(params.number("wait_s")?.unwrap_or(60)),
        check_distro: params.switch("check_distro")?.unwrap_or(true),
    }))
}

impl Provisioner for Existing {
    fn describe(&self, host: &HostSpec) -> Vec<String> {
        vec![format!(
            "checks that {} answers and is as declared",
            host.address
        )]
    }

    fn installs(&self) -> bool {
        false
    }

    fn provision(&self, host: &HostSpec, at: &At<'_>) -> Result<Provisioned, ProvisionError> {
        (at.tell)("check".into());
        sign_of_life_within(at.there.as_ref(), &at.cx.limits(), self.wait)?;
        let limits = at.cx.limits().within(LOOK);
        let text = at.there.text(&CommandLine::script(ASK), &limits)?;
        let (arch, release) = text.split_once('\n').unwrap_or((&text, ""));
        if arch.trim() != host.arch {
            return Err(ProvisionError::Refused(format!(
                "host `{}` is a machine of {}, expected {}",
                host.name,
                arch.trim(),
                host.arch
            )));
        }
        if self.check_distro && !fits(&host.distro, release) {
            return Err(ProvisionError::Refused(format!(
                "host `{}` has {} installed, expected {}",
                host.name,
                field(release, "PRETTY_NAME"),
                host.distro
            )));
        }
        Ok(Provisioned {
            fresh: false,
            patience: self.wait,
        })
    }
}

fn field<'t>(release: &'t str, name: &str) -> &'t str {
    release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map_or("", |value| value.trim_matches(['"', '\'']))
}

/// Whether an installed system can go by a label: its name and, where the label has digits, its
/// version stand in it (`RHEL-9.4.0-20240312.96` is `rhel` `9.4`).
pub(super) fn fits(label: &str, release: &str) -> bool {
    let label = label.to_lowercase();
    if label == "unknown" || release.is_empty() {
        return true;
    }
    let (id, version) = (
        field(release, "ID").to_lowercase(),
        field(release, "VERSION_ID"),
    );
    let digits = label.bytes().any(|byte| byte.is_ascii_digit());
    label.contains(&id) && (!digits || version.is_empty() || label.contains(version))
}
