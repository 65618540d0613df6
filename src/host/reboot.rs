//! Restarting a machine and waiting until it is there again.
//!
//! Whether it was really restarted is read from `boot_id`, which every boot draws anew: a machine
//! that answers once more before it goes down is not taken for one that is back.

use std::time::{Duration, Instant};

use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

/// How long a machine may take from the order to the first login. Servers test gigabytes of memory
/// and wait for controllers and network boot before they load anything.
pub const PATIENCE: Duration = Duration::from_secs(1800);
/// Between two tries at a machine that is down.
const PAUSE: Duration = Duration::from_secs(2);
/// What one try may take, connecting included.
const TRY: Duration = Duration::from_secs(60);
/// Between two looks at the cancel token.
const SLICE: Duration = Duration::from_millis(50);

/// Comes back at once; the machine goes down a moment later, so that the connection ends in order.
const REBOOT: &str = r#"if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then how='systemctl reboot'
elif command -v reboot >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v reboot >/dev/null; then how=reboot
else echo 'there is neither systemctl nor reboot' >&2; exit 1; fi
sync
PATH=$PATH:/usr/sbin:/sbin
(env -u RUNPERF_COMMAND setsid sh -c "sleep 1; $how" </dev/null >/dev/null 2>&1 &)"#;

/// Why a machine was not restarted.
#[derive(Debug, thiserror::Error)]
pub enum RebootError {
    /// The order could not be given.
    #[error("cannot reboot {machine}")]
    Order {
        /// Which.
        machine: String,
        /// Why.
        #[source]
        source: ShellError,
    },
    /// It did not come back.
    #[error("{machine} did not come back within {patience:?} of its reboot")]
    Gone {
        /// Which.
        machine: String,
        /// How long was waited.
        patience: Duration,
        /// What the last try said.
        #[source]
        source: ShellError,
    },
    /// It stayed up all the time.
    #[error("{machine} was told to reboot and did not go down within {patience:?}")]
    Up {
        /// Which.
        machine: String,
        /// How long was waited.
        patience: Duration,
    },
    /// The run was told to stop meanwhile.
    #[error("interrupted")]
    Interrupted,
}

/// Returns what names the present boot of a machine.
///
/// # Errors
/// When it cannot be reached.
pub fn boot_id(shell: &dyn Shell, limits: &Limits) -> Result<String, ShellError> {
    let ask = CommandLine::new("cat").arg("/proc/sys/kernel/random/boot_id");
    Ok(shell.text(&ask, limits)?.trim().to_owned())
}

/// Restarts a machine and returns when commands run on it again, with the time that took.
///
/// # Errors
/// When it cannot be told to, does not go down, or is not back within `patience`.
pub fn reboot(
    shell: &dyn Shell,
    limits: &Limits,
    patience: Duration,
) -> Result<Duration, RebootError> {
    let machine = shell.target().to_string();
    let order = |source| match source {
        ShellError::Interrupted { .. } => RebootError::Interrupted,
        source => RebootError::Order {
            machine: machine.clone(),
            source,
        },
    };
    let before = boot_id(shell, &limits.clone().within(TRY)).map_err(order)?;
    tracing::info!(%machine, "rebooting");
    let ordered = shell.text(&CommandLine::script(REBOOT), &limits.clone().within(TRY));
    match ordered {
        // A machine that is fast may be gone before it has answered.
        Ok(_) | Err(ShellError::Lost { .. }) => {}
        Err(error) => return Err(order(error)),
    }
    back(shell, limits, patience, &before)
}

/// Waits until a machine answers in another boot than `before`; returns how long that took.
///
/// # Errors
/// As [`reboot`].
pub fn back(
    shell: &dyn Shell,
    limits: &Limits,
    patience: Duration,
    before: &str,
) -> Result<Duration, RebootError> {
    let machine = shell.target().to_string();
    let began = Instant::now();
    loop {
        let last = match boot_id(shell, &limits.clone().within(TRY)) {
            Ok(now) if now != before => {
                tracing::info!(%machine, took = ?began.elapsed(), "back after its reboot");
                return Ok(began.elapsed());
            }
            Ok(_) => None,
            Err(ShellError::Interrupted { .. }) => return Err(RebootError::Interrupted),
            Err(error) => {
                // What is idle leads to a machine that is no more.
                shell.reconnect();
                Some(error)
            }
        };
        if began.elapsed() >= patience {
            return Err(match last {
                Some(source) => RebootError::Gone {
                    machine,
                    patience,
                    source,
                },
                None => RebootError::Up { machine, patience },
            });
        }
        let next = Instant::now() + PAUSE.min(patience);
        while Instant::now() < next {
            if limits.cancel.is_cancelled() {
                return Err(RebootError::Interrupted);
            }
            std::thread::sleep(SLICE.min(patience));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::cancel::CancelToken;
    use crate::shell::scripted::ScriptedShell;

    const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
    const SHORT: Duration = Duration::from_millis(1);

    fn restart(shell: &ScriptedShell, patience: Duration) -> Result<Duration, RebootError> {
        reboot(shell, &Limits::new(CancelToken::default()), patience)
    }

    #[test]
    fn a_machine_is_back_when_it_says_so_in_another_boot() {
        let shell = ScriptedShell::new("foo")
            .answer(BOOT, "a\n")
            .answer(BOOT, "a\n")
            .answer(BOOT, "b\n")
            .answer("sh -c *", "");
        restart(&shell, Duration::from_secs(60)).expect("back");
        let asked = shell.commands().iter().filter(|line| *line == BOOT).count();
        assert_eq!(asked, 3, "its last words in the old boot did not count");
    }

    #[test]
    fn a_machine_that_stays_up_or_cannot_be_told_is_an_error() {
        let stays = ScriptedShell::new("foo")
            .answer(BOOT, "a\n")
            .answer("sh -c *", "");
        let error = restart(&stays, SHORT).expect_err("it never goes down");
        assert_eq!(
            error.to_string(),
            "foo was told to reboot and did not go down within 1ms"
        );
        let cannot = ScriptedShell::new("foo").answer(BOOT, "a\n").fail(
            "sh -c *",
            1,
            "there is neither systemctl nor reboot",
        );
        let error = restart(&cannot, SHORT).expect_err("no such program");
        assert!(matches!(error, RebootError::Order { .. }), "{error}");
    }

    #[test]
    fn a_machine_that_does_not_come_back_is_said_with_its_last_words() {
        let shell = ScriptedShell::new("foo")
            .answer(BOOT, "a\n")
            .fail(BOOT, 255, "no route to host")
            .answer("sh -c *", "");
        let error = restart(&shell, SHORT).expect_err("gone");
        assert!(
            matches!(&error, RebootError::Gone { source, .. } if source.to_string().contains("no route")),
            "{error}"
        );
    }
}
