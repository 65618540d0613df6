//! The table of groups: profiles by tests, with the mean change and what stands out.

use anstyle::Style;

use super::layout::{columns, style};
use super::{Detail, Page};
use crate::compare::{Status, Verdict};
use crate::render::view::{Cell, Grid, Group};
use crate::render::words;

/// Profiles shown in the table of groups.
const MOST_PROFILES: usize = 12;

impl Page<'_> {
    /// Profiles by tests, with the mean change and what stands out.
    pub(super) fn groups(&mut self) {
        let comparison = self.comparison();
        // Turned, so that + is better for every test.
        const TITLE: &str = "Mean, + better";
        let grid = Grid::new(comparison, Group::Test);
        if grid.rows.is_empty() || comparison.verdict == Verdict::Error {
            return;
        }
        let first = grid
            .rows
            .iter()
            .map(|row| columns(&self.clean(row)))
            .max()
            .unwrap_or(0)
            .clamp(columns(TITLE), 30);
        let cells: Vec<Vec<(String, Status)>> = grid
            .cells
            .iter()
            .map(|row| row.iter().map(|cell| self.cell(cell)).collect())
            .collect();
        let mut fitting = Vec::new();
        let mut used = first;
        for (index, (test, _)) in grid.columns.iter().enumerate() {
            let widest = cells
                .iter()
                .map(|row| columns(&row[index].0))
                .max()
                .unwrap_or(0);
            let width = widest.max(columns(&self.clean(test)).min(16));
            if used + 2 + width > self.options.width {
                break;
            }
            used += 2 + width;
            fitting.push((index, width));
        }
        let mut head = self.pad(TITLE, first);
        for (index, width) in &fitting {
            head.push_str("  ");
            head.push_str(&self.pad(&self.clean(&grid.columns[*index].0), *width));
        }
        let head = self.paint(Style::new().bold(), head.trim_end());
        self.line(&head);
        let all = self.options.detail >= Detail::Differences;
        let shown = if all {
            grid.rows.len()
        } else {
            grid.rows.len().min(MOST_PROFILES)
        };
        for (row, name) in grid.rows.iter().enumerate().take(shown) {
            let mut line = self.pad(&self.clean(name), first);
            for (index, width) in &fitting {
                let (text, status) = &cells[row][*index];
                let padded = self.pad(text, *width);
                line.push_str("  ");
                // Blanks behind the last column would stay when they are part of what is painted.
                let (shown, blanks) = padded.split_at(padded.trim_end().len());
                line.push_str(&match *status {
                    Status::Within => shown.to_owned(),
                    status => self.paint(style(status), shown),
                });
                line.push_str(blanks);
            }
            self.line(&line);
        }
        self.and_more(grid.rows.len() - shown, "profile");
        if fitting.len() < grid.columns.len() {
            self.line(&format!(
                "  and {}",
                words::plural(grid.columns.len() - fitting.len(), "more test")
            ));
        }
        self.gap();
    }

    pub(super) fn cell(&self, cell: &Cell) -> (String, Status) {
        let mut text = match cell.mean_pct {
            Some(mean) => self.words.percent(mean),
            None => String::new(),
        };
        let mut worst = Status::Within;
        for status in [Status::Regression, Status::Error, Status::Missing] {
            if cell.count(status) > 0 {
                let blank = if text.is_empty() { "" } else { " " };
                text.push_str(&format!(
                    "{blank}{}{}",
                    self.words.shape(status),
                    cell.count(status)
                ));
                if worst == Status::Within {
                    worst = status;
                }
            }
        }
        (text, worst)
    }
}
