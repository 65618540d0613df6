//! Parameters of the test `uperf`: those of pbench-uperf, and a few of ours.
//!
//! Defaults are those run-perf always gave pbench (types, sizes, protocols, runtime, samples), then
//! pbench's.

use serde_json::{Map, Value};

use crate::tests::net::load::{self, Choice, Load};
use crate::tests::net::pairs::{ADDRESSES, PLACEMENT, Route};
use crate::tests::params::{Param, ParamError, Params};
use crate::tests::tool::options::{self, Repeat};

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    Param::new(
        load::TYPES,
        &["test-type", "types", "type"],
        "stream",
        "stream (client sends), maerts (server sends), bidirec (both), rr (request and response)",
    ),
    Param::new(
        load::PROTOCOLS,
        &["protocol"],
        "tcp",
        "tcp, udp, sctp, vsock (name context ids with `addresses`)",
    ),
    load::sizes("1,64,16384"),
    Param::new(
        load::INSTANCES,
        &["instance"],
        "1,8,64",
        "Threads of each client",
    ),
    Param::new("runtime", &[], "60", "Seconds that count of each sample"),
    Param::new(
        "trim",
        &[],
        "3",
        "Seconds before and after that, which do not count",
    ),
    options::SAMPLES,
    options::MAX_STDDEV,
    options::MAX_FAILURES,
    PLACEMENT,
    ADDRESSES,
    Param::new(
        "port",
        &[],
        "20010",
        "Control port of the first pair; 10 more for each further one",
    ),
    Param::new(
        "server-nodes",
        &["server-node"],
        "",
        "NUMA node of each pair's server, by numactl; -1: any",
    ),
    Param::new(
        "client-nodes",
        &["client-node"],
        "",
        "NUMA node of each pair's client, by numactl; -1: any",
    ),
    Param::new(
        "log-response-times",
        &[],
        "n",
        "y: keep the time of every operation, and percentiles of rr",
    ),
    options::BINARY,
    options::DRIVER,
    options::PBENCH[0],
    options::PBENCH[1],
    options::PBENCH[2],
    options::PBENCH[3],
    options::PBENCH[4],
    options::PBENCH[5],
];

const CHOICE: Choice = Choice {
    protocols: &["tcp", "udp", "sctp", "vsock"],
    types: &["stream", "maerts", "bidirec", "rr"],
    sizes: &["1", "64", "16384"],
    instances: &["1", "8", "64"],
    largest: 1 << 30,
    most: 4096,
};

/// Parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In the order they run.
    pub loads: Vec<Load>,
    /// Seconds.
    pub runtime_s: u64,
    /// Seconds at each end that do not count.
    pub trim_s: u64,
    /// How often.
    pub repeat: Repeat,
    /// Who talks to whom.
    pub route: Route,
    /// Of servers, by pair; the last one counts for further pairs.
    pub server_nodes: Vec<Option<u32>>,
    /// Of clients.
    pub client_nodes: Vec<Option<u32>>,
    /// Whether `-X` is given.
    pub responses: bool,
    /// Program.
    pub binary: String,
    /// Given, but without effect here.
    pub ignored: Vec<&'static str>,
}

impl Settings {
    /// Checks names and values.
    ///
    /// # Errors
    /// [`ParamError`] naming the parameter, what was expected and found.
    pub fn read(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = options::check(super::NAME, given, PARAMS)?;
        let loads = load::read(&params, &CHOICE)?;
        Ok(Self {
            loads,
            runtime_s: options::number(&params, "runtime", 60, 1, 1_000_000)?,
            trim_s: options::number(&params, "trim", 3, 0, 3600)?,
            repeat: Repeat::read(&params)?,
            route: Route::read(&params, 20_010, 10)?,
            server_nodes: nodes(&params, "server-nodes")?,
            client_nodes: nodes(&params, "client-nodes")?,
            responses: params.switch("log-response-times")?.unwrap_or(false),
            binary: options::binary(&params, "binary")?.unwrap_or_else(|| super::NAME.into()),
            ignored: options::without_effect(&params),
        })
    }

    /// Returns how long clients work: what counts and what does not.
    pub fn duration_s(&self) -> u64 {
        self.runtime_s + 2 * self.trim_s
    }
}

fn nodes(params: &Params, name: &str) -> Result<Vec<Option<u32>>, ParamError> {
    let read = |text: &String| match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(node) if (0..4096).contains(&node) => Ok(u32::try_from(node).ok()),
        _ => {
            let message = format!("expected node numbers, or -1 for any, found `{text}`");
            Err(params.invalid(name, message))
        }
    };
    params
        .list(name)?
        .unwrap_or_default()
        .iter()
        .map(read)
        .collect()
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn read(given: Value) -> Result<Settings, ParamError> {
        Settings::read(given.as_object().expect("an object"))
    }

    #[test]
    fn the_defaults_are_those_run_perf_gave_pbench() {
        let settings = read(json!({})).expect("good");
        let names: Vec<String> = settings.loads.iter().map(Load::name).collect();
        assert_eq!(
            names,
            [
                "tcp_stream-1B-1i",
                "tcp_stream-1B-8i",
                "tcp_stream-1B-64i",
                "tcp_stream-64B-1i",
                "tcp_stream-64B-8i",
                "tcp_stream-64B-64i",
                "tcp_stream-16384B-1i",
                "tcp_stream-16384B-8i",
                "tcp_stream-16384B-64i",
            ]
        );
        assert_eq!((settings.duration_s(), settings.repeat.samples), (66, 3));
        assert_eq!(settings.route.port, 20_010);
    }

    #[test]
    fn loops_go_by_protocol_type_size_and_instances() {
        let given = json!({"protocols": "tcp,udp", "test-types": "rr,maerts", "message-sizes": 64, "instances": "2,1"});
        let names: Vec<String> = read(given)
            .expect("good")
            .loads
            .iter()
            .map(Load::name)
            .collect();
        assert_eq!(
            names,
            [
                "tcp_rr-64B-2i",
                "tcp_rr-64B-1i",
                "tcp_maerts-64B-2i",
                "tcp_maerts-64B-1i",
                "udp_rr-64B-2i",
                "udp_rr-64B-1i",
                "udp_maerts-64B-2i",
                "udp_maerts-64B-1i",
            ]
        );
    }

    #[test]
    fn bad_values_say_what_was_expected() {
        for (given, message) in [
            (json!({"test-types": "streams"}), "did you mean `stream`?"),
            (
                json!({"protocols": "icmp"}),
                "expected tcp, udp, sctp, vsock",
            ),
            (
                json!({"protocols": "udp", "message-sizes": 70000}),
                "at most 65507 for udp",
            ),
            (json!({"instances": "1,1"}), "twice"),
            (json!({"server-nodes": "x"}), "found `x`"),
            (json!({"servers": "h2"}), "`placement`"),
            (json!({"log-response-times": "perhaps"}), "true or false"),
        ] {
            let error = read(given).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
        let settings = read(json!({"server-nodes": "0,-1", "sysinfo": "none"})).expect("good");
        assert_eq!(settings.server_nodes, [Some(0), None]);
        assert_eq!(settings.ignored, ["sysinfo"]);
    }
}
