//! The conductor: the plan, the loop over profiles and tests, cancellation, events.

pub mod cancel;
pub mod context;
pub mod controller;
pub mod event;
pub mod mask;
pub mod options;
pub mod plan;
pub mod progress;
pub mod run;

pub use context::Context;
