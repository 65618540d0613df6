//! Restarting hosts on the way: what a profile or a set-up asked for.

use crate::control::context::{Context, Reboots};
use crate::control::event::Event;
use crate::host::Host;
use crate::host::reboot::{self, RebootError};

/// Why a host was not restarted.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestartError {
    #[error("host `{host}` would have to be rebooted, and the machine run-perf runs on never is")]
    Local { host: String },
    #[error("host `{host}` would have to be rebooted, which --no-reboot forbids")]
    Forbidden { host: String },
    #[error(transparent)]
    Reboot(#[from] RebootError),
}

impl RestartError {
    pub(super) fn is_interruption(&self) -> bool {
        matches!(self, RestartError::Reboot(RebootError::Interrupted))
    }
}

/// Restarts a host and waits until it is there again.
pub(super) fn restart(host: &Host, cx: &Context) -> Result<(), RestartError> {
    if host.shell.is_local() {
        let host = host.name.clone();
        return Err(RestartError::Local { host });
    }
    if cx.reboots == Reboots::Forbidden {
        let host = host.name.clone();
        return Err(RestartError::Forbidden { host });
    }
    let text = format!("host {}: rebooting", host.name);
    cx.observer.event(&Event::Step { text });
    let took = reboot::reboot(host.shell.as_ref(), &cx.limits(), reboot::PATIENCE)?;
    let text = format!("host {}: back after {} s", host.name, took.as_secs());
    cx.observer.event(&Event::Step { text });
    Ok(())
}
