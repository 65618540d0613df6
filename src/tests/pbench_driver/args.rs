//! The command line pbench is given.

use serde_json::{Map, Value};

use super::{Benchmark, Kind};
use crate::shell::quote::quote;
use crate::tests::fio::params::PER_WORKER_CPUS;
use crate::tests::params::{ParamError, Params};

/// Tools that watch the machines where nothing else is asked for.
const TOOLS: [&str; 5] = ["sar", "iostat", "mpstat", "proc-interrupts", "proc-vmstat"];
/// Their options.
const TOOL_OPTIONS: &str = "--interval=3";

/// pbench's parameters that run-perf decides, and why.
const REFUSED: [(&str, &str); 6] = [
    ("clients", "the workers are those of the profile"),
    ("client-file", "the workers are those of the profile"),
    ("servers", "the servers are the hosts of the workers"),
    ("run-dir", "results lie in the directory named by --output"),
    (
        "postprocess-only",
        "figures are read from a run of their own",
    ),
    ("install", "packages are looked after before the run"),
];

/// A tool and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolLine {
    /// `sar`.
    pub name: String,
    /// `--interval=3`; may be empty.
    pub options: String,
}

/// Parameters as pbench gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What runs.
    pub benchmark: Benchmark,
    /// Sorted by key.
    params: Vec<(String, String)>,
    /// `None`: those of the metadata, else the usual ones.
    tools: Option<Vec<ToolLine>>,
}

/// What only the machines know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Addresses of the workers of the first host.
    pub clients: Vec<String>,
    /// Address of the first host.
    pub host: String,
    /// Its `guest_cpus`.
    pub cpus: u64,
    /// Path of the benchmark's program on the host.
    pub binary: Option<String>,
    /// Whether `pbench-linpack` takes `--clients`.
    pub new_linpack: bool,
}

impl Line {
    /// Takes the parameters over, unchecked but for those that run-perf decides.
    ///
    /// # Errors
    /// Such a parameter, a key that is none, a value that is no text, number, switch or list.
    pub fn read(benchmark: Benchmark, given: &Map<String, Value>) -> Result<Self, ParamError> {
        let item = benchmark.name;
        let invalid = |name: &str, message: String| ParamError::Invalid {
            item: item.into(),
            name: name.into(),
            message,
        };
        let passed: Map<String, Value> = given
            .iter()
            .filter(|(key, _)| !key.starts_with("__") && *key != "driver" && *key != "pbench_tools")
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut params: Vec<(String, String)> = Vec::new();
        for key in passed.keys() {
            if let Some((_, why)) = REFUSED.iter().find(|(name, _)| name == key) {
                return Err(invalid(key, format!("not supported: {why}")));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if key.is_empty() || !key.chars().all(plain) {
                return Err(invalid(
                    key,
                    "expected a name of letters, digits and dashes".into(),
                ));
            }
        }
        // `Params` knows what a value looks like as text.
        let read = Params::unchecked(item, passed.clone());
        for key in passed.keys() {
            params.push((key.clone(), read.text(key)?.unwrap_or_default()));
        }
        for (key, value) in benchmark.defaults {
            if !passed.contains_key(*key) {
                params.push(((*key).to_owned(), (*value).to_owned()));
            }
        }
        params.sort();
        let tools = match given.get("pbench_tools") {
            None => None,
            Some(Value::Array(items)) => Some(tools(items).ok_or_else(|| {
                invalid(
                    "pbench_tools",
                    "expected a list of `tool` or `tool:options`".into(),
                )
            })?),
            Some(other) => {
                return Err(invalid(
                    "pbench_tools",
                    format!("expected a list, found `{other}`"),
                ));
            }
        };
        Ok(Self {
            benchmark,
            params,
            tools,
        })
    }

    /// Returns the tools to register; `metadata` is the JSON list of the run's `pbench_tools`.
    pub fn tools(&self, metadata: Option<&str>) -> Vec<ToolLine> {
        let of_run = || {
            let items: Vec<Value> = serde_json::from_str(metadata?).ok()?;
            tools(&items)
        };
        let usual = || {
            let line = |name: &&str| ToolLine {
                name: (*name).to_owned(),
                options: TOOL_OPTIONS.to_owned(),
            };
            TOOLS.iter().map(line).collect()
        };
        self.tools.clone().or_else(of_run).unwrap_or_else(usual)
    }

    /// Returns a parameter as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        let (_, value) = self.params.iter().find(|(key, _)| key == name)?;
        value.trim().parse().ok()
    }

    /// Returns the command, for `sh`.
    pub fn command(&self, known: &Known) -> String {
        let mut params = self.params.clone();
        if self.benchmark.kind == Kind::Linpack && !params.iter().any(|(key, _)| key == "threads") {
            params.push(("threads".into(), threads(known.cpus * 2)));
            params.sort();
        }
        let workers = known.clients.len().max(1) as u64;
        let per_worker = (known.cpus / workers).to_string();
        let mut args = String::new();
        for (key, value) in &params {
            let value = if value == PER_WORKER_CPUS {
                &per_worker
            } else {
                value
            };
            let key = match (self.benchmark.kind, key.as_str()) {
                (Kind::Linpack, "samples") if !known.new_linpack => "run-samples",
                (Kind::Linpack, "linpack-binary") => continue,
                (_, key) => key,
            };
            args.push_str(&format!(" --{key}={}", quote(value)));
        }
        args.push_str(&format!(" --clients={}", quote(&known.clients.join(","))));
        let name = self.benchmark.name;
        let binary = known.binary.as_deref().unwrap_or_default();
        // Two blanks after the program, as the older tool writes it.
        match self.benchmark.kind {
            Kind::Plain => format!("pbench-{name} {args}"),
            Kind::WithServers => {
                let servers = vec![known.host.as_str(); known.clients.len()].join(",");
                format!(
                    "PERL5LIB=/opt/pbench-agent/tool-scripts/postprocess/:/opt/pbench-agent/bench-scripts/postprocess/ pbench-{name} {args} --servers {}",
                    quote(&servers)
                )
            }
            Kind::Linpack if known.new_linpack => {
                let dir = binary.rsplit_once('/').map_or("", |(dir, _)| dir);
                format!("linpack_dir={} pbench-{name} {args}", quote(dir))
            }
            Kind::Linpack => format!(
                "ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 pbench-run-benchmark {name} {args} --linpack-binary={}",
                quote(binary)
            ),
        }
    }
}

fn tools(items: &[Value]) -> Option<Vec<ToolLine>> {
    let one = |item: &Value| {
        let text = item.as_str()?;
        let (name, options) = text.split_once(':').unwrap_or((text, ""));
        Some(ToolLine {
            name: name.to_owned(),
            options: options.to_owned(),
        })
    };
    items.iter().map(one).collect()
}

/// Returns the numbers of threads for `n` hardware threads: steps of a quarter, 1 and `n` included.
fn threads(n: u64) -> String {
    let n = n.max(1);
    let step = (n / 4).max(1);
    let mut all: Vec<u64> = (1..=n / step).map(|factor| factor * step).collect();
    if all.last() != Some(&n) {
        all.push(n);
    }
    if step > 1 {
        all.insert(0, 1);
    }
    let texts: Vec<String> = all.iter().map(u64::to_string).collect();
    texts.join(",")
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::super::{FIO, LINPACK, UPERF};
    use super::*;

    fn line(benchmark: Benchmark, given: Value) -> Line {
        Line::read(benchmark, given.as_object().expect("an object")).expect("good")
    }

    fn known() -> Known {
        Known {
            clients: vec!["addr2".into()],
            host: "addr2".into(),
            cpus: 8,
            binary: Some("/usr/local/x/benchmarks/linpack/xlinpack_xeon64".into()),
            new_linpack: true,
        }
    }

    #[test]
    fn command_lines_are_those_of_the_older_tool() {
        for (benchmark, expected) in [
            (
                FIO,
                "pbench-fio  --ramptime=10 --runtime=180 --samples=3 --test-types=read,write,rw --clients=addr2",
            ),
            (
                UPERF,
                "PERL5LIB=/opt/pbench-agent/tool-scripts/postprocess/:/opt/pbench-agent/bench-scripts/postprocess/ pbench-uperf  --message-sizes=1,64,16384 --protocols=tcp --runtime=60 --samples=3 --test-types=stream --clients=addr2 --servers addr2",
            ),
            (
                LINPACK,
                "linpack_dir=/usr/local/x/benchmarks/linpack pbench-linpack  --samples=3 --threads=1,4,8,12,16 --clients=addr2",
            ),
        ] {
            assert_eq!(line(benchmark, json!({})).command(&known()), expected);
        }
        let old = Known {
            new_linpack: false,
            ..known()
        };
        assert_eq!(
            line(LINPACK, json!({"threads": 4})).command(&old),
            "ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 pbench-run-benchmark linpack  --run-samples=3 --threads=4 --clients=addr2 --linpack-binary=/usr/local/x/benchmarks/linpack/xlinpack_xeon64"
        );
    }

    #[test]
    fn lists_of_threads() {
        for (n, expected) in [
            (1, "1"),
            (2, "1,2"),
            (7, "1,2,3,4,5,6,7"),
            (16, "1,4,8,12,16"),
            (18, "1,4,8,12,16,18"),
            (79, "1,19,38,57,76,79"),
        ] {
            assert_eq!(threads(n), expected, "{n}");
        }
    }

    #[test]
    fn parameters_are_handed_on_and_quoted() {
        let given = json!({"driver": "pbench", "__NAME__": "x", "numjobs": PER_WORKER_CPUS, "targets": ["/a b", "/c"],
            "test-types": "read", "pbench_tools": ["sar", "iostat:--interval=1"]});
        let line = line(FIO, given);
        let two = Known {
            clients: vec!["a".into(), "b".into()],
            ..known()
        };
        assert_eq!(
            line.command(&two),
            "pbench-fio  --numjobs=4 --ramptime=10 --runtime=180 --samples=3 --targets='/a b,/c' --test-types=read --clients=a,b"
        );
        let tools = line.tools(None);
        assert_eq!(
            (tools.len(), tools[1].options.as_str()),
            (2, "--interval=1")
        );
        assert_eq!(line.number("runtime"), Some(180));
    }

    #[test]
    fn tools_come_from_the_test_else_the_run_else_are_the_usual_ones() {
        let plain = line(FIO, json!({}));
        assert_eq!(plain.tools(None).len(), 5);
        assert_eq!(plain.tools(Some("[\"sar:-x\"]"))[0].options, "-x");
        assert!(
            line(FIO, json!({"pbench_tools": []}))
                .tools(Some("[\"sar\"]"))
                .is_empty()
        );
    }

    #[test]
    fn what_run_perf_decides_is_refused() {
        for given in [
            json!({"clients": "a"}),
            json!({"a b": 1}),
            json!({"x": {"y": 1}}),
            json!({"pbench_tools": "sar"}),
        ] {
            let given = given.as_object().expect("an object");
            assert!(Line::read(FIO, given).is_err(), "{given:?}");
        }
    }
}
