//! `--plan`: what would run, for people.

use std::fmt::Write;

use serde_json::Value;

use super::{Plan, PlannedHost, PlannedTest};
use crate::control::progress::{count, spell};
use crate::secret::Redactor;
use crate::text::one_line;

/// How a host is reached.
fn way(host: &PlannedHost) -> String {
    if host.is_local() {
        return "this machine, never rebooted".into();
    }
    let user = host.user.as_ref().map(|user| format!(" as {user}"));
    let port = host.port.map(|port| format!(", port {port}"));
    format!(
        "over SSH{}{}",
        user.unwrap_or_default(),
        port.unwrap_or_default()
    )
}

impl Plan {
    /// Returns what `--plan` prints: the same text for the same command line, whenever it is asked.
    pub fn print(&self, redactor: &Redactor) -> String {
        let mut lines = Lines(String::new());
        self.print_hosts(&mut lines);
        self.print_profiles(&mut lines);
        self.print_writes(&mut lines);
        for note in &self.notes {
            lines.add(0, format!("note: {note}"));
        }
        redactor.clean(&lines.0)
    }

    fn print_hosts(&self, lines: &mut Lines) {
        lines.add(0, "Hosts");
        for host in &self.hosts {
            lines.add(
                1,
                format!("{}  {}  ({})", host.name, host.address, way(host)),
            );
            for (name, value) in &host.params().0 {
                lines.add(2, format!("{name} = {}", plain(value)));
            }
        }
        if let Some(provisioner) = &self.provisioner {
            for host in &self.hosts {
                for line in provisioner.describe(&host.spec(&self.options.distro)) {
                    lines.add(1, format!("provisioner: {line}"));
                }
            }
        }
        if let Some((path, text)) = &self.setup.script {
            lines.add(
                1,
                format!(
                    "host setup: `sh -x` runs {} ({} bytes), at most 1h",
                    path.display(),
                    text.len()
                ),
            );
        }
        if !self.setup.packages.is_empty() {
            lines.add(
                1,
                format!(
                    "host setup: installs {}",
                    self.options.host_packages.join(" ")
                ),
            );
        }
        if self.options.host_setup_reboot {
            lines.add(1, "host setup: reboots every host");
        }
    }

    fn print_profiles(&self, lines: &mut Lines) {
        for (index, profile) in self.profiles.iter().enumerate() {
            let kind = if profile.kind == profile.name {
                String::new()
            } else {
                format!(" = {}", profile.kind)
            };
            lines.add(0, "");
            lines.add(
                0,
                format!(
                    "Profile {}{kind} ({} of {})",
                    profile.name,
                    index + 1,
                    self.profiles.len()
                ),
            );
            for (name, value) in &profile.params {
                lines.add(1, format!("{name} = {}", plain(value)));
            }
            match &profile.changes[..] {
                [] => lines.add(1, "changes nothing on the host"),
                changes => changes
                    .iter()
                    .for_each(|change| lines.add(1, format!("changes: {change}"))),
            }
            if profile.tests.is_empty() {
                lines.add(1, "no tests");
            }
            for (index, test) in profile.tests.iter().enumerate() {
                print_test(lines, test, index + 1, profile.tests.len());
            }
        }
    }

    fn print_writes(&self, lines: &mut Lines) {
        lines.add(0, "");
        match &self.output {
            Some(path) => lines.add(0, format!("Writes to {}", path.display())),
            None => lines.add(0, "Writes to result_YYYYmmdd_HHMMSS in the working directory, named when the run starts"),
        }
        lines.add(
            1,
            "RUNPERF_METADATA, __plan__.json, __sessions__/, __sysinfo_before__/",
        );
        let mut serials = std::collections::BTreeMap::<(&str, &str), usize>::new();
        for (profile, test) in self.tests() {
            let serial = serials.entry((&profile.name, &test.name)).or_default();
            lines.add(
                1,
                format!(
                    "{}/{}/{:04}/result.json, RUNPERF_METADATA.json, raw/, ...",
                    profile.name, test.name, serial
                ),
            );
            *serial += 1;
        }
        let attempts = self.options.retry_tests;
        lines.add(1, format!("a test or profile that fails is tried {attempts} times, each failure is kept in __errorN__/"));
        lines.add(0, "");
        let tests = self.tests().count();
        let iterations: Option<usize> =
            self.tests().map(|(_, test)| test.expected.iterations).sum();
        let mut total = format!(
            "Total: {}, {}",
            count(self.profiles.len(), "profile"),
            count(tests, "test")
        );
        if let Some(iterations) = iterations {
            let _ = write!(total, ", {}", count(iterations, "iteration"));
        }
        match self.expected() {
            Some(time) => {
                let _ = write!(total, ", about {}", spell(time));
            }
            None => total.push_str(", for a time that cannot be told beforehand"),
        }
        if let Some(limit) = self.options.time_limit {
            let _ = write!(total, ", at most {}", spell(limit));
        }
        lines.add(0, total);
    }
}

fn print_test(lines: &mut Lines, test: &PlannedTest, number: usize, of: usize) {
    let kind = if test.kind == test.name {
        String::new()
    } else {
        format!(" = {}", test.kind)
    };
    let mut title = format!("test {}{kind} ({number} of {of})", test.name);
    if let Some(iterations) = test.expected.iterations {
        let _ = write!(title, ", {}", count(iterations, "iteration"));
    }
    if let Some(samples) = test.expected.samples {
        let _ = write!(title, " of {}", count(samples as usize, "sample"));
    }
    if let Some(time) = test.expected.duration {
        let _ = write!(title, ", about {}", spell(time));
    }
    lines.add(1, title);
    for (name, value) in &test.params {
        lines.add(2, format!("{name} = {}", plain(value)));
    }
    for line in &test.description {
        lines.add(2, line);
    }
}

/// Returns a text as it was typed, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

struct Lines(String);

impl Lines {
    fn add(&mut self, depth: usize, text: impl AsRef<str>) {
        let text = one_line(text.as_ref());
        if !text.is_empty() {
            self.0.push_str(&"  ".repeat(depth));
        }
        self.0.push_str(&text);
        self.0.push('\n');
    }
}
