//! `fio`, driven directly: nothing but fio is needed on the machine under test.
//!
//! [`params`] checks what was asked, [`job`] writes job files, [`output`], [`logs`] and [`sample`]
//! read what comes back, [`fault`] says why nothing useful did, [`target`] looks after the files and
//! devices worked on, [`run`] is the test itself.

pub mod fault;
pub mod job;
pub mod logs;
pub mod output;
pub mod params;
#[cfg(test)]
mod recorded;
pub mod sample;

pub use params::PARAMS;

/// Name in the registry.
pub const NAME: &str = "fio";

/// Returns what is recorded of how an iteration was measured: fio's own options as it read them, as
/// pbench writes them, and what we add. `max_stddevpct` is a number, everything else text.
fn benchmark(output: &output::FioOutput, max_stddevpct: f64) -> serde_json::Map<String, serde_json::Value> {
    let mut benchmark = output.parameters();
    let mut add = |key: &str, value: serde_json::Value| benchmark.insert(key.to_owned(), value);
    add("benchmark_name", NAME.into());
    add("primary_metric", "iops_sec".into());
    add("driver", "native".into());
    add("tool_version", output.version.clone().unwrap_or_default().into());
    add("max_stddevpct", number(max_stddevpct));
    benchmark
}

/// A whole number where it is one, as pbench writes it.
fn number(value: f64) -> serde_json::Value {
    let whole = format!("{value:.0}").parse::<u64>().ok().filter(|whole| (*whole as f64 - value).abs() < f64::EPSILON);
    whole.map_or_else(|| value.into(), Into::into)
}
