//! The program `prep-perf`, run for real.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::cargo_bin("prep-perf")
            .expect("a program of this package")
            .current_dir(self.0.path())
            .env("XDG_CONFIG_HOME", self.0.path().join("none"))
            .env("NO_COLOR", "1")
            .env_remove("RUNPERF_CONFIG")
            .args(args)
            .output()
            .expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr),
        )
    }
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    path.join(name).display().to_string()
}

#[test]
fn good_things_pass_and_the_exit_code_says_so() {
    let place = Place::new();
    place.write(
        "run-perf.toml",
        "[tests.short]\nextends = \"dummy\"\nsamples = 1\n",
    );
    let (code, out, err) = place.run(&[
        "check",
        &fixture("benchkit/payloads/ok-plain-name.tgz"),
        &fixture("benchkit/hosts"),
        "run-perf.toml",
        "short",
        "Localhost",
    ]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out.lines().last(), Some("PASS: 5 checked"), "{out}");
    assert!(out.contains("run-perf.toml: configuration: good"), "{out}");
    assert!(out.contains("short: test: good"), "{out}");
}

#[test]
fn faults_are_said_at_once_with_the_next_step_and_end_with_3() {
    let place = Place::new();
    place.write("map", "192.0.2.300 a\n-x b\n");
    let bad = fixture("benchkit/payloads/bad-entrypoint-is-symlink.tgz");
    let (code, out, err) = place.run(&["check", &bad, "map", "nothing-here"]);
    assert_eq!(code, 3, "{out}{err}");
    assert_eq!(
        out.replace(&bad, "BAD"),
        "BAD: payload archive: 2 faults\n  \
         fault: member `payload.sh`: expected a link inside the archive, found one to `/bin/true`\n    \
         next: pack it again from a folder that holds only what is needed, with `tar -czf payload.tgz -C FOLDER .`\n  \
         fault: entrypoint: not regular file: expected `payload.sh` to be a file, found a symbolic link\n    \
         next: put an executable `payload.sh` at the top (`chmod 755 payload.sh`) and pack it with `tar -czf payload.tgz -C FOLDER .`\n\
         map: map of machines (ADDRESS NAME): 2 faults\n  \
         fault: line 1: expected an address or a host name, found `192.0.2.300`\n  \
         fault: line 2: expected an address or a host name, found `-x`\n\
         nothing-here: unknown: 1 fault\n  \
         fault: cannot read it: No such file or directory (os error 2)\n    \
         next: name a file, a folder, or a test or profile as run-perf takes it\n\
         FAIL: 3 of 3 have faults\n"
    );
}

#[test]
fn json_has_everything_and_keeps_secrets() {
    let place = Place::new();
    place.write(
        "auth.json",
        r#"{"user": "u", "method": "password", "details": {"password": "marked-secret-88"}}"#,
    );
    place.write(
        "lab.ini",
        "[web]\nw1 ansible_host=192.0.2.7 ansible_password=marked-secret-88\n",
    );
    let (code, out, _) = place.run(&["check", "--json", "auth.json", "lab.ini"]);
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("marked-secret-88"), "{out}");
    let answer: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(answer["schema"], "runperf-check/1");
    assert_eq!(answer["bad"], 0);
    assert_eq!(answer["items"][0]["about"]["method"], "password");
    assert_eq!(
        answer["items"][1]["about"]["machines"][0]["address"],
        "192.0.2.7"
    );
    assert_eq!(
        answer["items"][1]["notes"][0]["message"],
        "it holds passwords in clear text"
    );
}

#[test]
fn a_thing_is_described_for_people() {
    let place = Place::new();
    let payload = fixture("benchkit/payloads/ok-dot-slash-with-second-script.tgz");
    let (code, out, err) = place.run(&["describe", &payload, "payload"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("path payload.sh, kind file, mode 0755, bytes 39"),
        "{out}"
    );
    assert!(out.contains("(default: /opt/benchkit)"), "{out}");
    let (code, out, err) = place.run(&["describe", "/nonexistent"]);
    assert_eq!(code, 1, "{out}{err}");
}

#[test]
fn recorded_results_are_good() {
    let place = Place::new();
    let folders = std::fs::read_dir(fixture("run-perf-results")).expect("a folder");
    let mut results: Vec<String> = folders
        .flatten()
        .flat_map(|entry| {
            std::fs::read_dir(entry.path())
                .into_iter()
                .flatten()
                .flatten()
        })
        .map(|entry| entry.path())
        .filter(|path| path.join("RUNPERF_METADATA").is_file())
        .map(|path| path.display().to_string())
        .collect();
    results.sort();
    assert!(!results.is_empty(), "there are recorded results");
    let mut args = vec!["check"];
    args.extend(results.iter().map(String::as_str));
    let (_, out, err) = place.run(&args);
    for result in &results {
        assert!(
            out.contains(&format!("{result}: result directory: ")),
            "{out}{err}"
        );
    }
}

#[test]
fn wrong_usage_ends_with_2_and_limits_can_be_set() {
    let place = Place::new();
    assert_eq!(place.run(&["chek", "x"]).0, 2);
    assert_eq!(place.run(&["check"]).0, 2);
    assert_eq!(place.run(&["check", "--as", "nothing", "x"]).0, 2);
    let payload = fixture("benchkit/payloads/ok-dot-slash-with-second-script.tgz");
    let (code, out, _) = place.run(&["check", "--max-entries", "1", &payload]);
    assert_eq!(code, 3, "{out}");
    assert!(
        out.contains("expected at most 1 members, found more"),
        "{out}"
    );
    let (code, out, _) = place.run(&["check", "--as", "machines", &payload]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("expected text in UTF-8"), "{out}");
}
