//! Writing `RUNPERF_METADATA` and each test's `RUNPERF_METADATA.json`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::StoreError;
use super::atomic::write_file;
use super::metadata::{FILE_NAME, MachineFacts};

/// The metadata file of a run that goes on.
///
/// Every value is one line, whatever it holds, so that no value can pass for another key; readers
/// let later lines win, so the fixed keys stand after what the person gave.
#[derive(Debug, Clone)]
pub struct MetadataFile {
    path: PathBuf,
}

impl MetadataFile {
    /// Writes the file: custom metadata first, then the fixed keys.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create<'a>(
        result: &Path,
        custom: impl IntoIterator<Item = (&'a str, &'a str)>,
        fixed: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, StoreError> {
        let path = result.join(FILE_NAME);
        let lines: Vec<String> = custom
            .into_iter()
            .chain(fixed)
            .map(|(key, value)| line(key, value))
            .collect();
        // No line end at the end: what is appended brings its own in front.
        write_file(&path, |out| out.write_all(lines.join("\n").as_bytes()))?;
        Ok(Self { path })
    }

    /// Continues the file of a result that exists.
    pub fn open(result: &Path) -> Self {
        Self {
            path: result.join(FILE_NAME),
        }
    }

    /// Adds a key, for example the facts of a profile.
    ///
    /// # Errors
    /// When it cannot be written; then the file is as it was.
    pub fn append(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let append = || {
            let mut file = OpenOptions::new().append(true).open(&self.path)?;
            let length = file.metadata()?.len();
            let written = file
                .write_all(format!("\n{}", line(key, value)).as_bytes())
                .and_then(|()| file.sync_data());
            if written.is_err() {
                // Half a line would be read as a value.
                let _ = file.set_len(length);
            }
            written
        };
        append().map_err(StoreError::io("write", &self.path))
    }
}

/// Returns `key:value` on one line, with a key that ends at its colon and is no comment.
fn line(key: &str, value: &str) -> String {
    let flat = |text: &str| text.replace("\r\n", " ").replace(['\n', '\r'], " ");
    let mut key = flat(key).replace(':', "_");
    if key.starts_with('#') {
        key.replace_range(..1, "_");
    }
    format!("{key}:{}", flat(value))
}

/// Writes a test's `RUNPERF_METADATA.json` into its directory: the run's metadata, where it ran,
/// and the facts of every worker by host index and name; sorted keys, indent 4.
///
/// # Errors
/// When it cannot be written.
pub fn write_test_metadata(
    directory: &Path,
    metadata: &BTreeMap<String, String>,
    distro: &str,
    profile: &str,
    workers: &[Vec<(String, MachineFacts)>],
) -> Result<(), StoreError> {
    let mut object: Map<String, Value> = metadata
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect();
    object.insert("distro".to_owned(), distro.into());
    object.insert("profile".to_owned(), profile.into());
    let groups = workers.iter().enumerate().map(|(host, group)| {
        let group: Map<String, Value> = group
            .iter()
            .map(|(name, facts)| {
                (
                    name.clone(),
                    facts
                        .iter()
                        .map(|(key, text)| (key.clone(), Value::from(text.as_str())))
                        .collect::<Map<_, _>>()
                        .into(),
                )
            })
            .collect();
        (host.to_string(), Value::from(group))
    });
    object.insert("workers".to_owned(), groups.collect::<Map<_, _>>().into());
    let mut value = Value::from(object);
    value.sort_all_objects();
    write_file(&directory.join(format!("{FILE_NAME}.json")), |out| {
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        serde::Serialize::serialize(
            &value,
            &mut serde_json::Serializer::with_formatter(out, formatter),
        )?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::metadata::Metadata;

    #[test]
    fn no_value_and_no_key_can_pass_for_another_key() {
        let root = tempfile::tempdir().expect("a directory");
        let custom = [
            ("note", "a\ndistro:forged\r\nbuild:9"),
            ("distro:x", "1"),
            ("#c", "kept"),
            ("build", "custom"),
        ];
        let file =
            MetadataFile::create(root.path(), custom, [("distro", "Debian"), ("build", "7")])
                .expect("written");
        file.append("environment_world", "[{\"general\": \"a\\nb\"}]")
            .expect("appended");
        file.append("finished", "now\rbuild:8").expect("appended");
        let text = std::fs::read_to_string(root.path().join(FILE_NAME)).expect("readable");
        assert!(!text.ends_with('\n'));
        let (metadata, warnings) = Metadata::read(root.path()).expect("readable");
        assert_eq!(warnings, [""; 0]);
        assert_eq!(metadata.get("distro"), Some("Debian"));
        assert_eq!(metadata.build(), Some("7"));
        assert_eq!(metadata.get("note"), Some("a distro:forged build:9"));
        assert_eq!(metadata.get("_c"), Some("kept"));
        assert_eq!(
            metadata.environment("environment_world")[0]["general"],
            "a\nb"
        );
        assert_eq!(metadata.get("finished"), Some("now build:8"));
    }

    #[test]
    fn a_test_keeps_the_facts_of_its_workers_by_host_and_name() {
        let root = tempfile::tempdir().expect("a directory");
        let facts = MachineFacts::from([("kernel".to_owned(), "6.1".to_owned())]);
        let metadata = BTreeMap::from([
            ("zone".to_owned(), "z".to_owned()),
            ("build".to_owned(), "7".to_owned()),
        ]);
        write_test_metadata(
            root.path(),
            &metadata,
            "Debian",
            "Localhost",
            &[vec![("foo".to_owned(), facts)]],
        )
        .expect("written");
        let text =
            std::fs::read_to_string(root.path().join("RUNPERF_METADATA.json")).expect("readable");
        insta::assert_snapshot!(text, @r#"
        {
            "build": "7",
            "distro": "Debian",
            "profile": "Localhost",
            "workers": {
                "0": {
                    "foo": {
                        "kernel": "6.1"
                    }
                }
            },
            "zone": "z"
        }
        "#);
    }
}
