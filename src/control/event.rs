//! What happens during a run, said once and heard by the progress display and the log.

use std::time::Duration;

/// One thing that happened. Names are those of the result directory.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The plan is checked and the result directory exists.
    RunStarted {
        /// Profiles and, for each, its tests.
        steps: Vec<(String, Vec<String>)>,
        /// How long it may take, where that can be told.
        expected: Option<Duration>,
    },
    /// A profile is being applied.
    ProfileApply {
        /// Which.
        profile: String,
        /// From 1.
        attempt: u32,
    },
    /// Its workers are ready.
    ProfileReady {
        /// Which.
        profile: String,
        /// Since apply began.
        took: Duration,
    },
    /// A profile could not be applied, reverted or inspected.
    ProfileFailed {
        /// Which.
        profile: String,
        /// From 1.
        attempt: u32,
        /// Of so many.
        attempts: u32,
        /// Why.
        message: String,
        /// Failure directory, below the result.
        log: String,
    },
    /// It was reverted.
    ProfileReverted {
        /// Which.
        profile: String,
    },
    /// A test starts.
    TestStarted {
        /// Profile.
        profile: String,
        /// Test.
        test: String,
        /// From 1.
        attempt: u32,
        /// Iterations it will do, when known.
        iterations: Option<usize>,
    },
    /// A sample starts.
    SampleStarted {
        /// Iteration.
        iteration: String,
        /// From 1.
        index: usize,
        /// Of so many.
        iterations: usize,
        /// From 1.
        sample: u32,
        /// Of so many.
        samples: u32,
        /// How long it should take.
        expected: Option<Duration>,
    },
    /// All samples of an iteration are there.
    IterationDone {
        /// Iteration.
        iteration: String,
        /// From 1.
        index: usize,
        /// Of so many.
        iterations: usize,
        /// Primary metric's mean and unit, when there is one.
        value: Option<(f64, String)>,
        /// Since its first sample began.
        took: Duration,
    },
    /// A test is done; its serial directory exists.
    TestDone {
        /// Profile.
        profile: String,
        /// Test.
        test: String,
        /// Directory below the result, `PROFILE/TEST/0000`.
        place: String,
        /// Since it started.
        took: Duration,
    },
    /// A test skipped itself.
    TestSkipped {
        /// Profile.
        profile: String,
        /// Test.
        test: String,
        /// Why.
        reason: String,
    },
    /// An attempt failed.
    TestFailed {
        /// Profile.
        profile: String,
        /// Test.
        test: String,
        /// From 1.
        attempt: u32,
        /// Of so many.
        attempts: u32,
        /// Why.
        message: String,
        /// Failure directory, below the result.
        log: String,
    },
    /// What is done on one host; several are worked on at once.
    HostDoing {
        /// Which.
        host: String,
        /// What, as `install 2 packages`; `None`: it waits for the others.
        what: Option<String>,
        /// Takes long or matters, so that a log without a terminal has it too.
        notable: bool,
    },
    /// A command begins on a host of several, or ends.
    HostCommand {
        /// Which.
        host: String,
        /// Tells commands apart.
        id: u64,
        /// What is run; `None`: it ended.
        what: Option<String>,
    },
    /// A host is left out from here on.
    HostLost {
        /// Which.
        host: String,
        /// Why.
        message: String,
    },
    /// Something that spoils figures or was left out; said in the summary too.
    Note {
        /// What.
        text: String,
    },
}

/// Somebody who is told.
pub trait Observer: Send + Sync {
    /// Takes one event; must not block for long.
    fn event(&self, event: &Event);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}
