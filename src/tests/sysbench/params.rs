//! Parameters of the test `sysbench`.

use serde_json::{Map, Value};

use crate::tests::params::{Param, ParamError};
use crate::tests::tool::options::{self, Repeat};

/// What sysbench can do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Prime numbers.
    Cpu,
    /// Blocks read or written in memory.
    Memory,
    /// Threads that yield with locks held.
    Threads,
    /// Many short locks.
    Mutex,
    /// Reads and writes of files.
    Fileio,
}

const KINDS: &[(&str, Kind)] = &[
    ("cpu", Kind::Cpu),
    ("memory", Kind::Memory),
    ("threads", Kind::Threads),
    ("mutex", Kind::Mutex),
    ("fileio", Kind::Fileio),
];

impl Kind {
    /// Returns the name sysbench has for it.
    pub fn name(self) -> &'static str {
        let found = KINDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }

    /// Returns the figure that decides the verdict.
    pub fn primary(self) -> &'static str {
        match self {
            Kind::Cpu | Kind::Threads => "events_sec",
            Kind::Memory => "MiB_sec",
            Kind::Mutex => "lat_avg",
            Kind::Fileio => "ops_sec",
        }
    }

    /// Returns how the options that only this test has begin.
    fn prefix(self) -> &'static str {
        match self {
            Kind::Cpu => "cpu-",
            Kind::Memory => "memory-",
            Kind::Threads => "thread-",
            Kind::Mutex => "mutex-",
            Kind::Fileio => "file-",
        }
    }
}

const fn handed(name: &'static str, default: &'static str, summary: &'static str) -> Param {
    Param::new(name, &[], default, summary)
}

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    Param::new(
        "tests",
        &["test", "test-types"],
        "cpu,memory,threads",
        "cpu, memory, threads, mutex, fileio",
    ),
    Param::new(
        "threads",
        &[],
        "1",
        "Threads of each worker; all: as many as it has processors",
    ),
    Param::new(
        "runtime",
        &["time"],
        "60",
        "Seconds of each sample; mutex ends by itself",
    ),
    options::SAMPLES,
    options::MAX_STDDEV,
    options::MAX_FAILURES,
    handed("cpu-max-prime", "10000", "Upper limit of prime numbers"),
    handed("memory-block-size", "1K", "Size of a block"),
    handed("memory-scope", "global", "global or local"),
    handed("memory-oper", "write", "read, write or none"),
    handed("memory-access-mode", "seq", "seq or rnd"),
    handed("thread-yields", "1000", "Yields of an event"),
    handed("thread-locks", "8", "Locks"),
    handed("mutex-num", "4096", "Size of the array of locks"),
    handed("mutex-locks", "50000", "Locks each thread takes"),
    handed("mutex-loops", "10000", "Empty loops between two locks"),
    handed("file-num", "128", "Files"),
    handed("file-total-size", "1G", "Size of all files together"),
    handed("file-block-size", "16384", "Bytes of an operation"),
    handed(
        "file-test-mode",
        "rndrw",
        "seqwr, seqrewr, seqrd, rndrd, rndwr, rndrw; several are iterations",
    ),
    handed("file-io-mode", "sync", "sync, async or mmap"),
    handed("file-extra-flags", "", "sync, dsync, direct"),
    handed(
        "file-fsync-freq",
        "100",
        "Requests between two fsync; 0: none",
    ),
    Param::new(
        "directory",
        &[],
        "the private folder in the temporary directory",
        "Where files are made; removed afterwards",
    ),
    Param::new("seed", &[], "1", "Of random numbers"),
    options::BINARY,
    options::DRIVER,
];

const FILE_MODES: &[&str] = &["seqwr", "seqrewr", "seqrd", "rndrd", "rndwr", "rndrw"];

/// How many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// So many.
    Count(u64),
    /// As many as the machine has processors.
    All,
}

/// One iteration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What is done.
    pub kind: Kind,
    /// By how many.
    pub threads: Threads,
    /// Of `fileio`.
    pub file_mode: Option<String>,
}

impl Case {
    /// Returns `cpu-2t`, `fileio-rndrd-allt`.
    pub fn name(&self) -> String {
        let mode = self.file_mode.as_ref().map(|mode| format!("-{mode}"));
        let threads = match self.threads {
            Threads::Count(count) => count.to_string(),
            Threads::All => "all".into(),
        };
        format!(
            "{}{}-{threads}t",
            self.kind.name(),
            mode.unwrap_or_default()
        )
    }
}

/// Parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In the order they run.
    pub cases: Vec<Case>,
    /// Seconds.
    pub runtime_s: u64,
    /// How often.
    pub repeat: Repeat,
    /// Handed to sysbench as they are.
    pub handed: Vec<(&'static str, String)>,
    /// Bytes of all files, for the time a layout may take.
    pub file_bytes: u64,
    /// Absolute path on the machines.
    pub directory: Option<String>,
    /// Of random numbers; 0 would be a new one each time.
    pub seed: u64,
    /// Program.
    pub binary: String,
}

impl Settings {
    /// Checks names and values.
    ///
    /// # Errors
    /// [`ParamError`] naming the parameter, what was expected and found.
    pub fn read(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = options::check(super::NAME, given, PARAMS)?;
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        let kinds = options::words(&params, "tests", &["cpu", "memory", "threads"], &names)?;
        let threads: Vec<Threads> = options::list(&params, "threads", &["1"])?
            .iter()
            .map(|text| match text.parse() {
                Ok(count) if (1..=65536).contains(&count) => Ok(Threads::Count(count)),
                Err(_) if text == "all" => Ok(Threads::All),
                _ => {
                    let message =
                        format!("expected numbers from 1 to 65536 or all, found `{text}`");
                    Err(params.invalid("threads", message))
                }
            })
            .collect::<Result<_, _>>()?;
        let modes = options::words(&params, "file-test-mode", &["rndrw"], FILE_MODES)?;
        let mut cases = Vec::new();
        for (_, kind) in kinds
            .iter()
            .filter_map(|name| KINDS.iter().find(|(known, _)| known == name))
        {
            let modes: Vec<Option<String>> = match kind {
                Kind::Fileio => modes.iter().cloned().map(Some).collect(),
                _ => vec![None],
            };
            for file_mode in modes {
                cases.extend(threads.iter().map(|threads| Case {
                    kind: *kind,
                    threads: *threads,
                    file_mode: file_mode.clone(),
                }));
            }
        }
        let mut handed = Vec::new();
        for param in PARAMS.iter().filter(|param| {
            param.name != "file-test-mode"
                && KINDS
                    .iter()
                    .any(|(_, kind)| param.name.starts_with(kind.prefix()))
        }) {
            let given = options::given_text(&params, param.name)?;
            let default = (param.name == "file-total-size").then(|| param.default.to_owned());
            handed.extend(given.or(default).map(|value| (param.name, value)));
        }
        let size = handed.iter().find(|(name, _)| *name == "file-total-size");
        let size = size.map_or("", |(_, value)| value.as_str());
        let file_bytes = bytes(size).ok_or_else(|| {
            let message = format!("expected a size such as 512M or 2G, found `{size}`");
            params.invalid("file-total-size", message)
        })?;
        let directory = options::given_text(&params, "directory")?;
        if let Some(path) = directory.as_deref().filter(|path| !path.starts_with('/')) {
            let message = format!("expected an absolute path on the machines, found `{path}`");
            return Err(params.invalid("directory", message));
        }
        Ok(Self {
            cases,
            runtime_s: options::number(&params, "runtime", 60, 1, 1_000_000)?,
            repeat: Repeat::read(&params)?,
            handed,
            file_bytes,
            directory,
            seed: options::number(&params, "seed", 1, 1, u32::MAX.into())?,
            binary: options::binary(&params, "binary")?.unwrap_or_else(|| super::NAME.into()),
        })
    }

    /// Returns the options of a case that were given, as sysbench spells them.
    pub fn options_of(&self, case: &Case) -> Vec<String> {
        let fits = |name: &str| name.starts_with(case.kind.prefix());
        let mut out: Vec<String> = self
            .handed
            .iter()
            .filter(|(name, _)| fits(name))
            .map(|(name, value)| format!("--{name}={value}"))
            .collect();
        out.extend(
            case.file_mode
                .as_ref()
                .map(|mode| format!("--file-test-mode={mode}")),
        );
        out
    }
}

/// Returns a size as sysbench reads it: a number and one of K, M, G, T.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn read(given: Value) -> Result<Settings, ParamError> {
        Settings::read(given.as_object().expect("an object"))
    }

    #[test]
    fn iterations_are_the_product_of_tests_modes_and_threads() {
        let settings = read(
            json!({"tests": "fileio,cpu", "threads": "2,all", "file-test-mode": "rndrd,seqwr"}),
        );
        let names: Vec<String> = settings
            .expect("good")
            .cases
            .iter()
            .map(Case::name)
            .collect();
        assert_eq!(
            names,
            [
                "fileio-rndrd-2t",
                "fileio-rndrd-allt",
                "fileio-seqwr-2t",
                "fileio-seqwr-allt",
                "cpu-2t",
                "cpu-allt"
            ]
        );
    }

    #[test]
    fn options_go_to_the_test_they_belong_to() {
        let settings = read(
            json!({"tests": "cpu,fileio", "cpu-max-prime": 500, "file-num": 2, "memory-oper": "read"}),
        );
        let settings = settings.expect("good");
        assert_eq!(
            settings.options_of(&settings.cases[0]),
            ["--cpu-max-prime=500"]
        );
        assert_eq!(
            settings.options_of(&settings.cases[1]),
            [
                "--file-num=2",
                "--file-total-size=1G",
                "--file-test-mode=rndrw"
            ]
        );
        assert_eq!(settings.file_bytes, 1 << 30);
    }

    #[test]
    fn bad_values_say_what_was_expected() {
        for (given, message) in [
            (json!({"tests": "oltp"}), "expected cpu, memory"),
            (json!({"tests": "memroy"}), "did you mean `memory`?"),
            (json!({"threads": "0"}), "or all, found `0`"),
            (json!({"directory": "tmp"}), "an absolute path"),
            (json!({"file-total-size": "2 GB"}), "such as 512M or 2G"),
            (json!({"runtime": "soon"}), "found `soon`"),
            (
                json!({"cpu-max-primes": 5}),
                "did you mean `cpu-max-prime`?",
            ),
        ] {
            let error = read(given).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
