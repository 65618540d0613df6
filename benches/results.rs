//! The right half on the recorded nights: reading, learning, comparing, rendering.
//!
//! `cargo bench`. Absolute times depend on the machine; compare two commits on one machine.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use runperf::analysis::history::History;
use runperf::analysis::range_model::{Method, RangeModel, Tolerance};
use runperf::compare::{HistoryInputs, Inputs, Options, compare};
use runperf::render::Renderer;
use runperf::render::html::Html;
use runperf::store::read::{Include, ResultData, read_result};

fn nights() -> Vec<PathBuf> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-perf-results/1_base");
    ["080654", "091827", "092842", "093220", "093657", "112748"]
        .map(|time| base.join(format!("result_20200726_{time}")))
        .to_vec()
}

fn read(path: &Path) -> ResultData {
    read_result("night", path, Include::default()).expect("a recorded night")
}

fn results(c: &mut Criterion) {
    let nights = nights();
    let mut group = c.benchmark_group("read");
    let bytes = nights
        .iter()
        .map(|night| night.join("Localhost/fio/0000/result.json"))
        .filter_map(|file| file.metadata().ok())
        .map(|metadata| metadata.len())
        .sum();
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("six recorded nights", |b| {
        b.iter(|| {
            nights
                .iter()
                .map(|night| read(night).measurements.len())
                .sum::<usize>()
        });
    });
    group.finish();

    let data: Vec<ResultData> = nights.iter().map(|night| read(night)).collect();
    let history = History::new(data.clone());
    c.bench_function("train a 3-sigma model", |b| {
        b.iter(|| RangeModel::train(black_box(&history), Method::ThreeSigma, Tolerance::Default));
    });

    let inputs = || {
        let mut data = data.clone();
        let dst = data.pop().expect("six nights");
        let src = data.remove(0);
        Inputs {
            src,
            references: data,
            dst,
            models: Vec::new(),
            notes: Vec::new(),
            history: HistoryInputs::default(),
        }
    };
    let options = Options::default();
    c.bench_function("compare with four references", |b| {
        b.iter_batched(
            inputs,
            |inputs| compare(inputs, &options),
            BatchSize::SmallInput,
        );
    });

    let comparison = compare(inputs(), &options);
    c.bench_function("render the HTML report", |b| {
        b.iter(|| {
            let mut page = Vec::new();
            Html::default()
                .render(black_box(&comparison), &mut page)
                .expect("a vector takes everything");
            page.len()
        });
    });
}

criterion_group!(benches, results);
criterion_main!(benches);
