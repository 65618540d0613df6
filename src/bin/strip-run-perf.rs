//! `strip-run-perf`: see `runperf::cli::strip_run_perf`.

fn main() -> std::process::ExitCode {
    runperf::cli::strip_run_perf::main().into()
}
