//! From a tool to a test: points, samples, repetitions, checkpoints, the way back.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::machine::Machine;
use super::options::Repeat;
use crate::control::event::Event;
use crate::control::journal::Left;
use crate::host::monitor::Monitors;
use crate::host::{Worker, Workers};
use crate::store::StoreError;
use crate::store::result_json::Iteration;
use crate::tests::pbench::{ALL, IterationBuilder, SampleEntry};
use crate::tests::{Expected, Test, TestContext, TestError};
use crate::text;

/// A machine that is needed, and how results name it.
#[derive(Debug, Clone)]
pub struct Place {
    /// As results name it.
    pub client: String,
    /// Where it is.
    pub worker: Worker,
}

/// One iteration: a point of the cross product of parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// `tcp_stream-64B-1i`.
    pub name: String,
    /// How long a sample takes, when that is known.
    pub expected: Option<Duration>,
    /// What is recorded of how it is measured; holds `primary_metric`.
    pub benchmark: Map<String, Value>,
}

/// Keys that tell entries apart beside the client: `server_hostname`.
pub type Identity = (String, Vec<(&'static str, String)>);

/// A benchmark program.
pub trait Tool: Send {
    /// Returns its name in `benchmark_name` and in names of folders.
    fn benchmark(&self) -> &'static str;
    /// Returns the iterations, in order. Called for the plan, and again after [`Tool::set_up`], when
    /// more may be known of the machines.
    fn points(&self) -> Vec<Point>;
    /// Returns how often they are measured.
    fn repeat(&self) -> &Repeat;
    /// Describes for `--plan` what else there is to know, one line each.
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }
    /// Returns given parameters that have no effect.
    fn without_effect(&self) -> &[&'static str] {
        &[]
    }
    /// Returns the machines it runs on: every worker, unless it needs others.
    ///
    /// # Errors
    /// When it cannot be placed.
    fn places(&self, cx: &TestContext<'_>) -> Result<Vec<Place>, TestError> {
        Ok(all_workers(cx))
    }
    /// Looks whether the program is there and can do what is asked.
    ///
    /// # Errors
    /// When it cannot run.
    fn set_up(&mut self, cx: &TestContext<'_>, machines: &[Machine]) -> Result<(), TestError>;
    /// Returns the version of the program, known after [`Tool::set_up`].
    fn version(&self) -> String;
    /// Returns what tells the entries of each client apart.
    fn identities(&self, _machines: &[Machine]) -> Vec<Identity> {
        Vec::new()
    }
    /// Measures point number `point` (from 0) once, on all machines at the same time. What the
    /// program was given and wrote goes below `raw`, also when it fails.
    ///
    /// # Errors
    /// When there are no figures.
    fn sample(
        &self,
        cx: &TestContext<'_>,
        machines: &[Machine],
        point: usize,
        raw: &Path,
    ) -> Result<Vec<SampleEntry>, TestError>;
}

/// Returns every worker of every group.
pub fn all_workers(cx: &TestContext<'_>) -> Vec<Place> {
    let place = |(worker, client): (&Worker, String)| Place {
        client,
        worker: worker.clone(),
    };
    cx.workers.all().zip(cx.client_names()).map(place).collect()
}

/// Runs `work` for each item at the same time; results are in the order of the items.
pub fn each<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        running.into_iter().map(join).collect()
    })
}

/// As [`each`], for work that may fail.
///
/// # Errors
/// The first one, after all have ended.
pub fn everywhere<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T, TestError> + Sync,
) -> Result<Vec<T>, TestError> {
    each(items, work).into_iter().collect()
}

/// A tool as a test.
pub struct Driven<T> {
    name: String,
    tool: T,
    /// From set-up to clean-up.
    machines: Vec<Machine>,
}

/// A point on its way.
struct Work<'a> {
    point: &'a Point,
    /// From 0.
    index: usize,
    iterations: usize,
}

impl<T: Tool> Driven<T> {
    /// `name`: as paths and ids call the test.
    pub fn new(name: String, tool: T) -> Self {
        Self {
            name,
            tool,
            machines: Vec::new(),
        }
    }

    fn builder(&self, cx: &TestContext<'_>, work: &Work<'_>) -> IterationBuilder {
        let mut benchmark = work.point.benchmark.clone();
        benchmark.insert("benchmark_name".into(), self.tool.benchmark().into());
        benchmark.insert("driver".into(), "native".into());
        benchmark.insert("tool_version".into(), self.tool.version().into());
        if let Some(limit) = self.tool.repeat().max_stddev {
            benchmark.insert("max_stddevpct".into(), limit.into());
        }
        let user = json!({"profile": cx.profile, "distro": cx.host.distro});
        let user = user.as_object().cloned().unwrap_or_default();
        let number = u32::try_from(work.index + 1).unwrap_or(u32::MAX);
        let name = work.point.name.as_str();
        let mut builder = IterationBuilder::new(number, name, benchmark, vec![user]);
        for (client, keys) in self.tool.identities(&self.machines) {
            builder.identify(&client, keys);
        }
        builder
    }

    /// Measures all samples of a point, checkpointing `done` and itself after each.
    fn try_once(
        &self,
        cx: &TestContext<'_>,
        work: &Work<'_>,
        done: &[Iteration],
    ) -> Result<Iteration, TestError> {
        let mut builder = self.builder(cx, work);
        let samples = self.tool.repeat().samples;
        let name = &work.point.name;
        let raw = cx.dir.join("raw").join(text::file_name(name));
        let watched = Workers(
            self.machines
                .iter()
                .map(|machine| vec![machine.worker.clone()])
                .collect(),
        );
        for sample in 1..=samples {
            cx.tell(&Event::SampleStarted {
                iteration: name.clone(),
                index: work.index + 1,
                iterations: work.iterations,
                sample,
                samples,
                expected: work.point.expected,
            });
            let monitors = Monitors::start(&watched, cx.run);
            let raw = raw.join(format!("sample{sample}"));
            let measured = self.tool.sample(cx, &self.machines, work.index, &raw);
            monitors.finish(cx.dir, name, sample);
            let checkpoint = |builder: &IterationBuilder| {
                let mut all = done.to_vec();
                all.push(builder.build());
                cx.checkpoint(&all)
            };
            match measured {
                Ok(entries) => builder.sample(entries),
                Err(error) => {
                    if let TestError::Failed { class, message, .. } = &error {
                        builder.failed_sample(sample, class, &text::one_line(message));
                        checkpoint(&builder)?;
                    }
                    return Err(error);
                }
            }
            checkpoint(&builder)?;
        }
        Ok(builder.build())
    }

    /// Returns how much an iteration spreads when that is more than was allowed.
    fn spreads(&self, iteration: &Iteration) -> Option<f64> {
        let limit = self.tool.repeat().max_stddev?;
        let data = &iteration.iteration_data;
        let metric = data.parameters.benchmark.first()?.get("primary_metric")?;
        let metric = metric.as_str()?;
        let entries = data
            .throughput
            .get(metric)
            .or_else(|| data.latency.get(metric))?;
        let all = entries.iter().find(|entry| entry.client_hostname == ALL)?;
        (all.stddevpct > limit).then_some(all.stddevpct)
    }

    /// Measures a point until it spreads little enough, or the tries are used up.
    fn measure(
        &self,
        cx: &TestContext<'_>,
        work: &Work<'_>,
        done: &mut Vec<Iteration>,
    ) -> Result<(), TestError> {
        let tries = self.tool.repeat().max_failures;
        for failures in 1..=tries {
            let started = Instant::now();
            let mut iteration = self.try_once(cx, work, done)?;
            let Some(percent) = self.spreads(&iteration) else {
                cx.tell(&Event::IterationDone {
                    iteration: work.point.name.clone(),
                    index: work.index + 1,
                    iterations: work.iterations,
                    value: iteration
                        .primary()
                        .map(|(mean, unit)| (mean, unit.to_owned())),
                    took: started.elapsed(),
                });
                done.push(iteration);
                return Ok(());
            };
            mark_failed(cx, &mut iteration, failures)?;
            done.push(iteration);
            cx.checkpoint(done)?;
            let next = if failures == tries {
                "given up"
            } else {
                "once more"
            };
            let text = format!(
                "{} spread by {percent} % in try {failures} of {tries}: {next}",
                work.point.name
            );
            cx.tell(&Event::Note { text });
        }
        Ok(())
    }
}

/// Marks a try that spread too much, as pbench does: readers leave such iterations out.
fn mark_failed(
    cx: &TestContext<'_>,
    iteration: &mut Iteration,
    failures: u32,
) -> Result<(), StoreError> {
    let name = format!("{}-fail{failures}", iteration.iteration_name);
    for kind in ["raw", "monitor"] {
        let folder = cx.dir.join(kind);
        let from = folder.join(text::file_name(&iteration.iteration_name));
        if from.exists() {
            std::fs::rename(&from, folder.join(text::file_name(&name)))
                .map_err(StoreError::io("rename", &from))?;
        }
    }
    iteration.iteration_name = name;
    Ok(())
}

impl<T: Tool> Test for Driven<T> {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> Expected {
        let points = self.tool.points();
        let samples = self.tool.repeat().samples;
        let all: Option<Duration> = points.iter().map(|point| point.expected).sum();
        // Some tools choose their iterations when they see the machines.
        let known = !points.is_empty();
        Expected {
            iterations: known.then_some(points.len()),
            samples: Some(samples),
            duration: all.filter(|_| known).map(|all| all.saturating_mul(samples)),
        }
    }

    fn describe(&self) -> Vec<String> {
        let points = self.tool.points();
        let names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
        let Repeat {
            samples,
            max_stddev,
            max_failures,
        } = self.tool.repeat();
        let plural = if *samples == 1 { "" } else { "s" };
        let mut lines = Vec::new();
        if !names.is_empty() {
            lines.push(format!("iterations: {}", names.join(", ")));
        }
        lines.push(format!("each: {samples} sample{plural}"));
        lines.extend(max_stddev.map(|percent| {
            format!("repeated up to {max_failures} times when spreading by more than {percent} %")
        }));
        lines.extend(self.tool.describe());
        let ignored = self.tool.without_effect();
        if !ignored.is_empty() {
            lines.push(format!("without effect here: {}", ignored.join(", ")));
        }
        lines
    }

    fn set_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let ignored = self.tool.without_effect();
        if !ignored.is_empty() {
            let list = ignored.join(", ");
            let text = format!("{}: without effect without pbench: {list}", self.name);
            cx.tell(&Event::Note { text });
        }
        let places = self.tool.places(cx)?;
        if places.is_empty() {
            return Err(TestError::Skip {
                reason: "the profile has no worker".into(),
            });
        }
        for place in places {
            let label = self.tool.benchmark();
            self.machines
                .push(Machine::prepare(cx, &self.name, label, place)?);
        }
        self.tool.set_up(cx, &self.machines)
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let points = self.tool.points();
        let mut done = Vec::new();
        for (index, point) in points.iter().enumerate() {
            let work = Work {
                point,
                index,
                iterations: points.len(),
            };
            self.measure(cx, &work, &mut done)?;
        }
        Ok(done)
    }

    fn clean_up(&mut self, _: &TestContext<'_>) -> Result<(), TestError> {
        let mut first = None;
        for machine in std::mem::take(&mut self.machines) {
            if let Err(left) = machine.clean_up() {
                tracing::warn!(client = %machine.client, message = %left.message, "something of the test is left");
                first.get_or_insert(left);
            }
        }
        let failed = |left: Left| TestError::Failed {
            class: "clean-up".into(),
            message: format!("could not {} on {}: {}", left.step, left.on, left.message),
            hint: None,
        };
        first.map_or(Ok(()), |left| Err(failed(left)))
    }
}
