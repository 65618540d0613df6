//! A light machine monitor beside each sample: CPU, load, memory, disks and network from `/proc`.
//!
//! A shell loop on the machine prints counters; differences are made here, afterwards. One look
//! costs the machine about 3 ms of one CPU (awk and sleep), 0.3 % at an interval of 1 s. The first
//! and the last look are taken on purpose, so that the shortest sample has its whole time covered.
//!
//! Files are `SERIAL/monitor/<iteration>/sample<k>/<machine>.csv`; columns: [`HEADER`].

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Workers;
use crate::control::Context;
use crate::control::cancel::CancelToken;
use crate::shell::{CommandLine, Limits, Process, Shell, ShellError, ShellExt};
use crate::text::file_name;

const SCRIPT: &str = include_str!("monitor.sh");

/// Columns of the CSV file.
///
/// `t`: epoch seconds of the machine's clock. `cpu_*`: percent of all CPUs together since the row
/// before; `cpu_inter` is interrupts and waiting for disks, `cpu_percentage` everything but idle and
/// waiting. `mem_avail`, `swap_used`: bytes. The last four: bytes per second since the row before.
/// What is not known (differences in the first row) is empty.
pub const HEADER: &str = "t,cpu_user,cpu_system,cpu_idle,cpu_inter,cpu_percentage,load_1m,mem_avail,swap_used,\
                          disk_read_bytes,disk_write_bytes,net_rx_bytes,net_tx_bytes";

/// What the first and the last look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(20);

/// Why there is no record of a sample.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The machine could not be looked at.
    #[error("cannot monitor the machine")]
    Shell(#[from] ShellError),
    /// The file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A machine being watched. Dropped without [`Monitor::stop`], it stops and forgets.
#[derive(Debug)]
pub struct Monitor {
    shell: Arc<dyn Shell>,
    interval: Duration,
    first: String,
    process: Box<dyn Process>,
}

impl Monitor {
    /// Starts watching the machine behind `shell`, looking every `interval`.
    ///
    /// # Errors
    /// When the first look fails or the loop cannot be started.
    pub fn start(
        shell: &Arc<dyn Shell>,
        interval: Duration,
        cancel: &CancelToken,
    ) -> Result<Self, MonitorError> {
        let first = look(shell.as_ref(), cancel)?;
        let seconds = format!("{:.3}", interval.as_secs_f64().max(0.01));
        // Fractions of a second are understood by GNU and BusyBox; whole ones by every sleep.
        let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
        let process = shell.start(
            &CommandLine::new("sh")
                .args(["-s", "loop", seconds])
                .stdin(SCRIPT),
        )?;
        Ok(Self {
            shell: Arc::clone(shell),
            interval,
            first,
            process,
        })
    }

    /// Takes the last look, ends the loop and returns the rows as CSV with [`HEADER`].
    ///
    /// Goes on when the run is cancelled: it takes a moment, and the sample may be kept.
    ///
    /// # Errors
    /// When the machine cannot be reached any more.
    pub fn stop(mut self) -> Result<String, MonitorError> {
        let patient = CancelToken::default();
        let last = look(self.shell.as_ref(), &patient);
        self.process.stop()?;
        let between = self
            .process
            .wait(&Limits::new(patient).within(LOOK_LIMIT))?
            .text();
        Ok(csv(&self.first, &between, &last?, self.interval))
    }

    /// Stops and writes the file, folders included.
    ///
    /// # Errors
    /// As [`Monitor::stop`], and when it cannot be written.
    pub fn stop_and_write(self, path: &Path) -> Result<(), MonitorError> {
        let text = self.stop()?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, text))
            .map_err(|source| MonitorError::Write {
                path: path.to_owned(),
                source,
            })
    }
}

/// The monitors of all machines a sample runs on.
///
/// A machine that cannot be watched is a warning in the log, never a failed sample.
#[derive(Debug, Default)]
pub struct Monitors(Vec<(String, Monitor)>);

impl Monitors {
    /// Starts watching every worker; nothing when monitoring is switched off.
    pub fn start(workers: &Workers, cx: &Context) -> Self {
        let Some(interval) = cx.monitor_interval else {
            return Self::default();
        };
        let mut seen = BTreeSet::new();
        let mut monitors = Vec::new();
        for worker in workers
            .all()
            .filter(|worker| seen.insert(worker.name.clone()))
        {
            match Monitor::start(&worker.shell, interval, &cx.cancel) {
                Ok(monitor) => monitors.push((worker.name.clone(), monitor)),
                Err(MonitorError::Shell(ShellError::Interrupted { .. })) => {}
                Err(error) => warn_of(&worker.name, &error),
            }
        }
        Self(monitors)
    }

    /// Stops and writes `monitor/<iteration>/sample<k>/<machine>.csv` below the attempt's directory.
    pub fn finish(self, attempt: &Path, iteration: &str, sample: u32) {
        for (machine, monitor) in self.0 {
            if let Err(error) = monitor.stop_and_write(&path(attempt, iteration, sample, &machine))
            {
                warn_of(&machine, &error);
            }
        }
    }
}

fn warn_of(machine: &str, error: &MonitorError) {
    let cause = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    warn!(machine, %error, cause, "no monitor beside this sample");
}

/// Returns where the record of a machine during a sample lies.
pub fn path(attempt: &Path, iteration: &str, sample: u32, machine: &str) -> PathBuf {
    let mut file = file_name(machine);
    file.push_str(".csv");
    attempt
        .join("monitor")
        .join(file_name(iteration))
        .join(format!("sample{sample}"))
        .join(file)
}

fn look(shell: &dyn Shell, cancel: &CancelToken) -> Result<String, ShellError> {
    let limits = Limits::new(cancel.clone()).within(LOOK_LIMIT);
    shell.text(
        &CommandLine::new("sh").args(["-s", "once"]).stdin(SCRIPT),
        &limits,
    )
}

/// Counters at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    /// Seconds since boot.
    uptime: f64,
    /// Clock ticks: user, nice, system, idle, iowait, irq, softirq, steal.
    cpu: [f64; 8],
    load: f64,
    mem_avail: f64,
    swap_used: f64,
    /// Bytes: disk read, disk written, net received, net sent.
    counters: [f64; 4],
}

impl Look {
    fn parse(line: &str) -> Option<Self> {
        let numbers: Option<Vec<f64>> = line
            .strip_prefix("look ")?
            .split(' ')
            .map(|word| word.parse().ok())
            .collect();
        let [
            uptime,
            u,
            n,
            s,
            i,
            w,
            q,
            f,
            t,
            load,
            mem_avail,
            swap_used,
            read,
            written,
            rx,
            tx,
        ] = numbers?[..]
        else {
            return None;
        };
        Some(Self {
            uptime,
            cpu: [u, n, s, i, w, q, f, t],
            load,
            mem_avail,
            swap_used,
            counters: [read, written, rx, tx],
        })
    }
}

/// Makes the file of the first look's output, the loop's, and the last look's.
fn csv(first: &str, between: &str, last: &str, interval: Duration) -> String {
    let mut looks: Vec<Look> = first
        .lines()
        .chain(between.lines())
        .filter_map(Look::parse)
        .collect();
    if let Some(last) = last.lines().find_map(Look::parse) {
        // A sliver of an interval would show noise of the 10 ms clock ticks: the last look then
        // stands for the one right before it.
        let sliver = |look: &Look| last.uptime - look.uptime < interval.as_secs_f64() / 4.0;
        while looks.len() > 1 && looks.last().is_some_and(sliver) {
            looks.pop();
        }
        looks.push(last);
    }
    let booted = boot_time(first).unwrap_or(0.0);
    let mut text = format!("{HEADER}\n");
    let mut before: Option<&Look> = None;
    for look in &looks {
        row(&mut text, booted, before, look);
        before = Some(look);
    }
    text
}

/// Epoch seconds of the machine's boot; a date without fractions (`%N` unknown) is good enough.
fn boot_time(first: &str) -> Option<f64> {
    let mut words = first
        .lines()
        .find_map(|line| line.strip_prefix("clock "))?
        .split(' ');
    let now = words.next()?;
    let now: f64 = now
        .parse()
        .or_else(|_| now.split('.').next().unwrap_or("").parse())
        .ok()?;
    Some(now - words.next()?.parse::<f64>().ok()?)
}

fn row(text: &mut String, booted: f64, before: Option<&Look>, look: &Look) {
    let mut cells: Vec<String> = vec![format!("{:.2}", booted + look.uptime)];
    let spent: Option<[f64; 8]> =
        before.map(|before| std::array::from_fn(|at| look.cpu[at] - before.cpu[at]));
    let total: f64 = spent.map_or(0.0, |spent| spent.iter().sum());
    match spent {
        Some([user, nice, system, idle, iowait, irq, softirq, _]) if total > 0.0 => {
            let parts = [
                user + nice,
                system,
                idle,
                irq + softirq + iowait,
                total - idle - iowait,
            ];
            cells.extend(
                parts.map(|part| format!("{:.1}", (part / total * 100.0).clamp(0.0, 100.0))),
            );
        }
        _ => cells.extend(std::array::from_fn::<_, 5, _>(|_| String::new())),
    }
    cells.extend([
        format!("{:.2}", look.load),
        format!("{:.0}", look.mem_avail),
        format!("{:.0}", look.swap_used),
    ]);
    let seconds = before.map_or(0.0, |before| look.uptime - before.uptime);
    for (at, now) in look.counters.iter().enumerate() {
        let change = before.map_or(0.0, |before| now - before.counters[at]);
        // A device that went away takes its counts along: that is no rate.
        cells.push(if seconds > 0.0 && change >= 0.0 {
            format!("{:.0}", change / seconds)
        } else {
            String::new()
        });
    }
    let _ = writeln!(text, "{}", cells.join(","));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "clock 1606757691.170000000 100.17 9\nlook 100.17 100 0 50 1000 10 5 5 0 0.50 2048 0 1000 2000 300 400\n";

    #[test]
    fn rows_are_differences_and_the_first_row_knows_none() {
        let between =
            "look 101.17 150 10 70 1100 10 10 5 5 0.60 4096 1024 3000 2000 350 400\nlook cut\n";
        let last = "clock 1606757693.17 102.17 9\nlook 102.17 150 10 70 1300 10 10 5 5 0.70 4096 1024 2000 4000 350 500\n";
        // 190 ticks: 60 user and nice, 20 system, 100 idle, 5 irq, 5 stolen.
        let expected = format!(
            "{HEADER}\n1606757691.17,,,,,,0.50,2048,0,,,,\n\
             1606757692.17,31.6,10.5,52.6,2.6,47.4,0.60,4096,1024,2000,0,50,0\n\
             1606757693.17,0.0,0.0,100.0,0.0,0.0,0.70,4096,1024,,2000,0,100\n"
        );
        assert_eq!(csv(FIRST, between, last, Duration::from_secs(1)), expected);
    }

    #[test]
    fn a_sample_shorter_than_the_interval_has_its_first_and_last_point() {
        let last = "look 100.27 105 0 50 1005 10 5 5 0 0.50 2048 0 1000 2000 300 400\n";
        let text = csv(FIRST, "", last, Duration::from_secs(1));
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines()
                .nth(2)
                .is_some_and(|row| row.starts_with("1606757691.27,50.0,0.0,50.0")),
            "{text}"
        );
    }

    #[test]
    fn a_sliver_at_the_end_joins_the_row_before() {
        let between = "look 101.17 150 0 50 1050 10 5 5 0 0.5 1 0 0 0 0 0\n";
        let last = "look 101.27 150 0 50 1060 10 5 5 0 0.5 1 0 0 0 0 0\n";
        let text = csv(FIRST, between, last, Duration::from_secs(1));
        let times: Vec<&str> = text
            .lines()
            .skip(1)
            .filter_map(|row| row.split(',').next())
            .collect();
        assert_eq!(times, ["1606757691.17", "1606757692.27"]);
    }

    #[test]
    fn names_are_made_safe_for_paths() {
        let path = path(Path::new("a"), "read/4KiB", 2, "foo:1");
        assert_eq!(path, Path::new("a/monitor/read_4KiB/sample2/foo_1.csv"));
    }

    #[test]
    fn a_date_without_fractions_is_whole_seconds() {
        assert_eq!(boot_time("clock 1000.%N 100.0 5\n"), Some(900.0));
        assert_eq!(boot_time("look 1\n"), None);
    }
}
