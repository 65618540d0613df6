//! System logs of the hosts: the journal since the last look, for `__sysinfo*__`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Controller;
use crate::host::Host;
use crate::shell::{CommandLine, Limits};
use crate::store::record::FailureRecord;

/// Also the name of the file, as the older tool has it.
const JOURNAL: &str = "journalctl --no-pager --since=@%(since)s";
/// Lines kept of the first look, which reaches back to the beginning of the journal.
const FIRST_LINES: &str = "--lines=20000";
/// A journal that takes longer is left out.
const LIMIT: Duration = Duration::from_secs(60);
/// What the kernel prints when something went wrong in it or below it, and what that is called.
const PATTERNS: [(&str, &str, &str); 4] = [
    ("kernel: Call Trace:", "kernel call trace", "call-trace"),
    ("kernel: Kernel panic", "kernel panic", "kernel-panic"),
    ("[Hardware Error]", "hardware error", "hardware-error"),
    ("kernel: I/O error, dev ", "disk error", "disk-error"),
];

/// Knows when logs were fetched last.
#[derive(Debug, Default)]
pub(super) struct LogFetcher {
    since: Option<i64>,
}

impl LogFetcher {
    /// Fetches the journal of a host below `dir`; returns the file, if there is anything in it.
    fn fetch(&self, host: &Host, dir: &Path, limits: &Limits) -> Option<PathBuf> {
        let mut command = CommandLine::new("journalctl")
            .arg("--no-pager")
            .arg(format!("--since=@{}", self.since.unwrap_or(0)));
        if self.since.is_none() {
            command = command.arg(FIRST_LINES);
        }
        let output = match host.shell.run(&command, &limits.clone().within(LIMIT)) {
            Ok(output) if output.exit.success() && !output.stdout.is_empty() => output,
            Ok(output) => {
                tracing::debug!(host = %host.name, exit = %output.exit, "no journal");
                return None;
            }
            Err(error) => {
                tracing::debug!(host = %host.name, %error, "no journal");
                return None;
            }
        };
        let dir = dir
            .join(crate::text::file_name(&host.address))
            .join("COMMANDS");
        let path = dir.join(crate::text::file_name(JOURNAL));
        let written =
            std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, &output.stdout));
        match written {
            Ok(()) => Some(path),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the journal could not be kept");
                None
            }
        }
    }
}

impl Controller<'_> {
    /// Fetches logs of all hosts into a folder of the result; what cannot be had is left out.
    pub(super) fn fetch_logs(&mut self, place: &Path) -> Vec<PathBuf> {
        let dir = self.store.root().join(place);
        let limits = self.cx.limits();
        let now = jiff::Timestamp::now().as_second();
        let files = self.each(|host| self.logs.fetch(host, &dir, &limits));
        let files = files.into_iter().flatten().collect();
        self.logs.since = Some(now);
        files
    }

    /// Fetches logs after the tests of a profile, and records what the kernel complained about there.
    pub(super) fn fetch_profile_logs(&mut self, profile: &str) {
        let files = self.fetch_logs(&Path::new(profile).join("__sysinfo__"));
        for (pattern, what, class) in PATTERNS {
            let found: Vec<String> = files
                .iter()
                .filter(|path| {
                    std::fs::read(path).is_ok_and(|text| contains(&text, pattern.as_bytes()))
                })
                .map(|path| self.store.relative(path).display().to_string())
                .collect();
            if found.is_empty() {
                continue;
            }
            let text = format!("{what} detected in {}", found.join(", "));
            let record = FailureRecord {
                exception: text.clone(),
                traceback: text.clone(),
                details: Some(format!(
                    "the kernel reported a problem while the tests of `{profile}` ran"
                )),
                class: Some(class.into()),
                files: Vec::new(),
            };
            self.record(Path::new(profile), record);
            self.note(text);
        }
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}
