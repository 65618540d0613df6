//! Real commands on this machine.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::build;
use crate::control::Context;
use crate::host::{Host, HostParams, Worker, Workers};
use crate::shell::local::LocalShell;
use crate::store::result_json::{Iteration, MetricEntry};
use crate::tests::{Test, TestContext, TestError};

/// A folder, a host and its workers.
struct Bench {
    folder: tempfile::TempDir,
    run: Context,
    host: Host,
    workers: Workers,
}

impl Bench {
    fn with_workers(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let shell = |name: &str| Arc::new(LocalShell::new(name));
        let worker = |name: &&str| Worker {
            name: (*name).into(),
            address: format!("{name}.example"),
            role: None,
            host: "foo".into(),
            shell: shell(name),
        };
        Self {
            run: Context::for_test(folder.path()),
            host: Host {
                name: "foo".into(),
                address: "127.0.0.1".into(),
                params: HostParams::default(),
                distro: "Unknown".into(),
                shell: shell("foo"),
            },
            workers: Workers(names.iter().map(|name| vec![worker(name)]).collect()),
            folder,
        }
    }

    fn new() -> Self {
        Self::with_workers(&["foo"])
    }

    fn cx(&self) -> TestContext<'_> {
        TestContext {
            run: &self.run,
            profile: "Localhost",
            host: &self.host,
            hosts: std::slice::from_ref(&self.host),
            workers: &self.workers,
            dir: self.folder.path(),
        }
    }

    /// Sets up, runs and cleans up, as the controller does.
    fn go(&self, given: &Value) -> Result<Vec<Iteration>, TestError> {
        let mut test = test(given);
        let result = test.set_up(&self.cx()).and_then(|()| test.run(&self.cx()));
        let cleaned = test.clean_up(&self.cx());
        result.and_then(|iterations| cleaned.map(|()| iterations))
    }

    fn read(&self, path: &str) -> String {
        let path = self.folder.path().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns what an interruption or failure left of the measurement.
    fn checkpoint(&self) -> Vec<Iteration> {
        serde_json::from_str(&self.read("result.json")).expect("a result")
    }
}

fn test(given: &Value) -> Box<dyn Test> {
    let given: &Map<String, Value> = given.as_object().expect("an object");
    build("mine".into(), given).expect("parameters that fit")
}

fn entry<'a>(iteration: &'a Iteration, metric: &str, client: &str) -> &'a MetricEntry {
    let data = &iteration.iteration_data;
    let entries = data
        .throughput
        .get(metric)
        .or_else(|| data.latency.get(metric))
        .expect("the metric");
    entries
        .iter()
        .find(|entry| entry.client_hostname == client)
        .expect("the client")
}

fn values(entry: &MetricEntry) -> Vec<f64> {
    entry.samples.iter().map(|sample| sample.value).collect()
}

/// Counts its own runs in the file `n` of the working folder.
const COUNT: &str = "n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n > n; echo \"{\\\"a\\\": {\\\"n\\\": $n}}\"";

#[test]
fn each_sample_is_a_run_and_warm_up_is_thrown_away() {
    let bench = Bench::new();
    let iterations = bench
        .go(&json!({
            "command": COUNT, "cwd": bench.folder.path(), "samples": 3, "warmup": 2, "iteration": "counting",
            "metrics": [{"name": "n", "json": "/a/n", "unit": "1/s"}],
        }))
        .expect("runs");

    assert_eq!(iterations.len(), 1);
    assert_eq!(iterations[0].iteration_name, "counting");
    let all = entry(&iterations[0], "n", "all");
    assert_eq!(
        (values(all), all.mean, all.unit.as_str()),
        (vec![3.0, 4.0, 5.0], 4.0, "1/s")
    );
    assert_eq!(iterations[0].primary(), Some((4.0, "1/s")));
    assert_eq!(
        bench.read("raw/counting/sample2/foo.stdout"),
        "{\"a\": {\"n\": 4}}\n"
    );
    assert_eq!(
        bench.read("raw/counting/warmup1/foo.stdout"),
        "{\"a\": {\"n\": 1}}\n"
    );
    assert_eq!(bench.checkpoint(), iterations);
}

#[test]
fn machines_are_watched_beside_each_sample_when_asked() {
    let mut bench = Bench::new();
    bench
        .go(&json!({"command": "true", "samples": 1}))
        .expect("runs");
    assert!(!bench.folder.path().join("monitor").exists());

    bench.run.monitor_interval = Some(std::time::Duration::from_millis(50));
    bench
        .go(&json!({"command": "true", "samples": 2}))
        .expect("runs");
    assert!(
        bench
            .read("monitor/run/sample2/foo.csv")
            .starts_with("t,cpu_user,")
    );
}

#[test]
fn without_metrics_the_time_it_takes_is_measured() {
    let bench = Bench::new();
    let iterations = bench
        .go(&json!({"command": ["sleep", "0.05"], "samples": 2}))
        .expect("runs");
    let all = entry(&iterations[0], "wall_s", "all");
    assert_eq!(
        (all.samples.len(), all.unit.as_str(), all.better),
        (2, "s", crate::metric::Better::Lower)
    );
    assert!(
        values(all).iter().all(|seconds| *seconds >= 0.05),
        "{:?}",
        values(all)
    );
}

#[test]
fn workers_run_together_and_are_added_or_averaged_by_kind() {
    let bench = Bench::with_workers(&["a", "b"]);
    // Each worker waits for the other one: run after one another they would never end.
    let command = "touch seen.$RUNPERF_WORKER; while [ $(ls seen.* | wc -l) -lt 2 ]; do sleep 0.01; done; echo 10,4";
    let iterations = bench
        .go(&json!({
            "command": command, "cwd": bench.folder.path(), "samples": 1, "timeout": 60,
            "metrics": [{"name": "rate", "regex": "^(.*),"}, {"name": "delay", "regex": ",(.*)", "better": "lower"}],
        }))
        .expect("both run at once");
    assert_eq!(values(entry(&iterations[0], "rate", "all")), [20.0]);
    assert_eq!(values(entry(&iterations[0], "delay", "all")), [4.0]);
    assert_eq!(values(entry(&iterations[0], "rate", "b.example")), [10.0]);
}

#[test]
fn a_failing_command_says_how_and_keeps_what_was_measured() {
    let bench = Bench::new();
    let command = format!("{COUNT}; [ $n -lt 2 ] || {{ echo 'disk on fire' >&2; exit 3; }}");
    let error = bench
        .go(&json!({"command": command, "cwd": bench.folder.path(), "metrics": [{"name": "n", "json": "/a/n"}]}))
        .expect_err("the second run fails");

    let TestError::Failed { class, message, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(class, "exit-status");
    assert_eq!(
        message,
        "the command ended with status 3 on foo; its last lines:\ndisk on fire"
    );
    assert_eq!(bench.read("raw/run/sample2/foo.stderr"), "disk on fire\n");
    let kept = bench.checkpoint();
    let all = entry(&kept[0], "n", "all");
    assert_eq!(
        values(all),
        [1.0],
        "the first sample has a number, the second none"
    );
    assert_eq!(
        (all.errors[0].sample, all.errors[0].class.as_str()),
        (2, "exit-status")
    );
}

#[test]
fn a_hanging_command_is_ended_with_everything_it_started() {
    let bench = Bench::new();
    let error = bench
        .go(&json!({"command": "echo waiting; sleep 1000 & echo $! > pid; wait", "cwd": bench.folder.path(), "timeout": 0.5}))
        .expect_err("it hangs");
    let TestError::Failed {
        class,
        message,
        hint,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(class, "timeout");
    assert_eq!(
        message,
        "the command did not end within 0.5 s on foo; its last lines:\nwaiting"
    );
    assert_eq!(
        hint.as_deref(),
        Some("raise `timeout`, or find out what it waits for")
    );
    let pid = bench.read("pid");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(
        state.is_empty() || state.contains(") Z "),
        "still there: {state}"
    );
}

#[test]
fn a_missing_number_names_pointer_and_output() {
    let bench = Bench::new();
    let error = bench
        .go(&json!({"command": "echo '{\"iops\": null}'", "metrics": [{"name": "rate", "json": "/iops"}]}))
        .expect_err("null is no number");
    let TestError::Failed { class, message, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(class, "no-number");
    assert_eq!(
        message,
        "no number for metric `rate`: JSON pointer `/iops` leads to `null`, which is no finite number; \
         output of foo.example ends: \n{\"iops\": null}"
    );
}

#[test]
fn numbers_come_from_files_too_and_a_missing_file_is_told() {
    let bench = Bench::new();
    let given = |command: &str| {
        json!({"command": command, "cwd": bench.folder.path(), "samples": 1,
               "metrics": [{"name": "n", "csv": {"row": "b", "column": "n"}, "file": "out.csv"}]})
    };
    let error = bench.go(&given("true")).expect_err("no file");
    assert_eq!(error.to_string(), "the command left no file out.csv on foo");
    let iterations = bench
        .go(&given("printf 'k,n\\na,1\\nb,2\\n' > out.csv"))
        .expect("runs");
    assert_eq!(values(entry(&iterations[0], "n", "all")), [2.0]);
    assert_eq!(
        bench.read("raw/run/sample1/foo.file-out.csv"),
        "k,n\na,1\nb,2\n"
    );
}

#[test]
fn set_up_and_clean_up_run_around_it_whatever_happens() {
    let bench = Bench::new();
    let given = json!({"command": "cat made", "setup": "echo $VALUE > made", "cleanup": ["rm", "made"],
                       "cwd": bench.folder.path(), "env": {"VALUE": 7}, "samples": 1, "metrics": [{"name": "v"}]});
    let iterations = bench.go(&given).expect("runs");
    assert_eq!(values(entry(&iterations[0], "v", "all")), [7.0]);
    assert!(!bench.folder.path().join("made").exists());

    // Stopped between set-up and run: clean-up still runs.
    let mut test = test(&given);
    test.set_up(&bench.cx()).expect("prepared");
    bench.run.cancel.raise();
    assert!(matches!(test.run(&bench.cx()), Err(TestError::Interrupted)));
    test.clean_up(&bench.cx()).expect("removed");
    assert!(!bench.folder.path().join("made").exists());
}

#[test]
fn a_failing_set_up_is_a_failure_of_the_test() {
    let bench = Bench::new();
    let error = bench
        .go(&json!({"command": "true", "setup": "echo no room >&2; false"}))
        .expect_err("no room");
    assert_eq!(
        error.to_string(),
        "`setup` ended with status 1 on foo; its last lines:\nno room"
    );
}

#[test]
fn secrets_reach_the_command_and_nothing_that_is_kept() {
    let bench = Bench::new();
    bench
        .go(&json!({"command": "echo 1 $API_TOKEN; test \"$API_TOKEN\" = s3cret", "env": {"API_TOKEN": "s3cret"},
                    "samples": 1, "metrics": [{"name": "n", "regex": "^(\\d)"}]}))
        .expect("the command gets it");
    assert_eq!(bench.read("raw/run/sample1/foo.stdout"), "1 ***\n");
    assert!(!bench.read("result.json").contains("s3cret"));
}

#[test]
fn an_interruption_ends_the_command_and_keeps_finished_samples() {
    let bench = Bench::new();
    let cancel = bench.run.cancel.clone();
    let marker = bench.folder.path().join("second");
    let given = json!({"command": "if [ -e first ]; then touch second; sleep 1000; else touch first; fi; echo 1",
                       "cwd": bench.folder.path(), "metrics": [{"name": "n"}]});
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !marker.exists() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            cancel.raise();
        });
        bench.go(&given)
    });
    assert!(matches!(result, Err(TestError::Interrupted)), "{result:?}");
    assert_eq!(values(entry(&bench.checkpoint()[0], "n", "all")), [1.0]);
}
