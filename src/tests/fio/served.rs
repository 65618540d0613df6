//! Something that serves what fio works on, on every worker: a network block device, a storage daemon.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::fault::Fault;
use super::machine::Machine;
use crate::shell::{CommandLine, Limits, Process};
use crate::tests::TestError;

/// Starts it.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Says in a line for `--plan` what it starts.
    fn describe(&self) -> String;

    /// Starts it on one machine, with all its files in the machine's private folder. What must be
    /// taken back beside these files and its processes is journalled.
    ///
    /// # Errors
    /// `Skip` with the reason where it cannot be, else what went wrong.
    fn start(&self, machine: &Machine, limits: &Limits) -> Result<Served, TestError>;
}

/// What was started on a machine.
#[derive(Debug)]
pub struct Served {
    /// Where fio finds it: stands for `$target` in the job file.
    pub path: String,
    /// Ended when the test is over.
    pub processes: Vec<Box<dyn Process>>,
}

/// How long a server may take until it listens.
const READY: Duration = Duration::from_secs(60);

/// Skips the test where fio lacks an I/O engine.
pub(in crate::tests) fn needs_engine(
    machine: &Machine,
    engine: &str,
    limits: &Limits,
) -> Result<(), TestError> {
    let list = CommandLine::new("fio").arg(format!("--enghelp={engine}"));
    let output = machine.shell().run(&list, limits)?;
    if output.exit.success() && !output.text().contains("not loadable") {
        return Ok(());
    }
    Err(TestError::Skip {
        reason: format!(
            "fio {} on {} has no I/O engine `{engine}`",
            machine.version(),
            machine.shell().target()
        ),
    })
}

/// Skips the test where a program is missing.
pub(in crate::tests) fn needs_program(
    machine: &Machine,
    program: &str,
    package: &str,
    limits: &Limits,
) -> Result<(), TestError> {
    let look = CommandLine::script("command -v \"$1\"")
        .arg("look")
        .arg(program);
    if machine.shell().run(&look, limits)?.exit.success() {
        return Ok(());
    }
    Err(TestError::Skip {
        reason: format!(
            "no {program} on {}; package {package}",
            machine.shell().target()
        ),
    })
}

/// Waits until a server that was just started listens at its socket.
pub(in crate::tests) fn wait_for_socket(
    machine: &Machine,
    process: &mut dyn Process,
    what: &str,
    socket: &Path,
    limits: &Limits,
) -> Result<(), TestError> {
    let limits = limits.clone().within(READY);
    // Seen at once when it cannot serve, not when the time is over.
    let wait = CommandLine::script(
        r#"n=0; until [ -S "$1" ] || [ $n -ge 20 ]; do n=$((n + 1)); sleep 0.1 2>/dev/null || sleep 1; done; [ -S "$1" ]"#,
    )
    .arg("wait")
    .arg(socket.to_string_lossy());
    loop {
        match machine.shell().run(&wait, &limits) {
            Ok(output) if output.exit.success() => return Ok(()),
            Ok(_) if process.is_running() => {}
            Ok(_) => {
                let said = process.wait(&limits).map(|output| output.tail());
                let said = crate::text::one_line(&said.unwrap_or_default());
                let message = format!(
                    "{what} on {} ended at once: {said}",
                    machine.shell().target()
                );
                return Err(Fault::new(
                    "no-server",
                    message,
                    "run its command by hand; it is in the command log below __sessions__",
                )
                .into());
            }
            Err(error) => {
                let _ = process.stop();
                return Err(error.into());
            }
        }
    }
}
