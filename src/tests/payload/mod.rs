//! BenchKit payloads (specification v1.1): an archive is uploaded to every worker, unpacked, and its
//! `payload.sh` run everywhere at once.
//!
//! Steps are taken in lock step: each one is finished on all workers before the next begins. A worker
//! on which a step fails is left out from there on and recorded; the others lose nothing. [`lint`] says
//! what a payload is, [`steps`] what is done on one worker, [`figures`] which numbers are taken from what
//! it prints, [`report`] writes BenchKit's own layout beside `result.json`.

mod figures;
pub mod lint;
mod options;
mod report;
mod steps;
#[cfg(test)]
mod unit;

use std::time::Instant;

use serde_json::{Map, Value, json};

use self::lint::ENTRY_POINT;
use self::options::Options;
pub use self::options::{ALIASES, NAME, PARAMS, SUMMARY};
use self::steps::{Ran, StepError, Traces};
use super::params::ParamError;
use super::pbench::{Class, IterationBuilder, SampleEntry};
use super::tool::drive::each;
use super::{Aftermath, Expected, LostWorker, Test, TestContext, TestError};
use crate::control::event::Event;
use crate::control::progress::count;
use crate::host::monitor::Monitors;
use crate::host::{Worker, Workers};
use crate::metric::Better;
use crate::shell::ShellError;
use crate::store::result_json::Iteration;
use crate::text::{file_name, size};

/// Name of the iteration in ids.
const ITERATION: &str = "payload";
/// Metric every payload has.
const WALL: &str = "wall_s";
/// The first step, in words.
const PREPARE: &str = "make the root folder";
/// Names of workers that a note lists.
const NAMED: usize = 5;

/// Builds the test from its parameters; the archive is inspected from its first byte to its last.
///
/// # Errors
/// Unknown parameters, values that do not fit, and an archive that is no payload.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    Ok(Box::new(Payload {
        name,
        options: Options::parse(given)?,
        places: Vec::new(),
        aftermath: Aftermath::default(),
    }))
}

#[derive(Debug)]
struct Payload {
    name: String,
    options: Options,
    places: Vec<Place>,
    aftermath: Aftermath,
}

/// One worker during the test.
#[derive(Debug)]
struct Place {
    worker: Worker,
    client: String,
    /// Its group, to tell the monitor.
    group: usize,
    traces: Traces,
    /// It takes part in the next step.
    good: bool,
}

/// A failure of one worker, in words.
struct Trouble {
    class: String,
    message: String,
    hint: Option<String>,
    files: Vec<(String, Vec<u8>)>,
}

impl Payload {
    fn scope(&self, cx: &TestContext<'_>, worker: &Worker) -> String {
        format!("{}/{}/{}", worker.name, cx.profile, self.name)
    }

    /// Takes a step on all workers that are still good; those where it fails are out. Fails when
    /// none is left.
    fn step<T: Send>(
        &mut self,
        cx: &TestContext<'_>,
        what: &str,
        work: impl Fn(&mut Place, &Options, &str) -> Result<T, StepError> + Sync,
    ) -> Result<Vec<(usize, T)>, TestError> {
        let scopes: Vec<String> = self
            .places
            .iter()
            .map(|place| self.scope(cx, &place.worker))
            .collect();
        let options = &self.options;
        let work = &work;
        let results: Vec<Option<Result<T, StepError>>> = std::thread::scope(|threads| {
            let running: Vec<_> = self
                .places
                .iter_mut()
                .zip(&scopes)
                .map(|(place, scope)| {
                    place
                        .good
                        .then(|| threads.spawn(move || work(place, options, scope)))
                })
                .collect();
            running
                .into_iter()
                .map(|thread| {
                    thread.map(|thread| {
                        thread
                            .join()
                            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    })
                })
                .collect()
        });
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            match result {
                None => {}
                Some(Ok(value)) => done.push((index, value)),
                Some(Err(StepError::Shell(ShellError::Interrupted { .. }))) => {
                    return Err(TestError::Interrupted);
                }
                Some(Err(StepError::Journal(error))) => return Err(error.into()),
                Some(Err(error)) => failed.push((index, self.trouble(cx, what, index, error))),
            }
        }
        for (index, trouble) in failed {
            self.lose(cx, index, trouble);
        }
        self.some_left()?;
        Ok(done)
    }

    fn trouble(&self, cx: &TestContext<'_>, what: &str, index: usize, error: StepError) -> Trouble {
        let worker = &self.places[index].worker.name;
        let (class, message, hint) = match error {
            StepError::Shell(ShellError::TimedOut { limit, tail, .. }) => {
                let printed = match tail.as_str() {
                    "" => String::new(),
                    tail => format!("; its last lines:\n{tail}"),
                };
                let message = format!(
                    "cannot {what} on {worker}: no end within {} s{printed}",
                    limit.as_secs_f64().round()
                );
                let hint = match what {
                    PREPARE => "see whether it is up; `ready-timeout` says how long is waited",
                    "upload" => "raise `upload-timeout`",
                    "unpack" => "raise `unpack-timeout`",
                    _ => "raise `timeout`, or find out what it waits for",
                };
                ("timeout".to_owned(), message, Some(hint.to_owned()))
            }
            StepError::Shell(error) => {
                let mut message = format!("cannot {what} on {worker}: {error}");
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    message.push_str(&format!(": {error}"));
                    cause = error.source();
                }
                let hint = error.hint().map(str::to_owned);
                (error.class().to_owned(), message, hint)
            }
            StepError::Failed(class, message, hint) => (
                class.to_owned(),
                format!("cannot {what} on {worker}: {message}"),
                hint.map(str::to_owned),
            ),
            StepError::Journal(error) => ("error".to_owned(), error.to_string(), None),
        };
        Trouble {
            class,
            message: cx.run.redactor.clean(&message),
            hint,
            files: Vec::new(),
        }
    }

    fn lose(&mut self, cx: &TestContext<'_>, index: usize, trouble: Trouble) {
        let place = &mut self.places[index];
        place.good = false;
        cx.tell(&Event::Note {
            text: format!("worker {} is out: {}", place.worker.name, trouble.message),
        });
        self.aftermath.lost.push(LostWorker {
            worker: place.worker.name.clone(),
            class: trouble.class,
            message: trouble.message,
            hint: trouble.hint,
            files: trouble.files,
        });
    }

    /// Fails with the first failure when no worker is left.
    fn some_left(&self) -> Result<(), TestError> {
        if self.places.iter().any(|place| place.good) {
            return Ok(());
        }
        let Some(first) = self.aftermath.lost.first() else {
            return Err(TestError::Skip {
                reason: "there is no worker".into(),
            });
        };
        let others = match self.aftermath.lost.len() - 1 {
            0 => String::new(),
            1 => " (and one other worker failed, too)".into(),
            others => format!(" (and {others} other workers failed, too)"),
        };
        Err(TestError::Failed {
            class: first.class.clone(),
            message: format!("{}{others}", first.message),
            hint: first.hint.clone(),
        })
    }

    /// Workers that still take part, in their groups.
    fn good_workers(&self) -> Workers {
        let groups = self.places.iter().map(|place| place.group + 1).max();
        let mut workers = vec![Vec::new(); groups.unwrap_or(0)];
        for place in self.places.iter().filter(|place| place.good) {
            workers[place.group].push(place.worker.clone());
        }
        Workers(workers)
    }

    /// Runs the payload once everywhere and keeps everything it left on the controller.
    fn sample(&mut self, cx: &TestContext<'_>, sample: u32) -> Result<Vec<SampleEntry>, TestError> {
        let ran = self.step(cx, "run payload.sh", |place, options, _| {
            steps::run(&place.worker, options, cx.run)
        })?;
        let dir = cx.dir.join("raw").join(format!("sample{sample}"));
        let mut blocks = Vec::new();
        let mut entries = Vec::new();
        for (index, ran) in ran {
            let place = &self.places[index];
            let machine = file_name(&place.worker.name);
            cx.keep(&dir.join(format!("{machine}.stdout")), &ran.stdout)?;
            cx.keep(&dir.join(format!("{machine}.stderr")), &ran.stderr)?;
            let times = serde_json::to_vec(&times(place, &ran)).unwrap_or_default();
            cx.keep(&dir.join(format!("{machine}.json")), &times)?;
            let read = if ran.exit.success() {
                self.entries(place, &ran)
            } else {
                Err(bad_status(place, &ran))
            };
            blocks.push((place.client.clone(), ran));
            match read {
                Ok(read) => entries.extend(read),
                Err(trouble) => self.lose(cx, index, trouble),
            }
        }
        self.write_report(cx, sample, &blocks)?;
        self.some_left()?;
        Ok(entries)
    }

    /// `RUN_ID-result` and `RUN_ID-errors`, as BenchKit's `runbench` writes them.
    fn write_report(
        &self,
        cx: &TestContext<'_>,
        sample: u32,
        blocks: &[(String, Ran)],
    ) -> Result<(), TestError> {
        let id = match self.options.samples {
            1 => file_name(&cx.run.run_id),
            _ => format!("{}.{sample}", file_name(&cx.run.run_id)),
        };
        let (good, bad) = report::blocks(blocks);
        for (what, text) in [("result", good), ("errors", bad)] {
            if let Some(text) = text {
                cx.keep(&cx.dir.join(format!("{id}-{what}")), &text)?;
            }
        }
        Ok(())
    }

    /// Returns what one worker measured.
    fn entries(&self, place: &Place, ran: &Ran) -> Result<Vec<SampleEntry>, Trouble> {
        let entry =
            |metric: &str, class, unit: &str, better, description: &str, value| SampleEntry {
                class,
                metric: metric.to_owned(),
                client: place.client.clone(),
                unit: unit.to_owned(),
                better,
                description: description.to_owned(),
                value,
                series: Vec::new(),
                aggregate: true,
            };
        let text = String::from_utf8_lossy(&ran.stdout);
        let (figures, dropped) = figures::read(&text);
        let mut entries = Vec::new();
        match &self.options.metrics {
            None => {
                if dropped > 0 {
                    tracing::warn!(worker = %place.worker.name, dropped, "the payload prints too many metrics, some are left out");
                }
                for figure in figures {
                    let class = match figure.better {
                        Better::Lower => Class::Latency,
                        _ => Class::Throughput,
                    };
                    entries.push(entry(
                        &figure.name,
                        class,
                        &figure.unit,
                        figure.better,
                        "As the payload printed it",
                        figure.value,
                    ));
                }
            }
            Some(declared) => {
                for metric in declared {
                    let value = if metric.is_told_how() {
                        metric.read(&text)
                    } else {
                        let found = figures.iter().find(|figure| figure.name == metric.name);
                        found
                            .map(|figure| figure.value)
                            .ok_or_else(|| format!("no line `{} NUMBER`", metric.name))
                    };
                    let value = value.map_err(|reason| Trouble {
                        class: "no-number".into(),
                        message: format!(
                            "no number for metric `{}` of {}: {reason}",
                            metric.name, place.worker.name
                        ),
                        hint: Some("let payload.sh print it, or correct `metrics`".into()),
                        files: output_files(ran),
                    })?;
                    entries.push(entry(
                        &metric.name,
                        metric.class,
                        &metric.unit,
                        metric.better,
                        "As the payload printed it",
                        value,
                    ));
                }
            }
        }
        if !entries.iter().any(|entry| entry.metric == WALL) {
            entries.push(entry(
                WALL,
                Class::Latency,
                "s",
                Better::Lower,
                "Time payload.sh took, seen from the controller",
                ran.took.as_secs_f64(),
            ));
        }
        Ok(entries)
    }

    /// The declared primary metric, else the first one that was printed, else the time taken.
    fn primary(&self, entries: &[SampleEntry]) -> String {
        let declared = self.options.metrics.as_ref().and_then(|metrics| {
            metrics
                .iter()
                .find(|metric| metric.primary)
                .or(metrics.first())
        });
        match declared {
            Some(metric) => metric.name.clone(),
            None => entries
                .first()
                .map_or_else(|| WALL.to_owned(), |entry| entry.metric.replace('.', "_")),
        }
    }

    fn benchmark(&self) -> Map<String, Value> {
        let options = &self.options;
        let archive = options.archive.file_name().unwrap_or_default();
        let value = json!({
            "benchmark_name": self.name,
            "primary_metric": WALL,
            "archive": archive.to_string_lossy(),
            "archive_sha256": options.contents.sha256,
            "root": options.root,
            "driver": "native",
            "tool_version": env!("CARGO_PKG_VERSION"),
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// Names the workers on which something stays.
    fn name_what_stays(&mut self) {
        let left: Vec<&str> = self
            .places
            .iter()
            .filter(|place| place.traces.unpacked)
            .map(|place| place.worker.name.as_str())
            .collect();
        if left.is_empty() || self.options.clean {
            return;
        }
        let shown = left[..left.len().min(NAMED)].join(", ");
        let more = match left.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let root = &self.options.root;
        self.aftermath.notes.push(format!(
            "what the payload wrote stays in {root} (and wherever else it wrote) on {shown}{more}; `\"clean\": true` removes {root}"
        ));
    }
}

impl Test for Payload {
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
        let contents = &options.contents;
        let stays = if options.clean {
            format!("removes {} afterwards", options.root)
        } else {
            "what it writes stays on the workers".to_owned()
        };
        vec![
            format!(
                "upload {} ({}, {}, {} unpacked) to {} on every worker",
                options.archive.display(),
                size(contents.packed),
                count(contents.members.len(), "member"),
                size(contents.unpacked),
                options.root
            ),
            format!("run {ENTRY_POINT} on all of them at once; {stays}"),
        ]
    }

    fn set_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let clients = cx.client_names();
        let workers = cx.workers.0.iter().enumerate();
        let workers = workers.flat_map(|(group, workers)| workers.iter().map(move |w| (group, w)));
        self.places = workers
            .zip(clients)
            .map(|((group, worker), client)| Place {
                worker: worker.clone(),
                client,
                group,
                traces: Traces::default(),
                good: true,
            })
            .collect();
        self.step(cx, PREPARE, |place, options, scope| {
            steps::ready(&place.worker, options, cx.run, scope, &mut place.traces)
        })?;
        self.step(cx, "upload", |place, options, scope| {
            steps::upload(&place.worker, options, cx.run, scope, &mut place.traces)
        })?;
        self.step(cx, "unpack", |place, options, _| {
            steps::unpack(&place.worker, options, cx.run, &mut place.traces)
        })?;
        Ok(())
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let begun = Instant::now();
        let user = json!({"profile": cx.profile, "distro": cx.host.distro});
        let user = user.as_object().cloned().unwrap_or_default();
        let mut builder = IterationBuilder::new(1, ITERATION, self.benchmark(), vec![user]);
        let samples = self.options.samples;
        for sample in 1..=samples {
            cx.tell(&Event::SampleStarted {
                iteration: ITERATION.into(),
                index: 1,
                iterations: 1,
                sample,
                samples,
                expected: None,
            });
            let good = self.good_workers();
            let monitors = Monitors::start(&good, cx.run);
            let before = self.aftermath.lost.len();
            let measured = self.sample(cx, sample);
            monitors.finish(cx.dir, ITERATION, sample);
            let entries = match measured {
                Ok(entries) => entries,
                Err(error) => {
                    if let TestError::Failed { class, message, .. } = &error {
                        builder.failed_sample(sample, class, &crate::text::one_line(message));
                        cx.checkpoint(&[builder.build()])?;
                    }
                    return Err(error);
                }
            };
            if sample == 1 {
                let primary = json!({"primary_metric": self.primary(&entries)});
                builder.add_parameters(primary.as_object().cloned().unwrap_or_default());
            }
            builder.sample(entries);
            for lost in &self.aftermath.lost[before..] {
                builder.failed_sample(sample, &lost.class, &crate::text::one_line(&lost.message));
            }
            cx.checkpoint(&[builder.build()])?;
        }
        let iteration = builder.build();
        cx.tell(&Event::IterationDone {
            iteration: ITERATION.into(),
            index: 1,
            iterations: 1,
            value: iteration
                .primary()
                .map(|(mean, unit)| (mean, unit.to_owned())),
            took: begun.elapsed(),
        });
        Ok(vec![iteration])
    }

    fn clean_up(&mut self, _cx: &TestContext<'_>) -> Result<(), TestError> {
        let places: Vec<std::sync::Mutex<&mut Place>> =
            self.places.iter_mut().map(std::sync::Mutex::new).collect();
        let left = each(&places, |place| {
            let mut place = place
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let Place { worker, traces, .. } = &mut **place;
            traces.remove(worker)
        });
        drop(places);
        self.name_what_stays();
        match left.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some(left) => Err(TestError::Failed {
                class: "clean-up".into(),
                message: format!("could not {} on {}: {}", left.step, left.on, left.message),
                hint: None,
            }),
        }
    }

    fn aftermath(&mut self) -> Aftermath {
        std::mem::take(&mut self.aftermath)
    }
}

fn times(place: &Place, ran: &Ran) -> Value {
    let finished = ran
        .started
        .checked_add(jiff::SignedDuration::try_from(ran.took).unwrap_or_default())
        .unwrap_or(ran.started);
    let (status, signal) = match ran.exit {
        crate::shell::Exit::Code(code) => (Some(code), None),
        crate::shell::Exit::Signal(signal) => (None, Some(signal)),
    };
    json!({
        "worker": place.worker.name,
        "address": place.worker.address,
        "status": status,
        "signal": signal,
        "started": ran.started.to_string(),
        "finished": finished.to_string(),
        "seconds": ran.took.as_secs_f64(),
    })
}

fn output_files(ran: &Ran) -> Vec<(String, Vec<u8>)> {
    vec![
        ("stdout".into(), ran.stdout.clone()),
        ("stderr".into(), ran.stderr.clone()),
    ]
}

fn bad_status(place: &Place, ran: &Ran) -> Trouble {
    let output = crate::shell::Output {
        exit: ran.exit,
        stdout: ran.stdout.clone(),
        stderr: ran.stderr.clone(),
        took: ran.took,
    };
    let printed = match output.tail() {
        tail if tail.is_empty() => "it printed nothing".to_owned(),
        tail => format!("its last lines:\n{tail}"),
    };
    Trouble {
        class: "exit-status".into(),
        message: format!(
            "{ENTRY_POINT} ended with {} on {}; {printed}",
            ran.exit, place.worker.name
        ),
        hint: None,
        files: output_files(ran),
    }
}
