//! Numbers a payload prints: lines `NAME VALUE [UNIT [higher|lower]]`.
//!
//! Between name and value a colon or an equals sign may stand. Everything else a payload prints is
//! output, not a number. Which way is better is declared, on the line or in `metrics`; else the table
//! of known metrics, the unit and the words of the name are asked, in this order; else nobody knows.

use crate::analysis::directions::known;
use crate::metric::Better;

/// Metrics of one worker that are taken from lines nobody declared.
const MOST: usize = 200;
const LONGEST_NAME: usize = 100;
const LONGEST_UNIT: usize = 16;

/// One number, or the mean of a name that was printed several times.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    /// `1` when nobody says.
    pub(super) unit: String,
    pub(super) better: Better,
}

/// Returns the numbers of an output, in the order their names first come up, and how many names
/// were too many.
pub(super) fn read(text: &str) -> (Vec<Figure>, usize) {
    let mut found: Vec<(Figure, u32)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut dropped = std::collections::BTreeSet::new();
    for figure in text.lines().filter_map(line) {
        match places.get(&figure.name) {
            Some(place) => {
                let (first, count): &mut (Figure, u32) = &mut found[*place];
                *count += 1;
                first.value += (figure.value - first.value) / f64::from(*count);
            }
            None if found.len() < MOST => {
                places.insert(figure.name.clone(), found.len());
                found.push((figure, 1));
            }
            None if dropped.len() < 10 * MOST => {
                dropped.insert(figure.name);
            }
            None => {}
        }
    }
    let figures = found.into_iter().map(|(figure, _)| figure).collect();
    (figures, dropped.len())
}

/// Reads one line.
pub(super) fn line(text: &str) -> Option<Figure> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, ':' | '='))?;
    let name = &text[..end];
    let good = |c: char| c.is_ascii_alphanumeric() || "_-./%".contains(c);
    if name.len() > LONGEST_NAME
        || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        || !name.chars().all(good)
    {
        return None;
    }
    let rest = text[end..].trim_start();
    let rest = rest.strip_prefix([':', '=']).unwrap_or(rest).trim_start();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (value, unit, stated) = match words[..] {
        [value] => (value, None, None),
        [value, unit] => (value, Some(unit), None),
        [value, unit, "higher"] => (value, Some(unit), Some(Better::Higher)),
        [value, unit, "lower"] => (value, Some(unit), Some(Better::Lower)),
        _ => return None,
    };
    // `inf` and `nan` are numbers to Rust and words to everybody else.
    if !value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return None;
    }
    let value: f64 = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    let is_unit = |unit: &&str| {
        unit.len() <= LONGEST_UNIT
            && unit.starts_with(|c: char| c.is_alphabetic() || matches!(c, '%' | '1' | '/'))
            && !unit.chars().any(char::is_control)
    };
    let unit = match unit {
        Some(unit) if !is_unit(&unit) => return None,
        unit => unit,
    };
    let table = known(name);
    Some(Figure {
        better: stated
            .or_else(|| table.map(|known| known.better))
            .unwrap_or_else(|| guess(name, unit)),
        unit: unit
            .or_else(|| table.and_then(|known| known.unit))
            .unwrap_or("1")
            .to_owned(),
        // Slashes and @ have a meaning in ids; dots are replaced where results are built.
        name: name.replace('/', "_"),
        value,
    })
}

/// Guesses the good direction from unit and name.
fn guess(name: &str, unit: Option<&str>) -> Better {
    const TIMES: [&str; 9] = [
        "ns", "us", "µs", "ms", "s", "sec", "secs", "second", "seconds",
    ];
    const LOW: [&str; 17] = [
        "latency", "lat", "time", "duration", "elapsed", "delay", "wait", "jitter", "loss", "lost",
        "errors", "failures", "retries", "misses", "ms", "us", "ns",
    ];
    const HIGH: [&str; 18] = [
        "throughput",
        "score",
        "rate",
        "iops",
        "ops",
        "bandwidth",
        "bw",
        "speed",
        "tps",
        "qps",
        "rps",
        "flops",
        "mflops",
        "gflops",
        "mips",
        "hits",
        "bogomips",
        "fps",
    ];
    if let Some(unit) = unit {
        let unit = unit.to_lowercase();
        if TIMES.contains(&unit.as_str()) {
            return Better::Lower;
        }
        if unit.ends_with("/s") || unit.ends_with("ps") && unit.len() <= 4 {
            return Better::Higher;
        }
    }
    let name = name.to_lowercase();
    if ["per_s", "per_sec", "per_second"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return Better::Higher;
    }
    let words = || name.split(|c: char| !c.is_ascii_alphabetic());
    match (
        words().any(|word| HIGH.contains(&word)),
        words().any(|word| LOW.contains(&word)),
    ) {
        (true, false) => Better::Higher,
        (false, true) => Better::Lower,
        _ => Better::Unknown,
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn seen(text: &str) -> Option<(String, f64, String, Better)> {
        line(text).map(|figure| (figure.name, figure.value, figure.unit, figure.better))
    }

    #[test]
    fn a_name_and_a_value_are_a_number_whatever_stands_between() {
        for text in [
            "score 42",
            "  score\t42 ",
            "score: 42",
            "score = 42",
            "score=42",
        ] {
            let expected = ("score".to_owned(), 42.0, "1".to_owned(), Better::Higher);
            assert_eq!(seen(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn prose_and_tables_are_no_numbers() {
        for text in [
            "",
            "partial",
            "score",
            "42",
            "12 eggs",
            "finished in 3 s",
            "md5 123.4k 567.8k",
            "value nan",
            "value inf",
            "limit 1e999",
            "0x10 5",
            "http://x 5",
            "time 12:30",
            "a 1 2",
            "a 1 ms sideways",
        ] {
            assert_eq!(seen(text), None, "{text}");
        }
    }

    #[test]
    fn directions_are_declared_known_or_guessed() {
        let better = |text| line(text).map(|figure| figure.better);
        for (text, expected) in [
            ("depth 3 1 higher", Better::Higher),
            ("score 3 1 lower", Better::Lower),
            ("clat_p99 3", Better::Lower),
            ("boot_ms 120", Better::Lower),
            ("transfer 3 MB/s", Better::Higher),
            ("start 3 ms", Better::Lower),
            ("requests_per_s 3", Better::Higher),
            ("mean-latency 3", Better::Lower),
            ("latency_score 3", Better::Unknown),
            ("iteration 3", Better::Unknown),
        ] {
            assert_eq!(better(text), Some(expected), "{text}");
        }
        assert_eq!(
            line("clat 5").map(|figure| figure.unit).as_deref(),
            Some("ns")
        );
    }

    #[test]
    fn a_name_printed_again_is_averaged() {
        let (figures, dropped) = read("a 1\nb 5 ms\nnoise\na 3\na 5\n");
        let values: Vec<_> = figures
            .iter()
            .map(|figure| (figure.name.as_str(), figure.value))
            .collect();
        assert_eq!(values, [("a", 3.0), ("b", 5.0)]);
        assert_eq!(dropped, 0);
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let text: String = (0..300).map(|n| format!("m{n} 1\n")).collect();
        let (figures, dropped) = read(&text);
        assert_eq!((figures.len(), dropped), (200, 100));
    }
}
