//! The real machine the tests run on: processes, signals, facts, the monitor.

#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

mod facts;
mod monitor;
mod processes;
mod signals;
