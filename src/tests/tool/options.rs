//! Parameters that many tests have, and how they are read.

use serde_json::{Map, Value};

use crate::tests::params::{Param, ParamError, Params};
use crate::text;

/// Said of parameters that only pbench can honour.
pub const PBENCH_ONLY: &str = "Accepted from command lines for pbench and without effect";

/// How often each iteration is measured.
pub const SAMPLES: Param = Param::new(
    "samples",
    &["run-samples"],
    "3",
    "Samples of each iteration",
);
/// Limit of the spread.
pub const MAX_STDDEV: Param = Param::new(
    "max-stddev",
    &[],
    "",
    "Repeat an iteration whose primary metric spreads by more percent; without it none is repeated",
);
/// Tries under that limit.
pub const MAX_FAILURES: Param = Param::new(
    "max-failures",
    &[],
    "6",
    "Tries of an iteration under max-stddev",
);
/// Which program.
pub const BINARY: Param = Param::new(
    "binary",
    &[],
    "found on PATH",
    "Path of the program on the machines",
);
/// Who drives.
pub const DRIVER: Param = Param::new(
    "driver",
    &[],
    "native",
    "native: the program alone; of fio, uperf and linpack also pbench: by pbench-agent",
);
/// Parameters of pbench that are taken and left alone.
pub const PBENCH: [Param; 6] = [
    Param::new("config", &[], "", PBENCH_ONLY),
    Param::new("sysinfo", &[], "", PBENCH_ONLY),
    Param::new("tool-group", &[], "", PBENCH_ONLY),
    Param::new("tool-label-pattern", &[], "", PBENCH_ONLY),
    Param::new("start-iteration-num", &[], "", PBENCH_ONLY),
    Param::new("pbench_tools", &["pbench-tools"], "", PBENCH_ONLY),
];

/// Parameters of pbench that would break what a run promises, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "clients",
        "the workers are those of the profile; choose them with --hosts and --profiles",
    ),
    (
        "client-file",
        "the workers are those of the profile; choose them with --hosts and --profiles",
    ),
    (
        "servers",
        "servers are machines of the run; choose them with --hosts, --profiles and `placement`",
    ),
    (
        "postprocess-only",
        "figures are always read from a run of their own; use compare-perf on results that exist",
    ),
    ("run-dir", "results lie in the directory named by --output"),
    (
        "install",
        "install the program before the run, or with --host-setup-script",
    ),
];

/// Checks names and spellings, and the driver.
///
/// # Errors
/// [`ParamError`] naming the parameter, what was expected and found.
pub fn check(
    item: &str,
    given: &Map<String, Value>,
    known: &[Param],
) -> Result<Params, ParamError> {
    for (name, why) in REFUSED {
        if given.contains_key(*name) {
            return Err(ParamError::Invalid {
                item: item.into(),
                name: (*name).into(),
                message: format!("not supported: {why}"),
            });
        }
    }
    let params = Params::check(item, given, known)?;
    match given_text(&params, "driver")?.as_deref() {
        None | Some("native") => Ok(params),
        Some(other) => Err(params.invalid("driver", format!("expected native, found `{other}`"))),
    }
}

/// Returns the names of given parameters that have no effect.
pub fn without_effect(params: &Params) -> Vec<&'static str> {
    let given = |param: &&Param| params.get(param.name).is_some();
    PBENCH
        .iter()
        .filter(given)
        .map(|param| param.name)
        .collect()
}

/// How often an iteration is measured, and when it is measured again.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    /// At least one.
    pub samples: u32,
    /// Percent; `None`: no iteration is repeated.
    pub max_stddev: Option<f64>,
    /// Tries of an iteration under `max_stddev`.
    pub max_failures: u32,
}

impl Repeat {
    /// Reads `samples`, `max-stddev` and `max-failures`.
    ///
    /// # Errors
    /// [`ParamError::Invalid`].
    pub fn read(params: &Params) -> Result<Self, ParamError> {
        let max_stddev = match given_text(params, "max-stddev")? {
            None => None,
            Some(text) => match text.trim_end_matches('%').trim().parse::<f64>() {
                Ok(percent) if percent.is_finite() && percent > 0.0 => Some(percent),
                _ => {
                    let message = format!("expected percent above 0, found `{text}`");
                    return Err(params.invalid("max-stddev", message));
                }
            },
        };
        let small = |name, default| -> Result<u32, ParamError> {
            let number = number(params, name, default, 1, 1_000_000)?;
            Ok(u32::try_from(number).unwrap_or(u32::MAX))
        };
        Ok(Self {
            samples: small("samples", 3)?,
            max_stddev,
            max_failures: small("max-failures", 6)?,
        })
    }
}

/// Returns the text of a parameter; the empty text counts as not given.
///
/// # Errors
/// For objects, and for text of several lines.
pub fn given_text(params: &Params, name: &str) -> Result<Option<String>, ParamError> {
    let text = params
        .text(name)?
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    match text {
        Some(text) if text.contains(['\n', '\r', '\0']) => {
            Err(params.invalid(name, "expected one line"))
        }
        text => Ok(text),
    }
}

/// Returns a whole number from `least` to `most`; the empty text is the default, as pbench has it.
///
/// # Errors
/// For anything else.
pub fn number(
    params: &Params,
    name: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, ParamError> {
    match given_text(params, name)? {
        None => Ok(default),
        Some(text) => in_range(params, name, &text, least, most),
    }
}

fn in_range(
    params: &Params,
    name: &str,
    text: &str,
    least: u64,
    most: u64,
) -> Result<u64, ParamError> {
    let range = || {
        if most == u64::MAX {
            format!("of at least {least}")
        } else {
            format!("from {least} to {most}")
        }
    };
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(params.invalid(
            name,
            format!("expected a whole number {}, found `{text}`", range()),
        )),
    }
}

/// Returns a list without repetitions; the empty list counts as not given.
///
/// # Errors
/// For an item that is there twice.
pub fn list(params: &Params, name: &str, default: &[&str]) -> Result<Vec<String>, ParamError> {
    let items = params.list(name)?.filter(|items| !items.is_empty());
    let items = items.unwrap_or_else(|| default.iter().map(|item| (*item).to_owned()).collect());
    for (index, item) in items.iter().enumerate() {
        if items[..index].contains(item) {
            let message = format!("`{item}` is there twice; iterations are told apart by it");
            return Err(params.invalid(name, message));
        }
    }
    Ok(items)
}

/// Returns a list of whole numbers from `least` to `most`, without repetitions.
///
/// # Errors
/// For anything else.
pub fn numbers(
    params: &Params,
    name: &str,
    default: &[&str],
    least: u64,
    most: u64,
) -> Result<Vec<u64>, ParamError> {
    list(params, name, default)?
        .iter()
        .map(|text| in_range(params, name, text, least, most))
        .collect()
}

/// Returns a list of words that must be known, without repetitions.
///
/// # Errors
/// For an unknown word, with the nearest known one.
pub fn words(
    params: &Params,
    name: &str,
    default: &[&str],
    known: &[&str],
) -> Result<Vec<String>, ParamError> {
    let words = list(params, name, default)?;
    for word in &words {
        if !known.contains(&word.as_str()) {
            let near = text::nearest(word, known.iter().copied())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            let message = format!("expected {}, found `{word}`{near}", known.join(", "));
            return Err(params.invalid(name, message));
        }
    }
    Ok(words)
}

/// Returns an absolute path on the machines, or a plain program name.
///
/// # Errors
/// For a relative path.
pub fn binary(params: &Params, name: &str) -> Result<Option<String>, ParamError> {
    let path = given_text(params, name)?;
    match path {
        Some(path) if path.contains('/') && !path.starts_with('/') => Err(params.invalid(
            name,
            format!("expected an absolute path on the machines, found `{path}`"),
        )),
        path => Ok(path),
    }
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    const KNOWN: &[Param] = &[
        SAMPLES,
        MAX_STDDEV,
        MAX_FAILURES,
        DRIVER,
        BINARY,
        Param::new("sizes", &[], "", ""),
        PBENCH[0],
    ];

    fn params(given: &Value) -> Result<Params, ParamError> {
        check("x", given.as_object().expect("an object"), KNOWN)
    }

    #[test]
    fn what_would_break_a_run_is_refused_with_the_reason() {
        let error = params(&json!({"clients": "a"})).expect_err("refused");
        assert!(error.to_string().contains("--hosts"), "{error}");
        let error = params(&json!({"driver": "pbench"})).expect_err("refused");
        assert!(
            error
                .to_string()
                .contains("expected native, found `pbench`"),
            "{error}"
        );
        let known = params(&json!({"config": "nightly"})).expect("accepted");
        assert_eq!(without_effect(&known), ["config"]);
    }

    #[test]
    fn repetition_has_the_defaults_of_run_perf_and_pbench() {
        let repeat = Repeat::read(&params(&json!({})).expect("good")).expect("good");
        assert_eq!(
            (repeat.samples, repeat.max_stddev, repeat.max_failures),
            (3, None, 6)
        );
        let given = params(&json!({"run-samples": "2", "max-stddev": "7.5%"})).expect("good");
        let repeat = Repeat::read(&given).expect("good");
        assert_eq!((repeat.samples, repeat.max_stddev), (2, Some(7.5)));
        for bad in [
            json!({"samples": 0}),
            json!({"max-stddev": "-1"}),
            json!({"max-stddev": "x"}),
        ] {
            assert!(
                Repeat::read(&params(&bad).expect("known")).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn lists_refuse_repetitions_and_numbers_out_of_range() {
        let read = |given: Value| numbers(&params(&given).expect("known"), "sizes", &["1"], 1, 99);
        assert_eq!(read(json!({})), Ok(vec![1]));
        assert_eq!(read(json!({"sizes": [3, 2]})), Ok(vec![3, 2]));
        for (bad, message) in [
            (json!({"sizes": "3,3"}), "twice"),
            (json!({"sizes": "100"}), "from 1 to 99"),
            (json!({"sizes": "x"}), "found `x`"),
        ] {
            let error = read(bad).expect_err("refused").to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_binary_is_a_name_or_an_absolute_path() {
        for (given, good) in [
            ("/opt/x", true),
            ("x2", true),
            ("./x", false),
            ("a/x", false),
        ] {
            let params = params(&json!({"binary": given})).expect("known");
            assert_eq!(binary(&params, "binary").is_ok(), good, "{given}");
        }
    }
}
