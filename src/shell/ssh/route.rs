//! How to reach a machine: what was typed, completed from OpenSSH's configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::config::{SshConfig, expand};
use super::pins::Pins;
use crate::control::options::{HostKeys, expand_home};
use crate::secret::Secret;
use crate::shell::Target;

/// For connecting, checking the host key and logging in.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// Jump hosts may need jump hosts; more than this is a circle.
const MOST_HOPS: usize = 8;

/// What holds for every machine of a run.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is done about host keys.
    pub host_keys: HostKeys,
    /// Tried where no key is accepted, in order.
    pub passwords: Vec<Secret>,
    /// Key files for the machine itself, instead of the usual ones and the agent's.
    pub keys: Vec<PathBuf>,
    /// Read instead of `~/.ssh/config` and `/etc/ssh/ssh_config`.
    pub config: Option<PathBuf>,
    /// Keys of machines that were installed for this run.
    pub pins: Arc<Pins>,
}

/// A machine as somebody typed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Name, number, or an alias of the configuration.
    pub host: String,
    /// `None`: as configured, else root.
    pub user: Option<String>,
    /// `None`: as configured, else 22.
    pub port: Option<u16>,
}

/// One machine on the way, the last one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) keys: Vec<PathBuf>,
    pub(super) agent: bool,
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) connect_limit: Duration,
}

/// All machines on the way, in order; never empty.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) hops: Vec<Hop>,
    pub(super) settings: Arc<Settings>,
}

impl Hop {
    /// Returns how messages name it.
    pub(super) fn target(&self) -> Target {
        Target(if self.port == 22 {
            format!("{}@{}", self.user, self.host)
        } else if self.host.contains(':') {
            format!("{}@[{}]:{}", self.user, self.host, self.port)
        } else {
            format!("{}@{}:{}", self.user, self.host, self.port)
        })
    }

    fn resolve(address: &Address, config: &SshConfig) -> (Self, Option<String>) {
        let entry = config.entry(&address.host);
        let host = entry.host_name.unwrap_or_else(|| address.host.clone());
        let user = address
            .user
            .clone()
            .or(entry.user)
            .unwrap_or_else(|| "root".into());
        let port = address.port.or(entry.port).unwrap_or(22);
        let given = !entry.identity_files.is_empty();
        let keys: Vec<PathBuf> = if given {
            entry.identity_files
        } else {
            ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"]
                .map(PathBuf::from)
                .to_vec()
        };
        let mut known_hosts = entry.known_hosts.unwrap_or_else(|| {
            ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
                .map(PathBuf::from)
                .to_vec()
        });
        known_hosts.push("/etc/ssh/ssh_known_hosts".into());
        let hop = Self {
            keys: keys
                .iter()
                .map(|key| expand(key, &host, port, &user))
                .collect(),
            agent: !(given && entry.identities_only.unwrap_or(false)),
            known_hosts: known_hosts.iter().map(|file| expand_home(file)).collect(),
            connect_limit: entry
                .connect_timeout
                .filter(|seconds| *seconds > 0)
                .map_or(CONNECT_LIMIT, Duration::from_secs),
            host,
            port,
            user,
        };
        (hop, entry.proxy_jump)
    }
}

impl Route {
    /// Completes an address from the configuration.
    pub(super) fn resolve(address: &Address, config: &SshConfig, settings: Arc<Settings>) -> Self {
        let mut hops = Vec::new();
        add(address, config, &mut hops, 0);
        if let (Some(to), false) = (hops.last_mut(), settings.keys.is_empty()) {
            to.keys.clone_from(&settings.keys);
            to.agent = false;
        }
        Self { hops, settings }
    }

    /// The machine at the end.
    pub(super) fn to(&self) -> &Hop {
        &self.hops[self.hops.len() - 1]
    }
}

/// Adds the jump hosts of a machine, then the machine.
fn add(address: &Address, config: &SshConfig, hops: &mut Vec<Hop>, depth: usize) {
    let (hop, jumps) = Hop::resolve(address, config);
    let jumps = jumps.unwrap_or_default();
    if !jumps.eq_ignore_ascii_case("none") && depth < MOST_HOPS {
        for (index, jump) in jumps.split(',').filter(|jump| !jump.is_empty()).enumerate() {
            if hops.len() >= MOST_HOPS {
                break;
            }
            let jump = parse(jump);
            // Only the first jump's own jumps lead there; the next ones are reached from it.
            if index == 0 && jump.host != address.host {
                add(&jump, config, hops, depth + 1);
            } else {
                hops.push(Hop::resolve(&jump, config).0);
            }
        }
    }
    hops.push(hop);
}

/// Reads `[USER@]HOST[:PORT]`, IPv6 in brackets, `ssh://` in front allowed.
fn parse(typed: &str) -> Address {
    let typed = typed.trim().trim_start_matches("ssh://");
    let (user, rest) = match typed.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, typed),
    };
    if let Some((host, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = after.strip_prefix(':').and_then(|port| port.parse().ok());
        return Address {
            host: host.to_owned(),
            user,
            port,
        };
    }
    match rest.split_once(':') {
        Some((host, port)) if !port.contains(':') => Address {
            host: host.to_owned(),
            user,
            port: port.parse().ok(),
        },
        _ => Address {
            host: rest.to_owned(),
            user,
            port: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: &str, text: &str) -> Vec<String> {
        let address = Address {
            host: host.into(),
            ..Address::default()
        };
        let route = Route::resolve(&address, &SshConfig::parse(text), Arc::default());
        route.hops.iter().map(|hop| hop.target().0).collect()
    }

    #[test]
    fn what_nobody_says_is_root_on_port_22_with_the_usual_keys() {
        let (hop, _) = Hop::resolve(
            &Address {
                host: "lab".into(),
                ..Address::default()
            },
            &SshConfig::default(),
        );
        assert_eq!(hop.target().0, "root@lab");
        assert_eq!(
            (hop.keys.len(), hop.agent, hop.connect_limit),
            (3, true, CONNECT_LIMIT)
        );
    }

    #[test]
    fn typed_is_stronger_than_configured() {
        let config = SshConfig::parse(
            "Host lab\n User a\n Port 1\n HostName lab.example.org\n IdentityFile /k\n IdentitiesOnly yes\n",
        );
        let address = Address {
            host: "lab".into(),
            user: Some("b".into()),
            port: Some(2),
        };
        let (hop, _) = Hop::resolve(&address, &config);
        assert_eq!(hop.target().0, "b@lab.example.org:2");
        assert_eq!((hop.keys, hop.agent), (vec![PathBuf::from("/k")], false));
    }

    #[test]
    fn jump_hosts_stand_before_the_machine() {
        let text = "Host lab\n ProxyJump me@gate:2022,[::1]:23\nHost gate\n ProxyJump outer\n";
        assert_eq!(
            route("lab", text),
            ["root@outer", "me@gate:2022", "root@[::1]:23", "root@lab"]
        );
        assert_eq!(
            route("x", "Host x\n ProxyJump none\nHost *\n ProxyJump gate\n"),
            ["root@x"]
        );
        // A circle ends.
        assert!(route("a", "Host a\n ProxyJump b\nHost b\n ProxyJump a\n").len() <= MOST_HOPS + 2);
    }
}
