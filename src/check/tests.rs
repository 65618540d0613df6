//! Each kind is told by name and content, and every fault of it is said.

use std::path::{Path, PathBuf};

use super::*;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    path.join(name).display().to_string()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below")).expect("a folder");
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }
}

fn seen(name: &str) -> Checked {
    look(name, &Looking::default())
}

fn faults(checked: &Checked) -> Vec<String> {
    let place = |finding: &Finding| format!("{}: {}", finding.place, finding.message);
    checked.faults.iter().map(place).collect()
}

#[test]
fn things_are_told_by_name_and_content() {
    let folder = Folder::new();
    for (name, text, kind) in [
        ("hosts", "192.0.2.1 a\n", "map of machines (ADDRESS NAME)"),
        ("lab.ini", "[web]\nw1\n", "Ansible inventory (INI)"),
        (
            "inv.yml",
            "all:\n  hosts: {a: }\n",
            "Ansible inventory (YAML)",
        ),
        ("hosts/192.0.2.1.yaml", "arch: x86_64\n", "host parameters"),
        ("auth.json", "{}", "auth file"),
        ("m.json", "{}", "model"),
        ("run-perf.toml", "", "configuration"),
        ("race.yaml", "benchmark: []\n", "racefile"),
        ("p.tgz", "no archive", "payload archive"),
    ] {
        let path = folder.write(
            name.strip_prefix("hosts/")
                .map_or(name, |_| "d/hosts/192.0.2.1.yaml"),
            text,
        );
        assert_eq!(seen(&path).kind, kind, "{name}");
    }
    assert_eq!(seen("fio").kind, "test");
    assert_eq!(seen("Localhost").kind, "profile");
    let nothing = seen("/nonexistent/x");
    assert_eq!(
        (nothing.kind.as_str(), nothing.is_good()),
        ("unknown", false)
    );
    let folder = folder.0.path().display().to_string();
    assert!(!seen(&folder).is_good(), "a folder of nothing known");
}

#[test]
fn payloads_are_good_or_bad_as_their_names_say() {
    let folder = std::fs::read_dir(fixture("benchkit/payloads")).expect("a folder");
    let mut count = 0;
    for entry in folder.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let checked = seen(&entry.path().display().to_string());
        assert_eq!(
            checked.is_good(),
            name.starts_with("ok-"),
            "{name}: {checked:?}"
        );
        assert_eq!(checked.kind, "payload archive", "{name}");
        count += 1;
    }
    assert_eq!(count, 11);
}

#[test]
fn every_fault_of_a_configuration_is_said() {
    let folder = Folder::new();
    let path = folder.write(
        "run-perf.toml",
        "[run]\nretry_tests = \"many\"\nretrytests = 3\ndistro = \"x\"\n\n[tests.a]\nextends = \"command\"\n\n[tests.b]\nextends = \"nobody\"\n\n[directions]\niops = \"up\"\n",
    );
    let checked = seen(&path);
    let all = faults(&checked).join("\n");
    for expected in [
        "line 2, column 15: `retry_tests` expects",
        "line 3, column 1: unknown key `retrytests`",
        "the direction of `iops`",
        "[tests.a]: parameter `command`",
        "[tests.b]: ",
    ] {
        assert!(all.contains(expected), "{expected} is not in:\n{all}");
    }
    let syntax = folder.write("x.toml", "[run\n");
    assert_eq!(faults(&seen(&syntax)).len(), 1);
    assert!(seen(&folder.write("good.toml", "[run]\ndistro = \"x\"\n")).is_good());
}

#[test]
fn every_fault_of_host_parameters_is_said() {
    let folder = Folder::new();
    let path = folder.write(
        "hosts/a.yaml",
        "host_cpus: many\nguest_cpus: 0\narch: x86_64\nhugepages_kb: 4\n",
    );
    let checked = seen(&path);
    assert_eq!(checked.faults.len(), 2, "{checked:?}");
    assert!(
        checked.notes[0]
            .next
            .as_deref()
            .is_some_and(|next| next.contains("hugepage_kb")),
        "{checked:?}"
    );
}

#[test]
fn models_of_all_versions_are_read_and_every_damaged_metric_named() {
    let folder = Folder::new();
    let line = r#"{"equation": [1, 0], "raw": 1, "mmin": -1, "mmax": 1}"#;
    let good = folder.write(
        "good.json",
        &format!(r#"{{"__metadata__": {{"version": 2, "tolerance": 4}}, "P/t/0000:./i/throughput/m.mean": {line}}}"#),
    );
    let checked = seen(&good);
    assert!(checked.is_good(), "{checked:?}");
    assert_eq!(checked.about["version"], 2);
    let bad = folder.write(
        "bad.json",
        &format!(r#"{{"__metadata__": {{"version": 2, "tolerance": 4}}, "a": 5, "b": {line}, "c": {{"equation": ["x"]}}}}"#),
    );
    let checked = seen(&bad);
    let places: Vec<_> = checked
        .faults
        .iter()
        .map(|fault| fault.place.as_str())
        .collect();
    assert_eq!(places, ["`a`", "`c`"], "{checked:?}");
    let newer = folder.write(
        "newer.json",
        r#"{"__metadata__": {"version": 9, "tolerance": 4}}"#,
    );
    assert!(faults(&seen(&newer))[0].contains("newer version"));
    assert!(!seen(&folder.write("cut.json", "{\"a\": ")).is_good());
}

#[test]
fn a_racefile_is_checked_with_what_its_loader_never_looked_at() {
    let folder = Folder::new();
    folder.write("here.yaml", "");
    let path = folder.write(
        "racefile.yaml",
        "configs: [here.yaml, gone.yaml, {a: b}]\nwarmup: {role: x}\nbenchmark:\n  - {role: load, command: [run, 3]}\n  - {command: run all, type: shell}\n  - just text\ncollectors:\n  - {role: load, source: a, destination: ../../x}\n  - {type: tar}\nbenchmrk: []\n",
    );
    let checked = seen(&path);
    let all = faults(&checked).join("\n");
    for expected in [
        "configs, entry 2: expected a file",
        "configs, entry 3: expected the name of a file",
        "warmup: expected a list",
        "benchmark, lap 2: expected the type `exec`, found `shell`",
        "benchmark, lap 2: expected `role`",
        "benchmark, lap 2: expected `command` as a list",
        "benchmark, lap 3: expected a mapping",
        "collectors, entry 1: expected `type: file`",
        "collectors, entry 1: expected `destination` below",
        "collectors, entry 2: expected the type `file`, found `tar`",
        "collectors, entry 2: expected `source`",
    ] {
        assert!(all.contains(expected), "{expected} is not in:\n{all}");
    }
    assert_eq!(
        checked.notes[0].next.as_deref(),
        Some("did you mean `benchmark`?")
    );
    let folder = folder.0.path().display().to_string();
    assert_eq!(seen(&folder).kind, "racefile", "by its folder");
}

#[test]
fn an_item_is_checked_like_run_perf_would() {
    assert!(seen("dummy").is_good());
    let checked = seen(r#"dummy:{"sampels": 3}"#);
    assert!(
        faults(&checked)[0].contains("did you mean `samples`?"),
        "{checked:?}"
    );
    assert!(!seen("dummy:{").is_good());
    assert!(seen("fio").about.contains_key("parameters"));
    assert!(!seen("microvm").is_good(), "not in this version yet");
}
