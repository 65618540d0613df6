//! What was typed: option structs and the main function of each program.

pub mod analyze_perf;
mod ask;
pub mod common;
pub mod compare_perf;
pub mod configured;
pub mod diff_perf;
pub mod exit;
pub mod generate;
pub mod item;
pub mod output;
pub mod prep_perf;
pub mod run_perf;
pub mod strip_run_perf;
