//! A replay as text for people.

use std::fmt::Write;

use super::{Backtest, LastingChange, ReplayedNight};
use crate::analysis::overview::{more, plural};
use crate::text::one_line;
use crate::text::table::Table;

/// Lasting changes listed unless all are asked for.
const LISTED: usize = 20;

impl Backtest {
    /// Returns the replay as text: nights, what it comes to, lasting changes (`all` of them, or the
    /// largest).
    pub fn to_text(&self, all: bool) -> String {
        let mut text = format!(
            "{} of {} replayed, each against those before it, at a target false-discovery rate of {:.0} %\n\n",
            self.nights.len(),
            plural(self.history, "night"),
            self.fdr * 100.0
        );
        let mut table = Table::new(&[
            "NIGHT",
            "BUILD",
            "JUDGED>",
            "WORSE>",
            "FALSE>",
            "BETTER>",
            "SUSPECT>",
            "HOST SHIFT",
        ]);
        for night in &self.nights {
            table.row(row(night));
        }
        table.print(&mut text);
        self.sums(&mut text);
        self.list(all, &mut text);
        text
    }

    fn sums(&self, text: &mut String) {
        let total = &self.total;
        let _ = writeln!(
            text,
            "\ncalled worse: {}, of which {} without a lasting change{}",
            total.worse,
            total.false_alarms,
            total
                .false_alarms_per_1000
                .map_or_else(String::new, |rate| {
                    format!(
                        ": {rate:.1} per 1000 metrics, false alarms or faults of a single night"
                    )
                })
        );
        let _ = writeln!(
            text,
            "called better: {}; suspect: {}; nights without anything red: {} of {}",
            total.better,
            total.suspect,
            total.green_nights,
            self.nights.len()
        );
        let _ = writeln!(
            text,
            "lasting changes for the worse: {}; called in their first night {}, within three more {}, later {}, never {}",
            total.worse_changes,
            total.noticed_at_once,
            total.noticed_soon,
            total.noticed_late,
            total.never_noticed
        );
    }

    fn list(&self, all: bool, text: &mut String) {
        if self.changes.is_empty() {
            return;
        }
        let mut changes: Vec<&LastingChange> = self.changes.iter().collect();
        if !all {
            changes.sort_by(|a, b| b.change_pct.abs().total_cmp(&a.change_pct.abs()));
        }
        let listed = if all { changes.len() } else { LISTED };
        let mut table = Table::new(&[
            "LASTING CHANGE",
            "NEAR",
            "CHANGE>",
            "",
            "CALLED IN",
            "AFTER>",
        ]);
        for change in changes.iter().take(listed) {
            table.row([
                one_line(change.id.trim_end_matches(".mean")),
                one_line(&change.near),
                format!("{:+.1} %", change.change_pct),
                if change.worse { "worse" } else { "better" }.into(),
                change
                    .noticed
                    .as_deref()
                    .map_or_else(|| "never".into(), one_line),
                match change.after_nights {
                    None => String::new(),
                    Some(nights) => plural(nights, "night"),
                },
            ]);
        }
        text.push('\n');
        table.print(text);
        more(changes.len(), listed, "smaller ones", text);
    }
}

fn row(night: &ReplayedNight) -> [String; 8] {
    let shifts: Vec<String> = night
        .host_shifts
        .iter()
        .map(|(profile, pct)| format!("{} {pct:+.1} %", one_line(profile)))
        .collect();
    [
        one_line(&night.name),
        night.build.as_deref().map_or_else(|| "-".into(), one_line),
        night.judged.to_string(),
        night.worse.to_string(),
        night.false_alarms.to_string(),
        night.better.to_string(),
        night.suspect.to_string(),
        shifts.join(", "),
    ]
}
