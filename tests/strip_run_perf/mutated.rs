//! Whatever stands in a file: a reader says what is wrong and goes on.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::sync::LazyLock;

use proptest::prelude::*;
use runperf::store::read::{Include, read_result};

use crate::support::{fixture, read, result_with};

/// A recorded file without most of its time series, so that changes hit something that matters.
fn small_file() -> Vec<u8> {
    let text = fs::read(fixture(
        "1_base/result_20200726_080654/Localhost2/fio/0000/result.json",
    ))
    .expect("readable");
    let mut value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    for iteration in value.as_array_mut().expect("a list") {
        let data = &mut iteration["iteration_data"];
        data["parameters"]["user"] = serde_json::json!([{"profile": "Localhost"}]);
        for class in ["throughput", "latency"] {
            let metrics = data[class]
                .as_object_mut()
                .into_iter()
                .flat_map(|metrics| metrics.values_mut());
            for entry in metrics.flat_map(|entries| entries.as_array_mut().expect("entries")) {
                for sample in entry["samples"].as_array_mut().expect("samples") {
                    sample["timeseries"]
                        .as_array_mut()
                        .expect("a series")
                        .truncate(1);
                }
            }
        }
    }
    serde_json::to_vec(&value).expect("JSON")
}

static SMALL_FILE: LazyLock<Vec<u8>> = LazyLock::new(small_file);

/// Bits of JSON that bring trouble.
const PIECES: [&str; 18] = [
    "NaN",
    "-Infinity",
    "null",
    "\"12.5\"",
    "\"",
    "\\u0000",
    "\\ud800",
    "1e999",
    "-",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "all",
    "\u{202e}",
    "99999999999999999999999",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_never_stops_the_reading(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, 0..PIECES.len(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut text = SMALL_FILE.clone();
        for (at, remove, piece, byte) in edits {
            let at = at.index(text.len());
            let end = (at + remove).min(text.len());
            let piece = if byte < 200 { PIECES[piece].as_bytes().to_vec() } else { vec![byte] };
            text.splice(at..end, piece);
        }
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        let root = result_with(&text);
        for include in [Include::default(), Include { incorrect: true, samples: true, clients: true }] {
            let result = read_result("r", root.path(), include).expect("still a result");
            prop_assert!(result.measurements.iter().all(|m| m.value.is_finite() && m.samples.iter().all(|v| v.is_finite())));
            prop_assert!(result.failures.len() <= 1);
            prop_assert!(result.failures.iter().all(|f| f.class == "unreadable" && result.measurements.is_empty()));
        }
    }

    #[test]
    fn any_metadata_reads(bytes in prop::collection::vec(prop_oneof![Just(b':'), Just(b'\n'), Just(b'#'), any::<u8>()], 0..200)) {
        let root = result_with(b"[]");
        fs::write(root.path().join("RUNPERF_METADATA"), &bytes).expect("written");
        let result = read(root.path());
        for key in result.metadata.values.keys() {
            prop_assert!(!key.contains('\n') && !key.starts_with('#'));
            result.metadata.environment(key);
        }
        result.date();
    }
}

#[test]
fn a_large_result_is_read_and_200_mb_of_something_else_is_one_failure() {
    // Large enough that the thread's buffer is given back; 200 MB read the same, only longer.
    let root = result_with(b"");
    let path = root.path().join("P/t/0000/result.json");
    let mut out = BufWriter::new(File::create(&path).expect("created"));
    out.write_all(br#"[{"iteration_name": "i", "iteration_data": {"parameters": {}, "throughput": {"m": [{"client_hostname": "all", "samples": [{"value": 1, "timeseries": ["#)
        .expect("written");
    let line = br#"{"date": 1795328427545, "value": 123456.789},"#.repeat(1000);
    for _ in 0..12_000_000 / line.len() {
        out.write_all(&line).expect("written");
    }
    out.write_all(br#"{"date": 2, "value": 3}]}], "mean": 2.5}]}}}]"#)
        .expect("written");
    out.into_inner().expect("flushed");
    let result = read(root.path());
    assert_eq!(
        result
            .measurements
            .iter()
            .map(|m| m.value)
            .collect::<Vec<_>>(),
        [2.5]
    );
    assert!(result.failures.is_empty());

    // 200 MB of zero bytes, a hole on the disk: what a crash leaves of a file whose size was set.
    File::create(&path)
        .and_then(|file| file.set_len(200_000_000))
        .expect("a sparse file");
    let result = read(root.path());
    assert_eq!(result.failures.len(), 1);
    assert!(
        result.failures[0].message.contains("it is no JSON"),
        "{}",
        result.failures[0].message
    );
}
