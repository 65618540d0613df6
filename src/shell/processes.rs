//! Ending everything a command started on this machine.
//!
//! A process group is not enough: fio's jobs call `setsid()` and outlive a killed parent. A process
//! belongs to a command when it is in the command's group, descends from its leader, or carries the
//! command's mark in its environment, which children inherit whatever session they make.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal};

/// Variable in the environment of every command and of what it starts.
pub(crate) const MARK: &str = "RUNPERF_COMMAND";

/// Returns what names this process among all that ever ran.
pub(crate) fn token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| ulid::Ulid::generate().to_string())
}

/// Returns how the marks of everything this process starts on a machine begin.
pub(crate) fn mark_on(machine: &str) -> String {
    format!("{}/{}/", token(), crate::text::file_name(machine))
}

/// One command's processes.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    /// Process group; the pid of its leader.
    pub(crate) group: i32,
    /// `RUNPERF_COMMAND=…`
    pub(crate) mark: String,
}

/// The part of `/proc/PID/stat` that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    pid: i32,
    parent: i32,
    group: i32,
    alive: bool,
}

impl Family {
    /// Returns the pids that still run. Zombies are gone: they hold no resources but a number.
    pub(crate) fn alive(&self) -> Vec<i32> {
        let all: Vec<Stat> = std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(stat)
            .collect();
        let mut members = descendants(&all, self.group);
        for process in all.iter().filter(|process| process.alive) {
            if process.group == self.group
                || (!members.contains(&process.pid) && self.is_marked(process.pid))
            {
                members.insert(process.pid);
            }
        }
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let mut alive: Vec<i32> = all
            .iter()
            .filter(|p| p.alive && p.pid != own && members.contains(&p.pid))
            .map(|p| p.pid)
            .collect();
        alive.sort_unstable();
        alive
    }

    /// Sends `signal` to the group and to every other member.
    ///
    /// The caller has not reaped the leader, so the group's number cannot belong to somebody else.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.group) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
        for pid in self.alive() {
            if stat(pid).is_some_and(|process| process.group == self.group) {
                continue;
            }
            let Some(process) = Pid::from_raw(pid) else {
                continue;
            };
            // Pinned first, looked at again then: a number that was reused meanwhile is not hit.
            match rustix::process::pidfd_open(process, PidfdFlags::empty()) {
                Ok(pinned) if self.alive().contains(&pid) => {
                    let _ = rustix::process::pidfd_send_signal(&pinned, signal);
                }
                Err(rustix::io::Errno::NOSYS) => {
                    let _ = rustix::process::kill_process(process, signal);
                }
                _ => {}
            }
        }
    }

    /// Waits until nothing runs any more; returns whether that came true in time.
    pub(crate) fn wait_gone(&self, at_most: Duration, hurry: impl Fn() -> bool) -> bool {
        let end = Instant::now() + at_most;
        let mut pause = Duration::from_millis(1);
        while !self.alive().is_empty() {
            if Instant::now() >= end || hurry() {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        true
    }

    fn is_marked(&self, pid: i32) -> bool {
        // Other users' processes cannot be read, and are not ours to end.
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
            environ
                .split(|byte| *byte == 0)
                .any(|entry| entry == self.mark.as_bytes())
        })
    }
}

/// Returns `root` and everything below it.
fn descendants(all: &[Stat], root: i32) -> HashSet<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in all {
        children
            .entry(process.parent)
            .or_default()
            .push(process.pid);
    }
    let mut found = HashSet::from([root]);
    let mut todo = vec![root];
    while let Some(pid) = todo.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                todo.push(*child);
            }
        }
    }
    found
}

fn stat(pid: i32) -> Option<Stat> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&bytes))
}

/// The name is in parentheses and may itself hold blanks and parentheses.
fn parse_stat(pid: i32, text: &str) -> Option<Stat> {
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some(Stat {
        pid,
        parent,
        group,
        alive: !matches!(state, "Z" | "X" | "x"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = parse_stat(7, "7 (a) Z 1 (b) S 3 7 7 0 -1").expect("well-formed");
        assert_eq!(
            stat,
            Stat {
                pid: 7,
                parent: 3,
                group: 7,
                alive: true
            }
        );
        assert!(
            !parse_stat(8, "8 (fio) Z 3 7 7").expect("well-formed").alive,
            "a zombie is gone"
        );
        assert_eq!(parse_stat(9, "9 (cut"), None);
    }

    #[test]
    fn descendants_are_found_through_their_parents() {
        let process = |pid, parent| Stat {
            pid,
            parent,
            group: 0,
            alive: true,
        };
        let all = [process(4, 3), process(3, 2), process(2, 1), process(9, 1)];
        let mut found: Vec<i32> = descendants(&all, 2).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4]);
    }
}
