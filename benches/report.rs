//! The HTML report of a large night: 1000 checks x 30 references.
//!
//! `cargo bench --bench report` (`--no-default-features` builds it in a fraction of the time). Beside the
//! time it prints the processor time of one report, which other work on the machine changes least.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use runperf::compare::{Comparison, HistoryInputs, Inputs, Options, compare};
use runperf::metric::{Check, MetricId, Parts};
use runperf::render::Renderer;
use runperf::render::html::Html;
use runperf::store::metadata::Metadata;
use runperf::store::read::{Measurement, ResultData};

const REFERENCES: u32 = 30;
/// Each with a mean and a spread.
const METRICS: u32 = 500;

/// Returns a night whose figures wobble by some percent, the same on every machine.
fn night(number: u32) -> ResultData {
    let wobble = |metric: u32| {
        // Knuth's multiplicative hash: no generator is needed for what only has to look uneven.
        let mixed = (number * METRICS + metric).wrapping_mul(2_654_435_761) >> 16;
        1.0 + (f64::from(mixed % 1000) - 500.0) / 25_000.0
    };
    let slow = |metric: u32| {
        if number > REFERENCES && metric.is_multiple_of(50) {
            0.8
        } else {
            1.0
        }
    };
    let mut measurements = Vec::new();
    for metric in 0..METRICS {
        let iteration = format!("randread-{}KiB", metric % 100);
        let test = ["fio", "uperf", "linpack"][metric as usize % 3];
        for (check, value) in [
            (Check::Mean, 100_000.0 * wobble(metric) * slow(metric)),
            (Check::Stddev, 1.5 * wobble(metric + 7)),
        ] {
            let parts = Parts {
                profile: ["Localhost", "TunedLibvirt", "DefaultLibvirt"][metric as usize % 7 % 3],
                test,
                serial: "0000",
                iteration: &iteration,
                kind: "throughput",
                metric: &format!("iops_sec_{}", metric / 100),
                check,
            };
            measurements.push(Measurement {
                id: MetricId::new(parts),
                value,
                primary: metric % 2 == 0,
                unit: Some(Arc::from("IOPS")),
                better: None,
                clients: 1,
                by_client: Vec::new(),
                samples: vec![value; 3],
                params: Arc::default(),
            });
        }
    }
    ResultData {
        name: number.to_string(),
        path: PathBuf::from(format!("result_{number}")),
        metadata: Metadata::default(),
        measurements,
        failures: Vec::new(),
        retried: Vec::new(),
        warnings: Vec::new(),
    }
}

fn comparison() -> Comparison {
    let inputs = Inputs {
        src: night(0),
        references: (1..=REFERENCES).map(night).collect(),
        dst: night(REFERENCES + 1),
        models: Vec::new(),
        history: HistoryInputs::default(),
        notes: Vec::new(),
    };
    compare(inputs, &Options::default())
}

fn render(comparison: &Comparison) -> usize {
    let mut page = Vec::new();
    Html::default()
        .render(black_box(comparison), &mut page)
        .expect("a vector takes everything");
    page.len()
}

/// Returns nanoseconds this thread has spent on a processor; Linux only.
fn processor_time() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::print_stdout, reason = "a bench prints what it found")]
fn report(c: &mut Criterion) {
    let comparison = comparison();
    render(&comparison);
    const RUNS: u32 = 10;
    if let Some(before) = processor_time() {
        let mut bytes = 0;
        for _ in 0..RUNS {
            bytes = render(&comparison);
        }
        let spent = processor_time().unwrap_or(before) - before;
        println!(
            "HTML of {} checks x {REFERENCES} references: {bytes} bytes, {:.0} ms of processor time",
            comparison.metrics.len(),
            std::time::Duration::from_nanos(spent / u64::from(RUNS)).as_secs_f64() * 1000.0
        );
    }
    c.bench_function("HTML of 1000 checks x 30 references", |b| {
        b.iter(|| render(&comparison));
    });
}

criterion_group!(benches, report);
criterion_main!(benches);
