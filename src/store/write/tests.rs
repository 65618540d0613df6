//! Creating, numbering, replacing and recording.

use super::*;

fn root() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn an_existing_output_is_refused_and_untouched() {
    let dir = root();
    let path = dir.path().join("a/b");
    let store = ResultStore::create(&path, Existing::Refuse).expect("created with its parents");
    fs::write(store.root().join("RUNPERF_METADATA"), "build:1").expect("written");
    let error = ResultStore::create(&path, Existing::Refuse).expect_err("refused");
    assert!(matches!(error, StoreError::Exists { .. }));
    assert!(error.hint().is_some_and(|hint| hint.contains("--force")));
    assert!(path.join("RUNPERF_METADATA").is_file());
}

#[test]
fn only_what_looks_like_a_result_is_replaced() {
    let dir = root();
    let refused = |name: &str, part: &str| {
        let path = dir.path().join(name);
        let before = fs::read_dir(&path).map(Iterator::count).ok();
        let error = ResultStore::create(&path, Existing::Replace)
            .expect_err("refused")
            .to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(
            fs::read_dir(&path).map(Iterator::count).ok(),
            before,
            "nothing is lost"
        );
    };
    fs::create_dir_all(dir.path().join("home/photos")).expect("a directory");
    refused("home", "no RUNPERF_METADATA");
    fs::write(dir.path().join("file"), "x").expect("written");
    refused("file", "it is no directory");
    fs::create_dir_all(dir.path().join("repo/.git")).expect("a directory");
    fs::write(dir.path().join("repo/RUNPERF_METADATA"), "").expect("written");
    refused("repo", "git repository");
    fs::create_dir_all(dir.path().join("dirty")).expect("a directory");
    fs::write(dir.path().join("dirty/RUNPERF_METADATA"), "").expect("written");
    fs::write(
        dir.path().join("dirty/__journal__.jsonl"),
        "{\"n\":1,\"event\":\"plan\"}\n{\"n\":2,\"ev",
    )
    .expect("written");
    refused("dirty", "journal");
}

#[test]
fn a_result_is_replaced_whole_and_leaves_nothing_beside() {
    let dir = root();
    let path = dir.path().join("r");
    fs::create_dir_all(path.join("P/t/0000")).expect("a directory");
    fs::write(path.join("RUNPERF_METADATA"), "build:1").expect("written");
    fs::write(
        path.join("__journal__.jsonl"),
        "{\"event\":\"plan\"}\n{\"event\":\"clean\"}\n",
    )
    .expect("written");
    ResultStore::create(&path, Existing::Replace).expect("replaced");
    assert_eq!(fs::read_dir(&path).expect("listable").count(), 0);
    assert_eq!(fs::read_dir(dir.path()).expect("listable").count(), 1);
    ResultStore::create(&path, Existing::Replace).expect("an empty one may be replaced");
}

#[test]
fn attempts_get_the_first_free_number_when_done_and_stay_when_not() {
    let dir = root();
    let store = ResultStore::create(&dir.path().join("r"), Existing::Refuse).expect("created");
    let unfinished = store.begin("A/b", "fio").expect("begun").path().to_owned();
    let (first, second) = (
        store.begin("A/b", "fio").expect("begun"),
        store.begin("A/b", "fio").expect("begun"),
    );
    fs::write(second.path().join("result.json"), "[]").expect("written");
    let done = second.commit().expect("committed");
    assert_eq!(
        (done.serial.as_str(), done.place.as_path()),
        ("0000", Path::new("A_b/fio/0000"))
    );
    assert!(done.path.join("result.json").is_file());
    fs::create_dir(store.test_dir("A/b", "fio").join("0001"))
        .expect("an empty directory in the way");
    assert_eq!(first.commit().expect("committed").serial, "0002");
    assert!(
        unfinished.is_dir()
            && unfinished
                .file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("tmp"))
    );
}

#[test]
fn racing_attempts_get_different_numbers() {
    let dir = root();
    let store = ResultStore::create(&dir.path().join("r"), Existing::Refuse).expect("created");
    let mut serials: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    store
                        .begin("P", "t")
                        .expect("begun")
                        .commit()
                        .expect("committed")
                        .serial
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    serials.sort();
    assert_eq!(
        serials,
        (0..8).map(|n| format!("{n:04}")).collect::<Vec<_>>()
    );
}

#[test]
fn failures_take_the_next_number_and_read_back() {
    let dir = root();
    let store = ResultStore::create(&dir.path().join("r"), Existing::Refuse).expect("created");
    let cause = io::Error::other("disk gone");
    let error = StoreError::Io {
        action: "write",
        path: "x".into(),
        source: cause,
    };
    let record = super::super::FailureRecord::of(&error)
        .details("attempt 1")
        .class("timeout")
        .file("../fio/log", "text");
    assert_eq!(record.traceback, "cannot write x\n  caused by: disk gone");
    let place = Path::new("P/fio/0");
    assert_eq!(
        store.record_failure(place, &record).expect("kept"),
        Path::new("P/fio/0/__error0__")
    );
    let absolute = store.root().join(place);
    assert_eq!(
        store.record_failure(&absolute, &record).expect("kept"),
        Path::new("P/fio/0/__error1__")
    );
    assert!(
        store
            .record_failure(Path::new("../elsewhere"), &record)
            .is_err()
    );
    let read =
        super::super::read::read_result("r", store.root(), Default::default()).expect("a result");
    assert_eq!(read.failures.len(), 2);
    let failure = &read.failures[0];
    assert_eq!(
        (failure.class.as_str(), failure.message.as_str()),
        ("timeout", "cannot write x")
    );
    assert_eq!(failure.id.serial(), "0");
    assert_eq!(
        failure.files.keys().collect::<Vec<_>>(),
        [
            "FILES/_._fio_log",
            "class",
            "details",
            "exception",
            "traceback"
        ]
    );
}

#[test]
fn names_are_safe_whatever_they_are() {
    assert_eq!(safe_name(""), "_");
    assert_eq!(safe_name(".."), "_.");
    assert_eq!(safe_name(&"ř".repeat(255)).len(), 255);
}

/// Says what of `a` is not in `b`.
fn lost(a: &serde_json::Value, b: &serde_json::Value, at: &str, into: &mut Vec<String>) {
    use serde_json::Value;
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(there) => lost(value, there, &format!("{at}/{key}"), into),
                    // pbench writes an empty series where there is none.
                    None if value.as_array().is_some_and(Vec::is_empty) => {}
                    None => into.push(format!("{at}/{key}")),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                lost(a, b, &format!("{at}/{index}"), into);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        // pbench writes a date or a sample's number now as text, now as a number.
        (Value::String(text), Value::Number(number))
        | (Value::Number(number), Value::String(text))
            if *text == number.to_string() => {}
        (a, b) if a == b => {}
        _ => into.push(format!("{at}: {a} became {b}")),
    }
}

#[test]
fn results_of_pbench_pass_through_our_types_and_keep_every_key() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pbench-results");
    let dir = root();
    for tool in ["fio", "uperf"] {
        let text = fs::read_to_string(fixtures.join(tool).join("result.json")).expect("readable");
        let iterations: Vec<Iteration> = serde_json::from_str(&text).expect("the shape of pbench");
        let path = dir.path().join("result.json");
        write_result(&path, &iterations).expect("written");
        let written = fs::read_to_string(&path).expect("readable");
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let mut missing = Vec::new();
        lost(&json(&text), &json(&written), tool, &mut missing);
        assert_eq!(missing, [""; 0]);
        assert!(
            written.len() < text.len(),
            "series on one line take less than pbench's"
        );
    }
}
