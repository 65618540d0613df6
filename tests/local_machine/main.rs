//! The real machine the tests run on: processes, signals, facts, the monitor.

mod facts;
mod monitor;
mod processes;
mod signals;
