//! What spoils figures on a machine: battery, sleepy governors, heat, somebody else's work.
//!
//! [`Look::take`] reads the machine through its [`Shell`] for half a second; [`Look::notes`] judges
//! what was seen. The thermal counters count since boot, so heat is judged from two looks
//! ([`Look::notes_since`]): before the first test and after the last.

use std::collections::BTreeMap;

use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

use super::filters::{split_at, turbo};

const SCRIPT: &str = include_str!("spoilers.sh");

/// Share of all CPUs other programs may use before it is said, in percent.
const BUSY_PCT: f64 = 10.0;
/// Load average for each CPU from which on it is said.
const LOAD_PER_CPU: f64 = 0.5;
/// Share of CPU time the hypervisor may give to others before it is said, in percent.
const STEAL_PCT: f64 = 1.0;
/// Share of memory that may lie in swap before it is said, in percent.
const SWAP_PCT: f64 = 5.0;

/// One thing about a machine that matters for its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Short, the same from run to run: `battery`, `governor`, `heat`, `load`, `swap`, `packages`,
    /// `steal`, `quota`, `debug-kernel`, `frequency`, `smt`.
    pub kind: &'static str,
    /// A sentence for people.
    pub text: String,
    level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Spoils,
    Remark,
}

impl Note {
    /// Something that makes figures worse or unsteady.
    pub fn spoiling(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            level: Level::Spoils,
        }
    }

    /// Something normal that is good to know.
    pub fn remark(kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            level: Level::Remark,
        }
    }

    /// Returns whether it belongs among the warnings.
    pub fn spoils(&self) -> bool {
        self.level == Level::Spoils
    }
}

/// A machine at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// `path:text` lines of small files.
    files: String,
    load1: f64,
    cpus: f64,
    /// Of all CPU time between the two readings, in percent.
    busy_pct: f64,
    steal_pct: f64,
    swapped_pages: f64,
    swap_used_pct_of_memory: f64,
    release: String,
    guest: bool,
    commands: Vec<String>,
}

/// Package managers at work. Daemons that mostly sleep (packagekitd) are not among them.
const PACKAGE_MANAGERS: [&str; 12] = [
    "apt",
    "apt-get",
    "aptitude",
    "dnf",
    "dnf5",
    "dnf-automatic",
    "dpkg",
    "microdnf",
    "pacman",
    "rpm",
    "yum",
    "zypper",
];

impl Look {
    /// Looks at the machine for half a second. Needs no root and changes nothing.
    ///
    /// # Errors
    /// When the script could not be run.
    pub fn take(shell: &dyn Shell, limits: &Limits) -> Result<Self, ShellError> {
        let text = shell.text(&CommandLine::new("sh").arg("-s").stdin(SCRIPT), limits)?;
        Ok(Self::parse(&text))
    }

    /// Returns what is to be said of this moment; nothing on a quiet machine that is set up well,
    /// remarks apart.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        self.power(&mut notes);
        self.frequency(&mut notes);
        self.others(&mut notes);
        if self
            .release
            .split(['.', '-', '+', '_'])
            .any(|part| part == "debug" || part == "kasan")
        {
            notes.push(Note::spoiling(
                "debug-kernel",
                format!("the kernel {} is a debug build", self.release),
            ));
        }
        if self.file("/smt/active").as_deref() == Some("1") {
            notes.push(Note::remark("smt", "SMT is on: threads share cores"));
        }
        notes
    }

    /// Returns what happened between an earlier look and this one: heat.
    pub fn notes_since(&self, before: &Self) -> Vec<Note> {
        let (then, now) = (before.throttles(), self.throttles());
        let hot: f64 = now
            .iter()
            .map(|(path, count)| (count - then.get(path).unwrap_or(count)).max(0.0))
            .sum();
        if hot > 0.0 {
            return vec![Note::spoiling(
                "heat",
                format!("the CPUs were slowed down by heat {hot} times during the run"),
            )];
        }
        Vec::new()
    }

    fn power(&self, notes: &mut Vec<Note>) {
        for (path, status) in self.with_end("/status") {
            let supply = path.trim_start_matches("/sys/class/power_supply/");
            // A wireless mouse has a battery as well; its scope is `Device`.
            let of_device = self.file(&format!("/{supply}/scope")).as_deref() == Some("Device");
            if status == "Discharging" && !of_device {
                notes.push(Note::spoiling(
                    "battery",
                    format!("runs on battery ({supply}): the CPUs are kept slow to save power"),
                ));
            }
        }
        if let Some(profile) = self
            .file("/platform_profile")
            .filter(|profile| matches!(profile.as_str(), "low-power" | "quiet" | "cool"))
        {
            notes.push(Note::spoiling(
                "governor",
                format!(
                    "the platform profile is `{profile}`; set `performance` with powerprofilesctl"
                ),
            ));
        }
    }

    fn frequency(&self, notes: &mut Vec<Note>) {
        let governors: Vec<String> = split_at(&self.files, "/scaling_governor").collect();
        let preferences: Vec<String> =
            split_at(&self.files, "/energy_performance_preference").collect();
        let eager = !preferences.is_empty()
            && preferences
                .iter()
                .all(|preference| preference == "performance");
        let slow = governors
            .iter()
            .filter(|governor| matches!(governor.as_str(), "powersave" | "conservative"))
            .count();
        if slow > 0 && !eager {
            notes.push(Note::spoiling(
                "governor",
                format!("the CPU governor is `powersave` on {slow} of {} CPU groups; `cpupower frequency-set -g performance` changes it", governors.len()),
            ));
        }
        if governors.is_empty() {
            let text = if self.guest {
                "a guest: CPU frequency and turbo cannot be seen"
            } else {
                "CPU frequency and turbo cannot be seen"
            };
            notes.push(Note::remark("frequency", text));
        } else if turbo(&self.files) == "on" {
            notes.push(Note::remark(
                "frequency",
                "turbo is on: the CPUs are faster while they are cool",
            ));
        }
        if let Some(limit) = self
            .file("/cpu.max")
            .and_then(|text| quota(&text))
            .filter(|limit| *limit < self.cpus)
        {
            notes.push(Note::spoiling(
                "quota",
                format!(
                    "a control group limits this to {limit:.1} CPUs of {}",
                    self.cpus
                ),
            ));
        }
    }

    fn others(&self, notes: &mut Vec<Note>) {
        let packages: Vec<&str> = self
            .commands
            .iter()
            .map(String::as_str)
            .filter(|name| PACKAGE_MANAGERS.contains(name))
            .collect();
        if let Some(name) = packages.first() {
            notes.push(Note::spoiling(
                "packages",
                format!("packages are being installed or updated (`{name}` runs)"),
            ));
        }
        if self.busy_pct >= BUSY_PCT {
            notes.push(Note::spoiling(
                "load",
                format!("other programs use {:.0} % of the CPUs", self.busy_pct),
            ));
        } else if self.cpus > 0.0 && self.load1 >= LOAD_PER_CPU * self.cpus {
            notes.push(Note::spoiling(
                "load",
                format!(
                    "load average {:.2} on {} CPUs: there was other work a moment ago",
                    self.load1, self.cpus
                ),
            ));
        }
        if self.steal_pct >= STEAL_PCT {
            notes.push(Note::spoiling(
                "steal",
                format!(
                    "the hypervisor gives {:.0} % of the CPU time to other guests",
                    self.steal_pct
                ),
            ));
        }
        if self.swapped_pages > 0.0 {
            notes.push(Note::spoiling("swap", "memory is being swapped right now"));
        } else if self.swap_used_pct_of_memory >= SWAP_PCT {
            notes.push(Note::spoiling(
                "swap",
                format!(
                    "{:.0} % of the memory's size lies in swap",
                    self.swap_used_pct_of_memory
                ),
            ));
        }
    }

    /// Counters of slowing down by heat, by file.
    fn throttles(&self) -> BTreeMap<String, f64> {
        let counts = self.with_end("_throttle_count");
        counts
            .filter_map(|(path, count)| Some((path, count.parse().ok()?)))
            .collect()
    }

    fn file(&self, end: &str) -> Option<String> {
        split_at(&self.files, end).next()
    }

    fn with_end<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
        let pairs = self.files.lines().filter_map(|line| line.split_once(':'));
        pairs.filter_map(move |(path, text)| {
            Some((path.strip_suffix(end)?.to_owned(), text.trim().to_owned()))
        })
    }

    fn parse(text: &str) -> Self {
        let mut look = Self::default();
        let mut cpu_times: Vec<Vec<f64>> = Vec::new();
        let mut swaps: Vec<f64> = Vec::new();
        let mut meminfo: BTreeMap<&str, f64> = BTreeMap::new();
        for line in text.lines() {
            let Some((kind, rest)) = line.split_once(' ') else {
                continue;
            };
            let numbers = || {
                rest.split_whitespace()
                    .map_while(|word| word.parse::<f64>().ok())
            };
            match kind {
                "file" => {
                    look.files.push_str(rest);
                    look.files.push('\n');
                }
                "cpu" => cpu_times.push(numbers().collect()),
                "swapped" => swaps.push(numbers().sum()),
                "load" => look.load1 = numbers().next().unwrap_or(0.0),
                "cpus" => look.cpus = numbers().next().unwrap_or(0.0),
                "release" => look.release = rest.trim().to_owned(),
                "guest" => look.guest = rest.trim() == "yes",
                "mem" => {
                    if let Some((key, value)) = rest.split_once(':') {
                        meminfo.insert(
                            key,
                            value
                                .split_whitespace()
                                .next()
                                .and_then(|number| number.parse().ok())
                                .unwrap_or(0.0),
                        );
                    }
                }
                "comm" => look.commands.push(rest.trim().to_owned()),
                _ => {}
            }
        }
        if let [before, .., after] = cpu_times.as_slice() {
            let share = |of: &[usize]| {
                let spent = |times: &[f64]| times.iter().take(8).sum::<f64>();
                let total = spent(after) - spent(before);
                let part: f64 = of
                    .iter()
                    .filter_map(|index| Some(after.get(*index)? - before.get(*index)?))
                    .sum();
                if total > 0.0 {
                    (part / total * 100.0).clamp(0.0, 100.0)
                } else {
                    0.0
                }
            };
            // user nice system idle iowait irq softirq steal
            look.busy_pct = share(&[0, 1, 2, 5, 6]);
            look.steal_pct = share(&[7]);
        }
        if let [before, .., after] = swaps.as_slice() {
            look.swapped_pages = after - before;
        }
        let get = |key: &str| meminfo.get(key).copied().unwrap_or(0.0);
        if get("MemTotal") > 0.0 {
            look.swap_used_pct_of_memory =
                (get("SwapTotal") - get("SwapFree")).max(0.0) / get("MemTotal") * 100.0;
        }
        look
    }
}

/// Returns how many CPUs `quota period` (both in µs, cgroup v2 `cpu.max`) is; `None` for `max`.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &str = "\
release 6.8.5-301.fc40.x86_64
guest no
cpus 4
load 0.05 0.10 0.20 1/300 1
file /sys/class/power_supply/AC/online:1
file /sys/class/power_supply/BAT0/status:Full
file /sys/class/power_supply/hidpp_battery_0/status:Discharging
file /sys/class/power_supply/hidpp_battery_0/scope:Device
file /sys/devices/system/cpu/cpufreq/policy0/scaling_governor:performance
file /sys/devices/system/cpu/intel_pstate/no_turbo:1
file /sys/devices/system/cpu/smt/active:0
file /sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count:12
mem MemTotal: 16000000 kB
mem SwapTotal: 8000000 kB
mem SwapFree: 7900000 kB
comm systemd
comm packagekitd
cpu 1000 0 1000 100000 0 0 0 0 0 0
swapped 5 5
cpu 1001 0 1000 100199 0 0 0 0 0 0
swapped 5 5
";

    fn kinds(text: &str) -> Vec<&'static str> {
        Look::parse(text)
            .notes()
            .iter()
            .filter(|note| note.spoils())
            .map(|note| note.kind)
            .collect()
    }

    #[test]
    fn a_quiet_machine_that_is_set_up_well_gives_no_note() {
        assert_eq!(Look::parse(QUIET).notes(), []);
    }

    #[test]
    fn each_spoiler_is_seen() {
        let cases = [
            ("BAT0/status:Full", "BAT0/status:Discharging", "battery"),
            (
                "scaling_governor:performance",
                "scaling_governor:powersave",
                "governor",
            ),
            (
                "file /sys/devices/system/cpu/smt/active:0",
                "file /sys/firmware/acpi/platform_profile:low-power",
                "governor",
            ),
            (
                "file /sys/devices/system/cpu/smt/active:0",
                "file /sys/fs/cgroup/cpu.max:150000 100000",
                "quota",
            ),
            ("cpu 1001 0 1000 100199", "cpu 1100 0 1000 100100", "load"),
            ("load 0.05", "load 2.50", "load"),
            ("100199 0 0 0 0", "100190 0 0 0 9", "steal"),
            ("SwapFree: 7900000", "SwapFree: 100000", "swap"),
            ("comm systemd", "comm dnf", "packages"),
            ("301.fc40.x86_64", "301.fc40.x86_64+debug", "debug-kernel"),
        ];
        for (from, to, kind) in cases {
            assert!(QUIET.contains(from), "{from}");
            assert_eq!(kinds(&QUIET.replace(from, to)), [kind], "{to}");
        }
        let swapping = QUIET.replacen("swapped 5 5", "swapped 5 4", 1);
        assert_eq!(kinds(&swapping), ["swap"]);
    }

    #[test]
    fn powersave_that_prefers_performance_is_the_normal_state_of_modern_drivers() {
        let text = QUIET.replace(
            "scaling_governor:performance",
            "scaling_governor:powersave\nfile /sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference:performance",
        );
        assert_eq!(kinds(&text), [""; 0]);
    }

    #[test]
    fn heat_is_what_was_counted_between_two_looks() {
        let before = Look::parse(QUIET);
        let after = Look::parse(&QUIET.replace("throttle_count:12", "throttle_count:15"));
        assert_eq!(before.notes_since(&before), []);
        let notes = after.notes_since(&before);
        assert_eq!(
            (notes[0].kind, notes[0].text.as_str()),
            (
                "heat",
                "the CPUs were slowed down by heat 3 times during the run"
            )
        );
    }

    #[test]
    fn an_empty_answer_is_a_machine_nothing_is_known_of() {
        assert_eq!(kinds(""), [""; 0]);
    }
}
