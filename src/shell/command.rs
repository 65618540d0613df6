//! Command lines that quote themselves and keep their secrets.

use std::fmt;
use std::path::PathBuf;

use super::quote::quote;
use crate::secret::Secret;

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// Printed as it is.
    Plain(String),
    /// Printed as `***`.
    Secret(Secret),
}

impl Arg {
    /// Returns the text a program gets.
    pub fn reveal(&self) -> &str {
        match self {
            Arg::Plain(text) => text,
            Arg::Secret(secret) => secret.reveal(),
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Plain(text) => f.write_str(&quote(text)),
            Arg::Secret(_) => f.write_str("***"),
        }
    }
}

/// A program with its arguments, environment, working directory and standard input.
///
/// ```
/// use runperf::shell::CommandLine;
/// let command = CommandLine::new("fio").arg("--output-format=json").arg("my job.fio");
/// assert_eq!(command.to_string(), "fio --output-format=json 'my job.fio'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Program first.
    pub args: Vec<Arg>,
    /// Variables added to the environment.
    pub env: Vec<(String, Arg)>,
    /// Where it runs; `None` for the shell's own folder.
    pub cwd: Option<PathBuf>,
    /// What it reads; empty when `None`.
    pub stdin: Option<Vec<u8>>,
}

impl CommandLine {
    /// A program without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            args: vec![Arg::Plain(program.into())],
            env: Vec::new(),
            cwd: None,
            stdin: None,
        }
    }
    /// A real shell program, run by `sh -c`.
    pub fn script(text: impl Into<String>) -> Self {
        Self::new("sh").arg("-c").arg(text)
    }
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(Arg::Plain(arg.into()));
        self
    }
    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| Arg::Plain(arg.into())));
        self
    }
    /// Adds an argument that is never printed.
    #[must_use]
    pub fn secret(mut self, secret: &Secret) -> Self {
        self.args.push(Arg::Secret(secret.clone()));
        self
    }
    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), Arg::Plain(value.into())));
        self
    }
    /// Runs in this folder.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }
    /// Feeds this to standard input.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(input.into());
        self
    }
    /// Returns the program.
    pub fn program(&self) -> &str {
        self.args.first().map_or("", Arg::reveal)
    }
}

impl fmt::Display for CommandLine {
    /// As one would type it, secrets masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        // The mark by which processes are found again is nothing one would type.
        let typed = |(name, _): &&(String, Arg)| name != super::processes::MARK;
        for (name, value) in self.env.iter().filter(typed) {
            write!(f, "{blank}{name}={value}")?;
            blank = " ";
        }
        for arg in &self.args {
            write!(f, "{blank}{arg}")?;
            blank = " ";
        }
        Ok(())
    }
}
