//! The real machine the tests run on: processes, signals, facts, the monitor.

mod processes;
mod signals;
