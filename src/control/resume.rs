//! `run-perf --resume`: what the stored plan of a result still lacks, run into the same result.
//!
//! `__plan__.json` is turned back into the options it came from and resolved anew; only a plan that
//! comes out the same, letter for letter, is continued. A test has run when its directory has a
//! serial number; one that was cut short, failed or skipped itself runs again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::options::{HostKeys, PARALLEL_HOSTS, PasswordSource, RunOptions};
use super::plan::{Plan, PlanError};
use crate::cli::item::{HostArg, Item};
use crate::config::Config;
use crate::secret::Redactor;
use crate::store::{ResultStore, StoreError};

/// Name of the stored plan in a result.
pub const PLAN_FILE: &str = "__plan__.json";
/// Version of the plan that can be continued.
const SCHEMA: &str = "runperf-plan/1";

/// Why a result cannot be continued; nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// Its plan is not there, or cannot be read.
    #[error("cannot resume {}: {reason}", path.display())]
    NoPlan {
        /// The result.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The same words mean something else now.
    #[error("cannot resume {}: `{part}` of its plan comes out differently now", path.display())]
    Changed {
        /// The result.
        path: PathBuf,
        /// Key of the plan.
        part: String,
    },
    /// It does not resolve any more.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The result cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ResumeError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            ResumeError::NoPlan { .. } => Some("start the run anew with another --output".into()),
            ResumeError::Changed { .. } => Some(
                "bring back the configuration, host and script files of then, or start the run anew"
                    .into(),
            ),
            ResumeError::Plan(error) => error.hint(),
            ResumeError::Store(error) => error.hint(),
        }
    }
}

/// The stored plan, as far as options are made of it.
#[derive(Debug, Deserialize)]
struct Stored {
    schema: String,
    hosts: Vec<StoredHost>,
    distro: String,
    guest_distro: Option<String>,
    host_setup_script: Option<StoredScript>,
    host_packages: Vec<String>,
    profiles: Vec<StoredProfile>,
    retry_tests: u32,
    time_limit_s: Option<u64>,
    monitor_interval_s: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct StoredHost {
    name: String,
    address: String,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    params: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct StoredScript {
    path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct StoredProfile {
    name: String,
    kind: String,
    params: Map<String, Value>,
    keep_assets: bool,
    tests: Vec<StoredTest>,
}

#[derive(Debug, Deserialize)]
struct StoredTest {
    name: String,
    kind: String,
    params: Map<String, Value>,
}

impl Stored {
    fn options(self) -> RunOptions {
        let named = |name: String, mut params: Map<String, Value>| {
            params.insert("__NAME__".into(), name.into());
            params
        };
        let profile = |profile: StoredProfile| {
            let tests: Vec<Value> = profile
                .tests
                .into_iter()
                .map(|test| json!([test.kind, named(test.name, test.params)]))
                .collect();
            let mut params = named(profile.name, profile.params);
            params.insert("__KEEP_ASSETS__".into(), profile.keep_assets.into());
            params.insert("RUNPERF_TESTS".into(), tests.into());
            Item {
                name: profile.kind,
                params,
            }
        };
        let force_params: BTreeMap<String, Map<String, Value>> = self
            .hosts
            .iter()
            .map(|host| (host.address.clone(), host.params.clone()))
            .collect();
        RunOptions {
            tests: Vec::new(),
            profiles: self.profiles.into_iter().map(profile).collect(),
            hosts: self
                .hosts
                .into_iter()
                .map(|host| HostArg {
                    name: host.name,
                    address: host.address,
                    user: host.user,
                    port: host.port,
                })
                .collect(),
            host_keys: HostKeys::default(),
            provisioner: None,
            distro: self.distro,
            guest_distro: self.guest_distro,
            host_packages: self.host_packages,
            worker_packages: Vec::new(),
            host_setup_script: self.host_setup_script.map(|script| script.path),
            host_setup_reboot: false,
            calm_limit: None,
            parallel_hosts: PARALLEL_HOSTS,
            worker_setup_script: None,
            force_params,
            paths: Vec::new(),
            passwords: Vec::new(),
            retry_tests: self.retry_tests,
            time_limit: self.time_limit_s.map(Duration::from_secs),
            keep_tmp_files: false,
            no_reboot: false,
            output: None,
            force: false,
            metadata: Vec::new(),
            run_id: None,
            wait_held: Duration::ZERO,
            monitor_interval: self
                .monitor_interval_s
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            command_line: Vec::new(),
        }
    }
}

/// What a command line may say beside `--resume`.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `--wait-held`.
    pub wait_held: Duration,
    /// `--no-reboot`.
    pub no_reboot: bool,
    /// `--calm-limit`.
    pub calm_limit: Option<Duration>,
    /// `--parallel-hosts`.
    pub parallel_hosts: usize,
    /// `--host-keys`.
    pub host_keys: HostKeys,
    /// `--default-passwords`.
    pub passwords: Vec<PasswordSource>,
    /// As typed, program first.
    pub command_line: Vec<String>,
}

/// Returns the plan of what `result` still lacks; its profiles are those that have tests left.
///
/// # Errors
/// When there is no plan, it hides a secret, or does not come out as it was.
pub fn plan(
    result: &Path,
    config: &Config,
    redactor: &Redactor,
    asked: Asked,
) -> Result<Plan, ResumeError> {
    let no_plan = |reason: String| ResumeError::NoPlan {
        path: result.to_owned(),
        reason,
    };
    let path = result.join(PLAN_FILE);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| no_plan(format!("its {PLAN_FILE} cannot be read: {error}")))?;
    if !result.join(crate::store::metadata::FILE_NAME).is_file() {
        return Err(no_plan("the run died before it began".into()));
    }
    let before: Value = serde_json::from_str(&text)
        .map_err(|error| no_plan(format!("its {PLAN_FILE} is damaged: {error}")))?;
    if hides_secret(&before) {
        return Err(no_plan(format!(
            "its {PLAN_FILE} hides a password that a test or profile needs"
        )));
    }
    let stored = Stored::deserialize(&before)
        .map_err(|error| no_plan(format!("its {PLAN_FILE} is damaged: {error}")))?;
    if stored.schema != SCHEMA {
        return Err(no_plan(format!(
            "its {PLAN_FILE} is `{}`, expected `{SCHEMA}`",
            crate::text::one_line(&stored.schema)
        )));
    }
    let mut plan = Plan::resolve(stored.options(), config)?;
    let now: Value = serde_json::from_str(&plan.to_json(redactor)).unwrap_or_default();
    if let Some(part) = differs(&before, &now) {
        return Err(ResumeError::Changed {
            path: result.to_owned(),
            part,
        });
    }
    plan.options.wait_held = asked.wait_held;
    plan.options.no_reboot = asked.no_reboot;
    plan.options.calm_limit = asked.calm_limit;
    plan.options.parallel_hosts = asked.parallel_hosts;
    plan.options.host_keys = asked.host_keys;
    plan.options.passwords = asked.passwords;
    plan.options.command_line = asked.command_line;
    plan.output = Some(result.to_owned());
    let all = plan.tests().count();
    drop_done(&mut plan, result)?;
    let done = all - plan.tests().count();
    plan.resumes = true;
    plan.notes = vec![format!("resumed: {done} of {all} tests had run before")];
    Ok(plan)
}

/// Returns whether any text was masked when the plan was written.
fn hides_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("***"),
        Value::Array(items) => items.iter().any(hides_secret),
        Value::Object(object) => object.values().any(hides_secret),
        _ => false,
    }
}

/// Returns the first key that differs.
fn differs(before: &Value, now: &Value) -> Option<String> {
    let (before, now) = (before.as_object()?, now.as_object()?);
    let keys = before.keys().chain(now.keys());
    keys.into_iter()
        .find(|key| before.get(*key) != now.get(*key))
        .cloned()
}

/// Takes out of the plan what has a serial number: of several tests of one name the first ones.
fn drop_done(plan: &mut Plan, result: &Path) -> Result<(), StoreError> {
    let store = ResultStore::open(result)?;
    let mut done: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (profile, test) in plan.tests() {
        let folder = store.test_dir(&profile.name, &test.name);
        let count = finished(&folder)?;
        done.insert(folder, count);
    }
    for profile in &mut plan.profiles {
        let name = profile.name.clone();
        profile.tests.retain(
            |test| match done.get_mut(&store.test_dir(&name, &test.name)) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            },
        );
    }
    plan.profiles.retain(|profile| !profile.tests.is_empty());
    Ok(())
}

/// Counts the finished executions in a test's folder.
fn finished(folder: &Path) -> Result<usize, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(StoreError::io("list", folder)(error)),
    };
    let is_serial = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            name.to_string_lossy()
                .starts_with(|c: char| c.is_ascii_digit())
                && entry.path().join("result.json").is_file()
        })
    };
    Ok(entries.map(is_serial).filter(|is| *is).count())
}
