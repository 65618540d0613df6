//! Filling HTML templates: escaping is on, and the page says which style and script may run.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use sha2::{Digest, Sha256};

/// The looks of every page.
pub(super) const STYLE: &str = include_str!("../../templates/report.css");
/// What the pages have in common: shapes, statuses.
const PARTS: &str = include_str!("../../templates/parts.html.j2");

/// Characters of any foreign text on the page.
pub(super) const LONGEST_TEXT: usize = 300;

/// Returns at most `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns a page; everything but safe strings is escaped.
pub(super) fn fill(template: &str, context: Value) -> Result<String, minijinja::Error> {
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
    environment.add_template("parts.html", PARTS)?;
    environment.add_template("page.html", template)?;
    environment.get_template("page.html")?.render(context)
}

/// Returns `sha256-…` of an inline element, as a Content Security Policy names it.
pub(super) fn hash(text: &str) -> String {
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

    #[test]
    fn hashes_are_those_of_the_standard() {
        // printf abc | openssl dgst -sha256 -binary | base64
        assert_eq!(
            hash("abc"),
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }
}
