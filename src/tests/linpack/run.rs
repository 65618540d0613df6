//! The test: one problem for each number of threads, on every worker at once.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::input;
use super::output;
use super::params::{Settings, steps};
use super::program::{self, Found, HPCC_INPUT, HPCC_OUTPUT, INTEL_INPUT};
use super::{NAME, PROGRAM};
use crate::shell::CommandLine;
use crate::tests::fault::Fault;
use crate::tests::params::ParamError;
use crate::tests::pbench::SampleEntry;
use crate::tests::pbench_driver;
use crate::tests::tool::drive::everywhere;
use crate::tests::tool::machine::SHORT;
use crate::tests::tool::options::Repeat;
use crate::tests::tool::{Driven, Machine, Point, Tool};
use crate::tests::{Test, TestContext, TestError};

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    if pbench_driver::is_asked_for(given) {
        return pbench_driver::build(pbench_driver::LINPACK, name, given);
    }
    let settings = Settings::read(given)?;
    let tool = Linpack {
        threads: settings.threads.clone().unwrap_or_default(),
        settings,
        found: Vec::new(),
    };
    Ok(Box::new(Driven::new(name, tool)))
}

struct Linpack {
    settings: Settings,
    /// Chosen at set-up when none are given.
    threads: Vec<u64>,
    /// Program of each machine by its client name, from set-up on; in order.
    found: Vec<(String, Found)>,
}

struct Case {
    threads: u64,
    size: u64,
    leading: u64,
    /// Whether there is another one of as many threads.
    sizes: usize,
}

impl Case {
    fn name(&self) -> String {
        // pbench knows one size only and names no other.
        match self.sizes {
            1 => format!("{}-threads", self.threads),
            _ => format!("{}-threads-{}N", self.threads, self.size),
        }
    }
}

impl Linpack {
    /// Returns the program of the first machine; the others have the same one.
    fn program(&self) -> Option<&Found> {
        self.found.first().map(|(_, found)| found)
    }

    fn cases(&self) -> Vec<Case> {
        let default = match self.program() {
            Some(Found::Hpcc(_)) => input::HPCC_SIZE,
            _ => input::INTEL_SIZE,
        };
        let sizes = self
            .settings
            .problem_sizes
            .clone()
            .unwrap_or_else(|| vec![default]);
        let mut cases = Vec::new();
        for threads in &self.threads {
            for (index, size) in sizes.iter().enumerate() {
                let given = self
                    .settings
                    .leading
                    .as_ref()
                    .and_then(|all| all.get(index));
                cases.push(Case {
                    threads: *threads,
                    size: *size,
                    leading: given.copied().unwrap_or_else(|| input::leading(*size)),
                    sizes: sizes.len(),
                });
            }
        }
        cases
    }

    fn once(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        case: &Case,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        let limits = cx.run.limits();
        let found = self
            .found
            .iter()
            .find(|(client, _)| *client == machine.client);
        let (_, found) = found.ok_or_else(|| TestError::Skip {
            reason: "no program was looked for there".into(),
        })?;
        let (name, text) = match found {
            Found::Intel(_) => {
                let text = input::intel(&self.settings, case.size, case.leading);
                (INTEL_INPUT, text)
            }
            Found::Hpcc(_) => {
                // It adds to a file that is there.
                let remove = CommandLine::new("rm").args(["-f", "--", HPCC_OUTPUT]);
                machine.small(&remove, &limits)?;
                let text = input::hpcc(case.size, self.settings.block, case.threads);
                (HPCC_INPUT, text)
            }
        };
        machine.put(name, text.as_bytes(), &limits)?;
        let place = raw.join(crate::text::file_name(&machine.client));
        cx.keep(&place.join(name), text.as_bytes())?;
        let command = program::command(found, &self.settings, case.threads);
        let deadline = Duration::from_secs(self.settings.timeout_s);
        let output = machine.measure(cx, &PROGRAM, command, deadline, raw)?;
        let (gflops, seconds) = match found {
            Found::Intel(_) => (output::intel(&output)?, None),
            Found::Hpcc(_) => {
                let written = machine.get(HPCC_OUTPUT, &limits)?;
                if let Some(written) = &written {
                    cx.keep(&place.join(HPCC_OUTPUT), written)?;
                }
                let (gflops, seconds) = output::hpcc(&output, written.as_deref())?;
                (gflops, Some(seconds))
            }
        };
        Ok(output::entries(&machine.client, gflops, seconds))
    }

    fn benchmark(&self, case: &Case) -> Map<String, Value> {
        let mut benchmark = json!({
            "primary_metric": "gflops",
            "threads": case.threads.to_string(),
            "problem_sizes": case.size.to_string(),
            "numactl_cmd": self.settings.numactl.join(" "),
        });
        match self.program() {
            Some(Found::Hpcc(path)) => {
                let (rows, columns) = input::grid(case.threads);
                benchmark["binary"] = path.as_str().into();
                benchmark["block_size"] = self.settings.block.to_string().into();
                benchmark["grid"] = format!("{rows}x{columns}").into();
            }
            Some(Found::Intel(path)) => {
                benchmark["binary"] = path.as_str().into();
                let omp = if self.settings.affinity.is_some() {
                    "y"
                } else {
                    "n"
                };
                benchmark["use_omp"] = omp.into();
                benchmark["kmp_affinity"] =
                    self.settings.affinity.clone().unwrap_or_default().into();
                benchmark["leading_dimensions"] = case.leading.to_string().into();
                benchmark["alignment_values"] = self.settings.alignment.to_string().into();
            }
            None => {}
        }
        benchmark.as_object().cloned().unwrap_or_default()
    }

    /// Chooses threads by the processors of the worker that has the fewest: `guest_cpus` of the
    /// host's parameters by its workers, else what the workers count.
    fn choose(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError> {
        let limits = cx.run.limits().within(SHORT);
        let here = cx.workers.0.iter().find(|group| !group.is_empty());
        let share = here.map_or(1, Vec::len) as u64;
        let cpus = match cx.host.params.number("guest_cpus") {
            Some(cpus) => (cpus / share).max(1),
            None => {
                let mut fewest = u64::MAX;
                for machine in machines {
                    fewest = fewest.min(machine.cpus(&limits)?);
                }
                fewest
            }
        };
        // Processes of MPI wait by turning: more of them than processors measure nothing.
        let most = match self.program() {
            Some(Found::Hpcc(_)) => cpus,
            _ => cpus.saturating_mul(2),
        };
        self.threads = steps(most);
        Ok(())
    }
}

impl Tool for Linpack {
    fn benchmark(&self) -> &'static str {
        NAME
    }

    fn points(&self) -> Vec<Point> {
        let point = |case: &Case| Point {
            name: case.name(),
            expected: None,
            benchmark: self.benchmark(case),
        };
        self.cases().iter().map(point).collect()
    }

    fn repeat(&self) -> &Repeat {
        &self.settings.repeat
    }

    fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "each sample is ended after {} s",
            self.settings.timeout_s
        )];
        if self.threads.is_empty() {
            lines.push("threads: by the processors of the workers".into());
        }
        lines
    }

    fn without_effect(&self) -> &[&'static str] {
        &self.settings.ignored
    }

    fn set_up(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError> {
        let limits = cx.run.limits().within(SHORT);
        for machine in machines {
            let found = program::look(machine, &self.settings, &limits)?;
            let other = |first: &&Found| first.name() != found.name();
            if let Some(first) = self.program().filter(other) {
                let message = format!(
                    "{} has {} where {} has {}: their figures do not compare",
                    machine.shell().target(),
                    found.name(),
                    machines[0].shell().target(),
                    first.name()
                );
                let hint = "install the same program on all, or name it with `linpack-binary`";
                return Err(Fault::new("not-installed", message, hint).into());
            }
            self.found.push((machine.client.clone(), found));
        }
        if self.settings.threads.is_none() {
            self.choose(cx, machines)?;
        }
        Ok(())
    }

    fn version(&self) -> String {
        self.program().map_or("", Found::name).to_owned()
    }

    fn sample(
        &self,
        cx: &TestContext<'_>,
        machines: &[Machine],
        point: usize,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        let cases = self.cases();
        let case = &cases[point];
        let all = everywhere(machines, |machine| self.once(cx, machine, case, raw))?;
        Ok(all.concat())
    }
}
