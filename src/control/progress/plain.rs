//! Progress as lines that can be searched: one at each change of step, one every five minutes.

use std::time::Instant;

use super::state::State;
use super::{count, each_host, spell};
use crate::control::event::Event;
use crate::text::one_line;

/// Returns a line with the present time before it.
pub(super) fn stamped(line: &str) -> String {
    format!(
        "{} {line}",
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
    )
}

/// Returns the lines an event is worth; `state` has taken it already.
pub(super) fn lines(state: &State, event: &Event) -> Vec<String> {
    let host = &state.host;
    let profile = |name: &str| {
        let number = state.profile.map_or(0, |at| at + 1);
        format!("{host} profile {name} ({number}/{})", state.steps.len())
    };
    let test = |profile: &str, test: &str| {
        let number = state.test.map_or(0, |at| at + 1);
        format!("{host} test {profile}/{test} ({number}/{})", state.tests())
    };
    let line = match event {
        Event::RunStarted { expected, .. } => {
            let about = expected
                .map(|time| format!(", about {}", spell(time)))
                .unwrap_or_default();
            format!(
                "{host} run of {}, {}{about}",
                count(state.steps.len(), "profile"),
                count(state.tests(), "test")
            )
        }
        Event::ProfileApply {
            profile: name,
            attempt: 1,
        } => format!("{} apply", profile(name)),
        Event::ProfileApply {
            profile: name,
            attempt,
        } => format!("{} apply, attempt {attempt}", profile(name)),
        Event::ProfileReady {
            profile: name,
            took,
        } => format!("{} ready in {}", profile(name), spell(*took)),
        Event::ProfileFailed {
            profile: name,
            attempt,
            attempts,
            message,
            log,
        } => {
            format!(
                "{} FAILED attempt {attempt}/{attempts}: {message}, log {log}",
                profile(name)
            )
        }
        Event::ProfileReverted { profile: name } => format!("{} reverted", profile(name)),
        Event::TestStarted {
            profile,
            test: name,
            attempt,
            ..
        } => {
            let again = if *attempt > 1 {
                format!(", attempt {attempt}")
            } else {
                String::new()
            };
            format!("{} start{again}", test(profile, name))
        }
        Event::SampleStarted { .. } => return Vec::new(),
        Event::IterationDone {
            iteration,
            index,
            iterations,
            value,
            took,
        } => {
            let value = value
                .as_ref()
                .map(|(value, unit)| format!(" {} {unit}", figure(*value)))
                .unwrap_or_default();
            let number = state.test.map_or(0, |at| at + 1);
            format!(
                "{host} test {} ({number}/{}) iteration {iteration} ({index}/{iterations}) ok{value} {}",
                state.test_name().unwrap_or_default(),
                state.tests(),
                spell(*took)
            )
        }
        Event::TestDone {
            profile,
            test: name,
            place,
            took,
        } => {
            format!("{} done in {}, {place}", test(profile, name), spell(*took))
        }
        Event::TestSkipped {
            profile,
            test: name,
            reason,
        } => format!("{} SKIPPED: {reason}", test(profile, name)),
        Event::TestFailed {
            profile,
            test: name,
            attempt,
            attempts,
            message,
            log,
        } => {
            format!(
                "{} FAILED attempt {attempt}/{attempts}: {message}, log {log}",
                test(profile, name)
            )
        }
        Event::HostDoing {
            host,
            what: Some(what),
            notable: true,
        } => format!("{host} {what}"),
        Event::HostDoing { .. } | Event::HostCommand { .. } => return Vec::new(),
        Event::HostLost { host, message } => format!("{host} LOST: {message}"),
        Event::Note { text } => format!("{host} note {text}"),
    };
    vec![one_line(&line)]
}

/// Returns whether a line about the event is kept above a live block.
pub(super) fn stays(event: &Event) -> bool {
    matches!(
        event,
        Event::ProfileFailed { .. }
            | Event::IterationDone { .. }
            | Event::TestDone { .. }
            | Event::TestSkipped { .. }
            | Event::TestFailed { .. }
            | Event::HostLost { .. }
            | Event::Note { .. }
    )
}

/// Returns the line that says the run is alive.
pub(super) fn alive(state: &State, now: Instant) -> String {
    let place = match (state.in_test(), state.test_name(), state.profile_name()) {
        (true, Some(name), _) => format!(
            "test {name} ({}/{})",
            state.test.map_or(0, |at| at + 1),
            state.tests()
        ),
        (_, _, Some(name)) => format!("profile {name} {}", state.doing),
        _ => state.doing.to_owned(),
    };
    let elapsed = spell(state.elapsed(now));
    let ahead = state
        .ahead(now)
        .map(|(share, left)| {
            format!(
                " {:.0}% {elapsed}, about {} left",
                share * 100.0,
                spell(left)
            )
        })
        .unwrap_or_else(|| format!(" {elapsed}"));
    one_line(&format!(
        "{} alive {place}{ahead}, {} failed{}",
        state.host,
        state.failed,
        each_host::slowest(&state.hosts, now)
    ))
}

/// Returns a figure with as many digits as help: whole numbers above 1000, else four significant ones.
fn figure(value: f64) -> String {
    if value.abs() >= 1000.0 {
        return format!("{value:.0}");
    }
    let digits = if value == 0.0 {
        0.0
    } else {
        value.abs().log10().floor()
    };
    let places = [3, 2, 1]
        .into_iter()
        .zip([0.0, 1.0, 2.0])
        .find(|(_, at)| digits <= *at)
        .map_or(0, |(places, _)| places);
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_those_of_the_manual() {
        let now = Instant::now();
        let mut state = State::new(
            &["perf-sm-04".into()],
            vec![Some(Duration::from_secs(600)); 2],
            now,
        );
        let mut said = Vec::new();
        let events = [
            Event::RunStarted {
                steps: vec![("TunedLibvirt".into(), vec!["fio".into(), "uperf".into()])],
                expected: None,
            },
            Event::ProfileApply {
                profile: "TunedLibvirt".into(),
                attempt: 1,
            },
            Event::ProfileReady {
                profile: "TunedLibvirt".into(),
                took: Duration::from_secs(212),
            },
            Event::TestStarted {
                profile: "TunedLibvirt".into(),
                test: "fio".into(),
                attempt: 1,
                iterations: Some(36),
            },
            Event::IterationDone {
                iteration: "randread-4KiB".into(),
                index: 21,
                iterations: 36,
                value: Some((114_912.3, "IOPS".into())),
                took: Duration::from_secs(252),
            },
            Event::TestFailed {
                profile: "TunedLibvirt".into(),
                test: "fio".into(),
                attempt: 1,
                attempts: 3,
                message: "timeout\nafter 120s".into(),
                log: "TunedLibvirt/fio/0/__error0__/exception".into(),
            },
        ];
        for event in &events {
            state.take(event, now);
            said.extend(lines(&state, event));
        }
        assert_eq!(
            said[1..],
            [
                "perf-sm-04 profile TunedLibvirt (1/1) apply",
                "perf-sm-04 profile TunedLibvirt (1/1) ready in 3m32s",
                "perf-sm-04 test TunedLibvirt/fio (1/2) start",
                "perf-sm-04 test TunedLibvirt/fio (1/2) iteration randread-4KiB (21/36) ok 114912 IOPS 4m12s",
                "perf-sm-04 test TunedLibvirt/fio (1/2) FAILED attempt 1/3: timeout after 120s, \
                 log TunedLibvirt/fio/0/__error0__/exception",
            ]
        );
        let again = Event::TestStarted {
            profile: "TunedLibvirt".into(),
            test: "fio".into(),
            attempt: 2,
            iterations: None,
        };
        state.take(&again, now);
        assert_eq!(
            alive(&state, now + Duration::from_secs(60)),
            "perf-sm-04 alive test TunedLibvirt/fio (1/2) 5% 1m00s, about 19m00s left, 0 failed"
        );
    }

    #[test]
    fn figures_are_short() {
        let all: Vec<String> = [0.0, 0.123_456, 12.3456, 123.456, 114_912.3]
            .into_iter()
            .map(figure)
            .collect();
        assert_eq!(all, ["0.000", "0.123", "12.35", "123.5", "114912"]);
    }
}
