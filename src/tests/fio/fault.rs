//! What went wrong when fio gave no figures: a class for reports, what happened, the next step.

use super::output::{FioOutput, Job, NoDocument};
use crate::shell::Exit;
pub use crate::tests::fault::Fault;
use crate::text;

/// How a run of fio ended and what it said.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Status or signal.
    pub exit: Exit,
    /// Standard output.
    pub stdout: &'a [u8],
    /// Standard error.
    pub stderr: &'a [u8],
}

/// Known errno values: number, class, next step.
const ERRNO: &[(i64, &str, &str)] = &[
    (
        1,
        "eperm",
        "run as a user who may do this, or choose another target",
    ),
    (2, "enoent", "check the paths in `targets`"),
    (
        5,
        "eio",
        "the medium failed; look at the kernel log of the machine (dmesg)",
    ),
    (
        13,
        "eacces",
        "run as a user who may write there, or choose another target",
    ),
    (
        20,
        "enotdir",
        "check the paths in `targets`: a part that should be a directory is a file",
    ),
    (
        22,
        "einval",
        "the target may not support direct I/O or this block size; try `direct`: 0",
    ),
    (
        25,
        "enotty",
        "the target cannot do this kind of I/O; trim needs a block device that can discard",
    ),
    (
        28,
        "enospc",
        "free space where the target lies, or ask for less with `file-size`",
    ),
    (
        30,
        "erofs",
        "the file system is mounted read-only; choose another target",
    ),
    (
        84,
        "eilseq",
        "what was read is not what verify expects: write it first with the same options; if it was written, the medium returns wrong data",
    ),
    (
        95,
        "eopnotsupp",
        "the target cannot do this kind of I/O; try another `ioengine` or `direct`: 0",
    ),
];

/// Returns the output of fio when it can be used: every job done, every one of `clients` servers heard.
///
/// `clients` are the servers the client was told to use, as it calls them (`HOST` or `HOST:PORT`);
/// `None` for a run without servers. Status 0 proves nothing in client mode, and other
/// statuses tell little, so the document is looked at first.
///
/// # Errors
/// [`Fault`] with the class of the worst thing found.
pub fn judge(ended: Ended<'_>, clients: Option<&[String]>) -> Result<FioOutput, Fault> {
    let said = said(ended);
    if let Exit::Signal(signal) = ended.exit {
        return Err(killed(&format!("was ended by signal {signal}"), &said));
    }
    let output =
        FioOutput::read(ended.stdout).map_err(|none| without_document(none, ended.exit, &said))?;
    if let Some(line) = said
        .iter()
        .find(|line| line.contains("terminating on signal") || line.contains("got signal="))
    {
        return Err(killed("was ended from outside", std::slice::from_ref(line)));
    }
    let failed: Vec<&Job> = output
        .jobs
        .iter()
        .filter(|job| job.error != 0 || job.total_errors > 0)
        .collect();
    if let Some(first) = failed.first() {
        return Err(job_failed(first, failed.len(), output.jobs.len(), &said));
    }
    let silent = silent(&output, clients.unwrap_or_default());
    if !silent.is_empty() {
        return Err(lost_client(clients.map_or(0, <[_]>::len), &silent, &said));
    }
    if said
        .iter()
        .any(|line| line.contains("file creation disallowed"))
    {
        let message = format!(
            "a target does not exist and fio was told not to create it{}",
            quote(&said)
        );
        return Err(Fault::new(
            "target-missing",
            message,
            "check the paths in `targets`",
        ));
    }
    if !ended.exit.success() {
        let message = format!(
            "fio ended with {} although no job reports an error{}",
            ended.exit,
            quote(&said)
        );
        return Err(Fault::new(
            "exit-status",
            message,
            "read fio-result.txt and fio-stderr.txt below raw/",
        ));
    }
    if output.jobs.iter().all(|job| job.operations == 0) {
        let message = format!(
            "fio ended with status 0 and did not one operation{}",
            quote(&said)
        );
        return Err(Fault::new(
            "no-io",
            message,
            "check `targets` and the job file",
        ));
    }
    Ok(output)
}

/// Returns the messages of fio: standard error, and text beside the document.
fn said(ended: Ended<'_>) -> Vec<String> {
    let noise = match FioOutput::read(ended.stdout) {
        Ok(output) => output.noise,
        Err(_) => String::from_utf8_lossy(ended.stdout).into_owned(),
    };
    let stderr = String::from_utf8_lossy(ended.stderr);
    let mut lines: Vec<String> = Vec::new();
    for line in stderr
        .lines()
        .chain(noise.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let line = text::one_line(line);
        if !lines.contains(&line) && lines.len() < 200 {
            lines.push(line);
        }
    }
    lines
}

/// Returns what fio said first, for the end of a message; empty when it said nothing.
fn quote(said: &[String]) -> String {
    match said {
        [] => String::new(),
        lines => format!(
            "; it said: {}",
            lines
                .iter()
                .take(3)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" | ")
        ),
    }
}

fn killed(how: &str, said: &[String]) -> Fault {
    let hint = "look for the out-of-memory killer (dmesg) or somebody who ended it, then run again";
    Fault::new(
        "killed",
        format!("fio {how} before it was done{}", quote(said)),
        hint,
    )
}

fn without_document(none: NoDocument, exit: Exit, said: &[String]) -> Fault {
    let has = |parts: &[&str]| {
        said.iter()
            .any(|line| parts.iter().any(|part| line.contains(part)))
    };
    let ended = format!("fio ended with {exit}");
    if none == NoDocument::Truncated {
        let hint = "the disk may be full, or fio was killed; read fio-result.txt below raw/";
        return Fault::new(
            "truncated-json",
            format!("{ended} and its JSON is cut off"),
            hint,
        );
    }
    if has(&["failed to connect to"]) {
        let hint = "check that fio runs as server there and the port is open";
        return Fault::new(
            "lost-client",
            format!("no fio server could be reached{}", quote(said)),
            hint,
        );
    }
    let (class, what, hint) = if has(&["not loadable", "failed to load engine"]) {
        (
            "bad-engine",
            "does not know the I/O engine",
            "`fio --enghelp` lists those it has; choose with `ioengine`",
        )
    } else if has(&["unable to open", "No job(s) defined", "No jobs to run"]) {
        (
            "no-job",
            "was given no job it could read",
            "check `job-file`",
        )
    } else if has(&[
        "Bad option",
        "failed parsing",
        "unrecognized option",
        "dropped",
    ]) {
        (
            "bad-option",
            "refused an option",
            "check `job-file` and the parameters of the test",
        )
    } else {
        (
            "no-json",
            "printed no JSON",
            "run the command in fio.cmd below raw/ by hand",
        )
    };
    Fault::new(
        class,
        format!("fio {what} and ended with {exit}{}", quote(said)),
        hint,
    )
}

fn job_failed(job: &Job, failed: usize, all: usize, said: &[String]) -> Fault {
    let errno = if job.error == 0 {
        job.first_error
    } else {
        job.error
    };
    let known = ERRNO.iter().find(|(number, ..)| *number == errno);
    let class = known.map_or_else(
        || format!("errno-{errno}"),
        |(_, class, _)| (*class).to_owned(),
    );
    let reason = i32::try_from(errno)
        .map(std::io::Error::from_raw_os_error)
        .map(|error| error.to_string())
        .unwrap_or_default();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let mut message = format!(
        "fio's job `{}` failed: {reason} (errno {errno})",
        text::one_line(&job.name)
    );
    if let Some((host, port)) = &job.host {
        message.push_str(&format!(" on server {}:{port}", text::one_line(host)));
    }
    if job.total_errors > 1 {
        message.push_str(&format!(", first of {} errors", job.total_errors));
    }
    if all > 1 {
        message.push_str(&format!("; {failed} of {all} jobs failed"));
    }
    message.push_str(&quote(said));
    Fault {
        class,
        message,
        hint: known.map(|(.., hint)| (*hint).to_owned()),
    }
}

/// Returns the servers without a job in the document.
fn silent<'a>(output: &FioOutput, clients: &'a [String]) -> Vec<&'a str> {
    let heard = |name: &str| {
        output.jobs.iter().any(|job| {
            job.host
                .as_ref()
                .is_some_and(|(host, port)| host == name || name == format!("{host}:{port}"))
        })
    };
    clients
        .iter()
        .map(String::as_str)
        .filter(|name| !heard(name))
        .collect()
}

fn lost_client(asked: usize, silent: &[&str], said: &[String]) -> Fault {
    let message = format!(
        "{} of {asked} fio servers gave figures, so there is no figure for all; nothing came from {}{}",
        asked - silent.len(),
        silent.join(", "),
        quote(said)
    );
    Fault::new(
        "lost-client",
        message,
        "check the lost machine and its network, then run again",
    )
}
