//! Lists of machines that exist already: BenchKit's map and Ansible inventories.
//!
//! Reading never stops at the first fault: what is wrong is listed with its line, so that a check
//! says everything at once. [`super::ini`] and [`super::yaml`] read the two forms of an inventory;
//! variables and groups are put together here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::secret::Secret;
use crate::text::one_line;

/// Machines a list may hold; a slip in a range must not fill the memory.
pub(super) const MOST: usize = 10_000;
/// Bytes of a list.
pub const LONGEST: u64 = 16 << 20;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `ADDRESS NAME` a line, as in `/etc/hosts`.
    Map,
    /// An Ansible inventory with `[groups]`.
    Ini,
    /// An Ansible inventory in YAML.
    Yaml,
}

impl Format {
    /// Every format with the word that names it.
    pub const ALL: [(&'static str, Format); 3] = [
        ("map", Format::Map),
        ("ini", Format::Ini),
        ("yaml", Format::Yaml),
    ];

    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Format::Map => "map of machines (ADDRESS NAME)",
            Format::Ini => "Ansible inventory (INI)",
            Format::Yaml => "Ansible inventory (YAML)",
        }
    }

    /// Tells from name and content how a list is written.
    pub fn guess(path: &Path, text: &str) -> Self {
        let ending = path.extension().and_then(|end| end.to_str());
        match ending {
            Some("yaml" | "yml") => return Format::Yaml,
            Some("ini") => return Format::Ini,
            _ => {}
        }
        let mut lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        let Some(first) = lines.next() else {
            return Format::Map;
        };
        if first == "---" || first.ends_with(':') && !first.starts_with('[') {
            return Format::Yaml;
        }
        let is_map = |line: &str| {
            let word = line.split_whitespace().next().unwrap_or_default();
            word.parse::<IpAddr>().is_ok() && !line.contains("ansible_")
        };
        let mut all = std::iter::once(first).chain(lines);
        if all
            .clone()
            .any(|line| line.starts_with('[') || line.contains('='))
            || !all.any(|line| is_map(line) || line.split_whitespace().count() > 1)
        {
            Format::Ini
        } else {
            Format::Map
        }
    }
}

/// A machine and how to log in to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Name in results.
    pub name: String,
    /// Name or number to connect to.
    pub address: String,
    /// As the list says.
    pub user: Option<String>,
    /// As the list says.
    pub port: Option<u16>,
    /// Key file the list names.
    pub key: Option<PathBuf>,
    /// Password the list holds.
    pub password: Option<Secret>,
    /// It is the machine run-perf runs on (`ansible_connection=local`).
    pub local: bool,
    /// Groups it belongs to, `all` not among them.
    pub groups: BTreeSet<String>,
}

/// Something at a line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// From 1; 0 is the list as a whole.
    pub line: usize,
    /// What was expected and found.
    pub message: String,
}

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machines {
    /// How it is written.
    pub format: Format,
    /// In the order of the list.
    pub machines: Vec<Machine>,
    /// Every group, those without machines included.
    pub groups: BTreeSet<String>,
    /// What is wrong.
    pub faults: Vec<Remark>,
    /// Odd, but harmless: lines that are passed over.
    pub notes: Vec<Remark>,
}

impl Machines {
    /// Reads a list; `path` helps to tell its format, `format` says it.
    pub fn read(path: &Path, text: &str, format: Option<Format>) -> Self {
        let format = format.unwrap_or_else(|| Format::guess(path, text));
        let mut collected = Collected::default();
        match format {
            Format::Map => return map(text),
            Format::Ini => super::ini::read(text, &mut collected),
            Format::Yaml => super::yaml::read(text, &mut collected),
        }
        collected.finish(format)
    }

    /// Returns the machines of these groups, or of these names; of all when none is given.
    ///
    /// # Errors
    /// A word that is neither.
    pub fn chosen(&self, words: &[String]) -> Result<Vec<&Machine>, String> {
        for word in words {
            let known = word == "all"
                || self.groups.contains(word)
                || self.machines.iter().any(|machine| machine.name == *word);
            if !known {
                let names = self
                    .groups
                    .iter()
                    .map(String::as_str)
                    .chain(self.machines.iter().map(|machine| machine.name.as_str()));
                let near = crate::text::nearest(word, names)
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                return Err(format!(
                    "expected a group or a machine of the list, found `{word}`{near}"
                ));
            }
        }
        let wanted = |machine: &&Machine| {
            words.is_empty()
                || words.iter().any(|word| {
                    word == "all" || *word == machine.name || machine.groups.contains(word)
                })
        };
        Ok(self.machines.iter().filter(wanted).collect())
    }
}

/// Reads `ADDRESS NAME [ALIAS…]` lines by BenchKit's rules: a line with fewer than two fields is passed
/// over, a name that comes again keeps the last address.
fn map(text: &str) -> Machines {
    let mut read = Machines {
        format: Format::Map,
        machines: Vec::new(),
        groups: BTreeSet::new(),
        faults: Vec::new(),
        notes: Vec::new(),
    };
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let remark = |message: String| Remark {
            line: index + 1,
            message,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split_whitespace();
        let (Some(address), Some(name)) = (fields.next(), fields.next()) else {
            read.notes.push(remark(format!(
                "passed over: expected an address and a name, found `{}`",
                one_line(line)
            )));
            continue;
        };
        if let Err(message) = good_address(address).and_then(|()| good_name(name)) {
            read.faults.push(remark(message));
            continue;
        }
        let machine = Machine {
            name: name.to_owned(),
            address: address.to_owned(),
            ..Machine::default()
        };
        match places.get(name) {
            Some(place) => {
                let earlier = &read.machines[*place].address;
                read.notes.push(remark(format!(
                    "`{name}` is there twice: {address} counts, {earlier} does not"
                )));
                read.machines[*place] = machine;
            }
            None if read.machines.len() >= MOST => {
                read.faults.push(remark(too_many()));
                break;
            }
            None => {
                places.insert(name.to_owned(), read.machines.len());
                read.machines.push(machine);
            }
        }
    }
    same_places(&mut read);
    none_at_all(&mut read);
    read
}

fn too_many() -> String {
    format!("expected at most {MOST} machines, found more")
}

fn none_at_all(read: &mut Machines) {
    if read.machines.is_empty() && read.faults.is_empty() {
        read.faults.push(Remark {
            line: 0,
            message: format!(
                "expected machines in this {}, found none",
                read.format.words()
            ),
        });
    }
}

/// Two names for one machine would measure it against itself.
fn same_places(read: &mut Machines) {
    let mut seen: BTreeMap<(String, Option<u16>), &str> = BTreeMap::new();
    for machine in &read.machines {
        let place = (machine.address.to_lowercase(), machine.port);
        if let Some(other) = seen.insert(place, &machine.name) {
            read.notes.push(Remark {
                line: 0,
                message: format!(
                    "`{}` and `{other}` have the same address {}",
                    machine.name, machine.address
                ),
            });
        }
    }
}

/// Whether somebody could be reached under this.
pub(super) fn good_address(address: &str) -> Result<(), String> {
    let name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = address.parse::<IpAddr>().is_ok()
        || !address.is_empty()
            && address.len() <= 253
            && address.chars().all(name)
            && !address.starts_with(['-', '.'])
            // Digits and dots that are no address are a slip, not a name.
            && address.chars().any(|c| c.is_ascii_alphabetic());
    if good {
        Ok(())
    } else {
        Err(format!(
            "expected an address or a host name, found `{}`",
            one_line(address)
        ))
    }
}

pub(super) fn good_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 253 || name.chars().any(|c| c.is_control() || c == '/') {
        return Err(format!(
            "expected the name of a machine, found `{}`",
            one_line(name)
        ));
    }
    Ok(())
}

type Vars = BTreeMap<String, String>;

/// What an inventory says, before variables and groups are put together.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Machines in order of first mention.
    order: Vec<String>,
    hosts: BTreeMap<String, (Vars, usize)>,
    group_vars: BTreeMap<String, Vars>,
    members: BTreeMap<String, BTreeSet<String>>,
    /// Group to the groups it holds.
    children: BTreeMap<String, BTreeSet<String>>,
    pub(super) faults: Vec<Remark>,
    pub(super) notes: Vec<Remark>,
    full: bool,
}

impl Collected {
    pub(super) fn fault(&mut self, line: usize, message: impl Into<String>) {
        self.faults.push(Remark {
            line,
            message: message.into(),
        });
    }

    pub(super) fn group(&mut self, group: &str) {
        self.members.entry(group.to_owned()).or_default();
    }

    pub(super) fn child(&mut self, group: &str, child: &str) {
        self.group(group);
        self.group(child);
        let children = self.children.entry(group.to_owned()).or_default();
        children.insert(child.to_owned());
    }

    pub(super) fn group_var(&mut self, group: &str, name: &str, value: &str) {
        self.group(group);
        let vars = self.group_vars.entry(group.to_owned()).or_default();
        vars.insert(name.to_owned(), value.to_owned());
    }

    /// Adds the machines a pattern (`web[01:12]`) stands for.
    pub(super) fn hosts(&mut self, line: usize, group: &str, pattern: &str, vars: &Vars) {
        self.group(group);
        let names = match super::range::expand(pattern, MOST) {
            Ok(names) => names,
            Err(message) => return self.fault(line, message),
        };
        for name in names {
            if let Err(message) = good_name(&name) {
                return self.fault(line, message);
            }
            if !self.hosts.contains_key(&name) {
                if self.order.len() >= MOST {
                    if !self.full {
                        self.full = true;
                        self.fault(line, too_many());
                    }
                    return;
                }
                self.order.push(name.clone());
            }
            let known = &mut self
                .hosts
                .entry(name.clone())
                .or_insert((Vars::new(), line))
                .0;
            known.extend(vars.iter().map(|(key, value)| (key.clone(), value.clone())));
            self.members
                .entry(group.to_owned())
                .or_default()
                .insert(name);
        }
    }

    /// Returns the groups that hold `group`, itself included, the innermost first.
    fn above(&self, group: &str) -> Vec<String> {
        let mut found = vec![group.to_owned()];
        let mut at = 0;
        while at < found.len() {
            let parents = self
                .children
                .iter()
                .filter(|(_, children)| children.contains(&found[at]))
                .map(|(parent, _)| parent.clone());
            let parents: Vec<String> = parents.filter(|parent| !found.contains(parent)).collect();
            found.extend(parents);
            at += 1;
        }
        found
    }

    fn circles(&mut self) {
        let groups: Vec<String> = self.children.keys().cloned().collect();
        for group in groups {
            let inside = self
                .children
                .get(&group)
                .is_some_and(|children| self.above(&group).iter().any(|up| children.contains(up)));
            if inside {
                self.fault(0, format!("group `{group}` holds itself"));
            }
        }
    }

    fn finish(mut self, format: Format) -> Machines {
        self.circles();
        let mut machines = Vec::new();
        for name in std::mem::take(&mut self.order) {
            let direct: Vec<String> = self
                .members
                .iter()
                .filter(|(_, members)| members.contains(&name))
                .map(|(group, _)| group.clone())
                .collect();
            let mut groups = BTreeSet::new();
            let mut layers: Vec<String> = Vec::new();
            for group in &direct {
                for up in self.above(group) {
                    if groups.insert(up.clone()) {
                        layers.push(up);
                    }
                }
            }
            let mut vars = self.group_vars.get("all").cloned().unwrap_or_default();
            // Outer groups first, so that inner ones and then the machine itself win.
            for group in layers.iter().rev().filter(|group| *group != "all") {
                vars.extend(self.group_vars.get(group).cloned().unwrap_or_default());
            }
            let (own, line) = self.hosts.get(&name).cloned().unwrap_or_default();
            vars.extend(own);
            groups.retain(|group| group != "all" && group != "ungrouped");
            match machine(&name, &vars, groups) {
                Ok(machine) => machines.push(machine),
                Err(message) => self.fault(line, format!("`{name}`: {message}")),
            }
        }
        let mut groups: BTreeSet<String> = self.members.into_keys().collect();
        groups.retain(|group| group != "all" && group != "ungrouped");
        let mut read = Machines {
            format,
            machines,
            groups,
            faults: self.faults,
            notes: self.notes,
        };
        same_places(&mut read);
        none_at_all(&mut read);
        read.faults.sort_by_key(|fault| fault.line);
        read
    }
}

/// Reads the variables that say how a machine is reached; all others are Ansible's own business.
fn machine(name: &str, vars: &Vars, groups: BTreeSet<String>) -> Result<Machine, String> {
    let var = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| vars.get(*name))
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    // Values that Ansible would compute cannot be known here.
    let plain = |what: &str, value: Option<&str>| match value {
        Some(value) if value.contains("{{") => Err(format!(
            "{what} is a template (`{}`), which only Ansible can fill in",
            one_line(value)
        )),
        value => Ok(value.map(str::to_owned)),
    };
    let local = match var(&["ansible_connection"]) {
        None | Some("ssh" | "paramiko" | "paramiko_ssh" | "smart") => false,
        Some("local") => true,
        Some(other) => {
            return Err(format!(
                "expected `ansible_connection` to be ssh or local, found `{}`",
                one_line(other)
            ));
        }
    };
    // `web1:2222` is a name with a port, an address with more colons is not.
    let (plain_name, name_port) = match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.chars().all(|c| c.is_ascii_digit()) => {
            (host, Some(port))
        }
        _ => (name, None),
    };
    let address = plain("ansible_host", var(&["ansible_host", "ansible_ssh_host"]))?
        .unwrap_or_else(|| plain_name.to_owned());
    let address = if local {
        "127.0.0.1".to_owned()
    } else {
        address
    };
    good_address(&address)?;
    let port = var(&["ansible_port", "ansible_ssh_port"]).or(name_port);
    let port = port
        .map(|port| match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!(
                "expected a port from 1 to 65535, found `{}`",
                one_line(port)
            )),
        })
        .transpose()?;
    let password = var(&[
        "ansible_password",
        "ansible_ssh_pass",
        "ansible_ssh_password",
    ]);
    if password.is_some_and(|value| value.contains("{{")) {
        return Err("`ansible_password` is a template, which only Ansible can fill in".into());
    }
    if vars
        .values()
        .any(|value| value.starts_with("$ANSIBLE_VAULT"))
    {
        return Err("a variable is encrypted, and this program has no vault".into());
    }
    let key = var(&["ansible_ssh_private_key_file", "ansible_private_key_file"]);
    Ok(Machine {
        name: plain_name.to_owned(),
        address,
        user: plain("ansible_user", var(&["ansible_user", "ansible_ssh_user"]))?,
        port: if local { None } else { port },
        key: plain("the key file", key)?
            .map(|key| crate::control::options::expand_home(key.as_ref())),
        password: password.map(Secret::new),
        local,
        groups,
    })
}
