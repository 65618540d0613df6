//! What each of several hosts is doing: one line for each.

use std::time::{Duration, Instant};

use super::live::clock;
use super::spell;
use crate::control::event::Event;
use crate::text::one_line;

/// One host of several.
#[derive(Debug)]
pub(super) struct HostState {
    pub(super) name: String,
    /// Step of the run, and since when.
    step: Option<(String, Instant)>,
    /// Commands that run there, oldest first: number, what, since when.
    commands: Vec<(u64, String, Instant)>,
    /// Since when nothing is done there.
    idle: Instant,
    lost: Option<String>,
}

/// Returns how lines call all hosts together: `foo`, `foo+7`.
pub(super) fn label(hosts: &[String]) -> String {
    match hosts {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first}+{}", others.len()),
    }
}

impl HostState {
    pub(super) fn new(name: &str, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            step: None,
            commands: Vec::new(),
            idle: now,
            lost: None,
        }
    }

    /// Takes an event about this host.
    pub(super) fn take(&mut self, event: &Event, now: Instant) {
        match event {
            Event::HostDoing { what, .. } => {
                self.step = what.as_ref().map(|what| (one_line(what), now));
                self.idle = now;
            }
            Event::HostCommand {
                id,
                what: Some(what),
                ..
            } => {
                self.commands.push((*id, one_line(what), now));
            }
            Event::HostCommand { id, what: None, .. } => {
                self.commands.retain(|(other, ..)| other != id);
                self.idle = now;
            }
            Event::HostLost { message, .. } => self.lost = Some(one_line(message)),
            _ => {}
        }
    }

    /// What it does and for how long; `None` when it waits for the others.
    fn doing(&self) -> Option<(&str, Instant)> {
        let step = self
            .step
            .as_ref()
            .map(|(what, since)| (what.as_str(), *since));
        step.or_else(|| {
            self.commands
                .first()
                .map(|(_, what, since)| (what.as_str(), *since))
        })
    }
}

/// Returns a line for each host, at most `most`; hosts that are left out are counted.
pub(super) fn lines(hosts: &[HostState], most: usize, now: Instant) -> Vec<String> {
    let width = hosts
        .iter()
        .map(|host| host.name.chars().count())
        .max()
        .unwrap_or(0);
    let line = |host: &HostState| {
        let what = match (&host.lost, host.doing()) {
            (Some(why), _) => format!("LOST: {why}"),
            (None, Some((what, since))) => {
                format!("{}  {what}", clock(now.duration_since(since)))
            }
            (None, None) => format!("{}  -", clock(now.duration_since(host.idle))),
        };
        format!("  {:width$}  {what}", host.name)
    };
    if hosts.len() <= most {
        return hosts.iter().map(line).collect();
    }
    let shown = most.saturating_sub(1);
    let rest = &hosts[shown..];
    let count =
        |wanted: &dyn Fn(&HostState) -> bool| rest.iter().filter(|host| wanted(host)).count();
    let lost = count(&|host| host.lost.is_some());
    let busy = count(&|host| host.lost.is_none() && host.doing().is_some());
    let mut lines: Vec<String> = hosts[..shown].iter().map(line).collect();
    lines.push(format!(
        "  and {} more: {busy} at work, {} waiting, {lost} lost",
        rest.len(),
        rest.len() - busy - lost
    ));
    lines
}

/// Returns what the run waits for, for the line that says it is alive.
pub(super) fn slowest(hosts: &[HostState], now: Instant) -> String {
    let at_work = hosts.iter().filter(|host| host.lost.is_none());
    let slowest = at_work
        .filter_map(|host| host.doing().map(|(what, since)| (since, host, what)))
        .min_by_key(|(since, ..)| *since);
    match slowest {
        Some((since, host, what)) => {
            let time: Duration = now.duration_since(since);
            format!(", longest on {}: {what} {}", host.name, spell(time))
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(host: &str, id: u64, what: Option<&str>) -> Event {
        Event::HostCommand {
            host: host.into(),
            id,
            what: what.map(str::to_owned),
        }
    }

    #[test]
    fn each_host_has_a_line_and_many_are_counted() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let names = ["a", "b2", "c", "d", "e"];
        let mut hosts: Vec<HostState> = names
            .iter()
            .map(|name| HostState::new(name, start))
            .collect();
        hosts[0].take(&command("a", 1, Some("fio x.job")), at(10));
        hosts[0].take(&command("a", 2, Some("cat /proc/loadavg")), at(15));
        hosts[1].take(
            &Event::HostDoing {
                host: "b2".into(),
                what: Some("install 2 packages".into()),
                notable: true,
            },
            at(12),
        );
        hosts[2].take(&command("c", 1, Some("fio x.job")), at(10));
        hosts[2].take(&command("c", 1, None), at(19));
        hosts[4].take(
            &Event::HostLost {
                host: "e".into(),
                message: "cannot reach root@e".into(),
            },
            at(1),
        );
        assert_eq!(
            lines(&hosts, 10, at(20)),
            [
                "  a   00:00:10  fio x.job",
                "  b2  00:00:08  install 2 packages",
                "  c   00:00:01  -",
                "  d   00:00:20  -",
                "  e   LOST: cannot reach root@e",
            ]
        );
        assert_eq!(
            lines(&hosts, 3, at(20))[2],
            "  and 3 more: 0 at work, 2 waiting, 1 lost"
        );
        assert_eq!(slowest(&hosts, at(20)), ", longest on a: fio x.job 10s");
        assert_eq!(label(&["a".into(), "b".into(), "c".into()]), "a+2");
    }
}
