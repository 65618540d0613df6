//! Job files: the built-in template, a user's own, and how both become what fio is given.
//!
//! A template holds `$target` (one section for each target) and `$@` (the value of this iteration
//! in `bs` and `rw`). Options given by the user replace what the template says wherever it says it;
//! one that stands nowhere is added to `[global]`, so that nothing given is without effect.

use std::fmt;

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

/// Options that name the same thing in fio: ours first.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("bs", &["bs", "blocksize"]),
    ("rw", &["rw", "readwrite"]),
    ("ioengine", &["ioengine"]),
    ("iodepth", &["iodepth"]),
    ("direct", &["direct"]),
    ("sync", &["sync"]),
    ("runtime", &["runtime", "timeout"]),
    ("ramp_time", &["ramp_time"]),
    ("size", &["size"]),
    ("rate_iops", &["rate_iops"]),
    ("log_avg_msec", &["log_avg_msec"]),
    ("log_hist_msec", &["log_hist_msec"]),
    ("numjobs", &["numjobs"]),
];

fn spellings(key: &str) -> Vec<&str> {
    match SYNONYMS.iter().find(|(name, _)| *name == key) {
        Some((_, all)) => all.to_vec(),
        None => vec![key],
    }
}

/// One option of a section; a switch has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    key: String,
    value: Option<String>,
}

/// One section, options in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    name: String,
    settings: Vec<Setting>,
}

impl Section {
    fn get(&self, key: &str) -> Option<&str> {
        let spellings = spellings(key);
        let found = self
            .settings
            .iter()
            .rev()
            .find(|setting| spellings.contains(&setting.key.as_str()))?;
        Some(found.value.as_deref().unwrap_or("1"))
    }

    /// Replaces the value wherever the key stands; says whether it did.
    fn replace(&mut self, key: &str, value: &str) -> bool {
        let spellings = spellings(key);
        let mut found = false;
        for setting in &mut self.settings {
            if spellings.contains(&setting.key.as_str()) {
                setting.value = Some(value.to_owned());
                found = true;
            }
        }
        found
    }

    fn is_global(&self) -> bool {
        self.name == "global"
    }
}

/// Replaces the value of a key in every section that has it; says whether one had.
fn replace_everywhere(sections: &mut [Section], key: &str, value: &str) -> bool {
    let mut found = false;
    for section in sections {
        found |= section.replace(key, value);
    }
    found
}

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

/// Where fio works, as the machine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path, absolute.
    pub path: String,
    /// Whether it is a directory: fio then makes files of its own in it.
    pub directory: bool,
}

/// One option for [`Template::expand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As fio spells it.
    pub key: &'static str,
    /// Value.
    pub value: String,
    /// Whether it must take effect: added to `[global]` when no section has the key. Defaults only
    /// replace what the template says.
    pub force: bool,
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

/// With this the name of every file starts that fio makes in a directory.
pub const OWN_FILES: &str = "runperf-fio-";

/// fio separates several files by colons; one that belongs to the name is escaped.
fn escape(path: &str) -> String {
    path.replace(':', "\\:")
}

/// A job file fio can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    sections: Vec<Section>,
}

impl JobFile {
    fn global(&mut self) -> &mut Section {
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
    fn write_logs(&mut self) {
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
    fn name_files(&mut self, token: &str) {
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

#[cfg(test)]
mod unit {
    use super::*;

    fn file(path: &str) -> Place {
        Place {
            path: path.into(),
            directory: false,
        }
    }

    fn given(key: &'static str, value: &str, force: bool) -> Given {
        Given {
            key,
            value: value.into(),
            force,
        }
    }

    fn pbench_line() -> Vec<Given> {
        vec![
            given("bs", "4k", true),
            given("rw", "randrw", true),
            given("runtime", "4", true),
            given("ramp_time", "2", true),
            given("size", "32M", true),
            given("numjobs", "2", true),
        ]
    }

    #[test]
    fn the_job_file_of_a_recorded_pbench_run_comes_out() {
        // tests/fixtures/fio/12-pbench-template-randrw-logs/job.fio
        let recorded =
            include_str!("../../../tests/fixtures/fio/12-pbench-template-randrw-logs/job.fio");
        let job =
            Template::builtin().expand(&[file("/var/tmp/fio.target.tmp")], &pbench_line(), "T");
        assert_eq!(job.to_string(), recorded);
    }

    #[test]
    fn each_target_gets_a_section_and_the_global_one_stays_single() {
        let job = Template::builtin().expand(
            &[file("/a"), file("/dev/disk/by-path/pci-0:1")],
            &pbench_line(),
            "T",
        );
        let names: Vec<&str> = job
            .sections
            .iter()
            .map(|section| section.name.as_str())
            .collect();
        assert_eq!(names, ["global", "job-/a", "job-/dev/disk/by-path/pci-0:1"]);
        assert_eq!(
            job.sections[2].get("filename"),
            Some("/dev/disk/by-path/pci-0\\:1")
        );
        assert_eq!(
            job.places(),
            [file("/a"), file("/dev/disk/by-path/pci-0:1")]
        );
        assert_eq!(job.processes(), 4);
    }

    #[test]
    fn a_directory_is_worked_in_under_names_of_ours() {
        let place = Place {
            path: "/mnt".into(),
            directory: true,
        };
        let job = Template::builtin().expand(&[place], &pbench_line(), "T");
        assert_eq!(job.sections[1].get("directory"), Some("/mnt"));
        assert_eq!(
            job.sections[1].get("filename_format"),
            Some("runperf-fio-T-1.$jobnum.$filenum")
        );
        assert_eq!(job.sections[1].get("filename"), None);
        assert_eq!(
            job.places(),
            [Place {
                path: "/mnt".into(),
                directory: true
            }]
        );
    }

    #[test]
    fn an_option_no_section_has_takes_effect_when_given_but_not_as_default() {
        let options = [given("rate_iops", "100", true), given("sync", "1", true)];
        let job = Template::builtin().expand(&[file("/a")], &options, "T");
        assert_eq!(
            job.sections[0].get("rate_iops"),
            Some("100"),
            "pbench left it without effect"
        );
        assert_eq!(job.sections[0].get("sync"), Some("1"));

        let own = Template::parse("[j]\nrw=read\nsize=1M\n").expect("a good job file");
        let job = own.expand(&[file("/a")], &[given("runtime", "180", false)], "T");
        assert_eq!(
            job.seconds(),
            None,
            "a default adds no runtime to a job that ends by size"
        );
    }

    #[test]
    fn a_job_file_of_the_user_is_filled_and_its_logs_are_ours() {
        let text = "# mine\n[global]\n bs = $@\nwrite_iops_log=elsewhere\n; no\n[TheJob]\ndirectory = $target\nreadwrite=$@\nstonewall\nruntime=1m\n[two]\nstonewall\nruntime=30\n";
        let template = Template::parse(text).expect("a good job file");
        assert!(template.uses_targets());
        let job = template.expand(
            &[file("/mnt")],
            &[given("bs", "64k", true), given("rw", "write", true)],
            "T",
        );
        let text = job.to_string();
        assert!(
            text.contains("readwrite=write\n") && text.contains("bs=64k\n"),
            "{text}"
        );
        assert!(
            text.contains("write_iops_log=fio\n") && text.contains("write_lat_log=fio\n"),
            "{text}"
        );
        assert!(
            text.contains("log_unix_epoch=1\n") && text.contains("stonewall\n"),
            "{text}"
        );
        assert_eq!(job.seconds(), Some(90));
        assert!(job.writes());
    }

    #[test]
    fn what_is_wrong_in_a_job_file_is_said_with_its_line() {
        for (text, message) in [
            ("rw=read\n", "line 1: expected a section"),
            ("\n[global\n", "line 2: expected `]`"),
            (
                "[global]\nrw=read\n",
                "at least one section besides [global]",
            ),
            ("", "at least one section"),
        ] {
            let error = Template::parse(text).expect_err(text).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
