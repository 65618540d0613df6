//! Samples of an iteration: on every worker at once, kept as they come.

use std::path::Path;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use serde_json::{Map, Value};

use super::benchmark;
use super::job::JobFile;
use super::machine::Machine;
use super::output::FioOutput;
use super::points::{Point, times};
use super::run::{Fio, at_once};
use super::sample::{self, Log};
use crate::control::event::Event;
use crate::host::monitor::Monitors;
use crate::shell::Limits;
use crate::store::StoreError;
use crate::store::result_json::Iteration;
use crate::tests::pbench::{IterationBuilder, SampleEntry};
use crate::tests::{TestContext, TestError};
use crate::text;

/// Spread in percent that is recorded as limit when none is asked for; pbench's default.
const MAX_STDDEVPCT: f64 = 5.0;

impl Fio {
    /// Runs one sample on every machine at once.
    fn sample(
        &self,
        cx: &TestContext<'_>,
        work: &Work<'_>,
        sample: u32,
    ) -> Result<Sampled, TestError> {
        let limits = cx.run.limits();
        let raw = cx.dir.join("raw").join(text::file_name(&work.point.name));
        let raw = raw.join(format!("sample{sample}"));
        if let Some(script) = &self.settings.pre_script {
            for machine in &self.machines {
                machine.run_script(script, &limits)?;
            }
        }
        let monitors = Monitors::start(cx.workers, cx.run);
        let measured = match &self.servers {
            Some(servers) => {
                let each = work.jobs.iter().map(|job| times(&self.settings, job));
                let longest = each
                    .max_by_key(|times| times.deadline)
                    .ok_or_else(no_worker)?;
                servers.sample(&self.machines, work.jobs, &raw, longest, &limits)
            }
            None => self.independent(work, &raw, &limits),
        };
        monitors.finish(cx.dir, &work.point.name, sample);
        let (output, logs) = measured?;
        let processes = work.jobs.iter().map(JobFile::processes).sum();
        let entries = sample::entries(&output, &logs, "", Some(processes))?;
        Ok(Sampled { output, entries })
    }

    /// A fio of its own on every machine; all are ready before the first one starts.
    fn independent(
        &self,
        work: &Work<'_>,
        raw: &Path,
        limits: &Limits,
    ) -> Result<(FioOutput, Vec<Log>), TestError> {
        let many = self.machines.len() > 1;
        let raw = |machine: &Machine| match many {
            true => raw.join(text::file_name(&machine.client)),
            false => raw.to_owned(),
        };
        let each: Vec<_> = self.machines.iter().zip(work.jobs).collect();
        let ready = at_once(&each, |(machine, job)| {
            machine.lay_out(job, &raw(machine), limits)
        });
        ready.into_iter().collect::<Result<Vec<()>, _>>()?;
        let results = at_once(&each, |(machine, job)| {
            machine
                .run(&raw(machine), times(&self.settings, job), limits)
                .map_err(|error| if many { on(machine, error) } else { error })
        });
        let mut all: Option<FioOutput> = None;
        let mut logs = Vec::new();
        for (machine, result) in self.machines.iter().zip(results) {
            let (mut output, found) = result?;
            for job in &mut output.jobs {
                job.host = Some((machine.client.clone(), 0));
            }
            for mut log in found {
                log.name.client = Some(machine.client.clone());
                logs.push(log);
            }
            match &mut all {
                None => all = Some(output),
                Some(all) => all.jobs.append(&mut output.jobs),
            }
        }
        Ok((all.ok_or_else(no_worker)?, logs))
    }

    /// Runs all samples of an iteration, checkpointing `done` and itself after each.
    pub(super) fn try_once(
        &self,
        cx: &TestContext<'_>,
        work: &Work<'_>,
        done: &[Iteration],
    ) -> Result<Iteration, TestError> {
        let user = vec![self.user(cx)];
        let limit = self.settings.max_stddev.unwrap_or(MAX_STDDEVPCT);
        let mut builder = IterationBuilder::new(
            work.point.number,
            work.point.name.as_str(),
            Map::new(),
            user,
        );
        for sample in 1..=self.settings.samples {
            cx.tell(&Event::SampleStarted {
                iteration: work.point.name.clone(),
                index: work.index,
                iterations: work.iterations,
                sample,
                samples: self.settings.samples,
                expected: work
                    .jobs
                    .first()
                    .and_then(JobFile::seconds)
                    .map(Duration::from_secs),
            });
            let sampled = self.sample(cx, work, sample)?;
            let mut parameters = benchmark(&sampled.output, limit);
            if self.servers.is_some() {
                parameters.insert("client_server".into(), "1".into());
            }
            builder.add_parameters(parameters);
            builder.sample(sampled.entries);
            let mut all = done.to_vec();
            all.push(builder.build());
            cx.checkpoint(&all)?;
        }
        Ok(builder.build())
    }

    fn user(&self, cx: &TestContext<'_>) -> Map<String, Value> {
        let pairs = [("profile", cx.profile), ("distro", cx.host.distro.as_str())];
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect()
    }

    /// Returns whether an iteration spreads more than was allowed.
    pub(super) fn spreads(&self, iteration: &Iteration) -> Option<f64> {
        let limit = self.settings.max_stddev?;
        let entries = iteration.iteration_data.throughput.get("iops_sec")?;
        let all = entries
            .iter()
            .find(|entry| entry.client_hostname == "all")?;
        (all.stddevpct > limit).then_some(all.stddevpct)
    }
}

/// A point on its way.
pub(super) struct Work<'a> {
    pub(super) point: &'a Point,
    /// One for each machine.
    pub(super) jobs: &'a [JobFile],
    /// From 1.
    pub(super) index: usize,
    pub(super) iterations: usize,
}

struct Sampled {
    output: FioOutput,
    entries: Vec<SampleEntry>,
}

/// Says where it went wrong.
fn on(machine: &Machine, error: TestError) -> TestError {
    match error {
        TestError::Failed {
            class,
            message,
            hint,
        } => TestError::Failed {
            class,
            message: format!("on {}: {message}", machine.shell().target()),
            hint,
        },
        other => other,
    }
}

/// Waits for a thread; its panic goes on here.
pub(super) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub(super) fn no_worker() -> TestError {
    TestError::Skip {
        reason: "the profile has no worker".into(),
    }
}

/// Marks a try that spread too much, as pbench does: readers leave such iterations out.
pub(super) fn mark_failed(
    cx: &TestContext<'_>,
    iteration: &mut Iteration,
    failures: u32,
) -> Result<(), StoreError> {
    let name = format!("{}-fail{failures}", iteration.iteration_name);
    for kind in ["raw", "monitor"] {
        let from = cx
            .dir
            .join(kind)
            .join(text::file_name(&iteration.iteration_name));
        if from.exists() {
            std::fs::rename(&from, cx.dir.join(kind).join(text::file_name(&name)))
                .map_err(StoreError::io("rename", &from))?;
        }
    }
    iteration.iteration_name = name;
    Ok(())
}
