//! Building block: changes of a host that last over a reboot: kernel arguments, rc.local, the tuned
//! profile, irqbalance.
//!
//! [`Persistent::set_up`] is called again after each reboot and goes by what the host says, not by what
//! was done before: an argument counts when the running kernel has it, the script when it reported
//! its end. Everything is in the journal before it is changed, and [`Persistent::revert`] is the
//! replay of that part of it.

mod kernel;
mod rc_local;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use template::{TemplateError, fill};

use super::Reverted;
use crate::control::Context;
use crate::control::context::Reboots;
use crate::control::journal::{JournalError, Left};
use crate::control::undo::{TargetRef, Undo};
use crate::host::Host;
use crate::shell::{CommandLine, Limits, ShellError, ShellExt};

/// How long one command may take; `update-grub` looks at every disk.
const STEP: Duration = Duration::from_secs(300);
/// Unit whose state the parameter `irqbalance` sets.
const IRQBALANCE: &str = "irqbalance.service";

/// How far the set-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// In force, as the host itself says.
    Ready,
    /// Restart the host, then set up again.
    Reboot,
}

/// Why a host could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum PersistentError {
    /// A command failed.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// A change could not be written down, so it was not made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It would need a reboot.
    #[error("{what} needs a reboot of host `{host}`, {why}")]
    NoReboot {
        /// Where.
        host: String,
        /// What.
        what: String,
        /// Why there is none.
        why: &'static str,
    },
    /// It was done and does not show.
    #[error("{what} on host `{host}` did not take effect: {found}")]
    NoEffect {
        /// Where.
        host: String,
        /// What was set.
        what: String,
        /// What is there instead.
        found: String,
    },
    /// The host has no such thing.
    #[error("host `{host}` cannot have {what}: {reason}")]
    Unsupported {
        /// Where.
        host: String,
        /// What was asked.
        what: String,
        /// What is missing.
        reason: String,
    },
    /// Something is left.
    #[error("host `{}` is not as it was: could not {}: {}", .0.on, .0.step, .0.message)]
    Left(Left),
}

/// What is wanted of a host; what is `None` or empty is left alone.
#[derive(Debug, Clone, Default)]
pub struct Persistent {
    /// Arguments of the kernel, each one word.
    pub kernel_args: Vec<String>,
    /// Script run at boot, in front of the host's own; must report its end, see
    /// [`Persistent::report_file`].
    pub rc_local: Option<String>,
    /// Profile of tuned.
    pub tuned: Option<String>,
    /// Whether irqbalance runs.
    pub irqbalance: Option<bool>,
    /// How long the script may take after a boot.
    pub patience: Duration,
    /// Boot in which something was changed that needs another one.
    changed_in: Option<String>,
}

/// A host at work: what every step needs.
struct At<'a> {
    host: &'a Host,
    scope: &'a str,
    cx: &'a Context,
}

impl At<'_> {
    fn limits(&self) -> Limits {
        self.cx.limits().within(STEP)
    }

    fn on(&self) -> TargetRef {
        self.host.name.as_str().into()
    }

    fn text(&self, command: &CommandLine) -> Result<String, PersistentError> {
        Ok(self.host.shell.text(command, &self.limits())?)
    }

    fn unsupported(&self, what: &str, reason: impl Into<String>) -> PersistentError {
        PersistentError::Unsupported {
            host: self.host.name.clone(),
            what: what.to_owned(),
            reason: reason.into(),
        }
    }

    fn no_effect(&self, what: impl Into<String>, found: impl Into<String>) -> PersistentError {
        PersistentError::NoEffect {
            host: self.host.name.clone(),
            what: what.into(),
            found: crate::text::one_line(&found.into()),
        }
    }
}

impl Persistent {
    /// Returns the file in which the boot script says `rc_local` when it is done. It lies where a
    /// boot starts empty, so that no report of an earlier boot counts.
    pub fn report_file(cx: &Context) -> String {
        format!("/run/runperf-{}", crate::text::file_name(&cx.run_id))
    }

    /// Sets the host up as far as it goes without a reboot, or checks after one that it worked.
    ///
    /// `scope` names the part of the journal, `HOST/PROFILE`.
    ///
    /// # Errors
    /// When a reboot is needed and forbidden, nothing is changed. When something does not take
    /// effect after the reboot; when the host lacks what is asked.
    pub fn set_up(
        &mut self,
        host: &Host,
        scope: &str,
        cx: &Context,
        reboots: Reboots,
    ) -> Result<Progress, PersistentError> {
        let at = At { host, scope, cx };
        let missing = kernel::missing(&at, &self.kernel_args)?;
        let script_due = match &self.rc_local {
            Some(_) => !rc_local::has_reported(&at)?,
            None => false,
        };
        let boot = at.text(&CommandLine::new("cat").arg("/proc/sys/kernel/random/boot_id"))?;
        let boot = boot.trim().to_owned();
        match &self.changed_in {
            None => {
                self.allow(&at, reboots, &missing, script_due)?;
                if !missing.is_empty() {
                    kernel::add(&at, &missing)?;
                }
                if let (Some(script), true) = (&self.rc_local, script_due) {
                    rc_local::install(&at, script)?;
                }
                if let Some(wanted) = &self.tuned {
                    tuned(&at, wanted)?;
                }
                if let Some(wanted) = self.irqbalance {
                    irqbalance(&at, wanted)?;
                }
                if missing.is_empty() && !script_due {
                    return Ok(Progress::Ready);
                }
                self.changed_in = Some(boot);
                Ok(Progress::Reboot)
            }
            Some(before) if *before == boot => Ok(Progress::Reboot),
            Some(_) => {
                if !missing.is_empty() {
                    let what = format!("the kernel arguments {}", missing.join(" "));
                    let found = at.text(&CommandLine::new("cat").arg("/proc/cmdline"))?;
                    return Err(
                        at.no_effect(what, format!("it was booted with `{}`", found.trim()))
                    );
                }
                if self.rc_local.is_some() {
                    rc_local::wait(&at, self.patience)?;
                }
                if let Some(wanted) = &self.tuned {
                    check_tuned(&at, wanted)?;
                }
                Ok(Progress::Ready)
            }
        }
    }

    fn allow(
        &self,
        at: &At<'_>,
        reboots: Reboots,
        missing: &[String],
        script_due: bool,
    ) -> Result<(), PersistentError> {
        let what = match (missing, script_due) {
            ([], false) => return Ok(()),
            ([], true) => "rc.local".to_owned(),
            (missing, _) => format!("setting the kernel arguments {}", missing.join(" ")),
        };
        let why = if at.host.shell.is_local() {
            "and the machine run-perf runs on never is"
        } else if reboots == Reboots::Forbidden {
            "which --no-reboot forbids"
        } else {
            return Ok(());
        };
        Err(PersistentError::NoReboot {
            host: at.host.name.clone(),
            what,
            why,
        })
    }

    /// Takes everything back; [`Reverted::Reboot`] when the running system still shows it.
    ///
    /// # Errors
    /// The first thing that is left; the journal keeps it.
    pub fn revert(
        &mut self,
        host: &Host,
        scope: &str,
        cx: &Context,
    ) -> Result<Reverted, PersistentError> {
        let machines = |_: &TargetRef| Ok(Arc::clone(&host.shell));
        let replayed = cx.journal.replay(|entry| entry.scope == scope, &machines);
        if let Some(left) = replayed.left.into_iter().next() {
            return Err(PersistentError::Left(left));
        }
        // Changed but never booted with: the next boot is as before without another one.
        let shows = match self.changed_in.take() {
            None => false,
            Some(before) => {
                let at = At { host, scope, cx };
                let boot = CommandLine::new("cat").arg("/proc/sys/kernel/random/boot_id");
                at.text(&boot)?.trim() != before
            }
        };
        Ok(if shows && !replayed.reboot.is_empty() {
            Reverted::Reboot
        } else {
            Reverted::Clean
        })
    }

    /// Describes what is in force: `rc_local`, `tuned_adm_profile`, `irqbalance`, `kernel_args`; what
    /// the host does not have is left out.
    ///
    /// # Errors
    /// When the host cannot be reached.
    pub fn facts(host: &Host, cx: &Context) -> Result<BTreeMap<String, String>, PersistentError> {
        let at = At {
            host,
            scope: "",
            cx,
        };
        let mut facts = BTreeMap::new();
        let path = rc_local::path(&at)?;
        if let Some(text) = host.shell.read_file(path.as_ref(), &at.limits())? {
            let text = String::from_utf8_lossy(&text).into_owned();
            facts.insert("rc_local".to_owned(), text);
        }
        if let Ok(Some(active)) = active_tuned(&at) {
            facts.insert("tuned_adm_profile".to_owned(), active);
        }
        let (enabled, active) = unit_state(&at)?;
        if let Some(enabled) = enabled {
            let word = |on: bool, yes: &'static str, no: &'static str| if on { yes } else { no };
            let state = format!(
                "{}, {}",
                word(enabled, "enabled", "disabled"),
                word(active, "active", "inactive")
            );
            facts.insert("irqbalance".to_owned(), state);
        }
        let line = at.text(&CommandLine::new("cat").arg("/proc/cmdline"))?;
        facts.insert("kernel_args".to_owned(), line.trim().to_owned());
        Ok(facts)
    }
}

/// Returns the active profile of tuned; `None` when there is none.
fn active_tuned(at: &At<'_>) -> Result<Option<String>, PersistentError> {
    let asked = CommandLine::new("tuned-adm").arg("active");
    let output = match at.host.shell.run(&asked, &at.limits()) {
        Err(ShellError::NotFound { .. }) => {
            return Err(at.unsupported("a tuned profile", "there is no program `tuned-adm`"));
        }
        other => other?,
    };
    let text = output.text();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Current active profile:") {
            return Ok(Some(name.trim().to_owned()));
        }
        if line.starts_with("No current active profile") {
            return Ok(None);
        }
    }
    Err(at.unsupported(
        "a tuned profile",
        format!("`tuned-adm active` said: {}", output.tail()),
    ))
}

fn tuned(at: &At<'_>, wanted: &str) -> Result<(), PersistentError> {
    let before = active_tuned(at)?;
    if before.as_deref() == Some(wanted) {
        return Ok(());
    }
    let step = at.cx.journal.plan(
        at.scope,
        Undo::TunedProfile {
            on: at.on(),
            name: before,
        },
    )?;
    at.text(&CommandLine::new("tuned-adm").args(["profile", wanted]))?;
    step.armed();
    check_tuned(at, wanted)
}

fn check_tuned(at: &At<'_>, wanted: &str) -> Result<(), PersistentError> {
    match active_tuned(at)? {
        Some(active) if active == wanted => Ok(()),
        other => Err(at.no_effect(
            format!("the tuned profile `{wanted}`"),
            format!("`{}` is active", other.as_deref().unwrap_or("none")),
        )),
    }
}

/// Returns whether irqbalance starts at boot (`None`: not there, or not by enabling), and whether
/// it runs.
fn unit_state(at: &At<'_>) -> Result<(Option<bool>, bool), PersistentError> {
    let ask = |verb: &str| {
        let command = CommandLine::new("systemctl").args([verb, IRQBALANCE]);
        match at.host.shell.run(&command, &at.limits()) {
            Err(ShellError::NotFound { .. }) => Ok(String::new()),
            Ok(output) => Ok(output.text().trim().to_owned()),
            Err(error) => Err(PersistentError::from(error)),
        }
    };
    // The word, not the status: `is-enabled` ends with 0 for `static` and the like as well.
    let enabled = match ask("is-enabled")?.as_str() {
        "enabled" => Some(true),
        "disabled" => Some(false),
        _ => None,
    };
    Ok((enabled, ask("is-active")? == "active"))
}

fn irqbalance(at: &At<'_>, wanted: bool) -> Result<(), PersistentError> {
    let (enabled, active) = unit_state(at)?;
    let Some(enabled) = enabled else {
        return if wanted || active {
            let reason = "its unit is neither enabled nor disabled";
            Err(at.unsupported("irqbalance switched", reason))
        } else {
            Ok(())
        };
    };
    if enabled == wanted && active == wanted {
        return Ok(());
    }
    let step = at.cx.journal.plan(
        at.scope,
        Undo::Unit {
            on: at.on(),
            unit: IRQBALANCE.into(),
            enabled,
            active: Some(active),
        },
    )?;
    let verb = if wanted { "enable" } else { "disable" };
    at.text(&CommandLine::new("systemctl").args([verb, "--now", IRQBALANCE]))?;
    step.armed();
    match unit_state(at)? {
        (Some(enabled), active) if enabled == wanted && active == wanted => Ok(()),
        (_, active) => Err(at.no_effect(
            format!("`systemctl {verb} {IRQBALANCE}`"),
            if active { "it runs" } else { "it does not run" },
        )),
    }
}
