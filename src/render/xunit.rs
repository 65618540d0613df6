//! JUnit files as Jenkins, GitLab and GitHub really read them.
//!
//! One suite a profile and one for groups; one case a primary check. Names hold no values, so that a
//! failure's age counts from the first bad build. The older tool's form is in [`compat`].

mod cases;
pub mod compat;
mod story;
mod write;

use std::io::Write;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, Event};

use self::cases::Suite;
use self::write::start;
use super::view::View;
use super::{RenderError, Renderer};
use crate::compare::{Comparison, Rule};

/// Writes the JUnit file; with the rule `compat` in the older tool's form.
#[derive(Debug, Clone, Default)]
pub struct Xunit {
    /// Also secondary metrics.
    pub all: bool,
    /// Missing results do not fail: they are skipped, with the reason.
    pub allow_missing: bool,
    /// Improvements fail.
    pub fail_on_gain: bool,
    /// Time of writing, ISO 8601 without a zone.
    pub timestamp: String,
    /// The HTML report, as a link in failure texts.
    pub report: Option<String>,
}

impl Renderer for Xunit {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        if comparison.rule == Rule::Compat {
            return compat::render(comparison, &self.timestamp, out);
        }
        let view = View::new(comparison);
        let suites = self.suites(&view);
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let total =
            |count: fn(&Suite) -> usize| suites.values().map(count).sum::<usize>().to_string();
        xml.write_event(Event::Start(start(
            "testsuites",
            &[
                ("name", "compare-perf"),
                ("tests", &total(|suite| suite.cases.len())),
                ("failures", &total(|suite| suite.count("failure"))),
                ("errors", &total(|suite| suite.count("error"))),
                ("time", "0.000"),
            ],
        )))?;
        for (name, suite) in &suites {
            self.suite(&mut xml, comparison, &name.1, suite)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
        let mut bytes = xml.into_inner();
        bytes.push(b'\n');
        out.write_all(&bytes)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use quick_xml::Reader;

    use super::*;
    use crate::render::sample::{hostile_comparison, sample_comparison};

    fn render(options: &Xunit, comparison: &Comparison) -> String {
        let mut out = Vec::new();
        options
            .render(comparison, &mut out)
            .expect("memory takes everything");
        String::from_utf8(out).expect("XML is UTF-8")
    }

    fn xunit() -> Xunit {
        Xunit {
            timestamp: "2026-11-22T05:44:00".to_owned(),
            report: Some("report.html".to_owned()),
            ..Xunit::default()
        }
    }

    type Element = (String, String, Vec<(String, String)>);

    /// What a reader of JUnit files sees: (parent, element, attributes), checked against the schema
    /// that Jenkins' xunit plugin uses, as told in docs/jenkins.md.
    fn read(xml: &str) -> Vec<Element> {
        const CHILDREN: [(&str, &[&str]); 9] = [
            ("", &["testsuites"]),
            ("testsuites", &["testsuite"]),
            ("testsuite", &["properties", "testcase"]),
            ("properties", &["property"]),
            ("property", &[]),
            ("testcase", &["skipped", "error", "failure", "system-out"]),
            ("skipped", &[]),
            ("error", &[]),
            ("failure", &[]),
        ];
        const ATTRIBUTES: [(&str, &[&str]); 9] = [
            (
                "testsuites",
                &["name", "tests", "failures", "errors", "time"],
            ),
            (
                "testsuite",
                &[
                    "name",
                    "timestamp",
                    "hostname",
                    "tests",
                    "failures",
                    "errors",
                    "skipped",
                    "time",
                ],
            ),
            ("property", &["name", "value"]),
            ("properties", &[]),
            ("testcase", &["classname", "name", "time"]),
            ("skipped", &["message"]),
            ("error", &["type", "message"]),
            ("failure", &["type", "message"]),
            ("system-out", &[]),
        ];
        let mut reader = Reader::from_str(xml);
        let mut stack = vec![String::new()];
        let mut seen = Vec::new();
        loop {
            let event = reader.read_event().expect("well-formed");
            let (element, empty) = match &event {
                Event::Start(element) => (element, false),
                Event::Empty(element) => (element, true),
                Event::End(_) => {
                    stack.pop();
                    continue;
                }
                Event::Eof => break,
                _ => continue,
            };
            let name = element.name().as_ref().to_owned();
            let parent = stack.last().cloned().unwrap_or_default();
            let allowed = CHILDREN
                .iter()
                .find(|(known, _)| *known == parent)
                .expect("a known parent")
                .1;
            assert!(allowed.contains(&name.as_str()), "{name} in {parent}");
            let attributes: Vec<(String, String)> = element
                .attributes()
                .map(|attribute| {
                    let attribute = attribute.expect("well-formed attributes, none twice");
                    let key = attribute.key.as_ref().to_owned();
                    (key, attribute.value.to_string())
                })
                .collect();
            let known = ATTRIBUTES
                .iter()
                .find(|(known, _)| *known == name)
                .expect("a known element")
                .1;
            for (key, value) in &attributes {
                assert!(known.contains(&key.as_str()), "{key} of {name}");
                assert!(!value.contains('<'), "{value}");
            }
            seen.push((parent, name.clone(), attributes));
            if !empty {
                stack.push(name);
            }
        }
        seen
    }

    fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
        &attributes
            .iter()
            .find(|(key, _)| key == name)
            .expect(name)
            .1
    }

    #[test]
    fn every_status_becomes_what_the_table_says() {
        insta::assert_snapshot!(render(&xunit(), &sample_comparison()));
    }

    #[test]
    fn counts_in_the_head_equal_the_cases() {
        for options in [
            xunit(),
            Xunit {
                all: true,
                ..xunit()
            },
            Xunit {
                allow_missing: true,
                fail_on_gain: true,
                ..xunit()
            },
        ] {
            let seen = read(&render(&options, &sample_comparison()));
            let count = |name: &str| {
                seen.iter()
                    .filter(|(_, element, _)| element == name)
                    .count()
                    .to_string()
            };
            let head = &seen[0].2;
            assert_eq!(attribute(head, "tests"), count("testcase"));
            assert_eq!(attribute(head, "failures"), count("failure"));
            assert_eq!(attribute(head, "errors"), count("error"));
        }
    }

    #[test]
    fn allowed_missing_results_are_skipped_and_gains_fail_when_asked() {
        let text = render(
            &Xunit {
                allow_missing: true,
                fail_on_gain: true,
                ..xunit()
            },
            &sample_comparison(),
        );
        assert!(text.contains("<skipped message=\"in SRC, not in DST; 8 of 8 references have it (allowed by --allow-missing)\">in SRC"));
        assert!(text.contains("<failure type=\"improvement\""));
        assert!(!text.contains("type=\"missing\""));
    }

    #[test]
    fn hostile_text_stays_text_and_names_stay_apart() {
        for extra in ["", &"ž".repeat(1_000_000)] {
            let seen = read(&render(
                &Xunit {
                    all: true,
                    ..xunit()
                },
                &hostile_comparison(extra),
            ));
            let mut names = HashSet::new();
            for (_, element, attributes) in &seen {
                if element == "testcase" {
                    assert!(names.insert((
                        attribute(attributes, "classname"),
                        attribute(attributes, "name")
                    )));
                }
            }
        }
        let text = render(&xunit(), &hostile_comparison(""));
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "nothing outside XML 1.0"
        );
        assert!(!text.contains("]]>"));
    }

    #[test]
    fn a_second_serial_and_a_twin_get_a_number() {
        let mut comparison = sample_comparison();
        let mut second = comparison.metrics[0].clone();
        second.serial = "0001".to_owned();
        comparison.metrics.push(second.clone());
        comparison.metrics.push(second);
        let text = render(&xunit(), &comparison);
        for name in ["iops_sec\"", "iops_sec #2\"", "iops_sec #2 #2\""] {
            assert_eq!(
                text.matches(&format!("name=\"randread-4KiB throughput {name}"))
                    .count(),
                1,
                "{name}"
            );
        }
    }
}
