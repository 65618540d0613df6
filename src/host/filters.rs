//! From what a machine prints to what is compared between two runs: sorted, one fact a line, and
//! nothing in it that changes by itself.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the lines sorted, blank ones and duplicates removed.
pub(crate) fn sorted(text: &str) -> String {
    let lines: BTreeSet<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    join(lines)
}

/// Returns the lines in their order with runs of blanks squeezed to one.
pub(crate) fn squeezed(text: &str) -> String {
    join(text.lines().map(words).filter(|line| !line.is_empty()))
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn join<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line.as_ref());
    }
    text
}

/// Returns the four answers of uname, and the command line with the kernel release replaced by
/// `FILTERED` and its arguments sorted.
pub(crate) fn kernel(raw: &str) -> String {
    let mut lines: Vec<String> = raw.lines().take(4).map(str::to_owned).collect();
    let arguments = arguments(raw).join(" ");
    if !arguments.is_empty() {
        lines.push(arguments);
    }
    join(lines)
}

/// Returns the arguments of the kernel command line, one a line.
pub(crate) fn cmdline(raw: &str) -> String {
    join(arguments(raw))
}

fn arguments(raw: &str) -> Vec<String> {
    let mut lines = raw.lines();
    let release = lines.next().unwrap_or("");
    let command_line = lines.nth(3).unwrap_or("");
    let filtered = if release.is_empty() {
        command_line.to_owned()
    } else {
        command_line.replace(release, "FILTERED")
    };
    let mut arguments: Vec<String> = filtered.split_whitespace().map(str::to_owned).collect();
    arguments.sort();
    arguments
}

/// Returns name and version of the installed system, without the addresses of its makers.
pub(crate) fn os(raw: &str) -> String {
    let wanted = [
        "PRETTY_NAME=",
        "ID=",
        "VERSION_ID=",
        "VARIANT_ID=",
        "BUILD_ID=",
    ];
    sorted(&join(
        raw.lines()
            .filter(|line| wanted.iter().any(|key| line.starts_with(key))),
    ))
}

/// Returns installed packages as `name version`; what was removed and left its configuration is not.
pub(crate) fn dpkg(raw: &str) -> String {
    let installed = raw.lines().filter_map(|line| line.split_once('|'));
    // Second letter: what it is, whatever was wanted ("hi": held and installed).
    sorted(&join(
        installed
            .filter(|(state, _)| state.chars().nth(1) == Some('i'))
            .map(|(_, package)| package),
    ))
}

/// Services that start when somebody asks them something and end by themselves.
const ON_DEMAND: [&str; 11] = [
    "NetworkManager-dispatcher.service",
    "dnf-makecache.service",
    "fprintd.service",
    "fwupd.service",
    "geoclue.service",
    "packagekit.service",
    "realmd.service",
    "systemd-hostnamed.service",
    "systemd-localed.service",
    "systemd-timedated.service",
    "systemd-tmpfiles-clean.service",
];

/// Returns active units as `unit load active sub description`, without what comes and goes:
/// sessions, containers, transient units, devices, services on demand, the running of timers.
pub(crate) fn systemctl(raw: &str) -> String {
    let comes_and_goes = |unit: &str, active: &str| {
        let (name, kind) = unit.rsplit_once('.').unwrap_or((unit, ""));
        let temporary = [
            "session-",
            "user@",
            "user-",
            "run-",
            "sshd@",
            "systemd-coredump@",
            "docker-",
            "libpod-",
            "machine-",
            "tmp-",
            "var-lib-docker",
            "var-lib-containers",
        ];
        kind == "device"
            || matches!(kind, "scope" | "mount" | "automount")
                && (name.starts_with("run-") || name.starts_with("proc-sys-fs-binfmt"))
            || temporary.iter().any(|start| name.starts_with(start))
            || ON_DEMAND.contains(&unit)
            || matches!(active, "activating" | "deactivating" | "reloading")
    };
    let line = |line: &str| {
        // A failed unit has a bullet in front even when plain output is asked for.
        let text = words(line.trim_start_matches(['●', '*', ' ']));
        let fields: Vec<&str> = text.split(' ').collect();
        let [unit, load, active, sub, ..] = fields[..] else {
            return None;
        };
        if comes_and_goes(unit, active) {
            return None;
        }
        let settled =
            matches!(sub, "waiting" | "elapsed") || (unit.ends_with(".timer") && sub == "running");
        let sub = if unit.ends_with(".timer") && settled {
            "waiting"
        } else {
            sub
        };
        Some(join_words(&[unit, load, active, sub], &fields[4..]))
    };
    let lines: BTreeSet<String> = raw.lines().filter_map(line).collect();
    join(lines)
}

fn join_words(first: &[&str], rest: &[&str]) -> String {
    first
        .iter()
        .chain(rest)
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns `path:text` lines without the common start of their paths.
pub(crate) fn paths(raw: &str, prefix: &str) -> String {
    sorted(&join(
        raw.lines()
            .map(|line| words(line.strip_prefix(prefix).unwrap_or(line))),
    ))
}

/// Returns kernel settings as sysctl(8) writes them: `vm.swappiness = 60`.
pub(crate) fn sysctl(raw: &str) -> String {
    let line = |line: &str| {
        let (path, value) = line.split_once(':')?;
        let name = match path.strip_prefix("/proc/sys/") {
            Some(name) => name.replace('/', "."),
            None => path.strip_prefix("/sys/kernel/")?.replace('/', "."),
        };
        Some(format!("{name} = {}", words(value)))
    };
    let lines: BTreeSet<String> = raw.lines().filter_map(line).collect();
    join(lines)
}

/// Returns file systems on disks as `device where kind options`.
///
/// Loop devices (images, snaps) and mounts in temporary places come and go.
pub(crate) fn mounts(raw: &str) -> String {
    let lasting = |line: &&str| {
        let mut fields = line.split(' ');
        let device = fields.next().unwrap_or("");
        let place = fields.next().unwrap_or("");
        let temporary = [
            "/tmp/",
            "/run/",
            "/var/tmp/",
            "/media/",
            "/mnt/",
            "/snap/",
            "/var/lib/docker/",
            "/var/lib/containers/",
        ];
        device.starts_with("/dev/")
            && !device.starts_with("/dev/loop")
            && !temporary.iter().any(|start| place.starts_with(start))
    };
    sorted(&join(
        raw.lines()
            .filter(lasting)
            .map(|line| line.trim_end_matches(" 0 0")),
    ))
}

/// Returns size, huge pages, THP, KSM and swap; nothing of what is free at the moment.
pub(crate) fn memory(meminfo: &str, settings: &str, swaps: &str) -> String {
    let mut lines = Vec::new();
    for (key, value) in meminfo.lines().filter_map(|line| line.split_once(':')) {
        let value = words(value);
        match key {
            // Whole 16 MiB: what the kernel keeps for itself moves with each build of it.
            "MemTotal" => {
                let kib: u64 = value
                    .split(' ')
                    .next()
                    .and_then(|number| number.parse().ok())
                    .unwrap_or(0);
                lines.push(format!("MemTotal: {} MiB", (kib + 8192) / 16384 * 16));
            }
            "SwapTotal" | "Hugepagesize" | "HugePages_Total" => {
                lines.push(format!("{key}: {value}"));
            }
            _ => {}
        }
    }
    lines.extend(paths(settings, "/sys/").lines().map(|line| {
        line.trim_start_matches("kernel/mm/")
            .trim_start_matches("devices/system/node/")
            .to_owned()
    }));
    for swap in swaps.lines() {
        // Name, type, size, used, priority: used changes.
        let fields: Vec<&str> = swap.split_whitespace().collect();
        if let [name, kind, size, _, priority] = fields[..] {
            lines.push(format!("swap {name} {kind} {size} KiB priority {priority}"));
        }
    }
    join(lines)
}

/// What a machine says about its processors.
pub(crate) struct Cpu<'a> {
    /// The first processor's part of `/proc/cpuinfo`.
    pub(crate) info: &'a str,
    /// `path:value` of topology files.
    pub(crate) topology: &'a str,
    /// `path:value` of frequency files.
    pub(crate) frequency: &'a str,
    /// Caches, as they are to be shown.
    pub(crate) cache: &'a str,
}

impl Cpu<'_> {
    /// Returns everything, as it came.
    pub(crate) fn raw(&self) -> String {
        join(
            [self.info, self.topology, self.frequency, self.cache]
                .iter()
                .map(|text| text.trim_end())
                .filter(|text| !text.is_empty()),
        )
    }

    /// Returns `name: value` lines. What cannot be seen (turbo in a guest) is `unknown`.
    pub(crate) fn filtered(&self) -> String {
        let mut lines = Vec::new();
        let mut add = |name: &str, value: String| {
            if !value.is_empty() {
                lines.push(format!("{name}: {value}"));
            }
        };
        for key in [
            "vendor_id",
            "model name",
            "cpu family",
            "model",
            "stepping",
            "microcode",
            "CPU implementer",
            "CPU part",
            "CPU variant",
            "CPU revision",
            "machine",
            "cpu",
            "revision",
        ] {
            add(key, self.info(key));
        }
        add("online", self.one(self.topology, "/cpu/online"));
        add("isolated", self.one(self.topology, "/cpu/isolated"));
        add(
            "nohz_full",
            self.one(self.topology, "/cpu/nohz_full")
                .replace("(null)", ""),
        );
        let sockets = self.values(self.topology, "/physical_package_id");
        if !sockets.is_empty() {
            add("sockets", sockets.len().to_string());
            add("cores", self.cores().to_string());
            add("threads", self.count(self.topology, "/core_id").to_string());
        }
        add(
            "NUMA nodes",
            self.count(self.topology, "/cpulist").max(1).to_string(),
        );
        add("SMT", self.one(self.topology, "/smt/control"));
        add(
            "allowed CPUs",
            self.one(self.topology, "status:Cpus_allowed_list"),
        );
        add(
            "driver",
            set(self.values(self.frequency, "/scaling_driver")),
        );
        add(
            "governor",
            set(self.values(self.frequency, "/scaling_governor")),
        );
        add(
            "energy preference",
            set(self.values(self.frequency, "/energy_performance_preference")),
        );
        add(
            "minimum kHz",
            set(self.values(self.frequency, "/scaling_min_freq")),
        );
        add(
            "maximum kHz",
            set(self.values(self.frequency, "/scaling_max_freq")),
        );
        add("turbo", turbo(self.frequency).to_owned());
        add(
            "platform profile",
            self.one(self.frequency, "/platform_profile"),
        );
        add(
            "idle driver",
            self.one(self.frequency, "/cpuidle/current_driver"),
        );
        add(
            "idle governor",
            self.one(self.frequency, "/cpuidle/current_governor"),
        );
        lines.extend(self.cache.lines().map(words));
        let flags = [self.info("flags"), self.info("Features")].join(" ");
        let flags: BTreeSet<&str> = flags.split_whitespace().collect();
        if !flags.is_empty() {
            lines.push(format!(
                "flags: {}",
                flags.into_iter().collect::<Vec<_>>().join(" ")
            ));
        }
        join(lines)
    }

    fn info(&self, key: &str) -> String {
        let pairs = self.info.lines().filter_map(|line| line.split_once(':'));
        pairs
            .filter(|(name, _)| name.trim() == key)
            .map(|(_, value)| words(value))
            .next()
            .unwrap_or_default()
    }

    fn cores(&self) -> usize {
        let mut of: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for (path, value) in self
            .topology
            .lines()
            .filter_map(|line| line.split_once(':'))
        {
            if let Some(cpu) = path.strip_suffix("/topology/physical_package_id") {
                of.entry(cpu).or_default().0 = value;
            } else if let Some(cpu) = path.strip_suffix("/topology/core_id") {
                of.entry(cpu).or_default().1 = value;
            }
        }
        of.values().collect::<BTreeSet<_>>().len()
    }

    fn one(&self, text: &str, end: &str) -> String {
        self.values(text, end)
            .into_iter()
            .next()
            .unwrap_or_default()
    }

    fn values(&self, text: &str, end: &str) -> BTreeSet<String> {
        split_at(text, end).collect()
    }

    fn count(&self, text: &str, end: &str) -> usize {
        split_at(text, end).count()
    }
}

/// Returns the values of all lines whose path ends in `end`.
pub(crate) fn split_at<'a>(text: &'a str, end: &'a str) -> impl Iterator<Item = String> + 'a {
    text.lines().filter_map(move |line| {
        let at = line.find(&format!("{end}:"))?;
        Some(words(&line[at + end.len() + 1..]))
    })
}

fn set(values: BTreeSet<String>) -> String {
    values.into_iter().collect::<Vec<_>>().join(", ")
}

/// Returns `on`, `off` or `unknown`.
pub(crate) fn turbo(frequency: &str) -> &'static str {
    let first = |end: &str| split_at(frequency, end).next();
    match (
        first("/intel_pstate/no_turbo").as_deref(),
        first("/cpufreq/boost").as_deref(),
    ) {
        (Some("1"), _) | (None, Some("0")) => "off",
        (Some("0"), _) | (None, Some("1")) => "on",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_release_is_filtered_from_a_sorted_command_line() {
        let raw = "5.6.13-100.fc30.x86_64\n#1 SMP Fri May 15\nx86_64\nGNU/Linux\nBOOT_IMAGE=/vmlinuz-5.6.13-100.fc30.x86_64 root=/dev/sda1 quiet ro";
        let expected = "5.6.13-100.fc30.x86_64\n#1 SMP Fri May 15\nx86_64\nGNU/Linux\nBOOT_IMAGE=/vmlinuz-FILTERED quiet ro root=/dev/sda1";
        assert_eq!(kernel(raw), expected);
        assert_eq!(
            cmdline(raw),
            "BOOT_IMAGE=/vmlinuz-FILTERED\nquiet\nro\nroot=/dev/sda1"
        );
        assert_eq!(kernel(""), "");
    }

    #[test]
    fn packages_removed_but_for_their_configuration_are_not_installed() {
        assert_eq!(
            dpkg("ii |zlib1g:amd64 1.2\nrc |old 0.1\nhi |linux-image 6.1\n"),
            "linux-image 6.1\nzlib1g:amd64 1.2"
        );
    }

    /// In the shape of `systemctl list-units --plain --no-legend` of systemd 252.
    const UNITS: &str = "\
boot.mount                     loaded active mounted   /boot
sys-devices-virtual-tty1.device loaded active plugged  /sys/devices/virtual/tty1
session-12.scope               loaded active running   Session 12 of User root
run-u77.service                loaded active running   /usr/bin/true
run-user-0.mount               loaded active mounted   /run/user/0
apt-daily.timer                loaded active running   Daily apt download activities
fstrim.timer                   loaded active waiting   Discard unused blocks once a week
man-db.service                 loaded activating start Daily man-db regeneration
packagekit.service             loaded active running   PackageKit Daemon
● kdump.service                loaded failed failed    Crash recovery   kernel arming
sshd.service                   loaded active running   OpenSSH server daemon
";

    #[test]
    fn units_that_come_and_go_by_themselves_are_left_out() {
        let expected = "\
apt-daily.timer loaded active waiting Daily apt download activities
boot.mount loaded active mounted /boot
fstrim.timer loaded active waiting Discard unused blocks once a week
kdump.service loaded failed failed Crash recovery kernel arming
sshd.service loaded active running OpenSSH server daemon";
        assert_eq!(systemctl(UNITS), expected);
    }

    #[test]
    fn settings_read_as_sysctl_writes_them() {
        let raw = "/proc/sys/vm/swappiness:60\n/proc/sys/net/ipv4/tcp_rmem:4096\t131072\t6291456\n/sys/kernel/debug/sched/base_slice_ns:2800000";
        assert_eq!(
            sysctl(raw),
            "debug.sched.base_slice_ns = 2800000\nnet.ipv4.tcp_rmem = 4096 131072 6291456\nvm.swappiness = 60"
        );
    }

    #[test]
    fn what_is_free_at_the_moment_does_not_count_as_memory() {
        let meminfo = "MemTotal:       24684096 kB\nMemFree:        1 kB\nSwapTotal: 1024 kB\nHugePages_Total:  8\nHugepagesize:       2048 kB";
        let settings = "/sys/kernel/mm/ksm/run:0\n/sys/kernel/mm/transparent_hugepage/enabled:always [madvise] never";
        let swaps = "/dev/zram0 partition 1024 17 100";
        let expected = "MemTotal: 24112 MiB\nSwapTotal: 1024 kB\nHugePages_Total: 8\nHugepagesize: 2048 kB\nksm/run:0\ntransparent_hugepage/enabled:always [madvise] never\nswap /dev/zram0 partition 1024 KiB priority 100";
        assert_eq!(memory(meminfo, settings, swaps), expected);
    }

    #[test]
    fn only_lasting_file_systems_on_disks_are_listed() {
        let raw = "proc /proc proc rw 0 0\n/dev/vda / ext4 rw,relatime 0 0\n/dev/loop3 /snap/core squashfs ro 0 0\n/dev/sdb1 /mnt/stick vfat rw 0 0\n";
        assert_eq!(mounts(raw), "/dev/vda / ext4 rw,relatime");
    }

    #[test]
    fn a_processor_is_counted_from_its_topology_and_its_megahertz_do_not_count() {
        let base = "/sys/devices/system/cpu";
        let mut topology = format!(
            "{base}/online:0-3\n{base}/smt/control:on\n/sys/devices/system/node/node0/cpulist:0-3\n"
        );
        for (cpu, core) in [(0, 0), (1, 1), (2, 0), (3, 1)] {
            topology += &format!(
                "{base}/cpu{cpu}/topology/physical_package_id:0\n{base}/cpu{cpu}/topology/core_id:{core}\n"
            );
        }
        let frequency = format!(
            "{base}/cpufreq/policy0/scaling_governor:powersave\n{base}/cpufreq/policy1/scaling_governor:performance\n{base}/intel_pstate/no_turbo:0\n"
        );
        let info = "model name\t: Some CPU @ 3 GHz\ncpu MHz\t\t: 2793.440\nmicrocode\t: 0x1\nflags\t\t: sse avx\nbogomips\t: 5586.88\n";
        let cpu = Cpu {
            info,
            topology: &topology,
            frequency: &frequency,
            cache: "L1 Data: 48K",
        };
        let expected = "model name: Some CPU @ 3 GHz\nmicrocode: 0x1\nonline: 0-3\nsockets: 1\ncores: 2\nthreads: 4\nNUMA nodes: 1\nSMT: on\ngovernor: performance, powersave\nturbo: on\nL1 Data: 48K\nflags: avx sse";
        assert_eq!(cpu.filtered(), expected);
    }
}
