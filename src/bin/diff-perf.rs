//! `diff-perf`: see `runperf::cli::diff_perf`.

fn main() -> std::process::ExitCode {
    runperf::cli::diff_perf::main().into()
}
