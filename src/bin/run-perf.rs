//! `run-perf`: see `runperf::cli::run_perf`.

fn main() -> std::process::ExitCode {
    runperf::cli::run_perf::main().into()
}
