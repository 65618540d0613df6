//! A test that measures nothing: canned figures in the shape of a fio run.
//!
//! It serves to try a set-up of hosts, profiles and reports without waiting for a benchmark, and
//! it can be told to take its time, to skip, to fail or to panic, so that every way out of a run
//! can be tried on purpose. Same parameters, same bytes.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::params::{Param, ParamError, Params};
use super::pbench::{Class, IterationBuilder, SampleEntry};
use super::{Expected, Test, TestContext, TestError};
use crate::control::event::Event;
use crate::metric::Better;
use crate::store::result_json::Iteration;

/// Name in the registry.
pub const NAME: &str = "dummy";
/// Other names.
pub const ALIASES: &[&str] = &["DummyTest"];
/// One sentence for `--list`.
pub const SUMMARY: &str = "Writes canned figures without measuring anything; to try a set-up";
/// Parameters.
pub const PARAMS: &[Param] = &[
    Param {
        name: "samples",
        aliases: &[],
        default: "5",
        summary: "Samples of each iteration",
    },
    Param {
        name: "sleep",
        aliases: &[],
        default: "0",
        summary: "Seconds each sample takes",
    },
    Param {
        name: "scale",
        aliases: &[],
        default: "1",
        summary: "Factor of the rates; latencies are divided by it, so 0.9 plays a regression",
    },
    Param {
        name: "skip",
        aliases: &[],
        default: "",
        summary: "Skip with this reason",
    },
    Param {
        name: "fail",
        aliases: &[],
        default: "",
        summary: "Fail with this message after the first iteration",
    },
    Param {
        name: "fail-first",
        aliases: &[],
        default: "0",
        summary: "Attempts that fail before one succeeds",
    },
    Param {
        name: "panic",
        aliases: &[],
        default: "",
        summary: "Panic with this message after the first iteration, like a defect in a test",
    },
];

/// Rates in IOPS of an iteration, five samples; more samples start again from the first.
struct Canned {
    name: &'static str,
    operation: &'static str,
    block_size: &'static str,
    iops: [f64; 5],
    submit_ns: [f64; 5],
    complete_ns: [f64; 5],
}

const CANNED: [Canned; 3] = [
    Canned {
        name: "read-4KiB",
        operation: "read",
        block_size: "4k",
        iops: [52_310.0, 52_544.0, 52_197.0, 52_460.0, 52_389.0],
        submit_ns: [1_812.0, 1_798.0, 1_826.0, 1_805.0, 1_809.0],
        complete_ns: [303_620.0, 302_150.0, 304_280.0, 302_740.0, 303_160.0],
    },
    Canned {
        name: "randwrite-4KiB",
        operation: "randwrite",
        block_size: "4k",
        iops: [31_025.0, 30_884.0, 31_102.0, 30_960.0, 31_049.0],
        submit_ns: [2_204.0, 2_231.0, 2_196.0, 2_215.0, 2_200.0],
        complete_ns: [513_230.0, 515_660.0, 511_970.0, 514_350.0, 512_840.0],
    },
    Canned {
        name: "randwrite-64KiB",
        operation: "randwrite",
        block_size: "64k",
        iops: [7_412.0, 7_438.0, 7_395.0, 7_421.0, 7_404.0],
        submit_ns: [6_120.0, 6_098.0, 6_151.0, 6_110.0, 6_134.0],
        complete_ns: [
            2_152_400.0,
            2_144_800.0,
            2_157_300.0,
            2_149_700.0,
            2_154_600.0,
        ],
    },
];

/// The test with its parameters.
#[derive(Debug)]
struct Dummy {
    name: String,
    samples: u32,
    sleep: Duration,
    scale: f64,
    skip: Option<String>,
    fail: Option<String>,
    fail_first: usize,
    panic: Option<String>,
}

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    Ok(Box::new(Dummy::new(name, given)?))
}

impl Dummy {
    fn new(name: String, given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = Params::check(NAME, given, PARAMS)?;
        let samples = params.number("samples")?.unwrap_or(5);
        if samples == 0 {
            return Err(params.invalid("samples", "expected at least 1, found 0"));
        }
        let seconds: f64 = params.number("sleep")?.unwrap_or(0.0);
        let sleep = Duration::try_from_secs_f64(seconds).map_err(|_| {
            params.invalid(
                "sleep",
                format!("expected seconds from 0 on, found `{seconds}`"),
            )
        })?;
        let scale: f64 = params.number("scale")?.unwrap_or(1.0);
        if !(scale.is_finite() && scale > 0.0) {
            return Err(params.invalid(
                "scale",
                format!("expected a factor above 0, found `{scale}`"),
            ));
        }
        Ok(Self {
            name,
            samples,
            sleep,
            scale,
            skip: params.text("skip")?,
            fail: params.text("fail")?,
            fail_first: params.number("fail-first")?.unwrap_or(0),
            panic: params.text("panic")?,
        })
    }

    /// Returns what one client "measured" in sample `index` (from 0).
    fn entries(&self, canned: &Canned, client: &str, index: usize) -> Vec<SampleEntry> {
        let index = index % canned.iops.len();
        let (submit, complete) = (canned.submit_ns[index], canned.complete_ns[index]);
        let latency = |metric: &str, value: f64, description: &str| SampleEntry {
            class: Class::Latency,
            metric: metric.into(),
            client: client.into(),
            unit: "ns".into(),
            better: Better::Lower,
            description: description.into(),
            value: value / self.scale,
            series: Vec::new(),
            aggregate: true,
        };
        vec![
            SampleEntry {
                class: Class::Throughput,
                metric: "iops_sec".into(),
                client: client.into(),
                unit: "IOPS".into(),
                better: Better::Higher,
                description: "I/O operations per second (canned)".into(),
                value: canned.iops[index] * self.scale,
                series: Vec::new(),
                aggregate: true,
            },
            latency("slat", submit, "Time to submit an operation (canned)"),
            latency(
                "clat",
                complete,
                "Time from submission to completion (canned)",
            ),
            latency("lat", submit + complete, "Time of an operation (canned)"),
        ]
    }

    /// Sleeps in short slices, so that an interruption is seen at once.
    fn rest(&self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let begun = Instant::now();
        loop {
            if cx.run.cancel.is_cancelled() {
                return Err(TestError::Interrupted);
            }
            let Some(left) = self
                .sleep
                .checked_sub(begun.elapsed())
                .filter(|left| !left.is_zero())
            else {
                return Ok(());
            };
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    /// Goes wrong as asked.
    fn misbehave(&self, cx: &TestContext<'_>) -> Result<(), TestError> {
        if let Some(message) = &self.panic {
            panic!("{message}");
        }
        let failed = |message: String| TestError::Failed {
            class: "asked".into(),
            message,
            hint: None,
        };
        if let Some(message) = &self.fail {
            return Err(failed(message.clone()));
        }
        let before = earlier_attempts(cx.dir);
        if before < self.fail_first {
            return Err(failed(format!(
                "failed as asked: attempt {} of {} that fail",
                before + 1,
                self.fail_first
            )));
        }
        Ok(())
    }
}

/// Counts attempts that were given up before this one: they stay beside it as `tmp…`.
fn earlier_attempts(dir: &Path) -> usize {
    let Some(entries) = dir
        .parent()
        .and_then(|parent| std::fs::read_dir(parent).ok())
    else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            entry.path() != dir && entry.file_name().to_string_lossy().starts_with("tmp")
        })
        .count()
}

impl Test for Dummy {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> Expected {
        let runs = u32::try_from(CANNED.len())
            .unwrap_or(u32::MAX)
            .saturating_mul(self.samples);
        Expected {
            iterations: Some(CANNED.len()),
            samples: Some(self.samples),
            duration: Some(self.sleep.saturating_mul(runs)),
        }
    }

    fn describe(&self) -> Vec<String> {
        vec![format!(
            "write canned figures of {} iterations, {} samples each",
            CANNED.len(),
            self.samples
        )]
    }

    fn set_up(&mut self, _cx: &TestContext<'_>) -> Result<(), TestError> {
        match &self.skip {
            Some(reason) => Err(TestError::Skip {
                reason: reason.clone(),
            }),
            None => Ok(()),
        }
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let mut done = Vec::new();
        for (position, canned) in CANNED.iter().enumerate() {
            let begun = Instant::now();
            let (index, iterations) = (position + 1, CANNED.len());
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let mut builder =
                IterationBuilder::new(number, canned.name, benchmark(canned), vec![user(cx)]);
            for sample in 0..self.samples {
                cx.tell(&Event::SampleStarted {
                    iteration: canned.name.into(),
                    index,
                    iterations,
                    sample: sample + 1,
                    samples: self.samples,
                    expected: Some(self.sleep),
                });
                self.rest(cx)?;
                let entries = cx
                    .workers
                    .all()
                    .flat_map(|worker| self.entries(canned, &worker.address, sample as usize))
                    .collect();
                builder.sample(entries);
                cx.checkpoint(&[done.as_slice(), &[builder.build()]].concat())?;
            }
            let iteration = builder.build();
            cx.tell(&Event::IterationDone {
                iteration: canned.name.into(),
                index,
                iterations,
                value: iteration
                    .primary()
                    .map(|(mean, unit)| (mean, unit.to_owned())),
                took: begun.elapsed(),
            });
            done.push(iteration);
            if index == 1 {
                self.misbehave(cx)?;
            }
        }
        Ok(done)
    }
}

fn benchmark(canned: &Canned) -> Map<String, Value> {
    object(json!({
        "benchmark_name": "dummy",
        "primary_metric": "iops_sec",
        "rw": canned.operation,
        "bs": canned.block_size,
        "driver": "native",
        "tool_version": env!("CARGO_PKG_VERSION"),
    }))
}

fn user(cx: &TestContext<'_>) -> Map<String, Value> {
    object(json!({"profile": cx.profile, "distro": cx.host.distro}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn dummy(given: Value) -> Result<Dummy, ParamError> {
        Dummy::new("dummy".into(), &object(given))
    }

    #[test]
    fn the_same_sample_is_the_same_bytes_and_scale_moves_rates_and_latencies_apart() {
        let plain = dummy(json!({})).expect("defaults fit");
        let slower = dummy(json!({"scale": 0.5})).expect("fits");

        assert_eq!(
            plain.entries(&CANNED[0], "foo", 0),
            plain.entries(&CANNED[0], "foo", 5),
            "starts again"
        );
        let (fast, slow) = (
            plain.entries(&CANNED[0], "foo", 0),
            slower.entries(&CANNED[0], "foo", 0),
        );
        let factors: Vec<_> = fast
            .iter()
            .zip(&slow)
            .map(|(a, b)| (a.metric.as_str(), b.value / a.value))
            .collect();
        assert_eq!(
            factors,
            [
                ("iops_sec", 0.5),
                ("slat", 2.0),
                ("clat", 2.0),
                ("lat", 2.0)
            ]
        );
    }

    #[test]
    fn bad_values_name_the_parameter() {
        for (given, said) in [
            (
                json!({"samples": 0}),
                "parameter `samples` of `dummy`: expected at least 1, found 0",
            ),
            (
                json!({"sleep": -1}),
                "parameter `sleep` of `dummy`: expected seconds from 0 on, found `-1`",
            ),
            (
                json!({"sleep": "inf"}),
                "parameter `sleep` of `dummy`: expected seconds from 0 on, found `inf`",
            ),
            (
                json!({"scale": "NaN"}),
                "parameter `scale` of `dummy`: expected a factor above 0, found `NaN`",
            ),
            (
                json!({"smaples": 1}),
                "`dummy` has no parameter `smaples`; did you mean `samples`?",
            ),
        ] {
            assert_eq!(dummy(given).expect_err(said).to_string(), said);
        }
    }

    #[test]
    fn earlier_attempts_are_those_beside_this_one() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for name in ["tmpa", "tmpb", "0000", "tmpmine"] {
            std::fs::create_dir(root.path().join(name)).expect("a folder");
        }
        assert_eq!(earlier_attempts(&root.path().join("tmpmine")), 2);
        assert_eq!(earlier_attempts(&root.path().join("none/tmpmine")), 0);
    }

    #[test]
    fn it_says_what_it_will_do() {
        let expected = dummy(json!({"samples": 2, "sleep": 1.5}))
            .expect("fits")
            .expected();
        assert_eq!(expected.iterations, Some(3));
        assert_eq!(expected.duration, Some(Duration::from_secs(9)));
    }
}
