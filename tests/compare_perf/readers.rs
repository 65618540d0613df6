//! The JUnit file as Jenkins, GitLab and GitHub read it, each by a small reader that knows what the real
//! one does with it: the table in docs/jenkins.md. No real server is at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use serde_json::json;
use tempfile::TempDir;

use super::{compare, nights, recorded, with_nights, write_result};

/// A case with everything any reader looks at.
#[derive(Debug, Default, Clone, PartialEq)]
struct Case {
    suite: String,
    classname: String,
    name: String,
    /// `failure`, `error`, `skipped`.
    outcome: Option<String>,
    message: String,
    text: String,
    output: String,
}

#[derive(Debug, Default)]
struct File {
    suites: Vec<String>,
    properties: BTreeMap<String, String>,
    cases: Vec<Case>,
}

fn attributes(element: &BytesStart<'_>) -> BTreeMap<String, String> {
    element
        .attributes()
        .map(|attribute| {
            let attribute = attribute.expect("well-formed");
            let value = unescape(&attribute.value).expect("known entities");
            (attribute.key.as_ref().to_owned(), value.into_owned())
        })
        .collect()
}

/// Reads a file; what is no JUnit stops the reading, as it stops Jenkins' publisher.
fn read(xml: &str) -> File {
    let mut reader = Reader::from_str(xml);
    let mut file = File::default();
    let mut stack: Vec<String> = Vec::new();
    loop {
        let event = reader.read_event().expect("well-formed XML");
        let (element, empty) = match &event {
            Event::Start(element) => (element, false),
            Event::Empty(element) => (element, true),
            Event::End(_) => {
                stack.pop();
                continue;
            }
            Event::Text(_) | Event::GeneralRef(_) => {
                let piece = match &event {
                    Event::Text(text) => text.to_string(),
                    Event::GeneralRef(name) => unescape(&format!("&{};", &**name))
                        .expect("a known entity")
                        .into_owned(),
                    _ => unreachable!("matched above"),
                };
                if let Some(case) = file.cases.last_mut() {
                    match stack.last().map(String::as_str) {
                        Some("failure" | "error" | "skipped") => case.text.push_str(&piece),
                        Some("system-out") => case.output.push_str(&piece),
                        _ => {}
                    }
                }
                continue;
            }
            Event::Eof => break,
            Event::Decl(_) => continue,
            other => panic!("nothing else is written: {other:?}"),
        };
        let (name, mut given) = (element.name().as_ref().to_owned(), attributes(element));
        let mut take = |key: &str| given.remove(key).unwrap_or_default();
        match name.as_str() {
            "testsuites" | "properties" | "system-out" => {}
            "testsuite" => file.suites.push(take("name")),
            "property" => {
                let key = take("name");
                let value = take("value");
                file.properties.insert(key, value);
            }
            "testcase" => file.cases.push(Case {
                suite: file.suites.last().cloned().expect("a case is in a suite"),
                classname: take("classname"),
                name: take("name"),
                ..Case::default()
            }),
            "failure" | "error" | "skipped" => {
                let case = file.cases.last_mut().expect("an outcome is in a case");
                case.outcome = Some(name.clone());
                case.message = take("message");
            }
            other => panic!("junit-10 knows no <{other}>"),
        }
        if !empty {
            stack.push(name);
        }
    }
    file
}

/// What Jenkins makes of a case: package and class at the last dot, one history by suite, class and name;
/// message and text both shown; the reason of a skipped one from `message` alone.
fn jenkins(case: &Case) -> (String, String, String) {
    let (package, class) = case
        .classname
        .rsplit_once('.')
        .unwrap_or(("(root)", &case.classname));
    let shown = match case.outcome.as_deref() {
        Some("skipped") => case.message.clone(),
        Some(_) => format!("{}\n{}", case.message, case.text),
        None => case.output.clone(),
    };
    (
        format!("{package}/{class}"),
        format!("{}/{}/{}", case.suite, case.classname, case.name),
        shown,
    )
}

/// What GitLab makes of a case: one of a class and name, the class as the suite; the text, and the message
/// only where there is no text.
fn gitlab(case: &Case) -> (String, String, String) {
    let shown = if case.text.trim().is_empty() {
        &case.message
    } else {
        &case.text
    };
    (
        case.classname.clone(),
        format!("{}/{}", case.classname, case.name),
        shown.clone(),
    )
}

/// What the GitHub actions make of a case: grouped by suite, the message as the annotation.
fn github(case: &Case) -> (String, String, String) {
    (
        case.suite.clone(),
        format!("{}/{}", case.classname, case.name),
        case.message.clone(),
    )
}

type View = fn(&Case) -> (String, String, String);
const READERS: [(&str, View); 3] = [("Jenkins", jenkins), ("GitLab", gitlab), ("GitHub", github)];

/// A night with a regression, a missing iteration, a new one, an improvement and nothing at all.
fn night(dir: &TempDir, factor: f64) {
    let of = |factor: f64, more: &'static str| {
        [
            ("steady", json!(1000.0), json!(50.0)),
            ("slower", json!(1000.0 * factor), json!(50.0 / factor)),
            ("faster", json!(1000.0 / factor), json!(50.0)),
            (more, json!(7.0), json!(7.0)),
        ]
    };
    write_result(dir, "src", &of(1.0, "gone"));
    write_result(dir, "dst", &of(factor, "fresh"));
}

fn xml_of(dir: &TempDir, options: &[&str]) -> String {
    let args: Vec<&str> = ["-t", "5", "--xunit", "r.xml", "--html", "r.html"]
        .iter()
        .chain(options)
        .chain(&["--", "src", "dst"])
        .copied()
        .collect();
    let ran = compare(dir, &args);
    assert!(ran.code == 2 || ran.code == 0, "{}", ran.err);
    fs::read_to_string(dir.path().join("r.xml")).expect("written")
}

#[test]
fn every_reader_sees_every_case_once() {
    let dir = TempDir::new().expect("a directory");
    night(&dir, 0.8);
    for options in [
        &[][..],
        &["--junit-all"],
        &["--allow-missing", "--fail-on-gain"],
    ] {
        let file = read(&xml_of(&dir, options));
        assert!(file.cases.len() >= 8, "{:?}", file.cases);
        for (reader, view) in READERS {
            let names: BTreeSet<String> = file.cases.iter().map(|case| view(case).1).collect();
            assert_eq!(names.len(), file.cases.len(), "{reader} {options:?}");
        }
    }
}

#[test]
fn names_are_the_same_whatever_the_figures() {
    let dir = TempDir::new().expect("a directory");
    let names = |factor: f64| -> BTreeSet<String> {
        night(&dir, factor);
        let file = read(&xml_of(&dir, &[]));
        file.cases.iter().map(|case| jenkins(case).1).collect()
    };
    let bad = names(0.8);
    assert_eq!(bad, names(0.123), "an age is counted by the name");
    assert_eq!(bad, names(1.0), "and a good night has the same cases");
    assert!(
        bad.iter()
            .all(|name| !name.contains('%') && !name.contains("2026")),
        "{bad:?}"
    );
}

#[test]
fn a_suite_is_a_profile_and_groups_are_the_last() {
    let dir = recorded();
    let nights = nights();
    compare(
        &dir,
        &with_nights(&["-t", "5", "--xunit", "r.xml"], &nights),
    );
    let file = read(&fs::read_to_string(dir.path().join("r.xml")).expect("written"));
    assert_eq!(file.suites, ["Localhost", "Localhost2", "groups"]);
    for case in file.cases.iter().filter(|case| case.suite != "groups") {
        assert_eq!(
            jenkins(case).0,
            format!("{}/fio", case.suite),
            "package and class"
        );
        assert_eq!(
            gitlab(case).0,
            format!("{}.fio", case.suite),
            "GitLab names no suite"
        );
    }
    assert_eq!(file.properties["src"], "1");
    assert_eq!(file.properties["references"], "3");
}

#[test]
fn a_failure_says_everything_to_every_reader() {
    let dir = TempDir::new().expect("a directory");
    night(&dir, 0.8);
    let file = read(&xml_of(&dir, &[]));
    let failed = |iteration: &str| {
        let found = file.cases.iter().find(|case| {
            case.name.starts_with(iteration)
                && !case.name.contains("stddev")
                && case.suite != "groups"
        });
        found.unwrap_or_else(|| panic!("a case of {iteration}"))
    };
    let slower = failed("slower");
    assert_eq!(slower.outcome.as_deref(), Some("failure"));
    // Each of them alone: from what to what, how much, which way, and in which place.
    for (reader, view) in READERS {
        let shown = view(slower).2;
        for part in ["-20.0 %", "worse", "1000 -> 800"] {
            assert!(shown.contains(part), "{reader} lacks {part}: {shown}");
        }
    }
    for part in [
        "id:      Localhost/fio/0000:./slower/throughput/iops_sec.mean",
        "report:  r.html#Localhost/fio/0000:./slower/throughput/iops_sec.mean",
        "checks:  ",
        "limit 5 %",
        "also:    clat +25.0 % worse",
    ] {
        assert!(slower.text.contains(part), "{part}: {}", slower.text);
    }
    let gone = failed("gone");
    assert_eq!(gone.outcome.as_deref(), Some("error"));
    assert!(
        READERS
            .iter()
            .all(|(_, view)| view(gone).2.contains("in SRC, not in DST"))
    );
    assert!(failed("faster").output.starts_with("improvement: "));
    assert_eq!(
        (&failed("steady").outcome, failed("steady").output.as_str()),
        (&None, "")
    );

    // Jenkins reads the reason from the attribute, GitLab from the text.
    let allowed = read(&xml_of(&dir, &["--allow-missing"]));
    let skipped: Vec<&Case> = allowed
        .cases
        .iter()
        .filter(|case| case.outcome.as_deref() == Some("skipped"))
        .collect();
    assert_eq!(skipped.len(), 2, "the mean and the spread of `gone`");
    assert!(
        READERS
            .iter()
            .all(|(_, view)| view(skipped[0]).2.contains("--allow-missing"))
    );
}

/// Whether a program is there; says so when not.
#[expect(clippy::print_stdout, reason = "a test says what it leaves out")]
fn there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: no {program}");
    }
    found
}

fn validates(file: &Path) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/junit.xsd");
    let ran = Command::new("xmllint")
        .args(["--noout", "--huge", "--schema"])
        .args([&schema, file])
        .output()
        .expect("it is there");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn the_file_is_valid_against_the_schema() {
    if !there("xmllint") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    night(&dir, 0.8);
    for options in [
        &[][..],
        &["--junit-all"],
        &["--allow-missing", "--fail-on-gain"],
        &["--by-client"],
    ] {
        xml_of(&dir, options);
        validates(&dir.path().join("r.xml"));
    }
    let dir = recorded();
    let nights = nights();
    compare(&dir, &with_nights(&["--xunit", "r.xml"], &nights));
    validates(&dir.path().join("r.xml"));
    // It notices: Jenkins stops at an attribute it does not know.
    let xml = fs::read_to_string(dir.path().join("r.xml")).expect("written");
    let bad = dir.path().join("bad.xml");
    fs::write(
        &bad,
        xml.replacen("<testcase ", "<testcase file=\"a.c\" ", 1),
    )
    .expect("written");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/junit.xsd");
    let ran = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .args([&schema, &bad])
        .output();
    assert!(!ran.expect("it is there").status.success());
}

#[test]
fn hostile_results_stay_text_in_every_report() {
    if !there("python3") {
        return;
    }
    let dir = TempDir::new().expect("a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/hostile.py");
    let made = Command::new("python3").arg(script).arg(dir.path()).status();
    assert!(made.expect("it starts").success());
    let refs = fs::read_dir(dir.path().join("refs")).expect("made");
    let mut refs: Vec<_> = refs.map(|entry| entry.expect("readable").path()).collect();
    refs.sort();
    // Paths that are no UTF-8 are arguments too, so the helper that takes text will not do.
    let run = |options: &[&str]| {
        let mut command =
            assert_cmd::Command::cargo_bin("compare-perf").expect("a program of this package");
        command
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .env("LC_ALL", "C.UTF-8");
        command
            .env_remove("RUNPERF_CONFIG")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("NO_COLOR");
        command
            .args(options)
            .args(["--", "src"])
            .args(&refs)
            .arg("dst");
        command.output().expect("it starts")
    };
    let files = [
        "--html",
        "r.html",
        "--xunit",
        "r.xml",
        "--json",
        "r.json",
        "--markdown",
        "r.md",
        "--plot-csv",
        "r.csv",
    ];
    let ran = run(&[
        &files[..],
        &["-t", "5", "--by-client", "--junit-all", "--color", "never"],
    ]
    .concat());
    assert_eq!(
        ran.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let text = |name: &str| fs::read_to_string(dir.path().join(name)).expect("written, and UTF-8");
    let harmless = |what: &str, text: &str| {
        let bad = text.chars().find(|c| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert_eq!(bad, None, "{what}");
    };
    harmless(
        "the console",
        &String::from_utf8(ran.stdout).expect("UTF-8"),
    );
    harmless("messages", &String::from_utf8(ran.stderr).expect("UTF-8"));
    for name in ["r.html", "r.xml", "r.md", "r.csv"] {
        harmless(name, &text(name));
    }
    let file = read(&text("r.xml"));
    for (reader, view) in READERS {
        let names: BTreeSet<String> = file.cases.iter().map(|case| view(case).1).collect();
        assert_eq!(names.len(), file.cases.len(), "{reader}");
    }
    if there("xmllint") {
        validates(&dir.path().join("r.xml"));
    }
    assert!(serde_json::from_str::<serde_json::Value>(&text("r.json")).is_ok());
    assert!(
        text("r.html").len() < 1_500_000 && text("r.md").len() <= 60_000,
        "a megabyte of name is cut"
    );

    // In colour and at most detail: the only sequences are ours, a colour and its end.
    let own = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("a pattern");
    for detail in ["-q", "-v", "-vv"] {
        let ran = run(&["--color", "always", detail, "-t", "5"]);
        let text = String::from_utf8(ran.stdout).expect("UTF-8");
        harmless(detail, &own.replace_all(&text, ""));
        for sequence in own.find_iter(&text) {
            let ours = [
                "\u{1b}[0m",
                "\u{1b}[1m",
                "\u{1b}[31m",
                "\u{1b}[32m",
                "\u{1b}[33m",
                "\u{1b}[34m",
                "\u{1b}[35m",
            ];
            assert!(ours.contains(&sequence.as_str()), "{sequence:?}");
        }
    }
}
