//! A run of the test on this machine, and looking at what it left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use runperf::control::Context;
use runperf::control::event::{Event, Observer};
use runperf::host::{Host, HostParams, Worker, Workers};
use runperf::shell::local::LocalShell;
use runperf::store::result_json::{Iteration, MetricEntry};
use runperf::tests::{Test, TestContext, TestError, fio};
use serde_json::{Value, json};

/// Says aloud what is left out, and why.
macro_rules! need {
    ($condition:expr, $what:literal) => {
        if !$condition {
            let _ = writeln!(std::io::stderr(), "skipped: {}", $what);
            return;
        }
    };
}

pub(crate) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}
/// Remembers what it was told, in words.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) Mutex<Vec<Event>>);

impl Observer for Memory {
    fn event(&self, event: &Event) {
        self.0
            .lock()
            .expect("no panic while held")
            .push(event.clone());
    }
}

/// A run of one test on this machine.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) host: Host,
    pub(crate) workers: Workers,
    pub(crate) context: Context,
    pub(crate) memory: Arc<Memory>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let shell = Arc::new(LocalShell::new("localhost"));
        let host = Host {
            name: "localhost".into(),
            address: "127.0.0.1".into(),
            params: HostParams(BTreeMap::from([("guest_cpus".into(), json!(2))])),
            distro: "Debian-12".into(),
            shell: shell.clone(),
        };
        let worker = Worker {
            name: "localhost".into(),
            address: "127.0.0.1".into(),
            role: None,
            host: "localhost".into(),
            shell,
        };
        let memory = Arc::new(Memory::default());
        let mut context = Context::for_test(dir.path());
        context.observer = memory.clone();
        Self {
            host,
            workers: Workers(vec![vec![worker]]),
            context,
            memory,
            dir,
        }
    }

    pub(crate) fn attempt(&self) -> PathBuf {
        let attempt = self.dir.path().join("attempt");
        std::fs::create_dir_all(&attempt).expect("a folder");
        attempt
    }

    pub(crate) fn target(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Set-up, run and clean-up as the controller does them.
    pub(crate) fn run(&self, given: &Value) -> Result<Vec<Iteration>, TestError> {
        self.run_test(build(given))
    }

    /// The same with a test that is built.
    pub(crate) fn run_test(&self, mut test: Box<dyn Test>) -> Result<Vec<Iteration>, TestError> {
        let dir = self.attempt();
        let cx = TestContext {
            run: &self.context,
            profile: "Localhost",
            host: &self.host,
            hosts: std::slice::from_ref(&self.host),
            workers: &self.workers,
            dir: &dir,
        };
        let result = test.set_up(&cx).and_then(|()| test.run(&cx));
        test.clean_up(&cx).expect("cleaned up");
        result
    }

    pub(crate) fn failure(&self, given: &Value) -> (String, String, String) {
        match self.run(given) {
            Err(TestError::Failed {
                class,
                message,
                hint,
            }) => (class, message, hint.unwrap_or_default()),
            other => panic!("expected a failure, found {other:?}"),
        }
    }

    /// Everything below the attempt, sorted.
    pub(crate) fn kept(&self) -> Vec<String> {
        fn walk(dir: &Path, below: &str, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).expect("readable") {
                let entry = entry.expect("an entry");
                let name = format!("{below}{}", entry.file_name().to_string_lossy());
                if entry.path().is_dir() {
                    walk(&entry.path(), &format!("{name}/"), found);
                } else {
                    found.push(name);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.attempt(), "", &mut found);
        found.sort();
        found
    }
}

pub(crate) fn build(given: &Value) -> Box<dyn Test> {
    fio::build("fio".into(), given.as_object().expect("an object")).expect("good parameters")
}

/// Processes on this machine whose command line holds `part`.
pub(crate) fn processes(part: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if command.starts_with("fio\0")
            && (environment.contains(part) || cwd.display().to_string().contains(part))
        {
            found.push(pid);
        }
    }
    found
}

/// Private folders of fio runs on this machine.
pub(crate) fn folders() -> Vec<PathBuf> {
    let names = std::fs::read_dir(std::env::temp_dir())
        .expect("a temporary folder")
        .flatten();
    let mut found: Vec<PathBuf> = names
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("runperf-fio."))
        })
        .collect();
    found.sort();
    found
}

pub(crate) fn all<'a>(
    entries: &'a BTreeMap<String, Vec<MetricEntry>>,
    metric: &str,
) -> &'a MetricEntry {
    let entry = entries[metric].last().expect("entries");
    assert_eq!(entry.client_hostname, "all", "{metric}");
    entry
}
