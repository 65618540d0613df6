//! run-perf against remote hosts: network namespaces on this machine, each with an sshd of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use runperf::shell::{CommandLine, Shell};
use serde_json::Value;

use crate::skip_unless;
use crate::support::{Sshd, limits, program, running};
use crate::testbed::{self, Hosts};

/// Hosts that are up; host 4 of the tests is one that is not.
const COUNT: usize = 3;

fn hosts() -> Result<&'static Hosts, String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    HOSTS
        .get_or_init(|| testbed::up(COUNT))
        .as_ref()
        .map_err(Clone::clone)
}

fn json(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// Clients of the entries of one metric.
pub(crate) fn clients(result: &Path, kind: &str, metric: &str) -> Vec<String> {
    let entries = json(result)[0]["iteration_data"][kind][metric]
        .as_array()
        .expect("entries")
        .clone();
    let mut clients: Vec<String> = entries
        .iter()
        .map(|entry| {
            entry["client_hostname"]
                .as_str()
                .expect("a name")
                .to_owned()
        })
        .collect();
    clients.sort();
    clients
}

#[test]
fn tests_run_on_one_remote_host() {
    let hosts = skip_unless!(hosts());
    let command = r#"command:{"command": ["sh", "-c", "sleep 0.1; hostname >&2; echo 42 # runperf-hosts-test"], "samples": 2, "metrics": [{"name": "answers", "regex": "(\\d+)", "primary": true}], "__NAME__": "answer"}"#;
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(1),
        "--output",
        "one",
        "--retry-tests",
        "1",
        "--",
        "dummy",
        command,
    ]);
    assert_eq!(code, 0, "{out}\n{err}");
    let metadata = fs::read_to_string(hosts.path("one/RUNPERF_METADATA")).expect("written");
    assert!(
        metadata.contains(&format!("machine:{}", hosts.address(1))),
        "{metadata}"
    );
    let environment = metadata
        .lines()
        .find_map(|line| line.strip_prefix("environment_world:"))
        .expect("facts");
    assert!(environment.contains("Name:h1"), "{environment}");
    let result = hosts.path("one/Localhost/answer/0000/result.json");
    assert_eq!(
        clients(&result, "throughput", "answers"),
        [hosts.address(1), "all".into()]
    );
    assert!(
        hosts.path("one/__sessions__/h1").exists()
            || hosts.path("one/Localhost/__sessions__/h1").exists()
    );
    assert!(
        hosts.path("one/Localhost/answer/0000/monitor").exists(),
        "the remote machine was watched"
    );
}

#[test]
fn fio_measures_on_a_remote_host() {
    let hosts = skip_unless!(hosts());
    skip_unless!(program("fio"));
    let target = hosts.path("fio.file").display().to_string();
    let fio = format!(
        r#"fio:{{"type": "randread", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 1, "file-size": 8, "direct": 0, "targets": "{target}"}}"#
    );
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(2),
        "--output",
        "fio",
        "--retry-tests",
        "1",
        "--",
        &fio,
    ]);
    assert_eq!(code, 0, "{out}\n{err}");
    let result = hosts.path("fio/Localhost/fio/0000/result.json");
    let names = clients(&result, "throughput", "iops_sec");
    assert!(
        names.iter().any(|name| name.starts_with(&hosts.address(2))),
        "{names:?}"
    );
}

#[test]
fn a_host_that_is_not_there_is_left_out_and_the_others_go_on() {
    let hosts = skip_unless!(hosts());
    let command = r#"command:{"command": ["echo", "7"], "samples": 1, "metrics": [{"name": "answers", "regex": "(\\d+)", "primary": true}]}"#;
    let (one, gone, three) = (
        hosts.host(1),
        "h9:127.77.7.7:1".replace("127.77.7.7", &hosts.address(89)),
        hosts.host(3),
    );
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &one,
        &gone,
        &three,
        "--output",
        "several",
        "--retry-tests",
        "1",
        "--",
        command,
    ]);
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(out.contains("host h9: cannot reach root@"), "{out}");
    let result = hosts.path("several/Localhost/command/0000/result.json");
    let names = clients(&result, "throughput", "answers");
    assert_eq!(names, [hosts.address(1), hosts.address(3), "all".into()]);
    let (code, out, _) = hosts.run(&["--hosts", &gone, "--output", "nobody", "--", command]);
    assert_eq!(code, 1, "{out}");
}

#[test]
fn a_host_whose_key_is_not_known_is_refused_with_a_hint() {
    let hosts = skip_unless!(hosts());
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = hosts
        .run_perf()
        .env("HOME", home.path())
        .args(["--hosts", &hosts.host(1), "--output"])
        .arg(home.path().join("result"))
        .args(["--", "dummy"])
        .output()
        .expect("run-perf starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(
        out.contains("is not known") && out.contains("--host-keys accept-new"),
        "{out}"
    );
}

#[test]
fn what_an_interrupted_run_started_remotely_is_ended() {
    let hosts = skip_unless!(hosts());
    let command = r#"command:{"command": ["sh", "-c", "sleep 4242 & sleep 4242; : runperf-interrupt-test"], "samples": 1, "metrics": [{"name": "answers", "regex": "(\\d+)", "primary": true}]}"#;
    // Not run-perf itself, whose command line holds the words as well.
    let sleeping = || {
        running("sleep 4242")
            .iter()
            .any(|line| line.starts_with("sleep"))
    };
    let mut run = hosts
        .run_perf()
        .args([
            "--hosts",
            &hosts.host(2),
            "--output",
            "stopped",
            "--",
            command,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run-perf starts");
    for _ in 0..1200 {
        if sleeping() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(sleeping(), "it runs");
    let status = Command::new("kill")
        .args(["-INT", &run.id().to_string()])
        .status();
    assert!(status.expect("there is kill").success());
    assert_eq!(run.wait().expect("ends").code(), Some(130));
    assert_eq!(running("sleep 4242"), [""; 0]);
    assert_eq!(running("runperf-interrupt-test"), [""; 0]);
}

#[test]
fn a_killed_run_is_recovered_over_ssh() {
    let hosts = skip_unless!(hosts());
    let command = r#"command:{"command": ["sleep", "5252"], "samples": 1, "metrics": [{"name": "answers", "regex": "(\\d+)", "primary": true}]}"#;
    let mut run = hosts
        .run_perf()
        .args([
            "--hosts",
            &hosts.host(3).replace("h3", "other"),
            "--output",
            "killed",
            "--",
            command,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run-perf starts");
    for _ in 0..1200 {
        if running("sleep 5252")
            .iter()
            .any(|line| line.starts_with("sleep"))
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    run.kill().expect("ours");
    run.wait().expect("ended");
    assert!(
        !running("sleep 5252").is_empty(),
        "it goes on without its controller"
    );
    let (code, out, err) = hosts.run(&["--recover", "killed"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(running("sleep 5252"), [""; 0]);
    let journal = fs::read_to_string(hosts.path("killed/__journal__.jsonl")).expect("written");
    let folder = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| Some(line["undo"]["remove_path"]["path"].as_str()?.to_owned()))
        .expect("the private folder is in the journal");
    assert!(!Path::new(&folder).exists(), "{folder}");
    let (code, ..) = hosts.run(&["--recover", "killed"]);
    assert_eq!(code, 0, "a second time does no harm");
}

#[test]
fn nothing_is_left_after_an_orderly_run() {
    let hosts = skip_unless!(hosts());
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(1).replace("h1", "tidy"),
        "--output",
        "tidy",
        "--monitor-interval",
        "0",
        "--",
        "dummy",
    ]);
    assert_eq!(code, 0, "{out}\n{err}");
    let journal = fs::read_to_string(hosts.path("tidy/__journal__.jsonl")).expect("written");
    for line in journal
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        if let Some(folder) = line["undo"]["remove_path"]["path"].as_str() {
            assert!(!Path::new(folder).exists(), "{folder}");
        }
    }
    assert!(
        journal
            .lines()
            .last()
            .is_some_and(|line| line.contains("clean")),
        "{journal}"
    );
}

#[test]
fn one_machine_under_two_names_is_refused_before_anything_is_made() {
    let hosts = skip_unless!(hosts());
    let again = format!("same:root@{}:22", hosts.address(1));
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(1).replace("h1", "one"),
        &hosts.host(2).replace("h2", "other"),
        &again,
        "--output",
        "twice",
        "--",
        "dummy",
    ]);
    assert_eq!(code, 2, "{out}\n{err}");
    let address = hosts.address(1);
    let said =
        format!("error: hosts `one` ({address}) and `same` ({address}) are the same machine");
    assert!(err.contains(&said), "{err}");
    assert!(!hosts.path("twice").exists());
}

#[test]
fn a_host_that_is_held_costs_no_result_directory_and_leaves_nothing_behind() {
    let hosts = skip_unless!(hosts());
    let held = hosts.host(2).replace("h2", "held");
    let command = r#"command:{"command": ["sleep", "6262"], "samples": 1, "metrics": [{"name": "answers", "regex": "(\\d+)", "primary": true}]}"#;
    let mut first = hosts
        .run_perf()
        .args(["--hosts", &held, "--output", "holder", "--", command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run-perf starts");
    for _ in 0..1200 {
        if running("sleep 6262")
            .iter()
            .any(|line| line.starts_with("sleep"))
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    for other in [
        vec!["--output", "second"],
        vec!["--force", "--output", "kept"],
    ] {
        fs::create_dir_all(hosts.path("kept")).expect("made");
        fs::write(hosts.path("kept/RUNPERF_METADATA"), "build:1\n").expect("written");
        let free = hosts.host(1).replace("h1", "free");
        let (code, out, err) =
            hosts.run(&[&other[..], &["--hosts", &free, &held, "--", "dummy"]].concat());
        assert_eq!(code, 1, "{out}\n{err}");
        assert!(err.contains("error: host `held` is held by run `"), "{err}");
        assert!(
            err.contains("holder") && err.contains("--wait-held"),
            "{err}"
        );
    }
    assert!(!hosts.path("second").exists());
    let kept = fs::read_to_string(hosts.path("kept/RUNPERF_METADATA")).expect("there");
    assert_eq!(kept, "build:1\n", "--force did not replace it");
    let status = Command::new("kill")
        .args(["-INT", &first.id().to_string()])
        .status();
    assert!(status.expect("there is kill").success());
    assert_eq!(first.wait().expect("ends").code(), Some(130));
}

#[test]
fn a_glance_leaves_no_folder_on_the_machine() {
    let sshd = skip_unless!(Sshd::start());
    let shell = sshd.shell();
    let command = CommandLine::script("echo \"it's $1\"").args(["x", "a b"]);
    let seen = shell.glance(&command, &limits()).expect("it answers");
    assert_eq!(
        (seen.exit.success(), seen.text().as_str()),
        (true, "it's a b\n")
    );
    assert!(!Path::new(shell.folder()).exists());
    shell
        .run(&CommandLine::new("true"), &limits())
        .expect("it runs");
    assert!(
        Path::new(shell.folder()).exists(),
        "any other command makes it"
    );
    shell.close().expect("closed");
}
