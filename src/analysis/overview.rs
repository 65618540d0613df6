//! What a history holds, as text for people: nights, primary metrics with their spread, failures.

use std::fmt::Write;

use super::directions::unit_of;
use super::history::{History, Series};
use super::reading::{Reading, why};
use super::stats;
use crate::metric::{Check, MetricId};
use crate::text::one_line;
use crate::text::table::Table;

/// Metrics and failures listed unless all are asked for.
const LISTED: usize = 20;

/// Returns the overview of what was read; `all` lists every primary metric and failure.
///
/// Nights are in order of time. Metrics are in order of their spread, the noisiest first: those
/// limit what a comparison can see.
pub fn overview(reading: &Reading, all: bool) -> String {
    let history = &reading.history;
    let mut text = String::new();
    nights(history, &mut text);
    metrics(history, all, &mut text);
    failures(history, all, &mut text);
    unusable(reading, &mut text);
    text
}

fn nights(history: &History, text: &mut String) {
    let mut table = Table::new(&["NIGHT", "TIME (UTC)", "FIGURES>", "FAILURES>"]);
    for night in history.by_time() {
        let time = night.time.map_or_else(
            || "unknown".into(),
            |time| time.strftime("%Y-%m-%d %H:%M").to_string(),
        );
        table.row([
            one_line(&night.name),
            time,
            night.figures.to_string(),
            night.failures.to_string(),
        ]);
    }
    table.print(text);
}

fn metrics(history: &History, all: bool, text: &mut String) {
    let levels = history
        .metrics
        .keys()
        .filter(|id| id.check() == Check::Mean)
        .count();
    let mut primary: Vec<Level<'_>> = history.primary_levels().map(Level::of).collect();
    let _ = writeln!(
        text,
        "\n{}, {} primary",
        plural(levels, "metric"),
        primary.len()
    );
    if primary.is_empty() {
        return;
    }
    let spreads: Vec<f64> = primary.iter().filter_map(|level| level.spread).collect();
    if let (Some(median), Some((low, high))) = (stats::median(&spreads), stats::min_max(&spreads)) {
        let _ = writeln!(
            text,
            "spread of primary metrics between nights: median {median:.2} %, from {low:.2} % to {high:.2} %"
        );
    }
    // Stable: equal spreads stay in order of their ids.
    primary.sort_by(|a, b| {
        b.spread
            .unwrap_or(-1.0)
            .total_cmp(&a.spread.unwrap_or(-1.0))
    });
    let mut table = Table::new(&["PRIMARY METRIC", "NIGHTS>", "MEAN>", "UNIT", "SPREAD>"]);
    let listed = if all { primary.len() } else { LISTED };
    for level in primary.iter().take(listed) {
        table.row([
            one_line(level.id.stem()),
            level.nights.to_string(),
            short(level.mean),
            one_line(level.unit),
            level
                .spread
                .map_or_else(|| "-".into(), |spread| format!("{spread:.2} %")),
        ]);
    }
    text.push('\n');
    table.print(text);
    more(primary.len(), listed, "quieter ones", text);
}

fn failures(history: &History, all: bool, text: &mut String) {
    let found: Vec<[String; 3]> = history
        .metrics
        .iter()
        .flat_map(|(id, series)| series.failures.iter().map(move |failure| (id, failure)))
        .map(|(id, (night, message))| {
            let place = format!("{}/{}/{}", id.profile(), id.test(), id.serial());
            let message: String = one_line(message.trim()).chars().take(100).collect();
            [one_line(&history.nights[*night].name), place, message]
        })
        .collect();
    if found.is_empty() {
        return;
    }
    let listed = if all { found.len() } else { LISTED };
    let mut table = Table::new(&["FAILED IN", "PLACE", "WHY"]);
    let total = found.len();
    for row in found.into_iter().take(listed) {
        table.row(row);
    }
    text.push('\n');
    table.print(text);
    more(total, listed, "failures", text);
}

fn unusable(reading: &Reading, text: &mut String) {
    if reading.unusable.is_empty() {
        return;
    }
    let mut table = Table::new(&["NOT READ", "WHY"]);
    for (path, error) in &reading.unusable {
        table.row([one_line(&path.to_string_lossy()), one_line(&why(error))]);
    }
    text.push('\n');
    table.print(text);
}

pub(super) fn more(total: usize, listed: usize, what: &str, text: &mut String) {
    if total > listed {
        let _ = writeln!(text, "… and {} {what}; all of them with -v", total - listed);
    }
}

/// A primary metric over the nights.
struct Level<'a> {
    id: &'a MetricId,
    nights: usize,
    mean: f64,
    unit: &'a str,
    /// Percent of the mean; unknown with one night, or for a mean of 0.
    spread: Option<f64>,
}

impl<'a> Level<'a> {
    fn of((id, series): (&'a MetricId, &'a Series)) -> Self {
        let values = series.numbers();
        Self {
            id,
            nights: values.len(),
            mean: stats::mean(&values).unwrap_or(0.0),
            unit: unit_of(id, series.unit.as_deref()).unwrap_or(""),
            spread: (values.len() > 1)
                .then(|| stats::stddev_pct(&values))
                .flatten(),
        }
    }
}

pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Six significant digits, without an exponent where that stays readable.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if !(1e-3..1e12).contains(&size) => format!("{value:.3e}"),
        size if size >= 1e5 => format!("{value:.0}"),
        size if size >= 1e3 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::history::samples::*;
    use super::*;
    use crate::store::StoreError;

    fn read(history: History) -> Reading {
        Reading {
            history,
            unusable: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn nights_stand_in_order_of_time_and_noisy_metrics_first() {
        let quiet = "P/fio/0000:./read-64KiB/throughput/iops_sec.mean";
        let history = History::new(vec![
            result(
                "z_20200101_000000",
                &[(IOPS, 90.0), (quiet, 1.0), (LAT, 3.0)],
                &[(FAILED, "fio is\ngone")],
            ),
            result("a_20200102_123400", &[(IOPS, 110.0), (quiet, 1.0)], &[]),
        ]);
        let mut reading = read(history);
        let error = StoreError::NoResult {
            path: "empty".into(),
            reason: "nothing in it".into(),
        };
        reading.unusable.push((PathBuf::from("empty"), error));
        let text = overview(&reading, false);
        let expected = "\
NIGHT              TIME (UTC)        FIGURES  FAILURES
z_20200101_000000  2020-01-01 00:00        3         1
a_20200102_123400  2020-01-02 12:34        2         0

3 metrics, 2 primary
spread of primary metrics between nights: median 5.00 %, from 0.00 % to 10.00 %

PRIMARY METRIC                               NIGHTS     MEAN  UNIT   SPREAD
P/fio/0000:./read-4KiB/throughput/iops_sec        2  100.000  IOPS  10.00 %
P/fio/0000:./read-64KiB/throughput/iops_sec       2    1.000  IOPS   0.00 %

FAILED IN          PLACE    WHY
z_20200101_000000  P/fio/1  fio is gone

NOT READ  WHY
empty     nothing in it
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_long_list_is_cut_unless_all_of_it_is_asked_for() {
        let ids: Vec<String> = (0..30)
            .map(|i| format!("P/fio/0000:./read-{i}/throughput/iops_sec.mean"))
            .collect();
        let figures: Vec<(&str, f64)> = ids.iter().map(|id| (id.as_str(), 1.0)).collect();
        let history = History::new(vec![result("n", &figures, &[])]);
        let reading = read(history);
        let cut = overview(&reading, false);
        assert!(
            cut.contains("… and 10 quieter ones; all of them with -v"),
            "{cut}"
        );
        let all = overview(&reading, true);
        assert!(all.contains("read-29/") && !all.contains('…'), "{all}");
    }

    #[test]
    fn numbers_keep_six_digits_or_so() {
        let shown: Vec<_> = [0.0, 183743.169, 2811.04, 2.5, 0.0375, 1e-9, 1.5e13]
            .map(short)
            .into();
        assert_eq!(
            shown,
            [
                "0", "183743", "2811.0", "2.500", "0.03750", "1.000e-9", "1.500e13"
            ]
        );
    }
}
