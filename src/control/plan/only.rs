//! `--only FILE`: of a plan, what a suspects file of `compare-perf --suspects` names.
//!
//! A test is what can be run again; its iterations come with it. The ids come out as they were, so
//! that `compare-perf --repetitions` finds each figure again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Plan;
use crate::compare::suspects::Suspects;
use crate::store::safe_name;
use crate::text::one_line;

/// Why a suspects file cannot be followed; nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum OnlyError {
    /// It cannot be read.
    #[error("cannot read the suspects {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is no file of compare-perf --suspects: {reason}", path.display())]
    Shape {
        /// Which.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// Nothing is suspect.
    #[error("{} names nothing to run again", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The command line does not run what it names.
    #[error("{} names {missing}, which this command line does not run", path.display())]
    NotPlanned {
        /// Which.
        path: PathBuf,
        /// `PROFILE/TEST`, several with commas.
        missing: String,
        /// What the command line runs.
        planned: String,
    },
}

impl OnlyError {
    /// Returns the next step for the person who reads the message.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            OnlyError::Read { .. } => None,
            OnlyError::Shape { .. } => {
                Some("write it with `compare-perf --suspects FILE -- SRC DST`".into())
            }
            OnlyError::Empty { .. } => Some(
                "nothing regressed or is suspect there; leave --only out to run everything".into(),
            ),
            OnlyError::NotPlanned { planned, .. } => Some(format!(
                "repeat the profiles and tests of that run; this line has {planned}"
            )),
        }
    }
}

impl Plan {
    /// Keeps what the file names: its profiles and tests, by their names in result directories.
    ///
    /// # Errors
    /// When the file cannot be used, names nothing, or anything this plan does not have.
    pub fn keep_only(&mut self, path: &Path) -> Result<(), OnlyError> {
        let suspects = load(path)?;
        let named: BTreeSet<(&str, &str)> = suspects
            .items
            .iter()
            .map(|item| (item.profile.as_str(), item.test.as_str()))
            .collect();
        let planned: BTreeSet<(String, String)> = self
            .tests()
            .map(|(profile, test)| (safe_name(&profile.name), safe_name(&test.name)))
            .collect();
        let is_planned = |(profile, test): &(&str, &str)| {
            planned.contains(&((*profile).to_owned(), (*test).to_owned()))
        };
        if !named.iter().all(is_planned) {
            let missing = named.iter().filter(|of| !is_planned(of));
            return Err(OnlyError::NotPlanned {
                path: path.to_owned(),
                missing: places(missing.copied()),
                planned: places(
                    planned
                        .iter()
                        .map(|(profile, test)| (profile.as_str(), test.as_str())),
                ),
            });
        }
        let all = self.tests().count();
        for profile in &mut self.profiles {
            let name = safe_name(&profile.name);
            profile
                .tests
                .retain(|test| named.contains(&(name.as_str(), safe_name(&test.name).as_str())));
        }
        self.profiles.retain(|profile| !profile.tests.is_empty());
        self.notes.push(format!(
            "only what {} names: {} of {all} tests, for {}",
            path.display(),
            self.tests().count(),
            iterations(suspects.items.len())
        ));
        Ok(())
    }
}

fn iterations(count: usize) -> String {
    match count {
        1 => "1 iteration".into(),
        _ => format!("{count} iterations"),
    }
}

fn places<'a>(of: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let all: Vec<String> = of
        .map(|(profile, test)| format!("{}/{}", one_line(profile), one_line(test)))
        .collect();
    all.join(", ")
}

fn load(path: &Path) -> Result<Suspects, OnlyError> {
    let bytes = std::fs::read(path).map_err(|source| OnlyError::Read {
        path: path.to_owned(),
        source,
    })?;
    let shape = |reason: String| OnlyError::Shape {
        path: path.to_owned(),
        reason,
    };
    let suspects: Suspects =
        serde_json::from_slice(&bytes).map_err(|error| shape(error.to_string()))?;
    if suspects.schema != Suspects::SCHEMA {
        return Err(shape(format!(
            "it is `{}`, expected `{}`",
            one_line(&suspects.schema),
            Suspects::SCHEMA
        )));
    }
    if suspects.items.is_empty() {
        return Err(OnlyError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(suspects)
}
