//! What stands behind the figures: what else changed, and notes on how they were read.

use super::layout::columns;
use super::{Detail, Page};
use crate::render::{changes, words};

impl Page<'_> {
    pub(super) fn changes(&mut self) {
        let comparison = self.comparison();
        let count = changes::count(comparison);
        if count == 0 {
            return;
        }
        let arrow = self.words.arrow();
        if self.options.detail >= Detail::Differences {
            self.line("Changed between SRC and DST:");
            for (kind, entries) in changes::kinds(comparison) {
                for change in entries.iter().take(500) {
                    let since = change.since.as_deref().map_or(String::new(), |since| {
                        format!(", since {}", self.clean(since))
                    });
                    let short = self.fit(&self.clean(&changes::sentence(change, arrow)), 200);
                    let line = format!(
                        "  {} ({}): {short}{since}",
                        self.clean(&changes::title(kind)),
                        self.clean(&change.place)
                    );
                    self.line(&line);
                }
            }
            self.gap();
            return;
        }
        let mut likely: Vec<String> = changes::likely(comparison, 3)
            .into_iter()
            .map(|likely| self.fit(&self.clean(&likely.sentence(arrow)), 60))
            .collect();
        loop {
            let rest = count - likely.len();
            let line = match (likely.is_empty(), rest) {
                (true, _) => format!("Changed: {} (-v)", words::plural(rest, "thing")),
                (false, 0) => format!("Changed: {}", likely.join(", ")),
                (false, _) => format!("Changed: {} and {rest} more (-v)", likely.join(", ")),
            };
            if likely.len() < 2 || columns(&line) <= self.options.width {
                self.line(&line);
                break;
            }
            likely.pop();
        }
    }

    pub(super) fn notes(&mut self) {
        let notes = &self.comparison().notes;
        let shown = if self.options.detail >= Detail::Differences {
            notes.len()
        } else {
            notes.len().min(3)
        };
        for note in notes.iter().take(shown) {
            let line = format!("Note: {}", self.clean(note));
            self.line(&line);
        }
        if notes.len() > shown {
            self.line(&format!(
                "  and {} (-v)",
                words::plural(notes.len() - shown, "more note")
            ));
        }
    }
}
