//! Waiting until a machine has calmed down: set-up and boot leave work behind that spoils figures.

use std::time::{Duration, Instant};

use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

/// Between two looks at the load, as the older tool has it.
pub const POLL: Duration = Duration::from_secs(5);
/// The longest wait of the older tool.
pub const AT_MOST: Duration = Duration::from_secs(1800);
/// Between two looks at the cancel token.
const SLICE: Duration = Duration::from_millis(50);

/// How the waiting ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calm {
    /// Load average over one minute, at the last look.
    pub load1: f64,
    /// How long it took.
    pub waited: Duration,
    /// Whether the load fell below 1 in time; the caller warns if it did not, and goes on.
    pub calm: bool,
}

/// Waits until the whole part of the one-minute load average is 0, looking every `poll`, for
/// `at_most`. An `at_most` of zero looks once. `tell` gets the load of each look after which the
/// waiting goes on.
///
/// # Errors
/// When the load cannot be read, or the run is cancelled ([`ShellError::Interrupted`]).
pub fn wait(
    shell: &dyn Shell,
    limits: &Limits,
    poll: Duration,
    at_most: Duration,
    mut tell: impl FnMut(f64),
) -> Result<Calm, ShellError> {
    let started = Instant::now();
    let command = CommandLine::new("cat").arg("/proc/loadavg");
    loop {
        let text = shell.text(&command, limits)?;
        let load1 = text
            .split_whitespace()
            .next()
            .and_then(|load| load.parse::<f64>().ok());
        let Some(load1) = load1 else {
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("no load average: {text:?}"),
            );
            return Err(ShellError::Io {
                target: shell.target().clone(),
                command,
                source,
            });
        };
        let waited = started.elapsed();
        if load1 < 1.0 || waited >= at_most {
            return Ok(Calm {
                load1,
                waited,
                calm: load1 < 1.0,
            });
        }
        tell(load1);
        let next = Instant::now() + poll.min(at_most.saturating_sub(waited));
        while Instant::now() < next {
            if limits.cancel.is_cancelled() {
                return Err(ShellError::Interrupted {
                    target: shell.target().clone(),
                    command,
                });
            }
            std::thread::sleep(SLICE.min(next.saturating_duration_since(Instant::now())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::shell::scripted::ScriptedShell;

    fn limits() -> Limits {
        Limits::new(CancelToken::default())
    }

    #[test]
    fn the_wait_ends_when_the_load_is_below_one() {
        let shell = ScriptedShell::new("foo")
            .answer("cat /proc/loadavg", "3.10 2 1 1/9 9\n")
            .answer("cat /proc/loadavg", "1.00 2 1 1/9 9\n")
            .answer("cat /proc/loadavg", "0.99 2 1 1/9 9\n");
        let calm = wait(&shell, &limits(), Duration::ZERO, AT_MOST, |_| {}).expect("answers");
        assert!(calm.calm && shell.commands().len() == 3, "{calm:?}");
    }

    #[test]
    fn a_machine_that_never_calms_down_is_said_to_be_busy() {
        let shell = ScriptedShell::new("foo").answer("cat /proc/loadavg", "64.00 2 1 1/9 9\n");
        let calm = wait(&shell, &limits(), POLL, Duration::ZERO, |_| {}).expect("answers");
        assert_eq!(
            (calm.calm, calm.load1, shell.commands().len()),
            (false, 64.0, 1)
        );
    }

    #[test]
    fn cancelling_ends_the_wait() {
        let limits = limits();
        let cancel = limits.cancel.clone();
        let shell = ScriptedShell::new("foo").answer("cat /proc/loadavg", "64.00 2 1 1/9 9\n");
        let result = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(&shell, &limits, AT_MOST, AT_MOST, |_| {}));
            while shell.commands().is_empty() {
                std::thread::yield_now();
            }
            cancel.raise();
            waiting.join().expect("does not panic")
        });
        assert!(
            matches!(result, Err(ShellError::Interrupted { .. })),
            "{result:?}"
        );
    }

    #[test]
    fn a_machine_without_a_load_average_is_an_error() {
        let shell = ScriptedShell::new("foo").answer("cat /proc/loadavg", "nonsense");
        assert!(wait(&shell, &limits(), POLL, POLL, |_| {}).is_err());
    }
}
