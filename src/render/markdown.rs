//! Markdown for a GitHub step summary or a GitLab comment, at most 60 000 bytes.
//!
//! The hidden first line names the build, so that a job can replace its earlier comment. What does not
//! fit is cut by whole places, never in the middle of a table row.

use std::io::Write;

use super::changes;
use super::console::summary;
use super::view::{Place, View};
use super::words::{self, Words};
use super::{RenderError, Renderer};
use crate::compare::{CheckResult, Comparison, Status, Verdict};

/// GitHub takes 65 536 characters of a comment; some are left for what a job adds.
const MOST_BYTES: usize = 60_000;
/// Metrics shown of one place.
const MOST_OF_PLACE: usize = 6;
/// A name longer than this helps nobody.
const LONGEST_TEXT: usize = 300;

/// Writes the Markdown report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Markdown;

impl Renderer for Markdown {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        out.write_all(page(comparison).as_bytes())?;
        Ok(())
    }
}

/// Text that stops growing at its limit, by whole pieces.
struct Page {
    text: String,
    left_out: usize,
}

impl Page {
    /// Room for the closing words.
    const RESERVE: usize = 1_000;

    fn add(&mut self, piece: &str) -> bool {
        let fits =
            self.left_out == 0 && self.text.len() + piece.len() <= MOST_BYTES - Self::RESERVE;
        match fits {
            true => self.text.push_str(piece),
            false => self.left_out += 1,
        }
        fits
    }
}

fn page(comparison: &Comparison) -> String {
    let view = View::new(comparison);
    let sign = words::verdict_shape(comparison.verdict);
    let head = format!(
        "{}: {}",
        words::verdict(comparison.verdict),
        escape(&summary(&view))
    );
    // A comment ends at the first `--`; the name is made safe for that.
    let name: String = comparison
        .dst
        .name
        .chars()
        .take(80)
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._+".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut page = Page {
        text: format!("<!-- compare-perf:{name} -->\n"),
        left_out: 0,
    };
    if comparison.verdict == Verdict::Pass {
        page.text.push_str(&format!(
            "{sign} {head}. SRC {} → DST {}, {}.\n",
            escape(&comparison.src.name),
            escape(&comparison.dst.name),
            words::plural(comparison.references.len(), "reference")
        ));
        return page.text;
    }
    page.text.push_str(&format!("### {sign} {head}\n\n"));
    let likely: Vec<String> = changes::likely(comparison, 4)
        .iter()
        .map(|likely| escape(&likely.sentence("→")))
        .collect();
    let changed = if likely.is_empty() {
        String::new()
    } else {
        format!(" Changed: {}.", likely.join(", "))
    };
    page.text.push_str(&format!(
        "SRC {} → DST {}, {}.{changed}\n\n",
        escape(&comparison.src.name),
        escape(&comparison.dst.name),
        words::plural(comparison.references.len(), "reference")
    ));
    table(&mut page, &view, &[Status::Regression, Status::Missing]);
    errors(&mut page, &view);
    fold(&mut page, &view);
    if page.left_out > 0 {
        page.text.push_str(&format!(
            "\n{} left out; the HTML report has all of it.\n",
            words::plural(page.left_out, "place")
        ));
    }
    page.text
}

const HEAD: &str =
    "| | where | metric | SRC | DST | change | since |\n|---|---|---|--:|--:|--:|---|\n";

fn table(page: &mut Page, view: &View<'_>, statuses: &[Status]) {
    let places: Vec<Place<'_>> = statuses
        .iter()
        .flat_map(|status| view.places(*status))
        .collect();
    if places.is_empty() {
        return;
    }
    page.add(HEAD);
    for place in &places {
        page.add(&rows(view, place));
    }
    page.add("\n");
}

fn rows(view: &View<'_>, place: &Place<'_>) -> String {
    let rich = Words::RICH;
    let references = view.comparison.references.len();
    let mut text = String::new();
    // What is missing has no figures to show, so one row says how much it is.
    let most = if place.status == Status::Missing {
        1
    } else {
        MOST_OF_PLACE
    };
    let shown = if place.checks.len() <= most {
        place.checks.len()
    } else {
        most
    };
    for check in &place.checks[..shown] {
        let value = |v: Option<f64>| v.map_or("–".to_owned(), |v| rich.number(v));
        let change = match (rich.change(check), words::turn(check).word()) {
            (None, _) => place.status.word().to_owned(),
            (Some(change), word) => format!("**{change}** {word}"),
        };
        let since = match (check.outside_builds, check.since.as_deref()) {
            (1, _) if references > 0 => "this build".to_owned(),
            (2.., Some(since)) => escape(since),
            _ => String::new(),
        };
        let unit = if check.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", escape(&check.unit))
        };
        let spread = if check.check == crate::metric::Check::Stddev {
            " spread"
        } else {
            ""
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {since} |\n",
            rich.shape(place.status),
            escape(&place.name()),
            match (words::is_average(check), &check.basis) {
                (true, Some(basis)) => escape(basis),
                _ => escape(&check.metric) + spread + &unit + &clients(check),
            },
            value(check.src),
            value(check.dst),
            change.trim_end(),
        ));
    }
    if shown < place.checks.len() {
        let more = words::plural(place.checks.len() - shown, "more metric");
        text.push_str(&format!(
            "| {} | {} | and {more} | | | | |\n",
            rich.shape(place.status),
            escape(&place.name())
        ));
    }
    text
}

/// Returns a second line of a cell that names the client that stands apart, if one does.
fn clients(check: &CheckResult) -> String {
    let apart = check.clients.iter().any(|one| one.apart);
    let said = Words::RICH.clients(check).filter(|_| apart);
    said.map_or(String::new(), |said| format!("<br>{}", escape(&said)))
}

fn errors(page: &mut Page, view: &View<'_>) {
    for error in &view.comparison.errors {
        let same = if error.same_in_src {
            " (the same in SRC)"
        } else {
            ""
        };
        let line = format!(
            "- {} **{}**: {}{same}\n",
            Words::RICH.shape(Status::Error),
            escape(&error.place),
            escape(&error.message)
        );
        page.add(&line);
    }
    if !view.comparison.errors.is_empty() {
        page.add("\n");
    }
}

fn fold(page: &mut Page, view: &View<'_>) {
    let statuses = [
        Status::Suspect,
        Status::Flaky,
        Status::Improvement,
        Status::New,
    ];
    let mut said: Vec<String> = statuses
        .iter()
        .filter(|status| view.count(**status) > 0)
        .map(|status| words::counted(view.count(*status), *status))
        .collect();
    said.push(words::counted(view.count(Status::Within), Status::Within));
    let places: Vec<Place<'_>> = statuses
        .iter()
        .flat_map(|status| view.places(*status))
        .collect();
    if places.is_empty() {
        page.add(&format!("{}.\n", said.join(", ")));
        return;
    }
    if !page.add(&format!(
        "<details><summary>{}</summary>\n\n{HEAD}",
        said.join(", ")
    )) {
        return;
    }
    for place in &places {
        page.add(&rows(view, place));
    }
    // Opened, so it must be closed: the reserve has room.
    page.text.push_str("\n</details>\n");
}

/// Returns foreign text that Markdown and HTML take literally, on one line.
fn escape(foreign: &str) -> String {
    let end = foreign
        .char_indices()
        .nth(LONGEST_TEXT)
        .map_or(foreign.len(), |(end, _)| end);
    let mut text = String::with_capacity(end + 16);
    for c in crate::text::one_line(&foreign[..end]).chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            // As entities, so that neither a mention nor a reference to an issue comes of it.
            '@' => text.push_str("&#64;"),
            '#' => text.push_str("&#35;"),
            // A colon and a dot make links of bare addresses.
            ':' if text.ends_with("http") || text.ends_with("https") || text.ends_with("ftp") => {
                text.push_str("&#58;");
            }
            '\\' | '`' | '|' | '*' | '[' | ']' | '~' | '!' => {
                text.push('\\');
                text.push(c);
            }
            '\u{2028}' | '\u{2029}' => text.push(' '),
            c => text.push(c),
        }
    }
    if end < foreign.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{clean_night, hostile_comparison, sample_comparison};

    #[test]
    fn a_failing_night() {
        insta::assert_snapshot!(page(&sample_comparison()));
    }

    #[test]
    fn a_pass_is_one_line() {
        let text = page(&clean_night(1000));
        assert_eq!(
            text.lines().count(),
            2,
            "the hidden line and the verdict: {text}"
        );
        assert!(text.starts_with("<!-- compare-perf:1284 -->\n✔ PASS: 1000 of 1000 within band."));
    }

    #[test]
    fn a_bad_night_is_cut_by_whole_places() {
        let mut comparison = clean_night(3000);
        comparison.verdict = Verdict::Fail;
        for check in &mut comparison.metrics {
            check.status = Status::Regression;
        }
        let text = page(&comparison);
        assert!(text.len() <= MOST_BYTES, "{}", text.len());
        assert!(
            text.lines()
                .filter(|line| line.starts_with("| ▼"))
                .all(|line| line.ends_with('|'))
        );
        assert!(text.contains("places left out"));
    }

    #[test]
    fn hostile_text_is_taken_literally() {
        for extra in [
            "",
            &"https://evil.example [x](javascript:y) ".repeat(20_000),
        ] {
            let text = page(&hostile_comparison(extra));
            assert!(text.len() <= MOST_BYTES, "{}", text.len());
            assert!(
                !text.contains("<script") && !text.contains("<img") && !text.contains("https:"),
                "{text}"
            );
            assert!(!text.contains('@') && !text.contains('\u{202e}') && !text.contains('\u{1b}'));
            let columns = text
                .lines()
                .filter(|line| line.starts_with("| "))
                .map(|line| line.replace("\\|", "").matches('|').count());
            assert!(
                columns.into_iter().all(|count| count == 8),
                "a pipe of a name makes no column: {text}"
            );
        }
    }
}
