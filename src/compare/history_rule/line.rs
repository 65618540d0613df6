//! A history model as a rule for single pairs: its stored lines, for references and "since".

use super::level_part;
use crate::analysis::detect::model::HistoryModel;
use crate::compare::score::{Judge, Limits, Scored, difference, line_band, turn};
use crate::compare::types::Rule;
use crate::metric::{Better, Check, MetricId};

/// See the module.
#[derive(Debug)]
pub(crate) struct ModelRule<'a> {
    pub(crate) name: &'a str,
    pub(crate) model: &'a HistoryModel,
    pub(crate) limits: Limits<'a>,
}

impl Judge for ModelRule<'_> {
    fn rule(&self) -> Rule {
        Rule::Model
    }

    fn score(&self, id: &MetricId, src: f64, dst: f64, better: Better) -> Scored {
        let Some(entry) = self
            .model
            .get(id.as_str())
            .filter(|entry| entry.has_scale())
        else {
            return self.limits.score(id, src, dst, better);
        };
        let check = id.check();
        let change = difference(check, src, dst);
        if check != Check::Mean {
            let off = turn(dst - entry.raw, better);
            return Scored {
                parts: vec![level_part(entry.raw, off)],
                score: Some(off),
                weight: 1.0,
                change,
                tolerance: self.limits.spread_points,
                band: None,
            };
        }
        let tolerance = self.model.metadata.tolerance;
        let [a, b] = entry.equation;
        let score = a * dst + b;
        // Somebody said which way is better after the model was trained.
        let turned = better.sign() * entry.goodness().sign < 0.0;
        let score = if turned { 0.0 - score } else { score };
        let score = if better == Better::Unknown {
            0.0 - score.abs()
        } else {
            score
        };
        Scored {
            parts: Vec::new(),
            score: score.is_finite().then_some(score),
            weight: 1.0,
            change,
            tolerance,
            band: line_band(check, src, a, b, tolerance),
        }
    }

    fn describe(&self) -> Vec<String> {
        let metadata = &self.model.metadata;
        let mut lines = vec![format!(
            "model {}: {} metrics, {} nights{}",
            self.name,
            self.model.metrics.len(),
            metadata.builds.len(),
            match (metadata.builds.first(), metadata.builds.last()) {
                (Some(first), Some(last)) =>
                    format!(", builds {} to {}", first.label(), last.label()),
                _ => String::new(),
            }
        )];
        lines.extend(
            self.limits
                .describe()
                .into_iter()
                .map(|line| format!("without a history: {line}")),
        );
        lines
    }
}
