//! The test: stress-ng on every worker at once.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::output;
use super::params::{Case, Settings};
use super::{NAME, PROGRAM};
use crate::shell::CommandLine;
use crate::tests::fault::Fault;
use crate::tests::params::ParamError;
use crate::tests::pbench::SampleEntry;
use crate::tests::tool::drive::everywhere;
use crate::tests::tool::machine::SHORT;
use crate::tests::tool::options::Repeat;
use crate::tests::tool::{Driven, Machine, Point, Tool};
use crate::tests::{Test, TestContext, TestError};

/// Beyond the runtime: some stressors take long to stop.
const MARGIN: Duration = Duration::from_secs(300);
/// What stress-ng writes, in the private folder.
const YAML: &str = "metrics.yaml";

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let tool = StressNg {
        settings: Settings::read(given)?,
        version: String::new(),
    };
    Ok(Box::new(Driven::new(name, tool)))
}

struct StressNg {
    settings: Settings,
    version: String,
}

impl StressNg {
    fn command(&self, machine: &Machine, case: &Case) -> CommandLine {
        let mut command = CommandLine::new(&self.settings.binary);
        for name in &case.stressors {
            command = command
                .arg(format!("--{name}"))
                .arg(case.instances.to_string());
        }
        command
            .args(["--timeout", &format!("{}s", self.settings.runtime_s)])
            .args(["--seed", &self.settings.seed.to_string()])
            .args(["--temp-path", machine.folder()])
            .args(["--metrics", "--yaml", YAML])
            .args(self.settings.options.iter().map(String::as_str))
    }

    fn once(
        &self,
        cx: &TestContext<'_>,
        machine: &Machine,
        case: &Case,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError> {
        // Nothing of the sample before may be taken for this one's.
        let remove = CommandLine::new("rm").args(["-f", "--", YAML]);
        let limits = cx.run.limits();
        machine.small(&remove, &limits)?;
        let deadline = Duration::from_secs(self.settings.runtime_s) + MARGIN;
        let command = self.command(machine, case);
        let output = machine.measure(cx, &PROGRAM, command, deadline, raw)?;
        let yaml = machine.get(YAML, &limits)?;
        if let Some(yaml) = &yaml {
            let place = raw.join(crate::text::file_name(&machine.client)).join(YAML);
            cx.keep(&place, yaml)?;
        }
        let client = &machine.client;
        Ok(output::entries(
            &case.stressors,
            client,
            &output,
            yaml.as_deref(),
        )?)
    }

    fn benchmark(&self, case: &Case) -> Map<String, Value> {
        let primary = match case.stressors.as_slice() {
            [_] => "bogo_ops_sec".to_owned(),
            [first, ..] => format!("{first}_bogo_ops_sec"),
            [] => String::new(),
        };
        let benchmark = json!({
            "primary_metric": primary,
            "stressors": case.stressors.join(","),
            "instances": case.instances.to_string(),
            "runtime": self.settings.runtime_s.to_string(),
            "options": self.settings.options.join(" "),
            "seed": self.settings.seed.to_string(),
        });
        benchmark.as_object().cloned().unwrap_or_default()
    }
}

impl Tool for StressNg {
    fn benchmark(&self) -> &'static str {
        NAME
    }

    fn points(&self) -> Vec<Point> {
        let point = |case: &Case| Point {
            name: case.name(),
            expected: Some(Duration::from_secs(self.settings.runtime_s)),
            benchmark: self.benchmark(case),
        };
        self.settings.cases.iter().map(point).collect()
    }

    fn repeat(&self) -> &Repeat {
        &self.settings.repeat
    }

    fn describe(&self) -> Vec<String> {
        let runtime = self.settings.runtime_s;
        vec![format!(
            "{runtime} s of stress-ng on every worker at the same time"
        )]
    }

    fn set_up(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError> {
        let limits = cx.run.limits().within(SHORT);
        let version = CommandLine::new(&self.settings.binary).arg("--version");
        for machine in machines {
            let text = machine.run(&PROGRAM, &version, &limits)?.text();
            let found = text.trim().strip_prefix("stress-ng, version ");
            let Some(found) = found.and_then(|rest| rest.split_whitespace().next()) else {
                let found = crate::text::one_line(text.trim());
                let target = machine.shell().target();
                let message = format!(
                    "`{version}` on {target} printed `{found}`, expected stress-ng, version N"
                );
                let hint = "check which program `stress-ng` is there";
                return Err(Fault::new("not-installed", message, hint).into());
            };
            self.version = found.to_owned();
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
