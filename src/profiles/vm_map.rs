//! `VmMap`: the workers are machines that exist already, named by a list.
//!
//! The list is BenchKit's map (`ADDRESS NAME`, as in `/etc/hosts`) or an Ansible inventory
//! ([`machines`]); how to log in may be said by an auth file ([`auth`]). Nothing is prepared on
//! them: a mark that holds each for the run, and the private folder of its shell, are all that is left
//! there meanwhile. A machine that cannot be reached is left out, the others go on.

pub mod auth;
mod ini;
pub mod machines;
mod range;
#[cfg(test)]
mod tests;
mod yaml;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use self::auth::{Auth, Login};
use self::machines::{Format, LONGEST, Machine, Machines};
use super::localhost::host_facts;
use super::{Applied, Profile, ProfileError, Reverted};
use crate::control::Context;
use crate::control::hold::{self, Mark};
use crate::control::journal::MachineRef;
use crate::control::options::expand_home;
use crate::control::progress::count;
use crate::control::reach::Place;
use crate::control::undo::Undo;
use crate::host::facts::Facts;
use crate::host::{Host, Worker};
use crate::shell::processes::mark_on;
use crate::shell::{CommandLine, Shell, ShellError, ShellExt};
use crate::tests::LostWorker;
use crate::tests::params::{Param, ParamError, Params};
use crate::tests::tool::drive::each;

/// Name in the registry.
pub const NAME: &str = "VmMap";
/// One sentence for `--list`.
pub const SUMMARY: &str = "Machines that exist already, named by a map or an inventory";
/// Parameters.
pub const PARAMS: &[Param] = &[
    Param {
        name: "map",
        aliases: &["hosts", "inventory"],
        default: "",
        summary: "File with ADDRESS NAME lines, or an Ansible inventory; `-` is standard input",
    },
    Param {
        name: "format",
        aliases: &[],
        default: "told from name and content",
        summary: "map, ini or yaml",
    },
    Param {
        name: "group",
        aliases: &["limit"],
        default: "all machines",
        summary: "Groups or machines of the list to use",
    },
    Param {
        name: "auth",
        aliases: &[],
        default: "as OpenSSH's configuration says",
        summary: "File {\"user\", \"method\": password|key|agent, \"details\"}",
    },
    Param {
        name: "user",
        aliases: &[],
        default: "as the list, the auth file or OpenSSH's configuration says, else root",
        summary: "Account on machines for which nothing else is said",
    },
    Param {
        name: "ready-timeout",
        aliases: &["ready_timeout"],
        default: "60",
        summary: "Seconds a machine has to become reachable",
    },
];

/// Between two tries to reach a machine.
const PAUSE: Duration = Duration::from_secs(1);
/// Names that `--plan` shows.
const SHOWN: usize = 8;

/// Machines of a list as workers.
#[derive(Debug)]
pub struct VmMap {
    name: String,
    map: PathBuf,
    read: Machines,
    group: Vec<String>,
    auth: Option<Auth>,
    user: Option<String>,
    ready: Duration,
    /// Machines that were reached, with their shells.
    open: Vec<(String, Arc<dyn Shell>)>,
    left_out: Vec<LostWorker>,
}

/// Builds the profile from its parameters; the list is read.
///
/// # Errors
/// Unknown parameters, values that do not fit, a list or auth file with faults.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Profile>, ParamError> {
    let params = Params::check(NAME, given, PARAMS)?;
    let Some(map) = params.text("map")? else {
        return Err(params.invalid("map", "expected the path of a list of machines, found none"));
    };
    let map = expand_home(map.as_ref());
    let format = match params.text("format")? {
        None => None,
        Some(word) => match Format::ALL.iter().find(|(name, _)| *name == word) {
            Some((_, format)) => Some(*format),
            None => {
                return Err(params.invalid(
                    "format",
                    format!("expected map, ini or yaml, found `{word}`"),
                ));
            }
        },
    };
    let text = text_of(&map).map_err(|message| params.invalid("map", message))?;
    let read = Machines::read(&map, &text, format);
    if let Some(first) = read.faults.first() {
        let more = match read.faults.len() - 1 {
            0 => String::new(),
            more => format!("; and {more} more, see `prep-perf check {}`", map.display()),
        };
        let place = match first.line {
            0 => map.display().to_string(),
            line => format!("{}:{line}", map.display()),
        };
        return Err(params.invalid("map", format!("{place}: {}{more}", first.message)));
    }
    for note in &read.notes {
        tracing::warn!(map = %map.display(), line = note.line, "{}", note.message);
    }
    let group = params.list("group")?.unwrap_or_default();
    read.chosen(&group)
        .map_err(|message| params.invalid("group", message))?;
    let auth = match params.text("auth")? {
        None => None,
        Some(path) => {
            let path = expand_home(path.as_ref());
            Some(Auth::load(&path).map_err(|faults| {
                let text = format!("{}: {}", path.display(), faults.join("; "));
                params.invalid("auth", text)
            })?)
        }
    };
    let seconds: f64 = params.number("ready-timeout")?.unwrap_or(60.0);
    let ready = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| {
            params.invalid(
                "ready-timeout",
                format!("expected seconds above 0, found `{seconds}`"),
            )
        })?;
    Ok(Box::new(VmMap {
        name,
        map,
        read,
        group,
        auth,
        user: params.text("user")?,
        ready,
        open: Vec::new(),
        left_out: Vec::new(),
    }))
}

/// Reads a list from a file, or once from standard input.
fn text_of(map: &Path) -> Result<String, String> {
    static STDIN: OnceLock<Result<String, String>> = OnceLock::new();
    let bounded = |from: &mut dyn Read| {
        let mut text = String::new();
        match from.take(LONGEST + 1).read_to_string(&mut text) {
            Ok(count) if count as u64 > LONGEST => {
                Err(format!("expected at most {LONGEST} bytes, found more"))
            }
            Ok(_) => Ok(text),
            Err(error) => Err(error.to_string()),
        }
    };
    if map == Path::new("-") {
        // A profile is made once to be checked and once for each host.
        return STDIN
            .get_or_init(|| bounded(&mut std::io::stdin().lock()))
            .clone()
            .map_err(|error| format!("cannot read standard input: {error}"));
    }
    std::fs::File::open(map)
        .map_err(|error| error.to_string())
        .and_then(|mut file| bounded(&mut file))
        .map_err(|error| format!("cannot read {}: {error}", map.display()))
}

impl VmMap {
    /// Machines for the workers of a host: those of the group with its name, if there is one.
    fn machines_of(&self, host: &str) -> Vec<Machine> {
        // Checked when the profile was made.
        let chosen = self.read.chosen(&self.group).unwrap_or_default();
        let own = self.read.groups.contains(host);
        chosen
            .into_iter()
            .filter(|machine| !own || machine.groups.contains(host))
            .cloned()
            .collect()
    }

    fn login(&self, machine: &Machine) -> Option<Login> {
        if let Some(password) = &machine.password {
            return Some(Login::Password(password.clone()));
        }
        if let Some(key) = &machine.key {
            return Some(Login::Key(key.clone()));
        }
        self.auth.as_ref().map(|auth| auth.login.clone())
    }

    fn user<'a>(&'a self, machine: &'a Machine) -> Option<&'a str> {
        machine
            .user
            .as_deref()
            .or(self.auth.as_ref().map(|auth| auth.user.as_str()))
            .or(self.user.as_deref())
    }

    /// Reaches one machine and holds it for the run.
    fn take(
        &self,
        machine: &Machine,
        host: &Host,
        cx: &Context,
        opened: &Mutex<Vec<(String, Arc<dyn Shell>)>>,
    ) -> Result<Arc<dyn Shell>, LostWorker> {
        let lost = |class: &str, message: String, hint: Option<String>| LostWorker {
            worker: machine.name.clone(),
            class: class.to_owned(),
            message: cx.redactor.clean(&message),
            hint,
            files: Vec::new(),
        };
        let place = Place {
            name: &machine.name,
            address: &machine.address,
            user: self.user(machine),
            port: machine.port,
        };
        let login = self.login(machine);
        let (shell, folder) = cx
            .workers
            .shell(place, login.as_ref())
            .map_err(|message| lost("connect", message, None))?;
        let journal = || -> Result<(), crate::control::journal::JournalError> {
            cx.journal.machine(MachineRef {
                name: machine.name.clone(),
                address: machine.address.clone(),
                user: place.user.map(str::to_owned),
                port: machine.port,
            })?;
            let scope = self.scope(host, &machine.name);
            let on = || machine.name.as_str().into();
            if let Some(path) = &folder {
                let undo = Undo::RemovePath {
                    on: on(),
                    path: path.clone(),
                    tree: true,
                };
                cx.journal.plan(&scope, undo)?.armed();
            }
            let mark = mark_on(&machine.name);
            let undo = Undo::KillMarked { on: on(), mark };
            cx.journal.plan(&scope, undo)?.armed();
            Ok(())
        };
        let limits = cx.limits().within(self.ready);
        loop {
            let sign = shell.text(&CommandLine::new("true"), &limits);
            let error = match sign {
                Ok(_) => break,
                Err(error) => error,
            };
            let again = matches!(error, ShellError::Connect { .. } | ShellError::Lost { .. })
                && limits
                    .deadline
                    .is_some_and(|end| std::time::Instant::now() + PAUSE < end)
                && !cx.cancel.is_cancelled();
            if !again {
                let mut message = format!("cannot reach it: {error}");
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    message.push_str(&format!(": {error}"));
                    cause = error.source();
                }
                return Err(lost(
                    error.class(),
                    message,
                    error.hint().map(str::to_owned),
                ));
            }
            std::thread::sleep(PAUSE);
        }
        // From here on something may be there that has to go away again.
        opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((machine.name.clone(), Arc::clone(&shell)));
        journal().map_err(|error| lost("error", error.to_string(), None))?;
        let mark = Mark::new(&cx.run_id, self.name.clone(), &cx.root);
        match hold::take(&machine.name, &shell, &mark, cx, Duration::ZERO) {
            Ok(()) => Ok(shell),
            // As with hosts: one that cannot be marked is used all the same.
            Err(error @ hold::HoldError::Mark { .. }) => {
                tracing::warn!(worker = %machine.name, "{error}; a second run would not notice this one");
                Ok(shell)
            }
            Err(error) => {
                let hint = error.hint();
                Err(lost("held", error.to_string(), hint))
            }
        }
    }

    /// What is done for a machine belongs to the profile; the mark itself is filed under the machine.
    fn scope(&self, host: &Host, machine: &str) -> String {
        format!("{}/{}/{machine}", host.name, self.name)
    }
}

impl Profile for VmMap {
    fn name(&self) -> &str {
        &self.name
    }

    fn changes(&self) -> Vec<String> {
        let machines = self.read.chosen(&self.group).unwrap_or_default();
        let names: Vec<&str> = machines
            .iter()
            .take(SHOWN)
            .map(|machine| machine.name.as_str())
            .collect();
        let more = match machines.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        vec![format!(
            "nothing on the host; workers are {} of {}: {}{more}",
            count(machines.len(), "machine"),
            self.map.display(),
            names.join(", ")
        )]
    }

    fn fits(&self, hosts: &[&str]) -> Result<(), String> {
        let machines = self.read.chosen(&self.group).unwrap_or_default();
        if let Some(machine) = machines
            .iter()
            .find(|machine| hosts.contains(&machine.name.as_str()))
        {
            return Err(format!(
                "machine `{}` of {} has the name of a host: name the host apart (--hosts NAME:ADDRESS)",
                machine.name,
                self.map.display()
            ));
        }
        let lacks = hosts.iter().find(|host| !self.read.groups.contains(**host));
        if let (Some(host), true) = (lacks, hosts.len() > 1) {
            return Err(format!(
                "with several hosts each needs a group of machines with its name, and {} has no group `{host}`",
                self.map.display()
            ));
        }
        Ok(())
    }

    fn apply(&mut self, host: &Host, cx: &Context) -> Result<Applied, ProfileError> {
        if cx.cancel.is_cancelled() {
            return Err(ProfileError::Interrupted);
        }
        if let Some(Auth {
            login: Login::Password(password),
            ..
        }) = &self.auth
        {
            cx.redactor.learn(password);
        }
        let machines = self.machines_of(&host.name);
        for password in machines
            .iter()
            .filter_map(|machine| machine.password.as_ref())
        {
            cx.redactor.learn(password);
        }
        self.left_out.clear();
        let opened = Mutex::new(Vec::new());
        let taken = each(&machines, |machine| self.take(machine, host, cx, &opened));
        self.open = opened.into_inner().unwrap_or_else(PoisonError::into_inner);
        if cx.cancel.is_cancelled() {
            return Err(ProfileError::Interrupted);
        }
        let mut workers = Vec::new();
        for (machine, taken) in machines.iter().zip(taken) {
            match taken {
                Ok(shell) => workers.push(Worker {
                    name: machine.name.clone(),
                    address: machine.address.clone(),
                    role: None,
                    host: host.name.clone(),
                    shell,
                }),
                Err(lost) => self.left_out.push(lost),
            }
        }
        if workers.is_empty() {
            let first = self.left_out.first();
            let why = first.map_or("there is none".to_owned(), |lost| {
                format!("`{}`: {}", lost.worker, lost.message)
            });
            return Err(ProfileError::NoWorkers {
                profile: self.name.clone(),
                host: host.name.clone(),
                why,
            });
        }
        Ok(Applied::Workers(workers))
    }

    fn left_out(&mut self) -> Vec<LostWorker> {
        std::mem::take(&mut self.left_out)
    }

    fn revert(&mut self, host: &Host, cx: &Context) -> Result<Reverted, ProfileError> {
        let open = std::mem::take(&mut self.open);
        let find = |name: &str| open.iter().find(|(open, _)| open == name);
        let scopes: Vec<String> = open
            .iter()
            .flat_map(|(name, _)| [name.clone(), self.scope(host, name)])
            .collect();
        let replayed = cx.journal.replay(
            |entry| scopes.contains(&entry.scope) && find(&entry.undo.on()).is_some(),
            &|on| {
                find(&on.0)
                    .map(|(_, shell)| Arc::clone(shell))
                    .ok_or_else(|| "this machine is not known any more".to_owned())
            },
        );
        match replayed.left.into_iter().next() {
            None => Ok(Reverted::Clean),
            Some(left) => Err(ProfileError::Left {
                profile: self.name.clone(),
                host: host.name.clone(),
                left: format!("could not {} on {}: {}", left.step, left.on, left.message),
            }),
        }
    }

    fn facts(&self, host: &Host, cx: &Context) -> Result<Facts, ProfileError> {
        host_facts(&self.name, host, cx)
    }
}
