//! The builds: a chart of what each one's comparison came to, and the same as a table.

use serde::Serialize;

use super::text::{cut, web};
use crate::compare::{Build, Comparison, Status, Verdict};
use crate::render::words;

#[derive(Debug, Serialize)]
pub(super) struct Builds {
    width: usize,
    bars: Vec<Bar>,
    rows: Vec<BuildRow>,
    counted: bool,
    with_kernels: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Bar {
    x: usize,
    middle: usize,
    name: String,
    worse: usize,
    better: usize,
    up: String,
    top: String,
    label_y: String,
    down: String,
    env_changed: bool,
    named: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct BuildRow {
    name: String,
    role: &'static str,
    link: Option<String>,
    date: String,
    distro: String,
    machines: String,
    kernel: String,
    worse: String,
    better: String,
    environment: &'static str,
}

pub(super) fn builds(comparison: &Comparison, drawn: &[Build]) -> Option<Builds> {
    if comparison.references.is_empty() {
        return None;
    }
    const BAR: usize = 32;
    /// Columns of a label's letter, at 11 px.
    const LETTER: usize = 7;
    /// Builds up to which every one has its label.
    const FEW: usize = 8;
    /// The line of text above the bars has to fit.
    const NARROWEST: usize = 320;
    const MIDDLE: f64 = 82.0;
    let count =
        |build: &Build, status: Status| build.counts.get(status.word()).copied().unwrap_or(0);
    let shown: Vec<&Build> = drawn.iter().chain([&comparison.dst]).collect();
    let most = shown
        .iter()
        .flat_map(|build| {
            [
                count(build, Status::Regression),
                count(build, Status::Improvement),
            ]
        })
        .max()
        .unwrap_or(0)
        .max(5);
    let scale = |number: usize| {
        let part = u32::try_from(number).map_or(0.0, f64::from)
            / u32::try_from(most).map_or(1.0, f64::from);
        part * 52.0
    };
    let label = |build: &Build| cut(&build.name, 14);
    let longest = shown
        .iter()
        .map(|build| label(build).chars().count())
        .max()
        .unwrap_or(0)
        * LETTER
        + 6;
    // Few builds stand as far apart as their labels need; of many only some have one.
    let (step, every) = match shown.len() {
        0..=FEW => (longest.max(BAR), 1),
        many => (BAR, many.div_ceil(12).max(longest.div_ceil(BAR))),
    };
    let bars = shown
        .iter()
        .enumerate()
        .map(|(index, build)| {
            let (worse, better) = (
                count(build, Status::Regression),
                count(build, Status::Improvement),
            );
            let x = 44 + index * step + (step - BAR) / 2;
            Bar {
                x,
                middle: x + 11,
                name: label(build),
                worse,
                better,
                up: format!("{:.1}", scale(worse)),
                top: format!("{:.1}", MIDDLE - scale(worse)),
                label_y: format!("{:.1}", MIDDLE - scale(worse) - 3.0),
                down: format!("{:.1}", scale(better)),
                env_changed: build.env_changed,
                named: index + 1 == shown.len()
                    || (index % every == 0 && index + every < shown.len()),
            }
        })
        .collect();
    let counted = |build: &Build| !build.counts.is_empty();
    let row = |build: &Build, role: &'static str| BuildRow {
        name: cut(&build.name, 80),
        role,
        link: web(build.url.as_deref()),
        date: build
            .date
            .as_deref()
            .map_or(String::new(), |date| cut(&words::date(date), 40)),
        distro: build
            .distro
            .as_deref()
            .map_or(String::new(), |distro| cut(distro, 80)),
        machines: cut(&build.machines.join(", "), 120),
        kernel: cut(&kernel(build), 200),
        worse: if counted(build) {
            count(build, Status::Regression).to_string()
        } else {
            "–".to_owned()
        },
        better: if counted(build) {
            count(build, Status::Improvement).to_string()
        } else {
            "–".to_owned()
        },
        environment: if build.env_changed { "changed" } else { "same" },
    };
    // Newest first: what happened lately is asked for most.
    let mut rows = vec![row(&comparison.dst, "DST")];
    rows.extend(
        comparison
            .repetitions
            .iter()
            .map(|build| row(build, "repetition")),
    );
    rows.extend(
        comparison
            .references
            .iter()
            .rev()
            .take(200)
            .map(|build| row(build, "")),
    );
    rows.push(BuildRow {
        environment: "",
        ..row(&comparison.src, "SRC")
    });
    let with_kernels = rows.iter().any(|row| !row.kernel.is_empty());
    Some(Builds {
        with_kernels,
        width: (60 + shown.len() * step).max(NARROWEST),
        bars,
        rows,
        counted: shown.iter().any(|build| counted(build)) && comparison.verdict != Verdict::Error,
    })
}

/// Returns the release of the hosts' kernel once, then every place that ran another one.
fn kernel(build: &Build) -> String {
    let mut hosts: Vec<&str> = Vec::new();
    let mut others = Vec::new();
    for (place, release) in &build.kernels {
        match place.starts_with("host ") {
            true if hosts.contains(&release.as_str()) => {}
            true => hosts.push(release),
            false => others.push(format!("{place}: {release}")),
        }
    }
    let hosts = (!hosts.is_empty()).then(|| hosts.join(", "));
    hosts
        .into_iter()
        .chain(others)
        .collect::<Vec<_>>()
        .join("; ")
}
