//! The table of groups: profiles by test and kind, and the averages that left their limits.

use serde::Serialize;

use super::text::{LONGEST_TEXT, cut, encode};
use crate::compare::{CheckResult, Comparison, Status};
use crate::render::view::{Cell, Grid, Group};
use crate::render::words::{self, Words};

#[derive(Debug, Serialize)]
pub(super) struct Groups {
    columns: Vec<String>,
    rows: Vec<GroupRow>,
    checks: Vec<GroupCheck>,
    within: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupRow {
    name: String,
    cells: Vec<Option<CellView>>,
}

#[derive(Debug, Serialize)]
pub(super) struct CellView {
    href: String,
    class: &'static str,
    mean: String,
    checks: usize,
    marks: Vec<(char, String)>,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupCheck {
    letter: char,
    label: &'static str,
    name: String,
    change: String,
    limit: String,
    labels: String,
}

pub(super) fn groups(comparison: &Comparison) -> Option<Groups> {
    let grid = Grid::new(comparison, Group::TestKind);
    if grid.rows.is_empty() && comparison.groups.is_empty() {
        return None;
    }
    let short = |text: &str| cut(text, 80);
    let rows = grid
        .rows
        .iter()
        .zip(&grid.cells)
        .map(|(profile, cells)| GroupRow {
            name: short(profile),
            cells: cells
                .iter()
                .zip(&grid.columns)
                .map(|(cell, (test, kind))| group_cell(cell, profile, test, kind))
                .collect(),
        });
    let outside = |check: &&CheckResult| check.status != Status::Within;
    let rich = Words::RICH;
    Some(Groups {
        columns: grid
            .columns
            .iter()
            .map(|(test, kind)| format!("{} {}", short(test), short(kind)))
            .collect(),
        rows: rows.collect(),
        checks: comparison
            .groups
            .iter()
            .filter(outside)
            .take(200)
            .map(|check| GroupCheck {
                letter: check.status.letter(),
                label: words::label(check.status),
                name: cut(check.id.as_str(), LONGEST_TEXT),
                change: check
                    .score
                    .or(check.change_pct)
                    .map_or("–".to_owned(), |score| rich.percent(score)),
                limit: check
                    .tolerance
                    .map_or(String::new(), |limit| format!("±{limit:.1}\u{202f}%")),
                labels: cut(&check.labels.join(", "), LONGEST_TEXT),
            })
            .collect(),
        within: comparison
            .groups
            .iter()
            .filter(|check| !outside(check))
            .count(),
    })
}

pub(super) fn group_cell(cell: &Cell, profile: &str, test: &str, kind: &str) -> Option<CellView> {
    if cell.checks == 0 {
        return None;
    }
    let marks = [
        (Status::Regression, "regressed"),
        (Status::Error, "failed"),
        (Status::Missing, "missing"),
        (Status::Suspect, "suspect"),
        (Status::Flaky, "flaky"),
        (Status::Improvement, "improved"),
        (Status::New, "new"),
    ];
    let marks: Vec<(char, String)> = marks
        .iter()
        .filter(|(status, _)| cell.count(*status) > 0)
        .map(|(status, word)| (status.letter(), format!("{} {word}", cell.count(*status))))
        .collect();
    let class = match marks.first() {
        Some(('r', _)) => "hot",
        Some(('e' | 'm', _)) => "er",
        Some(('g', _)) => "cold",
        _ => "",
    };
    // As the data block has them, or the filter would find nothing.
    let part = |text: &str| encode(&cut(text, super::data::LONGEST_TEXT), true);
    Some(CellView {
        href: format!("#?p={}&t={}&w={}", part(profile), part(test), part(kind)),
        class,
        mean: cell
            .mean_pct
            .map_or("–".to_owned(), |mean| Words::RICH.percent(mean)),
        checks: cell.checks,
        marks,
    })
}
