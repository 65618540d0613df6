//! Parameters of a host: what its file says, what `--force-params` says, what is measured.
//!
//! `hosts/ADDRESS.yaml` is found by [`Assets`]; what it leaves out and can be measured is. A file
//! that disagrees with the machine wins, and the disagreement is noted: somebody may have meant
//! it, or the machine was changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::ConfigError;
use super::assets::Assets;
use crate::host::HostParams;
use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

/// Keys with a meaning; all others are kept for templates.
pub const KNOWN: [&str; 7] = [
    "arch",
    "hugepage_kb",
    "numa_nodes",
    "host_cpus",
    "guest_cpus",
    "guest_mem_m",
    "disable_smt",
];

/// Why a host's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostParamsError {
    /// It is no YAML, or no table of names.
    #[error("{0}")]
    Yaml(String),
    /// A value does not fit.
    #[error("line {line}: `{key}` expects {expected}, found `{found}`")]
    Invalid {
        /// From 1.
        line: u64,
        /// Which key.
        key: String,
        /// In words.
        expected: &'static str,
        /// As it stands there.
        found: String,
    },
}

/// Where a parameter comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamOrigin {
    /// `--force-params`.
    Forced,
    /// The host's file.
    File(PathBuf),
    /// The machine.
    Measured,
    /// Follows from another parameter.
    Derived(&'static str),
}

impl std::fmt::Display for ParamOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ParamOrigin::Forced => f.write_str("--force-params"),
            ParamOrigin::File(path) => write!(f, "{}", path.display()),
            ParamOrigin::Measured => f.write_str("measured"),
            ParamOrigin::Derived(from) => write!(f, "as {from}"),
        }
    }
}

/// What is said about a host before anybody looked at it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Declared {
    values: BTreeMap<String, (Value, ParamOrigin)>,
}

/// Parameters of a host, complete as far as they can be known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    /// The values.
    pub params: HostParams,
    /// Where each comes from.
    pub origins: BTreeMap<String, ParamOrigin>,
    /// Where file and machine disagree, one sentence each.
    pub notes: Vec<String>,
}

impl Declared {
    /// Reads the host's file, if there is one, and puts `forced` (`--force-params` of this address) above it.
    ///
    /// # Errors
    /// When the file cannot be read, is no YAML table, or a known key holds what it cannot; said with the line.
    pub fn load(
        assets: &Assets,
        address: &str,
        forced: Option<&Map<String, Value>>,
    ) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        if let Some(asset) = assets.find("hosts", &format!("{address}.yaml"))? {
            let read = parse(&asset.text).map_err(|source| ConfigError::Host {
                path: asset.path.clone(),
                source,
            })?;
            values.extend(
                read.into_iter()
                    .map(|(key, value)| (key, (value, ParamOrigin::File(asset.path.clone())))),
            );
        }
        for (key, value) in forced.into_iter().flatten() {
            check(key, value).map_err(|expected| ConfigError::Value {
                origin: super::Origin::CommandLine,
                message: format!(
                    "--force-params: `{key}` of {address} expects {expected}, found `{value}`"
                ),
            })?;
            values.insert(key.clone(), (value.clone(), ParamOrigin::Forced));
        }
        Ok(Self { values })
    }

    /// Fills in what was measured and what follows from it.
    pub fn complete(self, measured: &Measured) -> Resolved {
        let mut notes = Vec::new();
        let mut values = self.values;
        for (key, found) in measured.values() {
            match values.get(key) {
                Some((said, origin)) if !measured.agrees(key, said) => {
                    notes.push(format!(
                        "{origin} says {key} {}, the machine has {}",
                        plain(said),
                        plain(&found)
                    ));
                }
                Some(_) => {}
                None => {
                    values.insert(key.into(), (found, ParamOrigin::Measured));
                }
            }
        }
        if let (None, Some((cpus, _))) = (values.get("guest_cpus"), values.get("host_cpus")) {
            let derived = (cpus.clone(), ParamOrigin::Derived("host_cpus"));
            values.insert("guest_cpus".into(), derived);
        }
        let mut resolved = Resolved {
            notes,
            ..Resolved::default()
        };
        for (key, (value, origin)) in values {
            resolved.params.0.insert(key.clone(), value);
            resolved.origins.insert(key, origin);
        }
        resolved
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn parse(text: &str) -> Result<BTreeMap<String, Value>, HostParamsError> {
    let (values, faults) = check_text(text);
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(values),
    }
}

/// Reads the text of a host's file; also returns everything that is wrong with it.
pub(crate) fn check_text(text: &str) -> (BTreeMap<String, Value>, Vec<HostParamsError>) {
    let told =
        |error: serde_saphyr::Error| HostParamsError::Yaml(error.without_snippet().to_string());
    // A file of comments only says nothing.
    let read: Option<BTreeMap<String, Spanned<Value>>> =
        match serde_saphyr::from_str(text).map_err(told) {
            Ok(read) => read,
            Err(fault) => return (BTreeMap::new(), vec![fault]),
        };
    let mut values = BTreeMap::new();
    let mut faults = Vec::new();
    for (key, spanned) in read.unwrap_or_default() {
        if let Err(expected) = check(&key, &spanned.value) {
            faults.push(HostParamsError::Invalid {
                line: spanned.referenced.line(),
                key: key.clone(),
                expected,
                found: plain(&spanned.value),
            });
        }
        values.insert(key, spanned.value);
    }
    (values, faults)
}

/// Checks a known key; says what it expects otherwise. Numbers may be written as text, as in the older tool.
fn check(key: &str, value: &Value) -> Result<(), &'static str> {
    match key {
        "arch" => match value {
            Value::String(text) if !text.trim().is_empty() => Ok(()),
            _ => Err("text like x86_64"),
        },
        "disable_smt" => value.as_bool().map(|_| ()).ok_or("true or false"),
        _ if KNOWN.contains(&key) => {
            let number = HostParams(BTreeMap::from([(key.to_owned(), value.clone())])).number(key);
            number
                .filter(|number| *number > 0)
                .map(|_| ())
                .ok_or("a whole number from 1 on")
        }
        _ => Ok(()),
    }
}

/// What a machine says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// `uname -m`
    pub arch: Option<String>,
    /// CPUs that are online.
    pub host_cpus: Option<u64>,
    /// NUMA nodes.
    pub numa_nodes: Option<u64>,
    /// Default size of huge pages, KiB.
    pub hugepage_kb: Option<u64>,
    /// Every size the kernel offers, KiB.
    pub hugepage_sizes_kb: Vec<u64>,
}

/// Prints `name value` lines; what a machine cannot tell is left out.
const MEASURE: &str = "\
echo arch $(uname -m)
echo host_cpus $(getconf _NPROCESSORS_ONLN)
echo numa_nodes $(ls -d /sys/devices/system/node/node[0-9]* 2>/dev/null | wc -l)
sed -n 's/^Hugepagesize: *\\([0-9]*\\) kB$/hugepage_kb \\1/p' /proc/meminfo
for size in /sys/kernel/mm/hugepages/hugepages-*kB; do echo hugepage_size ${size##*hugepages-}; done
";

impl Measured {
    /// Asks a machine; needs no rights.
    ///
    /// # Errors
    /// When no command can be run there.
    pub fn take(shell: &dyn Shell, limits: &Limits) -> Result<Self, ShellError> {
        Ok(Self::parse(
            &shell.text(&CommandLine::script(MEASURE), limits)?,
        ))
    }

    fn parse(text: &str) -> Self {
        let mut measured = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(' ') else {
                continue;
            };
            let number = value
                .trim()
                .parse::<u64>()
                .ok()
                .filter(|number| *number > 0);
            match name {
                "arch" if !value.trim().is_empty() => measured.arch = Some(value.trim().to_owned()),
                "host_cpus" => measured.host_cpus = number,
                // A kernel without NUMA has one node and does not list it.
                "numa_nodes" => measured.numa_nodes = number.or(Some(1)),
                "hugepage_kb" => measured.hugepage_kb = number,
                "hugepage_size" => {
                    measured.hugepage_sizes_kb.extend(
                        value
                            .trim()
                            .strip_suffix("kB")
                            .and_then(|size| size.parse::<u64>().ok()),
                    );
                }
                _ => {}
            }
        }
        measured.hugepage_sizes_kb.sort_unstable();
        measured
    }

    fn values(&self) -> Vec<(&'static str, Value)> {
        let number = |name, value: Option<u64>| value.map(|value| (name, Value::from(value)));
        [
            self.arch.clone().map(|arch| ("arch", Value::from(arch))),
            number("host_cpus", self.host_cpus),
            number("numa_nodes", self.numa_nodes),
            number("hugepage_kb", self.hugepage_kb),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns whether what was said can be true of this machine.
    fn agrees(&self, key: &str, said: &Value) -> bool {
        let number = HostParams(BTreeMap::from([(key.to_owned(), said.clone())])).number(key);
        match key {
            "arch" => said.as_str() == self.arch.as_deref(),
            "host_cpus" => number == self.host_cpus,
            "numa_nodes" => number == self.numa_nodes,
            // Any size the kernel offers can be chosen, not only its default.
            "hugepage_kb" => {
                number == self.hugepage_kb
                    || number.is_some_and(|size| self.hugepage_sizes_kb.contains(&size))
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(yaml: &str, forced: Value) -> Result<Declared, String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(root.path().join("hosts")).expect("a folder");
        std::fs::write(root.path().join("hosts/192.0.2.17.yaml"), yaml).expect("a file");
        let assets = Assets::new(&[root.path().to_owned()], &super::super::Config::default());
        Declared::load(&assets, "192.0.2.17", forced.as_object()).map_err(|error| {
            let cause = std::error::Error::source(&error)
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            format!("{error}{cause}").replace(&*root.path().to_string_lossy(), "ROOT")
        })
    }

    fn machine() -> Measured {
        Measured::parse(
            "arch x86_64\nhost_cpus 16\nnuma_nodes 2\nhugepage_kb 2048\nhugepage_size 1048576kB\nhugepage_size 2048kB\n",
        )
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_machine() {
        let said = declared(
            "host_cpus: 16\nguest_mem_m: 100\nmy_key: [1]\n",
            json!({"guest_mem_m": 200}),
        )
        .expect("fits");
        let resolved = said.complete(&machine());

        let values: Vec<_> = resolved
            .params
            .0
            .iter()
            .map(|(key, value)| format!("{key}={value} {}", resolved.origins[key]))
            .collect();
        assert_eq!(
            values
                .iter()
                .map(|text| text.split("/tmp").next().expect("text").trim())
                .collect::<Vec<_>>(),
            [
                "arch=\"x86_64\" measured",
                "guest_cpus=16 as host_cpus",
                "guest_mem_m=200 --force-params",
                "host_cpus=16",
                "hugepage_kb=2048 measured",
                "my_key=[1]",
                "numa_nodes=2 measured",
            ]
        );
        assert!(resolved.notes.is_empty(), "{:?}", resolved.notes);
    }

    #[test]
    fn a_file_that_contradicts_the_machine_wins_and_is_noted() {
        let said = declared(
            "arch: aarch64\nhost_cpus: '8'\nhugepage_kb: 1048576\n",
            json!({"numa_nodes": 4}),
        )
        .expect("fits");
        let resolved = said.complete(&machine());
        assert_eq!(resolved.params.number("host_cpus"), Some(8));
        let notes: Vec<_> = resolved
            .notes
            .iter()
            .map(|note| note.split_once(" says ").expect("a sentence").1)
            .collect();
        assert_eq!(
            notes,
            [
                "arch aarch64, the machine has x86_64",
                "host_cpus 8, the machine has 16",
                "numa_nodes 4, the machine has 2"
            ]
        );
        assert!(
            resolved.notes[2].starts_with("--force-params says"),
            "a size the kernel offers is no contradiction"
        );
    }

    #[test]
    fn faults_are_told_with_file_and_line() {
        let error =
            declared("arch: x86_64\n\nhost_cpus: many\n", json!({})).expect_err("no number");
        assert_eq!(
            error,
            "cannot use the host parameters ROOT/hosts/192.0.2.17.yaml: line 3: `host_cpus` expects a whole number from 1 on, found `many`"
        );
        for (yaml, said) in [
            ("arch: [\n", "unclosed bracket '[' at line 1, column 7"),
            ("- arch\n", "line 1"),
            ("arch: a\narch: b\n", "line 2"),
            (
                "disable_smt: 3\n",
                "line 1: `disable_smt` expects true or false, found `3`",
            ),
            (
                "numa_nodes: 0\n",
                "line 1: `numa_nodes` expects a whole number from 1 on, found `0`",
            ),
            (
                "host_cpus: 1.5\n",
                "line 1: `host_cpus` expects a whole number from 1 on, found `1.5`",
            ),
        ] {
            let error = declared(yaml, json!({})).expect_err(yaml);
            assert!(error.contains(said), "{yaml:?}: {error}");
        }
        assert_eq!(
            declared("", json!({"host_cpus": 0})),
            Err("command line: --force-params: `host_cpus` of 192.0.2.17 expects a whole number from 1 on, found `0`".into())
        );
    }

    #[test]
    fn an_empty_file_and_no_file_say_nothing() {
        assert_eq!(
            declared("# nothing yet\n", json!({})),
            Ok(Declared::default())
        );
        let none =
            Declared::load(&Assets::default(), "192.0.2.99", None).expect("no file is no error");
        assert_eq!(none.complete(&Measured::default()), Resolved::default());
    }

    #[test]
    fn the_example_is_what_the_documentation_says() {
        let example = Declared::load(&Assets::default(), "example.org", None).expect("built in");
        let resolved = example.complete(&Measured::default());
        let number = |key| resolved.params.number(key);
        assert_eq!(
            (
                number("hugepage_kb"),
                number("numa_nodes"),
                number("host_cpus"),
                number("guest_cpus"),
                number("guest_mem_m")
            ),
            (Some(1_048_576), Some(2), Some(16), Some(8), Some(22528))
        );
        assert_eq!(resolved.params.0["disable_smt"], json!(true));
    }

    #[test]
    fn this_machine_can_be_measured() {
        let shell = crate::shell::local::LocalShell::new("localhost");
        let limits = Limits::new(crate::control::cancel::CancelToken::default());
        let measured = Measured::take(&shell, &limits).expect("commands run here");
        assert_eq!(measured.arch.as_deref(), Some(std::env::consts::ARCH));
        assert!(
            measured.host_cpus.is_some() && measured.numa_nodes.is_some(),
            "{measured:?}"
        );
    }
}
