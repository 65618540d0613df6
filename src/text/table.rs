//! Plain tables for a terminal.

use std::fmt::Write;

/// Columns padded with blanks; a heading that ends in `>` aligns right.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    right: [bool; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Starts a table with its headings.
    pub fn new(headings: &[&str; N]) -> Self {
        let right = headings.map(|heading| heading.ends_with('>'));
        Self {
            right,
            rows: vec![headings.map(|heading| heading.trim_end_matches('>').to_owned())],
        }
    }

    /// Adds a line; cells are printed as they are (see [`super::one_line`] for foreign text).
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Appends the table to `text`, lines without blanks at their end.
    pub fn print(&self, text: &mut String) {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| console::measure_text_width(&row[column]))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..N).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(self.right) {
                let blanks = " ".repeat(width - console::measure_text_width(cell));
                let (before, after) = if right {
                    (blanks.as_str(), "")
                } else {
                    ("", blanks.as_str())
                };
                let _ = write!(line, "{before}{cell}{after}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "COUNT>", "WHY"]);
        table.row(["ř".into(), "7".into(), String::new()]);
        table.row(["longer".into(), "1234567".into(), "because".into()]);
        let mut text = String::new();
        table.print(&mut text);
        assert_eq!(
            text,
            "NAME      COUNT  WHY\nř             7\nlonger  1234567  because\n"
        );
    }
}
