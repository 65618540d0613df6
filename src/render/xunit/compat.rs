//! The older tool's xUnit file, byte for byte: one suite, a case a primary record.

use std::io::Write;

use crate::compare::{CheckResult, Comparison};
use crate::render::RenderError;

/// Writes it. The head counts all records although only primary ones are listed, as the older tool does.
pub(super) fn render(
    comparison: &Comparison,
    timestamp: &str,
    out: &mut dyn Write,
) -> Result<(), RenderError> {
    let child = |check: &CheckResult| match check.compat_status.as_deref() {
        Some("FAIL") => Some("failure"),
        Some("FAIL_GAIN") => Some("skipped"),
        Some("ERROR") => Some("error"),
        _ => None,
    };
    let listed: Vec<&CheckResult> = comparison
        .metrics
        .iter()
        .filter(|check| check.primary)
        .collect();
    let count = |kind: &str| {
        listed
            .iter()
            .filter(|check| child(check) == Some(kind))
            .count()
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"runperf\" timestamp=\"{}\" tests=\"{}\" errors=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"0.000\">\n",
        escape(timestamp),
        comparison.metrics.len(),
        count("error"),
        count("failure"),
        count("skipped"),
    );
    for check in listed {
        let id = check.id.as_str();
        let (class, name) = id.rsplit_once('/').unwrap_or(("", id));
        xml.push_str(&format!(
            "\t<testcase classname=\"{}\" name=\"{}\" time=\"0.000\"",
            text(class),
            text(name)
        ));
        match child(check) {
            None => xml.push_str("/>\n"),
            Some(kind) => xml.push_str(&format!(
                ">\n\t\t<{kind} type=\"{kind}\" message=\"{}\"/>\n\t</testcase>\n",
                text(&check.details)
            )),
        }
    }
    xml.push_str("</testsuite>\n");
    out.write_all(xml.as_bytes())?;
    Ok(())
}

/// Returns text with everything but printable ASCII, line ends and blanks as `\xHH` (by byte below 256,
/// else by character), then escaped.
fn text(foreign: &str) -> String {
    let mut safe = String::with_capacity(foreign.len());
    for c in foreign.chars() {
        match c {
            ' '..='~' | '\n' | '\r' => safe.push(c),
            c => safe.push_str(&format!("\\x{:02x}", u32::from(c))),
        }
    }
    escape(&safe)
}

/// Escapes what the older tool escapes, and line ends, which a reader would turn into blanks.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Rule;
    use crate::render::sample::{hostile_comparison, sample_comparison};

    fn rendered(mut comparison: Comparison) -> String {
        comparison.rule = Rule::Compat;
        let mut out = Vec::new();
        render(&comparison, "2024-01-31T10:15:00.123456", &mut out)
            .expect("memory takes everything");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn the_older_form_is_kept_to_the_byte() {
        let mut comparison = sample_comparison();
        for (check, status) in
            comparison
                .metrics
                .iter_mut()
                .zip(["FAIL", "MINOR_LOSS", "FAIL", "ERROR", "FAIL_GAIN"])
        {
            check.compat_status = Some(status.to_owned());
            check.details = "SMALL raw -6.83% (1; 2) +-5% tolerance".to_owned();
        }
        comparison.metrics.truncate(5);
        insta::assert_snapshot!(rendered(comparison));
    }

    #[test]
    fn hostile_text_becomes_ascii() {
        let text = rendered(hostile_comparison("\u{1f600}"));
        assert!(text.is_ascii());
        assert!(text.contains("\\x1b[31m\\x00\\x202e"));
        assert!(text.contains("\\x1f600"));
        quick_xml::Reader::from_str(&text)
            .read_event()
            .expect("well-formed");
        let mut reader = quick_xml::Reader::from_str(&text);
        while !matches!(
            reader.read_event().expect("well-formed"),
            quick_xml::events::Event::Eof
        ) {}
    }
}
