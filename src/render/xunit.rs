//! JUnit files as Jenkins, GitLab and GitHub really read them.
//!
//! One suite a profile and one for groups; one case a primary check. Names hold no values, so that a
//! failure's age counts from the first bad build. The older tool's form is in [`compat`].

pub mod compat;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::changes;
use super::view::{Place, View, name};
use super::words::{self, Words};
use super::{RenderError, Renderer};
use crate::compare::{CheckResult, Comparison, ErrorInfo, Rule, Status};
use crate::metric::{Check, MetricId};

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

/// Suites in their order: profiles as they come, groups last.
type Suites = BTreeMap<(usize, String), Suite>;

#[derive(Debug, Default)]
struct Suite {
    cases: Vec<Case>,
}

impl Suite {
    fn count(&self, element: &str) -> usize {
        self.cases
            .iter()
            .filter(|case| case.outcome.as_ref().is_some_and(|o| o.element == element))
            .count()
    }
}

#[derive(Debug)]
struct Case {
    classname: String,
    name: String,
    outcome: Option<Outcome>,
    note: Option<String>,
}

/// `failure`, `error` or `skipped`.
#[derive(Debug)]
struct Outcome {
    element: &'static str,
    kind: Option<String>,
    message: String,
    text: String,
}

impl Xunit {
    fn suites(&self, view: &View<'_>) -> Suites {
        let comparison = view.comparison;
        let failing = view.places(Status::Regression);
        let mut suites = Suites::new();
        let mut order: Vec<String> = Vec::new();
        let mut place_of = |profile: &str| {
            let at = order
                .iter()
                .position(|known| known == profile)
                .unwrap_or_else(|| {
                    order.push(profile.to_owned());
                    order.len() - 1
                });
            (at, profile.to_owned())
        };
        for check in comparison
            .metrics
            .iter()
            .filter(|check| check.primary || self.all)
        {
            let case = self.case(
                view,
                check,
                &failing,
                classname(&check.id),
                case_name(check),
            );
            suites
                .entry(place_of(&check.profile))
                .or_default()
                .cases
                .push(case);
        }
        for error in view.errors() {
            let profile = if error.id.profile() == "*" {
                "run"
            } else {
                error.id.profile()
            };
            suites
                .entry(place_of(profile))
                .or_default()
                .cases
                .push(failure(error, comparison.references.len()));
        }
        for check in &comparison.groups {
            let group = format!(
                "{} {} {}",
                name(&check.profile, &check.test, &check.iteration),
                check.kind,
                check.metric
            );
            let spread = if check.check == Check::Stddev {
                " stddev"
            } else {
                ""
            };
            let group = group.replace(" *", "");
            let case = self.case(
                view,
                check,
                &failing,
                "groups".to_owned(),
                format!("{group}{spread}"),
            );
            suites
                .entry((usize::MAX, "groups".to_owned()))
                .or_default()
                .cases
                .push(case);
        }
        for suite in suites.values_mut() {
            make_unique(&mut suite.cases);
        }
        suites
    }

    fn case(
        &self,
        view: &View<'_>,
        check: &CheckResult,
        failing: &[Place<'_>],
        classname: String,
        name: String,
    ) -> Case {
        let message = message(view, check);
        let details = || self.details(view, check, failing);
        let failure = |kind: &str| Outcome {
            element: "failure",
            kind: Some(kind.to_owned()),
            message: message.clone(),
            text: details(),
        };
        let (outcome, note) = match check.status {
            Status::Regression => (Some(failure("regression")), None),
            Status::Improvement if self.fail_on_gain => (Some(failure("improvement")), None),
            Status::Error => (
                Some(Outcome {
                    element: "error",
                    kind: Some("error".to_owned()),
                    message: message.clone(),
                    text: details(),
                }),
                None,
            ),
            Status::Missing if self.allow_missing => {
                let reason = format!("{message} (allowed by --allow-missing)");
                (
                    Some(Outcome {
                        element: "skipped",
                        kind: None,
                        text: reason.clone(),
                        message: reason,
                    }),
                    None,
                )
            }
            Status::Missing => (
                Some(Outcome {
                    element: "error",
                    kind: Some("missing".to_owned()),
                    message: message.clone(),
                    text: details(),
                }),
                None,
            ),
            Status::Flaky | Status::Suspect | Status::Improvement | Status::New => {
                (None, Some(format!("{}: {message}", check.status.word())))
            }
            Status::Within => (None, None),
        };
        Case {
            classname,
            name,
            outcome,
            note,
        }
    }

    /// Everything a mail has to say: it holds nothing else.
    fn details(&self, view: &View<'_>, check: &CheckResult, failing: &[Place<'_>]) -> String {
        let comparison = view.comparison;
        let plain = Words::PLAIN;
        let mut lines = vec![format!("id:      {}", check.id)];
        if let Some(change) = plain.change(check) {
            let facts = [
                Some(format!("{change} ({})", words::direction(check.better))),
                plain.bands(check.bands),
                words::since(
                    check.since.as_deref(),
                    check.outside_builds,
                    comparison.references.len(),
                ),
            ];
            lines.push(format!(
                "change:  {}",
                facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
            ));
        }
        if !check.checks.is_empty() {
            let unit = if check.check == Check::Stddev {
                "points"
            } else {
                "%"
            };
            let parts: Vec<String> = check
                .checks
                .iter()
                .map(|part| {
                    format!(
                        "{} {} {unit} (weight {})",
                        words::part(part),
                        plain.signed(part.diff_pct),
                        part.weight
                    )
                })
                .collect();
            let limit = check
                .tolerance
                .map_or(String::new(), |limit| format!("; limit {limit} {unit}"));
            lines.push(format!("checks:  {}{limit}", parts.join(", ")));
        }
        if let Some(basis) = &check.basis {
            lines.push(format!("basis:   {basis}"));
        }
        if !check.samples.src.is_empty() || !check.samples.dst.is_empty() {
            lines.push(format!(
                "samples: SRC {}  DST {}",
                list(&check.samples.src),
                list(&check.samples.dst)
            ));
        }
        let also: Vec<String> = failing
            .iter()
            .filter(|place| place.checks.iter().any(|other| other.id == check.id))
            .flat_map(|place| &place.checks)
            .filter(|other| other.id != check.id)
            .take(8)
            .filter_map(|other| {
                Some(format!(
                    "{} {}",
                    other.metric,
                    plain.change_in_words(other)?
                ))
            })
            .collect();
        if !also.is_empty() {
            lines.push(format!("also:    {}", also.join(", ")));
        }
        if !check.params_changed.is_empty() {
            lines.push(format!("params:  {}", check.params_changed.join(", ")));
        }
        let changed: Vec<String> = changes::likely(comparison, 4)
            .iter()
            .map(|likely| {
                let since = likely
                    .change
                    .since
                    .as_deref()
                    .map_or(String::new(), |since| format!(" (build {since})"));
                cut(&likely.sentence(plain.arrow()), 200) + &since
            })
            .collect();
        if !changed.is_empty() {
            lines.push(format!("changed: {}", changed.join(", ")));
        }
        if let Some(report) = &self.report {
            lines.push(format!("report:  {report}#{}", check.id));
        }
        lines.join("\n")
    }

    fn suite(
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

fn failure(error: &ErrorInfo, references: usize) -> Case {
    let same = match (error.same_in_src, error.in_references, references) {
        (true, _, _) => ", the same in SRC".to_owned(),
        (false, n, references) if references > 0 => {
            format!(", so in {n} of {references} references")
        }
        _ => String::new(),
    };
    Case {
        classname: classname(&error.id),
        name: "recorded failure".to_owned(),
        outcome: Some(Outcome {
            element: "error",
            kind: Some(cut(&error.class, 80)),
            message: format!("{}{same}", cut(&error.message, 1000)),
            text: format!(
                "place: {}\nlog:   {}\n\n{}",
                error.place,
                error.log,
                cut(&error.text, 4000)
            ),
        }),
        note: None,
    }
}

/// Returns one sentence: what moved, from where to where, how far from normal, since when.
fn message(view: &View<'_>, check: &CheckResult) -> String {
    let plain = Words::PLAIN;
    let references = view.comparison.references.len();
    let unit = if check.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", check.unit)
    };
    let found = format!(
        "{} of {references} references have it",
        View::present(check)
    );
    match (check.src, check.dst, plain.change_in_words(check)) {
        (Some(_), None, _) if references > 0 => format!("in SRC, not in DST; {found}"),
        (Some(_), None, _) => "in SRC, not in DST".to_owned(),
        (None, Some(dst), _) => format!(
            "in DST ({}{unit}), not in SRC: nothing to compare with",
            plain.number(dst)
        ),
        (src, dst, change) => {
            let value = |v: Option<f64>| v.map_or("?".to_owned(), |v| plain.number(v));
            let mut text = change.unwrap_or_else(|| "changed".to_owned());
            if src.is_some() {
                text.push_str(&format!(": {} -> {}{unit}", value(src), value(dst)));
            }
            if let Some(band) = plain.band(check) {
                text.push_str(&format!(
                    ", band {band} {}",
                    if check.check == Check::Stddev {
                        "points"
                    } else {
                        "%"
                    }
                ));
            }
            if let Some(since) =
                words::since(check.since.as_deref(), check.outside_builds, references)
            {
                text.push_str(&format!(
                    ", {}",
                    since.split(" (").next().unwrap_or_default()
                ));
            }
            text
        }
    }
}

fn classname(id: &MetricId) -> String {
    let parts: Vec<String> = [id.profile(), id.test()]
        .into_iter()
        .filter(|part| *part != "*")
        .map(|part| part.replace('.', "_"))
        .collect();
    if parts.is_empty() {
        "run".to_owned()
    } else {
        parts.join(".")
    }
}

fn case_name(check: &CheckResult) -> String {
    let spread = if check.check == Check::Stddev {
        " stddev"
    } else {
        ""
    };
    let serial = match check.serial.parse::<u32>() {
        Ok(0) => String::new(),
        Ok(serial) => format!(" #{}", u64::from(serial) + 1),
        Err(_) if check.serial == "*" => String::new(),
        Err(_) => format!(" #{}", check.serial),
    };
    format!(
        "{} {} {}{spread}{serial}",
        check.iteration, check.kind, check.metric
    )
}

/// Of two cases with one name GitLab counts only the first.
fn make_unique(cases: &mut [Case]) {
    let mut seen = HashSet::new();
    for case in cases {
        // The reader sees what the XML holds, so that is what must differ.
        case.classname = xml_text(&cut(&case.classname, LONGEST_NAME));
        case.name = xml_text(&cut(&case.name, LONGEST_NAME));
        let name = case.name.clone();
        let mut number = 2;
        while !seen.insert((case.classname.clone(), case.name.clone())) {
            case.name = format!("{name} #{number}");
            number += 1;
        }
    }
}

fn list(values: &[f64]) -> String {
    const MOST: usize = 12;
    let mut text: Vec<String> = values
        .iter()
        .take(MOST)
        .map(|value| Words::PLAIN.number(*value))
        .collect();
    if values.len() > MOST {
        text.push(format!("and {} more", values.len() - MOST));
    }
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.join(" ")
    }
}

/// Returns at most `most` characters.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns text with everything XML 1.0 cannot hold replaced, and bidirectional controls with it.
fn xml_text(text: &str) -> String {
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

/// Names and messages stay readable: a 1 MB name would be repeated a dozen times.
const LONGEST_ATTRIBUTE: usize = 2000;
/// A name must stay whole with its number behind it.
const LONGEST_NAME: usize = 1000;

fn start<'a>(name: &'a str, attributes: &[(&'a str, &str)]) -> BytesStart<'a> {
    let mut element = BytesStart::new(name);
    for (name, value) in attributes {
        let value = xml_text(&cut(value, LONGEST_ATTRIBUTE)).replace(['\n', '\t'], " ");
        element.push_attribute((*name, value.as_str()));
    }
    element
}

fn with_text(
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

#[cfg(test)]
mod tests {
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
