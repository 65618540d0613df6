//! Lines of the journal: written strictly, read as far as they can be.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, State};
use crate::control::undo::Undo;

/// Version of the format.
pub(super) const VERSION: u32 = 1;

/// Head of a journal: which run, from where, on which machines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Of the format; 0: there is no head.
    pub version: u32,
    /// Names the run.
    pub run_id: String,
    /// Names the process among all that ever ran; part of marks and private names.
    #[serde(default)]
    pub token: String,
    /// Process on the controller.
    pub pid: u32,
    /// Name of the machine run-perf runs on.
    #[serde(default)]
    pub controller: String,
    /// Machines by name.
    pub hosts: Vec<MachineRef>,
}

/// A machine and how it was named; never a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRef {
    /// Short name.
    pub name: String,
    /// As typed.
    pub address: String,
    /// As typed; absent: as OpenSSH's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// As typed; absent: as OpenSSH's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Header {
    /// Adds a machine, or corrects what is known about the one of its name.
    pub(super) fn add(&mut self, machine: MachineRef) {
        self.hosts.retain(|known| known.name != machine.name);
        self.hosts.push(machine);
    }

    /// A head of the present version for this process.
    pub fn new(run_id: &str, hosts: Vec<MachineRef>) -> Self {
        Self {
            version: VERSION,
            run_id: run_id.to_owned(),
            token: crate::shell::processes::token().to_owned(),
            pid: std::process::id(),
            controller: crate::control::hold::this_machine(),
            hosts,
        }
    }
}

/// A step as read: one of a later version is kept and said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recorded {
    /// A step of this version.
    Known(Undo),
    /// Anything else.
    Unknown(Value),
}

impl Recorded {
    /// Returns the machine, as far as it says one.
    pub fn on(&self) -> String {
        match self {
            Recorded::Known(undo) => undo.on().0.clone(),
            Recorded::Unknown(value) => value
                .as_object()
                .and_then(|object| object.values().next())
                .and_then(|inner| inner.get("on")?.as_str())
                .unwrap_or("?")
                .to_owned(),
        }
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recorded::Known(undo) => undo.fmt(f),
            Recorded::Unknown(value) => {
                let name = value.as_object().and_then(|object| object.keys().next());
                let name = name.map_or("unknown", String::as_str);
                write!(f, "`{}`", crate::text::one_line(name))
            }
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Run(Header),
    /// A machine that came later than the head.
    Machine(MachineRef),
    Plan {
        scope: String,
        undo: Recorded,
    },
    Armed {
        of: u64,
    },
    Undone {
        of: u64,
    },
    Failed {
        of: u64,
        message: String,
    },
    Clean,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    n: u64,
    at: String,
    #[serde(flatten)]
    event: Event,
}

/// Returns a line with its end.
pub(super) fn write(n: u64, event: Event) -> String {
    let at = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let line = Line { n, at, event };
    // Maps with text keys, numbers and texts: nothing JSON cannot hold.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) header: Header,
    pub(super) entries: Vec<Entry>,
    /// Number of the next line.
    pub(super) next: u64,
    /// Whole lines that could not be understood.
    pub(super) unreadable: usize,
}

/// Reads a journal. A last line without its end was cut short by a crash and is left out; the
/// change it stands for was never made.
pub(super) fn read(bytes: &[u8]) -> Read {
    let mut read = Read {
        next: 1,
        ..Read::default()
    };
    let whole = bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at);
    for text in bytes[..whole].split(|byte| *byte == b'\n') {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Line>(text) {
            Ok(line) => read.take(line),
            Err(_) => read.unreadable += 1,
        }
    }
    read
}

impl Read {
    fn take(&mut self, line: Line) {
        self.next = self.next.max(line.n.saturating_add(1));
        match line.event {
            Event::Run(header) => self.header = header,
            Event::Machine(machine) => self.header.add(machine),
            Event::Plan { scope, undo } => self.entries.push(Entry {
                n: line.n,
                scope,
                undo,
                state: State::Planned,
                kept: false,
            }),
            Event::Armed { of } => self.set(of, State::Armed),
            Event::Undone { of } => self.set(of, State::Undone),
            Event::Failed { of, message } => self.set(of, State::Failed(message)),
            Event::Clean => {}
        }
    }

    fn set(&mut self, of: u64, state: State) {
        match self.entries.iter_mut().rev().find(|entry| entry.n == of) {
            Some(entry) => entry.state = state,
            None => self.unreadable += 1,
        }
    }
}
