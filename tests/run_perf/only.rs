//! `--only`: what `compare-perf --suspects` named is run again.

use serde_json::json;

use crate::support::Place;

const LINE: [&str; 6] = [
    "--profiles",
    "Localhost",
    r#"Localhost:{"__NAME__": "Second"}"#,
    "--",
    r#"dummy:{"samples": 1, "sleep": 0}"#,
    r#"dummy:{"samples": 1, "sleep": 0, "__NAME__": "other/one"}"#,
];

fn suspects(items: &[(&str, &str)]) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|(profile, test)| {
            json!({"profile": profile, "test": test, "iteration": "x", "ids": ["x"], "status": "suspect", "later": 1})
        })
        .collect();
    json!({"schema": "runperf-suspects/1", "src": "a", "dst": "b", "items": items}).to_string()
}

#[test]
fn what_is_suspect_is_run_again_and_nothing_else() {
    let place = Place::new();
    place.write(
        "again.json",
        &suspects(&[("Second", "other_one"), ("Second", "other_one")]),
    );
    let mut args = vec![
        "--only",
        "again.json",
        "--output",
        "again",
        "--progress",
        "none",
    ];
    args.extend(LINE);
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let results: Vec<_> = place
        .files("again")
        .into_iter()
        .filter(|path| path.ends_with("result.json"))
        .collect();
    assert_eq!(
        results,
        [place.path().join("again/Second/other_one/0000/result.json")]
    );
}

#[test]
fn a_plan_of_it_says_so() {
    let place = Place::new();
    place.write("again.json", &suspects(&[("Localhost", "dummy")]));
    let mut args = vec!["--only", "again.json", "--plan"];
    args.extend(LINE);
    let ended = place.run(&args);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("only what again.json names: 1 of 4 tests, for 1 iteration"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("Second"), "{}", ended.stdout);
}

#[test]
fn a_file_that_cannot_be_followed_is_refused() {
    for (text, said) in [
        (
            suspects(&[("Localhost", "dummy"), ("Third", "fio")]),
            "names Third/fio, which this command line does not run",
        ),
        (suspects(&[]), "names nothing to run again"),
        (
            "{}".into(),
            "is no file of compare-perf --suspects: missing field `schema`",
        ),
        (
            r#"{"schema": "x/1", "src": "", "dst": "", "items": []}"#.into(),
            "it is `x/1`, expected `runperf-suspects/1`",
        ),
        ("[".into(), "is no file of compare-perf --suspects: EOF"),
    ] {
        let place = Place::new();
        place.write("again.json", &text);
        let mut args = vec!["--only", "again.json"];
        args.extend(LINE);
        let ended = place.run(&args);
        assert_eq!(ended.code, 2, "{text}");
        assert!(ended.stderr.contains(said), "{text}: {}", ended.stderr);
        assert_eq!(place.list("."), ["again.json"], "nothing was touched");
    }
    let place = Place::new();
    let ended = place.run(&["--only", "none.json", "--", "dummy"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("cannot read the suspects none.json"),
        "{}",
        ended.stderr
    );
}
