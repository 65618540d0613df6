//! Parameters of the test `iperf3`; those of the test `uperf` have the same names.

use serde_json::{Map, Value};

use crate::tests::net::load::{self, Choice, Kind, Load};
use crate::tests::net::pairs::{ADDRESSES, PLACEMENT, Route};
use crate::tests::params::{Param, ParamError, Params};
use crate::tests::tool::options::{self, Repeat};

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    Param::new(
        load::TYPES,
        &["test-type", "types", "type"],
        "stream",
        "stream (client sends), maerts (server sends), bidirec (both)",
    ),
    Param::new(load::PROTOCOLS, &["protocol"], "tcp", "tcp, udp"),
    load::sizes("16384"),
    Param::new(
        load::INSTANCES,
        &["instance", "streams", "parallel"],
        "1",
        "Streams of each client",
    ),
    Param::new(
        "runtime",
        &["time"],
        "60",
        "Seconds that count of each sample",
    ),
    Param::new(
        "omit",
        &["ramptime"],
        "2",
        "Seconds before that, which do not count: slow start",
    ),
    options::SAMPLES,
    options::MAX_STDDEV,
    options::MAX_FAILURES,
    PLACEMENT,
    ADDRESSES,
    Param::new(
        "port",
        &[],
        "5201",
        "Port of the first pair; one more for each further one",
    ),
    Param::new(
        "bitrate",
        &["bandwidth"],
        "0",
        "Upper limit of each stream in bits a second, with K, M, G; 0: none",
    ),
    Param::new(
        "window",
        &[],
        "by the system",
        "Size of the socket buffers, with K, M",
    ),
    Param::new(
        "congestion",
        &[],
        "by the system",
        "Congestion control of TCP: cubic, bbr",
    ),
    Param::new("mss", &[], "by the system", "Largest segment of TCP, bytes"),
    Param::new("no-delay", &[], "0", "1: switch Nagle's algorithm off"),
    Param::new("zerocopy", &[], "0", "1: send with sendfile"),
    options::BINARY,
    options::DRIVER,
];

const CHOICE: Choice = Choice {
    protocols: &["tcp", "udp"],
    types: &["stream", "maerts", "bidirec"],
    sizes: &["16384"],
    instances: &["1"],
    largest: 1 << 20,
    most: 128,
};

/// Smallest datagram: iperf3 puts a time stamp and a number into each.
const SMALLEST_DATAGRAM: u64 = 16;

/// Parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In the order they run.
    pub loads: Vec<Load>,
    /// Seconds.
    pub runtime_s: u64,
    /// Seconds.
    pub omit_s: u64,
    /// How often.
    pub repeat: Repeat,
    /// Who talks to whom.
    pub route: Route,
    /// Options for each client, as typed.
    pub options: Vec<String>,
    /// Options for clients that use TCP.
    pub tcp_options: Vec<String>,
    /// Program.
    pub binary: String,
}

impl Settings {
    /// Checks names and values.
    ///
    /// # Errors
    /// [`ParamError`] naming the parameter, what was expected and found.
    pub fn read(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = options::check(super::NAME, given, PARAMS)?;
        let loads = load::read(&params, &CHOICE)?;
        let tiny = |load: &&Load| load.protocol == "udp" && load.size < SMALLEST_DATAGRAM;
        if let Some(load) = loads.iter().find(tiny) {
            let message = format!(
                "expected at least {SMALLEST_DATAGRAM} for udp, found `{}`",
                load.size
            );
            return Err(params.invalid(load::SIZES, message));
        }
        let mut options = vec![
            "-b".to_owned(),
            quantity(&params, "bitrate")?.unwrap_or("0".into()),
        ];
        if let Some(window) = quantity(&params, "window")? {
            options.extend(["-w".into(), window]);
        }
        let mut tcp_options = Vec::new();
        if let Some(name) = options::given_text(&params, "congestion")? {
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                let message = format!("expected a name such as cubic, found `{name}`");
                return Err(params.invalid("congestion", message));
            }
            tcp_options.extend(["-C".into(), name]);
        }
        let mss = options::number(&params, "mss", 0, 0, 65_535)?;
        if mss > 0 {
            tcp_options.extend(["-M".into(), mss.to_string()]);
        }
        if params.switch("no-delay")?.unwrap_or(false) {
            tcp_options.push("-N".into());
        }
        if params.switch("zerocopy")?.unwrap_or(false) {
            options.push("-Z".into());
        }
        Ok(Self {
            loads,
            runtime_s: options::number(&params, "runtime", 60, 1, 86_400)?,
            omit_s: options::number(&params, "omit", 2, 0, 60)?,
            repeat: Repeat::read(&params)?,
            route: Route::read(&params, 5201, 1)?,
            options,
            tcp_options,
            binary: options::binary(&params, "binary")?.unwrap_or_else(|| super::NAME.into()),
        })
    }

    /// Returns the options of a client for a load, without server and port.
    pub fn options_of(&self, load: &Load) -> Vec<String> {
        let mut out: Vec<String> = vec![
            "-t".into(),
            self.runtime_s.to_string(),
            "-l".into(),
            load.size.to_string(),
            "-P".into(),
            load.instances.to_string(),
        ];
        if self.omit_s > 0 {
            out.extend(["-O".into(), self.omit_s.to_string()]);
        }
        match load.kind {
            Kind::Maerts => out.push("-R".into()),
            Kind::Bidirec => out.push("--bidir".into()),
            Kind::Stream | Kind::Rr => {}
        }
        out.extend(self.options.iter().cloned());
        if load.protocol == "udp" {
            out.push("-u".into());
        } else {
            out.extend(self.tcp_options.iter().cloned());
        }
        out
    }
}

/// Returns a number with one of K, M, G behind it.
fn quantity(params: &Params, name: &str) -> Result<Option<String>, ParamError> {
    let Some(text) = options::given_text(params, name)? else {
        return Ok(None);
    };
    let digits = text.trim_end_matches(['K', 'M', 'G', 'k', 'm', 'g']);
    if text.len() - digits.len() <= 1 && digits.parse::<u64>().is_ok() {
        return Ok(Some(text));
    }
    Err(params.invalid(
        name,
        format!("expected a number such as 500M, found `{text}`"),
    ))
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn read(given: Value) -> Result<Settings, ParamError> {
        Settings::read(given.as_object().expect("an object"))
    }

    #[test]
    fn loads_become_options() {
        let settings = read(json!({
            "protocols": "tcp,udp", "test-types": "maerts", "message-sizes": 1024, "streams": 4, "runtime": 5,
            "omit": 0, "bitrate": "50M", "congestion": "bbr", "no-delay": 1,
        }));
        let settings = settings.expect("good");
        assert_eq!(
            settings.options_of(&settings.loads[0]).join(" "),
            "-t 5 -l 1024 -P 4 -R -b 50M -C bbr -N"
        );
        assert_eq!(
            settings.options_of(&settings.loads[1]).join(" "),
            "-t 5 -l 1024 -P 4 -R -b 50M -u"
        );
        assert_eq!(settings.loads[1].name(), "udp_maerts-1024B-4i");
    }

    #[test]
    fn bad_values_say_what_was_expected() {
        for (given, message) in [
            (
                json!({"test-types": "rr"}),
                "expected stream, maerts, bidirec, found `rr`",
            ),
            (
                json!({"protocols": "udp", "message-sizes": 8}),
                "at least 16 for udp",
            ),
            (json!({"message-sizes": 2_000_000}), "from 1 to 1048576"),
            (json!({"bitrate": "fast"}), "such as 500M"),
            (json!({"congestion": "a b"}), "such as cubic"),
            (json!({"omit": 61}), "from 0 to 60"),
        ] {
            let error = read(given).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
