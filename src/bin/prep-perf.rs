//! `prep-perf`: see `runperf::cli::prep_perf`.

fn main() -> std::process::ExitCode {
    runperf::cli::prep_perf::main().into()
}
