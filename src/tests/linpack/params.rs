//! Parameters of the test `linpack`: those of pbench-linpack, and a few of ours.

use serde_json::{Map, Value};

use crate::tests::params::{Param, ParamError};
use crate::tests::tool::options::{self, Repeat};

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    Param::new(
        "threads",
        &["thread"],
        "five steps up to twice the processors (hpcc: up to all of them)",
        "Threads, or processes of hpcc; several are iterations",
    ),
    Param::new(
        "problem-sizes",
        &["problem-size"],
        "20000 (hpcc: 5000)",
        "Order of the matrix; it takes 8 bytes by the square of this",
    ),
    options::SAMPLES,
    options::MAX_STDDEV,
    options::MAX_FAILURES,
    Param::new(
        "timeout",
        &[],
        "7200",
        "Seconds a sample may take before it is ended and the test fails",
    ),
    Param::new(
        "linpack-binary",
        &["binary"],
        "found on PATH, then in /usr/local and /opt/intel, then hpcc",
        "Path of the program on the machines; one named hpcc is run by mpirun",
    ),
    Param::new(
        "leading-dimensions",
        &["leading-dimension"],
        "problem size and 16, up to a multiple of 8",
        "Of Intel's binary, one for each problem size",
    ),
    Param::new(
        "alignment-values",
        &["alignment-value"],
        "4",
        "KiB, of Intel's binary",
    ),
    Param::new(
        "use-omp",
        &[],
        "y",
        "n: leave OMP_NUM_THREADS and KMP_AFFINITY alone",
    ),
    Param::new(
        "kmp-affinity",
        &[],
        "nowarnings,compact,1,0,granularity=fine",
        "KMP_AFFINITY of Intel's binary",
    ),
    Param::new(
        "numactl-args",
        &[],
        "",
        "Run under numactl with these arguments",
    ),
    Param::new("block-size", &[], "128", "NB of hpcc"),
    Param::new(
        "lininput-header",
        &[],
        "",
        "First line of the input of Intel's binary",
    ),
    Param::new("lininput-subheader", &[], "", "Second line of it"),
    options::DRIVER,
    options::PBENCH[0],
    options::PBENCH[1],
    options::PBENCH[2],
    options::PBENCH[3],
    options::PBENCH[5],
];

/// Parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `None`: by processors.
    pub threads: Option<Vec<u64>>,
    /// `None`: by program.
    pub problem_sizes: Option<Vec<u64>>,
    /// As many as problem sizes, when given.
    pub leading: Option<Vec<u64>>,
    /// KiB.
    pub alignment: u64,
    /// NB of hpcc.
    pub block: u64,
    /// How often.
    pub repeat: Repeat,
    /// Seconds.
    pub timeout_s: u64,
    /// Program.
    pub binary: Option<String>,
    /// `KMP_AFFINITY`; `None`: threads are left to the program.
    pub affinity: Option<String>,
    /// Words.
    pub numactl: Vec<String>,
    /// Two lines.
    pub header: [String; 2],
    /// Given, but without effect here.
    pub ignored: Vec<&'static str>,
}

impl Settings {
    /// Checks names and values.
    ///
    /// # Errors
    /// [`ParamError`] naming the parameter, what was expected and found.
    pub fn read(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = options::check(super::NAME, given, PARAMS)?;
        let some = |name, least, most| -> Result<Option<Vec<u64>>, ParamError> {
            let numbers = options::numbers(&params, name, &[], least, most)?;
            Ok((!numbers.is_empty()).then_some(numbers))
        };
        let problem_sizes = some("problem-sizes", 1, 10_000_000)?;
        let leading = some("leading-dimensions", 1, 10_000_100)?;
        if let Some(leading) = &leading {
            let sizes = problem_sizes
                .as_deref()
                .unwrap_or(&[super::input::INTEL_SIZE]);
            if leading.len() != sizes.len() || leading.iter().zip(sizes).any(|(lda, n)| lda < n) {
                let message = format!(
                    "expected one for each problem size ({}) and none smaller, found {}",
                    join(sizes),
                    join(leading)
                );
                return Err(params.invalid("leading-dimensions", message));
            }
        }
        let text = |name: &str, default: &str| -> Result<String, ParamError> {
            let given = options::given_text(&params, name)?;
            Ok(given.unwrap_or_else(|| default.to_owned()))
        };
        let affinity = text("kmp-affinity", "nowarnings,compact,1,0,granularity=fine")?;
        let omp = params.switch("use-omp")?.unwrap_or(true);
        Ok(Self {
            threads: some("threads", 1, 65536)?,
            problem_sizes,
            leading,
            alignment: options::number(&params, "alignment-values", 4, 1, 1 << 20)?,
            block: options::number(&params, "block-size", 128, 1, 1 << 20)?,
            repeat: Repeat::read(&params)?,
            timeout_s: options::number(&params, "timeout", 7200, 1, 10_000_000)?,
            binary: options::binary(&params, "linpack-binary")?,
            affinity: omp.then_some(affinity),
            numactl: text("numactl-args", "")?
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            header: [
                text("lininput-header", "LINPACK benchmark data file")?,
                text("lininput-subheader", "LINPACK benchmark data")?,
            ],
            ignored: options::without_effect(&params),
        })
    }
}

fn join(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(", ")
}

/// Returns the numbers of threads up to `most`, in the steps run-perf always took.
///
/// A quarter of `most` (at least 1) and its multiples, then `most` itself; 1 in front.
pub fn steps(most: u64) -> Vec<u64> {
    let most = most.max(1);
    let step = (most / 4).max(1);
    let mut steps = Vec::new();
    if step > 1 {
        steps.push(1);
    }
    steps.extend((1..).map(|n| n * step).take_while(|n| *n <= most));
    if steps.last() != Some(&most) {
        steps.push(most);
    }
    steps
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    #[test]
    fn threads_go_up_as_in_the_older_tool() {
        assert_eq!(steps(1), [1]);
        assert_eq!(steps(2), [1, 2]);
        assert_eq!(steps(7), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(steps(16), [1, 4, 8, 12, 16]);
        assert_eq!(steps(18), [1, 4, 8, 12, 16, 18]);
        assert_eq!(steps(79), [1, 19, 38, 57, 76, 79]);
    }

    #[test]
    fn leading_dimensions_belong_to_problem_sizes() {
        let read = |given: Value| Settings::read(given.as_object().expect("an object"));
        let good = read(
            json!({"problem-sizes": "100,200", "leading-dimensions": "108,208", "use-omp": "n"}),
        );
        let good = good.expect("good");
        assert_eq!(good.leading, Some(vec![108, 208]));
        assert_eq!(good.affinity, None);
        for (bad, message) in [
            (
                json!({"problem-sizes": "100,200", "leading-dimensions": "108"}),
                "one for each",
            ),
            (
                json!({"leading-dimensions": "100"}),
                "(20000) and none smaller, found 100",
            ),
            (json!({"threads": "0"}), "from 1"),
            (json!({"linpack-binary": "./xlinpack"}), "absolute path"),
        ] {
            let error = read(bad).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
