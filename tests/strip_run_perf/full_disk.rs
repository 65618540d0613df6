//! A disk that fills up while a result is written: a small file system in memory, mounted where
//! only a child of this test sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use runperf::store::metadata_file::MetadataFile;
use runperf::store::result_json::{Iteration, IterationData, MetricEntry, Sample};
use runperf::store::{Existing, ResultStore, StoreError, write_result};

use crate::support::{files, fixture, is_root, read, said};

/// Name of the variable that tells the child where the small disk is.
const DISK: &str = "RUNPERF_TEST_SMALL_DISK";

/// A command whose last words run with a disk of this size mounted at `disk`, which goes away with
/// them; nothing (said aloud) when mounting is not allowed here.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn with_disk(disk: &Path, kib: u32) -> Option<Command> {
    let script = format!("mount -t tmpfs -o size={kib}k,mode=0777 tmpfs \"$0\" && exec \"$@\"");
    let command = || {
        let mut command = Command::new("unshare");
        command
            .args([
                if is_root() { "-m" } else { "-rm" },
                "--",
                "sh",
                "-c",
                &script,
            ])
            .arg(disk)
            .env(DISK, disk);
        command
    };
    match command().arg("true").output() {
        Ok(output) if output.status.success() => Some(command()),
        other => {
            let why = other.map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&output.stderr).into_owned(),
            );
            println!("skipped: cannot mount a small disk: {why}");
            None
        }
    }
}

fn big_iteration() -> Iteration {
    let entry = MetricEntry {
        client_hostname: "all".into(),
        mean: 1.0,
        samples: vec![Sample::default(); 20_000],
        ..MetricEntry::default()
    };
    let data = IterationData {
        throughput: [("m".to_owned(), vec![entry])].into(),
        ..IterationData::default()
    };
    Iteration {
        iteration_name: "i".into(),
        iteration_data: data,
        ..Iteration::default()
    }
}

#[test]
fn a_full_disk_leaves_no_half_written_result() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(mut command) = with_disk(dir.path(), 256) else {
        return;
    };
    let child = command
        .arg(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "full_disk::child_on_a_small_disk",
            "--ignored",
            "--nocapture",
        ]);
    let said = said(child);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("1 passed"), "{}", said.out);
}

#[test]
#[ignore = "run by the test above, on a small disk"]
fn child_on_a_small_disk() {
    let disk = PathBuf::from(std::env::var_os(DISK).expect("a small disk"));
    let store = ResultStore::create(&disk.join("r"), Existing::Refuse).expect("created");
    let metadata = MetadataFile::create(store.root(), [], [("build", "7")]).expect("written");
    let attempt = store.begin("P", "t").expect("begun");
    let path = attempt.path().join("result.json");
    let is_full = |error: &StoreError| matches!(error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull);

    let small = Iteration {
        iteration_name: "first".into(),
        ..Iteration::default()
    };
    write_result(&path, std::slice::from_ref(&small)).expect("there is room");
    let before = fs::read(&path).expect("readable");
    let error = write_result(&path, &[big_iteration()]).expect_err("the disk is too small");
    assert!(is_full(&error), "{error:?}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("free some space"))
    );
    assert_eq!(
        fs::read(&path).expect("readable"),
        before,
        "the last whole file stays"
    );
    assert_eq!(
        fs::read_dir(attempt.path()).expect("listable").count(),
        1,
        "no temporary file is left"
    );

    let error = metadata
        .append("environment_world", &"x".repeat(400_000))
        .expect_err("the disk is too small");
    assert!(is_full(&error), "{error:?}");
    assert_eq!(
        fs::read_to_string(store.root().join("RUNPERF_METADATA")).expect("readable"),
        "build:7"
    );

    // Nothing is committed, so nothing is read; once there is room the same attempt goes on.
    assert!(read(store.root()).measurements.is_empty() && read(store.root()).failures.is_empty());
    assert_eq!(
        attempt.commit().expect("a rename needs no room").serial,
        "0000"
    );
}

#[test]
fn stripping_onto_a_full_disk_says_so_and_leaves_whole_files_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(mut command) = with_disk(dir.path(), 64) else {
        return;
    };
    // The disk is gone with the program, so what it holds is copied out first.
    let out = tempfile::tempdir().expect("a directory");
    let script = "\"$0\" \"$1\" \"$2\"; code=$?; cp -a \"$2\" \"$3\" 2>/dev/null; exit $code";
    let night = fixture("1_base/result_20200726_080654");
    let said = said(
        command
            .args(["sh", "-c", script, env!("CARGO_BIN_EXE_strip-run-perf")])
            .arg(&night)
            .args([dir.path().join("small"), out.path().join("copy")]),
    );
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("No space left on device") && said.err.contains("hint: free some space"),
        "{}",
        said.err
    );
    for (path, content) in files(out.path()) {
        let name = path.strip_prefix("copy").expect("copied");
        assert!(
            !name.to_string_lossy().contains(".new-"),
            "{}",
            name.display()
        );
        if name.ends_with("result.json") {
            serde_json::from_slice::<serde_json::Value>(&content).expect("a whole file");
        } else {
            assert_eq!(
                content,
                fs::read(night.join(name)).expect("readable"),
                "{}",
                name.display()
            );
        }
    }
}
