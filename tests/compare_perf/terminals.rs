//! The console report where it is read: terminals of two widths, without colours, a dumb one, a pipe, and
//! a locale without Unicode.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{compare, nights, recorded, write_result};

#[expect(clippy::print_stdout, reason = "a test says what it leaves out")]
fn skipped(reason: &str) {
    println!("skipped: {reason}");
}

/// Runs compare-perf on a terminal of so many columns; `None` (and said) where none can be made.
fn on_terminal(dir: &Path, columns: usize, env: &[(&str, &str)]) -> Option<String> {
    let program = assert_cmd::cargo::cargo_bin("compare-perf");
    let line = format!(
        "stty cols {columns} rows 40 && '{}' -t 5 -- {}",
        program.display(),
        nights().join(" ")
    );
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .env("LC_ALL", "C.UTF-8")
        .envs(env.iter().copied());
    let Ok(ran) = command.output() else {
        skipped("no script(1) to make a terminal with");
        return None;
    };
    let text = String::from_utf8(ran.stdout)
        .expect("UTF-8")
        .replace('\r', "");
    assert_eq!(ran.status.code(), Some(2), "{text}");
    Some(text)
}

/// Returns text as a snapshot shows it.
fn visible(text: &str) -> String {
    text.replace('\u{1b}', "ESC")
}

fn without_colours(text: &str) -> String {
    let colour = regex::Regex::new("\u{1b}\\[[0-9;]*m").expect("a pattern");
    colour.replace_all(text, "").into_owned()
}

#[test]
fn a_terminal_of_eighty_columns() {
    let dir = recorded();
    let Some(text) = on_terminal(dir.path(), 80, &[]) else {
        return;
    };
    insta::assert_snapshot!(visible(&text));
    let plain = without_colours(&text);
    let lines: Vec<&str> = plain.lines().collect();
    // The last line is for logs and may be as long as it is.
    assert!(
        lines[..lines.len() - 1]
            .iter()
            .all(|line| line.chars().count() <= 80),
        "{plain}"
    );
    assert!(
        lines[lines.len() - 1].starts_with("FAIL: "),
        "the summary is last: {plain}"
    );
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        assert_eq!(
            on_terminal(dir.path(), 80, &[(name, value)]).as_ref(),
            Some(&plain),
            "{name}"
        );
    }
}

#[test]
fn a_terminal_of_a_hundred_and_twenty_columns() {
    let dir = recorded();
    let Some(text) = on_terminal(dir.path(), 120, &[]) else {
        return;
    };
    insta::assert_snapshot!(visible(&text));
}

#[test]
fn a_pipe_has_the_widest_form_without_colours() {
    let dir = recorded();
    let nights = nights();
    let args = super::with_nights(&["-t", "5"], &nights);
    let piped = compare(&dir, &args).out;
    insta::assert_snapshot!(visible(&piped));
    if let Some(text) = on_terminal(dir.path(), 120, &[]) {
        assert_eq!(without_colours(&text), piped);
    }
}

#[test]
fn a_locale_without_unicode_gets_ascii() {
    let dir = recorded();
    let Some(text) = on_terminal(dir.path(), 80, &[("LC_ALL", "C"), ("NO_COLOR", "1")]) else {
        return;
    };
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn a_clean_night_is_forty_lines_at_most_and_ends_with_the_verdict() {
    let dir = TempDir::new().expect("a directory");
    let names: Vec<String> = (0..400).map(|n| format!("read-{n}KiB")).collect();
    let all: Vec<(&str, Value, Value)> = names
        .iter()
        .map(|name| (name.as_str(), json!(1000.0), json!(50.0)))
        .collect();
    write_result(&dir, "src", &all);
    write_result(&dir, "dst", &all);
    let ran = compare(&dir, &["-t", "5", "--", "src", "dst"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.lines().count() <= 40, "{}", ran.out);
    assert_eq!(
        ran.out.lines().last(),
        Some("PASS: 1600 of 1600 within band")
    );
}
