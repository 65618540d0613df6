//! A program other machines talk to: started, waited for until it listens, ended on every way out.

use std::time::Duration;

use super::machine::{Machine, SHORT};
use crate::shell::{CommandLine, Exit, Limits, Output, Process, ShellError};
use crate::tests::TestError;
use crate::tests::fault::Fault;

/// How long a server may take until it listens; twice as long as pbench waits.
const READY: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// How long what it printed may take to come in after it was ended.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// Says whether somebody listens on a TCP port, and with `ss` who.
const LISTENER: &str = r#"port=$(printf %04X "$1")
grep -qsE "^ *[0-9]+: [0-9A-F]+:$port [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 || exit 1
ss -Hltnp "sport = :$1" 2>/dev/null | sed -n 's/.*users:((\(.*\)))$/\1/p'"#;

/// A running server.
#[derive(Debug)]
pub struct Server<'a> {
    /// Where.
    pub machine: &'a Machine,
    name: &'static str,
    process: Box<dyn Process>,
}

/// Returns who listens on a port: nobody, or somebody whose name may be unknown.
fn listener(machine: &Machine, port: u16, limits: &Limits) -> Result<Option<String>, TestError> {
    let command = CommandLine::script(LISTENER)
        .arg("listener")
        .arg(port.to_string());
    let limits = limits.clone().within(SHORT);
    let output = machine.shell().run(&command, &limits)?;
    Ok(output
        .exit
        .success()
        .then(|| crate::text::one_line(output.text().trim())))
}

impl<'a> Server<'a> {
    /// Starts it and waits until it listens on `port`; without a port it is taken as ready.
    ///
    /// # Errors
    /// `port-taken` when somebody else listens there, `server-ended` with what it said when it did
    /// not stay, `server-not-ready`, or a shell failure.
    pub fn start(
        machine: &'a Machine,
        name: &'static str,
        command: CommandLine,
        port: Option<u16>,
        limits: &Limits,
    ) -> Result<Self, TestError> {
        let target = machine.shell().target();
        if let Some(port) = port
            && let Some(who) = listener(machine, port, limits)?
        {
            let who = if who.is_empty() {
                "somebody".to_owned()
            } else {
                who
            };
            let message = format!("port {port} of {target} is taken by {who}");
            let hint = "end that program, or choose others with `port`";
            return Err(Fault::new("port-taken", message, hint).into());
        }
        let process = machine
            .shell()
            .start(&machine.marked(command.current_dir(machine.folder())))?;
        let mut server = Self {
            machine,
            name,
            process,
        };
        match server.ready(port, limits) {
            Ok(()) => Ok(server),
            Err(error) => {
                // The journal has it as well, should this fail.
                let _ = server.process.stop();
                Err(error)
            }
        }
    }

    fn ready(&mut self, port: Option<u16>, limits: &Limits) -> Result<(), TestError> {
        let Some(port) = port else { return Ok(()) };
        let end = std::time::Instant::now() + READY;
        loop {
            if !self.process.is_running() {
                return Err(self.ended(limits));
            }
            if listener(self.machine, port, limits)?.is_some() {
                return Ok(());
            }
            if std::time::Instant::now() >= end {
                let message = format!(
                    "{} on {} did not listen on port {port} within {} s",
                    self.name,
                    self.machine.shell().target(),
                    READY.as_secs()
                );
                let hint = "run it there by hand and see what it says";
                return Err(Fault::new("server-not-ready", message, hint).into());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Says why it did not stay.
    fn ended(&mut self, limits: &Limits) -> TestError {
        let output = match self.process.wait(&limits.clone().within(LAST_WORDS)) {
            Ok(output) => output,
            Err(error) => return error.into(),
        };
        let said = match crate::text::one_line(output.tail().trim()) {
            said if said.is_empty() => "it said nothing".to_owned(),
            said => format!("it said: {said}"),
        };
        let message = format!(
            "{} as server on {} ended with {} before it was asked anything; {said}",
            self.name,
            self.machine.shell().target(),
            output.exit
        );
        let hint = "run it there by hand";
        Fault::new("server-ended", message, hint).into()
    }

    /// Returns whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Ends it and returns what it printed; one that ended by itself is no error. Goes on when the
    /// run is cancelled.
    ///
    /// # Errors
    /// When it could not be ended.
    pub fn stop(mut self) -> Result<Output, ShellError> {
        let limits = Limits::new(crate::control::cancel::CancelToken::default()).within(LAST_WORDS);
        self.process.stop()?;
        match self.process.wait(&limits) {
            Ok(output) => Ok(output),
            // What it printed is gone, and it as well.
            Err(ShellError::Interrupted { .. } | ShellError::TimedOut { .. }) => Ok(Output {
                exit: Exit::Signal(15),
                stdout: Vec::new(),
                stderr: Vec::new(),
                took: Duration::ZERO,
            }),
            Err(error) => Err(error),
        }
    }
}
