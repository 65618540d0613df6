//! What modifiers learn from the references (specification of run-perf 9.3).

use std::collections::HashMap;

use super::record::{CompatPart, Record, is_bad, weighted};
use crate::compare::inputs::Options;
use crate::compare::score::modifier_uncertainty;
use crate::metric::MetricId;

/// Scores and failures by record, groups by their merged names.
#[derive(Debug)]
pub(super) struct Learned {
    average_weight: f64,
    n_of_weight: f64,
    allowed: i64,
    seen: HashMap<MetricId, Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    sum: f64,
    failed: u32,
    builds: u32,
}

impl Learned {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            average_weight: options.average_weight,
            n_of_weight: options.n_out_of_weight,
            allowed: options.n_out_of,
            seen: HashMap::new(),
        }
    }

    /// Takes in the regular records of one reference.
    pub(super) fn learn(&mut self, records: &[Record]) {
        for record in records.iter().filter(|record| !record.broken) {
            let seen = self.seen.entry(record.id.clone()).or_default();
            seen.sum += record.score;
            seen.failed += u32::from(record.status.failed());
            seen.builds += 1;
        }
    }

    /// Adds the parts of the modifiers that are on and returns the new score.
    pub(super) fn apply(
        &self,
        id: &MetricId,
        parts: &mut Vec<CompatPart>,
        score: f64,
        tolerance: f64,
    ) -> f64 {
        let seen = self.seen.get(id).copied().unwrap_or_default();
        let builds = seen.builds + 1;
        let divisor = modifier_uncertainty(builds as usize);
        let mut score = score;
        if self.average_weight != 0.0 {
            let value = 2.0 * (seen.sum + score) / f64::from(builds);
            parts.push(CompatPart::new("avg", value, self.average_weight / divisor));
            score = weighted(parts);
        }
        if self.n_of_weight != 0.0 {
            let failed = f64::from(seen.failed + u32::from(is_bad(score, tolerance)));
            #[expect(clippy::cast_precision_loss, reason = "a number of builds is small")]
            let allowed = (self.allowed + 1).max(1) as f64;
            let sign = if score > 0.0 { 1.0 } else { -1.0 };
            parts.push(CompatPart::new(
                "n_of",
                failed / allowed * tolerance * 1.1 * sign,
                self.n_of_weight / divisor,
            ));
            score = weighted(parts);
        }
        score
    }
}
