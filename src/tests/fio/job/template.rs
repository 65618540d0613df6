//! Templates: the built-in one or the user's, and how they are filled for one iteration.

use super::section::{Section, Setting, replace_everywhere};
use super::{Given, JobFile, Place};

/// Shape of the job file when the user brings none.
const TEMPLATE: &str = "\
[global]
bs=$@
runtime=30
ioengine=libaio
iodepth=32
direct=1
sync=0
time_based=1
clocksource=gettimeofday
ramp_time=5
write_bw_log=fio
write_iops_log=fio
write_lat_log=fio
log_avg_msec=1000
write_hist_log=fio
log_hist_msec=10000
log_unix_epoch=1

[job-$target]
filename=$target
rw=$@
size=4096M
numjobs=1
";

/// Why a text is no job file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JobError {
    /// An option before the first `[section]`.
    #[error("line {line}: expected a section such as [global], found `{found}`")]
    OutsideSection {
        /// From 1.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// A section name that does not end.
    #[error("line {line}: expected `]` at the end of `{found}`")]
    OpenSection {
        /// From 1.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// Nothing to run.
    #[error("expected at least one section besides [global], found none")]
    NoJob,
}

/// A job file with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    sections: Vec<Section>,
}

impl Template {
    /// Returns the built-in one.
    pub fn builtin() -> Self {
        // Parsed like any other; that it parses is tested below.
        Self::parse(TEMPLATE).unwrap_or(Self {
            sections: Vec::new(),
        })
    }

    /// Reads a job file: `[section]`, `key = value`, switches without a value, comments after `#` or `;`.
    ///
    /// # Errors
    /// [`JobError`] with the line.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        let mut sections: Vec<Section> = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let line = raw.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let at = |found: &str| (index + 1, found.to_owned());
            if let Some(name) = line.strip_prefix('[') {
                // Text after the bracket is a comment to fio as well.
                let Some((name, _)) = name.rsplit_once(']') else {
                    let (line, found) = at(line);
                    return Err(JobError::OpenSection { line, found });
                };
                sections.push(Section {
                    name: name.to_owned(),
                    settings: Vec::new(),
                });
                continue;
            }
            let Some(section) = sections.last_mut() else {
                let (line, found) = at(line);
                return Err(JobError::OutsideSection { line, found });
            };
            let (key, value) = match line.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim().to_owned())),
                None => (line, None),
            };
            section.settings.push(Setting {
                key: key.to_owned(),
                value,
            });
        }
        if sections.iter().all(Section::is_global) {
            return Err(JobError::NoJob);
        }
        Ok(Self { sections })
    }

    /// Returns whether `$target` stands anywhere; without it the targets have no effect.
    pub fn uses_targets(&self) -> bool {
        let holds = |text: &str| text.contains("$target");
        self.sections.iter().any(|section| {
            holds(&section.name)
                || section
                    .settings
                    .iter()
                    .any(|s| s.value.as_deref().is_some_and(holds))
        })
    }

    /// Fills the template: one section for each target, `given` options in place of its own.
    ///
    /// A target that is a directory turns `filename=$target` into `directory=`. Files fio makes in
    /// directories get names that hold `token`, by which they are found and removed. The logs that
    /// metrics are read from are always written, as `fio_*`.
    pub fn expand(&self, targets: &[Place], given: &[Given], token: &str) -> JobFile {
        let mut sections: Vec<Section> = Vec::new();
        for target in targets {
            for section in &self.sections {
                let filled = fill(section, target);
                match sections.iter_mut().find(|other| other.name == filled.name) {
                    Some(same) => *same = filled,
                    None => sections.push(filled),
                }
            }
        }
        let mut job = JobFile { sections };
        for option in given {
            let replaced = replace_everywhere(&mut job.sections, option.key, &option.value);
            if !replaced && option.force {
                job.global().settings.push(Setting {
                    key: option.key.into(),
                    value: Some(option.value.clone()),
                });
            }
        }
        job.write_logs();
        job.name_files(token);
        job
    }
}

fn fill(section: &Section, target: &Place) -> Section {
    let mut settings = Vec::with_capacity(section.settings.len() + 1);
    for Setting { key, value } in &section.settings {
        match value.as_deref() {
            Some("$target") if key == "filename" && target.directory => {
                settings.push(Setting {
                    key: "directory".into(),
                    value: Some(escape(&target.path)),
                });
            }
            Some(text) => {
                let path = if key == "filename" || key == "directory" {
                    escape(&target.path)
                } else {
                    target.path.clone()
                };
                settings.push(Setting {
                    key: key.clone(),
                    value: Some(text.replace("$target", &path)),
                });
            }
            None => settings.push(Setting {
                key: key.clone(),
                value: None,
            }),
        }
    }
    Section {
        name: section.name.replace("$target", &target.path),
        settings,
    }
}

/// fio separates several files by colons; one that belongs to the name is escaped.
fn escape(path: &str) -> String {
    path.replace(':', "\\:")
}
