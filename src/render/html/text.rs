//! Foreign text on its way into the page: cut, as a fragment of an address, as a link.

pub(super) use crate::render::template::{LONGEST_TEXT, cut};

/// Returns the plain signs of a sentence as the page has them everywhere: minus and times.
pub(super) fn typographic(text: &str) -> String {
    let mut nice = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let number = chars.peek().is_some_and(char::is_ascii_digit);
        nice.push(match c {
            '-' if number && nice.ends_with(' ') => '\u{2212}',
            c => c,
        });
    }
    nice.replace(" x the band", "× the band")
}

/// Returns text for the fragment of an address: everything that a browser would change on the way, or
/// that means something in a query, as `%XX`.
pub(super) fn encode(text: &str, query: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '*' => true,
            '/' | ':' | '@' | '!' | '(' | ')' | ',' | ';' | '=' | '~' => !query,
            _ => false,
        };
        if plain {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    encoded
}

/// Returns an address only when following it is harmless.
pub(super) fn web(url: Option<&str>) -> Option<String> {
    let url = url?.trim();
    let lower = url.get(..8).or(Some(url))?.to_ascii_lowercase();
    let good = (lower.starts_with("http://") || lower.starts_with("https://"))
        && url.len() < 2000
        && !url.chars().any(char::is_control);
    good.then(|| url.to_owned())
}

/// Returns a command line that a shell would read the same way.
pub(super) fn command(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c));
        if plain {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(web(Some(" https://a/b ")).as_deref(), Some("https://a/b"));
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https:\u{0}//x",
            "//x",
            "ř",
            "",
        ] {
            assert_eq!(web(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn only_signs_of_numbers_are_changed() {
        assert_eq!(
            typographic(" clat-x -6.8 %, 1.4 x the band, since build rhel-10-5"),
            " clat-x \u{2212}6.8 %, 1.4× the band, since build rhel-10-5"
        );
    }

    #[test]
    fn fragments_survive_a_browser() {
        assert_eq!(encode("A/b:./x 1%\"ř", false), "A/b:./x%201%25%22%C5%99");
        assert_eq!(encode("a&b=c/d", true), "a%26b%3Dc%2Fd");
    }
}
