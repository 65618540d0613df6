//! A machine for unit tests: canned answers, recorded commands.
//!
//! ```
//! use runperf::control::cancel::CancelToken;
//! use runperf::shell::{CommandLine, Limits, Shell, ShellExt, scripted::ScriptedShell};
//!
//! let shell = ScriptedShell::new("foo").answer("uname *", "Linux\n").fail("dnf *", 1, "no network");
//! let limits = Limits::new(CancelToken::default());
//! assert_eq!(shell.text(&CommandLine::new("uname").arg("-s"), &limits)?, "Linux\n");
//! assert!(shell.text(&CommandLine::new("dnf").arg("install"), &limits).is_err());
//! assert_eq!(shell.commands(), ["uname -s", "dnf install"]);
//! # Ok::<(), runperf::shell::ShellError>(())
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{CommandLine, Exit, Limits, Output, Process, Shell, ShellError, Target};

/// How a scripted command ends without an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The program is not there.
    NotFound,
    /// Its deadline passes.
    TimedOut,
    /// It prints nothing for too long.
    Stalled,
    /// The run is cancelled meanwhile.
    Interrupted,
    /// The connection breaks.
    Lost,
}

#[derive(Debug, Clone)]
enum Answer {
    Output {
        exit: Exit,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
    },
    Trouble(Trouble),
}

#[derive(Debug, Default)]
struct State {
    /// In the order they were given; several answers for one pattern are used up one by one, the
    /// last one stays.
    rules: Vec<(String, VecDeque<Answer>)>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    commands: Vec<String>,
    inputs: Vec<Vec<u8>>,
}

/// A shell that answers what it was told to. Clones are the same machine.
///
/// A pattern is a whole command line as [`CommandLine`] prints it (secrets as `***`), `*` stands for
/// any text. The first pattern that fits answers; a command no pattern fits is
/// [`ShellError::NotFound`].
#[derive(Debug, Clone)]
pub struct ScriptedShell {
    target: Target,
    state: Arc<Mutex<State>>,
}

impl ScriptedShell {
    /// A machine that knows no command yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            target: Target(name.into()),
            state: Arc::default(),
        }
    }

    /// Answers with status 0 and this standard output.
    #[must_use]
    pub fn answer(self, pattern: &str, stdout: impl Into<Vec<u8>>) -> Self {
        self.rule(
            pattern,
            Answer::Output {
                exit: Exit::Code(0),
                stdout: stdout.into(),
                stderr: Vec::new(),
            },
        )
    }

    /// Answers with another status and this on standard error.
    #[must_use]
    pub fn fail(self, pattern: &str, status: i32, stderr: impl Into<Vec<u8>>) -> Self {
        self.rule(
            pattern,
            Answer::Output {
                exit: Exit::Code(status),
                stdout: Vec::new(),
                stderr: stderr.into(),
            },
        )
    }

    /// Answers with everything.
    #[must_use]
    pub fn output(
        self,
        pattern: &str,
        exit: Exit,
        stdout: impl Into<Vec<u8>>,
        stderr: impl Into<Vec<u8>>,
    ) -> Self {
        self.rule(
            pattern,
            Answer::Output {
                exit,
                stdout: stdout.into(),
                stderr: stderr.into(),
            },
        )
    }

    /// Gives no answer.
    #[must_use]
    pub fn trouble(self, pattern: &str, trouble: Trouble) -> Self {
        self.rule(pattern, Answer::Trouble(trouble))
    }

    /// Puts a file on the machine.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.lock().files.insert(path.into(), content.into());
        self
    }

    /// Returns every command so far, secrets masked.
    pub fn commands(&self) -> Vec<String> {
        self.lock().commands.clone()
    }

    /// Returns what each command was fed, in the order of [`ScriptedShell::commands`].
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        self.lock().inputs.clone()
    }

    /// Returns a file of the machine, uploaded or put there.
    pub fn content(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.lock().files.get(path.as_ref()).cloned()
    }

    fn rule(self, pattern: &str, answer: Answer) -> Self {
        let mut state = self.lock();
        match state.rules.iter_mut().find(|(known, _)| known == pattern) {
            Some((_, answers)) => answers.push_back(answer),
            None => state
                .rules
                .push((pattern.to_owned(), VecDeque::from([answer]))),
        }
        drop(state);
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, command: &CommandLine, limits: Option<&Limits>) -> Result<Output, ShellError> {
        let (target, text) = (self.target.clone(), command.to_string());
        if limits.is_some_and(|limits| limits.cancel.is_cancelled()) {
            return Err(ShellError::Interrupted {
                target,
                command: command.clone(),
            });
        }
        let mut state = self.lock();
        state.commands.push(text.clone());
        state.inputs.push(command.stdin.clone().unwrap_or_default());
        let answers = state
            .rules
            .iter_mut()
            .find(|(pattern, _)| fits(pattern, &text))
            .map(|(_, answers)| answers);
        let answer = match answers {
            Some(answers) if answers.len() > 1 => answers.pop_front(),
            Some(answers) => answers.front().cloned(),
            None => None,
        };
        let (command, tail) = (command.clone(), String::new());
        match answer.unwrap_or(Answer::Trouble(Trouble::NotFound)) {
            Answer::Output {
                exit,
                stdout,
                stderr,
            } => Ok(Output {
                exit,
                stdout,
                stderr,
                took: Duration::ZERO,
            }),
            Answer::Trouble(Trouble::NotFound) => Err(ShellError::NotFound {
                target,
                program: command.program().to_owned(),
            }),
            Answer::Trouble(Trouble::TimedOut) => Err(ShellError::TimedOut {
                target,
                command,
                limit: Duration::ZERO,
                tail,
            }),
            Answer::Trouble(Trouble::Stalled) => {
                let quiet = limits.and_then(|limits| limits.stall).unwrap_or_default();
                Err(ShellError::Stalled {
                    target,
                    command,
                    quiet,
                    tail,
                })
            }
            Answer::Trouble(Trouble::Interrupted) => {
                Err(ShellError::Interrupted { target, command })
            }
            Answer::Trouble(Trouble::Lost) => {
                let source =
                    std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection lost");
                Err(ShellError::Io {
                    target,
                    command,
                    source,
                })
            }
        }
    }
}

impl Shell for ScriptedShell {
    fn target(&self) -> &Target {
        &self.target
    }

    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.ask(command, Some(limits))
    }

    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        let output = self.ask(command, None)?;
        Ok(Box::new(ScriptedProcess {
            output,
            running: true,
        }))
    }

    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        _mode: u32,
        _limits: &Limits,
    ) -> Result<(), ShellError> {
        let mut content = Vec::new();
        from.read_to_end(&mut content)
            .map_err(|source| ShellError::File {
                action: "write",
                target: self.target.clone(),
                path: to.to_owned(),
                source,
            })?;
        self.lock().files.insert(to.to_owned(), content);
        Ok(())
    }

    fn download(
        &self,
        from: &Path,
        to: &mut dyn Write,
        _limits: &Limits,
    ) -> Result<u64, ShellError> {
        let target = self.target.clone();
        let Some(content) = self.content(from) else {
            return Err(ShellError::NoSuchFile {
                target,
                path: from.to_owned(),
            });
        };
        to.write_all(&content).map_err(|source| ShellError::File {
            action: "read",
            target,
            path: from.to_owned(),
            source,
        })?;
        Ok(content.len() as u64)
    }
}

/// Runs until somebody waits for it or stops it.
#[derive(Debug)]
struct ScriptedProcess {
    output: Output,
    running: bool,
}

impl Process for ScriptedProcess {
    fn wait(&mut self, _limits: &Limits) -> Result<Output, ShellError> {
        self.running = false;
        Ok(self.output.clone())
    }

    fn stop(&mut self) -> Result<(), ShellError> {
        self.running = false;
        Ok(())
    }

    fn is_running(&mut self) -> bool {
        self.running
    }
}

/// Returns whether `text` is `pattern` with its stars replaced by anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or("");
    for piece in pieces {
        let Some(found) = text.find(piece) else {
            return false;
        };
        text = &text[found + piece.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::cancel::CancelToken;

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("fio *", "fio --version") && fits("*", "") && fits("a*b*c", "a1b2bc"));
        assert!(!fits("fio *", "fio") && !fits("a*b*c", "a1c") && !fits("fio", "fio x"));
    }

    #[test]
    fn answers_of_one_pattern_come_in_order_and_the_last_stays() {
        let shell = ScriptedShell::new("foo")
            .fail("x", 1, "busy")
            .answer("x", "ok");
        let limits = Limits::new(CancelToken::default());
        let exits: Vec<bool> = (0..3)
            .map(|_| {
                shell
                    .run(&CommandLine::new("x"), &limits)
                    .expect("scripted")
                    .exit
                    .success()
            })
            .collect();
        assert_eq!(exits, [false, true, true]);
    }
}
