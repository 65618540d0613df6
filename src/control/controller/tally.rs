//! What a run came to.

use crate::cli::exit::{ExitCode, FAILED, INCOMPLETE, INTERRUPTED, NOT_CLEAN, OK};
use crate::control::hold::HoldError;

/// Counts and what to say at the end.
#[derive(Debug, Default)]
pub struct Tally {
    /// Tests of the plan.
    pub tests: usize,
    /// Of them with a result.
    pub ran: usize,
    /// Failed after all attempts: `PROFILE/TEST`, why, where it is recorded.
    pub failed: Vec<(String, String, String)>,
    /// Have a result that lacks a worker: `PROFILE/TEST on WORKER`, why, where it is recorded.
    pub partial: Vec<(String, String, String)>,
    /// Skipped themselves: `PROFILE/TEST`, why.
    pub skipped: Vec<(String, String)>,
    /// Profiles that failed after all attempts: name, why, where it is recorded.
    pub failed_profiles: Vec<(String, String, String)>,
    /// What to do about failures, each once.
    pub hints: Vec<String>,
    /// Hosts that were dropped: name, why, where it is recorded.
    pub lost: Vec<(String, String, String)>,
    /// Spoilers, things left out.
    pub notes: Vec<String>,
    /// Changes of machines that are still in force, one line each.
    pub left: Vec<String>,
    /// Changes that are still in force on hosts that are lost, one line each.
    pub left_on_lost: Vec<String>,
    /// Another run was faster to take a host.
    pub held: Option<HoldError>,
    /// Somebody asked to stop.
    pub interrupted: bool,
    /// `--time-limit` was reached.
    pub time_up: bool,
    /// A machine could not be left as it was found.
    pub not_clean: bool,
    /// Why the run ended early.
    pub fatal: Option<String>,
    /// Where that is recorded.
    pub fatal_log: String,
}

impl Tally {
    /// Stands in place of a path where not even the failure could be written.
    pub const NOT_RECORDED: &str = "(it could not be recorded)";

    pub(super) fn new(tests: usize) -> Self {
        Self {
            tests,
            ..Self::default()
        }
    }

    /// Adds what can be done about a failure, once.
    pub(super) fn hint(&mut self, text: String) {
        if !self.hints.contains(&text) {
            self.hints.push(text);
        }
    }

    /// Adds a note, once.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Returns the exit code: 4 before 130 before 1 before 3.
    pub fn exit(&self) -> ExitCode {
        if self.not_clean {
            NOT_CLEAN
        } else if self.interrupted {
            INTERRUPTED
        } else if self.fatal.is_some() {
            FAILED
        } else if self.ran + self.skipped.len() < self.tests
            || !self.failed_profiles.is_empty()
            || !self.lost.is_empty()
            || !self.partial.is_empty()
        {
            INCOMPLETE
        } else {
            OK
        }
    }

    /// Returns the last line of a run; `place` is its result directory.
    pub fn summary(&self, place: &str) -> String {
        let word = match self.exit() {
            OK => "PASS",
            INTERRUPTED => "INTERRUPTED",
            FAILED => "ERROR",
            _ => "FAIL",
        };
        let mut line = format!("{word}: {} of {} tests ran", self.ran, self.tests);
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        };
        add(self.failed.len(), "failed");
        add(
            self.partial.len(),
            if self.partial.len() == 1 {
                "worker without result"
            } else {
                "workers without result"
            },
        );
        add(self.skipped.len(), "skipped");
        add(
            self.failed_profiles.len(),
            if self.failed_profiles.len() == 1 {
                "profile failed"
            } else {
                "profiles failed"
            },
        );
        add(
            self.lost.len(),
            if self.lost.len() == 1 {
                "host lost"
            } else {
                "hosts lost"
            },
        );
        if self.time_up {
            line.push_str(", time limit reached");
        }
        if self.not_clean {
            line.push_str(", a machine could not be left clean");
        }
        format!("{line}, result in {place}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_happened_is_the_exit_code() {
        let mut tally = Tally::new(2);
        tally.ran = 1;
        assert_eq!(tally.exit(), INCOMPLETE);
        tally.skipped.push(("A/fio".into(), "no disk".into()));
        assert_eq!(tally.exit(), OK);
        assert_eq!(
            tally.summary("result_x"),
            "PASS: 1 of 2 tests ran, 1 skipped, result in result_x"
        );
        tally.fatal = Some("broken".into());
        assert_eq!(tally.exit(), FAILED);
        tally.interrupted = true;
        assert_eq!(tally.exit(), INTERRUPTED);
        tally.not_clean = true;
        assert_eq!(tally.exit(), NOT_CLEAN);
    }
}
