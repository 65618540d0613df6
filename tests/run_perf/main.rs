//! The program `run-perf`, run for real on this machine.

mod failures;
mod html;
mod only;
mod packages;
mod permissions;
mod plan;
mod recover;
mod results;
mod secrets;
mod signals;
mod support;
mod usage;
