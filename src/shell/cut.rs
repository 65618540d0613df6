//! Waiting for a command until it ends or one of its limits does, the same for every kind of shell.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::capture::{Clip, Shared, State};
use super::{CommandLine, Exit, Limits, Output, ShellError, Target};

/// Between two looks at cancellation and limits; the end of a command is noticed at once.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// Why the waiting ended before the command did.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// The run was cancelled.
    Cancelled,
    /// The deadline is over.
    Deadline(Instant),
    /// It printed nothing for this long.
    Stall(Duration),
}

impl Cut {
    /// Returns the limit that is over before anything was started, if one is.
    pub(crate) fn before(limits: &Limits) -> Option<Self> {
        if limits.cancel.is_cancelled() {
            return Some(Cut::Cancelled);
        }
        let deadline = limits.deadline?;
        (Instant::now() >= deadline).then_some(Cut::Deadline(deadline))
    }

    /// Returns whether nothing has moved since `last` for longer than allowed.
    pub(crate) fn stalled(limits: &Limits, last: Instant) -> Option<Self> {
        limits
            .stall
            .filter(|stall| last.elapsed() >= *stall)
            .map(Cut::Stall)
    }

    /// Returns the error of a command that was ended for this reason, with the last lines it printed.
    pub(crate) fn error(
        self,
        target: &Target,
        command: &CommandLine,
        started: Instant,
        tail: String,
    ) -> ShellError {
        let (target, command) = (target.clone(), command.clone());
        match self {
            Cut::Cancelled => ShellError::Interrupted { target, command },
            Cut::Deadline(deadline) => ShellError::TimedOut {
                target,
                command,
                limit: deadline.saturating_duration_since(started),
                tail,
            },
            Cut::Stall(quiet) => ShellError::Stalled {
                target,
                command,
                quiet,
                tail,
            },
        }
    }
}

impl State {
    /// Returns the limit that is over, if one is.
    pub(crate) fn cut(&self, limits: &Limits) -> Option<Cut> {
        Cut::before(limits).or_else(|| Cut::stalled(limits, self.last_output))
    }
}

impl Shared {
    /// Waits for the end of the command or of its limits, whichever comes first.
    pub(crate) fn wait_or_cut(&self, limits: &Limits) -> Option<Cut> {
        let mut state = self.lock();
        while !state.exited {
            if let Some(cut) = state.cut(limits) {
                return Some(cut);
            }
            let now = Instant::now();
            let next = [
                limits.deadline,
                limits
                    .stall
                    .and_then(|stall| state.last_output.checked_add(stall)),
            ]
            .into_iter()
            .flatten()
            .map(|end| end.saturating_duration_since(now))
            .fold(POLL, Duration::min);
            let waited = self
                .bell
                .wait_timeout(state, next.max(Duration::from_millis(1)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    /// Takes what was printed; a second call finds nothing.
    pub(crate) fn take_output(&self, exit: Exit, took: Duration) -> Output {
        let mut state = self.lock();
        let bytes = |clip: &mut Option<Clip>| clip.take().map(Clip::into_bytes).unwrap_or_default();
        Output {
            exit,
            stdout: bytes(&mut state.stdout),
            stderr: bytes(&mut state.stderr),
            took,
        }
    }
}
