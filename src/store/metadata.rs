//! `RUNPERF_METADATA`: `key:value` lines about a run.
//!
//! Read leniently, because the file is also written by the older tool and edited by people:
//! a line that starts with `#` is a comment, a line without a colon is passed over with a warning,
//! bytes that are not UTF-8 become U+FFFD. [`super::write`] writes it.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::StoreError;

/// Name of the file in the root of a result.
pub const FILE_NAME: &str = "RUNPERF_METADATA";

/// What a run says about itself. A missing key reads as `Unknown` in reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Later lines override earlier ones; values without their line end.
    pub values: BTreeMap<String, String>,
    /// When the file was last written; the last resort for [`Metadata::date`].
    pub modified: Option<Timestamp>,
}

/// Facts of one machine: section (`kernel`, `rpm`, `kernel_raw`) → text.
pub type MachineFacts = BTreeMap<String, String>;

impl Metadata {
    /// Reads the text of a metadata file; also returns what was passed over, one line each.
    pub fn parse(bytes: &[u8]) -> (Self, Vec<String>) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes);
        let mut warnings = Vec::new();
        if matches!(text, std::borrow::Cow::Owned(_)) {
            warnings.push(format!(
                "{FILE_NAME} is not UTF-8; the odd bytes are shown as \u{fffd}"
            ));
        }
        let mut values = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            match line.split_once(':') {
                Some((key, value)) => {
                    values.insert(key.to_owned(), value.to_owned());
                }
                None => warnings.push(format!(
                    "{FILE_NAME}, line {}: no `key:value`, passed over",
                    index + 1
                )),
            }
        }
        (
            Self {
                values,
                modified: None,
            },
            warnings,
        )
    }

    /// Reads the metadata of a result directory; also returns what was passed over.
    ///
    /// A missing file yields empty metadata and a warning.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(result: &Path) -> Result<(Self, Vec<String>), StoreError> {
        let path = result.join(FILE_NAME);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((
                    Self::default(),
                    vec![format!(
                        "no {FILE_NAME}: build, machine and environment are unknown"
                    )],
                ));
            }
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        let (mut metadata, warnings) = Self::parse(&bytes);
        metadata.modified = std::fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok());
        Ok((metadata, warnings))
    }

    /// Returns a value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Returns a value for showing: trimmed, `Unknown` when it is missing or empty.
    pub fn label(&self, key: &str) -> &str {
        self.get(key)
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .unwrap_or("Unknown")
    }

    /// Returns what the build is called, when the run said so.
    pub fn build(&self) -> Option<&str> {
        self.get("build")
            .map(str::trim)
            .filter(|build| !build.is_empty())
    }

    /// Returns when the run began, which orders nights: `started`, else the `YYYYmmdd_HHMMSS` in
    /// the result's directory name, else the time of the metadata file.
    ///
    /// A directory name is in the controller's local time, whose zone nobody recorded. It is read
    /// as UTC, so that the order is the same on every machine that reads it.
    pub fn date(&self, directory: &str) -> Option<Timestamp> {
        self.get("started")
            .and_then(|text| text.trim().parse::<Timestamp>().ok())
            .or_else(|| date_in_name(directory))
            .or(self.modified)
    }

    /// Returns the machines' facts kept under `key` (`environment_world`, `environment_profile_NAME`),
    /// in host order; none when the key is missing.
    ///
    /// A run that could not collect them wrote `{"failure": TEXT}`; that, and text that is no JSON,
    /// comes back as one machine with the single section `failure`.
    pub fn environment(&self, key: &str) -> Vec<MachineFacts> {
        let Some(text) = self.get(key) else {
            return Vec::new();
        };
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Array(machines)) => machines.into_iter().map(facts).collect(),
            Ok(single) => vec![facts(single)],
            Err(error) => vec![failure(&format!("cannot be read: {error}"))],
        }
    }

    /// Returns the profiles that left facts, sorted.
    pub fn environment_profiles(&self) -> impl Iterator<Item = &str> {
        self.values
            .keys()
            .filter_map(|key| key.strip_prefix("environment_profile_"))
    }
}

fn failure(text: &str) -> MachineFacts {
    MachineFacts::from([("failure".to_owned(), text.to_owned())])
}

/// Returns one machine's sections; a section that is no text (`persistent`) as its JSON.
fn facts(machine: serde_json::Value) -> MachineFacts {
    match machine {
        serde_json::Value::Object(sections) => sections
            .into_iter()
            .map(|(name, value)| match value {
                serde_json::Value::String(text) => (name, text),
                other => (name, other.to_string()),
            })
            .collect(),
        other => failure(&format!("expected an object per machine, found `{other}`")),
    }
}

/// Returns the first `YYYYmmdd_HHMMSS` in a name.
fn date_in_name(name: &str) -> Option<Timestamp> {
    const LENGTH: usize = "20260301_020000".len();
    let is_date = |window: &&[u8]| {
        window.iter().enumerate().all(|(index, byte)| {
            if index == 8 {
                *byte == b'_'
            } else {
                byte.is_ascii_digit()
            }
        })
    };
    name.as_bytes()
        .windows(LENGTH)
        .filter(is_date)
        .find_map(|window| {
            let text = std::str::from_utf8(window).ok()?;
            DateTime::strptime("%Y%m%d_%H%M%S", text)
                .ok()?
                .to_zoned(TimeZone::UTC)
                .ok()
                .map(|zoned| zoned.timestamp())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_win_and_odd_ones_are_named() {
        let (metadata, warnings) =
            Metadata::parse(b"# note\nbuild:1\n\nno colon\nurl:http://x:80/\r\nbuild:2");
        assert_eq!(metadata.build(), Some("2"));
        assert_eq!(
            metadata.get("url"),
            Some("http://x:80/"),
            "split at the first colon, no line end kept"
        );
        assert_eq!(
            warnings,
            ["RUNPERF_METADATA, line 4: no `key:value`, passed over"]
        );
        assert_eq!(metadata.label("distro"), "Unknown");
    }

    #[test]
    fn odd_bytes_are_replaced_and_said() {
        let (metadata, warnings) = Metadata::parse(b"\xef\xbb\xbfdistro:\xff39\n");
        assert_eq!(metadata.get("distro"), Some("\u{fffd}39"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn a_night_is_dated_by_what_is_surest() {
        let started = Metadata::parse(b"started:2026-03-01T02:00:00Z").0;
        assert_eq!(
            started
                .date("result_20200101_000000")
                .map(|d| d.to_string())
                .as_deref(),
            Some("2026-03-01T02:00:00Z")
        );
        let silent = Metadata {
            modified: Some(Timestamp::UNIX_EPOCH),
            ..Metadata::default()
        };
        assert_eq!(
            silent
                .date("x_20200726_080654.b")
                .map(|d| d.to_string())
                .as_deref(),
            Some("2020-07-26T08:06:54Z")
        );
        assert_eq!(
            silent.date("result_99999999_999999"),
            Some(Timestamp::UNIX_EPOCH),
            "no such day"
        );
        assert_eq!(Metadata::default().date("two_bad"), None);
    }

    #[test]
    fn facts_are_read_whatever_their_shape() {
        let (metadata, _) = Metadata::parse(
            br#"environment_world:[{"kernel": "5.0", "persistent": {"a": 1}}]
environment_profile_A:{"failure": "no ssh"}
environment_profile_B:[{"kernel"#,
        );
        let world = metadata.environment("environment_world");
        assert_eq!(world[0]["kernel"], "5.0");
        assert_eq!(world[0]["persistent"], r#"{"a":1}"#);
        assert_eq!(
            metadata.environment("environment_profile_A")[0]["failure"],
            "no ssh"
        );
        assert!(
            metadata.environment("environment_profile_B")[0]["failure"]
                .starts_with("cannot be read")
        );
        assert_eq!(
            metadata.environment_profiles().collect::<Vec<_>>(),
            ["A", "B"]
        );
    }
}
