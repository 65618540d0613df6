//! Who talks to whom: workers as clients, and for each a server.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::host::{Host, Worker};
use crate::tests::fault::Fault;
use crate::tests::params::{Param, ParamError, Params};
use crate::tests::tool::drive::all_workers;
use crate::tests::tool::{Machine, Place, options};
use crate::tests::{TestContext, TestError};

/// How servers are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// By what the workers are; see [`PLACEMENT`].
    Auto,
    /// Each worker is its own server.
    Loopback,
    /// The host of a worker is its server.
    Host,
    /// The next worker is the server, for the last one the first.
    Ring,
    /// The first half of the workers are clients of the second half.
    Halves,
}

const PLACEMENTS: &[(&str, Placement)] = &[
    ("auto", Placement::Auto),
    ("loopback", Placement::Loopback),
    ("host", Placement::Host),
    ("ring", Placement::Ring),
    ("halves", Placement::Halves),
];

/// Row of the table of parameters.
pub const PLACEMENT: Param = Param::new(
    "placement",
    &[],
    "auto",
    "Server of each worker. auto: its host for a guest; the next worker of several hosts (ring); itself for one host alone (loopback). halves: the first half talks to the second",
);
/// Row of the table of parameters.
pub const ADDRESSES: Param = Param::new(
    "addresses",
    &[],
    "those of the hosts",
    "Other addresses to send to, for a network beside that of the run: {\"WORKER\": \"ADDRESS\"}",
);

/// Where traffic goes, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// How servers are chosen.
    pub placement: Placement,
    /// By name or address of the machine.
    pub addresses: BTreeMap<String, String>,
    /// Port of the first pair.
    pub port: u16,
    /// From one pair to the next.
    pub step: u16,
}

impl Route {
    /// Reads `placement`, `addresses` and `port`; pair number p (from 1) has the port
    /// `port + step (p - 1)`.
    ///
    /// # Errors
    /// [`ParamError`] naming the parameter, what was expected and found.
    pub fn read(params: &Params, port: u16, step: u16) -> Result<Self, ParamError> {
        let names: Vec<&str> = PLACEMENTS.iter().map(|(name, _)| *name).collect();
        let placement = match options::words(params, "placement", &["auto"], &names)?.as_slice() {
            [name] => PLACEMENTS.iter().find(|(known, _)| known == name),
            more => {
                let message = format!("expected one of them, found {}", more.join(", "));
                return Err(params.invalid("placement", message));
            }
        };
        let number = options::number(params, "port", port.into(), 1, 65_535)?;
        Ok(Self {
            placement: placement.map_or(Placement::Auto, |(_, placement)| *placement),
            addresses: addresses(params)?,
            port: u16::try_from(number).unwrap_or(port),
            step,
        })
    }
}

fn addresses(params: &Params) -> Result<BTreeMap<String, String>, ParamError> {
    let bad = |found: &Value| {
        let message = format!("expected an object of machines and addresses, found `{found}`");
        params.invalid("addresses", message)
    };
    let given = match params.get("addresses") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(given)) => given,
        Some(other) => return Err(bad(other)),
    };
    let pair = |(machine, address): (&String, &Value)| match address {
        // It becomes part of a profile and of a command line.
        Value::String(text) if is_address(text) => Ok((machine.clone(), text.clone())),
        other => Err(bad(other)),
    };
    given.iter().map(pair).collect()
}

/// Returns whether a text can be a host name, an IP address or a context id.
fn is_address(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'))
}

/// A client and its server, by their place in the list of machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Machine of the client.
    pub client: usize,
    /// Machine of the server.
    pub server: usize,
    /// Where the client sends to.
    pub to: String,
    /// The server as results name it.
    pub server_name: String,
    /// Control port of the server.
    pub port: u16,
}

/// Machines and pairs of a test.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Every machine once, clients first.
    pub places: Vec<Place>,
    /// In the order of clients.
    pub pairs: Vec<Pair>,
}

/// Chooses servers.
///
/// # Errors
/// When the workers do not fit the placement that was asked for.
pub fn place(cx: &TestContext<'_>, route: &Route) -> Result<Placed, TestError> {
    let mut places = all_workers(cx);
    let count = places.len();
    let of_roles = |role: &str| -> Vec<usize> {
        let has = |index: &usize| places[*index].worker.role.as_deref() == Some(role);
        (0..count).filter(has).collect()
    };
    let (clients, servers) = (of_roles("client"), of_roles("server"));
    let roles = !clients.is_empty() && !servers.is_empty();
    let guest = |place: &Place| place.worker.name != place.worker.host;
    let placement = match route.placement {
        Placement::Auto if places.iter().any(guest) => Placement::Host,
        Placement::Auto if count > 1 => Placement::Ring,
        Placement::Auto => Placement::Loopback,
        asked => asked,
    };
    let links: Vec<(usize, usize)> = match placement {
        _ if roles && route.placement == Placement::Auto => {
            if clients.len() != servers.len() {
                let message = format!(
                    "{} workers have the role client and {} the role server: expected as many",
                    clients.len(),
                    servers.len()
                );
                return Err(Fault::new("placement", message, "give every client a server").into());
            }
            clients.into_iter().zip(servers).collect()
        }
        Placement::Loopback => (0..count).map(|index| (index, index)).collect(),
        Placement::Ring | Placement::Auto => (0..count)
            .map(|index| (index, (index + 1) % count))
            .collect(),
        Placement::Halves if count.is_multiple_of(2) => (0..count / 2)
            .map(|index| (index, index + count / 2))
            .collect(),
        Placement::Halves => {
            let message = format!("{count} workers have no two halves");
            return Err(Fault::new("placement", message, "choose another `placement`").into());
        }
        Placement::Host => {
            let mut links = Vec::new();
            for index in 0..count {
                let host = host_of(cx, &places[index].worker)?;
                let known = places
                    .iter()
                    .position(|place| place.worker.name == host.name);
                let server = known.unwrap_or(places.len());
                if known.is_none() {
                    places.push(as_place(host));
                }
                links.push((index, server));
            }
            links
        }
    };
    let pairs = pairs(&places, &links, route)?;
    Ok(Placed { places, pairs })
}

fn host_of<'a>(cx: &TestContext<'a>, worker: &Worker) -> Result<&'a Host, TestError> {
    let found = cx.hosts.iter().find(|host| host.name == worker.host);
    found.ok_or_else(|| {
        let message = format!(
            "worker {} is on {}, which is no host of this run",
            worker.name, worker.host
        );
        Fault::new("placement", message, "choose another `placement`").into()
    })
}

fn as_place(host: &Host) -> Place {
    Place {
        client: host.address.clone(),
        worker: Worker {
            name: host.name.clone(),
            address: host.address.clone(),
            role: None,
            host: host.name.clone(),
            shell: host.shell.clone(),
        },
    }
}

fn pairs(
    places: &[Place],
    links: &[(usize, usize)],
    route: &Route,
) -> Result<Vec<Pair>, TestError> {
    let mut pairs = Vec::new();
    for (number, (client, server)) in links.iter().enumerate() {
        let Worker { name, address, .. } = &places[*server].worker;
        let other = route
            .addresses
            .get(name)
            .or_else(|| route.addresses.get(address));
        let to = match other {
            Some(other) => other.clone(),
            // Its own name need not resolve there.
            None if client == server => "127.0.0.1".into(),
            None => address.clone(),
        };
        let port = u16::try_from(number)
            .ok()
            .and_then(|number| number.checked_mul(route.step)?.checked_add(route.port));
        let Some(port) = port else {
            let message = format!("no port is left for {} pairs", links.len());
            return Err(Fault::new("placement", message, "choose a smaller `port`").into());
        };
        pairs.push(Pair {
            client: *client,
            server: *server,
            to,
            server_name: places[*server].client.clone(),
            port,
        });
    }
    Ok(pairs)
}

/// Returns what tells the entries of each client apart, as pbench-uperf has it.
pub fn identities(
    machines: &[Machine],
    pairs: &[Pair],
) -> Vec<(String, Vec<(&'static str, String)>)> {
    let identity = |pair: &Pair| {
        let keys = vec![
            ("server_hostname", pair.server_name.clone()),
            ("server_port", pair.port.to_string()),
        ];
        (machines[pair.client].client.clone(), keys)
    };
    pairs.iter().map(identity).collect()
}

/// Returns clients and servers as pbench lists them, for the parameters of a result.
pub fn lists(machines: &[Place], pairs: &[Pair]) -> (String, String) {
    let clients: Vec<&str> = pairs
        .iter()
        .map(|pair| machines[pair.client].client.as_str())
        .collect();
    let servers: Vec<&str> = pairs.iter().map(|pair| pair.server_name.as_str()).collect();
    (clients.join(","), servers.join(","))
}

#[cfg(test)]
mod unit {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::control::Context;
    use crate::host::{HostParams, Workers};
    use crate::shell::scripted::ScriptedShell;

    fn host(name: &str) -> Host {
        Host {
            name: name.into(),
            address: format!("{name}.lab"),
            params: HostParams::default(),
            distro: "Unknown".into(),
            shell: Arc::new(ScriptedShell::new(name)),
        }
    }

    fn worker(name: &str, host: &str, role: Option<&str>) -> Worker {
        Worker {
            name: name.into(),
            address: format!("{name}.lab"),
            role: role.map(Into::into),
            host: host.into(),
            shell: Arc::new(ScriptedShell::new(name)),
        }
    }

    fn route(given: Value) -> Result<Route, ParamError> {
        let known = [PLACEMENT, ADDRESSES, Param::new("port", &[], "", "")];
        let params = options::check("x", given.as_object().expect("an object"), &known)?;
        Route::read(&params, 20_010, 10)
    }

    /// Pairs as `client>server@to:port`.
    fn placed(workers: Vec<Vec<Worker>>, given: Value) -> Result<Vec<String>, TestError> {
        let folder = tempfile::tempdir().expect("a folder");
        let hosts = [host("h1"), host("h2")];
        let workers = Workers(workers);
        let run = Context::for_test(folder.path());
        let cx = TestContext {
            run: &run,
            profile: "P",
            host: &hosts[0],
            hosts: &hosts,
            workers: &workers,
            dir: folder.path(),
        };
        let Placed { places, pairs } = place(&cx, &route(given).expect("good"))?;
        let shown = |pair: &Pair| {
            format!(
                "{}>{}@{}:{}",
                places[pair.client].worker.name,
                places[pair.server].worker.name,
                pair.to,
                pair.port
            )
        };
        Ok(pairs.iter().map(shown).collect())
    }

    fn itself(name: &str) -> Vec<Worker> {
        vec![worker(name, name, None)]
    }

    #[test]
    fn one_host_talks_to_itself_and_several_in_a_ring() {
        assert_eq!(
            placed(vec![itself("h1")], json!({})).expect("placed"),
            ["h1>h1@127.0.0.1:20010"]
        );
        assert_eq!(
            placed(vec![itself("h1"), itself("h2")], json!({})).expect("placed"),
            ["h1>h2@h2.lab:20010", "h2>h1@h1.lab:20020"]
        );
        assert_eq!(
            placed(
                vec![itself("h1"), itself("h2")],
                json!({"placement": "halves", "port": 5000})
            )
            .expect("placed"),
            ["h1>h2@h2.lab:5000"]
        );
        assert_eq!(
            placed(
                vec![itself("h1"), itself("h2")],
                json!({"placement": "loopback"})
            )
            .expect("placed"),
            ["h1>h1@127.0.0.1:20010", "h2>h2@127.0.0.1:20020"]
        );
    }

    #[test]
    fn guests_talk_to_their_hosts_as_in_the_older_tool() {
        let guests = vec![
            vec![worker("g1", "h1", None), worker("g2", "h1", None)],
            vec![worker("g3", "h2", None)],
        ];
        assert_eq!(
            placed(guests, json!({"addresses": {"h1": "10.0.0.1"}})).expect("placed"),
            [
                "g1>h1@10.0.0.1:20010",
                "g2>h1@10.0.0.1:20020",
                "g3>h2@h2.lab:20030"
            ]
        );
        let lost = placed(vec![vec![worker("g", "gone", None)]], json!({})).expect_err("no host");
        assert!(lost.to_string().contains("no host of this run"), "{lost}");
    }

    #[test]
    fn roles_decide_when_there_are_some() {
        let by_role = vec![vec![
            worker("a", "h1", Some("server")),
            worker("b", "h1", Some("client")),
        ]];
        assert_eq!(
            placed(by_role, json!({})).expect("placed"),
            ["b>a@a.lab:20010"]
        );
        let odd = vec![vec![
            worker("a", "h1", Some("server")),
            worker("b", "h1", Some("client")),
            worker("c", "h1", Some("client")),
        ]];
        assert!(placed(odd, json!({})).is_err());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let three = || vec![itself("h1"), itself("h2"), itself("h3")];
        assert!(placed(three(), json!({"placement": "halves"})).is_err());
        assert!(
            placed(three(), json!({"port": 65_530})).is_err(),
            "no port for the third"
        );
        for bad in [
            json!({"placement": "star"}),
            json!({"placement": "ring,host"}),
            json!({"addresses": "10.0.0.1"}),
            json!({"addresses": {"h1": "10.0.0.1\"/><x"}}),
            json!({"addresses": {"h1": "-x"}}),
            json!({"port": 0}),
        ] {
            assert!(route(bad.clone()).is_err(), "{bad}");
        }
    }
}
