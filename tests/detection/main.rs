//! History models: `analyze-perf --model` and `compare-perf --model` as programs, on nights made for
//! the case.

mod backtest;
mod models;
mod nights;
mod support;
mod verdicts;
