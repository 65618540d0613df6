//! Progress as a block of at most six lines, and one for each of several hosts, that is rewritten in
//! place.

use std::time::{Duration, Instant};

use super::state::State;
use super::{each_host, spell};
use crate::text::one_line;

/// Characters of the bar between its brackets.
const BAR: usize = 24;

/// Lines of other things a terminal keeps when there are many hosts.
const SPARE_ROWS: usize = 8;
/// Hosts that are shown however small the terminal is.
const LEAST_HOSTS: usize = 3;

/// Returns the lines of the block for a terminal of `(columns, rows)`, none wider than it is; at
/// most six, and one for each of several hosts.
pub(super) fn block(state: &State, now: Instant, (width, rows): (usize, usize)) -> Vec<String> {
    let mut lines = vec![place(state, now, width), time(state, now)];
    if let Some(last) = state.failures.last() {
        lines.push(format!("  failures: {} ({last})", state.failures.len()));
    }
    let next = state
        .profile
        .and_then(|at| state.steps.get(at + 1))
        .map(|(name, _)| format!("   next: {name}"));
    match (state.failed, next) {
        (0, None) => {}
        (0, Some(next)) => lines.push(format!("  no test failed{next}")),
        (failed, next) => {
            let tests = if failed == 1 { "test" } else { "tests" };
            lines.push(format!(
                "  {failed} {tests} failed{}",
                next.unwrap_or_default()
            ));
        }
    }
    let most = rows.saturating_sub(SPARE_ROWS).max(LEAST_HOSTS);
    lines.extend(each_host::lines(&state.hosts, most, now));
    lines
        .iter()
        .map(|line| {
            console::truncate_str(&one_line(line), width.saturating_sub(1), "…").into_owned()
        })
        .collect()
}

/// Host, profile, test, iteration, sample, and how long the step takes; where that is too wide,
/// `(1/2)` stands for `(1 of 2)`, then the end of it goes. The time always stays.
fn place(state: &State, now: Instant, width: usize) -> String {
    let time = format!("   {}", clock(now.duration_since(state.step_began)));
    let room = width.saturating_sub(1 + time.len());
    let wide = one_line(&position(state, " of "));
    let fitting = if console::measure_text_width(&wide) > room {
        one_line(&position(state, "/"))
    } else {
        wide
    };
    format!("{}{time}", console::truncate_str(&fitting, room, "…"))
}

fn position(state: &State, of_word: &str) -> String {
    let mut line = state.host.clone();
    if let (Some(name), Some(at)) = (state.profile_name(), state.profile) {
        line.push_str(&format!(
            "  {name} ({}{of_word}{})",
            at + 1,
            state.steps.len()
        ));
    }
    match (state.in_test(), state.test_name()) {
        (true, Some(name)) => {
            let test = name.split_once('/').map_or(name.as_str(), |(_, test)| test);
            line.push_str(&format!("  {test}"));
            if let Some((iteration, index, of)) = &state.iteration {
                line.push_str(&format!(" {iteration} ({index}{of_word}{of})"));
            }
            if let Some((sample, of)) = state.sample {
                line.push_str(&format!("  sample {sample}{of_word}{of}"));
            }
        }
        _ => line.push_str(&format!("  {}", state.doing)),
    }
    line
}

/// The bar and the times, where the duration can be told; else how long the run goes on.
fn time(state: &State, now: Instant) -> String {
    let elapsed = state.elapsed(now);
    let Some((share, left)) = state.ahead(now) else {
        return format!("  {}", clock(elapsed));
    };
    let filled = (1..=BAR)
        .take_while(|step| *step as f64 <= share * BAR as f64)
        .count();
    let end = jiff::Zoned::now()
        .checked_add(jiff::SignedDuration::try_from(left).unwrap_or(jiff::SignedDuration::ZERO))
        .map(|end| format!("   done about {}", end.strftime("%H:%M")))
        .unwrap_or_default();
    format!(
        "  [{}{}]  {:2.0} %   {} of about {}{end}",
        "#".repeat(filled),
        "-".repeat(BAR - filled),
        share * 100.0,
        clock(elapsed),
        spell(elapsed + left)
    )
}

/// Returns a time as `00:04:12`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::event::Event;

    #[test]
    fn the_block_says_where_the_run_is_and_what_failed() {
        let now = Instant::now();
        let mut state = State::new(&["foo".into()], vec![None; 3], now);
        let steps = vec![
            ("A".into(), vec!["fio".into(), "dummy".into()]),
            ("B".into(), vec!["fio".into()]),
        ];
        for event in [
            Event::RunStarted {
                steps,
                expected: None,
            },
            Event::ProfileApply {
                profile: "A".into(),
                attempt: 1,
            },
            Event::TestStarted {
                profile: "A".into(),
                test: "fio".into(),
                attempt: 1,
                iterations: Some(36),
            },
            Event::TestFailed {
                profile: "A".into(),
                test: "fio".into(),
                attempt: 1,
                attempts: 1,
                message: "timeout".into(),
                log: String::new(),
            },
            Event::TestStarted {
                profile: "A".into(),
                test: "dummy".into(),
                attempt: 1,
                iterations: Some(3),
            },
            Event::SampleStarted {
                iteration: "read-4KiB".into(),
                index: 1,
                iterations: 3,
                sample: 2,
                samples: 5,
                expected: None,
            },
        ] {
            state.take(&event, now);
        }
        let later = now + Duration::from_secs(252);
        assert_eq!(
            block(&state, later, (100, 24)),
            [
                "foo  A (1 of 2)  dummy read-4KiB (1 of 3)  sample 2 of 5   00:04:12",
                "  00:04:12",
                "  failures: 1 (A/fio: timeout)",
                "  1 test failed   next: B",
            ]
        );
        assert_eq!(
            block(&state, later, (65, 24))[0],
            "foo  A (1/2)  dummy read-4KiB (1/3)  sample 2/5   00:04:12"
        );
        assert_eq!(
            block(&state, later, (50, 24))[0],
            "foo  A (1/2)  dummy read-4KiB (1/3)  …   00:04:12"
        );
        assert!(
            block(&state, later, (20, 24))
                .iter()
                .all(|line| line.chars().count() < 20)
        );
    }
}
