//! What is known about a machine, raw and filtered for comparison.
//!
//! One script (`facts.sh`) is sent through the machine's [`Shell`] and prints everything there is to
//! know, so that describing a machine is one round trip wherever it is. The functions in
//! [`super::filters`] take out what changes by itself: two looks at an unchanged machine are equal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HostParams;
use super::filters;
use super::spoilers::Note;
use crate::shell::{CommandLine, Limits, Shell, ShellError};

const SCRIPT: &str = include_str!("facts.sh");

/// Environment of one machine as `RUNPERF_METADATA` keeps it: section → text. A section `X_raw`
/// is the unfiltered form of `X`: reports compare `X` and show `X_raw`.
///
/// | section | lines |
/// |---|---|
/// | `general` | `Name:` and `Distro:` |
/// | `kernel` | release, version, machine, system, sorted command line without the release |
/// | `cmdline` | its arguments, one a line, sorted |
/// | `os` | name and version of the installed system |
/// | `mitigations` | `file:text` for each CPU vulnerability |
/// | `rpm`, `dpkg` | installed packages, sorted; the one whose database is there |
/// | `systemctl` | active units; without sessions, transient and on-demand ones |
/// | `cpu` | model, topology, SMT, governor, turbo, caches, flags |
/// | `memory` | size, huge pages, THP, KSM, swap |
/// | `sysctl` | kernel settings that move figures |
/// | `block`, `mounts`, `network` | disks and their queues, file systems on them, adapters |
/// | `virtualization`, `kvm`, `clocksource`, `tuned`, `security`, `firmware`, `memory_modules` | as named |
/// | `runperf_sysinfo` | `/var/lib/runperf/sysinfo`, written by setup scripts |
/// | `params` | host parameters |
/// | `warnings` | what spoils figures here |
/// | `left_out` | what only root may read |
///
/// An empty section is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts {
    /// Sections by name.
    pub sections: BTreeMap<String, String>,
}

impl Facts {
    /// Describes the machine behind `shell`. Needs no root there and changes nothing.
    ///
    /// `name` and `distro` are what the person called them.
    ///
    /// # Errors
    /// When the script could not be run to its end. A thing that is missing on the machine
    /// (systemd, packages, files only root may read) is no error: its section is absent.
    pub fn gather(
        shell: &dyn Shell,
        limits: &Limits,
        name: &str,
        distro: &str,
    ) -> Result<Self, ShellError> {
        // Nobody else's text starts a section: the marker is made anew each time.
        let marker = ulid::Ulid::generate().to_string();
        let command = CommandLine::new("sh").arg("-s").arg(&marker).stdin(SCRIPT);
        let output = shell.run(&command, limits)?;
        let raw = split(&output.text(), &marker);
        if !raw.contains_key("end") {
            return Err(ShellError::Failed {
                target: shell.target().clone(),
                command,
                exit: output.exit,
                tail: output.tail(),
            });
        }
        let mut facts = Self::from_raw(&raw);
        facts.put("general", format!("Name:{name}\nDistro:{distro}"));
        Ok(facts)
    }

    /// Adds the host's parameters as `key: value` lines.
    #[must_use]
    pub fn with_params(mut self, params: &HostParams) -> Self {
        let line = |(key, value): (&String, &serde_json::Value)| match value {
            serde_json::Value::String(text) => format!("{key}: {text}"),
            other => format!("{key}: {other}"),
        };
        self.put(
            "params",
            params.0.iter().map(line).collect::<Vec<_>>().join("\n"),
        );
        self
    }

    /// Adds what spoils figures: kinds as `warnings`, whole sentences as `warnings_raw`.
    #[must_use]
    pub fn with_notes(mut self, notes: &[Note]) -> Self {
        let spoiling = || notes.iter().filter(|note| note.spoils());
        let mut kinds: Vec<&str> = spoiling().map(|note| note.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        self.put("warnings", kinds.join("\n"));
        self.put(
            "warnings_raw",
            spoiling()
                .map(|note| note.text.clone())
                .collect::<Vec<_>>()
                .join("\n"),
        );
        self
    }

    /// Returns the facts as the JSON object of `RUNPERF_METADATA`.
    pub fn to_json(&self) -> serde_json::Value {
        let sections = self
            .sections
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into()));
        serde_json::Value::Object(sections.collect())
    }

    fn put(&mut self, name: &str, text: String) {
        if text.is_empty() {
            self.sections.remove(name);
        } else {
            self.sections.insert(name.to_owned(), text);
        }
    }

    fn from_raw(raw: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| raw.get(name).map_or("", String::as_str);
        let mut facts = Self::default();
        facts.put("kernel_raw", get("kernel").to_owned());
        facts.put("kernel", filters::kernel(get("kernel")));
        facts.put("cmdline", filters::cmdline(get("kernel")));
        facts.put("os", filters::os(get("os")));
        facts.put("mitigations", filters::sorted(get("mitigations")));
        facts.put("rpm", filters::sorted(get("rpm")));
        facts.put("dpkg", filters::dpkg(get("dpkg")));
        facts.put("systemctl", filters::systemctl(get("systemctl")));
        let cpu = filters::Cpu {
            info: get("cpuinfo"),
            topology: get("topology"),
            frequency: get("frequency"),
            cache: get("cache"),
        };
        facts.put("cpu", cpu.filtered());
        facts.put("cpu_raw", cpu.raw());
        facts.put(
            "memory",
            filters::memory(get("meminfo"), get("memory"), get("swaps")),
        );
        facts.put("memory_raw", get("meminfo").to_owned());
        facts.put("sysctl", filters::sysctl(get("sysctl")));
        facts.put("block", filters::paths(get("block"), "/sys/block/"));
        facts.put("mounts", filters::mounts(get("mounts")));
        facts.put("network", filters::paths(get("network"), "/sys/class/net/"));
        facts.put("security", filters::paths(get("security"), "/sys/"));
        facts.put("kvm", filters::paths(get("kvm"), "/sys/module/"));
        facts.put(
            "firmware",
            filters::paths(get("firmware"), "/sys/class/dmi/id/"),
        );
        facts.put("runperf_sysinfo", filters::sorted(get("runperf_sysinfo")));
        for section in [
            "clocksource",
            "tuned",
            "virtualization",
            "memory_modules",
            "left_out",
        ] {
            facts.put(section, filters::squeezed(get(section)));
        }
        facts
    }
}

/// Cuts the script's output at its markers.
fn split(text: &str, marker: &str) -> BTreeMap<String, String> {
    let start = format!("@{marker} ");
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(&start) {
            current = Some(sections.entry(name.to_owned()).or_default());
        } else if let Some(section) = &mut current {
            section.push_str(line);
            section.push('\n');
        }
    }
    for section in sections.values_mut() {
        section.truncate(section.trim_end().len());
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::shell::Exit;
    use crate::shell::scripted::ScriptedShell;

    #[test]
    fn only_lines_with_the_marker_start_a_section() {
        let sections = split("noise\n@M a\n1\n\n@N b\n2\n\n@M end\n", "M");
        assert_eq!(sections["a"], "1\n\n@N b\n2");
        assert_eq!(sections["end"], "");
        assert_eq!(sections.len(), 2);
    }

    #[test]
    fn a_script_that_was_cut_short_is_an_error() {
        let shell =
            ScriptedShell::new("foo").output("sh -s *", Exit::Signal(9), "", "out of memory");
        let error = Facts::gather(
            &shell,
            &Limits::new(CancelToken::default()),
            "foo",
            "Fedora-40",
        );
        assert!(matches!(error, Err(ShellError::Failed { tail, .. }) if tail == "out of memory"));
    }

    #[test]
    fn params_are_sorted_lines_and_warnings_carry_no_changing_figure() {
        let params = HostParams(BTreeMap::from([
            ("numa_nodes".to_owned(), 2.into()),
            ("arch".to_owned(), "x86_64".into()),
            ("disable_smt".to_owned(), true.into()),
        ]));
        let notes = [
            Note::spoiling("load", "load average 3.2 on 2 CPUs"),
            Note::spoiling("load", "other programs use 40 % of the CPU"),
            Note::remark("smt", "SMT is on"),
        ];
        let facts = Facts::default().with_params(&params).with_notes(&notes);
        assert_eq!(
            facts.sections["params"],
            "arch: x86_64\ndisable_smt: true\nnuma_nodes: 2"
        );
        assert_eq!(facts.sections["warnings"], "load");
        assert_eq!(facts.sections["warnings_raw"].lines().count(), 2);
        assert_eq!(
            Facts::default().with_notes(&[]),
            Facts::default(),
            "nothing to say is no section"
        );
    }
}
