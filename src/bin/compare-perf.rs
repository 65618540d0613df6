//! `compare-perf`: see `runperf::cli::compare_perf`.

fn main() -> std::process::ExitCode {
    runperf::cli::compare_perf::main().into()
}
