//! What is said to who types something wrong, and help.

use crate::support::Place;

fn refused(args: &[&str]) -> String {
    let place = Place::new();
    let ended = place.run(args);
    assert_eq!(place.list("."), [""; 0], "nothing was touched");
    ended.refused()
}

#[test]
fn short_help_fits_one_screen() {
    let place = Place::new();
    let ended = place.run(&["-h"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.lines().count() <= 45, "{}", ended.stdout);
    insta::assert_snapshot!("help", ended.stdout);
}

#[test]
fn the_list_is_complete_and_fits_a_terminal() {
    let place = Place::new();
    let ended = place.run(&["--list"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(
        ended.stdout.lines().all(|line| line.chars().count() <= 100),
        "{}",
        ended.stdout
    );
    for name in [
        "Localhost",
        "TunedLibvirt",
        "fio",
        "uperf",
        "dummy",
        "DummyTest",
        "command",
        "beaker",
        "RUNPERF_TESTS",
    ] {
        assert!(
            ended.stdout.contains(name),
            "{name} is missing:\n{}",
            ended.stdout
        );
    }
    let without_tests: String = ended
        .stdout
        .lines()
        .take_while(|line| !line.starts_with("Tests"))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!("list_profiles", without_tests);
}

#[test]
fn the_classic_line_is_understood_word_for_word() {
    let classic = [
        "-vvv",
        "--hosts",
        "foo:127.0.0.1",
        "--provisioner",
        "X",
        "--distro",
        "Fedora-32",
        "--default-password",
        "password",
        "--profiles",
        "Localhost",
        "TunedLibvirt",
        "--",
        "uperf",
        r#"fio:{"type":"read","ramptime":"1","runtime":"10","samples":"1","file-size":"100","targets":"/fio"}"#,
    ];
    insta::assert_snapshot!(refused(&classic), @r"
    exit 2
     WARN a password on the command line is shown by `ps`; --default-passwords takes @FILE and env:NAME
    error: profile `TunedLibvirt` is not in this build yet
    hint: `run-perf --list` shows every name and which of them this build can run
    ");
}

#[test]
fn every_name_of_a_later_build_says_so() {
    for args in [
        ["--profiles", "TunedLibvirt", "--", "dummy"].as_slice(),
        &["--profiles", "kubevirt", "--", "dummy"],
        &["--", "race"],
        &["--keep", "--", "dummy"],
    ] {
        let said = refused(args);
        assert!(
            said.starts_with("exit 2\n") && said.contains("is not in this build yet"),
            "{args:?}: {said}"
        );
    }
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    insta::assert_snapshot!(refused(&["--profiles", "Localhots", "--", "dummy"]), @r"
    exit 2
    error: unknown profile `Localhots`
    hint: did you mean `Localhost`? `run-perf --list` shows every name
    ");
    insta::assert_snapshot!(refused(&["--", "dumy"]), @r"
    exit 2
    error: unknown test `dumy`
    hint: did you mean `dummy`? `run-perf --list` shows every name
    ");
    insta::assert_snapshot!(refused(&["--", r#"dummy:{"sampels": 3}"#]), @r"
    exit 2
    error: `dummy` has no parameter `sampels`; did you mean `samples`?
    hint: `run-perf --list` shows every parameter with its default
    ");
    insta::assert_snapshot!(refused(&["--profiles", r#"Localhost:{"__NAM__": "x"}"#, "--", "dummy"]), @r"
    exit 2
    error: `Localhost` has no parameter `__NAM__`; did you mean `__NAME__`?
    hint: `run-perf --list` shows every parameter with its default
    ");
    let option = refused(&[
        "--retry-test",
        "2",
        "--profilse",
        "Localhost",
        "--",
        "dummy",
    ]);
    assert!(
        option.contains("a similar argument exists: '--profiles'"),
        "{option}"
    );
}

#[test]
fn broken_json_is_shown_with_its_place() {
    insta::assert_snapshot!(refused(&["--", r#"dummy:{"samples": 3 "sleep": 1}"#]), @r#"
    exit 2
    error: invalid value 'dummy:{"samples": 3 "sleep": 1}' for '[TEST]...': the parameters of `dummy` are not valid JSON: expected `,` or `}` at line 1, character 15
      {"samples": 3 "sleep": 1}
                    ^

    For more information, try '--help'.
    "#);
    for broken in [
        "dummy:",
        "dummy:[]",
        "dummy:{",
        ":{}",
        "dummy:{\"samples\": 1e999}",
    ] {
        assert!(
            refused(&["--", broken]).starts_with("exit 2\nerror: "),
            "{broken}"
        );
    }
    assert!(
        refused(&["--force-params", "{\"a\": 1}", "--", "dummy"]).contains("must be an object")
    );
}

#[test]
fn force_and_keep_are_exact_and_others_may_be_shortened() {
    let place = Place::new();
    let shortened = [
        "--force-p",
        "{}",
        "--keep-t",
        "--retry",
        "1",
        "--out",
        "r",
        "--plan",
        "--prof",
        "localhost",
        "--",
        "DummyTest",
    ];
    let ended = place.run(&shortened);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let said = refused(&["--hos", "a", "--", "dummy"]);
    assert!(said.starts_with("exit 2\n"), "ambiguous: {said}");
}

#[test]
fn bad_values_are_refused_before_anything_is_touched() {
    for (args, expected) in [
        (
            ["--hosts", "a:me@127.0.0.1", "--", "dummy"].as_slice(),
            "this machine is used directly",
        ),
        (
            &["--hosts", "a:192.0.2.1:ssh", "--", "dummy"],
            "`ssh` is no port",
        ),
        (
            &["--hosts", "a:127.0.0.1", "b:localhost", "--", "dummy"],
            "is the same machine as `a`",
        ),
        (
            &["--hosts", "a:127.0.0.1", "a:127.0.0.1", "--", "dummy"],
            "two hosts have this name",
        ),
        (
            &["--host-setup-script-reboot", "--", "dummy"],
            "would reboot this machine, which run-perf never does",
        ),
        (
            &["--host-setup-script", "nothing.sh", "--", "dummy"],
            "cannot read the host setup script nothing.sh",
        ),
        (
            &["--worker-setup-script", "nothing.sh", "--", "dummy"],
            "cannot read the worker setup script nothing.sh",
        ),
        (&["--host-rpms", "--", "dummy"], "--host-rpms"),
        (
            &["--host-rpms=-y", "--", "dummy"],
            "is no package, path or URL",
        ),
        (
            &["--paths", "nowhere", "--", "dummy"],
            "cannot read the asset folder nowhere",
        ),
        (
            &["--default-passwords", "@nowhere", "--", "dummy"],
            "cannot read passwords from nowhere",
        ),
        (
            &[
                "--default-passwords",
                "env:RUNPERF_TEST_UNSET",
                "--",
                "dummy",
            ],
            "is not set",
        ),
        (
            &["--metadata", "build", "--", "dummy"],
            "expected KEY=VALUE, found `build`",
        ),
        (
            &["--retry-tests", "0", "--", "dummy"],
            "0 is not in 1..=1000",
        ),
        (
            &["--time-limit", "soon", "--", "dummy"],
            "expected a time like",
        ),
        (
            &["--monitor-interval", "-1", "--", "dummy"],
            "--monitor-interval",
        ),
        (&["--run-id", "a b", "--", "dummy"], "1 to 63 letters"),
        (
            &[
                "--profiles",
                r#"Localhost:{"RUNPERF_TESTS": "dummy"}"#,
                "--",
                "dummy",
            ],
            "expected a list of names",
        ),
        (
            &["--profiles", r#"Localhost:{"__NAME__": ""}"#, "--", "dummy"],
            "cannot be a folder of the result",
        ),
        (
            &["--", r#"dummy:{"__NAME__": "__error0__"}"#],
            "cannot be a folder of the result",
        ),
        (&["--config", "nowhere.toml", "--", "dummy"], "nowhere.toml"),
        (&["--hosts", "localhost"], "TEST"),
    ] {
        let said = refused(args);
        assert!(
            said.starts_with("exit 2\n") && said.contains(expected),
            "{args:?}: {said}"
        );
    }
}
