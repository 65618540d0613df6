//! `--list`: every profile, test and provisioner with its parameters.

use crate::config::{Config, Kind};
use crate::profiles::registry::{COMMON_PARAMS, PROFILES};
use crate::provisioners::registry::PROVISIONERS;
use crate::registry::{Available, Entry};
use crate::tests::params::Param;
use crate::tests::registry::TESTS;
use crate::text::one_line;

/// Lines are no longer than this, in characters.
const WIDTH: usize = 100;
/// Where the sentence about a parameter begins.
const SUMMARY_AT: usize = 34;

/// Returns what `--list` prints.
pub(super) fn list(config: &Config) -> String {
    let mut out = String::new();
    section(&mut out, "Profiles (--profiles NAME[:JSON])", PROFILES);
    declared(&mut out, config, Kind::Profile);
    out.push_str("  parameters of every profile\n");
    COMMON_PARAMS
        .iter()
        .for_each(|param| parameter(&mut out, param));
    section(&mut out, "\nTests (TEST is NAME[:JSON])", TESTS);
    declared(&mut out, config, Kind::Test);
    out.push_str("  parameters of every test\n");
    let name = Param {
        name: "__NAME__",
        aliases: &[],
        default: "its own name",
        summary: "Name in paths and ids",
    };
    parameter(&mut out, &name);
    section(
        &mut out,
        "\nProvisioners (--provisioner NAME[:JSON])",
        PROVISIONERS,
    );
    out
}

fn section<B>(out: &mut String, title: &str, entries: &[Entry<B>]) {
    out.push_str(title);
    out.push('\n');
    for entry in entries
        .iter()
        .filter(|entry| matches!(entry.available, Available::Built(_)))
    {
        let aliases = entry.aliases.join(", ");
        let also = if aliases.is_empty() {
            aliases
        } else {
            format!(", also {aliases}")
        };
        out.push_str(&format!("  {} [built-in{also}]\n", entry.name));
        wrapped(out, 6, 6, entry.summary);
        entry.params.iter().for_each(|param| parameter(out, param));
    }
    let later: Vec<&Entry<B>> = entries
        .iter()
        .filter(|entry| matches!(entry.available, Available::NotYet))
        .collect();
    if !later.is_empty() {
        out.push_str("  not in this build yet\n");
        for entry in later {
            let start = format!("      {}", entry.name);
            pair(out, &start, entry.summary);
        }
    }
}

/// Names the configuration adds, with what they stand for.
fn declared(out: &mut String, config: &Config, kind: Kind) {
    for declared in config.declared(kind).values() {
        out.push_str(&format!(
            "  {} [{}]\n",
            one_line(&declared.name),
            declared.origin
        ));
        let params: Vec<String> = declared
            .params
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let with = if params.is_empty() {
            String::new()
        } else {
            format!(" with {}", params.join(", "))
        };
        wrapped(out, 6, 6, &one_line(&format!("{}{with}", declared.extends)));
    }
}

fn parameter(out: &mut String, param: &Param) {
    let aliases: String = param
        .aliases
        .iter()
        .map(|alias| format!(", {alias}"))
        .collect();
    let start = format!("      {}{aliases}", param.name);
    let default = if param.default.is_empty() {
        String::new()
    } else {
        format!(" [default: {}]", param.default)
    };
    pair(out, &start, &format!("{}{default}", param.summary));
}

/// Writes a name, and what it means in the column beside it; below it where the name is too long.
fn pair(out: &mut String, start: &str, text: &str) {
    out.push_str(start);
    let used = start.chars().count();
    if used + 2 > SUMMARY_AT {
        out.push('\n');
        wrapped(out, SUMMARY_AT, SUMMARY_AT, text);
    } else {
        wrapped(out, SUMMARY_AT - used, SUMMARY_AT, text);
    }
}

/// Writes words up to [`WIDTH`]; `first` blanks before the first line, `indent` before the others.
fn wrapped(out: &mut String, first: usize, indent: usize, text: &str) {
    out.push_str(&" ".repeat(first));
    let mut column = indent;
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_everything_and_fits_a_terminal() {
        let list = list(&Config::default());
        for name in crate::registry::names(TESTS).chain(crate::registry::names(PROFILES)) {
            assert!(list.contains(name), "{name} is missing");
        }
        for line in list.lines() {
            assert!(line.chars().count() <= WIDTH, "too long: {line}");
            assert_eq!(line.trim_end(), line, "blanks at the end");
        }
    }
}
