//! Leaving out what nobody asked for, before a file is parsed.
//!
//! Samples and their time series are nearly all of a `result.json`. A parser looks at every byte of
//! what it skips; counting brackets over the same bytes is several times faster, so the lists are
//! cut out first and only the rest, some percent, is parsed.

use memchr::memmem::Finder;
use memchr::{memchr, memchr3};

/// Copies a document without the content of the lists that stand under `key`: `"key": []`.
///
/// Returns whether that was done; when not (nothing to leave out, or a list that does not end) the
/// document is to be parsed as it is. What is left out is not checked beyond its brackets and quotes.
pub(super) fn elide(document: &[u8], key: &str, short: &mut Vec<u8>) -> bool {
    short.clear();
    let quoted = format!("\"{key}\"");
    let finder = Finder::new(&quoted);
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = finder.find(&document[from..]) {
        let start = from + found;
        from = start + quoted.len();
        // `\"key"` is the end of a longer text.
        if start.checked_sub(1).map(|before| document[before]) == Some(b'\\') {
            continue;
        }
        let Some(open) = list_after(document, from) else {
            continue;
        };
        let Some(end) = list_end(document, open) else {
            return false;
        };
        short.extend_from_slice(&document[copied..=open]);
        short.push(b']');
        copied = end + 1;
        from = copied;
    }
    short.extend_from_slice(&document[copied..]);
    copied > 0
}

/// Returns the place of the `[` when what stands at `at` is `: [`.
fn list_after(document: &[u8], at: usize) -> Option<usize> {
    let at = skip_space(document, at);
    if document.get(at) != Some(&b':') {
        return None;
    }
    let at = skip_space(document, at + 1);
    (document.get(at) == Some(&b'[')).then_some(at)
}

fn skip_space(document: &[u8], at: usize) -> usize {
    let rest = document.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

/// Returns the place of the `]` that closes the `[` at `open`.
fn list_end(document: &[u8], open: usize) -> Option<usize> {
    let mut depth = 1_usize;
    let mut at = open + 1;
    loop {
        at += memchr3(b'[', b']', b'"', document.get(at..)?)?;
        match document[at] {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => at = text_end(document, at + 1)?,
        }
        if depth == 0 {
            return Some(at);
        }
        at += 1;
    }
}

/// Returns the place of the quote that closes the text starting at `start`.
fn text_end(document: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr(b'"', document.get(at..)?)?;
        let escapes = document[start..at]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        if escapes % 2 == 0 {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::elide;

    fn short(document: &str) -> Option<String> {
        let mut out = Vec::new();
        elide(document.as_bytes(), "samples", &mut out)
            .then(|| String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn lists_under_the_key_are_emptied() {
        assert_eq!(
            short(
                r#"[{"mean":1,"samples" : [ {"a":[1,[2]],"b":"]"} ],"unit":"x"},{"samples":[]}]"#
            )
            .as_deref(),
            Some(r#"[{"mean":1,"samples" : [],"unit":"x"},{"samples":[]}]"#)
        );
    }

    #[test]
    fn texts_are_no_keys() {
        for document in [
            r#"{"note": "the \"samples\": [1, 2"}"#,
            r#"{"a \"samples": [1]}"#,
            r#"{"samples": "[1]"}"#,
            r#"["samples", [1]]"#,
            r#"{"samples": {"a": [1]}}"#,
            "",
        ] {
            assert_eq!(short(document), None, "{document}");
        }
    }

    #[test]
    fn a_text_inside_may_hold_anything() {
        assert_eq!(
            short(r#"{"samples": ["\\", "\"]", "[[", "\\\"]"], "after": 1}"#).as_deref(),
            Some(r#"{"samples": [], "after": 1}"#)
        );
    }

    #[test]
    fn a_list_that_does_not_end_is_left_to_the_parser() {
        for document in [
            r#"{"samples": [1, [2]"#,
            r#"{"samples": ["a]"#,
            r#"{"samples": ["#,
        ] {
            assert_eq!(short(document), None, "{document}");
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let text = r#"[a-z\\\\"\[\]{}:, \n]{0,8}"#;
        let leaf = prop_oneof![
            any::<i32>().prop_map(|number| json!(number)),
            text.prop_map(|text| json!(text))
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let key = prop_oneof![Just("samples".to_owned()), text.prop_map(String::from)];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                proptest::collection::btree_map(key, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// The same by a parser.
    fn emptied(value: Value) -> Value {
        match value {
            Value::Array(list) => list.into_iter().map(emptied).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| {
                    let value = if key == "samples" && value.is_array() {
                        json!([])
                    } else {
                        emptied(value)
                    };
                    (key, value)
                })
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }

    proptest! {
        #[test]
        fn says_what_a_parser_would_say(value in document(), pretty: bool) {
            let text = if pretty {
                serde_json::to_string_pretty(&value)
            } else {
                serde_json::to_string(&value)
            }
            .expect("JSON");
            let got = short(&text).unwrap_or(text);
            prop_assert_eq!(serde_json::from_str::<Value>(&got).expect("JSON"), emptied(value));
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(prop_oneof![
            Just(b'"'), Just(b'['), Just(b']'), Just(b'\\'), Just(b':'), any::<u8>()], 0..60)) {
            let mut document = b"{\"samples\":[".to_vec();
            document.extend(bytes);
            elide(&document, "samples", &mut Vec::new());
        }
    }
}
