//! pbench as the driver: commands on a scripted host, and a result of pbench that comes through whole.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use runperf::shell::scripted::ScriptedShell;
use runperf::tests::{Test, TestError, fio, pbench_driver};
use serde_json::{Value, json};

use super::support::{Bench, has};

const MADE: &str = "/var/lib/pbench-agent/fio__2026.03.01T02.00.00";

fn built(given: &Value) -> Box<dyn Test> {
    fio::build("fio".into(), given.as_object().expect("an object")).expect("taken")
}

/// pbench's own result of a recorded run, as its run result.
fn result() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/pbench-results/fio/2-read-4KiB/result.json");
    let text = std::fs::read_to_string(path).expect("the fixture");
    let data: Value = serde_json::from_str(&text).expect("JSON");
    json!([{"iteration_number": 1, "iteration_name": "read-4KiB", "iteration_name_format": "%d-%s", "iteration_data": data}])
}

/// An archive of a result directory, as `tar` on the host would make it.
fn archive() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("result.json"), result().to_string()).expect("written");
    std::fs::create_dir(dir.path().join("1-read-4KiB")).expect("made");
    std::fs::write(dir.path().join("1-read-4KiB/fio.cmd"), "fio\n").expect("written");
    let output = std::process::Command::new("tar")
        .args(["-C", &dir.path().display().to_string(), "-cf", "-", "."])
        .output()
        .expect("there is tar");
    output.stdout
}

/// A host on which everything has its answer.
fn host(installed: bool) -> ScriptedShell {
    let shell = ScriptedShell::new("foo")
        .answer("mkdir *", "")
        .answer("sh -c 'printf *", "/scratch")
        .answer("sh -c 'rm -rf *", "")
        .answer("rm *", "")
        .answer("rpm -q fio", "fio-3.35\n")
        .answer("cat /proc/loadavg", "0.10 0.20 0.30 1/100 1\n")
        .answer("sh -c 'command -v fio*", "/usr/bin/fio\n")
        .answer("sh -c 'ls -1dt *", "")
        .answer("sh -c 'ls -1dt *", format!("{MADE}/\n"))
        .answer("tar -C *", "")
        .answer("*pbench-register-tool --name=*", "")
        .answer("*pbench-fio *", "done\n")
        .answer("*sed -i*", "")
        .answer("dnf *", "");
    if installed {
        shell.answer(
            "*command -v pbench-register-tool-set*",
            "/opt/pbench-agent/util-scripts/pbench-register-tool-set\n",
        )
    } else {
        shell
            .fail("*command -v pbench-register-tool-set*", 1, "")
            .answer("*command -v dnf*", "/usr/bin/dnf\n")
    }
}

fn bench(shell: &ScriptedShell) -> Bench {
    let mut bench = Bench::new();
    let shell = Arc::new(shell.clone());
    bench.host.shell = shell.clone();
    bench.workers.0[0][0].shell = shell;
    bench
}

#[test]
fn pbench_runs_and_its_result_comes_through_whole() {
    need!(has("tar"), "no tar");
    let shell = AnyArchive(host(true));
    let mut bench = bench(&shell.0);
    bench.host.shell = Arc::new(shell.clone());
    bench.workers.0[0][0].shell = bench.host.shell.clone();
    let given = json!({"driver": "pbench", "test-types": "read", "block-sizes": "4", "pbench_tools": ["sar:--interval=5"]});
    let iterations = bench.run_test(built(&given)).expect("a result");
    assert_eq!(
        serde_json::to_value(&iterations).expect("JSON")[0]["iteration_name"],
        "read-4KiB"
    );
    let ours = serde_json::to_value(&iterations).expect("JSON");
    every_key(&result(), &ours, "");
    assert!(bench.kept().contains(&"1-read-4KiB/fio.cmd".to_owned()));
    let commands = shell.0.commands();
    let run: Vec<&String> = commands
        .iter()
        .filter(|command| command.starts_with("bash -c") && !command.contains("command -v"))
        .collect();
    assert_eq!(
        run,
        [
            "bash -c '. /opt/pbench-agent/base; pbench-register-tool --name=sar --remotes=127.0.0.1 -- --interval=5'",
            "bash -c '. /opt/pbench-agent/base; benchmark_bin=/usr/bin/fio pbench-fio  --block-sizes=4 --ramptime=10 --runtime=180 --samples=3 --test-types=read --clients=127.0.0.1'",
        ]
    );
    assert!(
        !commands.iter().any(|command| command.starts_with("dnf")),
        "nothing to install"
    );
    assert!(bench.context.journal.left().is_empty());
}

/// Every key of `theirs` is in `ours` with the same value; numbers may be written another way.
fn every_key(theirs: &Value, ours: &Value, place: &str) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (key, value) in theirs {
                let place = format!("{place}/{key}");
                every_key(
                    value,
                    ours.get(key).unwrap_or_else(|| panic!("{place} is lost")),
                    &place,
                );
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            assert_eq!(theirs.len(), ours.len(), "{place}");
            for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                every_key(theirs, ours, &format!("{place}/{index}"));
            }
        }
        _ => {
            let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
            match (number(theirs), number(ours)) {
                (Some(a), Some(b)) => {
                    assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{place}: {a} {b}");
                }
                _ => assert_eq!(theirs, ours, "{place}"),
            }
        }
    }
}

/// A scripted machine whose archives all are [`archive`]: their names are made up.
#[derive(Debug, Clone)]
struct AnyArchive(ScriptedShell);

impl runperf::shell::Shell for AnyArchive {
    fn target(&self) -> &runperf::shell::Target {
        self.0.target()
    }
    fn run(
        &self,
        command: &runperf::shell::CommandLine,
        limits: &runperf::shell::Limits,
    ) -> Result<runperf::shell::Output, runperf::shell::ShellError> {
        self.0.run(command, limits)
    }
    fn start(
        &self,
        command: &runperf::shell::CommandLine,
    ) -> Result<Box<dyn runperf::shell::Process>, runperf::shell::ShellError> {
        self.0.start(command)
    }
    fn upload(
        &self,
        from: &mut dyn std::io::Read,
        to: &Path,
        mode: u32,
        limits: &runperf::shell::Limits,
    ) -> Result<(), runperf::shell::ShellError> {
        self.0.upload(from, to, mode, limits)
    }
    fn download(
        &self,
        _: &Path,
        to: &mut dyn std::io::Write,
        _: &runperf::shell::Limits,
    ) -> Result<u64, runperf::shell::ShellError> {
        let content = archive();
        to.write_all(&content).expect("written");
        Ok(content.len() as u64)
    }
}

#[test]
fn pbench_is_installed_where_it_is_missing() {
    let shell = host(false);
    let mut bench = bench(&shell);
    bench
        .context
        .metadata
        .insert("pbench_copr_repos".into(), "a/b; c/d".into());
    let failed = bench.run_test(built(&json!({"driver": "pbench"})));
    // The scripted host has no archive to fetch; everything before that is what counts.
    assert!(failed.is_err());
    let commands = shell.commands();
    let dnf: Vec<&String> = commands
        .iter()
        .filter(|command| command.starts_with("dnf"))
        .collect();
    assert_eq!(
        dnf,
        [
            "dnf install -y wget rsync",
            "dnf copr enable -y a/b",
            "dnf copr enable -y c/d",
            "dnf install -y --skip-broken pbench-agent pbench-sysstat python3-libselinux",
        ],
        "{commands:#?}"
    );
    let config = shell
        .content("/opt/pbench-agent/config/pbench-agent.cfg")
        .expect("written");
    assert!(String::from_utf8_lossy(&config).contains("pbench_run = /var/lib/pbench-agent"));
    let tools = commands
        .iter()
        .filter(|command| command.contains("pbench-register-tool --name"))
        .count();
    assert_eq!(tools, 5, "{commands:#?}");
}

#[test]
fn a_machine_that_cannot_have_pbench_is_named() {
    let shell = ScriptedShell::new("foo")
        .answer("mkdir *", "")
        .fail("*command -v *", 1, "");
    let bench = bench(&shell);
    match bench.run_test(built(&json!({"driver": "pbench"}))) {
        Err(TestError::Failed {
            class,
            message,
            hint,
        }) => {
            assert_eq!(class, "not-installed");
            assert_eq!(
                message,
                "there is no pbench-agent on foo and no dnf to install it with"
            );
            assert!(hint.expect("a hint").contains("leave out `driver`"));
        }
        other => panic!("expected a failure, found {other:?}"),
    }
}

#[test]
fn a_failed_pbench_says_what_it_printed() {
    let shell = ScriptedShell::new("foo").output(
        "*pbench-fio *",
        runperf::shell::Exit::Code(1),
        "",
        "fio: no such target\n",
    );
    // The first pattern that fits answers.
    let shell = with(shell);
    let bench = bench(&shell);
    match bench.run_test(built(&json!({"driver": "pbench"}))) {
        Err(TestError::Failed { class, message, .. }) => {
            assert_eq!(class, "exit-status");
            assert!(
                message.contains("ended with status 1: fio: no such target"),
                "{message}"
            );
        }
        other => panic!("expected a failure, found {other:?}"),
    }
}

/// The usual answers behind those that are there; no result is ever made.
fn with(shell: ScriptedShell) -> ScriptedShell {
    shell
        .answer("*command -v pbench-register-tool-set*", "/usr/bin/x\n")
        .answer("mkdir *", "")
        .answer("sh -c 'rm -rf *", "")
        .answer("rpm -q fio", "fio-3.35\n")
        .answer("cat /proc/loadavg", "0.10 0.20 0.30 1/100 1\n")
        .answer("sh -c 'command -v fio*", "/usr/bin/fio\n")
        .answer("sh -c 'ls -1dt *", "")
        .answer("sh -c 'for name in *", "")
        .answer("*pbench-register-tool --name=*", "")
}

#[test]
fn every_benchmark_says_what_it_will_run() {
    for (benchmark, part) in [
        (
            pbench_driver::UPERF,
            "pbench-uperf  --message-sizes=1,64,16384",
        ),
        (pbench_driver::LINPACK, "pbench-linpack  --samples=3"),
    ] {
        let test =
            pbench_driver::build(benchmark, "x".into(), &serde_json::Map::new()).expect("good");
        assert!(test.describe()[0].contains(part), "{:?}", test.describe());
    }
}
