//! Two lines for Jenkins' plot plugin: counts by status and the mean change of each profile.

use std::io::Write;

use super::view::{Grid, Group};
use super::{RenderError, Renderer};
use crate::compare::{Comparison, Status};
use crate::text;

/// Writes a line of labels and a line of values.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlotCsv;

impl Renderer for PlotCsv {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        let mut labels = Vec::new();
        let mut values = Vec::new();
        for status in Status::ALL {
            labels.push(status.word().to_owned());
            values.push(
                comparison
                    .counts
                    .get(status.word())
                    .copied()
                    .unwrap_or(0)
                    .to_string(),
            );
        }
        let grid = Grid::new(comparison, Group::Profile);
        for (row, profile) in grid.rows.iter().enumerate() {
            // The plugin reads an empty value as 0, so a profile without a mean is left out.
            if let Some(mean) = grid.cells[row].first().and_then(|cell| cell.mean_pct) {
                labels.push(format!("{} mean change %", text::one_line(profile)));
                values.push(format!("{mean:.2}"));
            }
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(&labels)
            .and_then(|()| csv.write_record(&values))
            .map_err(std::io::Error::other)?;
        let bytes = csv
            .into_inner()
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        out.write_all(&bytes)?;
        Ok(())
    }
}
