//! Ansible inventories in INI form: `[group]`, `[group:children]`, `[group:vars]`.

use std::collections::BTreeMap;

use super::machines::Collected;
use crate::text::one_line;

enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
    /// Its heading was wrong; what follows was said with it.
    Unknown,
}

pub(super) fn read(text: &str, into: &mut Collected) {
    let mut section = Section::Hosts("ungrouped".into());
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') && !looks_like_a_range(line) {
            section = heading(number, line, into);
            continue;
        }
        match &section {
            Section::Unknown => {}
            Section::Children(group) => {
                let child = before_comment(line);
                if child.contains(char::is_whitespace) || child.contains('=') {
                    into.fault(
                        number,
                        format!("expected the name of a group, found `{}`", one_line(child)),
                    );
                } else {
                    into.child(group, child);
                }
            }
            Section::Vars(group) => match line.split_once('=') {
                Some((name, value)) => {
                    let value = unquoted(before_comment(value.trim()));
                    into.group_var(group, name.trim(), &value);
                }
                // Not the line: it may hold a password.
                None => into.fault(number, "expected NAME=VALUE, found no `=`"),
            },
            Section::Hosts(group) => host(number, line, group, into),
        }
    }
}

/// `[01:03].example.org` at the start of a line is a machine, `[web:vars]` a heading.
fn looks_like_a_range(line: &str) -> bool {
    let inside = line[1..].split(']').next().unwrap_or_default();
    let rest = &line[(inside.len() + 2).min(line.len())..];
    let numbers = inside
        .split(':')
        .all(|part| part.chars().all(|c| c.is_ascii_digit()));
    numbers && inside.contains(':') && rest.starts_with(|c: char| !c.is_whitespace() && c != '#')
}

fn heading(number: usize, line: &str, into: &mut Collected) -> Section {
    let Some((inside, after)) = line[1..].split_once(']') else {
        into.fault(
            number,
            format!(
                "expected `]` behind the name of a group, found `{}`",
                one_line(line)
            ),
        );
        return Section::Unknown;
    };
    let after = after.trim();
    if !after.is_empty() && !after.starts_with(['#', ';']) {
        into.fault(
            number,
            format!(
                "expected nothing behind `[{inside}]`, found `{}`",
                one_line(after)
            ),
        );
    }
    let (group, kind) = inside.split_once(':').unwrap_or((inside, "hosts"));
    if group.trim().is_empty() {
        into.fault(number, "expected the name of a group, found none");
        return Section::Unknown;
    }
    let group = group.trim().to_owned();
    into.group(&group);
    match kind.trim() {
        "hosts" => Section::Hosts(group),
        "children" => Section::Children(group),
        "vars" => Section::Vars(group),
        other => {
            into.fault(
                number,
                format!(
                    "expected `children` or `vars` behind the colon, found `{}`",
                    one_line(other)
                ),
            );
            Section::Unknown
        }
    }
}

fn host(number: usize, line: &str, group: &str, into: &mut Collected) {
    let words = match words(line) {
        Ok(words) => words,
        Err(message) => return into.fault(number, message),
    };
    let Some((pattern, rest)) = words.split_first() else {
        return;
    };
    let mut vars = BTreeMap::new();
    for word in rest {
        match word.split_once('=') {
            Some((name, value)) => {
                vars.insert(name.to_owned(), value.to_owned());
            }
            // Not the word: what is split wrongly may be a password.
            None => into.fault(
                number,
                format!(
                    "expected NAME=VALUE behind `{}`, found a word without `=`",
                    one_line(pattern)
                ),
            ),
        }
    }
    into.hosts(number, group, pattern, &vars);
}

fn before_comment(text: &str) -> &str {
    match text.find(" #") {
        Some(at) => text[..at].trim_end(),
        None => text,
    }
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        let inner = value
            .strip_prefix(quote)
            .and_then(|value| value.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

/// Splits as a shell does: blanks outside of quotes, a comment at the end.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.extend(chars.next()),
            (c, Some(_)) => word.push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                started = true;
            }
            ('#', None) if word.is_empty() && !started => break,
            (c, None) if c.is_whitespace() => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (c, None) => word.push(c),
        }
    }
    if quote.is_some() {
        return Err("expected the end of a quoted value, found the end of the line".into());
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}
