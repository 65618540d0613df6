//! `analyze-perf`: see `runperf::cli::analyze_perf`.

fn main() -> std::process::ExitCode {
    runperf::cli::analyze_perf::main().into()
}
