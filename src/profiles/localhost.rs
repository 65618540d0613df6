//! `Localhost`: tests run on the host as it is; nothing is prepared and nothing is changed.

use super::{Applied, Profile, ProfileError, Reverted};
use crate::control::Context;
use crate::host::facts::Facts;
use crate::host::{Host, Worker};
use crate::shell::ShellError;

/// The host itself is the worker.
#[derive(Debug, Clone)]
pub struct Localhost {
    name: String,
}

impl Localhost {
    /// `name`: as results and ids call it, `Localhost` unless `__NAME__` says otherwise.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Default for Localhost {
    fn default() -> Self {
        Self::new("Localhost")
    }
}

impl Profile for Localhost {
    fn name(&self) -> &str {
        &self.name
    }

    fn changes(&self) -> Vec<String> {
        Vec::new()
    }

    fn apply(&mut self, host: &Host, cx: &Context) -> Result<Applied, ProfileError> {
        if cx.cancel.is_cancelled() {
            return Err(ProfileError::Interrupted);
        }
        Ok(Applied::Workers(vec![Worker {
            name: host.name.clone(),
            address: host.address.clone(),
            role: None,
            host: host.name.clone(),
            shell: host.shell.clone(),
        }]))
    }

    fn revert(&mut self, _host: &Host, _cx: &Context) -> Result<Reverted, ProfileError> {
        Ok(Reverted::Clean)
    }

    fn facts(&self, host: &Host, cx: &Context) -> Result<Facts, ProfileError> {
        host_facts(&self.name, host, cx)
    }
}

/// Describes a host as it is, for the profile of this name.
pub(super) fn host_facts(profile: &str, host: &Host, cx: &Context) -> Result<Facts, ProfileError> {
    let facts = Facts::gather(host.shell.as_ref(), &cx.limits(), &host.name, &host.distro)
        .map_err(|error| match error {
            ShellError::Interrupted { .. } => ProfileError::Interrupted,
            source => ProfileError::Shell {
                action: "describe",
                profile: profile.to_owned(),
                host: host.name.clone(),
                source: Box::new(source),
            },
        })?;
    Ok(facts.with_params(&host.params))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::HostParams;
    use crate::shell::scripted::ScriptedShell;

    #[test]
    fn the_host_is_the_worker_and_nothing_is_typed_on_it() {
        let shell = ScriptedShell::new("foo");
        let host = Host {
            name: "foo".into(),
            address: "192.0.2.17".into(),
            params: HostParams::default(),
            distro: "Fedora-40".into(),
            shell: Arc::new(shell.clone()),
        };
        let cx = Context::for_test("/nonexistent");
        let mut profile = Localhost::default();
        let Ok(Applied::Workers(workers)) = profile.apply(&host, &cx) else {
            panic!("has a worker")
        };
        assert_eq!(
            (
                workers.len(),
                workers[0].name.as_str(),
                workers[0].address.as_str()
            ),
            (1, "foo", "192.0.2.17")
        );
        assert_eq!(
            profile.revert(&host, &cx).expect("nothing to do"),
            Reverted::Clean
        );
        assert!(shell.commands().is_empty());
    }
}
