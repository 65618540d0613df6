//! One sample: from fio's document and logs to entries.

use std::collections::BTreeSet;

use super::fault::Fault;
use super::logs::{self, Kind, LogName};
use super::output::{FioOutput, Job, PERCENTILES};
use crate::metric::Better;
use crate::tests::pbench::{ALL, Class, SampleEntry};

/// A log and its text.
#[derive(Debug, Clone)]
pub struct Log {
    /// What it is.
    pub name: LogName,
    /// Content.
    pub text: String,
}

/// Returns the entries of a sample: for each process `iops_sec`, `bw`, `lat`, `clat`, `slat` from its
/// logs and percentiles of `clat` from its histogram, and percentiles over all.
///
/// `client` names the machine of logs that name none. `processes`, when known, must all have logged:
/// a sum over some of them would be wrong.
///
/// # Errors
/// `no-data` when a process logged nothing.
pub fn entries(
    output: &FioOutput,
    logs: &[Log],
    client: &str,
    processes: Option<u64>,
) -> Result<Vec<SampleEntry>, Fault> {
    let mut sorted: Vec<&Log> = logs.iter().collect();
    sorted.sort_by(|a, b| (&a.name.client, a.name.job).cmp(&(&b.name.client, b.name.job)));
    let mut entries = Vec::new();
    for kind in Kind::ALL {
        for log in sorted.iter().filter(|log| log.name.kind == kind) {
            let client = log.name.client.as_deref().unwrap_or(client);
            entries.extend(logs::entry(kind, client, log.name.job, &log.text));
        }
    }
    let logged = entries
        .iter()
        .filter(|entry| entry.metric == "iops_sec")
        .count() as u64;
    if logged == 0 || processes.is_some_and(|processes| logged < processes) {
        let of = processes.map_or_else(
            || "no process".into(),
            |all| format!("only {logged} of {all} processes"),
        );
        let hint = "take a longer `runtime` or a shorter `log-interval-msec`";
        return Err(Fault::new(
            "no-data",
            format!("{of} of fio logged an interval with operations"),
            hint,
        ));
    }
    entries.extend(percentiles(output, &sorted, client));
    Ok(entries)
}

/// Percentiles over all, and for each process where the document tells processes apart (not with
/// `group_reporting`, nor when two servers wrote the same log).
fn percentiles(output: &FioOutput, logs: &[&Log], client: &str) -> Vec<SampleEntry> {
    let processes: BTreeSet<(Option<&str>, u32)> = logs
        .iter()
        .filter(|log| log.name.kind == Kind::Iops)
        .map(|log| (log.name.client.as_deref(), log.name.job))
        .collect();
    let mut jobs: Vec<&Job> = output.jobs.iter().collect();
    jobs.sort_by(|a, b| a.host.cmp(&b.host));
    let told_apart = jobs.len() == processes.len();
    let mut out = Vec::new();
    for (metric, percent) in PERCENTILES {
        out.extend(
            output
                .percentile(percent)
                .map(|ns| percentile(metric, ALL.to_owned(), percent, ns)),
        );
        if told_apart {
            for (job, (host, number)) in jobs.iter().zip(&processes) {
                let name = format!("{}-{number}", host.unwrap_or(client));
                out.extend(
                    job.percentile(percent)
                        .map(|ns| percentile(metric, name, percent, ns)),
                );
            }
        }
    }
    out
}

fn percentile(metric: &str, client: String, percent: f64, ns: f64) -> SampleEntry {
    SampleEntry {
        class: Class::Latency,
        metric: metric.into(),
        client,
        unit: "ns".into(),
        better: Better::Lower,
        description: format!(
            "Completion latency that {percent} percent of I/O operations stay within"
        ),
        value: ns,
        series: Vec::new(),
        aggregate: false,
    }
}
