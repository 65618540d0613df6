//! Restarting hosts on the way: what a profile or a set-up asked for.

use std::time::Duration;

use super::Controller;
use crate::control::context::{Context, Reboots};
use crate::host::Host;
use crate::host::reboot::{self, RebootError};

/// What asking for the present boot may take.
const ASK: Duration = Duration::from_secs(60);

/// Why a host was not restarted.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestartError {
    #[error("host `{host}` would have to be rebooted, and the machine run-perf runs on never is")]
    Local { host: String },
    #[error(
        "host `{host}` would have to be rebooted, but it shares the kernel of the machine run-perf runs on, which never is"
    )]
    SharedKernel { host: String },
    #[error("host `{host}` would have to be rebooted, which --no-reboot forbids")]
    Forbidden { host: String },
    #[error(transparent)]
    Reboot(#[from] RebootError),
}

impl RestartError {
    pub(super) fn is_interruption(&self) -> bool {
        matches!(self, RestartError::Reboot(RebootError::Interrupted))
    }

    /// Whether the host is out of reach.
    pub(super) fn is_unreachable(&self) -> bool {
        match self {
            RestartError::Reboot(RebootError::Order { source, .. }) => source.is_unreachable(),
            RestartError::Reboot(RebootError::Gone { .. }) => true,
            _ => false,
        }
    }
}

impl Controller<'_> {
    /// Restarts a host and waits until it is there again.
    pub(super) fn restart(&self, host: &Host, cx: &Context) -> Result<(), RestartError> {
        let name = || host.name.clone();
        let shell = host.shell.as_ref();
        if shell.is_local() {
            return Err(RestartError::Local { host: name() });
        }
        if cx.reboots == Reboots::Forbidden {
            return Err(RestartError::Forbidden { host: name() });
        }
        // A container: told to reboot, it may well restart everything.
        let here = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let there = reboot::boot_id(shell, &cx.limits().within(ASK));
        if there.is_ok_and(|there| there == here.trim()) {
            return Err(RestartError::SharedKernel { host: name() });
        }
        self.doing(host, Some("reboot".into()), true);
        let took = reboot::reboot(shell, &cx.limits(), reboot::PATIENCE)?;
        let back = format!("back after {} s", took.as_secs());
        self.doing(host, Some(back), true);
        Ok(())
    }
}
