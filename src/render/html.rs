//! The HTML report: one file that opens from anywhere and loads nothing.
//!
//! [`page`] lays the comparison out, `templates/report.html.j2` writes it with auto-escaping on, and a
//! policy with the hashes of our own style and script forbids everything else. The page is complete
//! without the script; the script adds search, order and the large charts from the [`data`] block.

mod builds;
mod data;
mod diff;
mod environment;
mod facts;
mod failures;
mod groups;
mod incidents;
mod page;
mod rows;
mod spark;
mod text;

use std::io::Write;

use minijinja::value::{Serde, Value};

use super::template::{self, STYLE, hash};
use super::{RenderError, Renderer};
use crate::compare::Comparison;

const TEMPLATE: &str = include_str!("../../templates/report.html.j2");
const SCRIPT: &str = include_str!("../../templates/report.js");

/// Rows of the full table; above that those of greatest change.
const MOST_ROWS: usize = 5000;

/// Writes the HTML report.
#[derive(Debug, Clone)]
pub struct Html {
    /// Leave out whole environment values, keep only what changed in a line.
    pub small: bool,
    /// Newest references drawn for each metric.
    pub history: usize,
    /// Time of writing, in words.
    pub generated: String,
}

impl Default for Html {
    fn default() -> Self {
        Self {
            small: false,
            history: 30,
            generated: String::new(),
        }
    }
}

impl Renderer for Html {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        let page = page::Page::new(comparison, self);
        let data = data::block(&page, comparison)?;
        let context = minijinja::context! {
            // Constants of this program, and JSON in which no `<` is left.
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            data => Value::from_safe_string(data),
            style_hash => hash(STYLE),
            script_hash => hash(SCRIPT),
            page => Serde(&page),
        };
        let text = template::fill(TEMPLATE, context)?;
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{clean_night, hostile_comparison, sample_comparison};

    fn render(comparison: &Comparison) -> String {
        let mut out = Vec::new();
        let html = Html {
            generated: "2026-11-22 05:44 UTC".to_owned(),
            ..Html::default()
        };
        html.render(comparison, &mut out)
            .expect("memory takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_failing_night() {
        let text = render(&sample_comparison())
            .replace(STYLE, "STYLE")
            .replace(SCRIPT, "SCRIPT");
        let text = text
            .replace(&hash(STYLE), "sha256-STYLE")
            .replace(&hash(SCRIPT), "sha256-SCRIPT");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_same_comparison_gives_the_same_bytes() {
        assert_eq!(render(&sample_comparison()), render(&sample_comparison()));
    }

    #[test]
    fn no_foreign_text_becomes_markup() {
        let tags = |text: &str| {
            let body = text.replace(STYLE, "").replace(SCRIPT, "");
            let mut tags: Vec<String> = regex::Regex::new("<[a-zA-Z][a-z0-9]*")
                .expect("a good pattern")
                .find_iter(&body)
                .map(|m| m.as_str().to_owned())
                .collect();
            tags.sort();
            tags.dedup();
            tags
        };
        let mut known = tags(&render(&sample_comparison()));
        known.extend(["<code".to_owned()]);
        for extra in ["", &"<b onclick=x>".repeat(50_000)] {
            let text = render(&hostile_comparison(extra));
            for tag in tags(&text) {
                assert!(known.contains(&tag), "{tag}");
            }
            assert!(
                !text.contains("href=\"javascript:")
                    && !text.contains('\u{202e}')
                    && !text.contains('\u{1b}')
            );
            assert_eq!(
                text.matches("</script>").count(),
                2,
                "the data block and the script"
            );
            assert!(
                text.len() < 800_000,
                "a megabyte in every field is cut: {}",
                text.len()
            );
        }
    }

    #[test]
    fn a_big_night_stays_within_its_budget() {
        let mut comparison = clean_night(6000);
        for check in &mut comparison.metrics {
            let history = check.history.clone();
            check.history = history.iter().cycle().take(30).copied().collect();
        }
        comparison.references = (0..30)
            .map(|n| crate::compare::Build {
                name: n.to_string(),
                ..comparison.dst.clone()
            })
            .collect();
        let text = render(&comparison);
        assert_eq!(text.matches("<tr id=").count(), MOST_ROWS);
        assert!(text.contains("5\u{202f}000 of 6\u{202f}000"));
        assert!(text.len() < 150_000 + 800 * MOST_ROWS, "{}", text.len());
    }

    #[test]
    fn a_night_in_which_everything_moved_stays_within_the_budget() {
        use crate::compare::Status;

        for count in [1000, 200] {
            let mut comparison = crate::render::sample::night(count, 30);
            comparison.incidents.clear();
            let statuses = [
                Status::Regression,
                Status::Flaky,
                Status::Improvement,
                Status::Within,
            ];
            let moved = comparison.metrics[1].clone();
            for (index, check) in comparison.metrics.iter_mut().enumerate() {
                check.status = statuses[index % 4];
                check.checks.clone_from(&moved.checks);
            }
            let text = render(&comparison);
            let budget = 150_000 + 800 * comparison.metrics.len();
            assert!(text.len() < budget, "{count}: {} of {budget}", text.len());
        }
    }

    #[test]
    fn thirty_clients_of_a_metric_stay_within_the_budget() {
        let mut comparison = crate::render::sample::night(1000, 30);
        let changes: Vec<f64> = (0..30).map(|n| f64::from(n) / 3.0 - 5.0).collect();
        let without = render(&comparison).len();
        for check in &mut comparison.metrics {
            check.clients = crate::render::sample::clients(&changes);
        }
        let text = render(&comparison);
        assert!(
            text.len() < 150_000 + 800 * 1000,
            "{} of {without}",
            text.len()
        );
        assert_eq!(
            text.matches("192.0.2.17-1").count(),
            1,
            "their names stand there once"
        );
    }

    /// Not a check: what tests/report/run looks at in a browser when it is given no report.
    #[test]
    fn reports_for_the_browser() {
        let Some(folder) = std::env::var_os("RUNPERF_REPORTS") else {
            return;
        };
        let folder = std::path::PathBuf::from(folder);
        for (name, comparison) in [
            ("sample", sample_comparison()),
            ("hostile", hostile_comparison("")),
            ("pass", clean_night(60)),
            ("night", crate::render::sample::night(1000, 30)),
            ("big", crate::render::sample::night(4990, 30)),
        ] {
            std::fs::write(folder.join(format!("{name}.html")), render(&comparison))
                .expect("the folder can be written");
        }
    }

    #[test]
    fn what_is_flaky_because_it_is_missing_says_so() {
        let mut comparison = sample_comparison();
        for check in &mut comparison.metrics {
            if check.status == crate::compare::Status::Flaky {
                (check.dst, check.change_pct) = (None, None);
            }
        }
        let text = render(&comparison);
        assert!(text.contains("<b>missing</b>") && !text.contains("<b>from 0</b>"));
    }

    #[test]
    fn nothing_to_compare_and_no_references_are_shown_too() {
        let mut comparison = sample_comparison();
        comparison.references.clear();
        for check in comparison.metrics.iter_mut().chain(&mut comparison.groups) {
            check.history.clear();
        }
        assert!(render(&comparison).contains("FAIL"));
        let mut nothing = clean_night(0);
        nothing.verdict = crate::compare::Verdict::Error;
        nothing.references.clear();
        assert!(render(&nothing).contains("<title>ERROR"));
    }
}
