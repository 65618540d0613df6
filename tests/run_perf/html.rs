//! `--html`: the report of the run, of a good one and of a bad one.

use crate::support::Place;

#[test]
fn a_run_leaves_its_report_with_figures_and_curves() {
    let place = Place::new();
    // A command that takes longer than the monitor's interval, so that there is a curve.
    let test = r#"command:{"command": ["sh", "-c", "sleep 2; echo '{\"ops\": 42}'"], "samples": 2,
        "metrics": [{"name": "ops", "json": "/ops", "better": "higher", "primary": true}]}"#;
    let ran = place.run(&[
        "--output",
        "result",
        "--html",
        "run.html",
        "--monitor-interval",
        "0.2",
        "--metadata",
        "build=<b>77</b>",
        "--",
        test,
    ]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let page = place.read("run.html");
    for part in [
        "<title>PASS: result</title>",
        "1 primary figure of 1 test, no failure, took ",
        "<h3>Localhost / command</h3>",
        ">ops<",
        "aria-label=\"CPU, ",
        "&lt;b&gt;77&lt;/b&gt;",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains("<b>77"));
    assert_eq!(
        page.matches("aria-label=\"CPU, ").count(),
        2,
        "one a sample"
    );
}

#[test]
fn a_run_that_failed_says_what_and_where() {
    let place = Place::new();
    let test = r#"command:{"command": ["sh", "-c", "echo no such disk >&2; exit 3"],
        "metrics": [{"name": "ops", "json": "/ops", "primary": true}]}"#;
    let ran = place.run(&[
        "--output",
        "result",
        "--html",
        "run.html",
        "--retry-tests",
        "1",
        "--",
        test,
    ]);
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    let page = place.read("run.html");
    assert!(page.contains("<title>FAIL: result</title>"), "{page}");
    assert!(
        page.contains("Localhost / command") && page.contains("__error0__"),
        "{page}"
    );
}

#[test]
fn a_report_that_has_no_place_is_refused_before_the_run() {
    let place = Place::new();
    let ran = place.run(&[
        "--output",
        "result",
        "--html",
        "nowhere/run.html",
        "--",
        "dummy",
    ]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
    assert!(!place.exists("result"), "nothing was run");
}
