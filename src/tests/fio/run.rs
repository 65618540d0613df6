//! The test: what is prepared, which iterations run, what is cleaned up.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::job::{JobFile, Place};
use super::machine::Machine;
use super::measure::{Work, join, mark_failed, no_worker};
use super::params::{PARAMS, Settings, check};
use super::points::{Point, job, points};
use super::served::Backend;
use super::servers::Servers;
use super::target;
use crate::control::event::Event;
use crate::control::journal::Left;
use crate::host::Worker;
use crate::shell::{CommandLine, Limits, ShellExt};
use crate::store::result_json::Iteration;
use crate::tests::params::{ParamError, Params};
use crate::tests::{Expected, Test, TestContext, TestError, pbench_driver};

/// How long the small commands around fio may take.
const SHORT: Duration = Duration::from_secs(60);

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    if pbench_driver::is_asked_for(given) {
        return pbench_driver::build(pbench_driver::FIO, name, given);
    }
    let params = check(super::NAME, PARAMS, given)?;
    build_with(name, params, Settings::read, None)
}

/// Reads parameters; the number stands in for the CPUs of a worker.
pub type Read = fn(&Params, u64) -> Result<Settings, ParamError>;

/// Builds a test that drives fio on something that is served for it.
///
/// # Errors
/// Values that do not fit.
pub fn build_with(
    name: String,
    params: Params,
    read: Read,
    backend: Option<Box<dyn Backend>>,
) -> Result<Box<dyn Test>, ParamError> {
    let settings = read(&params, 1)?;
    Ok(Box::new(Fio {
        name,
        params,
        read,
        settings,
        backend,
        machines: Vec::new(),
        servers: None,
    }))
}

#[derive(Debug)]
pub(super) struct Fio {
    pub(super) name: String,
    params: Params,
    read: Read,
    pub(super) settings: Settings,
    backend: Option<Box<dyn Backend>>,
    /// One for each worker, from set-up to clean-up.
    pub(super) machines: Vec<Machine>,
    /// With `client-server`.
    pub(super) servers: Option<Servers>,
}

impl Fio {
    /// Returns the CPUs a worker has: the host's `guest_cpus` (else those it counts) by its workers.
    fn cpus(cx: &TestContext<'_>) -> Result<u64, TestError> {
        let group = cx.workers.0.iter().find(|group| !group.is_empty());
        let workers = group.map_or(1, Vec::len) as u64;
        let all = match cx.host.params.number("guest_cpus") {
            Some(cpus) => cpus,
            None => {
                let limits = cx.run.limits().within(SHORT);
                let text = cx.host.shell.text(&CommandLine::new("nproc"), &limits)?;
                text.trim().parse().unwrap_or(1)
            }
        };
        Ok((all / workers).max(1))
    }

    /// Makes every worker ready for fio; those that are stay in `machines`, also when others fail.
    fn prepare(&mut self, cx: &TestContext<'_>, limits: &Limits) -> Result<(), TestError> {
        let workers: Vec<&Worker> = cx.workers.all().collect();
        if workers.is_empty() {
            return Err(no_worker());
        }
        let prepare = |worker: &Worker| {
            // Two machines behind one address are told apart by name.
            let same = workers
                .iter()
                .filter(|other| other.address == worker.address);
            let client = if same.count() > 1 {
                &worker.name
            } else {
                &worker.address
            };
            let scope = format!("{}/{}/{}", worker.name, cx.profile, self.name);
            let journal = (cx.run.journal.clone(), scope);
            Machine::prepare(worker, client.clone(), journal, limits)
        };
        let mut failed = Vec::new();
        let mut ready = Vec::new();
        for result in at_once(&workers, |worker| prepare(worker)) {
            match result {
                Ok(machine) => ready.push(machine),
                Err(error) => failed.push(error),
            }
        }
        self.machines = ready;
        all_of(failed)
    }

    /// Starts what serves fio, where something has to.
    fn serve(&mut self, limits: &Limits) -> Result<(), TestError> {
        let Some(backend) = &self.backend else {
            return Ok(());
        };
        let started = at_once(&self.machines, |machine| backend.start(machine, limits));
        let mut failed = Vec::new();
        for (machine, result) in self.machines.iter_mut().zip(started) {
            match result {
                Ok(served) => machine.serve(served),
                Err(error) => failed.push(error),
            }
        }
        all_of(failed)
    }

    /// Looks at the targets of every machine and says what will have to be removed.
    fn look(&self, cx: &TestContext<'_>, limits: &Limits) -> Result<(), TestError> {
        let looked = at_once(&self.machines, |machine| {
            let limits = limits.clone().within(SHORT);
            let jobs = self.jobs(machine, &limits)?;
            let jobs: Vec<JobFile> = jobs.into_iter().map(|(_, job)| job).collect();
            let allowed = self.settings.allow_device_write;
            let (made, notes) = target::check(machine.shell(), &jobs, allowed, &limits)?;
            machine.expect(&made)?;
            if let Some(script) = &self.settings.pre_script {
                machine.check_script(script, &limits)?;
            }
            Ok(notes)
        });
        let notes: Vec<Vec<String>> = looked.into_iter().collect::<Result<_, TestError>>()?;
        let many = self.machines.len() > 1;
        for (machine, notes) in self.machines.iter().zip(notes) {
            for text in notes {
                let text = if many {
                    format!("{}: {text}", machine.client)
                } else {
                    text
                };
                cx.tell(&Event::Note { text });
            }
        }
        Ok(())
    }

    /// Returns the job file of each point, for one machine.
    fn jobs(&self, machine: &Machine, limits: &Limits) -> Result<Vec<(Point, JobFile)>, TestError> {
        let places = match machine.served() {
            Some(path) => vec![Place {
                path: path.to_owned(),
                directory: false,
            }],
            None => {
                let paths: Vec<&str> = self.settings.targets.iter().map(String::as_str).collect();
                let found = target::look(machine.shell(), &paths, limits)?;
                target::resolve(&self.settings.targets, &found)
            }
        };
        let fill = |point: Point| {
            let mine =
                |place: &&Place| machine.served().is_some() || point.targets.contains(&place.path);
            let places: Vec<Place> = places.iter().filter(mine).cloned().collect();
            let (template, options) = (&self.settings.template, &self.settings.options);
            let job = job(template, options, &point, &places, machine.token());
            (point, job)
        };
        Ok(points(&self.settings).into_iter().map(fill).collect())
    }
}

/// Does something for each at once; answers come in their order.
pub(super) fn at_once<I: Sync, T: Send>(each: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> = each
            .iter()
            .map(|one| scope.spawn(move || work(one)))
            .collect();
        running.into_iter().map(join).collect()
    })
}

/// Returns the first failure, with how the other machines fared: who installs fio on one machine
/// and then learns of the next one is not helped.
fn all_of(mut failed: Vec<TestError>) -> Result<(), TestError> {
    if failed.is_empty() {
        return Ok(());
    }
    let mut first = failed.remove(0);
    if let TestError::Failed { message, .. } = &mut first {
        for other in &failed {
            if let TestError::Failed { message: other, .. } = other {
                message.push_str(&format!("; {other}"));
            }
        }
    }
    Err(first)
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
        if let Some(backend) = &self.backend {
            lines.push(backend.describe());
        }
        if settings.client_server {
            let text = "client-server: a fio server on each worker, one client on this machine";
            lines.push(text.into());
        }
        if let Some(percent) = settings.max_stddev {
            lines.push(format!(
                "repeated up to {} times when spreading by more than {percent} %",
                settings.max_failures
            ));
        }
        if self.backend.is_none() && !settings.template.uses_targets() {
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
            self.settings = (self.read)(&self.params, cpus).map_err(|error| TestError::Failed {
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
        let limits = cx.run.limits();
        self.prepare(cx, &limits)?;
        self.serve(&limits)?;
        self.look(cx, &limits)?;
        if self.settings.client_server {
            let scope = format!("{}/{}/{}", cx.host.name, cx.profile, self.name);
            let journal = &cx.run.journal;
            self.servers = Some(Servers::start(&self.machines, journal, &scope, &limits)?);
        }
        Ok(())
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let mut of_machines = Vec::new();
        let limits = cx.run.limits().within(SHORT);
        for machine in &self.machines {
            of_machines.push(self.jobs(machine, &limits)?);
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
        if let Some(mut servers) = self.servers.take() {
            servers.stop();
        }
        let mut first = None;
        for mut machine in std::mem::take(&mut self.machines) {
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
