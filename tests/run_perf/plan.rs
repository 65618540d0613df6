//! `--plan`: says what would happen, and nothing happens.

use crate::support::Place;

const TWO: [&str; 8] = [
    "--profiles",
    "Localhost",
    r#"Localhost:{"__NAME__": "Own/list", "RUNPERF_TESTS": ["$@", ["dummy", {"samples": 1, "__NAME__": "short"}]]}"#,
    "--output",
    "nightly",
    "--plan",
    "--",
    r#"dummy:{"sleep": 2}"#,
];

#[test]
fn the_plan_names_everything_and_touches_nothing() {
    let place = Place::new();
    let ended = place.run(&TWO);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(place.list("."), [""; 0]);
    insta::assert_snapshot!("plan", ended.stdout);
}

#[test]
fn the_same_line_gives_the_same_plan() {
    let (one, two) = (Place::new(), Place::new());
    assert_eq!(one.run(&TWO).stdout, two.run(&TWO).stdout);
    let default = ["--plan", "--", "dummy"];
    assert_eq!(
        one.run(&default).stdout,
        two.run(&default).stdout,
        "the time of the start is not part of it"
    );
}

#[test]
fn a_plan_says_what_will_have_no_effect() {
    let place = Place::new();
    place.write("worker.sh", "true\n");
    let ended = place.run(&[
        "--worker-setup-script",
        "worker.sh",
        "--force-params",
        r#"{"192.0.2.1": {"guest_cpus": 2}}"#,
        "--plan",
        "--",
        "dummy",
    ]);
    assert!(
        ended
            .stdout
            .contains("note: --worker-setup-script has no effect"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("note: --force-params for `192.0.2.1` has no effect"),
        "{}",
        ended.stdout
    );
}

#[test]
fn declared_names_are_planned_under_their_own_name() {
    let place = Place::new();
    place.write(
        "run-perf.toml",
        "[tests.quick]\nextends = \"dummy\"\nsamples = 1\n",
    );
    let ended = place.run(&["--plan", "--", "quick"]);
    assert!(
        ended
            .stdout
            .contains("test quick = dummy (1 of 1), 3 iterations of 1 sample,"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    let near = place.run(&["--", "quik"]);
    assert!(
        near.stderr.contains("did you mean `quick`?"),
        "{}",
        near.stderr
    );
}
