//! What the machines did while a sample was taken: the curves of `monitor/ITERATION/sampleK/MACHINE.csv`.

use std::fs::{self, File};
use std::path::Path;

use serde::Serialize;

use crate::render::words::Words;

const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 34.0;
const MARGIN: f64 = 2.0;
/// Points of a curve; of more the largest of each step is kept, so that no peak is lost.
const MOST_POINTS: usize = 100;
/// Bytes of a file that are looked at: a day at one line a second.
const MOST_BYTES: u64 = 16 << 20;

/// One machine during one sample.
#[derive(Debug, Serialize)]
pub(super) struct Watched {
    pub(super) sample: String,
    pub(super) machine: String,
    /// Seconds between the first and the last line; the page has them in words.
    #[serde(skip)]
    pub(super) seconds: f64,
    pub(super) curves: Vec<Curve>,
}

/// One figure over time, ready to be drawn.
#[derive(Debug, Serialize)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// `M0 31.2L2 14.0…`, broken where nothing was measured.
    path: String,
    /// Lowest and highest value, in words.
    pub(super) range: String,
}

/// A figure: its columns are added up, divided, and drawn from 0 to at least `full`.
struct Figure {
    name: &'static str,
    columns: &'static [&'static str],
    divide: f64,
    unit: &'static str,
    full: f64,
}

const FIGURES: [Figure; 5] = [
    Figure {
        name: "CPU",
        columns: &["cpu_percentage"],
        divide: 1.0,
        unit: "%",
        full: 100.0,
    },
    Figure {
        name: "Load",
        columns: &["load_1m"],
        divide: 1.0,
        unit: "",
        full: 1.0,
    },
    Figure {
        name: "Memory available",
        columns: &["mem_avail"],
        divide: 1_048_576.0,
        unit: "MiB",
        full: 1.0,
    },
    Figure {
        name: "Disk",
        columns: &["disk_read_bytes", "disk_write_bytes"],
        divide: 1_048_576.0,
        unit: "MiB/s",
        full: 1.0,
    },
    Figure {
        name: "Network",
        columns: &["net_rx_bytes", "net_tx_bytes"],
        divide: 1_048_576.0,
        unit: "MiB/s",
        full: 1.0,
    },
];

/// Returns what was watched in one iteration, by sample and machine; nothing when nothing was.
pub(super) fn watched(folder: &Path) -> Vec<Watched> {
    let mut all = Vec::new();
    for sample in entries(folder) {
        let name = sample.strip_prefix("sample").unwrap_or(&sample).to_owned();
        for file in entries(&folder.join(&sample)) {
            let Some(machine) = file.strip_suffix(".csv") else {
                continue;
            };
            // A torn or foreign file is no reason to have no report.
            if let Ok(Some((seconds, curves))) = curves(&folder.join(&sample).join(&file)) {
                all.push(Watched {
                    sample: name.clone(),
                    machine: machine.to_owned(),
                    seconds,
                    curves,
                });
            }
        }
    }
    all
}

/// Returns the names in a folder: numbers by value, then text; empty when it cannot be listed.
pub(super) fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let number = |name: &str| -> Option<u64> {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    names.sort_by(|a, b| number(a).cmp(&number(b)).then_with(|| a.cmp(b)));
    names
}

/// Reads a file; `None` when it holds no two lines with a time.
fn curves(path: &Path) -> Result<Option<(f64, Vec<Curve>)>, csv::Error> {
    let file = std::io::Read::take(File::open(path)?, MOST_BYTES);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers()?.clone();
    let at = |name: &str| header.iter().position(|column| column == name);
    let Some(time) = at("t") else {
        return Ok(None);
    };
    let places: Vec<Vec<usize>> = FIGURES
        .iter()
        .map(|figure| figure.columns.iter().filter_map(|name| at(name)).collect())
        .collect();
    let mut times = Vec::new();
    let mut values: Vec<Vec<Option<f64>>> = vec![Vec::new(); FIGURES.len()];
    for record in reader.records() {
        let Ok(record) = record else { break };
        let number = |at: usize| {
            record
                .get(at)?
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
        };
        let Some(now) = number(time) else { continue };
        times.push(now);
        for ((figure, places), values) in FIGURES.iter().zip(&places).zip(&mut values) {
            let known: Vec<f64> = places.iter().filter_map(|at| number(*at)).collect();
            let sum: f64 = known.iter().sum();
            values.push((!known.is_empty()).then(|| sum / figure.divide));
        }
    }
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return Ok(None);
    };
    if times.len() < 2 || last <= first {
        return Ok(None);
    }
    let drawn = FIGURES.iter().zip(&values);
    let drawn = drawn.filter_map(|(figure, values)| curve(figure, &times, values));
    Ok(Some((last - first, drawn.collect())))
}

fn curve(figure: &Figure, times: &[f64], values: &[Option<f64>]) -> Option<Curve> {
    let known = || values.iter().flatten().copied();
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    if !(low.is_finite() && high.is_finite()) {
        return None;
    }
    let (start, end) = (times.first()?, times.last()?);
    let top = high.max(figure.full);
    let x = |time: f64| (time - start) / (end - start) * WIDTH;
    let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
    let mut path = String::new();
    let mut joined = false;
    let step = values.len().div_ceil(MOST_POINTS).max(1);
    for (times, values) in times.chunks(step).zip(values.chunks(step)) {
        let highest = values.iter().flatten().copied().reduce(f64::max);
        if let (Some(time), Some(value)) = (times.first(), highest) {
            let letter = if joined { 'L' } else { 'M' };
            path.push_str(&format!("{letter}{:.0} {:.1}", x(*time), y(value.max(0.0))));
        }
        joined = highest.is_some();
    }
    let words = Words::RICH;
    let number = |value: f64| match value >= 99.95 {
        true => words.number(value),
        false => format!("{value:.1}"),
    };
    let unit = if figure.unit.is_empty() {
        String::new()
    } else {
        format!("\u{202f}{}", figure.unit)
    };
    Some(Curve {
        name: figure.name,
        path,
        range: format!("{} … {}{unit}", number(low), number(high)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Watched> {
        let folder = tempfile::tempdir().expect("a directory");
        for (sample, machine) in [("sample10", "b"), ("sample2", "b"), ("sample2", "a")] {
            let place = folder.path().join(sample);
            fs::create_dir_all(&place).expect("made");
            fs::write(place.join(format!("{machine}.csv")), text).expect("written");
        }
        fs::write(folder.path().join("sample2/notes.txt"), "x").expect("written");
        watched(folder.path())
    }

    #[test]
    fn samples_are_in_order_of_number_and_a_gap_breaks_the_line() {
        let all = of(
            "t,cpu_percentage,disk_read_bytes,disk_write_bytes\n100,50,0,\n101,,1048576,1048576\n110,100,,\n",
        );
        let names: Vec<(&str, &str)> = all
            .iter()
            .map(|one| (one.sample.as_str(), one.machine.as_str()))
            .collect();
        assert_eq!(names, [("2", "a"), ("2", "b"), ("10", "b")]);
        assert!((all[0].seconds - 10.0).abs() < 1e-9);
        let [cpu, disk] = &all[0].curves[..] else {
            panic!("{:?}", all[0].curves)
        };
        assert_eq!(
            (cpu.path.as_str(), cpu.range.as_str()),
            ("M0 17.0M200 2.0", "50.0 … 100.0\u{202f}%")
        );
        assert_eq!(
            (disk.name, disk.range.as_str()),
            ("Disk", "0.0 … 2.0\u{202f}MiB/s")
        );
    }

    #[test]
    fn what_is_no_monitor_file_is_passed_over() {
        for text in [
            "",
            "t\n",
            "a,b\n1,2\n3,4\n",
            "t,cpu_percentage\n1,2\n",
            "t,cpu_percentage\nx,y\n\u{0}\n",
        ] {
            assert!(of(text).is_empty(), "{text:?}");
        }
        assert!(watched(Path::new("/nowhere")).is_empty());
    }

    #[test]
    fn a_long_run_keeps_its_peaks() {
        let mut text = "t,cpu_percentage\n".to_owned();
        for second in 0..10_000 {
            text.push_str(&format!(
                "{second},{}\n",
                if second == 5_003 { 100 } else { 10 }
            ));
        }
        let all = of(&text);
        let path = &all[0].curves[0].path;
        assert_eq!(path.matches(['M', 'L']).count(), MOST_POINTS);
        assert!(path.contains(" 2.0"), "the one peak is there: {path}");
    }
}
