//! A run from its plan to its last line: result directory, signals, time limit, progress, summary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::before::{self, BeforeError};
use super::cancel::{self, CancelToken};
use super::context::{Context, Reboots};
use super::controller::{Controller, Tally};
use super::journal::{Header, Journal, JournalError, MachineRef};
use super::mask::mask;
use super::plan::{Plan, digest};
use super::progress::{Mode, Previous, Progress, Screen, find_previous};
use super::reach::{Reach, WorkerShells};
use super::resume::PLAN_FILE;
use crate::cli::exit::{ExitCode, FAILED, INTERRUPTED, USAGE};
use crate::secret::{Redactor, is_secret_name};
use crate::store::metadata::Metadata;
use crate::store::metadata_file::MetadataFile;
use crate::store::write::{Existing, ResultStore};
use crate::store::{StoreError, atomic};

/// How a run shows itself.
#[derive(Debug)]
pub struct Show {
    /// Progress.
    pub mode: Mode,
    /// Where progress and log go.
    pub screen: Screen,
    /// Only the last line.
    pub quiet: bool,
    /// Long options of the program, for masking the command line.
    pub long_options: Vec<String>,
}

/// A run that came to its end, one way or another.
#[derive(Debug)]
pub struct Finished {
    /// Exit code of the program.
    pub exit: ExitCode,
    /// For standard output.
    pub summary: String,
    /// The result directory.
    pub root: PathBuf,
}

/// Why a run could not even start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The result directory could not be made.
    #[error("cannot start the run")]
    Store(#[from] StoreError),
    /// Changes of machines could not be written down.
    #[error("cannot start the run")]
    Journal(#[from] JournalError),
    /// A host cannot be had.
    #[error(transparent)]
    Before(#[from] BeforeError),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

impl StartError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            StartError::Store(error) => error.hint(),
            StartError::Journal(error) => error.hint(),
            StartError::Before(error) => error.hint(),
            StartError::Signals(_) => None,
        }
    }

    /// Returns the exit code of the program.
    pub fn exit(&self) -> ExitCode {
        match self {
            StartError::Before(BeforeError::Twice { .. }) => USAGE,
            StartError::Before(BeforeError::Interrupted) => INTERRUPTED,
            _ => FAILED,
        }
    }
}

/// Runs a plan.
///
/// # Errors
/// When another run holds a host, or the result directory cannot be created; nothing has run then,
/// and no directory was made. Everything later is part of the outcome.
pub fn run(plan: &Plan, redactor: &Redactor, show: &Show) -> Result<Finished, StartError> {
    let plan_text = plan.to_json(redactor);
    let parent = plan
        .output
        .as_deref()
        .and_then(Path::parent)
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let previous = match plan.resumes {
        true => None,
        false => find_previous(parent, &digest(&plan_text), plan),
    };
    let place: Arc<OnceLock<PathBuf>> = Arc::default();

    let cancel = CancelToken::default();
    let durations = durations(plan, previous.as_ref());
    let expected = durations.iter().copied().sum();
    let progress = Progress::start(
        show.mode,
        plan.hosts.iter().map(|host| host.name.clone()).collect(),
        durations,
        show.screen.clone(),
    );
    let last_words = {
        let (screen, place) = (show.screen.clone(), place.clone());
        move || {
            screen.clear();
            let Some(root) = place.get() else {
                screen.line("interrupted three times: left at once, before anything was done");
                return;
            };
            screen.line(&format!(
                "interrupted three times: left at once, what was measured is in {}",
                root.display()
            ));
            screen.line(&format!(
                "give the machines back with: run-perf --recover {}",
                root.display()
            ));
        }
    };
    let signals = cancel::install(cancel.clone(), last_words, progress.printer())
        .map_err(StartError::Signals)?;

    let passwords = plan.options.passwords.iter();
    let passwords = passwords.filter_map(|source| source.read().ok()).flatten();
    let reach = Reach::new(plan.options.host_keys, passwords.collect());
    let observer = progress.observer();
    let hosts = match before::look(plan, &reach, &cancel, observer.as_ref()) {
        Ok(hosts) => hosts,
        Err(error) => {
            reach.close();
            return Err(error.into());
        }
    };

    let root = output_path(plan);
    let root = place.get_or_init(|| root).as_path();
    let Place {
        store,
        file,
        run_id,
        custom,
        common,
    } = if plan.resumes {
        open_again(plan, root, redactor, &show.long_options)?
    } else {
        open_new(plan, root, redactor, &show.long_options, &plan_text)?
    };
    let absolute = store.root().to_owned();

    let machines = plan
        .hosts
        .iter()
        .map(|host| MachineRef {
            name: host.name.clone(),
            address: host.address.clone(),
            user: host.user.clone(),
            port: host.port,
        })
        .collect();
    let journal = Journal::create(&absolute, Header::new(&run_id, machines), redactor.clone())?;
    let cx = Context {
        run_id,
        root: absolute,
        cancel: cancel.clone(),
        observer,
        redactor: redactor.clone(),
        metadata: custom,
        monitor_interval: plan.options.monitor_interval,
        parallel_hosts: plan.options.parallel_hosts,
        journal,
        workers: WorkerShells::default(),
        reboots: match plan.options.no_reboot {
            true => Reboots::Forbidden,
            false => Reboots::Allowed,
        },
    };
    reach.keep_keys_in(&cx.root);
    let time_up = Arc::new(AtomicBool::new(false));
    let alarm = Alarm::set(plan.options.time_limit, cancel, time_up.clone());
    let mut tally = Controller::new(
        plan,
        cx,
        store,
        file.clone(),
        common,
        expected,
        time_up,
        reach,
        hosts,
    )
    .run();
    drop(alarm);
    drop(progress);
    if let Some(held) = tally.held.take() {
        // Somebody was faster between the look and the mark. Nothing was done, so nothing is left.
        if !plan.resumes
            && let Err(error) = std::fs::remove_dir_all(root)
        {
            tracing::warn!(%error, "the empty result could not be removed");
        }
        return Err(BeforeError::Held(held).into());
    }
    for note in &plan.notes {
        tally.notes.push(note.clone());
    }

    let exit = tally.exit();
    // `finished` says that the run reached its end; an interrupted one did not.
    let ended = if tally.interrupted || tally.fatal.is_some() {
        Ok(())
    } else {
        file.append("finished", &now())
    };
    if let Err(error) = ended.and_then(|()| file.append("exit_code", &exit.to_string())) {
        tracing::error!(%error, "the end of the run could not be noted");
    }
    drop(signals);
    let shown = root.display().to_string();
    Ok(Finished {
        exit,
        summary: summary(&tally, &shown, previous.as_ref(), show.quiet),
        root: root.to_owned(),
    })
}

/// A result directory that is ready to be filled.
struct Place {
    store: ResultStore,
    file: MetadataFile,
    run_id: String,
    /// What the person gave.
    custom: BTreeMap<String, String>,
    /// What every test's own metadata repeats.
    common: BTreeMap<String, String>,
}

fn open_new(
    plan: &Plan,
    root: &Path,
    redactor: &Redactor,
    long_options: &[String],
    plan_text: &str,
) -> Result<Place, StoreError> {
    let existing = if plan.options.force {
        Existing::Replace
    } else {
        Existing::Refuse
    };
    let store = ResultStore::create(root, existing)?;
    // Commands run anywhere; what is handed to them must not depend on the working directory.
    let absolute = std::path::absolute(root).map_err(StoreError::io("read", root))?;
    let store = ResultStore::open(&absolute).unwrap_or(store);
    let plan_path = absolute.join(PLAN_FILE);
    atomic::write_file(&plan_path, |out| out.write_all(plan_text.as_bytes()))?;
    let run_id = plan
        .options
        .run_id
        .clone()
        .unwrap_or_else(|| ulid::Ulid::generate().to_string());
    let (custom, fixed) = metadata(plan, redactor, long_options, &run_id, &digest(plan_text));
    fn words(pairs: &Pairs) -> impl Iterator<Item = (&str, &str)> {
        pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
    let file = MetadataFile::create(&absolute, words(&custom), words(&fixed))?;
    let common = custom.iter().chain(&fixed).cloned().collect();
    Ok(Place {
        store,
        file,
        run_id,
        custom: custom.into_iter().collect(),
        common,
    })
}

/// Goes on with a result under its own name and metadata; that it was resumed is noted.
fn open_again(
    plan: &Plan,
    root: &Path,
    redactor: &Redactor,
    long_options: &[String],
) -> Result<Place, StoreError> {
    let absolute = std::path::absolute(root).map_err(StoreError::io("read", root))?;
    let store = ResultStore::open(&absolute)?;
    let (known, _) = Metadata::read(&absolute)?;
    let run_id = known
        .get("run_id")
        .map_or_else(|| ulid::Ulid::generate().to_string(), str::to_owned);
    let common: BTreeMap<String, String> = known
        .values
        .into_iter()
        .filter(|(key, _)| {
            !key.starts_with("environment_")
                && !["finished", "exit_code", "resumed", "resumed_cmd"].contains(&key.as_str())
        })
        .collect();
    let custom = common
        .iter()
        .filter(|(key, _)| !FIXED_KEYS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let file = MetadataFile::open(&absolute);
    file.append("resumed", &now())?;
    let clean = |word: &str| redactor.clean(word);
    let command = mask(&plan.options.command_line, long_options, &clean);
    file.append("resumed_cmd", &command)?;
    Ok(Place {
        store,
        file,
        run_id,
        custom,
        common,
    })
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// The directory asked for, else one named by the present local time; a second run within the
/// same second takes the next one.
fn output_path(plan: &Plan) -> PathBuf {
    if let Some(path) = &plan.output {
        return path.clone();
    }
    let start = jiff::Zoned::now();
    (0..60)
        .filter_map(|later| {
            start
                .checked_add(jiff::SignedDuration::from_secs(later))
                .ok()
        })
        .map(|time| PathBuf::from(time.strftime("result_%Y%m%d_%H%M%S").to_string()))
        .find(|path| path.symlink_metadata().is_err())
        .unwrap_or_else(|| PathBuf::from("result"))
}

/// How long each test may take: as in the previous run, else as its parameters say.
fn durations(plan: &Plan, previous: Option<&Previous>) -> Vec<Option<Duration>> {
    let planned: Vec<Option<Duration>> = plan
        .tests()
        .map(|(_, test)| test.expected.duration)
        .collect();
    match previous {
        Some(previous) if previous.durations.len() == planned.len() => {
            previous.durations.iter().copied().map(Some).collect()
        }
        _ => planned,
    }
}

/// Keys of `RUNPERF_METADATA` a run writes itself at its start.
const FIXED_KEYS: [&str; 9] = [
    "distro",
    "guest_distro",
    "runperf_version",
    "runperf_cmd",
    "machine",
    "machine_url",
    "run_id",
    "started",
    "plan_sha256",
];

type Pairs = Vec<(String, String)>;

/// Returns what the person gave and the fixed keys of `RUNPERF_METADATA`.
fn metadata(
    plan: &Plan,
    redactor: &Redactor,
    long_options: &[String],
    run_id: &str,
    plan_digest: &str,
) -> (Pairs, Pairs) {
    let options = &plan.options;
    let clean = |word: &str| redactor.clean(word);
    let custom: Pairs = options
        .metadata
        .iter()
        .map(|(key, value)| {
            let shown = if is_secret_name(key) {
                "***".to_owned()
            } else {
                clean(value)
            };
            (key.clone(), shown)
        })
        .collect();
    let addresses: Vec<&str> = plan
        .hosts
        .iter()
        .map(|host| host.address.as_str())
        .collect();
    let guest_distro = match &options.guest_distro {
        Some(guest) if *guest != options.distro => guest.clone(),
        _ => "DISTRO".into(),
    };
    let machine_url = match custom
        .iter()
        .rev()
        .find(|(key, _)| key == "machine_url_base")
    {
        Some((_, base)) => addresses
            .iter()
            .map(|address| base.replace("%(machine)s", address))
            .collect::<Vec<_>>()
            .join(","),
        None => addresses[0].to_owned(),
    };
    let fixed = [
        ("distro", clean(&options.distro)),
        ("guest_distro", clean(&guest_distro)),
        ("runperf_version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "runperf_cmd",
            mask(&options.command_line, long_options, &clean),
        ),
        ("machine", addresses.join(",")),
        ("machine_url", machine_url),
        ("run_id", run_id.to_owned()),
        ("started", now()),
        ("plan_sha256", plan_digest.to_owned()),
    ];
    (
        custom,
        fixed
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

/// Returns where a failure is recorded, in words.
fn see(place: &str, log: &str) -> String {
    if log == Tally::NOT_RECORDED {
        log.to_owned()
    } else {
        format!("see {place}/{log}")
    }
}

/// What stands on standard output at the end; the verdict is the last line.
fn summary(tally: &Tally, place: &str, previous: Option<&Previous>, quiet: bool) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    if !quiet {
        if let Some(fatal) = &tally.fatal {
            let _ = writeln!(
                text,
                "stopped:  {fatal}\n          {}",
                see(place, &tally.fatal_log)
            );
        }
        for (name, message, log) in &tally.lost {
            let message = crate::text::one_line(message);
            let _ = writeln!(
                text,
                "lost:     host {name}: {message}\n          see {place}/{log}"
            );
        }
        for (name, message, log) in tally.failed_profiles.iter().chain(&tally.failed) {
            let _ = writeln!(
                text,
                "failed:   {name}: {}\n          {}",
                crate::text::one_line(message),
                see(place, log)
            );
        }
        for (name, message, log) in &tally.partial {
            let message = crate::text::one_line(message);
            let _ = writeln!(
                text,
                "partly:   {name}: {message}\n          see {place}/{log}"
            );
        }
        for hint in &tally.hints {
            let _ = writeln!(text, "hint:     {}", crate::text::one_line(hint));
        }
        for (name, reason) in &tally.skipped {
            let _ = writeln!(text, "skipped:  {name}: {}", crate::text::one_line(reason));
        }
        for note in &tally.notes {
            let _ = writeln!(text, "note:     {}", crate::text::one_line(note));
        }
        for left in tally.left.iter().chain(&tally.left_on_lost) {
            let _ = writeln!(text, "left:     {}", crate::text::one_line(left));
        }
        if !tally.left.is_empty() || !tally.left_on_lost.is_empty() {
            let _ = writeln!(text, "next:     run-perf --recover {place}");
        }
        if tally.ran > 0 {
            let source = previous.map_or_else(
                || "EARLIER_RESULT".into(),
                |previous| previous.path.display().to_string(),
            );
            let _ = writeln!(
                text,
                "next:     compare-perf -- {} {}",
                source.trim_start_matches("./"),
                place
            );
        }
    }
    let _ = writeln!(text, "{}", tally.summary(place));
    text
}

/// Stops the run when its time is over.
struct Alarm {
    off: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Alarm {
    fn set(limit: Option<Duration>, cancel: CancelToken, time_up: Arc<AtomicBool>) -> Self {
        let off = Arc::new((Mutex::new(false), Condvar::new()));
        let thread = limit.and_then(|limit| {
            let off = off.clone();
            std::thread::Builder::new()
                .name("time-limit".into())
                .spawn(move || {
                    let (lock, wake) = &*off;
                    let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
                    let (guard, result) = wake
                        .wait_timeout_while(guard, limit, |off| !*off)
                        .unwrap_or_else(PoisonError::into_inner);
                    if result.timed_out() && !*guard && !cancel.is_cancelled() {
                        tracing::warn!("the time limit is reached: stopping in good order");
                        time_up.store(true, Ordering::SeqCst);
                        cancel.raise();
                    }
                })
                .ok()
        });
        Self { off, thread }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        *self.off.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.off.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
