//! Configuration, seen from outside: layers, errors, `--show-config`, declared names, host files,
//! and every example of docs/configuration.md and docs/tests/command.md.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// A working folder, with the person's own configuration folder beside it.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(project: &str) -> Self {
        let site = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        site.write("run-perf.toml", project);
        site
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::cargo_bin(name).expect("a program of this package");
        command
            .current_dir(self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path().join("own"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RUNPERF_")) {
            command.env_remove(name);
        }
        // Other tests hold this machine at the same time.
        command.env("RUNPERF_STATE_DIR", self.folder.path().join("state"));
        command
    }

    /// Runs a program; returns exit code, standard output and standard error.
    fn run(&self, name: &str, args: &[&str]) -> (i32, String, String) {
        outcome(&mut self.program(name), args)
    }

    fn result(&self, path: &str) -> Value {
        let path = self.folder.path().join(path);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("JSON")
    }
}

fn outcome(command: &mut Command, args: &[&str]) -> (i32, String, String) {
    let output = command.args(args).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code().expect("no signal"),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The line of `--show-config` about a key.
fn line<'a>(shown: &'a str, key: &str) -> &'a str {
    let starts = |line: &&str| line.trim_start_matches('#').split(' ').next() == Some(key);
    shown
        .lines()
        .find(starts)
        .unwrap_or_else(|| panic!("no {key} in\n{shown}"))
}

#[test]
fn what_runs_where_is_shown_without_secrets() {
    let site = Site::new("");
    let (code, shown, _) = outcome(
        &mut site.program("run-perf"),
        &[
            "--show-config",
            "--hosts",
            "a:127.0.0.1",
            "--profiles",
            r#"Localhost:{"api_token": "s3cret"}"#,
            "--",
            "dummy",
        ],
    );
    assert_eq!(code, 0);
    assert!(
        line(&shown, "hosts").starts_with("hosts = [\"a:127.0.0.1\"]"),
        "{shown}"
    );
    assert!(line(&shown, "tests").contains("\"dummy\""), "{shown}");
    assert!(line(&shown, "profiles").contains("***"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn the_strongest_layer_wins_and_is_named() {
    let site = Site::new(
        "[run]\nretry_tests = 5\ndistro = \"project\"\nmetadata = { a = \"file\", b = \"file\" }\n",
    );
    site.write(
        "own/run-perf/config.toml",
        "[run]\nretry_tests = 6\ndistro = \"own\"\noutput = \"own\"\n",
    );
    let mut program = site.program("run-perf");
    program.env("RUNPERF_RUN_DISTRO", "variable");

    let (code, shown, errors) = outcome(
        &mut program,
        &["--show-config", "--retry-t", "7", "--metadata", "a=typed"],
    );

    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        line(&shown, "retry_tests"),
        "retry_tests = 7                          # command line"
    );
    assert_eq!(
        line(&shown, "distro"),
        "distro = \"variable\"                      # environment RUNPERF_RUN_DISTRO"
    );
    assert!(
        line(&shown, "output").ends_with("own/run-perf/config.toml:4"),
        "{shown}"
    );
    assert_eq!(
        line(&shown, "metadata"),
        "metadata = { a = \"typed\", b = \"file\" }   # command line, then run-perf.toml:4"
    );
    assert_eq!(
        line(&shown, "keep_tmp_files"),
        "keep_tmp_files = false                   # default"
    );
    toml::from_str::<toml::Table>(&shown).expect("what is shown is TOML");
}

#[test]
fn every_program_shows_its_configuration() {
    let site = Site::new("[general]\ncolor = \"never\"\n[analyze]\ntolerance = 5\n");
    for program in ["run-perf", "analyze-perf"] {
        let (code, shown, errors) = site.run(program, &["--show-config"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{program}");
        assert_eq!(
            line(&shown, "color"),
            "color = \"never\"                          # run-perf.toml:2",
            "{program}"
        );
    }
    let (_, shown, _) = site.run("analyze-perf", &["--show-config"]);
    assert_eq!(
        line(&shown, "tolerance"),
        "tolerance = 5                            # run-perf.toml:4"
    );
}

#[test]
fn faults_are_shown_where_they_stand_and_nothing_is_done() {
    for (file, said) in [
        (
            "[run]\nretry_test = 3\n",
            "error: run-perf.toml:2:1: unknown key `retry_test` in [run]; did you mean `retry_tests`?\n  |\n2 | retry_test = 3\n  | ^^^^^^^^^^\n",
        ),
        (
            "[run]\nretry_tests = 0\n",
            "error: run-perf.toml:2: run.retry_tests: invalid value '0' for '--retry-tests <N>': 0 is not in 1..=1000\n",
        ),
        (
            "[tests.dummy]\nextends = \"dummy\"\n",
            "error: run-perf.toml:1: test `dummy` is built in; choose another name, or write `override = [\"dummy\"]` at the top of the file\n",
        ),
        (
            "[tests.a]\nextends = \"dumy\"\n",
            "error: run-perf.toml:1: test `a` extends `dumy`, which nobody knows; did you mean `dummy`?\n",
        ),
    ] {
        let site = Site::new(file);
        let (code, shown, errors) = site.run("run-perf", &["--output", "out", "--", "dummy"]);
        assert_eq!((code, shown.as_str(), errors.as_str()), (2, "", said));
        assert!(!site.folder.path().join("out").exists());
    }
    let (code, _, errors) =
        Site::new("").run("run-perf", &["--config", "none.toml", "--", "dummy"]);
    assert_eq!(code, 2);
    assert!(
        errors.starts_with(
            "error: cannot read the configuration file none.toml\n  caused by: No such file"
        ),
        "{errors}"
    );
}

#[test]
fn help_does_not_need_a_good_configuration() {
    let site = Site::new("nonsense");
    for args in [["--help"], ["--version"], ["--generate=man"]] {
        let (code, shown, errors) = site.run("run-perf", &args);
        assert!(
            code == 0 && shown.contains("run-perf") && errors.is_empty(),
            "{args:?}: {errors}"
        );
    }
}

#[test]
fn secrets_of_a_file_are_not_shown() {
    let site = Site::new(
        "[run]\ndefault_passwords = [\"hush1\"]\nmetadata = { api_token = \"hush2\" }\n\
         [tests.x]\nextends = \"command\"\ncommand = \"true\"\nenv = { DB_PASSWORD = \"hush3\" }\n",
    );
    let (_, shown, errors) = site.run("run-perf", &["--show-config"]);
    assert!(
        !shown.contains("hush") && !errors.contains("hush"),
        "{shown}{errors}"
    );
    assert!(
        line(&shown, "default_passwords").starts_with("default_passwords = \"***\""),
        "{shown}"
    );
}

#[test]
fn a_declared_test_runs_under_its_own_name() {
    let site = Site::new(
        "[tests.seven]\nextends = \"command\"\ncommand = \"echo 7\"\nsamples = 4\nmetrics = [{ name = \"n\", unit = \"1/s\" }]\n\
         [tests.less]\nextends = \"seven\"\nsamples = 2\n\
         [profiles.Quick]\nextends = \"Localhost\"\nRUNPERF_TESTS = [\"less\", \"$@\", [\"SEVEN\", { samples = 1 }]]\n",
    );
    let (code, _, errors) = site.run(
        "run-perf",
        &[
            "--profiles",
            "Quick",
            "--output",
            "out",
            "--",
            "seven:{\"samples\": 3}",
        ],
    );
    assert_eq!(code, 0, "{errors}");
    let samples = |path: &str| {
        let result = site.result(path);
        let entry = result
            .pointer("/0/iteration_data/throughput/n")
            .and_then(|all| all.as_array()?.last().cloned());
        let entry = entry.unwrap_or_else(|| panic!("no metric in {result}"));
        assert_eq!(entry["mean"], 7.0);
        entry["samples"].as_array().map(Vec::len)
    };
    assert_eq!(samples("out/Quick/less/0000/result.json"), Some(2));
    assert_eq!(
        samples("out/Quick/seven/0000/result.json"),
        Some(3),
        "what is typed wins"
    );
    assert_eq!(samples("out/Quick/seven/0001/result.json"), Some(1));

    let (_, listed, _) = site.run("run-perf", &["--list"]);
    assert!(listed.contains("  less [run-perf.toml:6]\n"), "{listed}");
    let (code, _, errors) = site.run("run-perf", &["--plan", "--", "sevn"]);
    assert_eq!(
        (code, errors.lines().next()),
        (2, Some("error: unknown test `sevn`"))
    );
    assert!(errors.contains("did you mean `seven`?"), "{errors}");
}

#[test]
fn a_replaced_built_in_is_the_declared_one() {
    let site =
        Site::new("override = [\"dummy\"]\n[tests.dummy]\nextends = \"dummy\"\nsamples = 2\n");
    let (code, _, errors) = site.run("run-perf", &["--output", "out", "--", "dummy"]);
    assert_eq!(code, 0, "{errors}");
    let result = site.result("out/Localhost/dummy/0000/result.json");
    let entry = result
        .pointer("/0/iteration_data/throughput/iops_sec/0/samples")
        .and_then(Value::as_array);
    assert_eq!(entry.map(Vec::len), Some(2));
}

#[test]
fn host_files_are_found_beside_the_configuration_and_contradictions_are_noted() {
    let site = Site::new("[run]\npaths = [\"assets\"]\n");
    site.write("hosts/127.0.0.1.yaml", "host_cpus: 7001\n");
    site.write("assets/README", "no hosts yet");
    let (code, said, errors) = site.run("run-perf", &["--output", "out", "--", "dummy"]);
    assert_eq!(code, 0, "{errors}");
    let noted = "hosts/127.0.0.1.yaml says host_cpus 7001, the machine has ";
    assert!(
        said.contains(noted) || errors.contains(noted),
        "{said}{errors}"
    );

    site.write("assets/hosts/127.0.0.1.yaml", "host_cpus: 7002\n");
    let (_, plan, _) = site.run("run-perf", &["--plan", "--", "dummy"]);
    assert!(
        plan.contains("7002") && !plan.contains("7001"),
        "the folders of --paths come first: {plan}"
    );

    site.write(
        "assets/hosts/127.0.0.1.yaml",
        "arch: x86_64\nhost_cpus: several\n",
    );
    let (code, _, errors) = site.run("run-perf", &["--plan", "--", "dummy"]);
    assert_eq!(code, 2);
    assert!(
        errors.contains(
            "assets/hosts/127.0.0.1.yaml\n  caused by: line 2: `host_cpus` expects a whole number"
        ),
        "{errors}"
    );
}

/// The `toml` blocks of a page.
fn examples(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn examples_of_the_manual_are_accepted() {
    let all = examples("configuration.md");
    assert!(all.len() >= 5, "examples are found");
    for example in all {
        let site = Site::new(&example);
        let (code, shown, errors) = site.run("run-perf", &["--show-config"]);
        assert_eq!(code, 0, "{errors}");
        let declared: toml::Table = toml::from_str(&example).expect("TOML");
        for section in ["tests", "profiles"] {
            for name in declared
                .get(section)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
            {
                assert!(shown.contains(&format!("[{section}.{name}]")), "{shown}");
                let test = if section == "tests" {
                    name.as_str()
                } else {
                    "dummy"
                };
                let profile = if section == "tests" {
                    "Localhost"
                } else {
                    name.as_str()
                };
                let (code, _, errors) =
                    site.run("run-perf", &["--plan", "--profiles", profile, "--", test]);
                assert_eq!(code, 0, "{name}: {errors}");
            }
        }
    }
}

#[test]
fn examples_of_the_command_test_run_as_they_stand() {
    let expected = [
        ("json-tool", "throughput/ops", Some(5120.5)),
        ("sentence", "latency/copy_s", Some(0.25)),
        ("table", "throughput/get_per_s", Some(120.0)),
        ("list-files", "latency/wall_s", None),
    ];
    let site = Site::new(&examples("tests/command.md").concat());
    let mut args = vec!["--output", "out", "--"];
    args.extend(expected.iter().map(|(name, ..)| *name));
    let (code, _, errors) = site.run("run-perf", &args);
    assert_eq!(code, 0, "{errors}");
    for (name, metric, mean) in expected {
        let result = site.result(&format!("out/Localhost/{name}/0000/result.json"));
        let entries = result
            .pointer(&format!("/0/iteration_data/{metric}"))
            .and_then(Value::as_array);
        let all = entries
            .and_then(|entries| entries.last())
            .unwrap_or_else(|| panic!("no {metric} in {result}"));
        match mean {
            Some(mean) => assert_eq!(all["mean"], mean, "{name}"),
            None => assert!(
                all["mean"].as_f64().is_some_and(|seconds| seconds > 0.0),
                "{name}"
            ),
        }
    }
}
