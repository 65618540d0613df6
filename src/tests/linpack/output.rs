//! Figures in what Intel's binary and hpcc say, and why there are none.

use crate::metric::Better;
use crate::shell::{Exit, Output};
use crate::tests::fault::Fault;
use crate::tests::pbench::{Class, SampleEntry};
use crate::text;

/// Returns the average rate in Gflops of Intel's binary.
///
/// The line that starts with a digit and has five fields below `Performance Summary (UNIT)`; its
/// fourth field is the average.
///
/// # Errors
/// `wrong-result` when a residual check failed, `no-figures`, `exit-status`.
pub fn intel(output: &Output) -> Result<f64, Fault> {
    ended(output, "linpack")?;
    let text = output.text();
    if text
        .lines()
        .any(|line| line.to_ascii_uppercase().contains("RESIDUAL CHECKS FAILED"))
    {
        return Err(wrong("linpack"));
    }
    let mut unit = None;
    let mut rate = None;
    for line in text.lines() {
        if let Some(rest) = line.trim().strip_prefix("Performance Summary") {
            let inner = rest.trim().trim_start_matches('(').trim_end_matches(')');
            unit = Some(inner.trim().to_owned());
        } else if unit.is_some() && line.starts_with(|c: char| c.is_ascii_digit()) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [_, _, _, average, _] = fields[..] {
                rate = average.parse::<f64>().ok();
            }
        }
    }
    let (Some(unit), Some(rate)) = (unit, rate) else {
        return Err(no_figures("linpack", "a performance summary", &text));
    };
    let giga = match unit.to_ascii_lowercase().as_str() {
        "mflops" => 1e-3,
        "gflops" => 1.0,
        "tflops" => 1e3,
        _ => {
            let found = text::one_line(&unit);
            let wanted = format!("a known unit (it says `{found}`)");
            return Err(no_figures("linpack", &wanted, &text));
        }
    };
    good(rate * giga, "linpack", &text)
}

/// Returns the rate in Gflops and the seconds of HPL in the output file of hpcc.
///
/// # Errors
/// `wrong-result` when HPL's residual is too large, `no-figures`, `exit-status`.
pub fn hpcc(output: &Output, written: Option<&[u8]>) -> Result<(f64, f64), Fault> {
    let text = String::from_utf8_lossy(written.unwrap_or_default()).into_owned();
    ended(output, "hpcc").map_err(|fault| match last_words(&text) {
        said if written.is_some() && !said.is_empty() => Fault {
            message: format!("{}; it last wrote: {said}", fault.message),
            ..fault
        },
        _ => fault,
    })?;
    if written.is_none() {
        let message = "hpcc ended well and wrote no hpccoutf.txt";
        return Err(Fault::new(
            "no-figures",
            message,
            "run the command below raw/ by hand",
        ));
    }
    let hpl_failed = |line: &str| line.contains("||Ax-b||") && line.trim_end().ends_with("FAILED");
    if text.lines().any(hpl_failed) {
        return Err(wrong("HPL"));
    }
    let inside = text
        .split_once("Begin of Summary section.")
        .and_then(|(_, rest)| rest.split_once("End of Summary section."));
    let Some((summary, _)) = inside else {
        return Err(no_figures("hpcc", "its summary section", &text));
    };
    let number = |key: &str| {
        let line = summary
            .lines()
            .find_map(|line| line.trim().strip_prefix(key));
        line.and_then(|value| value.trim().parse::<f64>().ok())
            .ok_or_else(|| no_figures("hpcc", &format!("`{key}`"), &text))
    };
    let tera = number("HPL_Tflops=")?;
    let seconds = number("HPL_time=")?;
    Ok((good(tera * 1e3, "hpcc", &text)?, seconds))
}

/// Returns the entries of one machine.
pub fn entries(client: &str, gflops: f64, seconds: Option<f64>) -> Vec<SampleEntry> {
    let entry = |class, metric: &str, unit: &str, better, words: &str, value| SampleEntry {
        class,
        metric: metric.into(),
        client: client.into(),
        unit: unit.into(),
        better,
        description: words.into(),
        value,
        series: Vec::new(),
        aggregate: true,
    };
    let mut out = vec![entry(
        Class::Throughput,
        "gflops",
        "Gflop/s",
        Better::Higher,
        "Billions of floating point operations per second",
        gflops,
    )];
    out.extend(seconds.map(|seconds| {
        let words = "Time to solve the system";
        entry(
            Class::Latency,
            "solve_s",
            "s",
            Better::Lower,
            words,
            seconds,
        )
    }));
    out
}

fn good(value: f64, who: &str, text: &str) -> Result<f64, Fault> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(no_figures(
        who,
        &format!("a rate above 0 (it says {value})"),
        text,
    ))
}

fn last_words(text: &str) -> String {
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    text::one_line(last.unwrap_or_default().trim())
}

fn wrong(who: &str) -> Fault {
    Fault::new(
        "wrong-result",
        format!("{who} computed a wrong result: the residual check failed"),
        "the machine does not compute reliably: look at its temperature, memory and overclocking",
    )
}

fn no_figures(who: &str, wanted: &str, text: &str) -> Fault {
    Fault::new(
        "no-figures",
        format!(
            "{who} ended well, but what it wrote lacks {wanted}; its last line: {}",
            last_words(text)
        ),
        "read what it wrote below raw/",
    )
}

fn ended(output: &Output, who: &str) -> Result<(), Fault> {
    let said = text::one_line(output.tail().trim());
    let memory = ["malloc", "memory", "Memory"]
        .iter()
        .any(|word| said.contains(word));
    match output.exit {
        Exit::Code(0) => Ok(()),
        exit => {
            let (class, hint) = match exit {
                Exit::Signal(_) => (
                    "killed",
                    "look for the out-of-memory killer (dmesg), or ask for a smaller `problem-sizes`",
                ),
                Exit::Code(_) if memory => ("enomem", "ask for a smaller `problem-sizes`"),
                Exit::Code(_) => ("exit-status", "run the command below raw/ by hand"),
            };
            let message = format!("{who} ended with {exit}; it said: {said}");
            Err(Fault::new(class, message, hint))
        }
    }
}

#[cfg(test)]
mod unit {
    use std::time::Duration;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = format!(
            "{}/tests/fixtures/linpack/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read(path).expect("fixture")
    }

    fn ended_with(exit: Exit, stdout: &[u8]) -> Output {
        Output {
            exit,
            stdout: stdout.to_vec(),
            stderr: Vec::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn the_recorded_hpl_gives_the_figures_of_its_summary() {
        let (gflops, seconds) = hpcc(
            &ended_with(Exit::Code(0), b""),
            Some(&fixture("hpccoutf.txt")),
        )
        .expect("good");
        assert!((gflops - 0.620_953).abs() < 1e-9);
        assert!((seconds - 0.232_771).abs() < 1e-9);
    }

    #[test]
    fn a_wrong_or_cut_hpl_is_an_error() {
        let text = String::from_utf8(fixture("hpccoutf.txt")).expect("text");
        let class = |text: &str| {
            let ended = ended_with(Exit::Code(0), b"");
            hpcc(&ended, Some(text.as_bytes())).map_err(|fault| fault.class)
        };
        let wrong = text.replace("0.0082339 ...... PASSED", "99.0082339 ...... FAILED");
        assert_ne!(wrong, text);
        assert_eq!(class(&wrong), Err("wrong-result".into()));
        assert_eq!(class(&text[..text.len() / 2]), Err("no-figures".into()));
        assert_eq!(
            class(&text.replace("HPL_Tflops=0.000620953", "HPL_Tflops=0")),
            Err("no-figures".into())
        );
        let ended = ended_with(
            Exit::Code(1),
            b"HPL ERROR from process # 0: Memory allocation failed",
        );
        assert_eq!(hpcc(&ended, None).expect_err("failed").class, "enomem");
        let ended = ended_with(Exit::Signal(9), b"");
        assert_eq!(hpcc(&ended, None).expect_err("killed").class, "killed");
    }

    #[test]
    fn the_summary_of_intel_is_read_as_pbench_does() {
        let text = String::from_utf8(fixture("intel-made-up.txt")).expect("text");
        let read = |text: &str| intel(&ended_with(Exit::Code(0), text.as_bytes()));
        assert!((read(&text).expect("good") - 51.3372).abs() < 1e-9);
        let mega = text.replace("(GFlops)", "(MFlops)");
        assert!((read(&mega).expect("good") - 0.051_337_2).abs() < 1e-9);
        let failed = text.replace("checks PASSED", "checks FAILED");
        assert_eq!(read(&failed).expect_err("wrong").class, "wrong-result");
        let at = text.find("Performance").expect("there");
        assert_eq!(read(&text[..at]).expect_err("cut").class, "no-figures");
    }
}
