//! The numbers behind a judgement: differences, the line of models, weighted scores, bands.
//!
//! Signs: a *difference* is as measured (positive: DST is larger). *Turned* means multiplied so
//! that negative is worse, whatever the metric; see [`turn`].

use super::inputs::{LineModel, Options};
use super::types::{Part, Rule};
use crate::analysis::stats;
use crate::metric::{Better, Check, MetricId};

/// Returns the uncertainty factor for weights of modifiers: as
/// [`stats::uncertainty_factor`] below eight builds,
/// else 1 (the older tool leaves out the last entry of the table here).
pub fn modifier_uncertainty(n: usize) -> f64 {
    if n < 8 {
        stats::uncertainty_factor(n).unwrap_or(1.0)
    } else {
        1.0
    }
}

/// Returns the change from `src` to `dst` as measured: percent of `|src|` for a level, points for
/// a spread (both sides are percentages already).
///
/// `None` when `src` is 0 and `dst` is not: a percentage of nothing has no value. Both 0 is 0.
#[expect(clippy::float_cmp, reason = "only exactly equal values have no change")]
pub fn difference(check: Check, src: f64, dst: f64) -> Option<f64> {
    let change = match check {
        Check::Stddev => dst - src,
        _ if src == dst => 0.0,
        _ => (dst - src) / src.abs() * 100.0,
    };
    change.is_finite().then_some(change)
}

/// Turns a difference so that negative is worse; an unknown direction makes any difference worse.
pub fn turn(difference: f64, better: Better) -> f64 {
    match better {
        Better::Higher => difference,
        // Not `-difference`: equal stays 0, never -0.
        Better::Lower => 0.0 - difference,
        Better::Unknown => 0.0 - difference.abs(),
    }
}

/// What a rule says about one pair, before modifiers.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Parts, turned.
    pub parts: Vec<Part>,
    /// Weighted mean of the parts; `None`: no number (SRC is 0).
    pub score: Option<f64>,
    /// Sum of the weights.
    pub weight: f64,
    /// Change as measured; `None` when it has no percentage.
    pub change: Option<f64>,
    /// Limit for the score.
    pub tolerance: f64,
    /// Change that stays inside, percent of SRC or points.
    pub band: Option<[f64; 2]>,
}

/// A rule: how far one value may be from another.
///
/// The seam for further rules: what stays the same for all of them (pairing, since, incidents,
/// groups, verdict) only sees this.
pub trait Judge {
    /// Name for the report.
    fn rule(&self) -> Rule;
    /// Judges one pair; both values finite.
    fn score(&self, id: &MetricId, src: f64, dst: f64, better: Better) -> Scored;
    /// One line each for "how it was judged".
    fn describe(&self) -> Vec<String>;
}

/// `tolerance` and `line`: fixed limits, or the mean of the lines of older models.
///
/// A metric that no model knows is held against the fixed limits. One that any model knows is
/// judged by the mean of their lines and `--tolerance`, spreads too: a line maps the edge of
/// normal to the same number for both kinds, so points have no meaning there.
#[derive(Debug)]
pub struct Limits<'a> {
    /// Models of `-l`.
    pub models: &'a [LineModel],
    /// For means and lines, percent.
    pub mean_pct: f64,
    /// For spreads, points.
    pub spread_points: f64,
}

impl<'a> Limits<'a> {
    /// Takes the limits in force from the options.
    pub fn new(models: &'a [LineModel], options: &Options) -> Self {
        Self {
            models,
            mean_pct: options.tolerance.value,
            spread_points: options.stddev_tolerance.value,
        }
    }
}

impl Judge for Limits<'_> {
    fn rule(&self) -> Rule {
        if self.models.is_empty() {
            Rule::Tolerance
        } else {
            Rule::Line
        }
    }

    fn score(&self, id: &MetricId, src: f64, dst: f64, better: Better) -> Scored {
        let check = id.check();
        let change = difference(check, src, dst);
        let mut parts = Vec::new();
        let (mut a, mut b, mut known, mut score) = (0.0, 0.0, 0.0, 0.0);
        for (index, model) in self.models.iter().enumerate() {
            let Some(line) = model.line(id) else { continue };
            let value = line.a * dst + line.b;
            if !value.is_finite() {
                continue;
            }
            let turned = if line.turned {
                value
            } else {
                turn(value, better)
            };
            (a, b, known, score) = (a + line.a, b + line.b, known + 1.0, score + turned);
            parts.push(Part {
                name: format!("model{index}"),
                reference: line.raw,
                diff_pct: turned,
                weight: 1.0,
            });
            if let Some((mean, diff)) = line
                .raw
                .and_then(|mean| Some((mean, difference(check, mean, dst)?)))
            {
                parts.push(Part {
                    name: format!("mraw{index}"),
                    reference: Some(mean),
                    diff_pct: turn(diff, better),
                    weight: 0.0,
                });
            }
        }
        let by_line = known > 0.0;
        if let Some(diff) = change {
            let weight = if by_line { 0.0 } else { 1.0 };
            parts.push(Part {
                name: "raw".into(),
                reference: Some(src),
                diff_pct: turn(diff, better),
                weight,
            });
        }
        let (score, tolerance) = match (by_line, check) {
            (true, _) => (Some(score / known), self.mean_pct),
            (false, Check::Stddev) => (change.map(|diff| turn(diff, better)), self.spread_points),
            (false, _) => (change.map(|diff| turn(diff, better)), self.mean_pct),
        };
        let band = if by_line {
            line_band(check, src, a / known, b / known, tolerance)
        } else {
            Some([0.0 - tolerance, tolerance])
        };
        Scored {
            parts,
            score,
            weight: known.max(1.0),
            change,
            tolerance,
            band,
        }
    }

    fn describe(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .models
            .iter()
            .enumerate()
            .map(|(index, model)| {
                format!(
                    "model{index}: {} ({} metrics), limit {} %",
                    model.name,
                    model.lines.len(),
                    self.mean_pct
                )
            })
            .collect();
        let without = if self.models.is_empty() {
            ""
        } else {
            "without a model: "
        };
        lines.push(format!(
            "{without}means {} % of SRC, spreads {} points",
            self.mean_pct, self.spread_points
        ));
        lines
    }
}

/// Returns the changes at which a line reaches ∓`tolerance`, in percent of `src` (points for spreads).
pub(crate) fn line_band(
    check: Check,
    src: f64,
    a: f64,
    b: f64,
    tolerance: f64,
) -> Option<[f64; 2]> {
    let at = |target: f64| {
        let value = (target - b) / a;
        if value.is_finite() {
            difference(check, src, value)
        } else {
            None
        }
    };
    let (low, high) = (at(-tolerance)?, at(tolerance)?);
    Some([low.min(high), low.max(high)])
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Worse than the limit allows.
    Worse,
    /// Inside.
    Inside,
    /// Better than the limit.
    Better,
}

/// Returns on which side of ±`tolerance` a turned score lies.
///
/// Limits given in decimal are compared in binary: a hair (1e-9 of the limit) beyond is still
/// inside, so that exactly 5 % never fails a limit of 5 %.
pub fn side(score: f64, tolerance: f64) -> Side {
    let edge = tolerance + tolerance * 1e-9;
    if score < -edge {
        Side::Worse
    } else if score > edge {
        Side::Better
    } else {
        Side::Inside
    }
}

/// Returns the side of a pair whose SRC is 0 and whose DST is not: any distance from nothing is
/// beyond every percentage, so the direction alone decides.
pub fn side_from_zero(dst: f64, better: Better) -> Side {
    match better {
        Better::Unknown => Side::Worse,
        Better::Higher if dst > 0.0 => Side::Better,
        Better::Lower if dst < 0.0 => Side::Better,
        _ => Side::Worse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::inputs::ModelLine;

    fn id(text: &str) -> MetricId {
        text.parse().expect("an id")
    }

    /// The lines of the recorded models (specification of run-perf 8.5).
    fn models(names: &[&str]) -> Vec<LineModel> {
        names
            .iter()
            .map(|name| LineModel {
                name: (*name).to_owned(),
                lines: [(
                    READ.to_owned(),
                    match *name {
                        "linear" => ModelLine {
                            a: 0.0006054470965131463,
                            b: -108.53458698633347,
                            raw: Some(179_348.461_016_949_03),
                            turned: false,
                        },
                        _ => ModelLine {
                            a: 0.0002709109468892366,
                            b: -48.58746139722899,
                            raw: Some(179_348.461_016_949_03),
                            turned: false,
                        },
                    },
                )]
                .into(),
            })
            .collect()
    }
    const READ: &str = "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean";
    const SRC: f64 = 183_743.169_491_525;
    const DST: f64 = 171_197.389_830_508;

    #[test]
    fn the_examples_of_the_specification_hold() {
        for (names, expected) in [
            (&[][..], -6.83),
            (&["linear"], -4.88),
            (&["stddev"], -2.21),
            (&["linear", "stddev"], -3.55),
        ] {
            let models = models(names);
            let limits = Limits {
                models: &models,
                mean_pct: 5.0,
                spread_points: 5.0,
            };
            let score = limits
                .score(&id(READ), SRC, DST, Better::Higher)
                .score
                .expect("a number");
            // Two decimals are what the specification gives.
            assert!((score - expected).abs() < 0.005, "{names:?}: {score}");
        }
    }

    #[test]
    fn the_band_of_a_line_is_where_its_score_meets_the_limit() {
        let models = models(&["linear"]);
        let limits = Limits {
            models: &models,
            mean_pct: 4.0,
            spread_points: 5.0,
        };
        let [low, high] = limits
            .score(&id(READ), SRC, DST, Better::Higher)
            .band
            .expect("a band");
        // lo = 172656.8475 and hi = 185870.2232 of specification 8.5, against SRC.
        assert!(
            (low - (172_656.847_5 - SRC) / SRC * 100.0).abs() < 1e-4,
            "{low}"
        );
        assert!(
            (high - (185_870.223_2 - SRC) / SRC * 100.0).abs() < 1e-4,
            "{high}"
        );
    }

    #[test]
    fn equal_values_score_plain_zero_in_every_direction() {
        let limits = Limits {
            models: &[],
            mean_pct: 5.0,
            spread_points: 5.0,
        };
        for better in [Better::Higher, Better::Lower, Better::Unknown] {
            for value in [0.0, -3.0, 1e300] {
                let score = limits
                    .score(&id(READ), value, value, better)
                    .score
                    .expect("a number");
                assert_eq!(score.to_bits(), 0.0_f64.to_bits(), "{better:?} {value}");
            }
        }
    }

    #[test]
    fn a_change_from_zero_has_no_percentage_but_a_side() {
        assert_eq!(difference(Check::Mean, 0.0, 5.0), None);
        assert_eq!(difference(Check::Mean, 0.0, 0.0), Some(0.0));
        assert_eq!(
            difference(Check::Stddev, 0.0, 5.0),
            Some(5.0),
            "a spread is in points"
        );
        assert_eq!(side_from_zero(5.0, Better::Lower), Side::Worse);
        assert_eq!(side_from_zero(5.0, Better::Higher), Side::Better);
        assert_eq!(side_from_zero(5.0, Better::Unknown), Side::Worse);
    }

    #[test]
    fn a_wider_spread_is_worse_with_and_without_a_model() {
        let spread = id("Localhost/fio/0000:./read-4KiB/throughput/iops_sec.stddev");
        // Trained on 1 to 3 points, T = 4: a = 8/2, b = -4*4/2.
        let model = LineModel {
            name: "m".into(),
            lines: [(
                spread.as_str().to_owned(),
                ModelLine {
                    a: 4.0,
                    b: -8.0,
                    raw: Some(2.0),
                    turned: false,
                },
            )]
            .into(),
        };
        for models in [&[][..], &[model][..]] {
            let limits = Limits {
                models,
                mean_pct: 5.0,
                spread_points: 5.0,
            };
            let worse = limits
                .score(&spread, 2.0, 9.0, Better::Lower)
                .score
                .expect("a number");
            let better = limits
                .score(&spread, 9.0, 0.0, Better::Lower)
                .score
                .expect("a number");
            assert!(
                worse < -5.0 && better > 5.0,
                "{worse} {better} with {} models",
                models.len()
            );
        }
    }

    #[test]
    fn exactly_the_limit_is_inside_whatever_the_binary_digits() {
        // (95 - 100) / 100 and (0.95 - 1) / 1 differ in the last bit.
        for (src, dst) in [(100.0, 95.0), (1.0, 0.95), (0.1, 0.095)] {
            let change = difference(Check::Mean, src, dst).expect("a number");
            assert_eq!(side(change, 5.0), Side::Inside, "{src} {dst}: {change}");
        }
        assert_eq!(side(-5.001, 5.0), Side::Worse);
        assert_eq!(
            side(0.0, 0.0),
            Side::Inside,
            "a limit of nothing lets equal pass"
        );
    }

    #[test]
    fn a_line_that_overflows_is_left_out() {
        let model = LineModel {
            name: "m".into(),
            lines: [(
                READ.to_owned(),
                ModelLine {
                    a: 1e308,
                    b: 0.0,
                    raw: None,
                    turned: false,
                },
            )]
            .into(),
        };
        let limits = Limits {
            models: &[model],
            mean_pct: 5.0,
            spread_points: 5.0,
        };
        let scored = limits.score(&id(READ), 1e300, 1e300, Better::Higher);
        assert_eq!(scored.score, Some(0.0));
        assert_eq!(scored.parts.len(), 1, "{:?}", scored.parts);
    }
}
