//! The conductor: the plan, the loop over profiles and tests, cancellation, events.

pub(crate) mod before;
pub mod cancel;
pub mod context;
pub mod controller;
pub mod event;
pub mod hold;
pub mod journal;
pub mod mask;
pub mod options;
pub mod parallel;
pub mod plan;
pub mod private;
pub mod progress;
pub mod reach;
pub mod recover;
pub mod resume;
pub mod run;
pub mod undo;

pub use context::Context;
