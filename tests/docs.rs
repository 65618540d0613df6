//! The manual says what the programs do: options, exit codes, statuses and fields are compared with
//! the tables in `docs/`.

use std::collections::BTreeSet;
use std::path::Path;

use assert_cmd::Command;
use regex::Regex;
use runperf::compare::Status;

const PROGRAMS: [&str; 6] = [
    "run-perf",
    "compare-perf",
    "analyze-perf",
    "diff-perf",
    "strip-run-perf",
    "prep-perf",
];

fn doc(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(program: &str, arg: &str) -> String {
    let output = Command::cargo_bin(program)
        .expect("a program of this package")
        .arg(arg)
        .output()
        .expect("it starts");
    assert!(
        output.status.success(),
        "{program} {arg}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Long options named in the first column of a section's table.
fn documented(section: &str) -> BTreeSet<String> {
    let option = Regex::new(r"--[a-z][a-z-]*").expect("a good expression");
    section
        .lines()
        .filter(|line| line.starts_with("| `-"))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| {
            option
                .find_iter(cell)
                .map(|found| found.as_str().to_owned())
        })
        .collect()
}

#[test]
fn every_option_is_documented_and_every_documented_option_exists() {
    let text = doc("cli.md");
    let sections: Vec<&str> = text.split("\n## ").collect();
    let section = |name: &str| {
        sections
            .iter()
            .find(|section| section.starts_with(name))
            .copied()
            .unwrap_or_default()
    };
    let common = documented(section("All programs"));
    assert!(common.contains("--verbose"), "the common table is read");

    let line = Regex::new(r"(?m)^\s+(?:-[a-zA-Z], )?(--[a-z][a-z-]*)").expect("a good expression");
    for program in PROGRAMS {
        let offered: BTreeSet<String> = line
            .captures_iter(&run(program, "--help"))
            .map(|found| found[1].to_owned())
            .collect();
        let mut expected = documented(section(program));
        assert!(
            !expected.is_empty(),
            "docs/cli.md has a table for {program}"
        );
        expected.extend(common.iter().cloned());
        assert_eq!(
            offered, expected,
            "{program} --help (left) against docs/cli.md (right)"
        );
    }
}

#[test]
fn every_program_prints_a_manual_page_completions_and_its_version() {
    for program in PROGRAMS {
        assert!(
            run(program, "--generate=man").contains(".TH"),
            "{program}: manual page"
        );
        for shell in ["bash", "zsh", "fish"] {
            let script = run(program, &format!("--generate=complete-{shell}"));
            assert!(
                script.contains(program),
                "{program}: completion for {shell}"
            );
        }
        assert!(
            run(program, "--version").contains(env!("CARGO_PKG_VERSION")),
            "{program}: version"
        );
    }
}

#[test]
fn the_status_table_lists_every_status_with_its_letter() {
    let text = doc("statuses.md");
    for status in Status::ALL {
        let row = format!("| {} | {} |", status.word(), status.letter());
        assert!(text.contains(&row), "docs/statuses.md has the row `{row}`");
    }
}

#[test]
fn exit_codes_in_help_are_those_of_the_table() {
    let table = doc("exit-codes.md");
    let code = Regex::new(r"(?m)^\s+(\d+)\s+\S").expect("a good expression");
    for (program, column) in [
        ("run-perf", 2),
        ("compare-perf", 3),
        ("analyze-perf", 4),
        ("strip-run-perf", 4),
        ("prep-perf", 5),
    ] {
        let expected: BTreeSet<String> = table
            .lines()
            .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
            .filter(|line| {
                line.split('|')
                    .nth(column)
                    .is_some_and(|cell| !cell.trim().is_empty())
            })
            .filter_map(|line| line.split('|').nth(1).map(|cell| cell.trim().to_owned()))
            .collect();
        let help = run(program, "--help");
        let (_, codes) = help
            .split_once("Exit codes:")
            .unwrap_or_else(|| panic!("{program} --help lists its exit codes"));
        let offered: BTreeSet<String> = code
            .captures_iter(codes)
            .map(|found| found[1].to_owned())
            .collect();
        assert_eq!(
            offered, expected,
            "{program} --help (left) against docs/exit-codes.md (right)"
        );
    }
}

#[test]
fn every_field_of_a_comparison_is_in_the_format_page() {
    let text = doc("formats.md");
    let schema: serde_json::Value =
        serde_json::from_str(&run("compare-perf", "--print-schema")).expect("a JSON Schema");
    let fields = |node: &serde_json::Value| -> Vec<String> {
        node["properties"]
            .as_object()
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default()
    };
    let mut all = fields(&schema);
    assert!(all.contains(&"verdict".to_owned()), "the schema is read");
    all.extend(fields(&schema["$defs"]["CheckResult"]));
    let section = text
        .split("## Comparison")
        .nth(1)
        .expect("docs/formats.md has the section");
    for field in all {
        let word = Regex::new(&format!(r"\b{field}\b")).expect("a field is a word");
        assert!(
            word.is_match(section),
            "docs/formats.md, Comparison: the field `{field}` is missing"
        );
    }
}
