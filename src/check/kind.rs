//! What a path is, by its name and the beginning of its content.

use std::io::Read;
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;

use super::Finding;
use crate::config::host_params::KNOWN;

/// Bytes that are looked at to tell what a file is.
const BEGINNING: u64 = 64 << 10;

/// Kinds of things that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A BenchKit payload archive
    Payload,
    /// A map of machines or an Ansible inventory
    Machines,
    /// Parameters of a host, `hosts/ADDRESS.yaml`
    HostParams,
    /// An auth file
    Auth,
    /// A racefile, or the folder that holds it
    Racefile,
    /// A model of analyze-perf
    Model,
    /// A result directory
    Result,
    /// A configuration file, `run-perf.toml`
    Config,
}

impl Kind {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Payload => "payload archive",
            Kind::Machines => "list of machines",
            Kind::HostParams => "host parameters",
            Kind::Auth => "auth file",
            Kind::Racefile => "racefile",
            Kind::Model => "model",
            Kind::Result => "result directory",
            Kind::Config => "configuration",
        }
    }

    /// Tells what a path is.
    ///
    /// # Errors
    /// When it is not there, or nothing known.
    pub(super) fn of(path: &Path) -> Result<Self, Finding> {
        let about = std::fs::metadata(path).map_err(|error| {
            Finding::new("", format!("cannot read it: {error}"))
                .next("name a file, a folder, or a test or profile as run-perf takes it")
        })?;
        if about.is_dir() {
            return folder(path);
        }
        if !about.is_file() {
            return Err(Finding::new(
                "",
                "expected a file or folder, found something else",
            ));
        }
        let mut beginning = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning))
            .map_err(|error| Finding::new("", format!("cannot read it: {error}")))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(file(path, &name, &beginning))
    }
}

fn folder(path: &Path) -> Result<Kind, Finding> {
    let holds = |name: &str| path.join(name).exists();
    if holds("racefile") || holds("racefile.yaml") {
        return Ok(Kind::Racefile);
    }
    let result = ["RUNPERF_METADATA", "__plan__.json", "__journal__.jsonl"];
    let serial = || {
        let tests = std::fs::read_dir(path).into_iter().flatten().flatten();
        tests
            .flat_map(|profile| {
                std::fs::read_dir(profile.path())
                    .into_iter()
                    .flatten()
                    .flatten()
            })
            .any(|test| test.path().join("0000").is_dir())
    };
    if result.iter().any(|name| holds(name)) || serial() {
        return Ok(Kind::Result);
    }
    Err(Finding::new(
        "",
        "expected a result directory or a folder with a racefile, found neither",
    )
    .next("name the files in it, or say what it is with --as"))
}

fn file(path: &Path, name: &str, beginning: &[u8]) -> Kind {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if beginning.starts_with(&[0x1f, 0x8b])
        || beginning.get(257..262) == Some(b"ustar")
        || ends(&[".tgz", ".tar.gz", ".tar", ".zip", ".tar.xz", ".txz"])
    {
        return Kind::Payload;
    }
    if ends(&[".toml"]) {
        return Kind::Config;
    }
    if ["racefile", "racefile.yaml", "racefile.yml"].contains(&name) {
        return Kind::Racefile;
    }
    if ends(&[".json"]) {
        let text = String::from_utf8_lossy(beginning);
        let has = |key: &str| text.contains(&format!("\"{key}\""));
        return if name.starts_with("auth") || has("method") && (has("user") || has("details")) {
            Kind::Auth
        } else {
            Kind::Model
        };
    }
    if ends(&[".yaml", ".yml"]) {
        return yaml(path, beginning);
    }
    Kind::Machines
}

fn yaml(path: &Path, beginning: &[u8]) -> Kind {
    let in_hosts = path
        .parent()
        .and_then(Path::file_name)
        .is_some_and(|folder| folder == "hosts");
    let text = String::from_utf8_lossy(beginning);
    let value: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    let Some(keys) = value.as_object() else {
        // Not even YAML; the place tells what it should be.
        return if in_hosts {
            Kind::HostParams
        } else {
            Kind::Machines
        };
    };
    let any = |names: &[&str]| names.iter().any(|name| keys.contains_key(*name));
    let group = |value: &Value| {
        value.as_object().is_some_and(|group| {
            ["hosts", "children", "vars"]
                .iter()
                .any(|key| group.contains_key(*key))
        })
    };
    if any(&["benchmark", "warmup", "collectors"]) {
        Kind::Racefile
    } else if keys.contains_key("all") || keys.values().any(group) {
        Kind::Machines
    } else if in_hosts || any(&KNOWN) {
        Kind::HostParams
    } else {
        Kind::Machines
    }
}
