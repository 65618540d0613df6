//! What changed between SRC and DST, by kind: entries in a line, texts as a diff.

use serde::Serialize;

use super::diff::{self, Line};
use super::facts;
use super::text::{LONGEST_TEXT, cut};
use crate::compare::Comparison;
use crate::render::changes;

/// Lines of differences a kind.
pub(super) const MOST_CHANGES: usize = 500;

#[derive(Debug, Serialize)]
pub(super) struct Change {
    title: String,
    count: usize,
    /// Entries that are the same on both sides.
    equal: usize,
    open: bool,
    entries: Vec<ChangeEntry>,
    texts: Vec<ChangeText>,
    more: usize,
    with_since: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct ChangeEntry {
    name: String,
    place: String,
    step: facts::Step,
    since: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ChangeText {
    name: String,
    place: String,
    lines: Vec<Line>,
}

pub(super) fn environment(comparison: &Comparison, small: bool) -> Vec<Change> {
    let mut budget = 2 * MOST_CHANGES;
    changes::kinds(comparison)
        .into_iter()
        .map(|(kind, entries)| {
            let most = MOST_CHANGES.min(budget);
            let mut change = Change {
                title: cut(&changes::title(kind), 80),
                count: entries.len(),
                equal: comparison.environment_equal.get(kind).copied().unwrap_or(0),
                open: matches!(
                    kind,
                    "kernel" | "cmdline" | "mitigations" | "packages" | "parameters" | "tool"
                ) && entries.len() <= 40,
                entries: Vec::new(),
                texts: Vec::new(),
                more: 0,
                with_since: entries.iter().any(|entry| entry.since.is_some()),
            };
            let mut used = 0;
            for (index, entry) in entries.iter().enumerate() {
                if used >= most {
                    change.more = entries.len() - index;
                    break;
                }
                let (name, place) = (
                    cut(&entry.name, LONGEST_TEXT),
                    cut(&entry.place, LONGEST_TEXT),
                );
                let many_lines =
                    |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains('\n'));
                if (many_lines(&entry.src) || many_lines(&entry.dst)) && !small {
                    let empty = String::new();
                    let (src, dst) = (
                        entry.src.as_ref().unwrap_or(&empty),
                        entry.dst.as_ref().unwrap_or(&empty),
                    );
                    let lines = diff::lines(src, dst, (most - used).min(200), LONGEST_TEXT);
                    used += lines.len() + 1;
                    change.texts.push(ChangeText { name, place, lines });
                } else {
                    used += 1;
                    let since = entry
                        .since
                        .as_deref()
                        .map_or(String::new(), |since| cut(since, 80));
                    change.entries.push(ChangeEntry {
                        name,
                        place,
                        step: facts::step(entry),
                        since,
                    });
                }
            }
            budget = budget.saturating_sub(used);
            change
        })
        .collect()
}

/// Returns the kinds in which nothing changed, each with its number of entries.
pub(super) fn unchanged(comparison: &Comparison) -> Vec<String> {
    let changed = |kind: &str| {
        let entries = comparison.environment.kinds.get(kind);
        entries.is_some_and(|entries| !entries.is_empty())
    };
    let equal = comparison.environment_equal.iter();
    equal
        .filter(|(kind, count)| **count > 0 && !changed(kind))
        .map(|(kind, count)| {
            let title = cut(&changes::title(kind), 80);
            format!(
                "{title} ({})",
                match count {
                    1 => "1 entry".to_owned(),
                    n => format!("{n} entries"),
                }
            )
        })
        .collect()
}
