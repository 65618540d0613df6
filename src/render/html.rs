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

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use sha2::{Digest, Sha256};

use super::{RenderError, Renderer};
use crate::compare::Comparison;

const TEMPLATE: &str = include_str!("../../templates/report.html.j2");
const STYLE: &str = include_str!("../../templates/report.css");
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
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(|out, _, value| {
            match value {
                value if value.is_none() => {}
                value if value.is_safe() => out.write_str(value.as_str().unwrap_or_default())?,
                value => match value.as_str() {
                    Some(text) => out.write_str(&escape(text))?,
                    None => out.write_str(&escape(&value.to_string()))?,
                },
            }
            Ok(())
        });
        environment.add_template("report.html", TEMPLATE)?;
        let context = minijinja::context! {
            // Constants of this program, and JSON in which no `<` is left.
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            data => Value::from_safe_string(data),
            style_hash => hash(STYLE),
            script_hash => hash(SCRIPT),
            page => Serde(&page),
        };
        let text = environment.get_template("report.html")?.render(context)?;
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

/// Returns `sha256-…` of an inline element, as a Content Security Policy names it.
fn hash(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::from("sha256-");
    for chunk in Sha256::digest(text.as_bytes()).chunks(3) {
        let bytes = [
            chunk[0],
            chunk.get(1).copied().unwrap_or(0),
            chunk.get(2).copied().unwrap_or(0),
        ];
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for place in 0..4 {
            match place <= chunk.len() {
                true => encoded.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63])),
                false => encoded.push('='),
            }
        }
    }
    encoded
}

/// Returns text for an element or a quoted attribute; what a reader cannot see or a browser would turn
/// around becomes U+FFFD.
///
/// Own, because the template engine's also escapes slashes, which would double the size of every id.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            '\r' => {}
            c if c.is_control() => escaped.push('\u{fffd}'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
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
    fn hashes_are_those_of_the_standard() {
        // printf abc | openssl dgst -sha256 -binary | base64
        assert_eq!(
            hash("abc"),
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
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
