//! The older tool's tables of averages (`-v`): how the scores of primary records are spread over
//! related ones (specification of run-perf 9.7).

use std::collections::BTreeMap;

use crate::analysis::grouping::{TABULATED, merged};
use crate::analysis::stats;
use crate::compare::types::{CheckResult, Comparison};
use crate::metric::Check;
use crate::text::one_line;
use crate::text::table::Table;

/// Score of a group that has no record of a kind, and of a broken record.
const BROKEN: f64 = -100.0;

/// Scores of one group: of levels and of spreads.
#[derive(Default)]
struct Scores {
    levels: Vec<f64>,
    spreads: Vec<f64>,
}

/// Returns the three tables of a comparison by the rule `compat`: over sizes, over everything of a
/// test and metric, over profiles.
///
/// Each line has least, quartiles (linear interpolation) and largest score, and the sums of losses
/// and of gains over the count; first of levels, then of spreads. Where the older tool printed lines
/// in no order, here they are sorted.
pub fn averages(comparison: &Comparison) -> String {
    let mut text = String::new();
    for fields in TABULATED {
        let mut groups: BTreeMap<String, Scores> = BTreeMap::new();
        for check in comparison.metrics.iter().filter(|check| check.primary) {
            let name = merged(&check.id, fields);
            let group = groups.entry(name.stem().to_owned()).or_default();
            group.add(check);
        }
        let mut table = Table::new(&[
            "result_id",
            "|",
            "min>",
            "1st>",
            "med>",
            "3rd>",
            "max>",
            "a->",
            "a+>",
            "|",
            "stdmin>",
            "std1st>",
            "stdmed>",
            "std3rd>",
            "stdmax>",
            "astd->",
            "astd+>",
        ]);
        for (name, scores) in groups {
            let [min, first, median, third, max, losses, gains] = columns(scores.levels);
            let [smin, sfirst, smedian, sthird, smax, slosses, sgains] = columns(scores.spreads);
            let bar = || "|".to_owned();
            table.row([
                one_line(&name),
                bar(),
                min,
                first,
                median,
                third,
                max,
                losses,
                gains,
                bar(),
                smin,
                sfirst,
                smedian,
                sthird,
                smax,
                slosses,
                sgains,
            ]);
        }
        text.push_str("Per-result-id averages:\n");
        table.print(&mut text);
    }
    text
}

impl Scores {
    fn add(&mut self, check: &CheckResult) {
        let score = check.score.unwrap_or(BROKEN);
        if check.check != Check::Stddev {
            self.levels.push(score);
        }
        // Failure texts count on both sides.
        if check.check != Check::Mean {
            self.spreads.push(score);
        }
    }
}

fn columns(mut scores: Vec<f64>) -> [String; 7] {
    if scores.is_empty() {
        scores.push(BROKEN);
    }
    let count = scores.len() as f64;
    let sum = |keep: fn(f64) -> bool| scores.iter().filter(|s| keep(**s)).sum::<f64>() / count;
    let at = |percent| stats::percentile(&scores, percent).unwrap_or(BROKEN);
    [
        at(0.0),
        at(25.0),
        at(50.0),
        at(75.0),
        at(100.0),
        sum(|score| score < 0.0),
        sum(|score| score > 0.0),
    ]
    // Adding 0 takes the sign from a sum over nothing.
    .map(|value| format!("{:.1}", value + 0.0))
}
