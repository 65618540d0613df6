//! The program's answers, exit codes and refusals.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use runperf::store::strip::{StripError, StripOptions};

use crate::support::{
    Said, copy_tree, files, fixture, nights, read, result_with, said, seen, strip_run_perf,
};

fn strip(args: &[&str], from: &Path, to: &Path) -> Said {
    said(strip_run_perf().args(args).arg("--").args([from, to]))
}

#[test]
fn every_recorded_night_reads_the_same_after_stripping_and_takes_less_than_half() {
    let target = tempfile::tempdir().expect("a directory");
    for night in nights() {
        let name = night.strip_prefix(fixture("")).expect("a fixture");
        let small = target.path().join(name);
        let Said { code, out, err } = strip(&[], &night, &small);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        assert!(
            out.contains("result.json file") && out.lines().count() == 1,
            "{out}"
        );
        assert_eq!(seen(&night), seen(&small), "{}", name.display());
        for (path, content) in files(&small) {
            let before = fs::read(night.join(&path)).expect("each file has its original");
            if path.ends_with("result.json") {
                assert!(
                    content.len() * 2 < before.len(),
                    "{}: {} of {}",
                    path.display(),
                    content.len(),
                    before.len()
                );
                let text = String::from_utf8(content).expect("UTF-8");
                assert!(!text.contains("\"timeseries\""));
            } else {
                assert_eq!(content, before, "{}", path.display());
            }
        }
    }
}

#[test]
fn stripping_twice_changes_nothing_and_differing_files_are_refused() {
    let target = tempfile::tempdir().expect("a directory");
    let small = target.path().join("small");
    let night = fixture("9_bad/result_two_bad");
    assert_eq!(strip(&[], &night, &small).code, Some(0));
    let first = files(&small);
    assert_eq!(
        strip(&[], &night, &small).code,
        Some(0),
        "what is there already is what would be written"
    );
    assert_eq!(
        strip(&[], &small, &target.path().join("again")).code,
        Some(0)
    );
    assert_eq!(
        files(&target.path().join("again")),
        first,
        "a small result strips to itself"
    );

    fs::write(small.join("RUNPERF_METADATA"), "build:other").expect("written");
    fs::write(small.join("report.html"), "mine").expect("written");
    let refused = strip(&[], &fixture("9_bad/result_three_bad"), &small);
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(
        refused.err.contains("files in ") && refused.err.contains("Localhost/fio"),
        "{}",
        refused.err
    );
    assert!(
        refused
            .err
            .contains("hint: choose another DST, or replace them with --force"),
        "{}",
        refused.err
    );
    assert!(
        !small.join("Localhost/fio/3").exists(),
        "nothing was written"
    );
    assert_eq!(
        fs::read(small.join("RUNPERF_METADATA")).expect("readable"),
        b"build:other"
    );

    assert_eq!(
        strip(&["--force"], &fixture("9_bad/result_three_bad"), &small).code,
        Some(0)
    );
    assert!(small.join("Localhost/fio/3/__error0__/exception").is_file());
    assert_eq!(
        fs::read(small.join("report.html")).expect("readable"),
        b"mine",
        "what is not in the source stays"
    );
}

#[test]
fn logs_and_incorrect_results_are_kept_only_when_asked_for() {
    let source = tempfile::tempdir().expect("a directory");
    let target = tempfile::tempdir().expect("a directory");
    let night = source.path().join("r");
    copy_tree(&fixture("1_base/result_20200726_091827"), &night);
    for file in [
        "__sysinfo_before__/a/log",
        "Localhost/__sysinfo__/a/var/log/x",
        "Localhost/fio/0000/__sessions__/foo",
        "Localhost/fio/0000/raw/big",
        "Localhost/fio/0000/RUNPERF_METADATA.json",
        "Localhost/fio/tmpx/result.json",
        "__error0__/FILES/deep/log",
        "__sessions__/foo",
    ] {
        fs::create_dir_all(night.join(file).parent().expect("a parent")).expect("directories");
        fs::write(night.join(file), "[]").expect("written");
    }
    let names = |args: &[&str], to: &str| {
        let to = target.path().join(to);
        assert_eq!(strip(args, &night, &to).code, Some(0));
        files(&to)
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect::<Vec<_>>()
    };
    let plain = [
        "Localhost/fio/0000/RUNPERF_METADATA.json",
        "Localhost/fio/0000/result.json",
        "RUNPERF_METADATA",
        "__error0__/FILES/deep/log",
    ];
    assert_eq!(names(&[], "plain"), plain);
    let mut all: Vec<_> = plain.to_vec();
    all.extend([
        "Localhost/__sysinfo__/a/var/log/x",
        "Localhost/fio/tmpx/result.json",
        "__sysinfo_before__/a/log",
    ]);
    all.sort_unstable();
    assert_eq!(names(&["-i", "-s"], "all"), all);
}

#[test]
fn several_clients_stay_several_and_a_single_one_counts_as_one() {
    let entries = |clients: usize| {
        let mut entries: Vec<_> = (0..clients)
            .map(|n| format!(r#"{{"client_hostname": "c{n}", "mean": {n}}}"#))
            .collect();
        entries.push(r#"{"client_hostname": "all", "mean": 5.5}"#.into());
        entries.join(",")
    };
    let text = format!(
        r#"[{{"iteration_name": "i", "iteration_data": {{"parameters": {{}}, "throughput": {{"none": [{}], "one": [{}], "three": [{}]}}}}}}]"#,
        entries(0),
        entries(1),
        entries(3)
    );
    let source = result_with(text.as_bytes());
    let target = tempfile::tempdir().expect("a directory");
    let small = target.path().join("s");
    assert_eq!(strip(&[], source.path(), &small).code, Some(0));
    let clients: Vec<_> = read(&small)
        .measurements
        .iter()
        .map(|m| m.clients)
        .collect();
    assert_eq!(clients, [1, 1, 3]);
    assert_eq!(seen(source.path()), seen(&small));
}

#[test]
fn a_broken_file_is_kept_so_that_the_comparison_says_the_same() {
    let source = result_with(br#"[{"iteration_name": "i", "iterati"#);
    fs::create_dir_all(source.path().join("P/t/0001")).expect("a directory");
    fs::write(source.path().join("P/t/0001/result.json"), "[]").expect("written");
    let target = tempfile::tempdir().expect("a directory");
    let small = target.path().join("s");
    let Said { code, err, .. } = strip(&[], source.path(), &small);
    assert_eq!(code, Some(0));
    assert!(err.contains("P/t/0000/result.json: kept as it is"), "{err}");
    assert_eq!(read(&small).failures[0].class, "unreadable");
    assert_eq!(seen(source.path()), seen(&small));
}

#[test]
fn wrong_usage_is_2_no_result_is_3_and_both_say_the_next_step() {
    let dir = tempfile::tempdir().expect("a directory");
    let night = fixture("1_base/result_20200726_091827");
    let inside = strip(&[], &night, &night.join("small"));
    assert_eq!(inside.code, Some(2), "{}", inside.err);
    assert!(
        inside.err.contains("one inside the other") && inside.err.contains("hint: "),
        "{}",
        inside.err
    );
    assert!(!night.join("small").exists());
    assert_eq!(strip(&[], &night, &night).code, Some(2));
    assert_eq!(said(strip_run_perf().arg("only-one")).code, Some(2));
    assert_eq!(
        said(strip_run_perf().args(["--frobnicate", "a", "b"])).code,
        Some(2)
    );

    let target = dir.path().join("out");
    for (source, part) in [
        (dir.path().join("gone"), "cannot list"),
        (fixture("1_base"), "did you mean"),
        (fixture("data.csv"), "it is a file"),
    ] {
        let refused = strip(&[], &source, &target);
        assert_eq!(refused.code, Some(3), "{}", refused.err);
        assert!(
            refused.err.starts_with("error: ") && refused.err.contains(part),
            "{}",
            refused.err
        );
        assert!(!target.exists(), "nothing was written");
    }
    let empty = result_with(b"not JSON");
    let refused = strip(&[], empty.path(), &target);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    assert!(
        refused.err.contains("no result.json that can be read"),
        "{}",
        refused.err
    );
}

#[test]
fn help_teaches_and_old_abbreviations_work() {
    let help = said(strip_run_perf().arg("--help"));
    assert_eq!(help.code, Some(0));
    for part in [
        "Examples:",
        "Exit codes:",
        "--attach-sysinfo",
        "--force",
        "no time series, no raw output",
    ] {
        assert!(help.out.contains(part), "{part} in\n{}", help.out);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let small = dir.path().join("s");
    let night = fixture("1_base/result_20200726_091827");
    assert_eq!(
        strip(&["--include", "--attach"], &night, &small).code,
        Some(0)
    );
}

#[test]
fn reports_of_small_results_are_those_of_the_originals() {
    let dir = tempfile::tempdir().expect("a directory");
    let (originals, small) = (dir.path().join("originals"), dir.path().join("small"));
    fs::create_dir(&originals).expect("made");
    let names: Vec<String> = nights()
        .iter()
        .enumerate()
        .map(|(index, night)| {
            let name = format!("{index:02}");
            std::os::unix::fs::symlink(night, originals.join(&name)).expect("linked");
            assert_eq!(strip(&[], night, &small.join(&name)).code, Some(0));
            name
        })
        .collect();
    let samples = original_samples(&originals.join("00"));
    assert!(samples > 0, "there is something to lose");
    let time =
        regex::Regex::new("(timestamp=\"[^\"]*\"|Made by compare-perf [0-9.]+ at [0-9: -]+)")
            .expect("a good pattern");
    for rule in [&[][..], &["--compat"]] {
        let reports = |root: &Path| {
            let said = said(
                Command::new(env!("CARGO_BIN_EXE_compare-perf"))
                    .current_dir(root)
                    .args(rule)
                    .args([
                        "--html", "r.html", "--xunit", "r.xml", "--json", "r.json", "-vv", "--",
                    ])
                    .args(&names),
            );
            assert_eq!(said.code, Some(2), "{}", said.err);
            let read = |name: &str| {
                let text = fs::read_to_string(root.join(name)).expect("written");
                time.replace_all(&text, "NOW").into_owned()
            };
            [said.out, read("r.json"), read("r.xml"), read("r.html")]
        };
        let (of_originals, of_small) = (reports(&originals), reports(&small));
        assert!(of_originals[1].contains("\"runperf-comparison/1\""));
        for (one, other) in of_originals.iter().zip(&of_small) {
            similar(one, other);
        }
    }
}

/// Returns how many samples a comparison sees in a result.
fn original_samples(path: &Path) -> usize {
    let include = runperf::store::read::Include {
        samples: true,
        ..Default::default()
    };
    let data = runperf::store::read::read_result("r", path, include).expect("a result");
    data.measurements.iter().map(|m| m.samples.len()).sum()
}

/// Fails with the first line that differs, instead of two whole reports.
fn similar(one: &str, other: &str) {
    for (a, b) in one.lines().zip(other.lines()) {
        let cut = |line: &str| line.chars().take(2000).collect::<String>();
        assert!(a == b, "{}\n{}", cut(a), cut(b));
    }
    assert_eq!(one.lines().count(), other.lines().count());
}

#[test]
fn a_model_of_small_results_is_the_model_of_the_originals() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = [
        "result_20200726_080654",
        "result_20200726_091827",
        "result_20200726_092842",
    ];
    for name in names {
        let to = dir.path().join(name);
        assert_eq!(strip(&[], &fixture("1_base").join(name), &to).code, Some(0));
    }
    let model = |root: &Path, file: &str| {
        let file = dir.path().join(file);
        let said = said(
            Command::new(env!("CARGO_BIN_EXE_analyze-perf"))
                .arg("-l")
                .arg(&file)
                .arg("--")
                .args(names.map(|name| root.join(name))),
        );
        assert_eq!(said.code, Some(0), "{}", said.err);
        fs::read_to_string(file).expect("readable")
    };
    let of_originals = model(&fixture("1_base"), "originals.json");
    assert!(of_originals.contains("iops_sec.mean"), "{of_originals}");
    assert_eq!(model(dir.path(), "small.json"), of_originals);
}

#[test]
fn a_signal_stops_it_between_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let to = dir.path().join("small");
    let night = fixture("1_base/result_20200726_091827");
    let stopped =
        runperf::store::strip::strip(&night, &to, StripOptions::default(), &AtomicBool::new(true));
    assert!(
        matches!(stopped, Err(StripError::Interrupted)),
        "{stopped:?}"
    );
    assert!(!to.exists());
}
