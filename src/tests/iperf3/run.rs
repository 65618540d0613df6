//! The test: a server beside each client, all clients at once.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::params::Settings;
use super::{NAME, PROGRAM};
use super::{fault, output};
use crate::shell::CommandLine;
use crate::tests::fault::Fault;
use crate::tests::net::load::{Kind, Load};
use crate::tests::net::pairs::{self, Pair};
use crate::tests::net::talk::{Served, talk};
use crate::tests::params::ParamError;
use crate::tests::pbench::SampleEntry;
use crate::tests::tool::drive::Identity;
use crate::tests::tool::machine::SHORT;
use crate::tests::tool::options::Repeat;
use crate::tests::tool::{Driven, Machine, Place, Point, Tool};
use crate::tests::{Test, TestContext, TestError};
use crate::text;

/// Beyond the runtime: handshake, end, a slow machine.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a connection may take, milliseconds.
const CONNECT_MS: &str = "10000";
/// The oldest iperf3 that hands on the server's JSON.
const OLDEST: (u32, u32) = (3, 1);
/// The oldest that can do both directions at once.
const BOTH: (u32, u32) = (3, 7);

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let tool = Iperf3 {
        settings: Settings::read(given)?,
        version: String::new(),
        pairs: Vec::new(),
        lists: (String::new(), String::new()),
    };
    Ok(Box::new(Driven::new(name, tool)))
}

struct Iperf3 {
    settings: Settings,
    version: String,
    /// Chosen at set-up.
    pairs: Vec<Pair>,
    /// Clients and servers, for the parameters of the result.
    lists: (String, String),
}

impl Iperf3 {
    fn serve(&self, pair: &Pair) -> Served {
        Served {
            name: NAME,
            command: CommandLine::new(&self.settings.binary)
                .args(["-s", "-J", "-p"])
                .arg(pair.port.to_string()),
            port: Some(pair.port),
        }
    }

    /// Has one client talk to its server.
    fn hear(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        pair: &Pair,
        load: &Load,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        let command = CommandLine::new(&self.settings.binary)
            .args(["-c", &pair.to, "-p", &pair.port.to_string(), "-J"])
            .args(["--get-server-output", "--connect-timeout", CONNECT_MS])
            .args(self.settings.options_of(load));
        let seconds = self.settings.runtime_s + self.settings.omit_s;
        let deadline = Duration::from_secs(seconds) + MARGIN;
        let output = machine.measure(cx, &PROGRAM, command, deadline, raw)?;
        let from_to = |fault: Fault| Fault {
            message: format!(
                "client {} to server {} ({}, port {}): {}",
                machine.client, pair.server_name, pair.to, pair.port, fault.message
            ),
            ..fault
        };
        let document = fault::judge(&output).map_err(from_to)?;
        Ok(output::entries(&document, load, &machine.client).map_err(from_to)?)
    }
}

impl Tool for Iperf3 {
    fn benchmark(&self) -> &'static str {
        NAME
    }

    fn points(&self) -> Vec<Point> {
        let point = |load: &Load| {
            let mut benchmark = load.benchmark();
            let more = json!({
                "primary_metric": "Gb_sec",
                "clients": self.lists.0,
                "servers": self.lists.1,
                "runtime": self.settings.runtime_s.to_string(),
                "omit": self.settings.omit_s.to_string(),
                "options": self.settings.options_of(load).join(" "),
            });
            benchmark.extend(more.as_object().cloned().unwrap_or_default());
            let seconds = self.settings.runtime_s + self.settings.omit_s;
            Point {
                name: load.name(),
                expected: Some(Duration::from_secs(seconds)),
                benchmark,
            }
        };
        self.settings.loads.iter().map(point).collect()
    }

    fn repeat(&self) -> &Repeat {
        &self.settings.repeat
    }

    fn describe(&self) -> Vec<String> {
        let settings = &self.settings;
        vec![format!(
            "{} s of iperf3 after {} s that do not count, between all pairs at the same time; ports from {}",
            settings.runtime_s, settings.omit_s, settings.route.port
        )]
    }

    fn places(&self, cx: &TestContext<'_>) -> Result<Vec<Place>, TestError> {
        Ok(pairs::place(cx, &self.settings.route)?.places)
    }

    fn set_up(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError> {
        let placed = pairs::place(cx, &self.settings.route)?;
        self.lists = pairs::lists(&placed.places, &placed.pairs);
        self.pairs = placed.pairs;
        let limits = cx.run.limits().within(SHORT);
        let command = CommandLine::new(&self.settings.binary).arg("--version");
        let loads = &self.settings.loads;
        let both = loads.iter().any(|load| load.kind == Kind::Bidirec);
        for machine in machines {
            let printed = machine.run(&PROGRAM, &command, &limits)?;
            let oldest = if both { BOTH } else { OLDEST };
            self.version = check_version(&printed.text(), oldest, machine)?;
        }
        Ok(())
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn identities(&self, machines: &[Machine]) -> Vec<Identity> {
        pairs::identities(machines, &self.pairs)
    }

    fn sample(
        &self,
        cx: &TestContext<'_>,
        machines: &[Machine],
        point: usize,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        let load = &self.settings.loads[point];
        let heard = talk(
            cx,
            machines,
            &self.pairs,
            raw,
            |pair| self.serve(pair),
            |pair| self.hear(cx, &machines[pair.client], pair, load, raw),
        )?;
        Ok(heard.concat())
    }
}

/// Accepts `iperf 3.12 (cJSON 1.7.15)` in the first line; returns the version.
fn check_version(printed: &str, oldest: (u32, u32), machine: &Machine) -> Result<String, Fault> {
    let target = machine.shell().target();
    let line = printed.lines().next().unwrap_or_default();
    let version = line
        .strip_prefix("iperf ")
        .and_then(|rest| rest.split_whitespace().next());
    let digits = |part: &str| -> Option<u32> {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..end].parse().ok()
    };
    let numbers = version.and_then(|version| {
        let (major, minor) = version.split_once('.')?;
        Some((digits(major)?, digits(minor)?))
    });
    let (Some(version), Some(numbers)) = (version, numbers) else {
        let found = text::one_line(line);
        let message = format!("`iperf3 --version` on {target} printed `{found}`, expected iperf 3");
        return Err(Fault::new(
            "not-installed",
            message,
            "check which program `iperf3` is there",
        ));
    };
    if numbers < oldest {
        let (major, minor) = oldest;
        let message = format!(
            "iperf3 {version} on {target} is too old for this, expected {major}.{minor} or newer"
        );
        return Err(Fault::new("too-old", message, "install a newer iperf3"));
    }
    Ok(version.to_owned())
}
