//! What else changed between SRC and DST: machines, their software, parameters of the tests.
//!
//! Every result is first turned into single facts ([`facts`]), so that a difference is "package
//! qemu-kvm 9.1 → 9.2" and not a line of a text diff, and so that the references can say in which
//! build it came.

mod facts;

use std::collections::{BTreeMap, BTreeSet};

use self::facts::{Fact, Facts};
use super::records::changed_params;
use super::types::{EnvChange, Environment};
use crate::metric::MetricId;
use crate::store::read::ResultData;

/// Differences, and which builds differ from the one before.
pub(crate) struct Changes {
    pub(crate) differences: Environment,
    /// For SRC (never), the references, DST.
    pub(crate) changed: Vec<bool>,
    /// Of the same builds: release of the kernel by place.
    pub(crate) kernels: Vec<BTreeMap<String, String>>,
    /// Entries SRC and DST have in common, by kind.
    pub(crate) equal: BTreeMap<String, usize>,
}

/// Compares the environments; `names` are those of the references, then of DST.
///
/// A fact of a profile is left out where the host says the same. References must be in order of
/// time: `since` is the first build of the run that ends with DST and has DST's value.
pub(crate) fn compare(
    src: &ResultData,
    references: &[ResultData],
    dst: &ResultData,
    names: &[String],
) -> Changes {
    let all: Vec<Facts> = std::iter::once(src)
        .chain(references)
        .chain(std::iter::once(dst))
        .map(Facts::of)
        .collect();
    let changed = std::iter::once(false)
        .chain(all.windows(2).map(|pair| differs(&pair[0], &pair[1])))
        .collect();
    let kernels = all.iter().map(Facts::kernels).collect();
    let mut equal: BTreeMap<String, usize> = BTreeMap::new();
    let (Some(before), Some(now)) = (all.first(), all.last()) else {
        return Changes {
            differences: Environment::default(),
            changed,
            kernels,
            equal,
        };
    };
    let between = &all[1..all.len() - 1];

    let mut found: BTreeMap<String, Vec<EnvChange>> = BTreeMap::new();
    let mut of_hosts: BTreeSet<(&str, &str, Option<&str>, Option<&str>)> = BTreeSet::new();
    // Hosts come first, so that profiles can be compared with them.
    for of_host in [true, false] {
        for fact in before
            .keys(now)
            .into_iter()
            .filter(|fact| fact.of_host == of_host)
        {
            let (was, is) = (before.get(&fact), now.get(&fact));
            // One section absent on one side is said once, not line by line.
            let said = (before.name_of(&fact, now), fact.kind, was, is);
            if was == is {
                let new = match of_host {
                    true => of_hosts.insert(said),
                    false => !of_hosts.contains(&said),
                };
                if new {
                    *equal.entry(fact.kind.to_owned()).or_default() += 1;
                }
                continue;
            }
            if before.lacks_section(&fact)
                || now.lacks_section(&fact)
                || before.follows_from_release(&fact, now)
            {
                continue;
            }
            if of_host {
                of_hosts.insert(said);
            } else if of_hosts.contains(&said) {
                continue;
            }
            found
                .entry(fact.kind.to_owned())
                .or_default()
                .push(EnvChange {
                    place: fact.place.clone(),
                    name: fact.name.clone(),
                    src: was.map(str::to_owned),
                    dst: is.map(str::to_owned),
                    since: since(&fact, is, between, names),
                });
        }
    }
    let sections = before.sections_changed(now);
    if !sections.is_empty() {
        found.entry("other".into()).or_default().extend(sections);
    }
    for change in parameters(src, dst) {
        let kind = if change.name.ends_with(".tool_version") {
            "tool"
        } else {
            "parameters"
        };
        found.entry(kind.into()).or_default().push(change);
    }
    for changes in found.values_mut() {
        changes.sort_by(|a, b| {
            (&a.place, &a.name, &a.src, &a.dst).cmp(&(&b.place, &b.name, &b.src, &b.dst))
        });
    }
    Changes {
        differences: Environment { kinds: found },
        changed,
        kernels,
        equal,
    }
}

/// Returns whether two builds ran in different environments.
///
/// What only one of them recorded says nothing.
fn differs(before: &Facts, now: &Facts) -> bool {
    before.keys(now).iter().any(|fact| {
        before.get(fact) != now.get(fact) && !before.lacks_section(fact) && !now.lacks_section(fact)
    })
}

/// Returns the first build of the run with DST's value; `None` without references.
fn since(fact: &Fact, is: Option<&str>, between: &[Facts], names: &[String]) -> Option<String> {
    if between.is_empty() {
        return None;
    }
    let same = between
        .iter()
        .rev()
        .take_while(|facts| facts.get(fact) == is && !facts.lacks_section(fact))
        .count();
    names.get(between.len() - same).cloned()
}

/// Returns the parameters that differ, once for each profile and test, whatever the iteration.
fn parameters(src: &ResultData, dst: &ResultData) -> Vec<EnvChange> {
    let before: BTreeMap<&MetricId, _> = src
        .measurements
        .iter()
        .map(|m| (&m.id, &m.params))
        .collect();
    let mut seen = BTreeSet::new();
    for now in &dst.measurements {
        let Some(before) = before.get(&now.id) else {
            continue;
        };
        for (key, was, is) in changed_params(before, &now.params) {
            let place = format!("{}/{}", now.id.profile(), now.id.test());
            seen.insert((place, key, was.map(str::to_owned), is.map(str::to_owned)));
        }
    }
    seen.into_iter()
        .map(|(place, name, src, dst)| EnvChange {
            place,
            name,
            src,
            dst,
            since: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::records::sample::{figure, result};
    use super::*;

    /// A result whose host `foo` has these sections, `profile` of them in a profile.
    fn machine(sections: &[(&str, &str)], profile: &[(&str, &str)]) -> ResultData {
        let mut data = result("r", Vec::new());
        let json = |sections: &[(&str, &str)]| {
            let mut all: serde_json::Map<_, _> = sections
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).into()))
                .collect();
            all.insert("general".into(), "Name:foo\nDistro:Fedora-32".into());
            serde_json::json!([all]).to_string()
        };
        data.metadata
            .values
            .insert("environment_world".into(), json(sections));
        if !profile.is_empty() {
            data.metadata
                .values
                .insert("environment_profile_Tuned".into(), json(profile));
        }
        data
    }

    /// `kind place name: SRC -> DST since` of every difference.
    fn said(src: &ResultData, references: &[ResultData], dst: &ResultData) -> Vec<String> {
        let names: Vec<String> = (0..references.len())
            .map(|index| format!("ref{index}"))
            .chain(["dst".into()])
            .collect();
        let changes = compare(src, references, dst, &names).differences;
        let line = |kind: &str, change: &EnvChange| {
            let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
            let since = change
                .since
                .as_ref()
                .map(|build| format!(" since {build}"))
                .unwrap_or_default();
            format!(
                "{kind}|{}|{}: {} -> {}{since}",
                change.place,
                change.name,
                show(&change.src),
                show(&change.dst)
            )
        };
        changes
            .kinds
            .iter()
            .flat_map(|(kind, all)| all.iter().map(move |change| line(kind, change)))
            .collect()
    }

    #[test]
    fn packages_are_compared_by_name() {
        let before = machine(
            &[(
                "rpm",
                "glibc-2.31-2.fc32.x86_64\nqemu-kvm-core-4.2.0-7.fc32.x86_64\nold-1-1.noarch",
            )],
            &[],
        );
        let now = machine(
            &[(
                "rpm",
                "glibc-2.31-2.fc32.x86_64\nnew-1-1.noarch\nqemu-kvm-core-4.2.1-1.fc32.x86_64",
            )],
            &[],
        );
        assert_eq!(
            said(&before, &[], &now),
            [
                "packages|host foo|new: - -> 1-1.noarch",
                "packages|host foo|old: 1-1.noarch -> -",
                "packages|host foo|qemu-kvm-core: 4.2.0-7.fc32.x86_64 -> 4.2.1-1.fc32.x86_64",
            ]
        );
    }

    #[test]
    fn debian_packages_too() {
        let before = machine(
            &[("dpkg", "fio 3.33-3 amd64\nlibc6:amd64 2.36-9 amd64")],
            &[],
        );
        let now = machine(
            &[("dpkg", "fio 3.35-1 amd64\nlibc6:amd64 2.36-9 amd64")],
            &[],
        );
        assert_eq!(
            said(&before, &[], &now),
            ["packages|host foo|fio: 3.33-3 amd64 -> 3.35-1 amd64"]
        );
    }

    #[test]
    fn kernel_and_command_line_come_apart_and_order_does_not_matter() {
        let before = machine(
            &[(
                "kernel",
                "5.6.13\n#1 SMP May\nx86_64\nGNU/Linux\nBOOT_IMAGE=/vmlinuz-5.6.13 ro quiet",
            )],
            &[],
        );
        let now = machine(
            &[(
                "kernel",
                "5.7.10\n#2 SMP Jul\nx86_64\nGNU/Linux\nquiet BOOT_IMAGE=/vmlinuz-5.7.10 ro nohz=on",
            )],
            &[],
        );
        assert_eq!(
            said(&before, &[], &now),
            [
                "cmdline|host foo|nohz: - -> on",
                "kernel|host foo|kernel: 5.6.13 -> 5.7.10"
            ]
        );
    }

    #[test]
    fn what_the_host_says_is_not_said_again_for_the_profile() {
        let before = machine(
            &[("mitigations", "/sys/x/vulnerabilities/mds:Vulnerable")],
            &[
                ("mitigations", "/sys/x/vulnerabilities/mds:Vulnerable"),
                ("guest0_kernel", "5.6\nv\nm\no"),
            ],
        );
        let now = machine(
            &[("mitigations", "/sys/x/vulnerabilities/mds:Mitigated")],
            &[
                ("mitigations", "/sys/x/vulnerabilities/mds:Mitigated"),
                ("guest0_kernel", "5.7\nv\nm\no"),
            ],
        );
        assert_eq!(
            said(&before, &[], &now),
            [
                "kernel|guests of Tuned|kernel: 5.6 -> 5.7",
                "mitigations|host foo|mds: Vulnerable -> Mitigated"
            ]
        );
    }

    #[test]
    fn since_is_the_first_build_of_the_run_with_the_present_value() {
        let with = |kernel: &str| machine(&[("kernel", &format!("{kernel}\nv\nm\no"))], &[]);
        let (old, new) = (with("1"), with("2"));
        let refs = |kernels: &[&str]| {
            kernels
                .iter()
                .map(|kernel| with(kernel))
                .collect::<Vec<_>>()
        };
        for (past, expected) in [
            (&["1", "1"][..], " since dst"),
            (&["1", "2"], " since ref1"),
            (&["2", "1", "2"], " since ref2"),
            (&["2", "2"], " since ref0"),
            (&[], ""),
        ] {
            assert_eq!(
                said(&old, &refs(past), &new),
                [format!("kernel|host foo|kernel: 1 -> 2{expected}")],
                "{past:?}"
            );
        }
        let names: Vec<String> = ["a", "b", "dst"].map(String::from).to_vec();
        assert_eq!(
            compare(&old, &refs(&["1", "2"]), &new, &names).changed,
            [false, false, true, false]
        );
    }

    #[test]
    fn a_section_only_one_side_recorded_is_one_difference() {
        let before = machine(&[("rpm", "a-1-1.noarch\nb-1-1.noarch")], &[]);
        let now = machine(
            &[
                ("rpm", "a-1-1.noarch\nb-1-1.noarch"),
                ("sysctl", "a = 1\nb = 2"),
            ],
            &[],
        );
        assert_eq!(
            said(&before, &[], &now),
            ["other|host foo|sysctl: not recorded -> recorded, 2 entries"]
        );
        assert!(
            !compare(&before, &[], &now, &["dst".into()]).changed[1],
            "it says nothing about the machine"
        );
    }

    #[test]
    fn unknown_sections_are_compared_line_by_line_and_raw_ones_not_at_all() {
        let before = machine(&[("my_notes", "one\ntwo"), ("kernel_raw", "x")], &[]);
        let now = machine(&[("my_notes", "two\nthree"), ("kernel_raw", "y")], &[]);
        assert_eq!(
            said(&before, &[], &now),
            [
                "other|host foo|my_notes: - -> three",
                "other|host foo|my_notes: one -> -"
            ]
        );
    }

    #[test]
    fn addresses_and_uuids_of_a_domain_are_no_difference() {
        let xml = |uuid: &str, mac: &str, vcpu: u32| {
            format!(
                "<domain>\n <uuid>{uuid}</uuid>\n <mac address='{mac}'/>\n <vcpu>{vcpu}</vcpu>\n</domain>"
            )
        };
        let before = machine(
            &[],
            &[(
                "guest0_libvirt_xml",
                &xml(
                    "e4aee2d4-5a0b-4b7e-9d1f-0123456789ab",
                    "52:54:00:11:22:33",
                    4,
                ),
            )],
        );
        let now = machine(
            &[],
            &[(
                "guest0_libvirt_xml",
                &xml(
                    "aaaee2d4-5a0b-4b7e-9d1f-0123456789ab",
                    "52:54:00:aa:bb:cc",
                    8,
                ),
            )],
        );
        assert_eq!(
            said(&before, &[], &now),
            [
                "domain_xml|guests of Tuned|libvirt_xml: - -> <vcpu>8</vcpu>",
                "domain_xml|guests of Tuned|libvirt_xml: <vcpu>4</vcpu> -> -"
            ]
        );
    }

    #[test]
    fn a_parameter_that_changed_everywhere_is_said_once() {
        let side = |runtime: &str, version: &str| {
            let params = [("fio", [("runtime", runtime), ("tool_version", version)])].map(
                |(group, pairs)| {
                    (
                        group.to_owned(),
                        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
                    )
                },
            );
            let params = std::sync::Arc::new(params.into());
            let measurements = ["read-4KiB", "read-64KiB"].map(|name| {
                let mut figure = figure(name, "iops_sec", 1.0);
                figure.params = std::sync::Arc::clone(&params);
                figure
            });
            result("r", measurements.to_vec())
        };
        assert_eq!(
            said(&side("60", "3.33"), &[], &side("30", "3.35")),
            [
                "parameters|Localhost/fio|fio.runtime: 60 -> 30",
                "tool|Localhost/fio|fio.tool_version: 3.33 -> 3.35"
            ]
        );
    }
}
