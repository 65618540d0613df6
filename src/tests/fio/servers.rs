//! fio's own client/server mode: a server on every worker, one client here that starts all jobs.
//!
//! A fio server does whatever it is told, as its user. So it listens on a unix socket in its
//! worker's private folder, never on a port, and the client reaches it through the worker's shell:
//! on a remote one through the SSH connection that is there anyway.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::fault::{Ended, Fault, judge};
use super::installed;
use super::job::JobFile;
use super::logs::LogName;
use super::machine::{Machine, Times, keep};
use super::output::FioOutput;
use super::sample::Log;
use super::served::wait_for_socket;
use crate::control::journal::Journal;
use crate::control::private::PrivateFolder;
use crate::control::undo::{TargetRef, Undo};
use crate::shell::local::LocalShell;
use crate::shell::processes::mark_on;
use crate::shell::relay::Relay;
use crate::shell::{CommandLine, Limits, Process, Shell};
use crate::store::StoreError;
use crate::tests::TestError;
use crate::text;

/// Name of a server's socket in its worker's folder.
const SOCKET: &str = "server";
/// How long the small commands around it may take.
const SHORT: Duration = Duration::from_secs(60);

/// A server on each of some machines, and a client here.
#[derive(Debug)]
pub(super) struct Servers {
    client: Arc<dyn Shell>,
    /// Where the client works; only its owner may look.
    folder: PrivateFolder,
    servers: Vec<Box<dyn Process>>,
}

impl Servers {
    /// Starts a server on each machine and waits until all of them can be talked to.
    ///
    /// # Errors
    /// `not-installed` when there is no fio here, `version-mismatch` when it is not the one of the
    /// machines, `no-server` when one does not start or cannot be reached.
    pub(super) fn start(
        machines: &[Machine],
        journal: &Journal,
        scope: &str,
        limits: &Limits,
    ) -> Result<Self, TestError> {
        let client: Arc<dyn Shell> = Arc::new(LocalShell::new(TargetRef::CONTROLLER));
        let here = installed::version(client.as_ref(), &limits.clone().within(SHORT))?;
        same_version(&here, machines)?;
        let on = TargetRef::CONTROLLER;
        let mark = mark_on(on);
        // Armed by the client itself; a plan alone is undone as well.
        let _step = journal.plan(
            scope,
            Undo::KillMarked {
                on: on.into(),
                mark,
            },
        )?;
        let folder = PrivateFolder::make(client.as_ref(), journal, on, scope, "fio", limits)?;
        let mut all = Self {
            client,
            folder,
            servers: Vec::new(),
        };
        for machine in machines {
            let command = CommandLine::new("fio")
                .arg(format!("--server=sock:{SOCKET}"))
                .current_dir(machine.folder());
            all.servers.push(machine.shell().start(&command)?);
        }
        let ready = |machine: &Machine, server: &mut Box<dyn Process>| {
            let socket = machine.folder().join(SOCKET);
            let what = "the fio server";
            wait_for_socket(machine, server.as_mut(), what, &socket, limits)?;
            let limits = limits.clone().within(SHORT);
            match machine.shell().connect(&socket, &limits) {
                Ok(_) => Ok(()),
                Err(error) if limits.cancel.is_cancelled() => Err(error.into()),
                Err(error) => Err(no_server(machine, &chain(&error))),
            }
        };
        let answers: Vec<_> = std::thread::scope(|threads| {
            let each = machines.iter().zip(&mut all.servers);
            let running: Vec<_> = each
                .map(|(machine, server)| threads.spawn(move || ready(machine, server)))
                .collect();
            running.into_iter().map(super::measure::join).collect()
        });
        // Ended by `stop`, also when not all of them came up.
        let first = answers.into_iter().find_map(Result::err);
        match first {
            None => Ok(all),
            Some(error) => {
                all.stop();
                Err(error)
            }
        }
    }

    /// Runs one job on each machine, all started by one client. What it was given and wrote goes to
    /// `raw`, also when it fails.
    ///
    /// # Errors
    /// A fault of fio, `lost-client` naming who gave no figures, or a limit.
    pub(super) fn sample(
        &self,
        machines: &[Machine],
        jobs: &[JobFile],
        raw: &Path,
        times: Times,
        limits: &Limits,
    ) -> Result<(FioOutput, Vec<Log>), TestError> {
        let folder = PathBuf::from(self.folder.path());
        let mut command = CommandLine::new("fio").arg("--output-format=json+");
        let names: Vec<String> = machines
            .iter()
            .map(|machine| text::file_name(&machine.client))
            .collect();
        let mut relays = Vec::new();
        for ((machine, name), job) in machines.iter().zip(&names).zip(jobs) {
            let file = format!("{name}.job");
            keep(&raw.join(&file), job.to_string().as_bytes())?;
            keep(&folder.join(&file), job.to_string().as_bytes())?;
            let short = limits.clone().within(SHORT);
            let far = machine
                .shell()
                .connect(&machine.folder().join(SOCKET), &short)
                .map_err(|error| match error.is_unreachable() {
                    true => error.into(),
                    false => no_server(machine, &chain(&error)),
                })?;
            let near = folder.join(name);
            relays.push(Relay::listen(&near, far).map_err(StoreError::io("create", &near))?);
            command = command.arg(format!("--client=sock:{name}")).arg(file);
        }
        keep(&raw.join("fio.cmd"), format!("{command}\n").as_bytes())?;
        let limits = limits
            .clone()
            .within(times.deadline)
            .stalled_after(times.quiet);
        let output = self.client.run(&command.current_dir(&folder), &limits)?;
        drop(relays);
        keep(&raw.join("fio-result.txt"), &output.stdout)?;
        if !output.stderr.is_empty() {
            keep(&raw.join("fio-stderr.txt"), &output.stderr)?;
        }
        let logs = take_logs(&folder, raw, &names)?;
        let ended = Ended {
            exit: output.exit,
            stdout: &output.stdout,
            stderr: &output.stderr,
        };
        let mut judged = judge(ended, Some(&names))?;
        // As results name them: the name of a file may have other characters.
        let client = |name: &str| names.iter().position(|known| known == name);
        for job in &mut judged.jobs {
            if let Some((host, port)) = &mut job.host
                && let Some(index) = client(host)
            {
                (*host, *port) = (machines[index].client.clone(), 0);
            }
        }
        let logs = logs.into_iter().map(|(index, mut log)| {
            log.name.client = Some(machines[index].client.clone());
            log
        });
        Ok((judged, logs.collect()))
    }

    /// Ends every server and everything it started.
    pub(super) fn stop(&mut self) {
        for server in &mut self.servers {
            if let Err(error) = server.stop() {
                tracing::warn!(%error, "a fio server could not be ended");
            }
        }
        self.servers.clear();
        if let Err(left) = self.folder.remove(&self.client) {
            tracing::warn!(message = %left.message, "the folder of fio's client is left");
        }
    }
}

/// The protocol of client and server changes with nearly every release.
fn same_version(here: &str, machines: &[Machine]) -> Result<(), Fault> {
    let Some(other) = machines.iter().find(|machine| machine.version() != here) else {
        return Ok(());
    };
    let message = format!(
        "fio is {here} on this machine and {} on {}; client and servers must be of one version",
        other.version(),
        other.shell().target()
    );
    let hint = "install the same fio everywhere, or leave out `client-server`";
    Err(Fault::new("version-mismatch", message, hint))
}

fn no_server(machine: &Machine, why: &str) -> TestError {
    let message = format!(
        "the fio server on {} cannot be talked to: {why}",
        machine.shell().target()
    );
    let hint =
        "see the command log of that machine below __sessions__, or leave out `client-server`";
    Fault::new("no-server", message, hint).into()
}

fn chain(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// Moves every log from the client's folder to `raw`, below its machine; returns those figures are
/// read from, with the index of their machine.
fn take_logs(folder: &Path, raw: &Path, names: &[String]) -> Result<Vec<(usize, Log)>, TestError> {
    let listed = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(StoreError::io("read", folder))?;
    let mut files: Vec<PathBuf> = listed.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    let mut logs = Vec::new();
    for path in files {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let Some((log, index)) = file.split_once(".log.").and_then(|(log, client)| {
            let index = names.iter().position(|name| name == client)?;
            Some((format!("{log}.log"), index))
        }) else {
            continue;
        };
        let content = std::fs::read(&path).map_err(StoreError::io("read", &path))?;
        let place = raw.join("clients").join(&names[index]);
        keep(&place.join(&log), &content)?;
        // The next sample writes its own under the same name.
        std::fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        if let Some(name) = LogName::parse(&log) {
            let text = String::from_utf8_lossy(&content).into_owned();
            logs.push((index, Log { name, text }));
        }
    }
    Ok(logs)
}
