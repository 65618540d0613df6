//! diff-perf: the real program on recorded nightly results; the answers are those of the older tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

fn night(time: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/run-perf-results/1_base")
        .join(format!("result_20200726_{time}"))
}

fn nights<const N: usize>(times: [&str; N]) -> [PathBuf; N] {
    times.map(night)
}

fn diff(args: impl FnOnce(&mut Command)) -> (i32, String, String) {
    let mut command = Command::cargo_bin("diff-perf").expect("a program of this package");
    command.env_remove("RUNPERF_CONFIG").env("NO_COLOR", "1");
    args(&mut command);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        status.code().expect("an exit code"),
        text(stdout),
        text(stderr),
    )
}

/// The words of each line of the table but the heading.
fn rows(out: &str) -> Vec<Vec<&str>> {
    out.lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn the_closest_of_four_nights_is_the_exit_code() {
    let (code, out, _) = diff(|command| {
        command
            .arg("--")
            .args(nights(["080654", "091827", "092842", "093220", "093657"]));
    });
    assert_eq!(code, 2, "{out}");
    let rows = rows(&out);
    assert_eq!(rows[2][..3], ["closest", "2", "result_20200726_093220"]);
    // The sums the older tool reports for the primary metrics.
    let sums: Vec<&str> = rows.iter().map(|row| row[row.len() - 2]).collect();
    assert_eq!(sums, ["0.378", "0.096", "0.421", "0.259"]);
}

#[test]
fn equal_candidates_give_the_first_and_a_warning() {
    let (code, _, err) = diff(|command| {
        command
            .arg("--")
            .args(nights(["080654", "080654", "080654"]));
    });
    assert_eq!(code, 0);
    assert!(err.contains("--flatten-coefficient"), "{err}");
}

#[test]
fn groups_are_numbered_after_the_single_results() {
    let (code, out, _) = diff(|command| {
        command
            .arg("-g")
            .args(nights(["080654", "091827", "092842"]));
        command.arg("--group").arg(night("093657"));
        command
            .arg("--")
            .args(nights(["080654", "092842", "093220"]));
    });
    assert_eq!(code, 2, "the group that holds the source itself: {out}");
    assert!(
        out.contains("result_20200726_080654 + result_20200726_091827 + result_20200726_092842"),
        "{out}"
    );
    assert_eq!(rows(&out).len(), 4);
}

#[test]
fn two_groups_alone_are_enough() {
    let (code, out, err) = diff(|command| {
        command.arg("-g").args(nights(["092842", "093657"]));
        command.arg("-g").args(nights(["091827", "093220"]));
        command.arg("--").arg(night("080654"));
    });
    assert_eq!(code, 1, "{out}{err}");
}

#[test]
fn indices_beyond_253_share_an_exit_code() {
    let far = std::iter::repeat_n(night("092842"), 254);
    let (code, out, _) = diff(|command| {
        command
            .arg("--")
            .arg(night("080654"))
            .args(far.clone())
            .arg(night("080654"));
    });
    assert_eq!(code, 254, "{}", out.lines().last().unwrap_or_default());
    let (code, ..) = diff(|command| {
        command
            .arg("--")
            .arg(night("080654"))
            .args(far.skip(1))
            .arg(night("080654"));
    });
    assert_eq!(code, 253);
}

#[test]
fn whatever_goes_wrong_is_255() {
    let dir = TempDir::new().expect("a directory");
    let empty = dir.path().to_owned();
    let stranger = dir.path().join("stranger");
    fs::create_dir_all(stranger.join("Other/test/0000")).expect("made");
    let result = r#"[{"iteration_name": "i", "iteration_data": {"parameters": {"benchmark": []},
        "throughput": {"m": [{"client_hostname": "all", "mean": 1, "stddevpct": 0}]}}}]"#;
    fs::write(stranger.join("Other/test/0000/result.json"), result).expect("written");

    let cases: [(Vec<PathBuf>, &str); 6] = [
        (vec![], "required"),
        (
            vec![night("080654")],
            "at least two candidates are needed to choose from, found 0",
        ),
        (vec![night("080654"), night("091827")], "found 1"),
        (
            vec![night("080654"), night("091827"), "nowhere".into()],
            "nowhere",
        ),
        (
            vec![night("080654"), night("091827"), empty],
            "is no result directory",
        ),
        (
            vec![night("080654"), stranger.clone(), stranger],
            "no metric in common",
        ),
    ];
    for (paths, expected) in cases {
        let (code, _, err) = diff(|command| {
            command.arg("--").args(&paths);
        });
        assert_eq!(code, 255, "{paths:?}: {err}");
        assert!(err.contains(expected), "{paths:?}: {err}");
    }
    for option in [&["--no-such"][..], &["--flatten-coefficient", "0"]] {
        let (code, ..) = diff(|command| {
            command
                .args(option)
                .arg("--")
                .args(nights(["080654", "091827", "092842"]));
        });
        assert_eq!(code, 255, "{option:?}");
    }
}

#[test]
fn the_values_of_each_primary_metric_are_shown_on_request() {
    let (_, _, err) = diff(|command| {
        command
            .args(["-v", "--"])
            .args(nights(["080654", "091827", "092842"]));
    });
    assert!(
        err.contains("Localhost/fio/0000:./read-4KiB/throughput/iops_sec: "),
        "{err}"
    );
    assert!(
        !err.contains("/latency/"),
        "the others only with -vv: {err}"
    );
}
