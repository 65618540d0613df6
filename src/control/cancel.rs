//! Stopping early: a token everybody asks, set by signals or a time limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

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
        let old = self.level.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |level| Some((level + 1).min(3)));
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
