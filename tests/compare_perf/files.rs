//! What jobs do with the small reports: a comment that replaces itself, a line for the plot plugin.

use std::fs;

use tempfile::TempDir;

use super::{compare, pair};

fn files(dir: &TempDir, dst: f64) -> (String, String) {
    pair(dir, 100.0, dst);
    let ran = compare(
        dir,
        &[
            "--markdown",
            "r.md",
            "--plot-csv",
            "r.csv",
            "--",
            "src",
            "dst",
        ],
    );
    assert!(ran.code == 0 || ran.code == 2, "{}", ran.err);
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("written");
    (read("r.md"), read("r.csv"))
}

#[test]
fn a_job_finds_its_earlier_comment_by_the_first_line() {
    let dir = TempDir::new().expect("a directory");
    let (bad, _) = files(&dir, 50.0);
    let (good, _) = files(&dir, 100.0);
    let marker = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!(marker(&bad), "<!-- compare-perf:dst -->");
    assert_eq!(marker(&bad), marker(&good), "whatever the verdict");
    assert!(
        bad.contains("### ▼ FAIL: ") && bad.contains("| iops_sec (IOPS) | 100.0 | 50.00 | **−50.0"),
        "{bad}"
    );
    assert_eq!(
        good.lines().count(),
        2,
        "a pass is one line behind the marker: {good}"
    );
}

#[test]
fn the_plot_plugin_gets_labels_and_as_many_values() {
    let dir = TempDir::new().expect("a directory");
    let (_, csv) = files(&dir, 50.0);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    let [labels, values] = &lines[..] else {
        panic!("two lines: {csv}")
    };
    assert_eq!(labels.len(), values.len());
    assert!(
        values
            .iter()
            .all(|value| value.is_empty() || value.parse::<f64>().is_ok()),
        "{csv}"
    );
    let of = |label: &str| {
        let at = labels.iter().position(|one| *one == label);
        values[at.unwrap_or_else(|| panic!("{label} in {csv}"))]
    };
    assert_eq!((of("regression"), of("missing")), ("1", "0"));
    assert!(of("Localhost mean change %").starts_with('-'), "{csv}");
}
