//! Passwords appear nowhere in what a run leaves or prints, however they were given.

use crate::support::{Place, ended};

const LITERAL: &str = "Lit3ral-Marker";
const FILED: &str = "F1led-Marker";
const VARIABLE: &str = "Vari4ble-Marker";

fn assert_clean(what: &str, text: &str) {
    for secret in [LITERAL, FILED, VARIABLE] {
        assert!(!text.contains(secret), "{secret} in {what}");
    }
}

#[test]
fn no_password_is_left_anywhere_in_any_spelling() {
    for spelling in [
        "--default-passwords",
        "--default-password",
        "--default",
        "--default-passwords=",
    ] {
        let place = Place::new();
        place.write("passwords", &format!("{FILED}\n"));
        let mut args: Vec<String> = match spelling.strip_suffix('=') {
            Some(option) => [LITERAL, "@passwords", "env:RUNPERF_TEST_SECRET"]
                .map(|source| format!("{option}={source}"))
                .to_vec(),
            None => vec![
                spelling.into(),
                LITERAL.into(),
                "@passwords".into(),
                "env:RUNPERF_TEST_SECRET".into(),
            ],
        };
        // A command that prints and fails brings them into session logs, messages and records.
        let leak = format!(
            r#"command:{{"command": ["sh", "-c", "echo {LITERAL} >&2; echo $RUNPERF_TEST_SECRET; exit 1"], "__NAME__": "leak"}}"#
        );
        let metadata = format!("note={LITERAL}");
        args.extend(
            [
                "--metadata",
                &metadata,
                "--retry-tests",
                "1",
                "-vvv",
                "--log",
                "log.txt",
                "--output",
                "r",
                "--",
                &leak,
                "dummy",
            ]
            .map(str::to_owned),
        );
        let done = ended(
            place
                .command()
                .args(&args)
                .env("RUNPERF_TEST_SECRET", VARIABLE)
                .output()
                .expect("it starts"),
        );
        assert_eq!(done.code, 3, "{}", done.stderr);
        assert_clean("standard output", &done.stdout);
        assert_clean("standard error", &done.stderr);
        assert_clean("the log file", &place.read("log.txt"));
        let files = place.files("r");
        assert!(files.len() > 10, "the result is there: {files:?}");
        for file in files {
            assert_clean(
                &file.display().to_string(),
                &String::from_utf8_lossy(&std::fs::read(&file).expect("readable")),
            );
        }
        let record = place.read("r/Localhost/leak/0/__error0__/traceback");
        assert!(record.contains("***"), "something was masked: {record}");
        let line = place
            .metadata("r", "runperf_cmd")
            .expect("the command line");
        assert!(
            line.contains("MASKED") && line.contains("--metadata MASKED --retry-tests"),
            "{line}"
        );
    }
}

/// Met when `__plan__.json` and `runperf_cmd` showed what a test hands to its command.
#[test]
fn secrets_of_metadata_and_parameters_are_left_nowhere() {
    let place = Place::new();
    let test = format!(
        r#"command:{{"command": "echo $PGPASSWORD", "env": {{"PGPASSWORD": "{LITERAL}"}}, "samples": 1}}"#
    );
    let (token, url) = (
        format!("api_token={FILED}"),
        format!("url=https://kq:{VARIABLE}@ci.example.org/job/5"),
    );
    let metadata = ["--metadata", "build=5", "pin_token=5", &token, &url];
    let planned = place.run(&[&metadata[..], &["--plan", "--", &test]].concat());
    assert_clean("the plan", &planned.stdout);
    let log = ["-vvv", "--log", "log.txt", "--output", "r", "--", &test];
    let done = place.run(&[&metadata[..], &log].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    for (what, text) in [
        ("standard output", &done.stdout),
        ("standard error", &done.stderr),
        ("the log file", &place.read("log.txt")),
    ] {
        assert_clean(what, text);
    }
    for file in place.files("r") {
        assert_clean(
            &file.display().to_string(),
            &String::from_utf8_lossy(&std::fs::read(&file).expect("readable")),
        );
    }
    let kept = |key| place.metadata("r", key).expect("kept");
    assert_eq!(kept("url"), "https://kq:***@ci.example.org/job/5");
    assert_eq!(
        (kept("api_token"), kept("pin_token")),
        ("***".into(), "***".into())
    );
    assert_eq!(kept("build"), "5", "a short secret masks nothing else");
}

#[test]
fn a_password_on_the_command_line_is_warned_about() {
    let place = Place::new();
    let with = place.run(&["--default-passwords", LITERAL, "--plan", "--", "dummy"]);
    assert!(with.stderr.contains("is shown by `ps`"), "{}", with.stderr);
    place.write("passwords", "x\n");
    assert_eq!(
        place
            .run(&["--default-passwords", "@passwords", "--plan", "--", "dummy"])
            .stderr,
        ""
    );
}
