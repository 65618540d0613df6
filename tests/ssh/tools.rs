//! linpack, stress-ng and sysbench for real, small, on two remote hosts at once.

use std::fs;

use serde_json::Value;

use crate::net::hosts;
use crate::skip_unless;
use crate::support::program;
use crate::testbed::Hosts;

/// Runs one test on both hosts and returns each iteration with its primary entries.
fn measured(hosts: &Hosts, name: &str, test: &str) -> Vec<(String, Vec<(String, f64)>)> {
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(1),
        &hosts.host(2),
        "--output",
        name,
        "--retry-tests",
        "1",
        "--",
        test,
    ]);
    assert_eq!(code, 0, "{out}\n{err}");
    let path = hosts
        .path(name)
        .join("Localhost")
        .join(name)
        .join("0000/result.json");
    let result: Value = serde_json::from_slice(&fs::read(path).expect("written")).expect("JSON");
    let iteration = |iteration: &Value| {
        let data = &iteration["iteration_data"];
        let metric = data["parameters"]["benchmark"][0]["primary_metric"]
            .as_str()
            .expect("named");
        let entries = data["throughput"][metric]
            .as_array()
            .expect("the primary metric")
            .clone();
        let entry = |entry: &Value| {
            assert_eq!(entry["better"], "higher", "{metric}");
            assert!(
                entry["unit"].as_str().is_some_and(|unit| !unit.is_empty()),
                "{metric}"
            );
            let client = entry["client_hostname"].as_str().expect("named");
            (client.to_owned(), entry["mean"].as_f64().expect("a number"))
        };
        let name = iteration["iteration_name"].as_str().expect("named");
        (name.to_owned(), entries.iter().map(entry).collect())
    };
    result
        .as_array()
        .expect("iterations")
        .iter()
        .map(iteration)
        .collect()
}

fn every_host_and_all(hosts: &Hosts, found: &[(String, Vec<(String, f64)>)], names: &[&str]) {
    let iterations: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(iterations, names);
    for (name, entries) in found {
        let clients: Vec<&str> = entries.iter().map(|(client, _)| client.as_str()).collect();
        assert_eq!(
            clients,
            [&hosts.address(2), &hosts.address(1), "all"],
            "{name}"
        );
        let sum = entries[0].1 + entries[1].1;
        assert!(
            entries[2].1 > 0.0 && (entries[2].1 - sum).abs() < 1e-6 * sum,
            "{name}: {entries:?}"
        );
    }
}

#[test]
fn sysbench_runs_on_every_host() {
    let (hosts, _one) = skip_unless!(hosts());
    skip_unless!(program("sysbench"));
    let test = r#"sysbench:{"tests": "cpu,memory,threads,fileio", "runtime": 1, "samples": 1, "file-total-size": "2M", "file-num": 2}"#;
    let found = measured(hosts, "sysbench", test);
    every_host_and_all(
        hosts,
        &found,
        &["cpu-1t", "memory-1t", "threads-1t", "fileio-rndrw-1t"],
    );
}

#[test]
fn stress_ng_runs_on_every_host() {
    let (hosts, _one) = skip_unless!(hosts());
    skip_unless!(program("stress-ng"));
    let test = r#"stress-ng:{"stressors": "cpu,pipe", "instances": 1, "runtime": 2, "samples": 1}"#;
    let found = measured(hosts, "stress-ng", test);
    every_host_and_all(hosts, &found, &["cpu-1i", "pipe-1i"]);
}

#[test]
fn hpl_of_hpcc_runs_on_every_host() {
    let (hosts, _one) = skip_unless!(hosts());
    skip_unless!(program("hpcc"));
    skip_unless!(program("mpirun"));
    let test =
        r#"linpack:{"linpack-binary": "hpcc", "threads": 1, "problem-sizes": 200, "samples": 1}"#;
    let found = measured(hosts, "linpack", test);
    every_host_and_all(hosts, &found, &["1-threads"]);
}
