//! The real machine the tests run on: processes, signals, facts, the monitor.

mod facts;
mod processes;
mod signals;
