//! A command of the user's own as a test, with declared ways to read numbers from its output.
//!
//! In each sample the command runs on every worker of every group at the same time; each worker
//! is a client of the result. Without declared metrics the time it takes is the measurement.
//! How a number is found is in [`metric`], what is asked for in [`options`].

pub(super) mod metric;
mod options;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use self::metric::Metric;
use self::options::Options;
pub use self::options::{ALIASES, NAME, PARAMS, SUMMARY};
use super::params::ParamError;
use super::pbench::{Class, IterationBuilder, SampleEntry};
use super::tool::drive::each;
use super::{Expected, Test, TestContext, TestError};
use crate::control::cancel::CancelToken;
use crate::control::event::Event;
use crate::control::journal::Step;
use crate::control::undo::Undo;
use crate::host::Worker;
use crate::host::monitor::Monitors;
use crate::metric::Better;
use crate::shell::command::Arg;
use crate::shell::{CommandLine, Limits, Output, ShellError, ShellExt};
use crate::store::result_json::Iteration;

/// How long `cleanup` may take on a worker when `timeout` says nothing.
const CLEANUP_LIMIT: Duration = Duration::from_secs(600);

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with its place.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let options = Options::parse(given)?;
    Ok(Box::new(Command {
        name,
        options,
        clean_ups: Vec::new(),
    }))
}

#[derive(Debug)]
struct Command {
    name: String,
    options: Options,
    /// `cleanup` on each worker, as the journal has it from set-up to clean-up.
    clean_ups: Vec<Step>,
}

/// What a command left on one worker.
struct Left {
    client: String,
    output: Output,
    /// Content of each file a metric reads.
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Command {
    /// Runs `command` on all workers at once; results come back in the order of workers.
    fn everywhere(
        &self,
        cx: &TestContext<'_>,
        command: &CommandLine,
        limits: &Limits,
    ) -> Vec<Result<Output, ShellError>> {
        let workers: Vec<&Worker> = cx.workers.all().collect();
        each(&workers, |worker| {
            let command = command.clone().env("RUNPERF_WORKER", worker.name.as_str());
            worker.shell.run(&command, limits)
        })
    }

    /// Runs a preparing or removing command that must succeed on every worker.
    fn aside(
        &self,
        cx: &TestContext<'_>,
        what: &str,
        command: &CommandLine,
        limits: &Limits,
    ) -> Result<(), TestError> {
        let outputs = self.everywhere(cx, command, limits);
        for (worker, output) in cx.workers.all().zip(outputs) {
            let output = output.map_err(|error| self.gave_up(cx, what, error))?;
            if !output.exit.success() {
                return Err(self.bad_status(cx, what, worker, &output));
            }
        }
        Ok(())
    }

    /// Writes `cleanup` down before anything is set up, so that recovery runs it after a crash.
    fn promise_clean_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let Some(argv) = self.options.cleanup.as_ref().map(undo_words) else {
            return Ok(());
        };
        let Some(argv) = argv else {
            tracing::warn!(
                test = %self.name,
                "`cleanup` holds a secret, so it is not in the journal and not run after a crash"
            );
            return Ok(());
        };
        for worker in cx.workers.all() {
            let scope = format!("{}/{}/{}", worker.name, cx.profile, self.name);
            let undo = Undo::Command {
                on: worker.name.as_str().into(),
                argv: argv.clone(),
            };
            self.clean_ups.push(cx.run.journal.plan(&scope, undo)?);
        }
        Ok(())
    }

    fn limits(&self, cx: &TestContext<'_>) -> Limits {
        let limits = cx.run.limits();
        match self.options.timeout {
            Some(time) => limits.within(time),
            None => limits,
        }
    }

    /// Runs the command once everywhere and keeps what it printed under `dir`.
    fn once(&self, cx: &TestContext<'_>, sample: u32, dir: &Path) -> Result<Vec<Left>, TestError> {
        let command = self
            .options
            .command
            .clone()
            .env("RUNPERF_ITERATION", self.options.iteration.as_str())
            .env("RUNPERF_SAMPLE", sample.to_string());
        let limits = self.limits(cx);
        let outputs = self.everywhere(cx, &command, &limits);
        let names = cx.client_names();
        let mut left = Vec::new();
        let mut problem = None;
        for ((worker, client), output) in cx.workers.all().zip(names).zip(outputs) {
            let output = match output {
                Ok(output) => output,
                Err(error) => {
                    problem.get_or_insert_with(|| self.gave_up(cx, "the command", error));
                    continue;
                }
            };
            let machine = crate::text::file_name(&worker.name);
            cx.keep(&dir.join(format!("{machine}.stdout")), &output.stdout)?;
            cx.keep(&dir.join(format!("{machine}.stderr")), &output.stderr)?;
            if !output.exit.success() {
                problem.get_or_insert_with(|| self.bad_status(cx, "the command", worker, &output));
                continue;
            }
            let mut files = Vec::new();
            for path in self.options.files() {
                let content = worker
                    .shell
                    .read_file(&self.options.below_cwd(path), &cx.run.limits())?;
                let Some(content) = content else {
                    let message = format!(
                        "the command left no file {} on {}",
                        path.display(),
                        worker.name
                    );
                    problem.get_or_insert_with(|| failed("no-number", message, None));
                    continue;
                };
                let kept = crate::text::file_name(&path.to_string_lossy());
                cx.keep(&dir.join(format!("{machine}.file-{kept}")), &content)?;
                files.push((path.to_owned(), content));
            }
            left.push(Left {
                client,
                output,
                files,
            });
        }
        match problem {
            Some(problem) => Err(problem),
            None => Ok(left),
        }
    }

    /// Reads every metric of one worker.
    fn entries(&self, cx: &TestContext<'_>, left: &Left) -> Result<Vec<SampleEntry>, TestError> {
        if self.options.metrics.is_empty() {
            return Ok(vec![SampleEntry {
                class: Class::Latency,
                metric: "wall_s".into(),
                client: left.client.clone(),
                unit: "s".into(),
                better: Better::Lower,
                description: "Time the command took, seen from the controller".into(),
                value: left.output.took.as_secs_f64(),
                series: Vec::new(),
                aggregate: true,
            }]);
        }
        self.options
            .metrics
            .iter()
            .map(|metric| self.entry(cx, metric, left))
            .collect()
    }

    fn entry(
        &self,
        cx: &TestContext<'_>,
        metric: &Metric,
        left: &Left,
    ) -> Result<SampleEntry, TestError> {
        let source = match &metric.file {
            None => &left.output.stdout,
            Some(wanted) => left
                .files
                .iter()
                .find(|(path, _)| path == wanted)
                .map_or(&left.output.stdout, |(_, content)| content),
        };
        let text = String::from_utf8_lossy(source);
        let value = metric.read(&text).map_err(|reason| {
            let place = metric
                .file
                .as_ref()
                .map_or_else(|| "output".into(), |path| path.display().to_string());
            let message = format!(
                "no number for metric `{}`: {reason}; {place} of {} ends: {}",
                metric.name,
                left.client,
                tail(&text)
            );
            failed(
                "no-number",
                cx.run.redactor.clean(&message),
                Some("try the command by hand and correct how the metric is read"),
            )
        })?;
        Ok(SampleEntry {
            class: metric.class,
            metric: metric.name.clone(),
            client: left.client.clone(),
            unit: metric.unit.clone(),
            better: metric.better,
            description: format!(
                "{} as read from {}",
                metric.name,
                metric
                    .file
                    .as_ref()
                    .map_or("standard output".into(), |path| path.display().to_string())
            ),
            value,
            series: Vec::new(),
            aggregate: true,
        })
    }

    fn bad_status(
        &self,
        cx: &TestContext<'_>,
        what: &str,
        worker: &Worker,
        output: &Output,
    ) -> TestError {
        let printed = match output.tail() {
            tail if tail.is_empty() => "it printed nothing".to_owned(),
            tail => format!("its last lines:\n{}", cx.run.redactor.clean(&tail)),
        };
        let message = format!(
            "{what} ended with {} on {}; {printed}",
            output.exit, worker.name
        );
        failed("exit-status", message, None)
    }

    /// Turns what a limit did into words; everything else stays a shell error.
    fn gave_up(&self, cx: &TestContext<'_>, what: &str, error: ShellError) -> TestError {
        match error {
            ShellError::TimedOut {
                ref target,
                ref limit,
                ref tail,
                ..
            } => {
                let printed = if tail.is_empty() {
                    String::new()
                } else {
                    format!("; its last lines:\n{}", cx.run.redactor.clean(tail))
                };
                let message = format!(
                    "{what} did not end within {} s on {target}{printed}",
                    self.options.timeout.unwrap_or(*limit).as_secs_f64()
                );
                failed(
                    "timeout",
                    message,
                    Some("raise `timeout`, or find out what it waits for"),
                )
            }
            other => other.into(),
        }
    }

    fn benchmark(&self, cx: &TestContext<'_>) -> Map<String, Value> {
        object(json!({
            "benchmark_name": self.name,
            "primary_metric": self.options.primary(),
            "command": cx.run.redactor.clean(&self.options.command.to_string()),
            "driver": "native",
            "tool_version": env!("CARGO_PKG_VERSION"),
        }))
    }
}

impl Test for Command {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> Expected {
        Expected {
            iterations: Some(1),
            samples: Some(self.options.samples),
            duration: None,
        }
    }

    fn describe(&self) -> Vec<String> {
        let options = &self.options;
        let mut lines = Vec::new();
        lines.extend(
            options
                .setup
                .iter()
                .map(|command| format!("before: `{command}` on every worker")),
        );
        let warm = if options.warmup > 0 {
            format!(" after {} thrown away", options.warmup)
        } else {
            String::new()
        };
        lines.push(format!(
            "run `{}` on every worker, {} samples{warm}",
            options.command, options.samples
        ));
        lines.extend(
            options
                .cleanup
                .iter()
                .map(|command| format!("after: `{command}` on every worker")),
        );
        lines
    }

    fn set_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        self.options
            .secrets()
            .for_each(|secret| cx.run.redactor.learn(secret));
        self.promise_clean_up(cx)?;
        match &self.options.setup {
            Some(command) => self.aside(cx, "`setup`", command, &self.limits(cx)),
            None => Ok(()),
        }
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let begun = Instant::now();
        let options = &self.options;
        let user = object(json!({"profile": cx.profile, "distro": cx.host.distro}));
        let mut builder = IterationBuilder::new(
            1,
            options.iteration.as_str(),
            self.benchmark(cx),
            vec![user],
        );
        let raw = cx
            .dir
            .join("raw")
            .join(crate::text::file_name(&options.iteration));
        for warmup in 1..=options.warmup {
            self.once(cx, 0, &raw.join(format!("warmup{warmup}")))?;
        }
        for sample in 1..=options.samples {
            cx.tell(&Event::SampleStarted {
                iteration: options.iteration.clone(),
                index: 1,
                iterations: 1,
                sample,
                samples: options.samples,
                expected: None,
            });
            let monitors = Monitors::start(cx.workers, cx.run);
            let left = self.once(cx, sample, &raw.join(format!("sample{sample}")));
            monitors.finish(cx.dir, &options.iteration, sample);
            let measured = left.and_then(|left| {
                left.iter()
                    .map(|left| self.entries(cx, left))
                    .collect::<Result<Vec<_>, _>>()
            });
            match measured {
                Ok(entries) => builder.sample(entries.concat()),
                Err(error) => {
                    if let TestError::Failed { class, message, .. } = &error {
                        builder.failed_sample(sample, class, &crate::text::one_line(message));
                        cx.checkpoint(&[builder.build()])?;
                    }
                    return Err(error);
                }
            }
            cx.checkpoint(&[builder.build()])?;
        }
        let iteration = builder.build();
        cx.tell(&Event::IterationDone {
            iteration: options.iteration.clone(),
            index: 1,
            iterations: 1,
            value: iteration
                .primary()
                .map(|(mean, unit)| (mean, unit.to_owned())),
            took: begun.elapsed(),
        });
        Ok(vec![iteration])
    }

    fn clean_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let Some(command) = &self.options.cleanup else {
            return Ok(());
        };
        // What was set up is removed even when the run is being stopped.
        let limits = Limits::new(CancelToken::default())
            .within(self.options.timeout.unwrap_or(CLEANUP_LIMIT));
        let cleaned = self.aside(cx, "`cleanup`", command, &limits);
        for step in self.clean_ups.drain(..) {
            match cleaned {
                Ok(()) => step.done(),
                // Not once more now: `--recover` tries again when somebody has looked.
                Err(_) => step.keep(),
            }
        }
        cleaned
    }
}

/// Returns a command as words alone, folder and variables included; `None` when one is secret.
fn undo_words(command: &CommandLine) -> Option<Vec<String>> {
    let plain = |arg: &Arg| match arg {
        Arg::Plain(text) => Some(text.clone()),
        Arg::Secret(_) => None,
    };
    let mut words = Vec::new();
    if let Some(folder) = &command.cwd {
        let change = r#"cd -- "$1" && shift && exec "$@""#;
        words.extend(["sh", "-c", change, "cd"].map(str::to_owned));
        words.push(folder.to_str()?.to_owned());
    }
    if !command.env.is_empty() {
        words.push("env".to_owned());
        for (name, value) in &command.env {
            words.push(format!("{name}={}", plain(value)?));
        }
    }
    for arg in &command.args {
        words.push(plain(arg)?);
    }
    // What is fed to it would have to be kept as well.
    command.stdin.is_none().then_some(words)
}

/// Returns the last lines of an output.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    match lines[..] {
        [] => "(nothing was printed)".into(),
        _ => format!("\n{}", lines[lines.len().saturating_sub(5)..].join("\n")),
    }
}

fn failed(class: &str, message: String, hint: Option<&str>) -> TestError {
    TestError::Failed {
        class: class.into(),
        message,
        hint: hint.map(str::to_owned),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod unit;
