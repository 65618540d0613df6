//! What else changed between SRC and DST: which of it is likely to matter, and which part of a value differs.

use std::collections::HashSet;

use crate::compare::{Comparison, EnvChange, Status};

/// Returns the title of a kind of environment entry.
pub fn title(kind: &str) -> String {
    match kind {
        "packages" => "Packages".to_owned(),
        "kernel" => "Kernel".to_owned(),
        "cmdline" => "Kernel command line".to_owned(),
        "cpu" => "CPU".to_owned(),
        "mitigations" => "CPU vulnerabilities".to_owned(),
        "services" => "Services".to_owned(),
        "domain_xml" => "libvirt XML".to_owned(),
        "parameters" => "Test parameters".to_owned(),
        "tool" => "Tool versions".to_owned(),
        "other" => "Other facts".to_owned(),
        other => other.to_owned(),
    }
}

/// Order in which kinds are shown; others follow by name.
pub const KINDS: [&str; 10] = [
    "kernel",
    "cmdline",
    "mitigations",
    "packages",
    "cpu",
    "domain_xml",
    "services",
    "parameters",
    "tool",
    "other",
];

/// Returns the kinds of a comparison's environment in the order they are shown, empty ones left out.
pub fn kinds(comparison: &Comparison) -> Vec<(&str, &[EnvChange])> {
    let mut kinds: Vec<(&str, &[EnvChange])> = comparison
        .environment
        .kinds
        .iter()
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(kind, changes)| (kind.as_str(), changes.as_slice()))
        .collect();
    kinds.sort_by_key(|(kind, _)| {
        KINDS
            .iter()
            .position(|known| known == kind)
            .unwrap_or(KINDS.len())
    });
    kinds
}

/// Returns how many differences there are.
pub fn count(comparison: &Comparison) -> usize {
    comparison.environment.kinds.values().map(Vec::len).sum()
}

/// A difference that is likely to matter.
#[derive(Debug, Clone, Copy)]
pub struct Likely<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// The difference.
    pub change: &'a EnvChange,
    /// Whether it came with the build in which regressions begin.
    pub with_regressions: bool,
}

/// Returns the differences most likely to matter, best first, each version step of one thing once.
pub fn likely(comparison: &Comparison, at_most: usize) -> Vec<Likely<'_>> {
    let since: HashSet<&str> = comparison
        .incidents
        .iter()
        .filter(|incident| incident.status == Status::Regression)
        .filter_map(|incident| incident.since.as_deref())
        .collect();
    let mut ranked: Vec<(usize, Likely<'_>)> = kinds(comparison)
        .into_iter()
        .flat_map(|(kind, changes)| changes.iter().map(move |change| (kind, change)))
        .filter_map(|(kind, change)| {
            let with_regressions = change
                .since
                .as_deref()
                .is_some_and(|build| since.contains(build));
            let rank = rank(kind, &change.name).or(with_regressions.then_some(20))?;
            Some((
                if with_regressions { rank } else { rank + 30 },
                Likely {
                    kind,
                    change,
                    with_regressions,
                },
            ))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    // kernel, kernel-core and kernel-modules make the same step: once is enough.
    let mut seen = HashSet::new();
    ranked
        .into_iter()
        .filter(|(_, likely)| {
            let stem = likely
                .change
                .name
                .split(['-', '.'])
                .next()
                .unwrap_or_default();
            let steps = (&likely.change.src, &likely.change.dst);
            match likely.kind {
                "packages" => seen.insert((stem, Some(steps))),
                // A new kernel brings all its mitigations at once: one stands for them.
                "mitigations" => seen.insert(("mitigations", None)),
                _ => seen.insert((likely.change.name.as_str(), Some(steps))),
            }
        })
        .take(at_most)
        .map(|(_, likely)| likely)
        .collect()
}

/// Returns the rank of a difference by kind and name; `None`: nothing that usually matters.
fn rank(kind: &str, name: &str) -> Option<usize> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    match kind {
        "kernel" => Some(0),
        "packages" if name == "kernel" || name == "linux-image" => Some(1),
        "packages" if starts(&["kernel", "linux-image"]) => Some(2),
        "packages" if starts(&["qemu"]) => Some(3),
        "packages" if starts(&["libvirt"]) => Some(4),
        "packages" if starts(&["tuned"]) => Some(5),
        "packages"
            if starts(&[
                "microcode",
                "intel-microcode",
                "amd64-microcode",
                "linux-firmware",
            ]) =>
        {
            Some(6)
        }
        "cmdline" => Some(7),
        "mitigations" => Some(8),
        "tool" | "parameters" => Some(9),
        "domain_xml" => Some(10),
        "cpu" => Some(11),
        "packages" if starts(&["fio", "uperf", "glibc", "libc6"]) => Some(12),
        _ => None,
    }
}

/// A value before and after, cut into what both share and what differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    /// Shared beginning.
    pub prefix: &'a str,
    /// Only before.
    pub src: &'a str,
    /// Only after.
    pub dst: &'a str,
    /// Shared end.
    pub suffix: &'a str,
}

/// Cuts two values at the separators of versions and lists, so that whole parts differ.
pub fn step<'a>(src: &'a str, dst: &'a str) -> Step<'a> {
    let separator =
        |c: char| matches!(c, '.' | '-' | '_' | '+' | ':' | '~' | ' ' | ',' | '/' | '=');
    let whole = Step {
        prefix: "",
        src,
        dst,
        suffix: "",
    };
    if src == dst {
        return Step {
            prefix: src,
            src: "",
            dst: "",
            suffix: "",
        };
    }
    let common = src
        .char_indices()
        .zip(dst.chars())
        .find(|((_, a), b)| a != b)
        .map_or(src.len().min(dst.len()), |((i, _), _)| i);
    // The separator goes with what differs: `6.12.0` + `-48`.
    let prefix = src[..common]
        .char_indices()
        .rev()
        .find(|(_, c)| separator(*c))
        .map_or(0, |(index, _)| index);
    // `5` + `.0.9-301` reads badly: a version is cut inside only behind its first dash.
    let prefix = if src[prefix..].starts_with('.') && !src[..prefix].contains('-') {
        0
    } else {
        prefix
    };
    let (head, src_rest, dst_rest) = (&src[..prefix], &src[prefix..], &dst[prefix..]);
    let same_end: usize = src_rest
        .chars()
        .rev()
        .zip(dst_rest.chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(c, _)| c.len_utf8())
        .sum();
    // Never the separator that the prefix left behind.
    let least = src_rest.len().min(dst_rest.len()).saturating_sub(1);
    let end = &src_rest[src_rest.len() - same_end..];
    let suffix = end
        .char_indices()
        .find(|(index, c)| separator(*c) && end.len() - index <= least)
        .map_or(0, |(index, _)| end.len() - index);
    let (src_part, dst_part) = (
        &src_rest[..src_rest.len() - suffix],
        &dst_rest[..dst_rest.len() - suffix],
    );
    if src_part.trim().is_empty() || dst_part.trim().is_empty() {
        return whole;
    }
    Step {
        prefix: head,
        src: src_part,
        dst: dst_part,
        suffix: &src_rest[src_rest.len() - suffix..],
    }
}

impl Likely<'_> {
    /// Returns it in a line that says what kind of thing it is.
    pub fn sentence(&self, arrow: &str) -> String {
        let kind = match self.kind {
            "cmdline" => "command line ",
            "mitigations" => "mitigation ",
            _ => "",
        };
        format!("{kind}{}", sentence(self.change, arrow))
    }
}

/// Returns one difference in a line: `kernel 6.12.0-48 → -61`.
pub fn sentence(change: &EnvChange, arrow: &str) -> String {
    let name = &change.name;
    match (&change.src, &change.dst) {
        (Some(src), Some(dst)) if src.contains('\n') || dst.contains('\n') => {
            format!("{name} changed")
        }
        (Some(src), Some(dst)) => {
            let step = step(src, dst);
            match step.prefix {
                "" => format!("{name} {} {arrow} {}", step.src, step.dst),
                prefix => format!("{name} {prefix}{} {arrow} {}", step.src, step.dst),
            }
        }
        (None, Some(dst)) if dst.is_empty() || dst == "set" || dst.contains('\n') => {
            format!("{name} added")
        }
        (None, Some(dst)) => format!("{name} added ({dst})"),
        (Some(_), None) => format!("{name} removed"),
        (None, None) => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_parts_of_a_version_that_differ_are_marked() {
        for (src, dst, expected) in [
            (
                "6.12.0-48.el10",
                "6.12.0-61.el10",
                ("6.12.0", "-48", "-61", ".el10"),
            ),
            ("2.24.0-3", "2.24.1-1", ("", "2.24.0-3", "2.24.1-1", "")),
            (
                "5.0.9-301.fc30",
                "5.6.13-100.fc30",
                ("", "5.0.9-301", "5.6.13-100", ".fc30"),
            ),
            (
                "mitigations=off",
                "mitigations=auto",
                ("mitigations", "=off", "=auto", ""),
            ),
            ("a", "b", ("", "a", "b", "")),
            ("1.2", "1.2.3", ("", "1.2", "1.2.3", "")),
            ("ř-1", "ř-2", ("ř", "-1", "-2", "")),
            ("a", "a.1", ("", "a", "a.1", "")),
        ] {
            let step = step(src, dst);
            assert_eq!(
                (step.prefix, step.src, step.dst, step.suffix),
                expected,
                "{src} {dst}"
            );
        }
    }
}
