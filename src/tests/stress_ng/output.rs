//! Figures in the YAML file of stress-ng, and why there are none.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::metric::Better;
use crate::shell::{Exit, Output};
use crate::tests::fault::Fault;
use crate::tests::pbench::{Class, SampleEntry};
use crate::text;

#[derive(Debug, Deserialize)]
struct Document {
    #[serde(default)]
    metrics: Vec<Stressor>,
}

#[derive(Debug, Deserialize)]
struct Stressor {
    stressor: String,
    #[serde(flatten)]
    figures: BTreeMap<String, serde_json::Value>,
}

/// Figures of every stressor that say little about the machine, or the same again.
const LEFT_OUT: &[&str] = &[
    "bogo-ops",
    "wall-clock-time",
    "user-time",
    "system-time",
    "cpu-usage-per-instance",
    "max-rss",
];

/// Returns the figures of one run, for `client`. With several stressors each metric begins with the
/// name of its own.
///
/// # Errors
/// `exit-status`, `bad-option`, `unsupported` when a stressor did not run, `no-figures`.
pub fn entries(
    asked: &[String],
    client: &str,
    output: &Output,
    yaml: Option<&[u8]>,
) -> Result<Vec<SampleEntry>, Fault> {
    if !output.exit.success() {
        return Err(failed(output));
    }
    let document = match yaml {
        Some(yaml) => document(yaml)?,
        None => Document {
            metrics: Vec::new(),
        },
    };
    let same = |a: &str, b: &str| a.replace('_', "-") == b.replace('_', "-");
    let mut out = Vec::new();
    for name in asked {
        let found = document
            .metrics
            .iter()
            .find(|stressor| same(&stressor.stressor, name));
        let Some(stressor) = found else {
            return Err(not_run(name, output));
        };
        let prefix = match asked.len() {
            1 => String::new(),
            _ => format!("{name}_"),
        };
        out.extend(figures(stressor, &prefix, client)?);
    }
    Ok(out)
}

fn document(yaml: &[u8]) -> Result<Document, Fault> {
    let text = String::from_utf8_lossy(yaml);
    let whole = text.trim_end();
    // The end mark is the last thing written: without it the file is cut off.
    let Some(body) = whole.strip_suffix("...") else {
        let message = "the YAML of stress-ng is cut off";
        let hint = "the disk may be full, or it was killed; read metrics.yaml below raw/";
        return Err(Fault::new("truncated-yaml", message, hint));
    };
    serde_saphyr::from_str(body).map_err(|error: serde_saphyr::Error| {
        let message = format!(
            "the YAML of stress-ng cannot be read: {}",
            text::one_line(&error.without_snippet().to_string())
        );
        Fault::new("bad-yaml", message, "read metrics.yaml below raw/")
    })
}

fn figures(stressor: &Stressor, prefix: &str, client: &str) -> Result<Vec<SampleEntry>, Fault> {
    let mut out = Vec::new();
    for (key, value) in &stressor.figures {
        let Some(value) = value.as_f64().filter(|value| value.is_finite()) else {
            continue;
        };
        if LEFT_OUT.contains(&key.as_str()) {
            continue;
        }
        let (metric, meaning) = meaning(key);
        out.push(SampleEntry {
            class: meaning.class,
            metric: format!("{prefix}{metric}"),
            client: client.into(),
            unit: meaning.unit.into(),
            better: meaning.better,
            description: format!("{} of stressor {}", meaning.words, stressor.stressor),
            value,
            series: Vec::new(),
            aggregate: true,
        });
    }
    let primary = format!("{prefix}bogo_ops_sec");
    let Some(first) = out.iter().position(|entry| entry.metric == primary) else {
        let message = format!(
            "stress-ng wrote no operations per second of {}",
            stressor.stressor
        );
        return Err(Fault::new(
            "no-figures",
            message,
            "read metrics.yaml below raw/",
        ));
    };
    if out[first].value <= 0.0 {
        let message = format!("stressor {} did not one operation", stressor.stressor);
        let hint = "take a longer `runtime`, or read stderr below raw/";
        return Err(Fault::new("no-operations", message, hint));
    }
    // A stressor that never was on a processor long enough to be seen has no such rate.
    out.retain(|entry| entry.value > 0.0 || !entry.metric.ends_with("bogo_ops_cpu_sec"));
    Ok(out)
}

struct Meaning {
    class: Class,
    better: Better,
    unit: &'static str,
    words: String,
}

/// Returns the name of a metric and what is known about it. Stressors bring figures of their own,
/// named in words: `mb-per-sec-pipe-write-rate`, `nanosecs-per-page-fault`.
fn meaning(key: &str) -> (String, Meaning) {
    let known = |metric: &str, words: &str| {
        let meaning = Meaning {
            class: Class::Throughput,
            better: Better::Higher,
            unit: "1/s",
            words: words.to_owned(),
        };
        (metric.to_owned(), meaning)
    };
    match key {
        "bogo-ops-per-second-real-time" => {
            return known("bogo_ops_sec", "Operations each second");
        }
        "bogo-ops-per-second-usr-sys-time" => {
            return known(
                "bogo_ops_cpu_sec",
                "Operations each second of processor time",
            );
        }
        _ => {}
    }
    let name: String = key
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let times = [
        ("nanosec", "ns"),
        ("microsec", "us"),
        ("millisec", "ms"),
        ("second", "s"),
    ];
    let (class, better, unit) = if key.contains("per-sec") {
        let unit = if key.starts_with("mb-") {
            "MB/s"
        } else {
            "1/s"
        };
        (Class::Throughput, Better::Higher, unit)
    } else if let Some((_, unit)) = times.iter().find(|(word, _)| key.starts_with(word)) {
        (Class::Latency, Better::Lower, *unit)
    } else {
        (Class::Throughput, Better::Unknown, "1")
    };
    let words = key.replace('-', " ");
    (
        name,
        Meaning {
            class,
            better,
            unit,
            words,
        },
    )
}

/// Returns what stress-ng said, without its own marks: `cpu-method must be one of`.
fn said(output: &Output, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let text = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        output.text()
    );
    let mut said: Vec<String> = text
        .lines()
        .filter(|line| wanted(line))
        .map(|line| text::one_line(line.rsplit_once("] ").map_or(line, |(_, rest)| rest).trim()))
        .filter(|line| !line.is_empty())
        .collect();
    said.dedup();
    said.truncate(3);
    said
}

fn not_run(name: &str, output: &Output) -> Fault {
    let why = said(output, |line| {
        line.contains("skipped") || line.contains("error:") || line.contains("unsupported")
    });
    let why = match why.is_empty() {
        true => "it said nothing about it".to_owned(),
        false => format!("it said: {}", why.join(" | ")),
    };
    Fault::new(
        "unsupported",
        format!("stress-ng ended well and did not run stressor {name}; {why}"),
        "leave the stressor out of `stressors`, or give the machine what it needs",
    )
}

/// Meaning of a status, from stress-ng's manual.
const STATUSES: &[(i32, &str, &str, &str)] = &[
    (
        2,
        "stressor-failed",
        "a stressor failed",
        "read stderr below raw/: the machine may compute wrongly",
    ),
    (
        3,
        "no-resource",
        "a stressor lacked a resource",
        "ask for less, or give the machine more",
    ),
    (
        4,
        "unsupported",
        "a stressor is not implemented there",
        "leave it out of `stressors`",
    ),
    (
        5,
        "killed",
        "a stressor was ended by a signal",
        "look for the out-of-memory killer (dmesg)",
    ),
    (
        6,
        "no-figures",
        "a stressor ended by exit and has no timing",
        "run it by hand",
    ),
    (
        7,
        "no-figures",
        "its figures cannot be trusted",
        "run it by hand",
    ),
];

fn failed(output: &Output) -> Fault {
    let mut heard = said(output, |line| {
        !line.contains("info:")
            && !line.contains("metrc:")
            && !line.starts_with("Try '")
            && !line.trim().is_empty()
    });
    if heard.is_empty() {
        heard.push("nothing".into());
    }
    let heard = heard.join(" | ");
    let status = match output.exit {
        Exit::Code(code) => STATUSES.iter().find(|(known, ..)| *known == code),
        Exit::Signal(_) => None,
    };
    if let Some((_, class, what, hint)) = status {
        let message = format!("{what} (status of stress-ng); it said: {heard}");
        return Fault::new(class, message, hint);
    }
    let (class, hint) = if matches!(output.exit, Exit::Signal(_)) {
        (
            "killed",
            "look for the out-of-memory killer (dmesg) or somebody who ended it",
        )
    } else if [
        "unrecognized option",
        "ambiguous",
        "must be one of",
        "invalid option",
        "Invalid",
    ]
    .iter()
    .any(|words| heard.contains(words))
    {
        (
            "bad-option",
            "check `stressors` and `options`; `stress-ng --help` on the machine lists them",
        )
    } else {
        ("exit-status", "run the command below raw/ by hand")
    };
    Fault::new(
        class,
        format!("stress-ng ended with {}; it said: {heard}", output.exit),
        hint,
    )
}

#[cfg(test)]
mod unit {
    use std::time::Duration;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!(
            "{}/tests/fixtures/stress-ng/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read(path).expect("fixture")
    }

    fn ended(exit: i32, stderr: &[u8]) -> Output {
        Output {
            exit: Exit::Code(exit),
            stdout: Vec::new(),
            stderr: stderr.to_vec(),
            took: Duration::ZERO,
        }
    }

    fn read(asked: &[&str], yaml: &[u8]) -> Result<Vec<SampleEntry>, Fault> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        entries(&asked, "a", &ended(0, &fixture("stderr")), Some(yaml))
    }

    #[test]
    fn one_stressor_has_plain_names_and_its_own_figures() {
        let found = read(&["pipe"], &fixture("metrics.yaml")).expect("good");
        let rows: Vec<_> = found
            .iter()
            .map(|e| (e.metric.as_str(), e.value, e.unit.as_str(), e.better))
            .collect();
        assert_eq!(
            rows,
            [
                ("bogo_ops_sec", 177_237.856_926, "1/s", Better::Higher),
                ("bogo_ops_cpu_sec", 1_012_456.764_006, "1/s", Better::Higher),
                (
                    "mb_per_sec_pipe_write_rate",
                    87.451_319,
                    "MB/s",
                    Better::Higher
                ),
            ]
        );
    }

    #[test]
    fn several_stressors_are_told_apart_by_name() {
        let found = read(&["cpu", "vm"], &fixture("metrics.yaml")).expect("good");
        let names: Vec<_> = found.iter().map(|e| e.metric.as_str()).collect();
        assert_eq!(
            names,
            [
                "cpu_bogo_ops_sec",
                "cpu_bogo_ops_cpu_sec",
                "vm_bogo_ops_sec",
                "vm_bogo_ops_cpu_sec"
            ]
        );
        assert!((found[0].value - 370.546_563).abs() < 1e-9);
    }

    #[test]
    fn figures_in_words_know_their_direction() {
        assert_eq!(meaning("nanosecs-per-page-fault").1.better, Better::Lower);
        assert_eq!(meaning("nanosecs-per-page-fault").1.unit, "ns");
        assert_eq!(
            meaning("million-random-bits-per-sec").1.better,
            Better::Higher
        );
        assert_eq!(
            meaning("million-random-bits-read").1.better,
            Better::Unknown
        );
    }

    #[test]
    fn what_gave_no_figures_has_a_class() {
        let bad = ended(1, &fixture("fail-bad-option.stderr"));
        let fault = entries(&["cpu".into()], "a", &bad, None).expect_err("refused");
        assert_eq!(fault.class, "bad-option", "{fault:?}");
        let skipped = ended(0, b"stress-ng: info:  [1] apparmor stressor will be skipped, AppArmor is not enabled\nstress-ng: error: [1] No stress workers invoked\n");
        let fault = entries(&["apparmor".into()], "a", &skipped, None).expect_err("not run");
        assert_eq!(fault.class, "unsupported");
        assert!(
            fault.message.contains("AppArmor is not enabled"),
            "{fault:?}"
        );
        let yaml = fixture("metrics.yaml");
        assert_eq!(
            read(&["hdd"], &yaml).expect_err("not there").class,
            "unsupported"
        );
        for end in 0..yaml.len() - 4 {
            let class = read(&["cpu"], &yaml[..end]).expect_err("cut").class;
            assert_eq!(class, "truncated-yaml", "cut at {end}");
        }
        assert_eq!(
            read(&["cpu"], b"metrics: 7\n...\n").expect_err("odd").class,
            "bad-yaml"
        );
    }
}
