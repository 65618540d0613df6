//! What is known about a run that goes on, kept up to date by its events.

use std::time::{Duration, Instant};

use super::each_host::{HostState, label};

use crate::control::event::Event;
use crate::text::one_line;

/// Where the run is and what went wrong so far.
#[derive(Debug)]
pub(super) struct State {
    /// Main host, and how many others.
    pub(super) host: String,
    /// What each of several is doing; empty when there is one.
    pub(super) hosts: Vec<HostState>,
    /// Profiles and their tests, in order.
    pub(super) steps: Vec<(String, Vec<String>)>,
    /// Profile at work, from 0.
    pub(super) profile: Option<usize>,
    /// Test at work or just done, from 0 over all profiles.
    pub(super) test: Option<usize>,
    /// Name, number from 1, of so many.
    pub(super) iteration: Option<(String, usize, usize)>,
    /// Number from 1, of so many.
    pub(super) sample: Option<(u32, u32)>,
    /// Since when the present test or step runs.
    pub(super) step_began: Instant,
    /// What is done when no test runs.
    pub(super) doing: &'static str,
    /// Tests that failed after all attempts.
    pub(super) failed: usize,
    /// Failed attempts, newest last.
    pub(super) failures: Vec<String>,
    began: Instant,
    durations: Vec<Option<Duration>>,
}

impl State {
    pub(super) fn new(hosts: &[String], durations: Vec<Option<Duration>>, now: Instant) -> Self {
        Self {
            host: label(hosts),
            hosts: match hosts {
                [_] => Vec::new(),
                several => several
                    .iter()
                    .map(|name| HostState::new(name, now))
                    .collect(),
            },
            steps: Vec::new(),
            profile: None,
            test: None,
            iteration: None,
            sample: None,
            step_began: now,
            doing: "set up",
            failed: 0,
            failures: Vec::new(),
            began: now,
            durations,
        }
    }

    pub(super) fn take(&mut self, event: &Event, now: Instant) {
        match event {
            Event::RunStarted { steps, .. } => self.steps.clone_from(steps),
            Event::ProfileApply { attempt, .. } => {
                if *attempt == 1 {
                    let next = self.profile.map_or(0, |at| at + 1);
                    self.profile = Some(next);
                    // Tests of a profile that could not be applied are passed over.
                    self.test = self.tests_before(next).checked_sub(1);
                }
                self.step("apply", now);
            }
            Event::ProfileReady { .. } => self.step("ready", now),
            Event::ProfileFailed {
                profile,
                attempt,
                attempts,
                message,
                ..
            } => {
                self.failures
                    .push(one_line(&format!("{profile}: {message}")));
                if attempt == attempts {
                    self.failed += self
                        .profile
                        .and_then(|at| self.steps.get(at))
                        .map_or(0, |(_, tests)| tests.len());
                }
            }
            Event::ProfileReverted { .. } => self.step("reverted", now),
            Event::TestStarted { attempt, .. } => {
                if *attempt == 1 {
                    self.test = Some(self.test.map_or(0, |at| at + 1));
                }
                self.step("", now);
            }
            Event::SampleStarted {
                iteration,
                index,
                iterations,
                sample,
                samples,
                ..
            } => {
                self.iteration = Some((one_line(iteration), *index, *iterations));
                self.sample = Some((*sample, *samples));
            }
            Event::IterationDone { .. } => self.sample = None,
            Event::TestDone { .. } | Event::TestSkipped { .. } => self.step("between tests", now),
            Event::TestFailed {
                profile,
                test,
                attempt,
                attempts,
                message,
                ..
            } => {
                self.failures
                    .push(one_line(&format!("{profile}/{test}: {message}")));
                self.failed += usize::from(attempt == attempts);
                self.step("between tests", now);
            }
            Event::HostDoing { host, .. }
            | Event::HostCommand { host, .. }
            | Event::HostLost { host, .. } => {
                if let Some(state) = self.hosts.iter_mut().find(|state| state.name == *host) {
                    state.take(event, now);
                }
            }
            Event::Note { .. } => {}
        }
    }

    fn step(&mut self, doing: &'static str, now: Instant) {
        self.doing = doing;
        self.step_began = now;
        self.iteration = None;
        self.sample = None;
    }

    fn tests_before(&self, profile: usize) -> usize {
        self.steps
            .iter()
            .take(profile)
            .map(|(_, tests)| tests.len())
            .sum()
    }

    /// Returns the number of tests of all profiles.
    pub(super) fn tests(&self) -> usize {
        self.tests_before(self.steps.len())
    }

    /// Returns the name of the profile at work.
    pub(super) fn profile_name(&self) -> Option<&str> {
        self.steps.get(self.profile?).map(|(name, _)| name.as_str())
    }

    /// Returns `PROFILE/TEST` of the test at work or just done.
    pub(super) fn test_name(&self) -> Option<String> {
        let (profile, test) = (self.profile?, self.test?);
        let (name, tests) = self.steps.get(profile)?;
        let test = tests.get(test.checked_sub(self.tests_before(profile))?)?;
        Some(format!("{name}/{test}"))
    }

    /// Returns whether a test runs.
    pub(super) fn in_test(&self) -> bool {
        self.doing.is_empty()
    }

    /// Returns how long the run goes on.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.duration_since(self.began)
    }

    /// Returns the share that is done, 0 to 0.99, and the time left; `None` when the duration of
    /// a test cannot be told.
    pub(super) fn ahead(&self, now: Instant) -> Option<(f64, Duration)> {
        let durations: Vec<Duration> = self.durations.iter().copied().collect::<Option<_>>()?;
        let total: Duration = durations.iter().sum();
        if total.is_zero() {
            return None;
        }
        let at = self
            .test
            .map_or(0, |at| if self.in_test() { at } else { at + 1 });
        let past: Duration = durations.iter().take(at).sum();
        let current = durations.get(at).copied().unwrap_or_default();
        let within = if self.in_test() {
            now.duration_since(self.step_began).min(current)
        } else {
            Duration::ZERO
        };
        let done = past + within;
        let share = (done.as_secs_f64() / total.as_secs_f64()).min(0.99);
        Some((share, total.saturating_sub(done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn started(profile: &str, test: &str, attempt: u32) -> Event {
        Event::TestStarted {
            profile: profile.into(),
            test: test.into(),
            attempt,
            iterations: None,
        }
    }

    #[test]
    fn a_retried_test_counts_once_and_a_failed_profile_passes_its_tests_over() {
        let now = Instant::now();
        let ten = Some(Duration::from_secs(10));
        let mut state = State::new(&["foo".into()], vec![ten, ten, ten, ten], now);
        let steps = vec![
            ("A".into(), vec!["x".into(), "y".into()]),
            ("B".into(), vec!["x".into(), "y".into()]),
        ];
        state.take(
            &Event::RunStarted {
                steps,
                expected: None,
            },
            now,
        );
        for attempt in 1..=3 {
            state.take(
                &Event::ProfileApply {
                    profile: "A".into(),
                    attempt,
                },
                now,
            );
            let failed = Event::ProfileFailed {
                profile: "A".into(),
                attempt,
                attempts: 3,
                message: "no".into(),
                log: String::new(),
            };
            state.take(&failed, now);
        }
        assert_eq!(state.failed, 2, "both tests of A");
        state.take(
            &Event::ProfileApply {
                profile: "B".into(),
                attempt: 1,
            },
            now,
        );
        state.take(&started("B", "x", 1), now);
        state.take(&started("B", "x", 2), now);
        assert_eq!(state.test_name().as_deref(), Some("B/x"));
        assert_eq!(state.test, Some(2));
        let (share, left) = state
            .ahead(now + Duration::from_secs(5))
            .expect("all durations are known");
        assert!((share - 0.625).abs() < 1e-9, "25 of 40 s, found {share}");
        assert_eq!(left, Duration::from_secs(15));
    }
}
