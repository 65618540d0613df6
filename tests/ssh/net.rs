//! Tests of the network: iperf3 for real, uperf with a stand-in that plays recordings (no
//! distribution has a package of it), under Localhost on this machine and between remote hosts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skip_unless;
use crate::support::{free_port, program, running};
use crate::testbed::{self, Hosts};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/uperf");
const STAND_IN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/testbed/uperf-stand-in.pl"
);
/// Recorded with the options and times of a runtime of 5 s.
const RR: &str = "05-tcp-rr-1024B-4t-raw";

/// Two hosts, for one test at a time: a host is held by one run.
pub(crate) fn hosts() -> Result<(&'static Hosts, MutexGuard<'static, ()>), String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    static ONE: Mutex<()> = Mutex::new(());
    let hosts = HOSTS.get_or_init(|| testbed::up(2)).as_ref();
    let hosts = hosts.map_err(Clone::clone)?;
    Ok((hosts, ONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// A folder of a test's own, from which run-perf is started on this machine.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run_perf(&self) -> Command {
        let mut command = Command::new(cargo_bin("run-perf"));
        command
            .current_dir(self.0.path())
            .env("RUNPERF_STATE_DIR", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("none"))
            .env("TMPDIR", self.0.path())
            .args([
                "--monitor-interval",
                "0",
                "--retry-tests",
                "1",
                "--output",
                "result",
            ])
            .stdin(Stdio::null());
        command
    }

    /// Runs tests; returns the exit code and standard output.
    fn run(&self, tests: &[String]) -> (i32, String) {
        let output = self
            .run_perf()
            .arg("--")
            .args(tests)
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    fn spawn(&self, tests: &[String]) -> Child {
        let mut command = self.run_perf();
        command.arg("--").args(tests);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("it starts")
    }

    /// Names of what is left in the temporary folder of the machine under test.
    fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).expect("listed").flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("runperf-"))
            .collect()
    }
}

/// A stand-in that plays one recording.
struct StandIn(TempDir);

impl StandIn {
    fn playing(case: &str, seconds: u32) -> Result<Self, String> {
        program("perl")?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::copy(STAND_IN, dir.path().join("uperf")).expect("copied");
        let replay = format!("{FIXTURES}\n{case}\n{seconds}\n");
        fs::write(dir.path().join("replay"), replay).expect("written");
        Ok(Self(dir))
    }

    fn binary(&self) -> String {
        self.0.path().join("uperf").display().to_string()
    }

    /// What still runs of it.
    fn running(&self) -> Vec<String> {
        running(&format!("perl {}", self.binary()))
    }

    /// The test as typed, with these parameters beside its own.
    fn test(&self, port: u16, more: &Value) -> String {
        let mut given = json!({
            "binary": self.binary(), "test-types": "rr", "message-sizes": 1024, "instances": 4,
            "runtime": 5, "samples": 1, "port": port,
        });
        let given = given.as_object_mut().expect("an object");
        given.extend(more.as_object().cloned().unwrap_or_default());
        format!("uperf:{}", Value::Object(given.clone()))
    }
}

fn result(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// The entries of a metric of the first iteration: client, mean, unit, direction.
fn rows(result: &Value, kind: &str, metric: &str) -> Vec<(String, f64, String, String)> {
    let entries = result[0]["iteration_data"][kind][metric].as_array();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |entry: &Value| {
        (
            text(&entry["client_hostname"]),
            entry["mean"].as_f64().expect("a number"),
            text(&entry["unit"]),
            text(&entry["better"]),
        )
    };
    let mut rows: Vec<_> = entries
        .unwrap_or_else(|| panic!("no {metric}: {result}"))
        .iter()
        .map(row)
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1200 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}");
}

/// Kills the process whose command line holds this text, which names something of this test only.
fn end(text: &str) {
    let holds = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(text)
    };
    let all = fs::read_dir("/proc").expect("there is proc").flatten();
    let ids: Vec<String> = all
        .filter(holds)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(ids.len(), 1, "{text}");
    let status = Command::new("kill").arg("-9").args(&ids).status();
    assert!(status.expect("there is kill").success());
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.expect("there is kill").success());
}

#[test]
fn uperf_gives_the_figures_of_pbench_and_leaves_nothing() {
    let stand_in = skip_unless!(StandIn::playing("04-tcp-rr-4MiB-1t-raw-resptimes", 0));
    let place = Place::new();
    let more = json!({"message-sizes": 4_194_304, "instances": 1, "log-response-times": "y"});
    let (code, out) = place.run(&[stand_in.test(free_port(), &more)]);
    assert_eq!(code, 0, "{out}");
    let attempt = place.path("result/Localhost/uperf/0000");
    let ours = result(&attempt.join("result.json"));
    let golden = result(
        &Path::new(FIXTURES).join("../pbench-results/uperf/3-tcp_rr-4194304B-1i/result.json"),
    );
    assert_eq!(ours[0]["iteration_name"], "tcp_rr-4194304B-1i");
    for (kind, metric) in [("throughput", "trans_sec"), ("latency", "usec")] {
        for (row, theirs) in rows(&ours, kind, metric)
            .iter()
            .zip(golden[kind][metric].as_array().expect("entries"))
        {
            let theirs = theirs["mean"].as_f64().expect("a number");
            assert!(
                (row.1 - theirs).abs() <= 1e-9 * theirs,
                "{metric}: {row:?}, pbench has {theirs}"
            );
        }
    }
    let benchmark = &ours[0]["iteration_data"]["parameters"]["benchmark"][0];
    assert_eq!(
        (
            &benchmark["primary_metric"],
            &benchmark["benchmark_version"]
        ),
        (&json!("trans_sec"), &json!("1.0.8"))
    );
    assert_eq!(
        (&benchmark["clients"], &benchmark["servers"]),
        (&json!("127.0.0.1"), &json!("127.0.0.1"))
    );
    assert_eq!(
        rows(&ours, "latency", "trans_p95").len(),
        2,
        "response times of the client and of all"
    );
    let raw = attempt.join("raw/tcp_rr-4194304B-1i/sample1");
    for kept in [
        "127.0.0.1/command",
        "127.0.0.1/profile.xml",
        "127.0.0.1/stdout",
        "127.0.0.1/summary-response-times.txt",
    ] {
        assert!(raw.join(kept).exists(), "{kept}");
    }
    assert_eq!(place.left(), [""; 0], "private folders are removed");
    assert_eq!(stand_in.running(), [""; 0], "the server is ended");
}

#[test]
fn what_uperf_reports_is_an_error_whatever_its_status() {
    for (case, class_words) in [
        ("30-fail-bad-option", "refused an option"),
        ("22-fail-unknown-flowop", "Unknown flowop wriite"),
        ("28-fail-server-sigterm-mid-run-udp-rr", "lost its server"),
        (
            "10-tcp-rr-64B-1t-default-output",
            "no time-stamped counters",
        ),
        ("07-udp-rr-64B-1t-raw", "take a longer `runtime`"),
        ("13-tcp-rr-64B-1t-rate-limit", "did not one operation"),
        ("31-client-sigint-mid-run", "was interrupted"),
    ] {
        let stand_in = skip_unless!(StandIn::playing(case, 0));
        let place = Place::new();
        let (code, out) = place.run(&[stand_in.test(free_port(), &json!({}))]);
        assert_eq!(code, 3, "{case}: {out}");
        assert!(out.contains(class_words), "{case}: {out}");
        let attempts = fs::read_dir(place.path("result/Localhost/uperf")).expect("tried");
        let kept = attempts
            .flatten()
            .map(|attempt| attempt.path().join("result.json"))
            .find(|path| path.exists());
        let kept = result(&kept.expect("what was measured before, and why no more"));
        let data = &kept[0]["iteration_data"];
        assert!(data["throughput"].is_null(), "{case}: no figure {kept}");
        assert_eq!(
            (stand_in.running(), place.left()),
            (Vec::new(), Vec::new()),
            "{case}"
        );
    }
}

#[test]
fn a_server_that_is_ended_during_the_run_is_an_error() {
    let stand_in = skip_unless!(StandIn::playing(RR, 600));
    let place = Place::new();
    let mut run = place.spawn(&[stand_in.test(free_port(), &json!({}))]);
    let client = || {
        stand_in
            .running()
            .iter()
            .any(|line| line.contains("profile.xml"))
    };
    until("the client works", client);
    let server = format!("{} -v -s", stand_in.binary());
    end(&server);
    assert_eq!(run.wait().expect("ends").code(), Some(3));
    let exception = fs::read_to_string(place.path("result/Localhost/uperf/0/__error0__/exception"));
    let exception = exception.expect("recorded");
    assert!(
        exception.contains("lost its server during the run"),
        "{exception}"
    );
    assert_eq!((stand_in.running(), place.left()), (Vec::new(), Vec::new()));
}

#[test]
fn servers_are_ended_when_the_run_is_interrupted() {
    let stand_in = skip_unless!(StandIn::playing(RR, 600));
    let place = Place::new();
    let mut run = place.spawn(&[stand_in.test(free_port(), &json!({}))]);
    until("client and server run", || stand_in.running().len() >= 2);
    signal(&run, "-INT");
    assert_eq!(run.wait().expect("ends").code(), Some(130));
    assert_eq!((stand_in.running(), place.left()), (Vec::new(), Vec::new()));
}

#[test]
fn servers_of_a_killed_run_are_ended_by_recovery() {
    let stand_in = skip_unless!(StandIn::playing(RR, 600));
    let place = Place::new();
    let mut run = place.spawn(&[stand_in.test(free_port(), &json!({}))]);
    until("client and server run", || stand_in.running().len() >= 2);
    run.kill().expect("ours");
    run.wait().expect("ended");
    assert!(
        !stand_in.running().is_empty(),
        "they go on without their controller"
    );
    for _ in 0..2 {
        let recovered = Command::new(cargo_bin("run-perf"))
            .args(["--recover", "result"])
            .current_dir(place.0.path())
            .env("RUNPERF_STATE_DIR", place.path("state"))
            .output()
            .expect("it starts");
        assert_eq!(recovered.status.code(), Some(0), "{recovered:?}");
        assert_eq!((stand_in.running(), place.left()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_nobody_is_ended_for_it() {
    let stand_in = skip_unless!(StandIn::playing(RR, 0));
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("bound").port();
    let place = Place::new();
    let (code, out) = place.run(&[stand_in.test(port, &json!({}))]);
    assert_eq!(code, 3, "{out}");
    assert!(
        out.contains(&format!("port {port} of localhost is taken by")),
        "{out}"
    );
    assert!(out.contains("choose others with `port`"), "{out}");
    assert_eq!(stand_in.running(), [""; 0]);
}

#[test]
fn a_missing_program_says_what_to_do() {
    let place = Place::new();
    let test = r#"uperf:{"binary": "/no/such/uperf"}"#.to_owned();
    let (code, out) = place.run(&[test]);
    assert_eq!(code, 3, "{out}");
    assert!(
        out.contains("uperf is not installed on localhost as `/no/such/uperf`"),
        "{out}"
    );
    assert!(out.contains("or use the test iperf3"), "{out}");
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn real_uperf_measures_over_loopback() {
    let found = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).find(|dir| dir.join("uperf").exists()));
    if found.is_none() {
        println!("skipped: no uperf here");
        return;
    }
    let place = Place::new();
    for kind in ["stream", "maerts", "bidirec", "rr"] {
        let test = format!(
            r#"uperf:{{"test-types": "{kind}", "message-sizes": 1024, "instances": 2, "runtime": 2, "trim": 1, "samples": 1, "port": {}, "__NAME__": "{kind}"}}"#,
            free_port()
        );
        let (code, out) = place.run(&[test, "--force".into()]);
        assert_eq!(code, 0, "{kind}: {out}");
    }
}

#[test]
fn uperf_runs_between_two_remote_hosts() {
    let (hosts, _one) = skip_unless!(hosts());
    let stand_in = skip_unless!(StandIn::playing(RR, 1));
    let test = stand_in.test(20_010, &json!({}));
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(1),
        &hosts.host(2),
        "--output",
        "uperf",
        "--retry-tests",
        "1",
        "--",
        &test,
    ]);
    assert_eq!(code, 0, "{out}\n{err}");
    let attempt = hosts.path("uperf/Localhost/uperf/0000");
    let ours = result(&attempt.join("result.json"));
    let found = rows(&ours, "throughput", "trans_sec");
    let names: Vec<&str> = found.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(names, [&hosts.address(1), &hosts.address(2), "all"]);
    // Both played the same recording.
    assert!(
        (found[2].1 - found[0].1 - found[1].1).abs() < 1e-6,
        "{found:?}"
    );
    let sample = attempt.join("raw/tcp_rr-1024B-4i/sample1");
    let profile = sample.join(hosts.address(1)).join("profile.xml");
    let profile = fs::read_to_string(profile).expect("kept");
    assert!(
        profile.contains(&format!("remotehost={} protocol=tcp", hosts.address(2))),
        "{profile}"
    );
    assert!(
        sample
            .join(format!("server-{}-20020", hosts.address(1)))
            .join("command")
            .exists()
    );
    assert_eq!(stand_in.running(), [""; 0], "servers are ended");
}

#[test]
fn iperf3_runs_between_two_remote_hosts() {
    let (hosts, _one) = skip_unless!(hosts());
    skip_unless!(program("iperf3"));
    for (name, given, metrics) in [
        (
            "tcp",
            r#""test-types": "stream,maerts""#,
            ["Gb_sec", "retransmits_sec"],
        ),
        (
            "both",
            r#""test-types": "bidirec", "instances": 2"#,
            ["Gb_sec", "Gb_sec_to_client"],
        ),
        (
            "udp",
            r#""protocols": "udp", "message-sizes": 1024, "bitrate": "10M""#,
            ["Gb_sec", "packets_sec"],
        ),
    ] {
        let test = format!(r#"iperf3:{{{given}, "runtime": 2, "omit": 0, "samples": 2}}"#);
        let (code, out, err) = hosts.run(&[
            "--hosts",
            &hosts.host(1),
            &hosts.host(2),
            "--output",
            name,
            "--retry-tests",
            "1",
            "--",
            &test,
        ]);
        assert_eq!(code, 0, "{name}: {out}\n{err}");
        let ours = result(&hosts.path(name).join("Localhost/iperf3/0000/result.json"));
        for metric in metrics {
            let found = rows(&ours, "throughput", metric);
            let names: Vec<&str> = found.iter().map(|row| row.0.as_str()).collect();
            assert_eq!(
                names,
                [&hosts.address(1), &hosts.address(2), "all"],
                "{name} {metric}"
            );
        }
        let rate = &rows(&ours, "throughput", "Gb_sec")[2];
        assert!(
            rate.1 > 0.0 && rate.2 == "Gb/s" && rate.3 == "higher",
            "{rate:?}"
        );
        let servers = &ours[0]["iteration_data"]["throughput"]["Gb_sec"][0]["server_hostname"];
        assert_eq!(
            servers,
            &json!(hosts.address(1)),
            "entries are reversed: the last client first"
        );
    }
    assert_eq!(running("iperf3 -s -J -p 520"), [""; 0], "servers are ended");
}

#[test]
fn iperf3_runs_over_loopback_and_says_when_its_server_goes() {
    skip_unless!(program("iperf3"));
    let place = Place::new();
    let port = free_port();
    let test = |runtime: u32, name: &str| {
        format!(
            r#"iperf3:{{"runtime": {runtime}, "omit": 0, "samples": 1, "port": {port}, "__NAME__": "{name}"}}"#
        )
    };
    let (code, out) = place.run(&[test(1, "good")]);
    assert_eq!(code, 0, "{out}");
    let ours = result(&place.path("result/Localhost/good/0000/result.json"));
    assert_eq!(ours[0]["iteration_name"], "tcp_stream-16384B-1i");
    assert_eq!(rows(&ours, "throughput", "Gb_sec").len(), 2);

    let place = Place::new();
    let mut run = place.spawn(&[test(600, "lost")]);
    let client = format!("iperf3 -c 127.0.0.1 -p {port}");
    until("the client works", || !running(&client).is_empty());
    std::thread::sleep(Duration::from_millis(500));
    end(&format!("iperf3 -s -J -p {port}"));
    assert_eq!(run.wait().expect("ends").code(), Some(3));
    let exception = fs::read_to_string(place.path("result/Localhost/lost/0/__error0__/exception"));
    let exception = exception.expect("recorded");
    assert!(
        exception.contains("iperf3 (which ended with"),
        "{exception}"
    );
    assert_eq!(running(&client), [""; 0]);
}
