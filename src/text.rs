//! Small things about words: the nearest name, safe file names, text for a terminal.

pub mod table;

/// Returns the known name nearest to what was typed, if it is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&typed, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Returns a name that is safe as one directory: the older tool's rules, so that paths agree.
///
/// Cut to 255 characters; every byte of a non-ASCII character, a leading dot and each of
/// `< > : " / \ | ? * ;` becomes an underscore.
pub fn file_name(name: &str) -> String {
    let mut safe = String::new();
    for (index, c) in name.chars().take(255).enumerate() {
        match c {
            '.' if index == 0 => safe.push('_'),
            '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*' | ';' => safe.push('_'),
            c if c.is_ascii_control() => safe.push('_'),
            c if c.is_ascii() => safe.push(c),
            c => safe.extend(std::iter::repeat_n('_', c.len_utf8())),
        }
    }
    safe
}

/// Returns `text` without anything a terminal would obey: control and bidirectional characters
/// become U+FFFD, line ends and tabs a blank. For one-line messages that hold foreign data.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Returns a size for people: `1.5 MiB`.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let mut value = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB"].into_iter().peekable();
    while let Some(unit) = units.next() {
        if value < 1024.0 || units.peek().is_none() {
            return if unit == "B" {
                format!("{bytes} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_near() {
        assert_eq!(
            nearest("Localhots", ["Localhost", "TunedLibvirt"]),
            Some("Localhost")
        );
        assert_eq!(nearest("xyz", ["Localhost", "fio"]), None);
    }

    #[test]
    fn file_names_follow_the_older_tool() {
        assert_eq!(file_name("Custom/name"), "Custom_name");
        assert_eq!(file_name(".hidden"), "_hidden");
        assert_eq!(file_name("ř"), "__");
    }

    #[test]
    fn sizes_have_a_digit_from_a_kibibyte_on() {
        assert_eq!(
            [
                size(0),
                size(1023),
                size(1536),
                size(4 << 30),
                size(9 << 40)
            ],
            ["0 B", "1023 B", "1.5 KiB", "4.0 GiB", "9216.0 GiB"]
        );
    }

    #[test]
    fn escape_sequences_do_not_pass() {
        assert_eq!(
            one_line("a\x1b[31mb\nc\u{202e}"),
            "a\u{fffd}[31mb c\u{fffd}"
        );
    }
}
