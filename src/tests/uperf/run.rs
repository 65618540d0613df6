//! The test: a server beside each client, all clients at once, every client waited for.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fault;
use super::output;
use super::params::Settings;
use super::profile::profile;
use super::responses::{PERCENTILES, Responses, element};
use super::{NAME, PROGRAM};
use crate::metric::Better;
use crate::shell::CommandLine;
use crate::tests::fault::Fault;
use crate::tests::net::load::{Kind, Load};
use crate::tests::net::pairs::{self, Pair};
use crate::tests::net::talk::{Served, talk};
use crate::tests::params::ParamError;
use crate::tests::pbench::{ALL, Class, SampleEntry};
use crate::tests::pbench_driver;
use crate::tests::tool::drive::Identity;
use crate::tests::tool::machine::SHORT;
use crate::tests::tool::options::Repeat;
use crate::tests::tool::{Driven, Machine, Place, Point, Tool};
use crate::tests::{Test, TestContext, TestError};
use crate::text;

/// Beyond the duration: handshake, end, a slow machine. uperf itself takes 2 to 3 s.
const MARGIN: Duration = Duration::from_secs(60);
/// The oldest uperf whose counters are known.
const OLDEST: (u32, u32, u32) = (1, 0, 7);
/// Files in the private folder.
const PROFILE: &str = "profile.xml";
const RESPONSES: &str = "response-times.txt";

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    if pbench_driver::is_asked_for(given) {
        return pbench_driver::build(pbench_driver::UPERF, name, given);
    }
    let tool = Uperf {
        settings: Settings::read(given)?,
        version: String::new(),
        pairs: Vec::new(),
        lists: (String::new(), String::new()),
    };
    Ok(Box::new(Driven::new(name, tool)))
}

struct Uperf {
    settings: Settings,
    version: String,
    /// Chosen at set-up.
    pairs: Vec<Pair>,
    /// Clients and servers, for the parameters of the result.
    lists: (String, String),
}

/// What one client brought back.
struct Heard {
    entries: Vec<SampleEntry>,
    responses: Option<Responses>,
}

/// Runs a command on a NUMA node.
fn on_node(nodes: &[Option<u32>], pair: usize, command: CommandLine) -> CommandLine {
    match nodes.get(pair).or_else(|| nodes.last()).copied().flatten() {
        None => command,
        Some(node) => {
            let words = command.args.iter().map(crate::shell::command::Arg::reveal);
            CommandLine::new("numactl")
                .arg(format!("--cpunodebind={node}"))
                .arg(format!("--membind={node}"))
                .args(words)
        }
    }
}

impl Uperf {
    fn number(&self, pair: &Pair) -> usize {
        self.pairs
            .iter()
            .position(|other| other == pair)
            .unwrap_or(0)
    }

    fn serve(&self, pair: &Pair, load: &Load) -> Served {
        let mut command = CommandLine::new(&self.settings.binary).args(["-v", "-s"]);
        if load.protocol == "vsock" {
            command = command.args(["-S", "vsock"]);
        }
        let command = command.arg("-P").arg(pair.port.to_string());
        Served {
            name: NAME,
            command: on_node(&self.settings.server_nodes, self.number(pair), command),
            // A vsock port is not seen from outside.
            port: (load.protocol != "vsock").then_some(pair.port),
        }
    }

    fn client(&self, pair: &Pair, load: &Load) -> CommandLine {
        let mut command = CommandLine::new(&self.settings.binary)
            .args(["-v", "-m", PROFILE, "-R", "-a", "-i", "1"]);
        if self.settings.responses {
            command = command.args(["-X", RESPONSES]);
        }
        if load.protocol == "vsock" {
            command = command.args(["-S", "vsock"]);
        }
        let command = command.arg("-P").arg(pair.port.to_string());
        on_node(&self.settings.client_nodes, self.number(pair), command)
    }

    /// Has one client talk to its server.
    fn hear(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        pair: &Pair,
        load: &Load,
        raw: &Path,
    ) -> Result<Heard, TestError> {
        let limits = cx.run.limits();
        let place = raw.join(text::file_name(&machine.client));
        let xml = profile(load, &pair.to, self.settings.duration_s());
        machine.put(PROFILE, xml.as_bytes(), &limits)?;
        cx.keep(&place.join(PROFILE), xml.as_bytes())?;
        let deadline = Duration::from_secs(self.settings.duration_s()) + MARGIN;
        let command = self.client(pair, load);
        let output = machine.measure(cx, &PROGRAM, command, deadline, raw)?;
        fault::judge(&output).map_err(|fault| from_to(fault, machine, pair))?;
        let ticks = output::ticks(&output.text());
        let trim = self.settings.trim_s;
        let trim_ms = i64::try_from(trim).unwrap_or(3600) * 1000;
        let series = output::series(&ticks, load, trim_ms);
        if series.throughput.is_empty() {
            let none = fault::no_data(ticks.len(), self.settings.runtime_s, trim);
            return Err(from_to(none, machine, pair).into());
        }
        if series.throughput.iter().all(|point| point.value <= 0.0) {
            return Err(from_to(fault::no_operations(), machine, pair).into());
        }
        let responses = self.responses(cx, machine, load, &place)?;
        Ok(Heard {
            entries: output::entries(series, load.kind, &machine.client),
            responses,
        })
    }

    fn responses(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        load: &Load,
        place: &Path,
    ) -> Result<Option<Responses>, TestError> {
        if !self.settings.responses {
            return Ok(None);
        }
        let limits = cx.run.limits();
        let Some(written) = machine.get(RESPONSES, &limits)? else {
            return Ok(None);
        };
        cx.keep(&place.join(RESPONSES), &written)?;
        let remove = CommandLine::new("rm").args(["-f", "--", RESPONSES]);
        machine.small(&remove, &limits)?;
        if load.kind != Kind::Rr {
            return Ok(None);
        }
        let responses = Responses::read(&String::from_utf8_lossy(&written));
        if let Some(summary) = responses.summary() {
            cx.keep(
                &place.join("summary-response-times.txt"),
                summary.as_bytes(),
            )?;
        }
        Ok(Some(responses))
    }
}

/// Names both ends: with many pairs one must know which.
fn from_to(fault: Fault, machine: &Machine, pair: &Pair) -> Fault {
    let Pair {
        server_name,
        to,
        port,
        ..
    } = pair;
    Fault {
        message: format!(
            "client {} to server {server_name} ({to}, port {port}): {}",
            machine.client, fault.message
        ),
        ..fault
    }
}

/// Percentiles of transactions of `client`.
fn percentiles(client: &str, responses: &Responses) -> Vec<SampleEntry> {
    let times = responses.transactions();
    let entry = |metric: &str, words: String, value: f64| SampleEntry {
        class: Class::Latency,
        metric: metric.into(),
        client: client.into(),
        unit: "us".into(),
        better: Better::Lower,
        description: words,
        value,
        series: Vec::new(),
        aggregate: false,
    };
    let Some(longest) = times.last() else {
        return Vec::new();
    };
    let mut out: Vec<SampleEntry> = PERCENTILES
        .iter()
        .map(|(metric, share)| {
            let words = format!(
                "Time that {} percent of transactions stay within",
                share * 100.0
            );
            entry(metric, words, times[element(times.len(), *share)])
        })
        .collect();
    out.push(entry(
        "trans_max",
        "Time of the slowest transaction".into(),
        *longest,
    ));
    out
}

impl Tool for Uperf {
    fn benchmark(&self) -> &'static str {
        NAME
    }

    fn points(&self) -> Vec<Point> {
        let point = |load: &Load| {
            let mut benchmark = load.benchmark();
            let more = json!({
                "primary_metric": output::primary(load.kind),
                "benchmark_version": self.version,
                "clients": self.lists.0,
                "servers": self.lists.1,
                "runtime": self.settings.runtime_s.to_string(),
                "trim": self.settings.trim_s.to_string(),
            });
            benchmark.extend(more.as_object().cloned().unwrap_or_default());
            Point {
                name: load.name(),
                expected: Some(Duration::from_secs(self.settings.duration_s() + 2)),
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
            "{} s of uperf, of which {} s count, between all pairs at the same time; control ports from {}",
            settings.duration_s(),
            settings.runtime_s,
            settings.route.port
        )]
    }

    fn without_effect(&self) -> &[&'static str] {
        &self.settings.ignored
    }

    fn places(&self, cx: &TestContext<'_>) -> Result<Vec<Place>, TestError> {
        Ok(pairs::place(cx, &self.settings.route)?.places)
    }

    fn set_up(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError> {
        let placed = pairs::place(cx, &self.settings.route)?;
        self.lists = pairs::lists(&placed.places, &placed.pairs);
        self.pairs = placed.pairs;
        let limits = cx.run.limits().within(SHORT);
        let bound = |nodes: &[Option<u32>]| nodes.iter().any(Option::is_some);
        let numactl = bound(&self.settings.server_nodes) || bound(&self.settings.client_nodes);
        for machine in machines {
            let command = CommandLine::new(&self.settings.binary).arg("-V");
            let output = machine.run(&PROGRAM, &command, &limits)?;
            self.version = check_version(&output.text(), machine)?;
            if numactl {
                let there = CommandLine::script("command -v numactl");
                if !machine.shell().run(&there, &limits)?.exit.success() {
                    let target = machine.shell().target();
                    let message = format!(
                        "numactl, which server-nodes and client-nodes need, is not on {target}"
                    );
                    return Err(Fault::new(
                        "not-installed",
                        message,
                        "install the package numactl",
                    )
                    .into());
                }
            }
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
            |pair| self.serve(pair, load),
            |pair| self.hear(cx, &machines[pair.client], pair, load, raw),
        )?;
        let mut entries = Vec::new();
        let mut all = Responses::default();
        for (pair, heard) in self.pairs.iter().zip(heard) {
            entries.extend(heard.entries);
            if let Some(responses) = heard.responses {
                entries.extend(percentiles(&machines[pair.client].client, &responses));
                all.add(responses);
            }
        }
        entries.extend(percentiles(ALL, &all));
        Ok(entries)
    }
}

/// Accepts `Uperf Version 1.0.8` in the first line; returns the version.
fn check_version(text: &str, machine: &Machine) -> Result<String, Fault> {
    let target = machine.shell().target();
    let line = text.lines().next().unwrap_or_default();
    let version = line.split_whitespace().nth(2).unwrap_or_default();
    let mut numbers = version
        .split(['.', '-'])
        .map(|part| part.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    let (Some(major), Some(minor)) = (next(), next()) else {
        let found = text::one_line(line);
        let message = format!(
            "`uperf -V` on {target} printed `{found}`, expected Uperf Version 1.0.7 or newer"
        );
        return Err(Fault::new(
            "not-installed",
            message,
            "check which program `uperf` is there",
        ));
    };
    if (major, minor, next().unwrap_or(0)) < OLDEST {
        let message = format!("uperf {version} on {target} is too old, expected 1.0.7 or newer");
        return Err(Fault::new("too-old", message, "build a newer uperf"));
    }
    Ok(version.to_owned())
}
