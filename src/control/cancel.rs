//! Stopping early: a token everybody asks, set by signals or a time limit.
//!
//! SIGINT, SIGTERM and SIGHUP go to one thread ([`install`]). The first makes the running command
//! end and the run revert in order, the second hurries that, the third leaves at once with status
//! [`EXIT_INTERRUPTED`]. SIGUSR1 asks for the progress.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

/// Exit status of an interrupted run: 128 + SIGINT, as shells have it.
pub const EXIT_INTERRUPTED: i32 = 130;

/// How urgently the run should stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Go on.
    None,
    /// Stop what runs, then revert in order.
    Stop,
    /// Stop waiting for the test and revert at once.
    Now,
    /// Leave.
    Exit,
}

/// Shared flag that only ever becomes more urgent; clones see the same flag.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    level: Arc<AtomicU8>,
}

impl CancelToken {
    /// Makes the stop one step more urgent and returns the new urgency.
    pub fn raise(&self) -> Urgency {
        let old = self
            .level
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |level| {
                Some((level + 1).min(3))
            });
        Self::urgency_of(old.unwrap_or_else(|same| same).saturating_add(1).min(3))
    }
    /// Returns how urgent it is.
    pub fn urgency(&self) -> Urgency {
        Self::urgency_of(self.level.load(Ordering::SeqCst))
    }
    /// Returns whether anything should stop at all.
    pub fn is_cancelled(&self) -> bool {
        self.urgency() > Urgency::None
    }
    fn urgency_of(level: u8) -> Urgency {
        match level {
            0 => Urgency::None,
            1 => Urgency::Stop,
            2 => Urgency::Now,
            _ => Urgency::Exit,
        }
    }
}

/// Listens to signals until it is dropped; from then on they are caught and nobody is told.
#[derive(Debug)]
pub struct Guard {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the thread that turns signals into a more urgent `token`.
///
/// `on_third` is called right before the process leaves at the third signal: it restores the
/// terminal (cursor, progress lines) and prints how to recover. `on_usr1` is called for each
/// SIGUSR1. Both run on the signal thread, not inside a signal handler, so they may lock and print.
///
/// A SIGHUP that was ignored from the start (`nohup`) stays ignored.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub fn install(
    token: CancelToken,
    on_third: impl FnOnce() + Send + 'static,
    mut on_usr1: impl FnMut() + Send + 'static,
) -> io::Result<Guard> {
    let mut wanted = vec![SIGINT, SIGTERM, SIGUSR1];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted)?;
    let handle = signals.handle();
    let mut on_third = Some(on_third);
    let thread = std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    on_usr1();
                } else if token.raise() == Urgency::Exit
                    && let Some(last_words) = on_third.take()
                {
                    last_words();
                    leave();
                }
            }
        })?;
    Ok(Guard {
        handle,
        thread: Some(thread),
    })
}

#[expect(
    clippy::exit,
    reason = "the person asked three times; orderly ways out had their chance"
)]
fn leave() -> ! {
    std::process::exit(EXIT_INTERRUPTED)
}

/// Returns whether this process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status, signal)
}

/// Bit n−1 of the hexadecimal mask `SigIgn` is signal n (proc(5)).
fn ignored_in(status: &str, signal: i32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_only_becomes_more_urgent() {
        let token = CancelToken::default();
        let clone = token.clone();
        assert!(!clone.is_cancelled());
        let steps: Vec<Urgency> = (0..4).map(|_| token.raise()).collect();
        assert_eq!(
            steps,
            [Urgency::Stop, Urgency::Now, Urgency::Exit, Urgency::Exit]
        );
        assert_eq!(clone.urgency(), Urgency::Exit);
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(ignored_in(status, SIGHUP) && !ignored_in(status, SIGINT));
        assert!(!ignored_in("", SIGHUP));
    }
}
