//! fio that is killed, and runs that are cancelled.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use runperf::store::result_json::Iteration;
use runperf::tests::TestError;
use serde_json::json;

use super::support::{Bench, folders, has, processes};

#[test]
fn fio_killed_in_the_middle_is_a_failure_and_nothing_is_left() {
    need!(has("fio"), "no fio");
    for signal in ["TERM", "KILL"] {
        let bench = Bench::new();
        let target = bench.target("target");
        let given = json!({"type": "read", "block-sizes": "4", "runtime": 60, "ramptime": 0, "samples": 1, "file-size": 4, "targets": target, "direct": 0});
        let before = folders();
        let killer = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_secs(60);
            while Instant::now() < end {
                let ours: Vec<PathBuf> = folders()
                    .into_iter()
                    .filter(|folder| !before.contains(folder))
                    .collect();
                for folder in ours {
                    // Only once the logs exist, fio is at work.
                    if folder.join("sample/fio_iops.1.log").exists()
                        || folder.join("sample/fio.job").exists() && started(&folder)
                    {
                        let job = std::fs::read_to_string(folder.join("sample/fio.job"))
                            .unwrap_or_default();
                        if !job.contains(&target) {
                            continue;
                        }
                        std::thread::sleep(Duration::from_secs(2));
                        for pid in processes(&folder.display().to_string()) {
                            let _ = Command::new("kill")
                                .args([format!("-{signal}"), pid.to_string()])
                                .output();
                        }
                        return true;
                    }
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            false
        });
        let (class, message, _) = bench.failure(&given);
        assert!(killer.join().expect("no panic"), "fio was found");
        assert_eq!(class, "killed", "{signal}: {message}");
        assert_eq!(processes(&bench.target("target")), Vec::<u32>::new());
    }
}

fn started(folder: &Path) -> bool {
    !processes(&folder.display().to_string()).is_empty()
}

#[test]
fn a_cancelled_run_leaves_no_fio_and_keeps_finished_samples() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    let target = bench.target("target");
    let given = json!({"type": "read,write", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 100, "file-size": 4, "targets": target, "direct": 0});
    let cancel = bench.context.cancel.clone();
    let result = bench.attempt().join("result.json");
    let canceller = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(120);
        while Instant::now() < end && !result.exists() {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(500));
        cancel.raise();
    });
    let before = folders();
    let outcome = bench.run(&given);
    canceller.join().expect("no panic");
    assert!(
        matches!(outcome, Err(TestError::Interrupted)),
        "{outcome:?}"
    );
    let kept: Vec<Iteration> =
        serde_json::from_slice(&std::fs::read(bench.attempt().join("result.json")).expect("kept"))
            .expect("JSON");
    assert!(
        !kept[0].iteration_data.throughput["iops_sec"][0]
            .samples
            .is_empty()
    );
    assert!(!Path::new(&target).exists());
    let mut left = String::new();
    for folder in folders()
        .into_iter()
        .filter(|folder| !before.contains(folder))
    {
        // Other tests of this file run beside this one; theirs are of other targets.
        let job = std::fs::read_to_string(folder.join("sample/fio.job")).unwrap_or_default();
        if job.contains(&target) {
            let _ = writeln!(left, "{}", folder.display());
        }
    }
    assert_eq!(left, "");
}
