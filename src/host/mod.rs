//! Machines: hosts of the command line, the workers tests run on, what is known about them.

pub mod calm;
pub mod facts;
pub(crate) mod filters;
pub mod monitor;
pub mod packages;
pub mod reboot;
pub mod spoilers;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::shell::Shell;

/// Parameters of a host: from its YAML file, `--force-params`, or measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostParams(pub BTreeMap<String, serde_json::Value>);

impl HostParams {
    /// Returns a parameter as a whole number; numbers written as text count.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            serde_json::Value::Number(number) => number.as_u64(),
            serde_json::Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// A machine under test.
#[derive(Debug, Clone)]
pub struct Host {
    /// Short name (`foo`).
    pub name: String,
    /// Address (`192.0.2.17`).
    pub address: String,
    /// What is known about it.
    pub params: HostParams,
    /// `--distro`.
    pub distro: String,
    /// How to run commands there.
    pub shell: Arc<dyn Shell>,
}

/// A machine a benchmark runs on: the host itself, or a guest of it.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Name (`foo`, `foo.DefaultLibvirt0`).
    pub name: String,
    /// Address, as it stands in results (`client_hostname`).
    pub address: String,
    /// Role in tests that tell their workers apart.
    pub role: Option<String>,
    /// The host it runs on.
    pub host: String,
    /// How to run commands there.
    pub shell: Arc<dyn Shell>,
}

/// One group for each host, in host order.
#[derive(Debug, Clone, Default)]
pub struct Workers(pub Vec<Vec<Worker>>);

impl Workers {
    /// Returns all workers, host by host.
    pub fn all(&self) -> impl Iterator<Item = &Worker> {
        self.0.iter().flatten()
    }
}
