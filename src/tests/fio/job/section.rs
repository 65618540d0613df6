//! Sections of a job file and their options, whatever spelling they use.

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
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: Option<String>,
}

/// One section, options in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) settings: Vec<Setting>,
}

impl Section {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let spellings = spellings(key);
        let found = self
            .settings
            .iter()
            .rev()
            .find(|setting| spellings.contains(&setting.key.as_str()))?;
        Some(found.value.as_deref().unwrap_or("1"))
    }

    /// Replaces the value wherever the key stands; says whether it did.
    pub(super) fn replace(&mut self, key: &str, value: &str) -> bool {
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

    pub(super) fn is_global(&self) -> bool {
        self.name == "global"
    }
}

/// Replaces the value of a key in every section that has it; says whether one had.
pub(super) fn replace_everywhere(sections: &mut [Section], key: &str, value: &str) -> bool {
    let mut found = false;
    for section in sections {
        found |= section.replace(key, value);
    }
    found
}
