//! The last line: the verdict and the counts, what survives in a CI log.

use anstyle::{AnsiColor, Style};

use super::Page;
use crate::compare::{Status, Verdict};
use crate::render::view::View;
use crate::render::words;

impl Page<'_> {
    pub(super) fn summary(&mut self) {
        let line = format!(
            "{}: {}",
            words::verdict(self.comparison().verdict),
            summary(&self.view)
        );
        let line = self.clean(&line);
        let (word, rest) = line.split_once(':').unwrap_or((&line, ""));
        let painted = format!(
            "{}:{rest}",
            self.paint(verdict_style(self.comparison().verdict), word)
        );
        self.line(&painted);
    }
}

/// Returns the counts in words: what the summary line says after the verdict.
pub(crate) fn summary(view: &View<'_>) -> String {
    if view.comparison.verdict == Verdict::Error {
        return view.comparison.reason.clone();
    }
    let mut parts = Vec::new();
    for status in Status::ALL {
        let number = view.count(status);
        if status == Status::Within || number == 0 {
            continue;
        }
        let mut part = words::counted(number, status);
        if status == Status::Regression {
            let places = view
                .places(status)
                .iter()
                .filter(|place| view.is_place(place))
                .count();
            part.push_str(&format!(" in {}", words::plural(places, "place")));
            if view.count_primary(status) == 0 {
                part.push_str(" (secondary only)");
            }
        }
        parts.push(part);
    }
    let groups = view.count_groups(Status::Regression);
    if groups > 0 {
        parts.push(words::plural(groups, "group regression"));
    }
    parts.push(format!(
        "{} of {} within band",
        view.count(Status::Within),
        view.total()
    ));
    parts.join(", ")
}

fn verdict_style(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Fail => AnsiColor::Red,
        Verdict::Error => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(color.into())).bold()
}
