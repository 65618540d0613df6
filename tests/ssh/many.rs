//! Many hosts at once: what a lost one costs, and what the run itself takes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::hosts::clients;
use crate::skip_unless;
use crate::support::{program, running};
use crate::testbed::{self, Hosts};

/// The hosts, for one test at a time: they all work on the processors of this machine.
fn hosts() -> Result<(&'static Hosts, MutexGuard<'static, ()>), String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    HOSTS
        .get_or_init(|| testbed::up(30))
        .as_ref()
        .map(|hosts| (hosts, turn))
        .map_err(Clone::clone)
}

/// `PREFIXn:ADDRESS` of some hosts.
fn named(hosts: &Hosts, prefix: &str, numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers
        .map(|number| format!("{prefix}{number}:{}", hosts.address(number)))
        .collect()
}

fn words(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

/// A test whose figure is 7 after some seconds; `mark` makes its processes known.
fn waiting(seconds: &str, mark: &str) -> String {
    format!(
        r#"command:{{"command": ["sh", "-c", "sleep {seconds}; echo 7 # {mark}"], "samples": 1, "metrics": [{{"name": "answers", "regex": "(\\d+)", "primary": true}}]}}"#
    )
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited in vain for {what}");
}

#[test]
fn eight_hosts_measure_together_and_each_is_in_the_result() {
    let (hosts, _turn) = skip_unless!(hosts());
    skip_unless!(program("fio"));
    let target = hosts.path("eight.file").display().to_string();
    // Hosts share their file system; each reads the same small file.
    fs::write(&target, vec![0_u8; 1 << 20]).expect("written");
    let fio = format!(
        r#"fio:{{"type": "randread", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 1, "file-size": 1, "direct": 0, "targets": "{target}"}}"#
    );
    for (output, numbers) in [("two", 1..=2), ("eight", 3..=10)] {
        let list = named(hosts, output, numbers.clone());
        let args = [
            &["--output", output, "--retry-tests", "1"][..],
            &["--parallel-hosts", "4", "--hosts"],
            &words(&list),
            &["--", "dummy", &fio],
        ]
        .concat();
        let (code, out, err) = hosts.run(&args);
        assert_eq!(code, 0, "{out}\n{err}");
        let result = hosts.path(&format!("{output}/Localhost/fio/0000/result.json"));
        let found = clients(&result, "throughput", "iops_sec");
        for number in numbers {
            let address = hosts.address(number);
            assert!(
                found.iter().any(|client| client.starts_with(&address)),
                "{address}: {found:?}"
            );
        }
    }
}

/// Largest number of threads, sockets and KiB of memory a process has had, looked at until it ends.
fn watch(run: &mut Child) -> (u64, usize, u64) {
    let folder = format!("/proc/{}", run.id());
    let mut most = (0, 0, 0);
    while run.try_wait().expect("asked").is_none() {
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next());
            number
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let sockets = fs::read_dir(format!("{folder}/fd"))
            .into_iter()
            .flatten()
            .flatten();
        let sockets = sockets
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count();
        most = (
            field("Threads:").max(most.0),
            sockets.max(most.1),
            field("VmHWM:").max(most.2),
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    most
}

#[test]
fn thirty_hosts_make_one_result_and_one_that_is_down_costs_only_its_own() {
    let (hosts, _turn) = skip_unless!(hosts());
    let mut list = named(hosts, "t", 1..=29);
    // Nobody has this address: the thirtieth is down.
    list.push(format!("t30:{}", hosts.address(90)));
    let test = waiting("5", "runperf-thirty");
    let mut run = hosts
        .run_perf()
        .args(["--output", "thirty", "--retry-tests", "1"])
        .args([
            "--parallel-hosts",
            "6",
            "--monitor-interval",
            "0",
            "--hosts",
        ])
        .args(&list)
        .args(["--", "dummy", &test])
        .stdout(fs::File::create(hosts.path("thirty.out")).expect("made"))
        .stderr(fs::File::create(hosts.path("thirty.err")).expect("made"))
        .spawn()
        .expect("run-perf starts");
    let (threads, sockets, memory_kib) = watch(&mut run);
    let out = fs::read_to_string(hosts.path("thirty.out")).expect("written");
    let err = fs::read_to_string(hosts.path("thirty.err")).expect("written");
    assert_eq!(run.wait().expect("ended").code(), Some(3), "{out}\n{err}");
    assert!(
        out.contains("lost:     host t30: cannot reach root@"),
        "{out}"
    );
    assert!(!out.contains("left:"), "nothing was done there: {out}");
    let result = hosts.path("thirty/Localhost/command/0000/result.json");
    let mut expected: Vec<String> = (1..=29).map(|number| hosts.address(number)).collect();
    expected.push("all".into());
    expected.sort();
    assert_eq!(clients(&result, "throughput", "answers"), expected);
    assert!(
        err.contains("t1+29 test Localhost/command (2/2) done"),
        "{err}"
    );
    println!("30 hosts: {threads} threads, {sockets} sockets, {memory_kib} KiB");
    // Two threads and connections for the command of each host, and some of the program's own.
    assert!(threads <= 30 * 4 + 20, "{threads} threads");
    assert!(sockets <= 30 * 4 + 10, "{sockets} sockets");
    assert!(memory_kib <= 200 << 10, "{memory_kib} KiB");
}

/// Files of the run on a host: its mark and private folders.
fn traces(hosts: &Hosts, number: usize, folder: &str) -> String {
    hosts.inside(
        number,
        &format!("ls -A /var/lib/runperf; ls -d {folder} 2>/dev/null || :"),
    )
}

#[test]
fn hosts_that_are_cut_off_or_die_in_a_test_are_dropped_and_recovered_later() {
    let (hosts, _turn) = skip_unless!(hosts());
    skip_unless!(program("nsenter"));
    let list = named(hosts, "cut", 28..=30);
    let mark = "runperf-cut-off";
    let test = waiting("20", mark);
    let run = hosts
        .run_perf()
        .args([
            "--output",
            "cut",
            "--retry-tests",
            "1",
            "--monitor-interval",
            "0",
            "--hosts",
        ])
        .args(&list)
        .args(["--", &test])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run-perf starts");
    let at_work = || {
        running(mark)
            .iter()
            .filter(|line| line.starts_with("sh -c"))
            .count()
    };
    wait_for("the test on all three", || at_work() >= 3);
    // 29 loses its network; on 30 everything dies, and sshd is there again later.
    let link = |how: &str| {
        let namespace = hosts.namespace(29);
        let status = Command::new("ip")
            .args(["-n", &namespace, "link", "set", "eth0", how])
            .status();
        assert!(status.expect("there is ip").success());
    };
    link("down");
    let config = hosts
        .home
        .path()
        .join("hosts")
        .join(hosts.namespace(30))
        .join("sshd_config")
        .display()
        .to_string();
    let keeper =
        fs::read_to_string(Path::new(&config).with_file_name("sshd.pid")).expect("it is up");
    // The mounts of this host live as long as somebody is in them.
    let mut stay = Command::new("nsenter")
        .args(["-t", keeper.trim(), "-m", "-n", "-u", "sleep", "100000"])
        .spawn()
        .expect("there is nsenter");
    let pids = Command::new("ip")
        .args(["netns", "pids", &hosts.namespace(30)])
        .output();
    let pids = String::from_utf8_lossy(&pids.expect("there is ip").stdout).into_owned();
    let status = Command::new("kill")
        .arg("-9")
        .args(
            pids.split_whitespace()
                .filter(|pid| *pid != stay.id().to_string()),
        )
        .status();
    assert!(status.expect("there is kill").success());

    let ended = run.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&ended.stdout).into_owned();
    let err = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{out}\n{err}");
    for name in ["cut29", "cut30"] {
        assert!(
            out.contains(&format!("lost:     host {name}: ")),
            "{name}: {out}"
        );
        assert!(
            out.contains(&format!("left:     {name}: give the host back")),
            "{out}"
        );
    }
    assert!(out.contains("next:     run-perf --recover cut"), "{out}");
    let result = hosts.path("cut/Localhost/command/0000/result.json");
    let found = clients(&result, "throughput", "answers");
    assert!(found.contains(&hosts.address(28)), "{found:?}");
    assert!(!found.contains(&hosts.address(29)), "{found:?}");
    let error = fs::read_to_string(hosts.path("cut/__error0__/details")).expect("recorded");
    assert!(error.contains("is left out from here on"), "{error}");

    // Both are there again; what was started on 29 may still run.
    link("up");
    let sshd = format!("exec /usr/sbin/sshd -f {config}");
    let status = Command::new("nsenter")
        .args([
            "-t",
            &stay.id().to_string(),
            "-m",
            "-n",
            "-u",
            "sh",
            "-c",
            &sshd,
        ])
        .status();
    assert!(status.expect("there is nsenter").success());
    let journal = fs::read_to_string(hosts.path("cut/__journal__.jsonl")).expect("written");
    let folder = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|line| line["scope"] == "cut29" && line["undo"]["remove_path"].is_object())
        .expect("the folder of the shell");
    let folder = folder["undo"]["remove_path"]["path"]
        .as_str()
        .expect("a path")
        .to_owned();
    assert_ne!(traces(hosts, 29, &folder), "", "the run's traces are there");
    // The new sshd writes its number a moment later.
    let pid_file = Path::new(&config).with_file_name("sshd.pid");
    wait_for("sshd", || {
        fs::read_to_string(&pid_file).is_ok_and(|pid| Path::new("/proc").join(pid.trim()).exists())
    });
    for _ in 0..2 {
        let (code, out, err) = hosts.run(&["--recover", "cut"]);
        assert_eq!(code, 0, "{out}\n{err}");
    }
    assert_eq!(traces(hosts, 29, &folder), "");
    assert_eq!(traces(hosts, 30, &folder), "");
    assert_eq!(at_work(), 0, "what was started is ended");
    stay.kill().expect("ours");
    stay.wait().expect("ended");
}
