//! A job file that is filled in: what it will do, where, for how long, and its text.

use std::fmt;

use super::section::{Section, Setting, replace_everywhere};
use super::{OWN_FILES, Place, UNIQUE};

/// A job file fio can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    pub(super) sections: Vec<Section>,
}

impl JobFile {
    pub(super) fn global(&mut self) -> &mut Section {
        let place = self
            .sections
            .iter()
            .position(Section::is_global)
            .unwrap_or_else(|| {
                self.sections.insert(
                    0,
                    Section {
                        name: "global".into(),
                        settings: Vec::new(),
                    },
                );
                0
            });
        &mut self.sections[place]
    }

    /// Makes sure that the logs exist which figures are read from, under names we know.
    pub(super) fn write_logs(&mut self) {
        for key in ["write_bw_log", "write_iops_log", "write_lat_log"] {
            let replaced = replace_everywhere(&mut self.sections, key, "fio");
            if !replaced {
                self.global().settings.push(Setting {
                    key: key.into(),
                    value: Some("fio".into()),
                });
            }
        }
        for (key, value) in [
            ("log_avg_msec", "1000"),
            ("log_unix_epoch", "1"),
            ("per_job_logs", "1"),
        ] {
            let replaced =
                key != "log_avg_msec" && replace_everywhere(&mut self.sections, key, value);
            // 1 is fio's own default for per_job_logs.
            let present = replaced
                || key == "per_job_logs"
                || self
                    .sections
                    .iter()
                    .any(|section| section.get(key).is_some());
            if !present {
                self.global().settings.push(Setting {
                    key: key.into(),
                    value: Some(value.into()),
                });
            }
        }
    }

    fn jobs(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| !section.is_global())
    }

    /// Returns the value a section works with: its own, else the global one.
    fn value<'a>(&'a self, section: &'a Section, key: &str) -> Option<&'a str> {
        let mut global = self
            .sections
            .iter()
            .rev()
            .filter(|section| section.is_global());
        section
            .get(key)
            .or_else(|| global.find_map(|section| section.get(key)))
    }

    /// Returns how many processes fio starts: the sum of `numjobs`.
    pub fn processes(&self) -> u64 {
        self.jobs()
            .map(|section| {
                self.value(section, "numjobs")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(1)
            })
            .sum()
    }

    /// Returns the seconds of one pass over all jobs, ramp included; `None` when a job has no
    /// `runtime` and ends by size. Jobs behind a `stonewall` wait for those before them.
    pub fn seconds(&self) -> Option<u64> {
        let mut total = 0;
        let mut stage = 0;
        for section in self.jobs() {
            let runtime = seconds(self.value(section, "runtime")?)?;
            let ramp = self
                .value(section, "ramp_time")
                .and_then(seconds)
                .unwrap_or(0);
            let delay = self
                .value(section, "startdelay")
                .and_then(seconds)
                .unwrap_or(0);
            if section.get("stonewall").is_some() || section.get("wait_for_previous").is_some() {
                total += stage;
                stage = 0;
            }
            stage = stage.max(runtime + ramp + delay);
        }
        Some(total + stage)
    }

    /// Returns whether any job writes or trims.
    pub fn writes(&self) -> bool {
        self.jobs().any(|section| {
            !matches!(
                self.value(section, "rw").unwrap_or("read"),
                "read" | "randread"
            )
        })
    }

    /// Gives files that fio makes in a directory names of ours, one series for each section.
    pub(super) fn name_files(&mut self, token: &str) {
        for index in 0..self.sections.len() {
            let section = &self.sections[index];
            let makes = !section.is_global()
                && self.value(section, "directory").is_some()
                && ["filename", "filename_format"]
                    .iter()
                    .all(|key| self.value(section, key).is_none());
            if makes {
                let format = format!("{OWN_FILES}{token}-{index}.$jobnum.$filenum");
                self.sections[index].settings.push(Setting {
                    key: "filename_format".into(),
                    value: Some(format),
                });
                // A fio server would put the name of its client before ours.
                self.sections[index].settings.push(Setting {
                    key: UNIQUE.into(),
                    value: Some("0".into()),
                });
            }
        }
    }

    /// Returns everything on the machine the jobs work on, each once. Files with a relative name and
    /// no directory lie in the working folder of fio and are none of these.
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for section in self.jobs() {
            let list = |key| {
                self.value(section, key)
                    .map(split_paths)
                    .unwrap_or_default()
            };
            let (files, directories) = (list("filename"), list("directory"));
            let place = |path: String, directory| Place { path, directory };
            let found: Vec<Place> = if files.is_empty() {
                directories
                    .into_iter()
                    .map(|path| place(path, true))
                    .collect()
            } else {
                let below = |file: &String| match directories.first() {
                    // fio looks for every file below the directory, absolute ones too.
                    Some(directory) => format!(
                        "{}/{}",
                        directory.trim_end_matches('/'),
                        file.trim_start_matches('/')
                    ),
                    None => file.clone(),
                };
                files.iter().map(|file| place(below(file), false)).collect()
            };
            for place in found {
                if place.path.starts_with('/') && !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }
}

/// Splits at colons that are not escaped.
fn split_paths(text: &str) -> Vec<String> {
    let mut paths = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            ':' if !escaped => paths.push(String::new()),
            c => {
                if escaped && c != ':' {
                    paths
                        .last_mut()
                        .into_iter()
                        .for_each(|path| path.push('\\'));
                }
                paths.last_mut().into_iter().for_each(|path| path.push(c));
                escaped = false;
            }
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

/// Reads a time as fio writes it: seconds, or with a unit.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "" | "s" => Some(number),
        "m" => Some(number * 60),
        "h" => Some(number * 3600),
        "d" => Some(number * 86_400),
        "ms" => Some(number.div_ceil(1000)),
        "us" => Some(number.div_ceil(1_000_000)),
        _ => None,
    }
}

impl fmt::Display for JobFile {
    /// As fio reads it: `key=value`, a blank line after each section.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            writeln!(f, "[{}]", section.name)?;
            for setting in &section.settings {
                match &setting.value {
                    Some(value) => writeln!(f, "{}={value}", setting.key)?,
                    None => writeln!(f, "{}", setting.key)?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
