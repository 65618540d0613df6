//! Machines that are made or checked before anything else: all hosts at once.

use std::sync::Arc;

use super::{Controller, Fatal};
use crate::control::before::{Identity, sign_of_life_within};
use crate::control::options::CALM_LIMIT;
use crate::host::Host;
use crate::provisioners::{At, ProvisionError, Provisioner};
use crate::shell::Shell;
use crate::shell::local::LocalShell;
use crate::shell::log::LoggedShell;

/// Where what a provisioner writes is kept in a result.
const FOLDER: &str = "__provision__";

impl Controller<'_> {
    /// Runs the provisioner on every host; hosts that could not be had are dropped.
    pub(super) fn provision_hosts(&mut self) -> Result<(), Fatal> {
        let Some(provisioner) = &self.plan.provisioner else {
            return Ok(());
        };
        self.sessions.banner("Provisioning hosts");
        let here = LoggedShell::new(
            Arc::new(LocalShell::new("controller")),
            "controller",
            self.sessions.clone(),
        );
        let here: Arc<dyn Shell> = Arc::new(here);
        let made = self.each(|host| {
            let made = self.provision(provisioner.as_ref(), host, &here);
            self.doing(host, None, false);
            made
        });
        for (index, made) in made.into_iter().enumerate().rev() {
            match made {
                Ok(who) => {
                    self.answers.insert(self.hosts[index].name.clone(), Ok(who));
                }
                Err(error) if error.is_interruption() => return Err(Fatal::Stopped),
                Err(ProvisionError::Shell(error)) => {
                    let host = self.hosts.remove(index);
                    self.answers.remove(&host.name);
                    self.lost(host, &error, error.class(), error.hint());
                }
                Err(error) => {
                    let host = self.hosts.remove(index);
                    self.answers.remove(&host.name);
                    self.lost(host, &error, "provision", None);
                }
            }
        }
        Ok(())
    }

    fn provision(
        &self,
        provisioner: &dyn Provisioner,
        host: &Host,
        here: &Arc<dyn Shell>,
    ) -> Result<Identity, ProvisionError> {
        let Some(planned) = self.plan.hosts.iter().find(|plan| plan.name == host.name) else {
            return Err(ProvisionError::Refused("it is not in the plan".into()));
        };
        let tell = |what: String| self.doing(host, Some(what), true);
        let at = At {
            cx: &self.cx,
            here,
            there: &host.shell,
            folder: &self.cx.root.join(FOLDER),
            tell: &tell,
        };
        let made = provisioner.provision(&planned.spec(&self.plan.options.distro), &at)?;
        if made.fresh {
            host.shell.expect_new_key();
        }
        host.shell.reconnect();
        tell("wait until it answers".into());
        let limits = self.cx.limits();
        let who = sign_of_life_within(host.shell.as_ref(), &limits, made.patience)?;
        if made.fresh {
            self.calm_down(host, &self.cx, CALM_LIMIT)?;
        }
        Ok(who)
    }
}
