//! Which of the two programs a machine has.

use super::PROGRAM;
use super::params::Settings;
use crate::shell::{CommandLine, Limits};
use crate::tests::TestError;
use crate::tests::fault::Fault;
use crate::tests::tool::Machine;

/// What computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Intel's binary, by path.
    Intel(String),
    /// HPC Challenge, run by `mpirun`.
    Hpcc(String),
}

impl Found {
    /// Returns the name results have for it.
    pub fn name(&self) -> &'static str {
        match self {
            Found::Intel(_) => "intel",
            Found::Hpcc(_) => "hpcc",
        }
    }
}

/// Prints the first program there is. The order is the older tool's, then hpcc.
const LOOK: &str = r#"for name in linpack xlinpack_xeon64; do
    command -v "$name" && exit
done
for path in /usr/local/*/benchmarks/linpack/xlinpack_xeon64 /opt/intel/oneapi/mkl/*/benchmarks/linpack/xlinpack_xeon64 \
    /opt/intel/oneapi/mkl/*/share/mkl/benchmarks/linpack/xlinpack_xeon64; do
    if [ -x "$path" ]; then echo "$path"; exit; fi
done
command -v hpcc"#;

/// Looks for the program.
///
/// # Errors
/// `not-installed`, or a shell failure.
pub fn look(machine: &Machine, settings: &Settings, limits: &Limits) -> Result<Found, TestError> {
    let shell = machine.shell();
    let asked = match &settings.binary {
        Some(binary) => CommandLine::script(r#"command -v "$1""#)
            .arg("look")
            .arg(binary),
        None => CommandLine::script(LOOK),
    };
    let output = shell.run(&asked, limits)?;
    let path = output
        .text()
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    if path.is_empty() {
        let looked = settings.binary.as_deref().unwrap_or(PROGRAM.name);
        return Err(PROGRAM.missing(looked, shell, limits).into());
    }
    if path.rsplit('/').next() != Some("hpcc") {
        return Ok(Found::Intel(path));
    }
    let mpirun = shell.run(&CommandLine::script("command -v mpirun"), limits)?;
    if mpirun.text().trim().is_empty() {
        let message = format!("hpcc is on {} but mpirun is not", shell.target());
        let hint = "install an MPI, for instance openmpi-bin";
        return Err(Fault::new("not-installed", message, hint).into());
    }
    Ok(Found::Hpcc(path))
}

/// Returns the command that computes with `threads`, in the private folder.
pub fn command(found: &Found, settings: &Settings, threads: u64) -> CommandLine {
    let mut words: Vec<String> = Vec::new();
    if !settings.numactl.is_empty() {
        words.push("numactl".into());
        words.extend(settings.numactl.iter().cloned());
    }
    let command = |words: Vec<String>| {
        let mut words = words.into_iter();
        CommandLine::new(words.next().unwrap_or_default()).args(words)
    };
    match found {
        Found::Intel(path) => {
            words.extend([path.clone(), INTEL_INPUT.to_owned()]);
            let command = command(words);
            match &settings.affinity {
                Some(affinity) => command
                    .env("OMP_NUM_THREADS", threads.to_string())
                    .env("KMP_AFFINITY", affinity.as_str()),
                None => command,
            }
        }
        Found::Hpcc(path) => {
            words.extend([
                "mpirun".to_owned(),
                "-np".to_owned(),
                threads.to_string(),
                path.clone(),
            ]);
            let mut command = command(words).env("OMP_NUM_THREADS", "1");
            // Of Open MPI, versions 4 and 5; others know nothing of them.
            for (name, value) in [
                ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
                ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
                ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
                ("PRTE_ALLOW_RUN_AS_ROOT", "1"),
                ("PRTE_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
                ("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe"),
            ] {
                command = command.env(name, value);
            }
            command
        }
    }
}

/// Input of Intel's binary.
pub const INTEL_INPUT: &str = "linpack.input";
/// Input of hpcc, which asks for this name.
pub const HPCC_INPUT: &str = "hpccinf.txt";
/// What hpcc writes.
pub const HPCC_OUTPUT: &str = "hpccoutf.txt";
