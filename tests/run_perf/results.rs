//! What a run leaves.

use serde_json::Value;

use crate::support::Place;

#[test]
fn a_result_has_everything_about_the_run_in_its_place() {
    let place = Place::new();
    let ended = place.run(&[
        "--hosts",
        "foo:127.0.0.1",
        "--distro",
        "Debian-12",
        "--metadata",
        "build=57",
        "machine_url_base=http://x/%(machine)s",
        "--run-id",
        "night-1",
        "--output",
        "r",
        "--",
        "dummy",
        "dummy",
    ]);

    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.last_line(), "PASS: 2 of 2 tests ran, result in r");
    assert!(
        ended.stdout.contains("next:     compare-perf -- "),
        "{}",
        ended.stdout
    );
    for name in [
        "__sessions__/foo",
        "__journal__.jsonl",
        "__plan__.json",
        "Localhost/__sessions__/foo",
        "Localhost/dummy/0000/result.json",
        "Localhost/dummy/0000/__sessions__/foo",
        "Localhost/dummy/0001/RUNPERF_METADATA.json",
    ] {
        assert!(
            place.exists(&format!("r/{name}")),
            "{name} is missing: {:?}",
            place.files("r")
        );
    }
    assert_eq!(place.list("r/Localhost/dummy"), ["0000", "0001"]);
    let keys: Vec<String> = place
        .read("r/RUNPERF_METADATA")
        .lines()
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        keys,
        [
            "build",
            "machine_url_base",
            "distro",
            "guest_distro",
            "runperf_version",
            "runperf_cmd",
            "machine",
            "machine_url",
            "run_id",
            "started",
            "plan_sha256",
            "environment_world",
            "environment_profile_Localhost",
            "finished",
            "exit_code",
        ]
    );
    let value = |key: &str| place.metadata("r", key).unwrap_or_default();
    assert_eq!(
        (value("build").as_str(), value("exit_code").as_str()),
        ("57", "0")
    );
    assert_eq!(
        (value("machine").as_str(), value("machine_url").as_str()),
        ("127.0.0.1", "http://x/127.0.0.1")
    );
    assert_eq!(
        (value("guest_distro").as_str(), value("run_id").as_str()),
        ("DISTRO", "night-1")
    );
    assert_eq!(
        value("runperf_cmd"),
        "run-perf --hosts foo:127.0.0.1 --distro DISTRO --metadata MASKED MASKED --run-id night-1 --output r -- dummy dummy"
    );
    let world: Value = serde_json::from_str(&value("environment_world")).expect("JSON");
    assert_eq!(world[0]["general"], "Name:foo\nDistro:Debian-12");
    assert!(
        world[0]["kernel"].is_string() && world[0]["params"].is_string(),
        "facts and parameters of the host"
    );
    let test: Value =
        serde_json::from_str(&place.read("r/Localhost/dummy/0000/RUNPERF_METADATA.json"))
            .expect("JSON");
    assert_eq!(
        (&test["profile"], &test["build"], &test["distro"]),
        (&"Localhost".into(), &"57".into(), &"Debian-12".into())
    );
    assert!(
        test["workers"]["0"]["foo"]["kernel"].is_string(),
        "facts of the worker"
    );
}

#[test]
fn what_a_run_leaves_can_be_read_and_compared() {
    let place = Place::new();
    let ended = place.run(&["--output", "r", "-q", "--", "dummy"]);
    assert_eq!(
        ended.stdout, "PASS: 1 of 1 tests ran, result in r\n",
        "-q: only the last line"
    );
    assert_eq!(ended.stderr, "");
    let data = runperf::store::read::read_result(
        "r",
        &place.path().join("r"),
        runperf::store::read::Include::default(),
    )
    .expect("readable");
    assert!(
        data.failures.is_empty() && data.warnings.is_empty(),
        "{:?} {:?}",
        data.failures,
        data.warnings
    );
    assert!(data.measurements.iter().any(|one| {
        one.primary
            && one.id.as_str() == "Localhost/dummy/0000:./read-4KiB/throughput/iops_sec.mean"
    }));
    assert!(data.date().is_some());
}

#[test]
fn an_existing_output_is_refused_and_replaced_only_by_force() {
    let place = Place::new();
    assert_eq!(place.run(&["--output", "r", "--", "dummy"]).code, 0);
    place.write("r/mark", "");
    let again = place.run(&["--output", "r", "--", "dummy"]);
    assert_eq!(
        again.refused(),
        "exit 2\nerror: r exists already\nhint: choose another --output, or replace it with --force\n"
    );
    assert!(place.exists("r/mark"));
    assert_eq!(
        place.run(&["--output", "r", "--force", "--", "dummy"]).code,
        0
    );
    assert!(!place.exists("r/mark"));

    std::fs::create_dir(place.path().join("home")).expect("a folder");
    place.write("home/thesis", "");
    let precious = place.run(&["--output", "home", "--force", "--", "dummy"]);
    assert_eq!(precious.code, 2);
    assert!(
        precious.stderr.contains("replaces result directories only"),
        "{}",
        precious.stderr
    );
    assert!(place.exists("home/thesis"));
    assert_eq!(
        place.run(&["--output", ".", "--force", "--", "dummy"]).code,
        2,
        "not the working directory"
    );
}

#[test]
fn without_an_output_the_result_is_named_by_the_time() {
    let place = Place::new();
    let ended = place.run(&["--progress", "none", "--", "dummy"]);
    let names = place.list(".");
    assert!(
        names.len() == 1 && names[0].starts_with("result_2") && names[0].len() == 22,
        "{names:?}"
    );
    assert_eq!(
        ended.last_line(),
        format!("PASS: 1 of 1 tests ran, result in {}", names[0])
    );
    assert_eq!(ended.stderr, "", "--progress none");
}

#[test]
fn the_set_up_script_runs_and_is_named_by_its_hash() {
    let place = Place::new();
    place.write("setup.sh", "echo done > set-up\n");
    let ended = place.run(&[
        "--host-setup-script",
        "setup.sh",
        "--output",
        "r",
        "--",
        "dummy",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        place.read("r/__sessions__/localhost").contains("sh -x "),
        "it is logged"
    );
    assert!(
        place
            .metadata("r", "runperf_cmd")
            .is_some_and(|line| line.contains("--host-setup-script sha1:"))
    );
    assert_eq!(place.read("set-up"), "done\n");

    place.write("bad.sh", "echo broken pipe dream >&2; exit 7\n");
    let bad = place.run(&[
        "--host-setup-script",
        "bad.sh",
        "--output",
        "bad",
        "--",
        "dummy",
    ]);
    assert_eq!(bad.code, 1, "fatal");
    assert_eq!(bad.last_line(), "ERROR: 0 of 1 tests ran, result in bad");
    assert!(
        place
            .read("bad/__error0__/traceback")
            .contains("broken pipe dream")
    );
    assert_eq!(
        place.metadata("bad", "finished"),
        None,
        "it did not reach its end"
    );
}

#[test]
fn a_profile_may_have_its_own_name_and_tests() {
    let place = Place::new();
    let own = r#"Localhost:{"__NAME__": "Own/list", "__KEEP_ASSETS__": "yes", "RUNPERF_TESTS": ["$@", ["dummy", {"samples": 1, "__NAME__": "short"}]]}"#;
    let ended = place.run(&[
        "--output",
        "r",
        "--profiles",
        "Localhost",
        own,
        "--",
        "dummy",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(ended.last_line(), "PASS: 3 of 3 tests ran, result in r");
    assert!(
        place.exists("r/Own_list/short/0000/result.json")
            && place.exists("r/Own_list/dummy/0000/result.json")
    );
    assert!(
        place
            .metadata("r", "environment_profile_Own_list")
            .is_some()
    );
}

#[test]
fn a_run_takes_about_as_long_as_the_one_before() {
    let place = Place::new();
    let test = r#"command:{"command": ["sleep", "1.1"], "samples": 2}"#;
    let first = |output| {
        place
            .run(&["--output", output, "--", test])
            .stderr
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert!(!first("a").contains("about"), "nobody can tell");
    assert!(first("b").contains(", about "), "as long as the first");
}

#[test]
fn the_same_plan_has_the_same_hash_and_is_found_for_comparison() {
    let place = Place::new();
    for (output, args) in [
        ("a", ["--", "dummy"]),
        ("b", ["--", "dummy"]),
        ("c", ["--", "command:{\"command\": [\"true\"]}"]),
    ] {
        let mut all = vec!["--output", output];
        all.extend(args);
        let ended = place.run(&all);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let about = ended
            .stderr
            .lines()
            .next()
            .is_some_and(|line| line.contains("1 test, about "));
        assert_eq!(
            about,
            output != "c",
            "dummy knows how long it takes, a command does not: {}",
            ended.stderr
        );
        if output == "b" {
            assert!(
                ended.stdout.contains("next:     compare-perf -- a b\n"),
                "{}",
                ended.stdout
            );
        }
    }
    let hash = |result: &str| place.metadata(result, "plan_sha256").expect("a hash");
    assert_eq!(hash("a"), hash("b"));
    assert_ne!(hash("a"), hash("c"));
    assert_eq!(place.read("a/__plan__.json"), place.read("b/__plan__.json"));
}
