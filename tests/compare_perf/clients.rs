//! Many hosts in one test: a bad one of thirty is seen, whatever the sum says.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::compare;

/// Writes a result of thirty hosts whose disks add up; the seventh gives `seventh` of what it did.
fn thirty_hosts(dir: &TempDir, name: &str, seventh: f64) {
    let root = dir.path().join(name);
    let serial = root.join("Localhost/fio/0000");
    fs::create_dir_all(&serial).expect("made");
    fs::write(root.join("RUNPERF_METADATA"), format!("build:{name}")).expect("written");
    let disks: Vec<(String, f64)> = (1..=30_u32)
        .map(|host| {
            let scatter = 1.0 + f64::from(host * 7 % 5) / 500.0;
            (
                format!("192.0.2.{host}-1"),
                5000.0 * scatter * if host == 7 { seventh } else { 1.0 },
            )
        })
        .collect();
    let sum: f64 = disks.iter().map(|(_, value)| value).sum();
    let entry = |client: &str, value: f64, role: &str| {
        json!({"client_hostname": client, "role": role, "mean": value, "stddev": 1, "stddevpct": 0.5, "unit": "IOPS",
               "closest_sample": "1", "samples": [{"value": value}]})
    };
    let mut entries: Vec<Value> = disks
        .iter()
        .map(|(host, value)| entry(host, *value, "client"))
        .collect();
    entries.push(entry("all", sum, "aggregate"));
    let iterations = json!([{"iteration_number": 1, "iteration_name": "randread-4KiB", "iteration_data": {
        "parameters": {"benchmark": [{"benchmark_name": "fio", "primary_metric": "iops_sec"}]},
        "throughput": {"iops_sec": entries}, "latency": {}}}]);
    fs::write(serial.join("result.json"), iterations.to_string()).expect("written");
}

fn nights() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    for (name, seventh) in [("src", 1.0), ("between", 0.998), ("dst", 0.1)] {
        thirty_hosts(&dir, name, seventh);
    }
    dir
}

#[test]
fn a_sum_within_its_band_points_at_the_client_that_is_not() {
    let dir = nights();
    let ran = compare(
        &dir,
        &[
            "--json", "r.json", "--html", "r.html", "--", "src", "between", "dst",
        ],
    );
    assert_eq!(ran.code, 0, "the sum lost 3 %: {}", ran.out);
    let said = "a single client is worse where all together are not: iops_sec of 192.0.2.7-1 in \
                Localhost / fio / randread-4KiB -90.0 %; --by-client judges each";
    assert!(ran.out.contains(said), "{}", ran.out);
    let text = fs::read_to_string(dir.path().join("r.json")).expect("written");
    let night: Value = serde_json::from_str(&text).expect("JSON");
    let clients = night["metrics"][0]["clients"]
        .as_array()
        .expect("the figures of each");
    assert_eq!(clients.len(), 30);
    let apart: Vec<&Value> = clients.iter().filter(|one| one["apart"] == true).collect();
    assert_eq!(apart.len(), 1);
    assert_eq!(apart[0]["client"], "192.0.2.7-1");
    assert!((apart[0]["change_pct"].as_f64().expect("a change") + 90.0).abs() < 1e-9);
    let html = fs::read_to_string(dir.path().join("r.html")).expect("written");
    assert!(html.contains("192.0.2.30-1"), "an open row has them all");
    let verbose = compare(&dir, &["-v", "--", "src", "between", "dst"]);
    assert!(verbose.out.contains(said));
}

#[test]
fn by_client_makes_each_a_secondary_metric_in_every_report() {
    let dir = nights();
    let files = [
        "--json",
        "r.json",
        "--html",
        "r.html",
        "--markdown",
        "r.md",
        "--xunit",
        "r.xml",
        "--junit-all",
    ];
    let ran = compare(
        &dir,
        &[&files[..], &["--by-client", "--", "src", "between", "dst"]].concat(),
    );
    assert_eq!(ran.code, 0, "secondary metrics fail nothing: {}", ran.out);
    assert!(ran.out.contains("iops_sec@192_0_2_7-1"), "{}", ran.out);
    assert!(ran.out.contains("secondary only"), "{}", ran.out);
    let text = |name: &str| fs::read_to_string(dir.path().join(name)).expect("written");
    let night: Value = serde_json::from_str(&text("r.json")).expect("JSON");
    let all = night["metrics"].as_array().expect("metrics");
    let single: Vec<&Value> = all
        .iter()
        .filter(|m| m["labels"].to_string().contains("\"client\""))
        .collect();
    assert_eq!(single.len(), 30);
    assert!(single.iter().all(|m| m["primary"] == false && m["history"].as_array().is_some_and(|h| h.len() == 1)));
    let bad: Vec<&str> = single
        .iter()
        .filter(|m| m["status"] == "regression")
        .filter_map(|m| m["id"].as_str())
        .collect();
    assert_eq!(
        bad,
        ["Localhost/fio/0000:./randread-4KiB/throughput/iops_sec@192_0_2_7-1.mean"]
    );
    assert!(text("r.html").contains(bad[0]) && text("r.xml").contains("iops_sec@192_0_2_7-1"));
    assert_eq!(night["verdict"], "pass");
}

#[test]
fn the_older_rules_know_no_single_clients() {
    let dir = nights();
    let ran = compare(&dir, &["--compat", "--by-client", "--", "src", "dst"]);
    assert_eq!(ran.code, 2, "wrong usage with --compat");
    assert!(ran.err.contains("--by-client"), "{}", ran.err);
}
