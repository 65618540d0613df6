//! Payloads on many real hosts: network namespaces, each with an sshd and a `/opt/benchkit` of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::skip_unless;
use crate::support::running;
use crate::testbed::{self, Hosts};

/// Host 7 fails and host 8 goes down in the test of all of them, the others have it good.
const COUNT: usize = 8;

/// Private to each host, empty at first.
const OPT: &str = "/opt/benchkit";

fn hosts() -> Result<&'static Hosts, String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    HOSTS
        .get_or_init(|| testbed::up(COUNT))
        .as_ref()
        .map_err(Clone::clone)
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/benchkit/payloads");
    path.join(name).display().to_string()
}

/// A payload with this script.
fn packed(hosts: &Hosts, name: &str, script: &str) -> PathBuf {
    let folder = hosts.path(&format!("{name}.d"));
    fs::create_dir(&folder).expect("writable");
    fs::write(folder.join("payload.sh"), script).expect("writable");
    let archive = hosts.path(&format!("{name}.tgz"));
    let script = r#"chmod 755 "$1/payload.sh" && tar -czf "$2" -C "$1" ."#;
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([&folder, &archive])
        .status();
    assert!(status.expect("there is sh").success());
    archive
}

/// Hosts get names by `output`, so that tests that run at the same time do not hold each other's.
fn run(hosts: &Hosts, numbers: &[usize], output: &str, payload: &str) -> (i32, String, String) {
    let names: Vec<String> = numbers
        .iter()
        .map(|number| format!("{output}{number}:{}", hosts.address(*number)))
        .collect();
    let mut args = vec!["--hosts"];
    args.extend(names.iter().map(String::as_str));
    args.extend(["--output", output, "--retry-tests", "1", "--", payload]);
    hosts.run(&args)
}

/// Means of one metric by client.
fn means(result: &Path, kind: &str, metric: &str) -> Vec<(String, f64)> {
    let text = fs::read_to_string(result).expect("written");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let entries = json[0]["iteration_data"][kind][metric].as_array();
    let mut means: Vec<(String, f64)> = entries
        .expect("the metric is there")
        .iter()
        .map(|entry| {
            let client = entry["client_hostname"].as_str().expect("a name");
            (client.to_owned(), entry["mean"].as_f64().expect("a number"))
        })
        .collect();
    means.sort_by(|a, b| a.0.cmp(&b.0));
    means
}

/// The file of a result whose name ends like this.
fn report(dir: &Path, end: &str) -> Option<String> {
    let mut entries = fs::read_dir(dir).expect("a folder").flatten();
    let entry = entries.find(|entry| entry.file_name().to_string_lossy().ends_with(end))?;
    Some(fs::read_to_string(entry.path()).expect("readable"))
}

/// Names in a folder that is the host's own.
fn left_on(hosts: &Hosts, number: usize, folder: &str) -> String {
    let output = Command::new("ssh")
        .arg("-F")
        .arg(hosts.path(".ssh/config"))
        .args([&hosts.address(number), &format!("ls -A {folder}")])
        .output()
        .expect("there is ssh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_payload_runs_on_two_hosts_and_its_traces_stay_until_they_are_cleaned() {
    let hosts = skip_unless!(hosts());
    let archive = fixture("ok-plain-name.tgz");
    let (code, out, err) = run(
        hosts,
        &[1, 2],
        "two",
        &format!(r#"payload:{{"archive": "{archive}", "samples": 2}}"#),
    );
    assert_eq!(code, 0, "{out}\n{err}");
    let place = hosts.path("two/Localhost/payload/0000");
    assert_eq!(
        means(&place.join("result.json"), "throughput", "score"),
        [
            (hosts.address(1), 42.0),
            (hosts.address(2), 42.0),
            ("all".to_owned(), 84.0)
        ]
    );
    assert_eq!(
        report(&place, ".2-result").as_deref(),
        Some(
            format!(
                "### {}\nscore 42\n### {}\nscore 42\n",
                hosts.address(1),
                hosts.address(2)
            )
            .as_str()
        )
    );
    assert_eq!(report(&place, "-errors"), None);
    assert_eq!(
        fs::read_to_string(place.join("raw/sample1/two2.stderr")).expect("kept"),
        "root=/opt/benchkit\n"
    );
    assert!(
        out.contains("stays in /opt/benchkit") && out.contains("on two1, two2;"),
        "{out}"
    );
    assert_eq!(
        left_on(hosts, 1, OPT),
        ".runperf-payload\npayload.sh\n",
        "the archive itself is gone"
    );

    let (code, out, err) = run(
        hosts,
        &[1, 2],
        "two-clean",
        &format!(r#"payload:{{"archive": "{archive}", "clean": true}}"#),
    );
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(!out.contains("stays in"), "{out}");
    assert_eq!(
        (left_on(hosts, 1, OPT), left_on(hosts, 2, OPT)),
        (String::new(), String::new())
    );
}

#[test]
fn a_host_that_fails_and_one_that_goes_down_cost_only_their_own_results() {
    let hosts = skip_unless!(hosts());
    let script = "#!/bin/sh\ncase $(hostname) in\n\
         *host7) echo half 1; echo broken >&2; exit 9 ;;\n\
         *host8) ip link set eth0 down; sleep 1000 ;;\n\
         esac\necho \"score $(hostname | tail -c 2)\"\nsleep 1\n";
    let archive = packed(hosts, "several", script);
    // Host 9 belongs to nobody.
    let (code, out, err) = run(
        hosts,
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        "eight",
        &format!(
            r#"payload:{{"archive": "{}", "root": "/var/lib/runperf/deep/er"}}"#,
            archive.display()
        ),
    );
    assert!(code == 3 || code == 4, "{code}\n{out}\n{err}");
    let place = hosts.path("eight/Localhost/payload/0000");
    let mut expected: Vec<(String, f64)> = (1..=6u8)
        .map(|number| (hosts.address(usize::from(number)), f64::from(number)))
        .collect();
    expected.push(("all".into(), 21.0));
    assert_eq!(
        means(&place.join("result.json"), "throughput", "score"),
        expected,
        "{out}\n{err}"
    );
    let good = report(&place, "-result").expect("written");
    assert_eq!(good.matches("### ").count(), 6, "{good}");
    assert_eq!(
        report(&place, "-errors"),
        Some(format!("### {}\nbroken\n", hosts.address(7))),
        "host 8 could not say anything"
    );
    let record = |number: u32, file: &str| {
        let path = place.join(format!("__error{number}__/{file}"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let classes = [record(0, "class"), record(1, "class")];
    assert!(classes.contains(&"exit-status".to_owned()), "{classes:?}");
    assert!(classes.contains(&"lost".to_owned()), "{classes:?}");
    let failed = classes.iter().position(|class| class == "exit-status");
    let failed = u32::try_from(failed.expect("checked")).expect("0 or 1");
    assert_eq!(record(failed, "FILES/stdout"), "half 1\n");
    assert!(
        out.contains("partly:   Localhost/payload on eight7: "),
        "{out}"
    );
    assert!(out.contains("lost:     host eight9"), "{out}");
    assert!(out.contains("lost:     host eight8"), "{out}");
    assert!(out.contains("2 workers without result"), "{out}");
    assert!(
        left_on(hosts, 1, "/var/lib/runperf").contains("deep"),
        "a root folder is made with those above it"
    );
}

#[test]
fn a_killed_run_takes_its_root_folder_with_it_when_it_is_recovered() {
    let hosts = skip_unless!(hosts());
    let archive = packed(
        hosts,
        "deadly",
        "#!/bin/sh\necho started >\"$BENCH_ROOT/started\"\nexec sleep 6262\n",
    );
    let payload = format!(
        r#"payload:{{"archive": "{}", "root": "/opt/benchkit/a/b", "clean": true}}"#,
        archive.display()
    );
    let mut run = hosts
        .run_perf()
        .args(["--hosts", &hosts.host(3).replace("h3", "killed3")])
        .args(["--output", "killed-payload", "--", &payload])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run-perf starts");
    let sleeps = || {
        running("sleep 6262")
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
    assert_eq!(left_on(hosts, 3, OPT), "a\n");
    let (code, out, err) = hosts.run(&["--recover", "killed-payload"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(running("sleep 6262"), [""; 0]);
    assert_eq!(left_on(hosts, 3, OPT), "", "with the folders made for it");
}

#[test]
fn clean_does_not_touch_what_was_there_before() {
    let hosts = skip_unless!(hosts());
    let root = hosts.path("theirs");
    fs::create_dir(&root).expect("writable");
    fs::write(root.join("precious"), "data").expect("writable");
    let payload = format!(
        r#"payload:{{"archive": "{}", "root": "{}", "clean": true}}"#,
        fixture("ok-plain-name.tgz"),
        root.display()
    );
    let (code, out, err) = run(hosts, &[4], "theirs-run", &payload);
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(
        out.contains("held files before the first payload came"),
        "{out}"
    );
    assert_eq!(
        fs::read_dir(&root).expect("still there").count(),
        1,
        "nothing was added either"
    );
}

#[test]
fn a_payload_that_does_not_end_is_ended_and_a_root_that_cannot_be_is_named() {
    let hosts = skip_unless!(hosts());
    let endless = packed(hosts, "sleepy", "#!/bin/sh\necho so far\nsleep 7272\n");
    let (code, out, err) = run(
        hosts,
        &[5],
        "endless",
        &format!(
            r#"payload:{{"archive": "{}", "timeout": 2}}"#,
            endless.display()
        ),
    );
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(
        out.contains(
            "cannot run payload.sh on endless5: no end within 2 s; its last lines: so far"
        ),
        "{out}"
    );
    assert_eq!(running("sleep 7272"), [""; 0]);

    let (code, out, err) = run(
        hosts,
        &[5],
        "nofolder",
        &format!(
            r#"payload:{{"archive": "{}", "root": "/dev/full/x"}}"#,
            endless.display()
        ),
    );
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(
        out.contains("cannot make the root folder on nofolder5: "),
        "{out}"
    );
}
