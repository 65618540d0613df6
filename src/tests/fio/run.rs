//! The test: what is prepared, which iterations run, what is cleaned up.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::job::JobFile;
use super::machine::Machine;
use super::measure::{Work, mark_failed, no_worker};
use super::params::{Settings, check};
use super::points::{Point, job, points};
use super::target;
use crate::control::event::Event;
use crate::control::journal::Left;
use crate::host::Worker;
use crate::shell::{CommandLine, ShellExt};
use crate::store::result_json::Iteration;
use crate::tests::params::{ParamError, Params};
use crate::tests::{Expected, Test, TestContext, TestError};

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let params = check(given)?;
    let settings = Settings::read(&params, 1)?;
    Ok(Box::new(Fio {
        name,
        params,
        settings,
        machines: Vec::new(),
    }))
}

#[derive(Debug)]
pub(super) struct Fio {
    pub(super) name: String,
    params: Params,
    pub(super) settings: Settings,
    /// One for each host, from set-up to clean-up.
    pub(super) machines: Vec<Machine>,
}

impl Fio {
    /// Returns the first worker of each host.
    pub(super) fn workers<'a>(cx: &'a TestContext<'_>) -> Vec<&'a Worker> {
        cx.workers
            .0
            .iter()
            .filter_map(|group| group.first())
            .collect()
    }

    /// Returns the CPUs a worker has: the host's `guest_cpus` (else those it counts) by its workers.
    fn cpus(cx: &TestContext<'_>) -> Result<u64, TestError> {
        let group = cx.workers.0.iter().find(|group| !group.is_empty());
        let workers = group.map_or(1, Vec::len) as u64;
        let all = match cx.host.params.number("guest_cpus") {
            Some(cpus) => cpus,
            None => {
                let limits = cx.run.limits().within(Duration::from_secs(60));
                let text = cx.host.shell.text(&CommandLine::new("nproc"), &limits)?;
                text.trim().parse().unwrap_or(1)
            }
        };
        Ok((all / workers).max(1))
    }

    /// Looks at the targets of one machine and says what will have to be removed.
    fn look(&mut self, cx: &TestContext<'_>, index: usize) -> Result<(), TestError> {
        let limits = cx.run.limits().within(Duration::from_secs(60));
        let jobs = self.jobs(index, cx)?;
        let machine = &mut self.machines[index];
        let jobs: Vec<JobFile> = jobs.into_iter().map(|(_, job)| job).collect();
        let (made, notes) = target::check(
            machine.shell(),
            &jobs,
            self.settings.allow_device_write,
            &limits,
        )?;
        machine.expect(&made)?;
        for text in notes {
            cx.tell(&Event::Note { text });
        }
        Ok(())
    }

    /// Returns the job file of each point, for one machine.
    fn jobs(&self, index: usize, cx: &TestContext<'_>) -> Result<Vec<(Point, JobFile)>, TestError> {
        let machine = &self.machines[index];
        let limits = cx.run.limits().within(Duration::from_secs(60));
        let paths: Vec<&str> = self.settings.targets.iter().map(String::as_str).collect();
        let found = target::look(machine.shell(), &paths, &limits)?;
        let places = target::resolve(&self.settings.targets, &found);
        let fill = |point: Point| {
            let job = job(
                &self.settings.template,
                &self.settings.options,
                &point,
                &places,
                machine.token(),
            );
            (point, job)
        };
        Ok(points(&self.settings).into_iter().map(fill).collect())
    }
}

impl Test for Fio {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> Expected {
        let iterations = points(&self.settings).len();
        let samples = self.settings.samples;
        // A job file of the user may hold other times than the parameters say.
        let places = target::resolve(&self.settings.targets, &[]);
        let seconds = points(&self.settings)
            .iter()
            .map(|point| {
                job(
                    &self.settings.template,
                    &self.settings.options,
                    point,
                    &places,
                    "",
                )
                .seconds()
            })
            .sum::<Option<u64>>();
        let duration =
            seconds.map(|seconds| Duration::from_secs(seconds.saturating_mul(u64::from(samples))));
        Expected {
            iterations: Some(iterations),
            samples: Some(samples),
            duration,
        }
    }

    fn describe(&self) -> Vec<String> {
        let settings = &self.settings;
        let names: Vec<String> = points(settings)
            .into_iter()
            .map(|point| point.name)
            .collect();
        let mut lines = vec![
            format!("iterations: {}", names.join(", ")),
            format!(
                "each: {} sample{} of {} s after {} s ramp, {} MiB on {}",
                settings.samples,
                if settings.samples == 1 { "" } else { "s" },
                settings.runtime_s,
                settings.ramp_s,
                settings.size_mib,
                settings.targets.join(", ")
            ),
        ];
        if let Some(percent) = settings.max_stddev {
            lines.push(format!(
                "repeated up to {} times when spreading by more than {percent} %",
                settings.max_failures
            ));
        }
        if !settings.template.uses_targets() {
            lines.push("the job file holds no $target, so `targets` has no effect".into());
        }
        if !settings.ignored.is_empty() {
            lines.push(format!(
                "without effect here: {}",
                settings.ignored.join(", ")
            ));
        }
        lines
    }

    fn set_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        if self.settings.per_worker_cpus {
            let cpus = Self::cpus(cx)?;
            self.settings =
                Settings::read(&self.params, cpus).map_err(|error| TestError::Failed {
                    class: "parameters".into(),
                    message: error.to_string(),
                    hint: None,
                })?;
        }
        if !self.settings.ignored.is_empty() {
            let text = format!(
                "{}: without effect without pbench: {}",
                self.name,
                self.settings.ignored.join(", ")
            );
            cx.tell(&Event::Note { text });
        }
        let workers = Self::workers(cx);
        if workers.is_empty() {
            return Err(no_worker());
        }
        let limits = cx.run.limits();
        for (index, worker) in workers.iter().enumerate() {
            // Two machines behind one address are told apart by name.
            let shared = workers
                .iter()
                .filter(|other| other.address == worker.address)
                .count()
                > 1;
            let client = if shared {
                &worker.name
            } else {
                &worker.address
            };
            let scope = format!("{}/{}/{}", worker.name, cx.profile, self.name);
            self.machines.push(Machine::prepare(
                worker,
                client.clone(),
                (cx.run.journal.clone(), scope),
                &limits,
            )?);
            self.look(cx, index)?;
            if let Some(script) = &self.settings.pre_script {
                self.machines[index].check_script(script, &limits)?;
            }
        }
        Ok(())
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let mut of_machines = Vec::new();
        for index in 0..self.machines.len() {
            of_machines.push(self.jobs(index, cx)?);
        }
        let all = points(&self.settings);
        let iterations = all.len();
        let mut done: Vec<Iteration> = Vec::new();
        for (index, point) in all.iter().enumerate() {
            let jobs: Vec<JobFile> = of_machines
                .iter()
                .map(|jobs| jobs[index].1.clone())
                .collect();
            let work = Work {
                point,
                jobs: &jobs,
                index: index + 1,
                iterations,
            };
            let mut failures = 0;
            loop {
                let started = Instant::now();
                let mut iteration = self.try_once(cx, &work, &done)?;
                let Some(percent) = self.spreads(&iteration) else {
                    let value = iteration
                        .primary()
                        .map(|(mean, unit)| (mean, unit.to_owned()));
                    let (iteration, took) = (iteration, started.elapsed());
                    cx.tell(&Event::IterationDone {
                        iteration: point.name.clone(),
                        index: index + 1,
                        iterations,
                        value,
                        took,
                    });
                    done.push(iteration);
                    break;
                };
                failures += 1;
                mark_failed(cx, &mut iteration, failures)?;
                done.push(iteration);
                cx.checkpoint(&done)?;
                let last = failures >= self.settings.max_failures;
                let next = if last { "given up" } else { "once more" };
                let text = format!(
                    "{} spread by {percent} % in try {failures} of {}: {next}",
                    point.name, self.settings.max_failures
                );
                cx.tell(&Event::Note { text });
                if last {
                    break;
                }
            }
        }
        Ok(done)
    }

    fn clean_up(&mut self, _: &TestContext<'_>) -> Result<(), TestError> {
        let mut first = None;
        for machine in std::mem::take(&mut self.machines) {
            if let Err(left) = machine.clean_up() {
                tracing::warn!(client = %machine.client, message = %left.message, "files of fio are left");
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
