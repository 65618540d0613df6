//! Response times: what `-X` writes, one line an operation.
//!
//! ```text
//!  11255 139768814831296  0 1795329266046108095          180890
//! ```
//!
//! Process, thread, 0, end in nanoseconds since the epoch, nanoseconds it took. The first operation
//! of a thread opens the connection, the last one closes it; between them write and read alternate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Times of the operations of all threads, nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Responses {
    threads: Vec<Vec<u64>>,
}

/// Percentiles that are metrics: name, share.
pub const PERCENTILES: &[(&str, f64)] = &[("trans_p95", 0.95), ("trans_p99_995", 0.99995)];

impl Responses {
    /// Reads the file; lines that are cut are left out.
    pub fn read(text: &str) -> Self {
        let mut threads: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [process, thread, _, _, took] = fields[..]
                && let Ok(took) = took.parse()
            {
                threads.entry((process, thread)).or_default().push(took);
            }
        }
        Self {
            threads: threads.into_values().collect(),
        }
    }

    /// Puts those of another client beside.
    pub fn add(&mut self, other: Self) {
        self.threads.extend(other.threads);
    }

    /// Returns the time of each transaction, sorted, in microseconds: opening and closing are no
    /// part of one.
    pub fn transactions(&self) -> Vec<f64> {
        let mut all: Vec<f64> = Vec::new();
        for thread in &self.threads {
            let work = thread.get(1..thread.len().saturating_sub(1));
            let pairs = work.unwrap_or_default().chunks_exact(2);
            all.extend(pairs.map(|pair| (pair[0] + pair[1]) as f64 / 1000.0));
        }
        all.sort_by(f64::total_cmp);
        all
    }

    /// Returns the text pbench writes as `summary-response-times.txt`; `None` without a transaction.
    ///
    /// pbench takes the closing of the connection for a read; here threads are at least told apart.
    pub fn summary(&self) -> Option<String> {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for thread in &self.threads {
            for pair in thread.get(1..).unwrap_or_default().chunks_exact(2) {
                writes.push(pair[0]);
                reads.push(pair[1]);
            }
        }
        let mut both: Vec<u64> = writes.iter().zip(&reads).map(|(w, r)| w + r).collect();
        both.sort_unstable();
        let micros = |ns: u64| ns as f64 / 1000.0;
        let average = |all: &[u64]| micros(all.iter().sum::<u64>()) / all.len() as f64;
        let longest = both.last()?;
        let mut text = String::new();
        for (name, times) in [("write", &writes), ("read", &reads)] {
            let _ = writeln!(
                text,
                "Number of {name}s: {}  Average response time for {name}s is: {:.4}us",
                times.len(),
                average(times)
            );
        }
        let _ = writeln!(text, "Average transaction latency: {:.4}us", average(&both));
        for (name, share) in [("95", 0.95), ("99.995", 0.99995)] {
            let at = both[element(both.len(), share)];
            let _ = writeln!(
                text,
                "{name}th percentile transaction latency: {:.4}us",
                micros(at)
            );
        }
        let _ = writeln!(
            text,
            "Maximum transaction latency: {:.4}us",
            micros(*longest)
        );
        Some(text)
    }
}

/// Returns which element of a sorted list of `count` is the percentile: round(share · (count - 1)).
pub fn element(count: usize, share: f64) -> usize {
    let last = count.saturating_sub(1);
    let place = (share * last as f64).round();
    // Whole, and not above `last`.
    format!("{place:.0}").parse().unwrap_or(last).min(last)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_recorded_times_are_summed_up_as_pbench_does() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).expect("fixture");
        let times = read("uperf/04-tcp-rr-4MiB-1t-raw-resptimes/response-times.txt");
        let golden =
            read("pbench-results/uperf/3-tcp_rr-4194304B-1i/sample1/summary-response-times.txt");
        let summary = Responses::read(&times).summary().expect("transactions");
        assert_eq!(summary.trim_end(), golden.trim_end());
    }

    #[test]
    fn threads_are_told_apart_and_closing_is_no_transaction() {
        // Thread 1: connect 9, (1000, 2000), disconnect 9. Thread 2 the same with 3000, 4000.
        let text = "7 1 0 10 9\n7 2 0 10 9\n7 1 0 11 1000\n7 2 0 11 3000\n7 2 0 12 4000\n7 1 0 12 2000\n7 1 0 13 9\n7 2 0 13 9\n7 2 0";
        assert_eq!(Responses::read(text).transactions(), [3.0, 7.0]);
        assert_eq!(Responses::read("").summary(), None);
        assert!(Responses::read("7 1 0 10 9\n").transactions().is_empty());
    }

    #[test]
    fn a_percentile_is_an_element() {
        assert_eq!(element(1619, 0.95), 1537);
        assert_eq!((element(1, 0.95), element(0, 0.95)), (0, 0));
    }
}
