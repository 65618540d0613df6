//! Arguments with an inner form: `NAME[:JSON]` of profiles, tests and provisioners,
//! `[NAME:]ADDRESS` of hosts, `KEY=VALUE` of metadata.

use std::net::IpAddr;

use serde_json::{Map, Value};

/// `NAME[:JSON]` as typed; whether the name exists is found out later.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Before the first colon.
    pub name: String,
    /// Behind it; empty without a colon.
    pub params: Map<String, Value>,
}

/// `[NAME:]ADDRESS` as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostArg {
    /// Short name; that of the address up to its first dot when none was given.
    pub name: String,
    /// Name or number of the machine.
    pub address: String,
    /// `USER@` before the address.
    pub user: Option<String>,
    /// `:PORT` behind it.
    pub port: Option<u16>,
}

/// Splits `NAME[:JSON]` at the first colon and reads the parameters.
///
/// # Errors
/// One text for the person who typed it: what is wrong, where, and the text around it.
pub fn parse_item(typed: &str) -> Result<Item, String> {
    let (name, params) = match typed.split_once(':') {
        None => (typed, Map::new()),
        Some((name, json)) => (
            name,
            parse_object(json, &format!("the parameters of `{name}`"))?,
        ),
    };
    if name.trim().is_empty() {
        return Err(
            "the name before the colon is empty; expected NAME or NAME:{\"PARAMETER\": VALUE}"
                .into(),
        );
    }
    Ok(Item {
        name: name.trim().to_owned(),
        params,
    })
}

/// Reads a JSON object.
///
/// # Errors
/// As [`parse_item`]; `what` names the text in the message.
pub fn parse_object(json: &str, what: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str::<Value>(json) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!(
            "{what} must be a JSON object like {{\"runtime\": 10}}, found {}",
            kind_of(&other)
        )),
        Err(error) => Err(format!(
            "{what} are not valid JSON: {}",
            explain(json, &error)
        )),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Says what serde_json said, then shows the place: the line with a caret below it.
fn explain(json: &str, error: &serde_json::Error) -> String {
    const BEFORE: usize = 40;
    const AFTER: usize = 24;
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let line = json
        .lines()
        .nth(error.line().saturating_sub(1))
        .unwrap_or("");
    // serde_json counts bytes; a caret counts characters.
    let bytes = error.column().saturating_sub(1).min(line.len());
    let at = line
        .char_indices()
        .take_while(|(index, _)| *index < bytes)
        .count();
    let from = at.saturating_sub(BEFORE);
    let shown: String = line.chars().skip(from).take(at - from + AFTER).collect();
    let more = |cut: bool| if cut { "..." } else { "" };
    let (left, right) = (more(from > 0), more(line.chars().count() > at + AFTER));
    let column = left.len() + at - from;
    format!(
        "{message} at line {}, character {}\n  {left}{}{right}\n  {:column$}^",
        error.line().max(1),
        at + 1,
        crate::text::one_line(&shown),
        ""
    )
}

/// Splits `[NAME:]ADDRESS` or `NAME:[USER@]ADDRESS[:PORT]`; IPv6 addresses stand in brackets, or alone.
///
/// # Errors
/// One text for the person who typed it.
pub fn parse_host(typed: &str) -> Result<HostArg, String> {
    let bare = |text: &str| {
        text.strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text)
            .to_owned()
    };
    let is_address = bare(typed).parse::<IpAddr>().is_ok();
    let (mut user, mut port) = (None, None);
    let (name, address) = match typed.split_once(':') {
        Some((name, place)) if !is_address => {
            let place = match place.rsplit_once('@') {
                Some((who, place)) => {
                    user = Some(who.to_owned());
                    place
                }
                None => place,
            };
            // One colon only: more of them are an IPv6 address.
            let (address, number) = match place.rsplit_once(':') {
                Some((address, number)) if address.ends_with(']') || !address.contains(':') => {
                    (address, Some(number))
                }
                _ => (place, None),
            };
            if let Some(number) = number {
                let read = number.parse::<u16>().ok().filter(|port| *port > 0);
                port = Some(read.ok_or_else(|| format!("`{number}` is no port, in `{typed}`"))?);
            }
            (name.to_owned(), bare(address))
        }
        _ => {
            let address = bare(typed);
            // The older tool calls 192.168.122.6 `192`, and so do existing results.
            (
                address.split('.').next().unwrap_or(&address).to_owned(),
                address,
            )
        }
    };
    if name.is_empty() || address.is_empty() || user.as_deref() == Some("") {
        return Err(format!(
            "expected ADDRESS or NAME:[USER@]ADDRESS[:PORT], found `{typed}`"
        ));
    }
    if address
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '/')
    {
        return Err(format!("`{address}` cannot be an address"));
    }
    Ok(HostArg {
        name,
        address,
        user,
        port,
    })
}

/// Splits `KEY=VALUE` at the first equals sign.
///
/// # Errors
/// One text for the person who typed it.
pub fn parse_metadata(typed: &str) -> Result<(String, String), String> {
    match typed.split_once('=') {
        Some((key, _))
            if key.is_empty() || key.contains([':', '\n', '\r']) || key.starts_with('#') =>
        {
            Err(format!(
                "`{key}` cannot be a metadata key: it would not survive in the `key:value` lines of RUNPERF_METADATA"
            ))
        }
        Some((_, value)) if value.contains(['\n', '\r']) => {
            Err("a metadata value is one line".into())
        }
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("expected KEY=VALUE, found `{typed}`")),
    }
}

/// Reads a time: `90`, `90s`, `45m`, `2h 30m`; a bare number is seconds.
///
/// # Errors
/// One text for the person who typed it.
pub fn parse_duration(typed: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("expected a time like `90s`, `45m` or `2h 30m`, found `{typed}`");
    if let Ok(seconds) = typed.trim().parse::<u64>() {
        return Ok(std::time::Duration::from_secs(seconds));
    }
    let span: jiff::SignedDuration = typed.parse().map_err(|_| wrong())?;
    span.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_start_at_the_first_colon() {
        let item = parse_item(r#"fio:{"targets": "/dev/a:b"}"#).expect("valid");
        assert_eq!(item.name, "fio");
        assert_eq!(item.params["targets"], "/dev/a:b");
        assert!(parse_item("fio").expect("valid").params.is_empty());
    }

    #[test]
    fn broken_json_is_shown_with_a_caret_at_the_place() {
        let error = parse_item(r#"fio:{"type":"read" "runtime":10}"#).expect_err("comma missing");
        assert_eq!(
            error,
            "the parameters of `fio` are not valid JSON: expected `,` or `}` at line 1, character 16\n  \
             {\"type\":\"read\" \"runtime\":10}\n  \x20              ^"
        );
        assert!(parse_item("fio:").expect_err("nothing").contains("EOF"));
        assert!(
            parse_item("fio:[1]")
                .expect_err("list")
                .contains("found a list")
        );
        assert!(parse_item(":{}").is_err());
    }

    #[test]
    fn the_text_around_a_far_error_is_cut_on_both_sides() {
        let json = format!(
            "{{\"a\": \"{}\", \u{20ac} \"b\": \"{}\"}}",
            "x".repeat(80),
            "y".repeat(80)
        );
        let error = parse_object(&json, "they").expect_err("a stray sign");
        let lines: Vec<&str> = error.lines().collect();
        assert!(
            lines[1].starts_with("  ...") && lines[1].ends_with("..."),
            "{error}"
        );
        let caret = lines[2].chars().count() - 1;
        assert_eq!(lines[1].chars().nth(caret), Some('\u{20ac}'), "{error}");
    }

    #[test]
    fn hosts_are_named_as_the_older_tool_names_them() {
        let host = |typed: &str| parse_host(typed).map(|host| (host.name, host.address));
        let pair = |name: &str, address: &str| Ok((name.to_owned(), address.to_owned()));
        assert_eq!(host("foo:127.0.0.1"), pair("foo", "127.0.0.1"));
        assert_eq!(host("192.168.122.6"), pair("192", "192.168.122.6"));
        assert_eq!(host("::1"), pair("::1", "::1"));
        assert_eq!(host("six:[::1]"), pair("six", "::1"));
        assert!(host("foo:").is_err());
        let place = |typed: &str| {
            parse_host(typed).map(|host| (host.user.unwrap_or_default(), host.address, host.port))
        };
        let there = |user: &str, address: &str, port| Ok((user.into(), address.into(), port));
        assert_eq!(place("foo:me@lab:2022"), there("me", "lab", Some(2022)));
        assert_eq!(place("foo:[::1]:22"), there("", "::1", Some(22)));
        assert_eq!(place("foo:a@2001:db8::1"), there("a", "2001:db8::1", None));
        assert!(place("foo:lab:x").is_err() && place("foo:@lab").is_err());
        assert!(host("a b").is_err());
    }

    #[test]
    fn metadata_is_split_at_the_first_equals_sign() {
        assert_eq!(
            parse_metadata("url=http://x/?a=b"),
            Ok(("url".into(), "http://x/?a=b".into()))
        );
        assert!(parse_metadata("build").is_err());
        assert!(parse_metadata("a:b=c").is_err());
        assert!(parse_metadata("=c").is_err());
    }

    #[test]
    fn times_are_seconds_or_have_units() {
        let seconds = |typed| parse_duration(typed).map(|time| time.as_secs());
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("2h 30m"), Ok(9000));
        assert_eq!(seconds("45m"), Ok(2700));
        assert!(seconds("-5s").is_err());
        assert!(seconds("soon").is_err());
    }
}
