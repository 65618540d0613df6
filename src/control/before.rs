//! Before anything is made, here or there: which hosts answer, whether one machine was given twice,
//! whether another run holds one. Leaves nothing behind, on no machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cancel::CancelToken;
use super::event::{Event, Observer};
use super::hold::{self, HoldError, this_machine};
use super::parallel::each;
use super::plan::{Plan, PlannedHost};
use super::reach::Reach;
use crate::shell::{CommandLine, Limits, Shell, ShellError};

/// What a sign of life may take, connecting included.
pub(crate) const SIGN: Duration = Duration::from_secs(60);

/// Tells machines apart that share a kernel (containers) as well: each network stack is one.
const WHO: &str = "cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo unknown
readlink /proc/self/ns/net || echo unknown";

/// A host that a shell was made for.
#[derive(Debug)]
pub(crate) struct Reached {
    /// As the run calls it.
    pub(crate) name: String,
    pub(crate) shell: Arc<dyn Shell>,
    /// Folder of the shell on another machine.
    pub(crate) folder: Option<String>,
    /// Whether it answered.
    pub(crate) answer: Result<Identity, ShellError>,
}

/// Which machine it is, and since which boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of the kernel; `unknown` where it cannot be read.
    pub(crate) boot: String,
    network: String,
}

impl Identity {
    /// Asks a machine.
    pub(crate) fn ask(shell: &dyn Shell, limits: &Limits) -> Result<Self, ShellError> {
        let output = shell.glance(&CommandLine::script(WHO), limits)?;
        let text = output.text();
        let mut lines = text.lines().map(|line| line.trim().to_owned());
        let mut next = || lines.next().unwrap_or_else(|| "unknown".into());
        Ok(Self {
            boot: next(),
            network: next(),
        })
    }

    fn is_known(&self) -> bool {
        self.boot != "unknown" && self.network != "unknown"
    }
}

/// Why a run does not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeforeError {
    /// Two names mean one machine.
    #[error("hosts `{one}` ({one_address}) and `{other}` ({other_address}) are the same machine")]
    Twice {
        /// First name.
        one: String,
        /// Its address.
        one_address: String,
        /// Second name.
        other: String,
        /// Its address.
        other_address: String,
    },
    /// Somebody has it.
    #[error(transparent)]
    Held(#[from] HoldError),
    /// The run was told to stop.
    #[error("interrupted before anything was done")]
    Interrupted,
}

impl BeforeError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            BeforeError::Twice { .. } => Some(
                "name it once: its results would count twice, and the two would disturb each other"
                    .into(),
            ),
            BeforeError::Held(error) => error.hint(),
            BeforeError::Interrupted => None,
        }
    }
}

/// Connects to every host of a plan, waits until no other run holds one, and returns them in order.
pub(crate) fn look(
    plan: &Plan,
    reach: &Reach,
    cancel: &CancelToken,
    observer: &dyn Observer,
) -> Result<Vec<Reached>, BeforeError> {
    let limits = Limits::new(cancel.clone());
    // Plan::resolve has refused what this build cannot reach.
    let shells = plan
        .hosts
        .iter()
        .filter_map(|host| Some((host, reach.shell(host.place()).ok()?)));
    let doing = |host: &str, what: Option<&'static str>| {
        observer.event(&Event::HostDoing {
            host: host.to_owned(),
            what: what.map(str::to_owned),
            notable: false,
        });
    };
    let at_once = plan.options.parallel_hosts;
    let hosts = each(at_once, shells, |(host, (shell, folder))| {
        doing(&host.name, Some("connect"));
        let answer = Identity::ask(shell.as_ref(), &limits.clone().within(SIGN));
        doing(&host.name, None);
        Reached {
            name: host.name.clone(),
            shell,
            folder,
            answer,
        }
    });
    if cancel.is_cancelled() {
        return Err(BeforeError::Interrupted);
    }
    if let Some(error) = twice(&hosts, &plan.hosts) {
        return Err(error);
    }
    let waiting = hold::Waiting {
        cancel,
        observer,
        until: Instant::now().checked_add(plan.options.wait_held),
    };
    let answered = hosts.iter().filter(|host| host.answer.is_ok());
    let free = each(at_once, answered, |host| {
        doing(&host.name, Some("look whether it is held"));
        let free = hold::wait_until_free(&host.name, host.shell.as_ref(), &waiting);
        doing(&host.name, None);
        free.map(drop)
    });
    for free in free {
        match free {
            // Said again, with what cannot be done about it, when the host is taken.
            Ok(()) | Err(HoldError::Mark { .. }) => {}
            Err(HoldError::Interrupted) => return Err(BeforeError::Interrupted),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(hosts)
}

fn twice(hosts: &[Reached], planned: &[PlannedHost]) -> Option<BeforeError> {
    let known = |host: &Reached| {
        host.answer
            .as_ref()
            .ok()
            .filter(|who| who.is_known())
            .cloned()
    };
    let address = |name: &str| {
        let found = planned.iter().find(|host| host.name == name);
        found.map_or_else(this_machine, |host| host.address.clone())
    };
    hosts.iter().enumerate().find_map(|(index, other)| {
        let who = known(other)?;
        let one = hosts[..index]
            .iter()
            .find(|one| known(one).as_ref() == Some(&who))?;
        Some(BeforeError::Twice {
            one: one.name.clone(),
            one_address: address(&one.name),
            other: other.name.clone(),
            other_address: address(&other.name),
        })
    })
}

/// Asks whether a host still answers, for at most [`SIGN`]; a host that refuses connections may be
/// on its way up again, and is asked until then.
pub(crate) fn sign_of_life(shell: &dyn Shell, limits: &Limits) -> Result<Identity, ShellError> {
    sign_of_life_within(shell, limits, SIGN)
}

/// As [`sign_of_life`], for `at_most`.
pub(crate) fn sign_of_life_within(
    shell: &dyn Shell,
    limits: &Limits,
    at_most: Duration,
) -> Result<Identity, ShellError> {
    let until = Instant::now() + at_most;
    loop {
        let asked = Identity::ask(shell, &limits.clone().within(SIGN));
        let again = matches!(
            &asked,
            Err(ShellError::Connect { .. } | ShellError::Lost { .. } | ShellError::TimedOut { .. })
        );
        if !again || Instant::now() >= until || limits.cancel.is_cancelled() {
            return asked;
        }
        shell.reconnect();
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::scripted::ScriptedShell;

    fn reached(name: &str, says: &str) -> Reached {
        let shell = ScriptedShell::new(name).answer("*", says);
        let limits = Limits::new(CancelToken::default());
        let answer = Identity::ask(&shell, &limits);
        Reached {
            name: name.into(),
            shell: Arc::new(shell),
            folder: None,
            answer,
        }
    }

    #[test]
    fn one_machine_under_two_names_is_noticed_and_containers_are_not() {
        let hosts = [
            reached("a", "boot-1\nnet:[1]\n"),
            reached("b", "boot-1\nnet:[2]\n"),
            reached("c", "unknown\nnet:[2]\n"),
            reached("d", "unknown\nnet:[2]\n"),
        ];
        assert!(
            twice(&hosts, &[]).is_none(),
            "one kernel, two network stacks"
        );
        let again = [
            reached("a", "boot-1\nnet:[1]\n"),
            reached("x", "boot-1\nnet:[1]\n"),
        ];
        let error = twice(&again, &[]).expect("the same");
        assert!(error.to_string().starts_with("hosts `a` ("), "{error}");
    }
}
