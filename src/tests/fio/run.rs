//! The test: iterations, samples, and what is kept of them.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::job::{Given, JobFile, Place, Template};
use super::machine::{Machine, Times};
use super::output::FioOutput;
use super::params::{JobMode, Settings, base_name, check};
use super::sample::{self, Log};
use super::{benchmark, target};
use crate::control::event::Event;
use crate::control::journal::Left;
use crate::host::monitor::Monitors;
use crate::host::{Worker, Workers};
use crate::shell::{CommandLine, ShellExt};
use crate::store::StoreError;
use crate::store::result_json::Iteration;
use crate::tests::params::{ParamError, Params};
use crate::tests::pbench::{IterationBuilder, SampleEntry};
use crate::tests::{Expected, Test, TestContext, TestError};
use crate::text;

/// Spread in percent that is recorded as limit when none is asked for; pbench's default.
const MAX_STDDEVPCT: f64 = 5.0;
/// Longest run of a job file that ends by size: what a whole pbench run was given.
const NO_RUNTIME: Duration = Duration::from_secs(172_800);
/// Beyond ramp and runtime: start, end, a slow machine.
const MARGIN: Duration = Duration::from_secs(120);
/// Slowest layout of a file that is waited for, MiB a second.
const LAYOUT_MIB_S: u64 = 10;

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
struct Fio {
    name: String,
    params: Params,
    settings: Settings,
    /// One for each host, from set-up to clean-up.
    machines: Vec<Machine>,
}

/// One point of the parameter cross product.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    /// From 1.
    number: u32,
    /// `read-4KiB`, in serial mode `read-4KiB-sdb`.
    name: String,
    kind: String,
    block_kib: u64,
    targets: Vec<String>,
}

/// Returns all points: by target (serial mode only), type, block size, as pbench orders them.
fn points(settings: &Settings) -> Vec<Point> {
    let groups: Vec<(String, Vec<String>)> = match settings.mode {
        JobMode::Concurrent => vec![(String::new(), settings.targets.clone())],
        JobMode::Serial => settings
            .targets
            .iter()
            .map(|target| (format!("-{}", base_name(target)), vec![target.clone()]))
            .collect(),
    };
    let mut points = Vec::new();
    for (suffix, targets) in groups {
        for kind in &settings.types {
            for block_kib in &settings.block_sizes_kib {
                let number = u32::try_from(points.len() + 1).unwrap_or(u32::MAX);
                let name = format!("{kind}-{block_kib}KiB{suffix}");
                points.push(Point {
                    number,
                    name,
                    kind: kind.clone(),
                    block_kib: *block_kib,
                    targets: targets.clone(),
                });
            }
        }
    }
    points
}

/// Fills the template for a point.
fn job(
    template: &Template,
    options: &[Given],
    point: &Point,
    places: &[Place],
    token: &str,
) -> JobFile {
    let own = |key, value: String| Given {
        key,
        value,
        force: true,
    };
    let mut given = vec![
        own("bs", format!("{}k", point.block_kib)),
        own("rw", point.kind.clone()),
    ];
    given.extend(options.iter().cloned());
    let places: Vec<Place> = places
        .iter()
        .filter(|place| point.targets.contains(&place.path))
        .cloned()
        .collect();
    template.expand(&places, &given, token)
}

fn times(settings: &Settings, job: &JobFile) -> Times {
    let layout = Duration::from_secs(
        settings.size_mib.saturating_mul(job.processes().max(1)) / LAYOUT_MIB_S,
    );
    let deadline = job.seconds().map_or(NO_RUNTIME, |seconds| {
        Duration::from_secs(seconds) + layout + MARGIN
    });
    // fio prints nothing until it is done, so the watchdog must not be shorter than the run.
    let quiet = Duration::from_secs(settings.runtime_s.saturating_mul(3).max(360)).max(deadline);
    Times { deadline, quiet }
}

impl Fio {
    /// Returns the first worker of each host.
    fn workers<'a>(cx: &'a TestContext<'_>) -> Vec<&'a Worker> {
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
        let many = self.machines.len() > 1;
        let one = |machine: &Machine, job: &JobFile| {
            let raw = if many {
                raw.join(text::file_name(&machine.client))
            } else {
                raw.clone()
            };
            machine.sample(job, &raw, times(&self.settings, job), &limits)
        };
        let monitors = Monitors::start(&self.watched(cx), cx.run);
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = self
                .machines
                .iter()
                .zip(work.jobs)
                .map(|(machine, job)| scope.spawn(move || one(machine, job)))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(join).collect()
        });
        monitors.finish(cx.dir, &work.point.name, sample);
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
        let output = all.ok_or_else(no_worker)?;
        let processes = work.jobs.iter().map(JobFile::processes).sum();
        let entries = entries(&output, &logs, processes)?;
        Ok(Sampled { output, entries })
    }

    /// Runs all samples of an iteration, checkpointing `done` and itself after each.
    fn try_once(
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
            builder.add_parameters(benchmark(&sampled.output, limit));
            builder.sample(sampled.entries);
            let mut all = done.to_vec();
            all.push(builder.build());
            cx.checkpoint(&all)?;
        }
        Ok(builder.build())
    }

    /// Returns the workers the monitor watches: those fio runs on.
    fn watched(&self, cx: &TestContext<'_>) -> Workers {
        Workers(
            Self::workers(cx)
                .into_iter()
                .map(|worker| vec![worker.clone()])
                .collect(),
        )
    }

    fn user(&self, cx: &TestContext<'_>) -> Map<String, Value> {
        let pairs = [("profile", cx.profile), ("distro", cx.host.distro.as_str())];
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .collect()
    }

    /// Returns whether an iteration spreads more than was allowed.
    fn spreads(&self, iteration: &Iteration) -> Option<f64> {
        let limit = self.settings.max_stddev?;
        let entries = iteration.iteration_data.throughput.get("iops_sec")?;
        let all = entries
            .iter()
            .find(|entry| entry.client_hostname == "all")?;
        (all.stddevpct > limit).then_some(all.stddevpct)
    }
}

/// A point on its way.
struct Work<'a> {
    point: &'a Point,
    /// One for each machine.
    jobs: &'a [JobFile],
    /// From 1.
    index: usize,
    iterations: usize,
}

struct Sampled {
    output: FioOutput,
    entries: Vec<SampleEntry>,
}

fn entries(
    output: &FioOutput,
    logs: &[Log],
    processes: u64,
) -> Result<Vec<SampleEntry>, TestError> {
    Ok(sample::entries(output, logs, "", Some(processes))?)
}

fn no_worker() -> TestError {
    TestError::Skip {
        reason: "the profile has no worker".into(),
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

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn settings(given: Value) -> Settings {
        let given = given.as_object().cloned().unwrap_or_default();
        Settings::read(&check(&given).expect("known"), 1).expect("good")
    }

    fn names(settings: &Settings) -> Vec<String> {
        points(settings)
            .into_iter()
            .map(|point| point.name)
            .collect()
    }

    #[test]
    fn iterations_are_named_and_ordered_as_pbench_does() {
        let concurrent =
            settings(json!({"type": "randrw,read", "block-sizes": "4,64", "targets": "/a/x,/b/y"}));
        assert_eq!(
            names(&concurrent),
            ["randrw-4KiB", "randrw-64KiB", "read-4KiB", "read-64KiB"]
        );
        let serial = settings(
            json!({"type": "read", "block-sizes": "4,64", "targets": "/a/x,/b/y", "job-mode": "serial"}),
        );
        assert_eq!(
            names(&serial),
            ["read-4KiB-x", "read-64KiB-x", "read-4KiB-y", "read-64KiB-y"]
        );
        assert_eq!(points(&serial)[2].targets, ["/b/y"]);
        assert_eq!(points(&serial)[3].number, 4);
    }

    #[test]
    fn the_plan_knows_how_long_it_takes() {
        let given = json!({"type": "read,write", "block-sizes": "4", "runtime": 10, "ramptime": 2, "samples": 3});
        let test = build("fio".into(), given.as_object().expect("an object")).expect("good");
        let expected = test.expected();
        assert_eq!(
            expected,
            Expected {
                iterations: Some(2),
                samples: Some(3),
                duration: Some(Duration::from_secs(72))
            }
        );
        assert_eq!(test.describe()[0], "iterations: read-4KiB, write-4KiB");
    }

    #[test]
    fn the_watchdog_is_never_shorter_than_the_run() {
        let settings =
            settings(json!({"type": "read", "block-sizes": "4", "runtime": 10, "ramptime": 4000}));
        let job = job(
            &settings.template,
            &settings.options,
            &points(&settings)[0],
            &target::resolve(&settings.targets, &[]),
            "",
        );
        let times = times(&settings, &job);
        assert!(
            times.quiet >= Duration::from_secs(4010) && times.deadline >= Duration::from_secs(4010)
        );
    }
}
