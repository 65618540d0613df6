//! What a run shows while it goes on: lines with a time, or a live block on a terminal.
//!
//! [`state`] turns events into what is known, [`plain`] and [`live`] show it. Both write to
//! standard error through one [`Screen`], which the log uses as well, so that log lines scroll
//! above the block instead of through it.

mod each_host;
mod expected;
mod live;
mod plain;
mod screen;
mod state;

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use expected::{Previous, find_previous};
pub use screen::{MaskedFile, Screen};

use self::state::State;
use super::event::{Event, Observer};

/// Between two lines that say the run is alive, for watchdogs of CI systems.
const ALIVE: Duration = Duration::from_secs(300);
/// Between two looks at the block; at most four a second are drawn.
const TICK: Duration = Duration::from_millis(250);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A live block when standard error is a terminal, else lines.
    Auto,
    /// Lines with a time.
    Plain,
    /// Nothing.
    None,
}

/// Shows progress until it is dropped.
pub struct Progress {
    shared: Arc<Shared>,
    ticker: Option<std::thread::JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    screen: Screen,
    style: Style,
    stop: Mutex<bool>,
    wake: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Live,
    Plain,
    Silent,
}

impl Progress {
    /// Starts showing; `hosts` are in order, the main one first, `durations` say how long each test
    /// may take, in order of running.
    pub fn start(
        mode: Mode,
        hosts: Vec<String>,
        durations: Vec<Option<Duration>>,
        screen: Screen,
    ) -> Self {
        let style = match mode {
            Mode::None => Style::Silent,
            Mode::Auto if screen.is_terminal() => Style::Live,
            Mode::Auto | Mode::Plain => Style::Plain,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&hosts, durations, Instant::now())),
            screen,
            style,
            stop: Mutex::new(false),
            wake: Condvar::new(),
        });
        let ticker = {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name("progress".into())
                .spawn(move || shared.tick())
                .ok()
        };
        Self { shared, ticker }
    }

    /// Returns what prints the block once, in every mode; for SIGUSR1.
    pub fn printer(&self) -> impl FnMut() + Send + 'static {
        let shared = self.shared.clone();
        move || {
            let block = live::block(&shared.state(), Instant::now(), (100, usize::MAX));
            shared.screen.line(&block.join("\n"));
        }
    }

    /// Returns who is to be told about events.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.shared.clone()
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("style", &self.shared.style)
            .finish_non_exhaustive()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        *self
            .shared
            .stop
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
        if let Some(ticker) = self.ticker.take() {
            // It holds no lock while it waits; a panic in it costs the display only.
            let _ = ticker.join();
        }
        self.shared.screen.clear();
    }
}

impl Shared {
    fn tick(&self) {
        let mut alive = Instant::now();
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stop {
            stop = self
                .wake
                .wait_timeout(stop, TICK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let now = Instant::now();
            match self.style {
                Style::Live => self
                    .screen
                    .draw(|size| live::block(&self.state(), now, size)),
                Style::Plain if now.duration_since(alive) >= ALIVE => {
                    alive = now;
                    let line = plain::alive(&self.state(), now);
                    self.screen.line(&plain::stamped(&line));
                }
                Style::Plain | Style::Silent => {}
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Shared {
    fn event(&self, event: &Event) {
        let mut state = self.state();
        state.take(event, Instant::now());
        let lines = if self.style == Style::Silent {
            Vec::new()
        } else {
            plain::lines(&state, event)
        };
        drop(state);
        for line in lines {
            match self.style {
                // What the block shows for a moment is kept only where it is an outcome.
                Style::Live if !plain::stays(event) => {}
                _ => self.screen.line(&plain::stamped(&line)),
            }
        }
    }
}

/// Returns a time as people say it: `12s`, `3m32s`, `1h10m`, `2d3h`. Rounded down to whole seconds.
pub fn spell(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours}h"),
    }
}

/// Returns `1 test`, `2 tests`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelled_with_their_two_largest_units() {
        let spelled = |seconds| spell(Duration::from_secs(seconds));
        assert_eq!(spelled(12), "12s");
        assert_eq!(spelled(212), "3m32s");
        assert_eq!(spelled(4200), "1h10m");
        assert_eq!(spelled(180_000), "2d2h");
    }
}
