//! Figures in what sysbench 1.0 prints; it has no format for machines.

use crate::metric::Better;
use crate::shell::{Exit, Output};
use crate::tests::fault::Fault;
use crate::tests::pbench::{Class, SampleEntry};
use crate::text;

use super::params::Kind;

/// Returns the figures of one run, for `client`.
///
/// # Errors
/// `exit-status` with what it said, `no-figures` when its report is cut off.
pub fn entries(kind: Kind, client: &str, output: &Output) -> Result<Vec<SampleEntry>, Fault> {
    if !output.exit.success() {
        return Err(failed(output));
    }
    let report = Report(output.text());
    let mut out = Vec::new();
    let mut add = |class, metric: &str, unit: &str, description: &str, value: f64| {
        let better = match class {
            Class::Throughput => Better::Higher,
            Class::Latency => Better::Lower,
        };
        out.push(SampleEntry {
            class,
            metric: metric.into(),
            client: client.into(),
            unit: unit.into(),
            better,
            description: description.into(),
            value,
            series: Vec::new(),
            aggregate: true,
        });
    };
    let mut rate = |metric: &str, unit: &str, description: &str, value| {
        add(Class::Throughput, metric, unit, description, value);
    };
    match kind {
        Kind::Cpu => {
            let value = report.number("events per second:")?;
            rate("events_sec", "1/s", "Events done each second", value);
        }
        Kind::Memory => {
            let mib = report.within("MiB transferred (", " MiB/sec)")?;
            rate(
                "MiB_sec",
                "MiB/s",
                "Memory read or written each second",
                mib,
            );
            let ops = report.within("Total operations: ", " per second)")?;
            rate("ops_sec", "1/s", "Blocks read or written each second", ops);
        }
        Kind::Threads => {
            let events = report.number("total number of events:")?;
            let seconds = report.number("total time:")?;
            if seconds <= 0.0 {
                return Err(no_figures("a total time above 0", &report.0));
            }
            rate(
                "events_sec",
                "1/s",
                "Events done each second",
                events / seconds,
            );
        }
        Kind::Mutex => {}
        Kind::Fileio => {
            let (reads, writes) = (report.number("reads/s:")?, report.number("writes/s:")?);
            rate(
                "ops_sec",
                "1/s",
                "Reads and writes each second",
                reads + writes,
            );
            rate(
                "fsyncs_sec",
                "1/s",
                "Calls of fsync each second",
                report.number("fsyncs/s:")?,
            );
            let read = report.number("read, MiB/s:")?;
            let written = report.number("written, MiB/s:")?;
            rate(
                "MiB_sec",
                "MiB/s",
                "Data read and written each second",
                read + written,
            );
        }
    }
    if kind != Kind::Memory {
        // Of memory they are shown as 0.00: blocks take less than the 10 µs that two decimals hold.
        let mut time = |metric: &str, description: &str, value| {
            add(Class::Latency, metric, "ms", description, value);
        };
        time("lat_avg", "Mean time of an event", report.number("avg:")?);
        let p95 = report.number("95th percentile:")?;
        time("lat_p95", "Time that 95 percent of events stay within", p95);
        time(
            "lat_max",
            "Time of the slowest event",
            report.number("max:")?,
        );
    }
    Ok(out)
}

/// What sysbench printed.
struct Report(String);

impl Report {
    /// Returns the number behind a label; letters behind it are its unit.
    fn number(&self, label: &str) -> Result<f64, Fault> {
        let found = self.0.lines().find_map(|line| {
            let rest = line.trim().strip_prefix(label)?.trim();
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
            rest[..end.unwrap_or(rest.len())].parse::<f64>().ok()
        });
        found
            .filter(|value| value.is_finite())
            .ok_or_else(|| no_figures(&format!("`{label}`"), &self.0))
    }

    /// Returns the number before `end`, in the line that holds `mark`, behind its last bracket.
    fn within(&self, mark: &str, end: &str) -> Result<f64, Fault> {
        let found = self.0.lines().find_map(|line| {
            let line = line.trim().strip_suffix(end)?;
            let (_, number) = line.rsplit_once('(')?;
            (format!("{line}(").contains(mark)).then(|| number.parse::<f64>().ok())?
        });
        found
            .filter(|value| value.is_finite())
            .ok_or_else(|| no_figures(&format!("a line with `{mark}`"), &self.0))
    }
}

fn no_figures(wanted: &str, printed: &str) -> Fault {
    let last = printed.lines().rfind(|line| !line.trim().is_empty());
    let last = text::one_line(last.unwrap_or("nothing").trim());
    Fault::new(
        "no-figures",
        format!("sysbench ended well, but its report lacks {wanted}; its last line: {last}"),
        "run the command below raw/ by hand; versions 1.0 and newer are read",
    )
}

fn failed(output: &Output) -> Fault {
    let all = format!(
        "{}\n{}",
        output.text(),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut said: Vec<String> = all
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("FATAL:") || line.starts_with("ALERT:"))
        .map(text::one_line)
        .collect();
    said.dedup();
    said.truncate(3);
    if said.is_empty() {
        said.push(text::one_line(output.tail().trim()));
    }
    let said = said.join(" | ");
    let (class, hint) = if matches!(output.exit, Exit::Signal(_)) {
        (
            "killed",
            "look for the out-of-memory killer (dmesg) or somebody who ended it",
        )
    } else if said.contains("No space left") {
        (
            "enospc",
            "free space, ask for less with `file-total-size`, or name another `directory`",
        )
    } else if said.contains("Cannot find benchmark") {
        (
            "bad-option",
            "this sysbench lacks that test; choose others with `tests`",
        )
    } else if said.contains("invalid option") || said.contains("Invalid") {
        ("bad-option", "check the parameters of the test")
    } else {
        ("exit-status", "run the command below raw/ by hand")
    };
    Fault::new(
        class,
        format!("sysbench ended with {}; it said: {said}", output.exit),
        hint,
    )
}

#[cfg(test)]
mod unit {
    use std::time::Duration;

    use super::*;

    fn recorded(file: &str, exit: i32) -> Output {
        let read = |end: &str| {
            let path = format!(
                "{}/tests/fixtures/sysbench/{file}.{end}",
                env!("CARGO_MANIFEST_DIR")
            );
            std::fs::read(path).unwrap_or_default()
        };
        Output {
            exit: Exit::Code(exit),
            stdout: read("stdout"),
            stderr: read("stderr"),
            took: Duration::ZERO,
        }
    }

    fn figures(kind: Kind, file: &str) -> Vec<(String, f64, String)> {
        let entries = entries(kind, "a", &recorded(file, 0)).expect("a good report");
        assert!(entries.iter().all(|entry| entry.better != Better::Unknown));
        entries
            .into_iter()
            .map(|entry| (entry.metric, entry.value, entry.unit))
            .collect()
    }

    fn own(rows: &[(&str, f64, &str)]) -> Vec<(String, f64, String)> {
        rows.iter()
            .map(|(metric, value, unit)| ((*metric).into(), *value, (*unit).into()))
            .collect()
    }

    #[test]
    fn recorded_reports_give_the_figures_they_show() {
        assert_eq!(
            figures(Kind::Cpu, "cpu"),
            own(&[
                ("events_sec", 781.45, "1/s"),
                ("lat_avg", 2.55, "ms"),
                ("lat_p95", 20.37, "ms"),
                ("lat_max", 80.39, "ms"),
            ])
        );
        assert_eq!(
            figures(Kind::Memory, "memory"),
            own(&[
                ("MiB_sec", 1942.35, "MiB/s"),
                ("ops_sec", 1_988_961.84, "1/s")
            ])
        );
        // 1460 events in 3.0013 s.
        let threads = figures(Kind::Threads, "threads");
        assert!((threads[0].1 - 1460.0 / 3.0013).abs() < 1e-9, "{threads:?}");
        let fileio = figures(Kind::Fileio, "fileio");
        assert_eq!(fileio[0].0, "ops_sec");
        assert!(
            (fileio[0].1 - (19070.48 + 12713.65)).abs() < 1e-9,
            "{fileio:?}"
        );
        let mutex = figures(Kind::Mutex, "mutex");
        assert_eq!(mutex[0], ("lat_avg".into(), 2603.07, "ms".into()));
        assert!((fileio[2].1 - (297.98 + 198.65)).abs() < 1e-9, "{fileio:?}");
    }

    #[test]
    fn an_unknown_test_is_told_from_a_cut_report() {
        let fault = entries(Kind::Cpu, "a", &recorded("fail-bad-test", 1)).expect_err("refused");
        assert_eq!(fault.class, "bad-option");
        assert!(
            fault.message.contains("Cannot find benchmark 'nosuchtest'"),
            "{fault:?}"
        );
        let mut cut = recorded("cpu", 0);
        let at = cut.text().find("General statistics").expect("there");
        cut.stdout.truncate(at);
        let fault = entries(Kind::Cpu, "a", &cut).expect_err("cut off");
        assert_eq!(fault.class, "no-figures");
        assert!(fault.message.contains("avg:"), "{fault:?}");
    }

    #[test]
    fn every_cut_of_a_report_is_an_error_or_a_number_never_a_panic() {
        let whole = recorded("memory", 0);
        for end in 0..whole.stdout.len() {
            let cut = Output {
                stdout: whole.stdout[..end].to_vec(),
                ..whole.clone()
            };
            let _ = entries(Kind::Memory, "a", &cut);
        }
    }
}
