//! Waiting that ends when the run is told to stop.

use std::time::{Duration, Instant};

use super::ProvisionError;
use crate::control::Context;
use crate::shell::{CommandLine, ShellError, Target};

const SLICE: Duration = Duration::from_millis(100);

/// Sleeps; `what` names the wait in the error of an interrupted one.
pub(super) fn pause(cx: &Context, time: Duration, what: &str) -> Result<(), ProvisionError> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if cx.cancel.is_cancelled() {
            return Err(ShellError::Interrupted {
                target: Target("the provisioner".into()),
                command: CommandLine::new(what),
            }
            .into());
        }
        std::thread::sleep(SLICE.min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}
