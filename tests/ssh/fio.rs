//! fio over several remote hosts at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::skip_unless;
use crate::support::program;
use crate::testbed::{self, Hosts};

const COUNT: usize = 8;

/// The hosts, for one test at a time: a host is held by one run.
fn hosts() -> Result<MutexGuard<'static, Hosts>, String> {
    static HOSTS: OnceLock<Result<Mutex<Hosts>, String>> = OnceLock::new();
    program("fio")?;
    HOSTS
        .get_or_init(|| testbed::up(COUNT).map(Mutex::new))
        .as_ref()
        .map(|hosts| hosts.lock().unwrap_or_else(PoisonError::into_inner))
        .map_err(Clone::clone)
}

/// The hosts share a file system: in a directory each has files of its own.
fn test(hosts: &Hosts, name: &str, runtime: u32, client_server: u8) -> (PathBuf, String) {
    let directory = hosts.path(&format!("{name}.files"));
    fs::create_dir(&directory).expect("a folder");
    let test = format!(
        r#"fio:{{"type": "randread", "block-sizes": "4", "runtime": {runtime}, "ramptime": 0, "samples": 1, "file-size": 4, "direct": 0,
            "rate-iops": 100, "targets": "{}", "client-server": {client_server}}}"#,
        directory.display()
    );
    (directory, test)
}

fn entries(result: &Path) -> Vec<(String, f64)> {
    let text =
        fs::read_to_string(result).unwrap_or_else(|error| panic!("{}: {error}", result.display()));
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let entries = json[0]["iteration_data"]["throughput"]["iops_sec"]
        .as_array()
        .expect("entries");
    let read = |entry: &Value| {
        let name = entry["client_hostname"]
            .as_str()
            .expect("a name")
            .to_owned();
        (name, entry["mean"].as_f64().expect("a number"))
    };
    let mut found: Vec<_> = entries.iter().map(read).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn run(hosts: &Hosts, name: &str, count: usize, client_server: u8) {
    let (directory, test) = test(hosts, name, 2, client_server);
    let all: Vec<String> = (1..=count).map(|number| hosts.host(number)).collect();
    let mut args = vec!["--hosts"];
    args.extend(all.iter().map(String::as_str));
    args.extend(["--output", name, "--retry-tests", "1", "--", &test]);
    let (code, out, err) = hosts.run(&args);
    assert_eq!(code, 0, "{out}\n{err}");
    let found = entries(&hosts.path(name).join("Localhost/fio/0000/result.json"));
    let mut expected: Vec<String> = (1..=count)
        .map(|number| format!("{}-1", hosts.address(number)))
        .collect();
    expected.push("all".into());
    expected.sort();
    let names: Vec<&String> = found.iter().map(|(name, _)| name).collect();
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
    let single: f64 = found
        .iter()
        .filter(|(name, _)| name != "all")
        .map(|(_, mean)| mean)
        .sum();
    let (_, sum) = found
        .iter()
        .find(|(name, _)| name == "all")
        .expect("one entry");
    assert!((sum / single - 1.0).abs() < 0.5, "{found:?}");
    assert_eq!(
        fs::read_dir(&directory).expect("listed").count(),
        0,
        "files are gone"
    );
}

#[test]
fn two_hosts_each_with_a_fio_of_its_own() {
    let hosts = skip_unless!(hosts());
    run(&hosts, "two-own", 2, 0);
}

#[test]
fn two_hosts_with_servers_and_one_client() {
    let hosts = skip_unless!(hosts());
    run(&hosts, "two-servers", 2, 1);
}

#[test]
fn eight_hosts_either_way() {
    let hosts = skip_unless!(hosts());
    run(&hosts, "eight-own", 8, 0);
    run(&hosts, "eight-servers", 8, 1);
}

/// Private folders of a run, from its journal.
fn folders(result: &Path) -> Vec<String> {
    let journal = fs::read_to_string(result.join("__journal__.jsonl")).unwrap_or_default();
    let mut found = Vec::new();
    for part in journal.split("\"/tmp/runperf-fio.").skip(1) {
        let token: String = part
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        found.push(format!("/tmp/runperf-fio.{token}"));
    }
    found.sort();
    found.dedup();
    found
}

/// Processes that work there.
fn at_work(folders: &[String]) -> usize {
    fs::read_dir("/proc")
        .expect("listed")
        .flatten()
        .filter_map(|process| fs::read_link(process.path().join("cwd")).ok())
        .filter(|cwd| folders.iter().any(|folder| cwd.starts_with(folder)))
        .count()
}

#[test]
fn servers_of_a_killed_run_are_gone_after_recovery() {
    let hosts = skip_unless!(hosts());
    let (directory, test) = test(&hosts, "killed", 600, 1);
    let (one, two) = (hosts.host(3), hosts.host(4));
    let mut run = hosts
        .run_perf()
        .args(["--hosts", &one, &two, "--output", "killed", "--", &test])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run-perf starts");
    let end = Instant::now() + Duration::from_secs(120);
    while fs::read_dir(&directory).expect("listed").count() < 2 {
        assert!(Instant::now() < end, "fio never began");
        assert!(
            run.try_wait().expect("asked").is_none(),
            "run-perf ended early"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    run.kill().expect("killed");
    run.wait().expect("reaped");
    let result = hosts.path("killed");
    let folders = folders(&result);
    assert_eq!(folders.len(), 3, "two workers and the client: {folders:?}");
    assert!(at_work(&folders) > 0, "servers outlive a killed run");
    let (code, out, err) = hosts.run(&["--recover", "killed"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(at_work(&folders), 0, "{out}");
    assert!(
        folders.iter().all(|folder| !Path::new(folder).exists()),
        "{out}"
    );
    assert_eq!(
        fs::read_dir(&directory).expect("listed").count(),
        0,
        "{out}"
    );
    let (code, out, _) = hosts.run(&["--recover", "killed"]);
    assert_eq!(code, 0, "twice is harmless: {out}");
}
