//! Nights made for the case, and the programs run on them.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const IOPS: usize = 20;
pub(crate) const LAT: usize = 4;
pub(crate) const NIGHTS: usize = 12;

/// What is different about one result.
pub(crate) type Change<'a> = &'a dyn Fn(&str) -> f64;

/// Noise of about one percent that is the same in every run of the test.
pub(crate) fn noise(night: usize, metric: usize) -> f64 {
    (0..3)
        .map(|part| {
            let hash =
                ((night * 131 + metric * 7 + part + 1) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            ((hash >> 40) as f64 / (1_u64 << 24) as f64 - 0.5) / 100.0
        })
        .sum()
}

/// Writes a result; `change` gives the factor of each metric by its iteration, NaN leaves it out.
pub(crate) fn write(dir: &Path, name: &str, night: usize, change: Change<'_>) {
    let entry = |value: f64| {
        json!([{"client_hostname": "all", "role": "aggregate", "mean": value, "stddev": value / 100.0,
                "stddevpct": 1.0, "samples": [{"value": value}]}])
    };
    let mut iterations = Vec::new();
    for metric in 0..IOPS + LAT {
        let is_lat = metric >= IOPS;
        let iteration = format!("{}{metric}", if is_lat { "boot" } else { "read" });
        let factor = change(&iteration);
        if factor.is_nan() {
            continue;
        }
        // Nights that are judged are quiet ones: nothing is called by chance.
        let quiet = if night < NIGHTS { 1.0 } else { 0.3 };
        let value = 1000.0 * (metric + 1) as f64 * (1.0 + quiet * noise(night, metric)) * factor;
        let (kind, primary) = if is_lat {
            ("latency", "lat")
        } else {
            ("throughput", "iops_sec")
        };
        iterations.push(json!({"iteration_number": metric, "iteration_name": iteration, "iteration_name_format": "%s",
            "iteration_data": {"parameters": {"benchmark": [{"benchmark_name": "fio", "primary_metric": primary}]},
                kind: {primary: entry(value)}}}));
    }
    let place = dir.join(name).join("Localhost/fio/0000");
    fs::create_dir_all(&place).expect("made");
    fs::write(
        place.join("result.json"),
        Value::from(iterations).to_string(),
    )
    .expect("written");
    let metadata = format!(
        "build:{}\nmachine:foo\nstarted:2026-01-{:02}T02:00:00Z\n",
        night + 100,
        night + 1
    );
    fs::write(dir.join(name).join("RUNPERF_METADATA"), metadata).expect("written");
}

/// Twelve nights; names that sort against their dates.
pub(crate) fn history(dir: &TempDir, change: &dyn Fn(usize, &str) -> f64) -> Vec<String> {
    (0..NIGHTS)
        .map(|night| {
            let name = format!("n{:02}", 50 - night);
            write(dir.path(), &name, night, &|metric| change(night, metric));
            name
        })
        .collect()
}

pub(crate) fn run(dir: &TempDir, program: &str, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin(program)
        .expect("a program of this package")
        .env_remove("RUNPERF_CONFIG")
        .env_remove("XDG_CONFIG_HOME")
        .env("NO_COLOR", "1")
        .env("HOME", dir.path())
        .current_dir(dir.path())
        .args(args)
        .output()
        .expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    (code, text(output.stdout), text(output.stderr))
}

pub(crate) fn train(dir: &TempDir, nights: &[String]) {
    let mut args = vec!["--model", "model.json", "--"];
    args.extend(nights.iter().map(String::as_str));
    let (code, _, err) = run(dir, "analyze-perf", &args);
    assert_eq!(code, 0, "{err}");
}

/// Compares by the model and returns the exit code and the JSON.
pub(crate) fn judge(dir: &TempDir, options: &[&str], src: &str, dst: &str) -> (i32, Value) {
    let mut args = vec!["--model", "model.json", "--json", "out.json", "-q"];
    args.extend(options);
    args.extend(["--", src, dst]);
    let (code, _, err) = run(dir, "compare-perf", &args);
    assert!(code == 0 || code == 2, "{code}: {err}");
    let text = fs::read_to_string(dir.path().join("out.json")).expect("written");
    (code, serde_json::from_str(&text).expect("JSON"))
}

pub(crate) fn with_status<'a>(comparison: &'a Value, status: &str) -> Vec<&'a str> {
    let all = comparison["metrics"].as_array().expect("a list");
    all.iter()
        .filter(|check| check["status"] == status && check["check"] == "mean")
        .filter_map(|check| check["iteration"].as_str())
        .collect()
}
