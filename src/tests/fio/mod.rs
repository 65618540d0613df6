//! `fio`, driven directly: nothing but fio is needed on the machine under test.
//!
//! [`run`] is the test, `points` its iterations, `measure` their samples; [`params`] checks what was asked, [`job`] writes job files, [`target`] looks
//! after the files and devices worked on, [`machine`] runs fio on a worker; [`output`], [`logs`] and
//! [`sample`] read what comes back, and [`fault`] says why nothing useful did.

pub mod fault;
pub mod installed;
pub mod job;
pub mod logs;
pub mod machine;
mod measure;
pub mod output;
pub mod params;
mod points;
#[cfg(test)]
mod recorded;
pub mod run;
pub mod sample;
pub mod served;
mod servers;
pub mod target;

pub use params::PARAMS;
pub use run::build;

/// Name in the registry.
pub const NAME: &str = "fio";
/// Other names.
pub const ALIASES: &[&str] = &[];
/// One sentence for `--list`.
pub const SUMMARY: &str = "Disk and file system: operations per second, bandwidth and latency";

/// Returns what is recorded of how an iteration was measured: fio's own options as it read them, as
/// pbench writes them, and what we add. `max_stddevpct` is a number, everything else text.
fn benchmark(
    output: &output::FioOutput,
    max_stddevpct: f64,
) -> serde_json::Map<String, serde_json::Value> {
    let mut benchmark = output.parameters();
    // Names of files in a target directory, and of private folders, are made up for each run.
    benchmark.retain(|key, value| {
        key != job::UNIQUE
            && !value.as_str().is_some_and(|text| {
                text.starts_with(job::OWN_FILES) || text.contains(machine::PRIVATE)
            })
    });
    let mut add = |key: &str, value: serde_json::Value| benchmark.insert(key.to_owned(), value);
    add("benchmark_name", NAME.into());
    add("primary_metric", "iops_sec".into());
    add("driver", "native".into());
    add(
        "tool_version",
        output.version.clone().unwrap_or_default().into(),
    );
    add("max_stddevpct", number(max_stddevpct));
    benchmark
}

/// A whole number where it is one, as pbench writes it.
fn number(value: f64) -> serde_json::Value {
    let whole = format!("{value:.0}")
        .parse::<u64>()
        .ok()
        .filter(|whole| (*whole as f64 - value).abs() < f64::EPSILON);
    whole.map_or_else(|| value.into(), Into::into)
}
