//! Parts of a score that look at all builds: `avg` and `n_of` (specification of run-perf 9.3).

use super::inputs::Options;
use super::score::{Scored, Side, modifier_uncertainty, side};
use super::types::Part;

/// `--model-builds-average` and `--n-out-of-results`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modifiers {
    average: f64,
    n_of: f64,
    allowed: i64,
}

impl Modifiers {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            average: options.average_weight,
            n_of: options.n_out_of_weight,
            allowed: options.n_out_of,
        }
    }

    /// Returns one line for each that is on.
    pub(crate) fn describe(self) -> impl Iterator<Item = String> {
        let average = (self.average != 0.0)
            .then(|| format!("average of all builds, weight {}", self.average));
        let n_of = (self.n_of != 0.0).then(|| {
            format!(
                "more than {} builds outside, weight {}",
                self.allowed, self.n_of
            )
        });
        average.into_iter().chain(n_of)
    }

    /// Adds the parts to a score; `past` are the scores of the references, `sides` where each lies.
    ///
    /// - `avg`: twice the mean of all scores, DST's own included; weight W / u(n).
    /// - `n_of`: builds outside on DST's side / (N + 1) · limit · 1.1, with DST's sign; weight W / u(n).
    ///   A score of exactly 0 has no side and gets 0.
    ///
    /// Scores are turned, so all of this is about worse and better.
    pub(crate) fn apply(self, scored: &mut Scored, past: &[f64], sides: &[Option<Side>]) {
        let Some(own) = scored.score else { return };
        let mut sum = own * scored.weight;
        if self.average != 0.0 {
            let builds = past.len() + 1;
            let mean = (past.iter().sum::<f64>() + own) / count(builds);
            add(
                scored,
                &mut sum,
                "avg",
                2.0 * mean,
                self.average / modifier_uncertainty(builds),
            );
        }
        if self.n_of != 0.0 {
            let score = scored.score.unwrap_or(own);
            let builds = sides.iter().flatten().count() + 1;
            let wanted = if score < 0.0 {
                Side::Worse
            } else {
                Side::Better
            };
            let outside = sides
                .iter()
                .flatten()
                .filter(|side| **side == wanted)
                .count()
                + usize::from(side(score, scored.tolerance) == wanted);
            let size =
                count(outside) / as_float((self.allowed + 1).max(1)) * scored.tolerance * 1.1;
            let value = if score == 0.0 {
                0.0
            } else {
                size.copysign(score)
            };
            add(
                scored,
                &mut sum,
                "n_of",
                value,
                self.n_of / modifier_uncertainty(builds),
            );
        }
    }
}

fn add(scored: &mut Scored, sum: &mut f64, name: &str, value: f64, weight: f64) {
    if !value.is_finite() {
        return;
    }
    scored.parts.push(Part {
        name: name.into(),
        reference: None,
        diff_pct: value,
        weight,
    });
    *sum += value * weight;
    scored.weight += weight;
    let score = *sum / scored.weight;
    if score.is_finite() {
        scored.score = Some(score);
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of builds are small")]
fn count(n: usize) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "a number of builds is small")]
fn as_float(n: i64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: f64) -> Scored {
        Scored {
            parts: Vec::new(),
            score: Some(score),
            weight: 1.0,
            change: Some(score),
            tolerance: 5.0,
            band: None,
        }
    }

    #[test]
    fn the_example_of_the_specification_holds() {
        // read-4KiB of the recorded nights: linear model, three references (specification 9.3).
        let line = |value: f64| 0.0006054470965131463 * value - 108.53458698633347;
        let past: Vec<f64> = [177_181.152542373, 169_245.372881356, 145_825.271186441]
            .map(line)
            .to_vec();
        let sides: Vec<Option<Side>> = past.iter().map(|score| Some(side(*score, 5.0))).collect();
        let mut scored = scored(line(171_197.389830508));
        let both = Modifiers {
            average: 1.0,
            n_of: 1.0,
            allowed: 2,
        };

        both.apply(&mut scored, &past, &sides);

        let parts: Vec<String> = scored
            .parts
            .iter()
            .map(|part| format!("{} {:.2}", part.name, part.diff_pct))
            .collect();
        assert_eq!(parts, ["avg -16.23", "n_of -5.50"]);
        assert!(
            (scored.score.expect("a score") - -8.4).abs() < 0.05,
            "{:?}",
            scored.score
        );
    }

    #[test]
    fn an_unchanged_metric_is_not_pushed_by_its_neighbours() {
        let mut scored = scored(0.0);
        Modifiers {
            average: 0.0,
            n_of: 1.0,
            allowed: 0,
        }
        .apply(&mut scored, &[-9.0], &[Some(Side::Worse)]);
        assert_eq!(scored.score, Some(0.0));
    }

    #[test]
    fn outside_on_the_other_side_does_not_count() {
        let mut scored = scored(-4.0);
        Modifiers {
            average: 0.0,
            n_of: 1.0,
            allowed: 2,
        }
        .apply(&mut scored, &[9.0, 9.0, 9.0], &[Some(Side::Better); 3]);
        assert_eq!(scored.parts[0].diff_pct.abs().to_bits(), 0.0_f64.to_bits());
    }
}
