//! Several workers at once: a fio of its own on each, or servers that one client starts.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runperf::host::Worker;
use runperf::shell::scripted::ScriptedShell;
use runperf::store::result_json::Iteration;
use serde_json::{Value, json};

use super::support::{Bench, all, has};

/// The same machine under more addresses; in a directory each has files of its own.
fn several(count: u8) -> (Bench, String) {
    let mut bench = Bench::new();
    for number in 2..=count {
        let other = Worker {
            name: format!("w{number}"),
            address: format!("127.0.0.{number}"),
            ..bench.workers.0[0][0].clone()
        };
        // The first group has two: all workers of a host take part, not only the first.
        let group = usize::from(number > 2);
        if bench.workers.0.len() <= group {
            bench.workers.0.push(Vec::new());
        }
        bench.workers.0[group].push(other);
    }
    let directory = bench.target("d");
    std::fs::create_dir(&directory).expect("a folder");
    (bench, directory)
}

fn given(directory: &str, client_server: u8) -> Value {
    json!({"type": "read", "block-sizes": "4", "runtime": 2, "ramptime": 0, "samples": 1, "file-size": 4, "numjobs": 2,
        "targets": directory, "direct": 0, "rate-iops": 100, "client-server": client_server})
}

fn clients(iteration: &Iteration) -> Vec<&str> {
    iteration.iteration_data.throughput["iops_sec"]
        .iter()
        .map(|entry| entry.client_hostname.as_str())
        .collect()
}

#[test]
fn every_worker_has_its_entries_and_all_of_them_one_whichever_way_they_are_driven() {
    need!(has("fio"), "no fio");
    for client_server in [0, 1] {
        let (bench, directory) = several(3);
        let iterations = bench
            .run(&given(&directory, client_server))
            .expect("figures");
        let data = &iterations[0].iteration_data;
        let expected = [
            "127.0.0.3-2",
            "127.0.0.3-1",
            "127.0.0.2-2",
            "127.0.0.2-1",
            "127.0.0.1-2",
            "127.0.0.1-1",
            "all",
        ];
        assert_eq!(clients(&iterations[0]), expected, "{client_server}");
        assert_eq!(data.latency["clat_p99"].len(), 7);
        let entries = &data.throughput["iops_sec"];
        let sum: f64 = entries[..6].iter().map(|entry| entry.mean).sum();
        let all = all(&data.throughput, "iops_sec").mean;
        // 100 a second each; intervals of single clients are not at the same times.
        assert!((all / sum - 1.0).abs() < 0.5, "all count: {all} {sum}");
        let kept = bench.kept();
        let log = match client_server {
            0 => "raw/read-4KiB/sample1/127.0.0.2/clients/127.0.0.2/fio_bw.1.log",
            _ => "raw/read-4KiB/sample1/clients/127.0.0.2/fio_bw.1.log",
        };
        assert!(kept.contains(&log.to_owned()), "{kept:?}");
        let benchmark = &data.parameters.benchmark[0];
        assert_eq!(
            benchmark.get("client_server"),
            (client_server == 1).then(|| json!("1")).as_ref()
        );
        assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 0);
        assert!(bench.context.journal.left().is_empty(), "all taken back");
    }
}

#[test]
fn a_server_that_is_lost_is_an_error_that_names_it() {
    need!(has("fio"), "no fio");
    let (bench, directory) = several(2);
    let mut long = given(&directory, 1);
    long["runtime"] = json!(30);
    let (class, message, _) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            // A job process of the second worker has its file open; its server is its parent.
            let end = Instant::now() + Duration::from_secs(120);
            while Instant::now() < end {
                let journal = bench.context.journal.left();
                let folder = journal.iter().find_map(|entry| {
                    let step = entry.undo.to_string();
                    (entry.scope.starts_with("w2/") && step.contains("/runperf-fio."))
                        .then(|| step.trim_start_matches("remove ").to_owned())
                });
                let laid_out = std::fs::read_dir(&directory).expect("listed").count() == 4;
                if let Some(folder) = folder.filter(|_| laid_out) {
                    std::thread::sleep(Duration::from_secs(1));
                    let _ = std::process::Command::new("sh")
                        .args(["-c", r#"for p in /proc/[0-9]*; do [ "$(readlink $p/cwd)" = "$1" ] && kill -9 ${p#/proc/}; done"#, "sh", &folder])
                        .status();
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let failure = bench.failure(&long);
        killer.join().expect("no panic");
        failure
    });
    assert_eq!(class, "lost-client", "{message}");
    assert!(
        message.contains("1 of 2 fio servers gave figures"),
        "{message}"
    );
    assert!(message.contains("nothing came from 127.0.0.2"), "{message}");
    assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 0);
    assert!(bench.context.journal.left().is_empty());
}

#[test]
fn servers_and_client_are_gone_after_a_cancelled_run() {
    need!(has("fio"), "no fio");
    let (bench, directory) = several(2);
    let mut long = given(&directory, 1);
    long["runtime"] = json!(600);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while std::fs::read_dir(&directory).expect("listed").count() < 4 {
                std::thread::sleep(Duration::from_millis(50));
            }
            bench.context.cancel.raise();
        });
        bench.run(&long).expect_err("cancelled");
    });
    assert!(bench.context.journal.left().is_empty());
    assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 0);
}

#[test]
fn every_worker_without_fio_is_named_with_the_package() {
    need!(has("fio"), "no fio");
    let (mut bench, directory) = several(4);
    for (number, release) in [(0, "ID=debian\n"), (1, "ID=fedora\n")] {
        let shell =
            ScriptedShell::new(format!("root@192.0.2.{number}")).file("/etc/os-release", release);
        bench.workers.0[1][number].shell = Arc::new(shell);
    }
    let (class, message, hint) = bench.failure(&given(&directory, 0));
    assert_eq!(
        (class.as_str(), message.as_str()),
        (
            "not-installed",
            "fio is not installed on root@192.0.2.0 (apt-get install fio); fio is not installed on root@192.0.2.1 (dnf install fio)"
        )
    );
    assert_eq!(hint, "apt-get install fio");
    assert!(bench.context.journal.left().is_empty());
}
