//! The environment of one result as single facts.
//!
//! Sections of `environment_world` and `environment_profile_NAME` are cut into facts by what they
//! are; one nobody knows is compared line by line. `X_raw` is the unfiltered form of `X` and is
//! never compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::compare::types::EnvChange;
use crate::store::metadata::MachineFacts;
use crate::store::read::ResultData;

/// What a value is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    /// A host's own, not a profile's.
    pub(super) of_host: bool,
    /// `host foo`, `TunedLibvirt`, `guests of TunedLibvirt`, `run`.
    pub(super) place: String,
    /// As in [`super::super::types::Environment::kinds`].
    pub(super) kind: &'static str,
    /// Package, argument, key; for lines the section.
    pub(super) name: String,
    /// Section it came from.
    section: String,
    /// The line itself, where a line is all that is known.
    line: Option<String>,
}

/// Everything known about where a result was made.
#[derive(Debug, Default)]
pub(super) struct Facts {
    values: BTreeMap<Fact, String>,
    /// Place and section → number of entries.
    sections: BTreeMap<(String, String), usize>,
}

impl Facts {
    /// Takes the facts of a result.
    pub(super) fn of(result: &ResultData) -> Self {
        let mut facts = Self::default();
        let metadata = &result.metadata;
        let machines = super::super::builds::machines(result);
        for (index, host) in metadata.environment("environment_world").iter().enumerate() {
            let place = format!("host {}", host_name(host, &machines, index));
            facts.machine(true, &place, host);
        }
        for profile in metadata.environment_profiles() {
            let hosts = metadata.environment(&format!("environment_profile_{profile}"));
            for (index, host) in hosts.iter().enumerate() {
                let place = if hosts.len() == 1 {
                    profile.to_owned()
                } else {
                    format!("{profile} on {}", host_name(host, &machines, index))
                };
                facts.machine(false, &place, host);
            }
        }
        for (key, kind) in [
            ("runperf_version", "tool"),
            ("distro", "other"),
            ("guest_distro", "other"),
        ] {
            if let Some(value) = metadata.get(key) {
                facts.put(
                    true,
                    "run",
                    key,
                    kind,
                    key.to_owned(),
                    value.trim().to_owned(),
                );
            }
        }
        facts
    }

    /// Returns the value of a fact.
    pub(super) fn get(&self, fact: &Fact) -> Option<&str> {
        self.values.get(fact).map(String::as_str)
    }

    /// Returns the release of the kernel by place; of a profile or its guests only where no host runs it.
    pub(super) fn kernels(&self) -> BTreeMap<String, String> {
        let all = || {
            let facts = self.values.iter();
            facts.filter(|(fact, _)| fact.kind == "kernel" && fact.name == "kernel")
        };
        let of_hosts: BTreeSet<&str> = all()
            .filter(|(fact, _)| fact.of_host)
            .map(|(_, release)| release.as_str())
            .collect();
        all()
            .filter(|(fact, release)| fact.of_host || !of_hosts.contains(release.as_str()))
            .map(|(fact, release)| (fact.place.clone(), release.clone()))
            .collect()
    }

    /// Returns whether a fact changes with every release of the kernel, and the release did change.
    pub(super) fn follows_from_release(&self, fact: &Fact, now: &Self) -> bool {
        let release = Fact {
            name: "kernel".into(),
            ..fact.clone()
        };
        fact.kind == "kernel" && fact.name == "version" && self.get(&release) != now.get(&release)
    }

    /// Returns the facts that at least one of two results knows.
    pub(super) fn keys(&self, other: &Self) -> BTreeSet<Fact> {
        self.values
            .keys()
            .chain(other.values.keys())
            .cloned()
            .collect()
    }

    /// Returns a fact's name with a lifetime of one of the two results.
    pub(super) fn name_of<'a>(&'a self, fact: &Fact, other: &'a Self) -> &'a str {
        let known = self
            .values
            .get_key_value(fact)
            .or_else(|| other.values.get_key_value(fact));
        known.map_or("", |(fact, _)| fact.name.as_str())
    }

    /// Returns whether nothing at all was recorded where this fact would stand.
    pub(super) fn lacks_section(&self, fact: &Fact) -> bool {
        !self
            .sections
            .contains_key(&(fact.place.clone(), fact.section.clone()))
    }

    /// Returns places (host, profile) and sections that only one of two results recorded; what is
    /// in them is not listed.
    pub(super) fn sections_changed(&self, now: &Self) -> Vec<EnvChange> {
        let places = |facts: &Self| -> BTreeSet<String> {
            facts
                .sections
                .keys()
                .map(|(place, _)| place.clone())
                .collect()
        };
        let (before_places, now_places) = (places(self), places(now));
        let change = |place: &str, name: &str, src: String, dst: String| EnvChange {
            place: place.to_owned(),
            name: name.to_owned(),
            src: Some(src),
            dst: Some(dst),
            since: None,
        };
        let mut changed = Vec::new();
        for place in before_places.symmetric_difference(&now_places) {
            let said = |there: bool| if there { "recorded" } else { "not recorded" }.to_owned();
            let (src, dst) = (before_places.contains(place), now_places.contains(place));
            changed.push(change(place, "environment", said(src), said(dst)));
        }
        let sections: BTreeSet<_> = self.sections.keys().chain(now.sections.keys()).collect();
        for key @ (place, section) in sections {
            let (src, dst) = (self.sections.get(key), now.sections.get(key));
            let on_both = before_places.contains(place) && now_places.contains(place);
            if on_both && src.is_some() != dst.is_some() {
                let said = |entries: Option<&usize>| match entries {
                    Some(entries) => format!("recorded, {entries} entries"),
                    None => "not recorded".to_owned(),
                };
                changed.push(change(place, section, said(src), said(dst)));
            }
        }
        changed
    }

    fn machine(&mut self, of_host: bool, place: &str, machine: &MachineFacts) {
        // Nothing was collected: that is no difference of the machine.
        if machine.contains_key("failure") {
            return;
        }
        let own_cmdline = machine.contains_key("cmdline");
        for (section, text) in machine {
            if section.ends_with("_raw") {
                continue;
            }
            let (place, name) = match guest_section(section) {
                Some(name) => (format!("guests of {place}"), name),
                None => (place.to_owned(), section.as_str()),
            };
            self.section(of_host, &place, name, text, own_cmdline);
        }
    }

    fn section(
        &mut self,
        of_host: bool,
        place: &str,
        section: &str,
        text: &str,
        own_cmdline: bool,
    ) {
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut put = |kind, name: String, value: String| {
            self.put(of_host, place, section, kind, name, value);
        };
        match section {
            "kernel" => kernel(text, own_cmdline, &mut put),
            "cmdline" => arguments(lines(), &mut put),
            "rpm" => lines().for_each(|line| named_version("packages", rpm(line), &mut put)),
            "dpkg" => lines().for_each(|line| named_version("packages", dpkg(line), &mut put)),
            "mitigations" => {
                lines().for_each(|line| named_version("mitigations", mitigation(line), &mut put));
            }
            "systemctl" => lines().for_each(|line| {
                // unit load active sub description: the description changes with the package.
                let (unit, state) = line.split_once(' ').unwrap_or((line, ""));
                let state: Vec<&str> = state.split_whitespace().take(3).collect();
                put("services", unit.to_owned(), state.join(" "));
            }),
            "params" => lines().for_each(|line| pair("parameters", line, &mut put)),
            "cpu" => lines().for_each(|line| pair("cpu", line, &mut put)),
            "general" => lines()
                .filter(|line| !line.starts_with("Name:"))
                .for_each(|line| pair("other", line, &mut put)),
            "memory" | "sysctl" | "tuned" | "security" | "kvm" => {
                lines().for_each(|line| pair("other", line, &mut put));
            }
            _ => {
                let kind = if section.contains("xml") {
                    "domain_xml"
                } else {
                    "other"
                };
                for line in lines() {
                    self.line(of_host, place, section, kind, line);
                }
            }
        }
        // A section without entries was recorded all the same.
        self.sections
            .entry((place.to_owned(), section.to_owned()))
            .or_default();
    }

    fn put(
        &mut self,
        of_host: bool,
        place: &str,
        section: &str,
        kind: &'static str,
        name: String,
        value: String,
    ) {
        let fact = Fact {
            of_host,
            place: place.to_owned(),
            kind,
            name,
            section: section.to_owned(),
            line: None,
        };
        self.add(fact, value);
    }

    fn line(&mut self, of_host: bool, place: &str, section: &str, kind: &'static str, line: &str) {
        let line = if kind == "domain_xml" {
            without_addresses(line)
        } else {
            line.to_owned()
        };
        let fact = Fact {
            of_host,
            place: place.to_owned(),
            kind,
            name: section.to_owned(),
            section: section.to_owned(),
            line: Some(line.clone()),
        };
        self.add(fact, line);
    }

    /// Adds a value; several of one name (kernels installed beside each other, guests) stand together.
    fn add(&mut self, fact: Fact, value: String) {
        *self
            .sections
            .entry((fact.place.clone(), fact.section.clone()))
            .or_default() += 1;
        let values = self.values.entry(fact).or_default();
        if values.is_empty() {
            *values = value;
        } else if !values.split(", ").any(|known| known == value) {
            let mut all: Vec<&str> = values.split(", ").chain([value.as_str()]).collect();
            all.sort_unstable();
            *values = all.join(", ");
        }
    }
}

/// Returns a host's name: its `general` section says it, else its address, else its number.
fn host_name(machine: &MachineFacts, addresses: &[String], index: usize) -> String {
    let general = machine
        .get("general")
        .map(String::as_str)
        .unwrap_or_default();
    let named = general
        .lines()
        .find_map(|line| line.strip_prefix("Name:"))
        .map(str::trim)
        .filter(|name| !name.is_empty());
    named
        .map(str::to_owned)
        .or_else(|| addresses.get(index).cloned())
        .unwrap_or_else(|| (index + 1).to_string())
}

/// Returns the section of a guest without its number: `guest0_kernel` is `kernel`.
fn guest_section(section: &str) -> Option<&str> {
    let (number, name) = section.strip_prefix("guest")?.split_once('_')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

type Put<'a> = dyn FnMut(&'static str, String, String) + 'a;

fn named_version(kind: &'static str, (name, value): (&str, String), put: &mut Put<'_>) {
    put(kind, name.to_owned(), value);
}

/// Puts `key: value`, `key = value` or `key:value`; anything else is a name of its own.
fn pair(kind: &'static str, line: &str, put: &mut Put<'_>) {
    let cut = line
        .split_once(": ")
        .or_else(|| line.split_once(" = "))
        .or_else(|| line.split_once([':', '=']));
    match cut {
        Some((key, value)) => put(kind, key.trim().to_owned(), value.trim().to_owned()),
        None => put(kind, line.to_owned(), "yes".to_owned()),
    }
}

/// Puts release, version, machine and system, and the arguments of older results' fifth line.
fn kernel(text: &str, own_cmdline: bool, put: &mut Put<'_>) {
    let mut lines = text.lines().map(str::trim);
    let release = lines.next().unwrap_or_default().to_owned();
    for name in ["version", "machine", "system"] {
        if let Some(value) = lines.next().filter(|value| !value.is_empty()) {
            put("kernel", name.to_owned(), value.to_owned());
        }
    }
    if !own_cmdline && let Some(cmdline) = lines.next() {
        // Older results did not filter the release out of the image's name.
        let cmdline = if release.is_empty() {
            cmdline.to_owned()
        } else {
            cmdline.replace(&release, "FILTERED")
        };
        arguments(cmdline.split_whitespace(), put);
    }
    if !release.is_empty() {
        put("kernel", "kernel".to_owned(), release);
    }
}

fn arguments<'a>(words: impl Iterator<Item = &'a str>, put: &mut Put<'_>) {
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, "set"));
        put("cmdline", name.to_owned(), value.to_owned());
    }
}

/// Cuts `name-version-release.arch`.
fn rpm(line: &str) -> (&str, String) {
    let mut parts = line.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(release), Some(version), Some(name)) => (name, format!("{version}-{release}")),
        _ => (line, "installed".to_owned()),
    }
}

/// Cuts `name version …` (or `name=version`); an architecture behind the name stays with it.
fn dpkg(line: &str) -> (&str, String) {
    match line
        .split_once(char::is_whitespace)
        .or_else(|| line.split_once('='))
    {
        Some((name, version)) => (name, version.trim().to_owned()),
        None => (line, "installed".to_owned()),
    }
}

/// Cuts `/sys/devices/…/vulnerabilities/NAME:TEXT` (or `NAME:TEXT`).
fn mitigation(line: &str) -> (&str, String) {
    let (path, text) = line.split_once(':').unwrap_or((line, ""));
    (
        path.rsplit('/').next().unwrap_or(path),
        text.trim().to_owned(),
    )
}

/// Takes out of a line of XML what is made anew for every domain.
fn without_addresses(line: &str) -> String {
    static CHANGING: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{2}(:[0-9a-f]{2}){5}")
            .ok()
    });
    CHANGING.as_ref().map_or_else(
        || line.to_owned(),
        |changing| changing.replace_all(line, "…").into_owned(),
    )
}
