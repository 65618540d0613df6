//! What is done with one worker: wait until it is there, upload, unpack, run.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::lint::ENTRY_POINT;
use super::options::Options;
use crate::control::Context;
use crate::control::journal::{JournalError, Left, Step};
use crate::control::mask::hex;
use crate::control::undo::Undo;
use crate::host::Worker;
use crate::shell::{CommandLine, Exit, Limits, Output, ShellError};

/// Between two tries to reach a worker that is not there yet.
const PAUSE: Duration = Duration::from_secs(1);
/// Left in a root folder that was made for a payload, or was empty: a later run knows by it what
/// `clean` may remove.
const MARKER: &str = ".runperf-payload";

/// Arguments: root, marker. Says what is there.
const LOOK: &str = r#"if [ -e "$1" ] && ! [ -d "$1" ]; then echo "$1 is no folder" >&2; exit 1; fi
if ! [ -d "$1" ]; then
    there=${1%/*}
    while [ -n "$there" ] && ! [ -d "$there" ]; do there=${there%/*}; done
    echo "none $there"
elif [ -f "$1/$2" ]; then echo "ours $(cat "$1/$2")"
elif [ -z "$(ls -A "$1")" ]; then echo empty
else echo foreign; fi"#;

/// Arguments: root, marker. The marker says that everything in the folder is a payload's, and
/// whether the folder was made for it.
const MAKE: &str = r#"if ! [ -d "$1" ]; then mkdir -p -- "$1" && echo made >"$1/$2"
elif [ -z "$(ls -A "$1")" ]; then echo found >"$1/$2"; fi"#;

/// Arguments: root.
const EMPTY: &str = r#"[ ! -d "$1" ] || find "$1" -mindepth 1 -delete"#;

/// Arguments: root, and the folder above it that was there before.
const REMOVE: &str = r#"rm -rf -- "$1" || exit 1
folder=${1%/*}
while [ "$folder" != "$2" ] && [ -n "$folder" ]; do
    rmdir -- "$folder" 2>/dev/null || break
    folder=${folder%/*}
done"#;

/// Arguments: root, archive.
const UNPACK: &str = r#"cd -- "$1" && tar -xzf "$2""#;

/// What a payload did on one worker.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    pub(super) exit: Exit,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// By the controller's clock.
    pub(super) started: jiff::Timestamp,
    pub(super) took: Duration,
}

/// Why a worker cannot go on.
#[derive(Debug)]
pub(super) enum StepError {
    /// A command failed, or could not be run.
    Shell(ShellError),
    /// Nothing is done that could not be written down.
    Journal(JournalError),
    /// Anything else: class, message, next step.
    Failed(&'static str, String, Option<&'static str>),
}

impl From<ShellError> for StepError {
    fn from(error: ShellError) -> Self {
        StepError::Shell(error)
    }
}

impl From<JournalError> for StepError {
    fn from(error: JournalError) -> Self {
        StepError::Journal(error)
    }
}

/// What is on a worker, and how it goes away.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// The uploaded archive.
    archive: Option<Step>,
    /// Its path there.
    pub(super) path: String,
    /// The root folder, with `clean`.
    root: Option<Step>,
    /// Something was unpacked, or may have been.
    pub(super) unpacked: bool,
}

impl Traces {
    /// Removes the archive, and the root folder when that was asked for.
    ///
    /// # Errors
    /// When something could not be removed; the journal keeps it.
    pub(super) fn remove(&mut self, worker: &Worker) -> Result<(), Left> {
        for step in [self.archive.take(), self.root.take()]
            .into_iter()
            .flatten()
        {
            step.undo(&worker.shell)?;
        }
        Ok(())
    }
}

fn limits(cx: &Context, time: Option<Duration>) -> Limits {
    match time {
        Some(time) => cx.limits().within(time),
        None => cx.limits(),
    }
}

/// Runs a step's script and expects success.
fn script(
    worker: &Worker,
    text: &str,
    args: &[&str],
    limits: &Limits,
) -> Result<Output, StepError> {
    let command = CommandLine::script(text)
        .arg("payload")
        .args(args.iter().copied());
    let output = worker.shell.run(&command, limits)?;
    if output.exit.success() {
        return Ok(output);
    }
    let said = match output.tail() {
        tail if tail.is_empty() => output.exit.to_string(),
        tail => tail,
    };
    let (class, hint) = if said.contains("No space left") {
        (
            "enospc",
            Some("free some space there, or choose another `root`"),
        )
    } else if said.contains("Permission denied") || said.contains("Read-only") {
        (
            "permission",
            Some("choose a `root` that the user may write to, or log in as root"),
        )
    } else if said.contains("not found") {
        ("not-found", Some("workers need tar, gzip and coreutils"))
    } else {
        ("exit-status", None)
    };
    Err(StepError::Failed(class, said, hint))
}

/// Waits until the worker answers and has the root folder.
pub(super) fn ready(
    worker: &Worker,
    options: &Options,
    cx: &Context,
    scope: &str,
    traces: &mut Traces,
) -> Result<(), StepError> {
    let limits = limits(cx, options.ready);
    let look = loop {
        match script(worker, LOOK, &[&options.root, MARKER], &limits) {
            Err(StepError::Shell(error)) if error.is_unreachable() && may_wait(&error, &limits) => {
                std::thread::sleep(PAUSE);
            }
            other => break other?,
        }
    };
    let found = look.text();
    if options.clean {
        traces.root = Some(promise(worker, options, cx, scope, found.trim())?);
    }
    script(worker, MAKE, &[&options.root, MARKER], &limits)?;
    if let Some(step) = &traces.root {
        step.armed();
    }
    Ok(())
}

/// Another try makes sense: nobody there yet, and time left.
fn may_wait(error: &ShellError, limits: &Limits) -> bool {
    let later = |deadline: Instant| Instant::now() + PAUSE < deadline;
    matches!(error, ShellError::Connect { .. } | ShellError::Lost { .. })
        && !limits.cancel.is_cancelled()
        && limits.deadline.is_some_and(later)
}

/// Writes down how the root folder goes away again.
fn promise(
    worker: &Worker,
    options: &Options,
    cx: &Context,
    scope: &str,
    found: &str,
) -> Result<Step, StepError> {
    let root = options.root.as_str();
    let above = root.rsplit_once('/').map_or("", |(above, _)| above);
    let (text, args) = match found.split_once(' ') {
        Some(("none", there)) => (REMOVE, vec![root, there]),
        None if found == "none" => (REMOVE, vec![root, ""]),
        Some(("ours", "made")) => (REMOVE, vec![root, above]),
        Some(("ours", "found")) => (EMPTY, vec![root]),
        None if found == "empty" => (EMPTY, vec![root]),
        _ => {
            return Err(StepError::Failed(
                "not-ours",
                format!(
                    "{root} held files before the first payload came, and `clean` would remove them"
                ),
                Some("choose another `root`, or leave `clean` out"),
            ));
        }
    };
    let argv = ["sh", "-c", text, "payload"].into_iter().chain(args);
    let undo = Undo::Command {
        on: worker.name.as_str().into(),
        argv: argv.map(str::to_owned).collect(),
    };
    Ok(cx.journal.plan(scope, undo)?)
}

/// Uploads the archive under a name of its own.
pub(super) fn upload(
    worker: &Worker,
    options: &Options,
    cx: &Context,
    scope: &str,
    traces: &mut Traces,
) -> Result<(), StepError> {
    let path = format!(
        "{}/.payload-{}.tgz",
        options.root.trim_end_matches('/'),
        ulid::Ulid::generate()
    );
    let step = cx.journal.plan(
        scope,
        Undo::RemovePath {
            on: worker.name.as_str().into(),
            path: path.clone(),
            tree: false,
        },
    )?;
    let step = traces.archive.insert(step);
    let changed = |error: io::Error| {
        let message = format!("{}: {error}", options.archive.display());
        StepError::Failed(
            "changed",
            message,
            Some("leave the archive alone during a run"),
        )
    };
    let mut from = Summed {
        file: File::open(&options.archive).map_err(changed)?,
        sum: Sha256::new(),
    };
    worker.shell.upload(
        &mut from,
        Path::new(&path),
        0o600,
        &limits(cx, options.upload),
    )?;
    step.armed();
    if hex(&from.sum.finalize()) != options.contents.sha256 {
        return Err(changed(io::Error::other(
            "it is not what was checked: it changed since",
        )));
    }
    traces.path = path;
    Ok(())
}

/// Unpacks it, and removes the archive.
pub(super) fn unpack(
    worker: &Worker,
    options: &Options,
    cx: &Context,
    traces: &mut Traces,
) -> Result<(), StepError> {
    traces.unpacked = true;
    script(
        worker,
        UNPACK,
        &[&options.root, &traces.path],
        &limits(cx, options.unpack),
    )?;
    if let Some(step) = traces.archive.take() {
        step.undo(&worker.shell)
            .map_err(|left| StepError::Failed("clean-up", left.message, None))?;
    }
    Ok(())
}

/// Runs the entry point. `BENCH_ROOT` is set and the working directory is the root; nothing else is promised.
pub(super) fn run(worker: &Worker, options: &Options, cx: &Context) -> Result<Ran, StepError> {
    let command = CommandLine::new("env")
        .arg(format!("BENCH_ROOT={}", options.root))
        .arg(format!(
            "{}/{ENTRY_POINT}",
            options.root.trim_end_matches('/')
        ))
        .current_dir(&options.root);
    let started = jiff::Timestamp::now();
    let output = worker.shell.run(&command, &limits(cx, options.timeout))?;
    Ok(Ran {
        exit: output.exit,
        stdout: output.stdout,
        stderr: output.stderr,
        started,
        took: output.took,
    })
}

/// A file with the sum of what was read of it.
struct Summed {
    file: File,
    sum: Sha256,
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.sum.update(&buffer[..count]);
        Ok(count)
    }
}
