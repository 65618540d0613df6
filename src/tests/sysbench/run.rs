//! The test: sysbench on every worker at once, files laid out before and removed after each sample.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::output;
use super::params::{Case, Kind, Settings, Threads};
use super::{NAME, PROGRAM};
use crate::control::undo::Undo;
use crate::shell::{CommandLine, Output};
use crate::tests::fault::Fault;
use crate::tests::params::ParamError;
use crate::tests::pbench::SampleEntry;
use crate::tests::tool::drive::everywhere;
use crate::tests::tool::machine::SHORT;
use crate::tests::tool::options::Repeat;
use crate::tests::tool::{Driven, Machine, Point, Tool};
use crate::tests::{Test, TestContext, TestError};

/// Beyond the runtime: start, end, a slow machine.
const MARGIN: Duration = Duration::from_secs(120);
/// Of `mutex`, which ends by itself.
const NO_RUNTIME: Duration = Duration::from_secs(3600);
/// Slowest layout that is waited for, bytes a second.
const LAYOUT_RATE: u64 = 10 << 20;

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let tool = Sysbench {
        settings: Settings::read(given)?,
        version: String::new(),
        cpus: BTreeMap::new(),
    };
    Ok(Box::new(Driven::new(name, tool)))
}

struct Sysbench {
    settings: Settings,
    version: String,
    /// Processors of each client, when they are asked for.
    cpus: BTreeMap<String, u64>,
}

impl Sysbench {
    fn command(&self, machine: &Machine, case: &Case, verb: &str) -> CommandLine {
        let threads = match case.threads {
            Threads::Count(count) => count,
            Threads::All => self.cpus.get(&machine.client).copied().unwrap_or(1),
        };
        let mut command = CommandLine::new(&self.settings.binary)
            .arg(case.kind.name())
            .arg(format!("--threads={threads}"))
            .arg(format!("--time={}", self.settings.runtime_s))
            .arg(format!("--rand-seed={}", self.settings.seed));
        match case.kind {
            Kind::Cpu | Kind::Threads | Kind::Fileio => command = command.arg("--events=0"),
            // Ended by time alone.
            Kind::Memory => command = command.arg("--memory-total-size=1048576T"),
            Kind::Mutex => {}
        }
        command.args(self.settings.options_of(case)).arg(verb)
    }

    /// Returns where files lie.
    fn directory(&self, machine: &Machine) -> String {
        match &self.settings.directory {
            Some(folder) => {
                let folder = folder.trim_end_matches('/');
                format!("{folder}/runperf-sysbench.{}", machine.token())
            }
            None => machine.path("files").to_string_lossy().into_owned(),
        }
    }

    fn once(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        case: &Case,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        let run = self.command(machine, case, "run");
        let output = match case.kind {
            Kind::Fileio => self.with_files(cx, machine, case, run, raw)?,
            Kind::Mutex => machine.measure(cx, &PROGRAM, run, NO_RUNTIME, raw)?,
            _ => machine.measure(cx, &PROGRAM, run, self.deadline(), raw)?,
        };
        Ok(output::entries(case.kind, &machine.client, &output)?)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(self.settings.runtime_s) + MARGIN
    }

    /// Lays files out, measures, and removes them; each sample finds them fresh.
    fn with_files(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        case: &Case,
        run: CommandLine,
        raw: &Path,
    ) -> Result<Output, TestError> {
        let limits = cx.run.limits();
        let folder = self.directory(machine);
        let remove = CommandLine::new("rm").args(["-rf", "--"]).arg(&folder);
        machine.small(&remove, &limits)?;
        let make = CommandLine::new("mkdir")
            .args(["-m", "700", "--"])
            .arg(&folder);
        machine.small(&make, &limits)?;
        // The folder must be the working folder of both, whatever folder `measure` starts in.
        let there = |command: CommandLine| {
            let words = command.args.iter().map(crate::shell::command::Arg::reveal);
            CommandLine::script(r#"cd -- "$1" && shift && exec "$@""#)
                .arg("there")
                .arg(&folder)
                .args(words)
        };
        let prepare = there(self.command(machine, case, "prepare"));
        let layout = Duration::from_secs(self.settings.file_bytes / LAYOUT_RATE) + MARGIN;
        let limits_of_layout = limits.clone().within(layout);
        let laid_out = machine.run(&PROGRAM, &prepare, &limits_of_layout)?;
        let ran = if laid_out.exit.success() {
            machine.measure(cx, &PROGRAM, there(run), self.deadline(), raw)
        } else {
            cx.keep(
                &raw.join(crate::text::file_name(&machine.client))
                    .join("prepare"),
                &laid_out.stdout,
            )?;
            Ok(laid_out)
        };
        if ran.is_ok() {
            machine.small(&remove, &limits)?;
        }
        ran
    }

    fn benchmark(&self, case: &Case) -> Map<String, Value> {
        let threads = match case.threads {
            Threads::Count(count) => count.to_string(),
            Threads::All => "all".into(),
        };
        let benchmark = json!({
            "primary_metric": case.kind.primary(),
            "test": case.kind.name(),
            "threads": threads,
            "runtime": self.settings.runtime_s.to_string(),
            "options": self.settings.options_of(case).join(" "),
            "seed": self.settings.seed.to_string(),
        });
        benchmark.as_object().cloned().unwrap_or_default()
    }
}

impl Tool for Sysbench {
    fn benchmark(&self) -> &'static str {
        NAME
    }

    fn points(&self) -> Vec<Point> {
        let point = |case: &Case| Point {
            name: case.name(),
            expected: (case.kind != Kind::Mutex)
                .then(|| Duration::from_secs(self.settings.runtime_s)),
            benchmark: self.benchmark(case),
        };
        self.settings.cases.iter().map(point).collect()
    }

    fn repeat(&self) -> &Repeat {
        &self.settings.repeat
    }

    fn describe(&self) -> Vec<String> {
        vec![format!(
            "{} s of sysbench on every worker at the same time",
            self.settings.runtime_s
        )]
    }

    fn set_up(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError> {
        let limits = cx.run.limits().within(SHORT);
        let version = CommandLine::new(&self.settings.binary).arg("--version");
        for machine in machines {
            let output = machine.run(&PROGRAM, &version, &limits)?;
            let text = output.text();
            let target = machine.shell().target();
            let Some(found) = text.trim().strip_prefix("sysbench ") else {
                let found = crate::text::one_line(text.trim());
                let message = format!(
                    "`{version}` on {target} printed `{found}`, expected sysbench 1.0 or newer"
                );
                let hint = "check which program `sysbench` is there";
                return Err(Fault::new("not-installed", message, hint).into());
            };
            if found.starts_with("0.") {
                let message =
                    format!("sysbench {found} on {target} is too old, expected 1.0 or newer");
                return Err(Fault::new("too-old", message, "install a newer sysbench").into());
            }
            self.version = found
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            if self
                .settings
                .cases
                .iter()
                .any(|case| case.threads == Threads::All)
            {
                self.cpus
                    .insert(machine.client.clone(), machine.cpus(&limits)?);
            }
            if self.settings.directory.is_some() {
                machine.promise(Undo::RemovePath {
                    on: machine.worker.name.as_str().into(),
                    path: self.directory(machine),
                    tree: true,
                })?;
            }
        }
        Ok(())
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn sample(
        &self,
        cx: &TestContext<'_>,
        machines: &[Machine],
        point: usize,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        let case = &self.settings.cases[point];
        let all = everywhere(machines, |machine| self.once(cx, machine, case, raw))?;
        Ok(all.concat())
    }
}
