//! Looking at files before a run: what is this, and is it good.
//!
//! A checker says every fault at once, each with its place and the next step, and describes what it
//! read on the way; `prep-perf check` prints the one, `prep-perf describe` the other. Nothing is
//! changed, and no machine is touched. [`kind`] tells what a path is.

mod config;
mod hosts;
mod item;
mod kind;
mod model;
mod payload;
mod racefile;
mod result;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

pub use kind::Kind;

use crate::archive::Limits;
use crate::config::Config;
use crate::text::one_line;

/// Something about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// Where in it: `line 3`, a member, a metric; empty for all of it.
    pub place: String,
    /// What was expected and found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: one_line(&place.into()),
            message: one_line(&message.into()),
            next: None,
        }
    }

    fn next(mut self, step: impl Into<String>) -> Self {
        self.next = Some(step.into());
        self
    }

    fn at_line(line: usize, message: impl Into<String>) -> Self {
        let place = match line {
            0 => String::new(),
            line => format!("line {line}"),
        };
        Self::new(place, message)
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Checked {
    /// As it was named.
    pub name: String,
    /// What it is, in words.
    pub kind: String,
    /// What is wrong.
    pub faults: Vec<Finding>,
    /// Faults beyond those that are listed.
    #[serde(skip_serializing_if = "is_none")]
    pub more_faults: u64,
    /// Odd, but usable.
    pub notes: Vec<Finding>,
    /// What it says, as far as it could be read.
    pub about: Map<String, Value>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the shape serde asks for"
)]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Checked {
    fn new(name: &str, kind: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.into(),
            faults: Vec::new(),
            more_faults: 0,
            notes: Vec::new(),
            about: Map::new(),
        }
    }

    fn fault(&mut self, finding: Finding) {
        self.faults.push(finding);
    }

    fn note(&mut self, finding: Finding) {
        self.notes.push(finding);
    }

    fn say(&mut self, key: &str, value: impl Into<Value>) {
        self.about.insert(key.to_owned(), value.into());
    }

    /// Returns whether it can be used.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// What a look may do.
#[derive(Debug, Default)]
pub struct Looking<'a> {
    /// Told by the person; else by name and content.
    pub kind: Option<Kind>,
    /// How much an archive may hold.
    pub limits: Limits,
    /// Declared tests and profiles.
    pub config: Option<&'a Config>,
}

/// Looks at a path, or at a test or profile `NAME[:JSON]`.
pub fn look(name: &str, looking: &Looking<'_>) -> Checked {
    let path = Path::new(name);
    if looking.kind.is_none()
        && path.symlink_metadata().is_err()
        && let Some(checked) = item::look(name, looking.config)
    {
        return checked;
    }
    let kind = match looking.kind.map_or_else(|| Kind::of(path), Ok) {
        Ok(kind) => kind,
        Err(finding) => {
            let mut checked = Checked::new(name, "unknown");
            checked.fault(finding);
            return checked;
        }
    };
    let mut checked = Checked::new(name, kind.words());
    match kind {
        Kind::Payload => payload::look(path, looking.limits, &mut checked),
        Kind::Machines => hosts::machines(path, &mut checked),
        Kind::HostParams => hosts::params(path, &mut checked),
        Kind::Auth => hosts::auth(path, &mut checked),
        Kind::Racefile => racefile::look(path, &mut checked),
        Kind::Model => model::look(path, &mut checked),
        Kind::Result => result::look(path, &mut checked),
        Kind::Config => config::look(path, &mut checked),
    }
    checked
}

/// Reads a text that people write; says what is wrong otherwise.
fn text_of(path: &Path, checked: &mut Checked) -> Option<String> {
    /// Nobody writes more by hand.
    const LONGEST: u64 = 64 << 20;
    let read = std::fs::metadata(path).and_then(|about| {
        if about.len() > LONGEST {
            let message = format!("expected at most {LONGEST} bytes, found {}", about.len());
            return Err(std::io::Error::other(message));
        }
        std::fs::read(path)
    });
    match read.map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(_)) => {
            checked.fault(Finding::new(
                "",
                "expected text in UTF-8, found other bytes",
            ));
            None
        }
        Err(error) => {
            checked.fault(Finding::new("", format!("cannot read it: {error}")));
            None
        }
    }
}
