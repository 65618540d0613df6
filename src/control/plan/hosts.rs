//! Hosts of a plan: which machines, and what is declared about them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{PlanError, PlannedHost};
use crate::config::assets::Assets;
use crate::config::{Config, host_params};
use crate::control::options::{RunOptions, expand_home};
use crate::control::reach::REMOTE;
use crate::text;

pub(super) fn hosts(
    options: &RunOptions,
    config: &Config,
    notes: &mut Vec<String>,
) -> Result<Vec<PlannedHost>, PlanError> {
    let mut names = BTreeSet::new();
    let mut places = BTreeMap::new();
    for host in &options.hosts {
        let refuse = |reason: String, hint| PlanError::Host {
            name: host.name.clone(),
            reason,
            hint,
        };
        if !names.insert(text::file_name(&host.name)) {
            return Err(refuse(
                "two hosts have this name".into(),
                "name them apart: NAME:ADDRESS",
            ));
        }
        let local = is_this_machine(&host.address);
        if !local && !REMOTE {
            return Err(refuse(
                format!(
                    "`{}` is another machine, and this build lacks the feature `ssh`",
                    host.address
                ),
                "build with the feature `ssh`; this build knows localhost, 127.0.0.1, ::1 and this machine's own name",
            ));
        }
        if local && (host.user.is_some() || host.port.is_some()) {
            return Err(refuse(
                "this machine is used directly, without user and port".into(),
                "leave user and port out",
            ));
        }
        let place = if local {
            (String::new(), None, None)
        } else {
            (host.address.to_lowercase(), host.port, host.user.clone())
        };
        if let Some(same) = places.insert(place, host.name.clone()) {
            return Err(refuse(
                format!("`{}` is the same machine as `{same}`", host.address),
                "name it once",
            ));
        }
    }
    for address in options.force_params.keys() {
        if !options.hosts.iter().any(|host| host.address == *address) {
            notes.push(format!(
                "--force-params for `{}` has no effect: no host has this address",
                text::one_line(address)
            ));
        }
    }
    let paths: Vec<_> = options.paths.iter().map(|path| expand_home(path)).collect();
    let assets = Assets::new(&paths, config);
    options
        .hosts
        .iter()
        .map(|host| {
            let forced = options.force_params.get(&host.address);
            let declared = host_params::Declared::load(&assets, &host.address, forced)?;
            let params = declared.clone().complete(&host_params::Measured::default()).params;
            if params.0.get("disable_smt").and_then(serde_json::Value::as_bool) == Some(true) {
                notes.push(format!(
                    "`disable_smt` of {} has no effect: it needs a reboot, which this build does not do",
                    host.address
                ));
            }
            Ok(PlannedHost { name: host.name.clone(), address: host.address.clone(), user: host.user.clone(), port: host.port, declared })
        })
        .collect()
}

/// Returns whether an address means the machine this program runs on.
pub(crate) fn is_this_machine(address: &str) -> bool {
    if let Ok(number) = address.parse::<IpAddr>() {
        return number.is_loopback();
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    address.eq_ignore_ascii_case("localhost")
        || (!own.is_empty()
            && (address.eq_ignore_ascii_case(own) || own.split('.').next() == Some(address)))
}
