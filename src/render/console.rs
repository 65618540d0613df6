//! The report on a terminal or in a CI log: what to look at first, the summary line last.

mod context;
mod groups;
mod layout;
mod places;
mod summary;

use std::io::Write;

use self::layout::columns;
pub(crate) use self::summary::summary;
use super::view::View;
use super::words::{self, Words};
use super::{RenderError, Renderer};
use crate::compare::Comparison;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// The summary line.
    Summary,
    /// What needs attention.
    #[default]
    Attention,
    /// All differences and improvements.
    Differences,
    /// Every check too, one line each.
    All,
}

/// Writes the console report.
#[derive(Debug, Clone)]
pub struct Console {
    /// Columns; 120 where there is no terminal.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to use signs beyond ASCII.
    pub unicode: bool,
    /// How much to show.
    pub detail: Detail,
    /// Files written beside this report, as typed.
    pub written: Vec<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            width: 120,
            color: false,
            unicode: true,
            detail: Detail::Attention,
            written: Vec::new(),
        }
    }
}

impl Renderer for Console {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        let mut page = Page::new(self, comparison);
        if self.detail > Detail::Summary {
            page.heading();
            page.every_check();
            page.attention();
            page.errors_and_missing();
            page.good_news();
            page.groups();
            page.changes();
            page.notes();
            page.written();
        }
        page.summary();
        out.write_all(page.text.as_bytes())?;
        Ok(())
    }
}

struct Page<'a> {
    options: &'a Console,
    view: View<'a>,
    words: Words,
    text: String,
}

impl<'a> Page<'a> {
    fn new(options: &'a Console, comparison: &'a Comparison) -> Self {
        let words = if options.unicode {
            Words::TERMINAL
        } else {
            Words::PLAIN
        };
        Self {
            options,
            view: View::new(comparison),
            words,
            text: String::new(),
        }
    }

    fn comparison(&self) -> &'a Comparison {
        self.view.comparison
    }

    fn build(&self, build: &crate::compare::Build) -> String {
        match build
            .distro
            .as_deref()
            .filter(|distro| !distro.is_empty() && *distro != build.name)
        {
            Some(distro) => format!("{} ({})", self.clean(&build.name), self.clean(distro)),
            None => self.clean(&build.name),
        }
    }

    fn heading(&mut self) {
        let comparison = self.comparison();
        let references = words::plural(comparison.references.len(), "reference");
        let line = |src: &str, dst: &str| format!("Comparing {src} with {dst}, {references}");
        let full = line(&self.build(&comparison.src), &self.build(&comparison.dst));
        match columns(&full) <= self.options.width {
            true => self.line(&full),
            false => self.line(&line(
                &self.clean(&comparison.src.name),
                &self.clean(&comparison.dst.name),
            )),
        }
        if self.options.detail >= Detail::Differences {
            self.line(&format!("Judged by {}", words::rule(comparison.rule)));
            for line in &comparison.judged_by {
                let line = format!("  {}", self.clean(line));
                self.line(&line);
            }
        }
        self.gap();
    }

    /// `regression ID 114912 101352 -11.8% band=-6.7..+6.7`: for grep, so always in ASCII signs.
    fn every_check(&mut self) {
        if self.options.detail < Detail::All {
            return;
        }
        let plain = Words::PLAIN;
        let value = |value: Option<f64>| value.map_or("-".to_owned(), |v| plain.number(v));
        let comparison = self.comparison();
        for check in comparison.metrics.iter().chain(&comparison.groups) {
            let change = match (words::moved(check), check.check) {
                (None, _) => "-".to_owned(),
                (Some(change), crate::metric::Check::Stddev) => {
                    format!("{}pp", plain.signed(change))
                }
                (Some(change), _) => format!("{}%", plain.signed(change)),
            };
            let band = plain
                .band(check)
                .map_or(String::new(), |band| format!(" band={band}"));
            let id = self.clean(check.id.as_str());
            let line = format!(
                "{} {id} {} {} {change}{band}",
                check.status.word(),
                value(check.src),
                value(check.dst)
            );
            self.line(&line);
        }
        for error in self.view.errors().collect::<Vec<_>>() {
            let line = format!("error {} - - -", self.clean(error.id.as_str()));
            self.line(&line);
        }
        self.gap();
    }

    fn written(&mut self) {
        if !self.options.written.is_empty() {
            let files: Vec<String> = self
                .options
                .written
                .iter()
                .map(|file| self.clean(file))
                .collect();
            self.line(&format!("Written: {}", files.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{clean_night, hostile_comparison, sample_comparison};

    fn render(options: &Console, comparison: &Comparison) -> String {
        let mut out = Vec::new();
        options
            .render(comparison, &mut out)
            .expect("memory takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    fn console(width: usize) -> Console {
        Console {
            width,
            written: vec!["report.html".to_owned(), "report.xml".to_owned()],
            ..Console::default()
        }
    }

    #[test]
    fn eighty_columns() {
        let text = render(&console(80), &sample_comparison());
        let lines: Vec<&str> = text.lines().collect();
        // The summary is one line, whatever its length: it is what survives in a CI log.
        assert!(
            lines[..lines.len() - 1]
                .iter()
                .all(|line| columns(line) <= 80),
            "{text}"
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_hundred_and_twenty_columns() {
        let text = render(&console(120), &sample_comparison());
        assert!(text.lines().all(|line| columns(line) <= 120), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn ascii() {
        let text = render(
            &Console {
                unicode: false,
                ..console(80)
            },
            &sample_comparison(),
        );
        assert!(text.is_ascii());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colours_are_named_and_closed() {
        let text = render(
            &Console {
                color: true,
                ..console(80)
            },
            &sample_comparison(),
        );
        insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
    }

    #[test]
    fn everything_at_most_detail() {
        insta::assert_snapshot!(render(
            &Console {
                detail: Detail::All,
                ..console(120)
            },
            &sample_comparison()
        ));
    }

    #[test]
    fn quiet_is_the_summary_line() {
        let text = render(
            &Console {
                detail: Detail::Summary,
                ..console(80)
            },
            &sample_comparison(),
        );
        assert_eq!(
            text,
            "FAIL: 3 regressions in 2 places, 1 error, 1 missing, 1 suspect, 1 flaky, 1 improvement, 1 new, 3 of 12 within band\n"
        );
    }

    #[test]
    fn a_clean_night_fits_forty_lines_whatever_its_size() {
        for width in [80, 120] {
            let text = render(&console(width), &clean_night(5000));
            assert!(text.lines().count() <= 40, "{text}");
            assert!(text.lines().all(|line| columns(line) <= width), "{text}");
            assert_eq!(text.lines().last(), Some("PASS: 5000 of 5000 within band"));
        }
    }

    #[test]
    fn nothing_from_data_reaches_the_terminal_as_a_command() {
        for detail in [
            Detail::Summary,
            Detail::Attention,
            Detail::Differences,
            Detail::All,
        ] {
            for extra in ["", &"x".repeat(1_000_000)] {
                let text = render(
                    &Console {
                        detail,
                        ..console(80)
                    },
                    &hostile_comparison(extra),
                );
                assert!(
                    text.chars().all(|c| c == '\n' || !c.is_control()),
                    "{detail:?}"
                );
                assert!(!text.contains('\u{202e}'));
            }
        }
    }
}
