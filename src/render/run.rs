//! The report of one run: what ran and how long, what it measured, and what the machines did meanwhile.
//!
//! Made of nothing but the result directory, so it can be written again at any time; no script is in it,
//! so it looks the same wherever it is opened.

mod monitor;

use std::path::Path;

use minijinja::value::{Serde, Value};
use serde::Serialize;

use self::monitor::Watched;
use super::RenderError;
use super::template::{self, LONGEST_TEXT, STYLE, hash};
use super::words::{self, Words};
use crate::analysis::directions::unit_of;
use crate::metric::Check;
use crate::store::StoreError;
use crate::store::read::{Include, Measurement, ResultData, read_result};

const TEMPLATE: &str = include_str!("../../templates/run.html.j2");

/// Samples whose curves are drawn, over the whole page; each is about 4 kB.
const MOST_WATCHED: usize = 400;

/// Why the report of a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunReportError {
    /// The result directory cannot be read.
    #[error("cannot read the result")]
    Read(#[from] StoreError),
    /// The page cannot be filled.
    #[error("cannot fill the page")]
    Render(#[from] RenderError),
}

#[derive(Debug, Serialize)]
struct Page {
    verdict: &'static str,
    letter: char,
    title: String,
    heading: String,
    reason: String,
    facts: Vec<(&'static str, String)>,
    failures: Vec<Failure>,
    tests: Vec<Test>,
    not_drawn: usize,
    places: Vec<(&'static str, String)>,
    command: String,
    generated: String,
}

#[derive(Debug, Serialize)]
struct Failure {
    place: String,
    class: String,
    message: String,
    log: String,
}

/// One test of one profile, one attempt.
#[derive(Debug, Serialize)]
struct Test {
    name: String,
    rows: Vec<Row>,
    watched: Vec<WatchedIteration>,
}

/// One primary metric.
#[derive(Debug, Serialize)]
struct Row {
    iteration: String,
    metric: String,
    value: String,
    spread: String,
    samples: String,
    took: String,
}

#[derive(Debug, Serialize)]
struct WatchedIteration {
    iteration: String,
    samples: Vec<WatchedView>,
}

#[derive(Debug, Serialize)]
struct WatchedView {
    seconds: String,
    #[serde(flatten)]
    watched: Watched,
}

/// Returns the report of a result directory as HTML; `generated` is the time of writing, in words.
///
/// # Errors
/// When the directory holds no result at all. What is in it and cannot be read is a failure on the page.
pub fn report(result: &Path, generated: &str) -> Result<Vec<u8>, RunReportError> {
    let name = result.file_name().map_or_else(
        || result.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    let include = Include {
        samples: true,
        ..Include::default()
    };
    let data = read_result(&name, result, include)?;
    let page = page(&data, result, generated);
    let context = minijinja::context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        style_hash => hash(STYLE),
        page => Serde(&page),
    };
    let text = template::fill(TEMPLATE, context).map_err(RenderError::from)?;
    Ok(text.into_bytes())
}

fn page(data: &ResultData, result: &Path, generated: &str) -> Page {
    let known = |key: &str| {
        let value = data.metadata.get(key).map(str::trim);
        value
            .filter(|value| !value.is_empty() && *value != "Unknown")
            .map(cut)
    };
    let mut room = MOST_WATCHED;
    let mut left_out = 0;
    let tests = tests(data, result, &mut room, &mut left_out);
    let iterations: usize = tests.iter().map(|test| test.rows.len()).sum();
    let ended = known("finished").is_some();
    let (verdict, letter) = match (ended, data.failures.is_empty()) {
        (true, true) => ("PASS", 'p'),
        (true, false) => ("FAIL", 'r'),
        (false, _) => ("ERROR", 'e'),
    };
    let took = span(data);
    let mut reason = vec![format!(
        "{} of {}",
        words::plural(iterations, "primary figure"),
        words::plural(tests.len(), "test")
    )];
    reason.push(match data.failures.len() {
        0 => "no failure".to_owned(),
        n => words::plural(n, "failure"),
    });
    reason.extend(took.map(|took| format!("took {took}")));
    if !ended {
        reason.push("the run did not reach its end".to_owned());
    }
    let date = |key| known(key).map(|text| words::date(&text));
    let facts = [
        ("Machines", known("machine")),
        ("Distribution", known("distro")),
        ("Started", date("started")),
        ("Finished", date("finished")),
        ("Build", known("build")),
        ("Run", known("run_id")),
        ("Exit code", known("exit_code")),
        (
            "Made by",
            known("runperf_version").map(|version| format!("run-perf {version}")),
        ),
    ];
    let places = [
        ("Result directory", Some(result.display().to_string())),
        (
            "Figures",
            Some("PROFILE/TEST/SERIAL/result.json".to_owned()),
        ),
        (
            "Output of the tools",
            Some("PROFILE/TEST/SERIAL/raw".to_owned()),
        ),
        (
            "Curves as tables",
            Some("PROFILE/TEST/SERIAL/monitor".to_owned()),
        ),
        ("Commands on the machines", Some("__sessions__".to_owned())),
    ];
    let name = cut(&data.name);
    Page {
        verdict,
        letter,
        title: format!("{verdict}: {name}"),
        heading: format!("Run {name}"),
        reason: reason.join(", ") + ".",
        facts: facts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
        failures: data
            .failures
            .iter()
            .take(200)
            .map(|failure| Failure {
                place: cut(&failure_place(failure.id.profile(), failure.id.test())),
                class: cut(&failure.class),
                message: cut(failure.message.lines().next().unwrap_or_default()),
                log: cut(&failure.place.display().to_string()),
            })
            .collect(),
        tests,
        not_drawn: left_out,
        places: places
            .into_iter()
            .filter_map(|(name, value)| Some((name, cut(&value?))))
            .collect(),
        command: data
            .metadata
            .get("runperf_cmd")
            .map_or(String::new(), |text| template::cut(text, 4000)),
        generated: generated.to_owned(),
    }
}

fn failure_place(profile: &str, test: &str) -> String {
    match (profile, test) {
        ("*", _) => "the run".to_owned(),
        (profile, "*") => profile.to_owned(),
        (profile, test) => format!("{profile} / {test}"),
    }
}

/// Returns the tests in reading order with their primary figures, and the curves of their samples.
fn tests(data: &ResultData, result: &Path, room: &mut usize, left_out: &mut usize) -> Vec<Test> {
    let mut tests: Vec<(String, Vec<&Measurement>)> = Vec::new();
    for figure in data
        .measurements
        .iter()
        .filter(|m| m.primary && m.id.check() == Check::Mean)
    {
        let place = format!(
            "{}/{}/{}",
            figure.id.profile(),
            figure.id.test(),
            figure.id.serial()
        );
        match tests.last_mut() {
            Some((last, figures)) if *last == place => figures.push(figure),
            _ => tests.push((place, vec![figure])),
        }
    }
    let spread = |figure: &Measurement| {
        let stem = figure.id.stem();
        let found = data.measurements.iter();
        found
            .filter(|m| m.id.check() == Check::Stddev)
            .find(|m| m.id.stem() == stem)
            .map(|m| m.value)
    };
    tests
        .into_iter()
        .map(|(place, figures)| {
            let folder = result.join(&place).join("monitor");
            let mut watched = Vec::new();
            let mut rows = Vec::new();
            let mut seen: Option<&str> = None;
            for figure in figures {
                let iteration = figure.id.iteration();
                let mut took = String::new();
                if seen != Some(iteration) {
                    let all = monitor::watched(&folder.join(iteration));
                    took = longest_of_each(&all);
                    let shown = all.len().min(*room);
                    *room -= shown;
                    *left_out += all.len() - shown;
                    if shown > 0 {
                        watched.push(WatchedIteration {
                            iteration: cut(iteration),
                            samples: all.into_iter().take(shown).map(view).collect(),
                        });
                    }
                    seen = Some(iteration);
                }
                rows.push(row(figure, spread(figure), took));
            }
            let (test, serial) = place.rsplit_once('/').unwrap_or((&place, ""));
            let serial = if serial == "0000" {
                String::new()
            } else {
                format!(" ({serial})")
            };
            Test {
                name: cut(&format!("{}{serial}", test.replace('/', " / "))),
                rows,
                watched,
            }
        })
        .collect()
}

fn view(watched: Watched) -> WatchedView {
    WatchedView {
        seconds: duration(watched.seconds),
        watched,
    }
}

/// Returns how long the samples took together: machines of one sample were watched at once.
fn longest_of_each(all: &[Watched]) -> String {
    let mut by_sample: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
    for one in all {
        let longest = by_sample.entry(&one.sample).or_default();
        *longest = longest.max(one.seconds);
    }
    match by_sample.is_empty() {
        true => String::new(),
        false => duration(by_sample.values().sum()),
    }
}

fn row(figure: &Measurement, spread: Option<f64>, took: String) -> Row {
    let rich = Words::RICH;
    let unit = unit_of(&figure.id, figure.unit.as_deref()).unwrap_or_default();
    let samples: Vec<String> = figure
        .samples
        .iter()
        .take(10)
        .map(|v| rich.number(*v))
        .collect();
    let more = figure.samples.len().saturating_sub(10);
    Row {
        iteration: cut(figure.id.iteration()),
        metric: cut(&format!(
            "{} {}",
            figure.id.metric(),
            if matches!(unit, "" | "1") {
                String::new()
            } else {
                format!("({unit})")
            }
        ))
        .trim_end()
        .to_owned(),
        value: rich.number(figure.value),
        spread: spread.map_or(String::new(), |spread| format!("{spread:.1}\u{202f}%")),
        samples: match more {
            0 => samples.join(", "),
            more => format!("{} and {more} more", samples.join(", ")),
        },
        took,
    }
}

/// Returns how long the run took, when both ends are known.
fn span(data: &ResultData) -> Option<String> {
    let time = |key: &str| {
        data.metadata
            .get(key)?
            .trim()
            .parse::<jiff::Timestamp>()
            .ok()
    };
    let seconds = time("finished")?
        .duration_since(time("started")?)
        .as_secs_f64();
    (seconds >= 0.0).then(|| duration(seconds))
}

/// Returns `42 s`, `12 min 5 s`, `3 h 12 min`.
fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run is shorter than an age"
    )]
    let whole = seconds.clamp(0.0, 1e9).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// Returns foreign text of a length a page can bear.
fn cut(text: &str) -> String {
    template::cut(text, LONGEST_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_said_in_its_two_largest_units() {
        for (seconds, said) in [
            (0.4, "0 s"),
            (42.4, "42 s"),
            (725.0, "12 min 5 s"),
            (11_525.0, "3 h 12 min"),
        ] {
            assert_eq!(duration(seconds), said);
        }
    }
}
