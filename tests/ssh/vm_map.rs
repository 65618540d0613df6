//! Workers from lists of machines: the profile `VmMap` against network namespaces.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::Value;

use crate::skip_unless;
use crate::support::running;
use crate::testbed::{self, Hosts};

const COUNT: usize = 3;

fn hosts() -> Result<&'static Hosts, String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    HOSTS
        .get_or_init(|| testbed::up(COUNT))
        .as_ref()
        .map_err(Clone::clone)
}

/// Clients of the payload-like command test in a result of `VmMap`.
fn clients(hosts: &Hosts, result: &str) -> Vec<String> {
    let path = hosts.path(&format!("{result}/VmMap/command/0000/result.json"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let entries = json[0]["iteration_data"]["latency"]["wall_s"].as_array();
    let mut names: Vec<String> = entries
        .expect("entries")
        .iter()
        .map(|entry| {
            entry["client_hostname"]
                .as_str()
                .expect("a name")
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_map_on_standard_input_makes_workers_and_one_that_is_down_is_left_out() {
    let hosts = skip_unless!(hosts());
    let map = format!(
        "# BEGIN 3 available VMs\n{}\t\tvm-a\n{}\t\tvm-b\n{}\t\tvm-c\n# END\n",
        hosts.address(1),
        hosts.address(2),
        hosts.address(9)
    );
    let mut run = hosts
        .run_perf()
        .env("RUNPERF_STATE_DIR", hosts.path("state-map"))
        .args(["--output", "map", "--retry-tests", "1", "--profiles"])
        .arg(r#"VmMap:{"map": "-", "ready-timeout": 20}"#)
        .args(["--", r#"command:{"command": ["true"], "samples": 1}"#])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run-perf starts");
    let mut input = run.stdin.take().expect("a pipe");
    input.write_all(map.as_bytes()).expect("it reads");
    drop(input);
    let output = run.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{out}\n{err}");
    assert_eq!(
        clients(hosts, "map"),
        [hosts.address(1), hosts.address(2), "all".into()]
    );
    assert!(
        out.contains("partly:   VmMap on vm-c: cannot reach it"),
        "{out}"
    );
    assert!(hosts.path("map/VmMap/__error0__/exception").exists());
    let typed = fs::read_to_string(hosts.path("map/VmMap/command/0000/__sessions__/vm-a"));
    assert!(typed.expect("logged like a host").contains("true"), "{out}");
    let journal = fs::read_to_string(hosts.path("map/__journal__.jsonl")).expect("written");
    assert!(
        journal.trim_end().ends_with("\"event\":\"clean\"}"),
        "nothing of the run is left on them: {journal}"
    );
}

#[test]
fn an_inventory_with_an_auth_file_logs_in_with_its_key_and_shows_no_secret() {
    let hosts = skip_unless!(hosts());
    let key = hosts.path("hosts/id_ed25519");
    let inventory = format!(
        "[lab]\nvm-[1:2]\n[lab:vars]\nansible_user=root\nansible_password=marked-secret-77\n[other]\nnobody ansible_host=192.0.2.1\n[key]\nvm-1 ansible_host={} ansible_ssh_private_key_file={key}\nvm-2 ansible_host={} ansible_ssh_private_key_file={key}\n",
        hosts.address(1),
        hosts.address(2),
        key = key.display()
    );
    fs::write(hosts.path("lab.ini"), inventory).expect("writable");
    // Without the key of the person's own configuration: only the listed password and the auth file are left.
    let config = fs::read_to_string(hosts.path(".ssh/config")).expect("made");
    let keyless: String = config
        .lines()
        .filter(|line| !line.contains("IdentityFile"))
        .map(|line| format!("{line}\n"))
        .collect();
    let home = hosts.path("keyless");
    fs::create_dir_all(home.join(".ssh")).expect("writable");
    fs::write(home.join(".ssh/config"), keyless).expect("writable");
    let run = |output: &str, profile: &str| {
        let output = hosts
            .run_perf()
            .env("HOME", &home)
            .env("RUNPERF_STATE_DIR", hosts.path(&format!("state-{output}")))
            .args([
                "--output",
                output,
                "--retry-tests",
                "1",
                "--log",
                &format!("{output}.log"),
            ])
            .args([
                "--profiles",
                profile,
                "--",
                r#"command:{"command": ["true"], "samples": 1}"#,
            ])
            .output()
            .expect("run-perf starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    // The password of the list is not the machines': it is tried, refused, and never shown.
    let (code, out, err) = run(
        "by-password",
        r#"VmMap:{"map": "lab.ini", "group": "lab", "ready-timeout": 20}"#,
    );
    assert_eq!(code, Some(3), "{out}\n{err}");
    assert!(out.contains("cannot log in"), "{out}");
    for place in ["by-password", "by-password.log"] {
        let output = std::process::Command::new("grep")
            .args(["-rl", "marked-secret-77"])
            .arg(hosts.path(place))
            .output()
            .expect("there is grep");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{place}");
    }
    assert!(!out.contains("marked-secret-77") && !err.contains("marked-secret-77"));

    let map = format!("{} vm-1\n{} vm-2\n", hosts.address(1), hosts.address(2));
    fs::write(hosts.path("plain-map"), map).expect("writable");
    let auth = serde_json::json!({"user": "root", "method": "key", "details": {"path": key}});
    fs::write(hosts.path("auth.json"), auth.to_string()).expect("writable");
    let (code, out, err) = run(
        "by-key",
        r#"VmMap:{"map": "plain-map", "auth": "auth.json"}"#,
    );
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert_eq!(
        clients(hosts, "by-key"),
        [hosts.address(1), hosts.address(2), "all".into()]
    );
}

#[test]
fn a_killed_run_is_taken_back_on_machines_of_a_list() {
    let hosts = skip_unless!(hosts());
    fs::write(
        hosts.path("one-map"),
        format!("{} killed-vm\n", hosts.address(3)),
    )
    .expect("writable");
    let mut run = hosts
        .run_perf()
        .env("RUNPERF_STATE_DIR", hosts.path("state-killed"))
        .args([
            "--output",
            "killed-map",
            "--profiles",
            r#"VmMap:{"map": "one-map"}"#,
        ])
        .args([
            "--",
            r#"command:{"command": ["sleep", "8282"], "samples": 1}"#,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run-perf starts");
    let sleeps = || {
        running("sleep 8282")
            .iter()
            .any(|line| line.starts_with("sleep"))
    };
    for _ in 0..1200 {
        if sleeps() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    run.kill().expect("ours");
    run.wait().expect("ended");
    assert!(sleeps(), "it goes on without its controller");
    let output = hosts
        .run_perf()
        .env("RUNPERF_STATE_DIR", hosts.path("state-killed"))
        .args(["--recover", "killed-map"])
        .output()
        .expect("run-perf starts");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert_eq!(running("sleep 8282"), [""; 0]);
    assert!(out.contains("killed-vm: "), "{out}");
}
