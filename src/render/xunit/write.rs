//! XML that stays well-formed and readable whatever a result holds.

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::Xunit;
use super::cases::Suite;
use crate::compare::Comparison;
use crate::render::words;

/// Names and messages stay readable: a 1 MB name would be repeated a dozen times.
const LONGEST_ATTRIBUTE: usize = 2000;

impl Xunit {
    /// Writes one suite: who was compared, then its cases.
    pub(super) fn suite(
        &self,
        xml: &mut Writer<Vec<u8>>,
        comparison: &Comparison,
        name: &str,
        suite: &Suite,
    ) -> std::io::Result<()> {
        let host = comparison.dst.machines.join(" ");
        xml.write_event(Event::Start(start(
            "testsuite",
            &[
                ("name", name),
                ("timestamp", &self.timestamp),
                ("hostname", &host),
                ("tests", &suite.cases.len().to_string()),
                ("failures", &suite.count("failure").to_string()),
                ("errors", &suite.count("error").to_string()),
                ("skipped", &suite.count("skipped").to_string()),
                ("time", "0.000"),
            ],
        )))?;
        xml.write_event(Event::Start(BytesStart::new("properties")))?;
        for (name, value) in [
            ("src", comparison.src.name.as_str()),
            ("dst", &comparison.dst.name),
            ("references", &comparison.references.len().to_string()),
            ("rule", words::rule(comparison.rule)),
        ] {
            xml.write_event(Event::Empty(start(
                "property",
                &[("name", name), ("value", value)],
            )))?;
        }
        xml.write_event(Event::End(BytesEnd::new("properties")))?;
        for case in &suite.cases {
            let element = start(
                "testcase",
                &[
                    ("classname", &case.classname),
                    ("name", &case.name),
                    ("time", "0.000"),
                ],
            );
            if case.outcome.is_none() && case.note.is_none() {
                xml.write_event(Event::Empty(element))?;
                continue;
            }
            xml.write_event(Event::Start(element))?;
            if let Some(outcome) = &case.outcome {
                let mut attributes = Vec::new();
                attributes.extend(outcome.kind.as_deref().map(|kind| ("type", kind)));
                attributes.push(("message", outcome.message.as_str()));
                with_text(
                    xml,
                    start(outcome.element, &attributes),
                    outcome.element,
                    &outcome.text,
                )?;
            }
            if let Some(note) = &case.note {
                with_text(xml, BytesStart::new("system-out"), "system-out", note)?;
            }
            xml.write_event(Event::End(BytesEnd::new("testcase")))?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuite")))
    }
}

/// Returns at most `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns text with everything XML 1.0 cannot hold replaced, and bidirectional controls with it.
pub(super) fn xml_text(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | ' '..='\u{7e}' => c,
            '\r' => '\n',
            c if c.is_control() => '\u{fffd}',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                '\u{fffd}'
            }
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

pub(super) fn start<'a>(name: &'a str, attributes: &[(&'a str, &str)]) -> BytesStart<'a> {
    let mut element = BytesStart::new(name);
    for (name, value) in attributes {
        let value = xml_text(&cut(value, LONGEST_ATTRIBUTE)).replace(['\n', '\t'], " ");
        element.push_attribute((*name, value.as_str()));
    }
    element
}

pub(super) fn with_text(
    xml: &mut Writer<Vec<u8>>,
    element: BytesStart<'_>,
    name: &str,
    text: &str,
) -> std::io::Result<()> {
    xml.write_event(Event::Start(element))?;
    let text: String = text
        .lines()
        .map(|line| cut(line, LONGEST_ATTRIBUTE))
        .collect::<Vec<_>>()
        .join("\n");
    xml.write_event(Event::Text(BytesText::new(&xml_text(&text))))?;
    xml.write_event(Event::End(BytesEnd::new(name)))
}
