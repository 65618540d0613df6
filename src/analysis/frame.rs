//! The history as a polars table, and what is computed on it.

use std::borrow::Cow;

use polars::prelude::{
    Column, DataFrame, IntoLazy, PolarsError, PolarsResult, SortMultipleOptions, col,
};

use super::history::History;
use super::model_file::number;

/// What stands in the CSV where a build lacks a metric; the number the older tool wrote.
const MISSING: &str = "-100";

impl History {
    /// Returns the history as one long table, in the order of metrics, then of builds.
    ///
    /// | column | type | meaning |
    /// | --- | --- | --- |
    /// | `metric` | text | id |
    /// | `build` | text | name of the night |
    /// | `value` | double, null | figure; null in a failure |
    /// | `text` | text, null | failure; null in a figure |
    /// | `primary` | boolean | whether the metric was a main one in any night |
    ///
    /// # Errors
    ///
    /// When the table cannot be built (more rows than it can hold).
    pub fn frame(&self) -> PolarsResult<DataFrame> {
        let rows = self
            .metrics
            .values()
            .map(|series| series.values.len() + series.failures.len())
            .sum();
        let mut metrics: Vec<&str> = Vec::with_capacity(rows);
        let mut builds: Vec<&str> = Vec::with_capacity(rows);
        let mut values: Vec<Option<f64>> = Vec::with_capacity(rows);
        let mut texts: Vec<Option<&str>> = Vec::with_capacity(rows);
        let mut primary: Vec<bool> = Vec::with_capacity(rows);
        for (id, series) in &self.metrics {
            let figures = series
                .values
                .iter()
                .map(|(night, value)| (*night, Some(*value), None));
            let failures = series
                .failures
                .iter()
                .map(|(night, text)| (*night, None, Some(text.as_str())));
            for (night, value, text) in figures.chain(failures) {
                metrics.push(id.as_str());
                builds.push(&self.nights[night].name);
                values.push(value);
                texts.push(text);
                primary.push(series.primary);
            }
        }
        DataFrame::new(
            metrics.len(),
            vec![
                Column::new("metric".into(), metrics),
                Column::new("build".into(), builds),
                Column::new("value".into(), values),
                Column::new("text".into(), texts),
                Column::new("primary".into(), primary),
            ],
        )
    }

    /// Returns the table of primary values as CSV: a line per metric, a column per build.
    ///
    /// The form of the older tool: builds in the order of their names, each name in quotes (commas
    /// and quotes in it become underscores); `-100` where a build lacks the metric; a comma at the
    /// end of each data line; no line end after the last. Ids and failure texts that hold commas,
    /// quotes or line ends are quoted, which the older tool forgot.
    ///
    /// # Errors
    ///
    /// As [`Self::frame`].
    pub fn csv(&self) -> PolarsResult<String> {
        let rows = self
            .frame()?
            .lazy()
            .filter(col("primary"))
            .sort(
                ["metric", "build"],
                SortMultipleOptions::default().with_maintain_order(true),
            )
            .collect()?;
        let cells = rows
            .column("value")?
            .f64()?
            .iter()
            .zip(rows.column("text")?.str()?.iter())
            .map(|(value, text)| match value {
                Some(value) => Cow::Owned(whole(number(value))),
                None => quoted(text.unwrap_or_default()),
            });
        let mut rows = (rows.column("metric")?.str()?.iter())
            .zip(rows.column("build")?.str()?.iter())
            .zip(cells)
            .peekable();

        let mut csv = String::from("test");
        for night in &self.nights {
            csv.push_str(",\"");
            csv.extend(night.name.chars().map(|c| {
                if matches!(c, ',' | '"' | '\n' | '\r') {
                    '_'
                } else {
                    c
                }
            }));
            csv.push('"');
        }
        while let Some(metric) = rows.peek().and_then(|((metric, _), _)| *metric) {
            csv.push('\n');
            csv.push_str(&quoted(metric));
            csv.push(',');
            for night in &self.nights {
                let here = (Some(metric), Some(night.name.as_str()));
                let cell = rows.next_if(|(place, _)| *place == here);
                csv.push_str(cell.as_ref().map_or(MISSING, |(_, cell)| cell));
                csv.push(',');
            }
            if rows
                .peek()
                .is_some_and(|((next, _), _)| *next == Some(metric))
            {
                let message =
                    format!("`{metric}` stands twice in one build, or builds are not in order");
                return Err(PolarsError::Duplicate(message.into()));
            }
        }
        Ok(csv)
    }
}

/// Returns a number without the `.0` of a whole one.
fn whole(mut text: String) -> String {
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

/// Returns a CSV cell, in quotes where its text asks for them (RFC 4180).
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::samples::*;
    use super::*;

    #[test]
    fn a_line_per_primary_metric_and_a_column_per_build() {
        let history = History::new(vec![
            result("b", &[(IOPS, 2.5)], &[]),
            result("a,\"x", &[(IOPS, 1.0), (LAT, 9.0)], &[]),
            result("c", &[], &[]),
        ]);
        let csv = history.csv().expect("a small table");
        assert_eq!(
            csv,
            format!("test,\"a__x\",\"b\",\"c\"\n{IOPS},1,2.5,-100,")
        );
    }

    #[test]
    fn texts_that_would_break_the_table_are_quoted() {
        let odd = "P/t/0:./a,b \"c\"/throughput/m.mean";
        let history = History::new(vec![result(
            "n",
            &[(odd, 1e21)],
            &[(FAILED, "one, \"two\"\nthree")],
        )]);
        let csv = history.csv().expect("a small table");

        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(csv.as_bytes());
        let rows: Vec<_> = reader
            .records()
            .map(|row| row.expect("valid CSV"))
            .collect();
        assert_eq!(rows.len(), 2, "{csv}");
        assert_eq!((&rows[1][0], &rows[1][1]), (odd, "1e+21"));
        assert_eq!((&rows[0][0], &rows[0][1]), (FAILED, "one, \"two\"\nthree"));
    }

    #[test]
    fn the_table_is_long() {
        let history = History::new(vec![result(
            "a",
            &[(IOPS, 1.0), (LAT, 9.0)],
            &[(FAILED, "x")],
        )]);
        let frame = history.frame().expect("a small table");
        assert_eq!((frame.height(), frame.width()), (3, 5));
        assert_eq!(frame.column("value").expect("a column").null_count(), 1);
    }

    #[test]
    fn nothing_gives_a_heading() {
        assert_eq!(History::default().csv().expect("an empty table"), "test");
    }
}
