//! The connections to one machine: one for each command that runs there, kept for the next one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, Fault, SLICE, connect_error, is_over};
use super::known_hosts::host_pattern;
use super::route::Route;
use crate::shell::Limits;

/// Commands that run on one machine at the same time; the next one waits.
const MOST: usize = 16;
/// Tries at a server that closes before it greets (MaxStartups), and the longest pause between them.
const TRIES: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Pool {
    route: Route,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    busy: usize,
    opened: u64,
}

impl Pool {
    pub(super) fn new(route: Route) -> Self {
        Self {
            route,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a connection that was used before, if one is idle, else a new one; `true` for a used
    /// one, which may be broken by now.
    pub(super) fn take(&self, limits: &Limits) -> Result<(Connection, bool), Fault> {
        let mut state = self.lock();
        while state.busy >= MOST {
            if is_over(limits) {
                return Err(Fault::Cut);
            }
            state = self
                .freed
                .wait_timeout(state, SLICE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.busy += 1;
        if let Some(connection) = state.idle.pop() {
            return Ok((connection, true));
        }
        state.opened += 1;
        let number = state.opened;
        drop(state);
        match self.open(number, limits) {
            Ok(connection) => Ok((connection, false)),
            Err(fault) => {
                self.lost();
                Err(fault)
            }
        }
    }

    /// Opens a connection beyond the limit, to end what one that broke has left.
    pub(super) fn extra(&self, limits: &Limits) -> Result<Connection, Fault> {
        let number = {
            let mut state = self.lock();
            state.opened += 1;
            state.opened
        };
        self.open(number, limits)
    }

    fn open(&self, number: u64, limits: &Limits) -> Result<Connection, Fault> {
        let mut pause = Duration::from_millis(100);
        for attempt in 1.. {
            match Connection::open(&self.route, number, limits) {
                Err(Fault::Again(error)) if attempt < TRIES => {
                    tracing::debug!(%error, attempt, "the server is busy, trying again");
                    // Apart from each other, so that many that were refused together do not come back together.
                    let until = Instant::now() + pause + Duration::from_millis(37 * (number % 16));
                    while Instant::now() < until {
                        if is_over(limits) {
                            return Err(Fault::Cut);
                        }
                        std::thread::sleep(
                            SLICE.min(until.saturating_duration_since(Instant::now())),
                        );
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(Fault::Again(error)) => return Err(Fault::Final(error)),
                other => return other,
            }
        }
        Err(Fault::Final(connect_error(
            self.route.to(),
            std::io::ErrorKind::ConnectionReset.into(),
        )))
    }

    /// Keeps a connection for the next command.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut state = self.lock();
        state.busy = state.busy.saturating_sub(1);
        state.idle.push(connection);
        drop(state);
        self.freed.notify_one();
    }

    /// A connection that was taken is gone.
    pub(super) fn lost(&self) {
        let mut state = self.lock();
        state.busy = state.busy.saturating_sub(1);
        drop(state);
        self.freed.notify_one();
    }

    /// Returns the way to the machine.
    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// Returns whether anything ever ran.
    pub(super) fn used(&self) -> bool {
        self.lock().opened > 0
    }

    /// Waits until every connection is idle, or the limits are over.
    pub(super) fn wait_idle(&self, limits: &Limits) {
        let mut state = self.lock();
        while state.busy > 0 && !is_over(limits) {
            state = self
                .freed
                .wait_timeout(state, SLICE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The machine was installed anew.
    pub(super) fn expect_new_key(&self) {
        let to = self.route.to();
        self.route
            .settings
            .pins
            .expect_new(&host_pattern(&to.host, to.port));
        self.clear();
    }

    /// Closes what is idle.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }
}
