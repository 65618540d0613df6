//! Every recorded run of fio 3.33 in `tests/fixtures/fio` against what must come of it.

mod figures;
mod outcomes;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fault::{Ended, Fault, judge};
use super::output::FioOutput;
use crate::shell::Exit;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Judges a recorded run as if it had just ended.
fn judged(case: &str) -> Result<FioOutput, Fault> {
    let dir = fixtures().join("fio").join(case);
    let status = json(&dir.join("meta.json"))["exit"]
        .as_i64()
        .expect("a status");
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap_or_default();
    // With --output the document is in a file, else on standard output.
    let stdout = if dir.join("output.json").exists() {
        read("output.json")
    } else {
        read("stdout")
    };
    let clients = dir.join("fio-client.file").exists().then(|| {
        String::from_utf8_lossy(&read("fio-client.file"))
            .lines()
            .map(|line| line.trim_start_matches("ip:").replace(',', ":"))
            .collect::<Vec<_>>()
    });
    let exit = Exit::Code(i32::try_from(status).expect("a small status"));
    judge(
        Ended {
            exit,
            stdout: &stdout,
            stderr: &read("stderr"),
        },
        clients.as_deref(),
    )
}
