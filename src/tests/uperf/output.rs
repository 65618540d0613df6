//! Figures in the time-stamped counters that uperf prints with `-R -a -i 1`.
//!
//! ```text
//! timestamp_ms:1795328065819.0034 name:Txn2 nr_bytes:0 nr_ops:0
//! ```
//!
//! `Txn2` is the second transaction, the measured one; its counters begin at zero. The sums uperf
//! prints at the end are not used: with `-R` those of groups are wrong.

use crate::metric::Better;
use crate::store::result_json::Point;
use crate::tests::net::load::{Kind, Load};
use crate::tests::pbench::aggregate::mean;
use crate::tests::pbench::{Class, SampleEntry};

/// Counters at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Milliseconds since the epoch, the fraction cut off.
    pub ms: i64,
    /// Since the begin of the transaction.
    pub bytes: u64,
    /// As above.
    pub ops: u64,
}

/// Returns the counters of the measured transaction. A last line without its end is left out: its
/// number may be cut.
pub fn ticks(stdout: &str) -> Vec<Tick> {
    let whole = stdout.rfind('\n').map_or("", |end| &stdout[..end]);
    whole.lines().filter_map(tick).collect()
}

fn tick(line: &str) -> Option<Tick> {
    let mut words = line
        .trim()
        .strip_prefix("timestamp_ms:")?
        .split_whitespace();
    let ms = words.next()?.split('.').next()?.parse().ok()?;
    if words.next()? != "name:Txn2" {
        return None;
    }
    let bytes = words.next()?.strip_prefix("nr_bytes:")?.parse().ok()?;
    let ops = words.next()?.strip_prefix("nr_ops:")?.parse().ok()?;
    Some(Tick { ms, bytes, ops })
}

/// What a client did over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Gb/s, or transactions per second of request-response.
    pub throughput: Vec<Point>,
    /// Microseconds of a transaction; empty for streams.
    pub latency: Vec<Point>,
}

/// Returns rates between the counters, without `trim_ms` at each end.
///
/// # Formula
/// pbench's: a point counts when it is later than the second line by more than the trim, and is the
/// difference to the line before, counted or not; streams give bytes · 8 / 10⁹ / s, request-response
/// operations / 2 / s and instances / that · 10⁶. Throughput ends before the last line less the trim,
/// latency with it. Without trim every difference counts.
pub fn series(ticks: &[Tick], load: &Load, trim_ms: i64) -> Series {
    let mut out = Series::default();
    let (Some(second), Some(last)) = (ticks.get(1), ticks.last()) else {
        return out;
    };
    let (begin, end) = (second.ms + trim_ms, last.ms - trim_ms);
    for pair in ticks.windows(2) {
        let [before, tick] = pair else { continue };
        let seconds = (tick.ms - before.ms) as f64 / 1000.0;
        if seconds <= 0.0 || (trim_ms > 0 && tick.ms <= begin) {
            continue;
        }
        let point = |value| Point {
            date: tick.ms,
            value,
        };
        let ops = tick.ops.saturating_sub(before.ops) as f64;
        let counts = trim_ms == 0 || tick.ms < end;
        if load.kind == Kind::Rr {
            let rate = ops / 2.0 / seconds;
            if counts {
                out.throughput.push(point(rate));
            }
            if rate > 0.0 && (trim_ms == 0 || tick.ms <= end) {
                out.latency.push(point(load.instances as f64 / rate * 1e6));
            }
        } else if counts {
            let bytes = tick.bytes.saturating_sub(before.bytes) as f64;
            out.throughput.push(point(bytes * 8.0 / 1e9 / seconds));
        }
    }
    out
}

/// Returns the name of the primary metric.
pub fn primary(kind: Kind) -> &'static str {
    match kind {
        Kind::Rr => "trans_sec",
        Kind::Stream | Kind::Maerts | Kind::Bidirec => "Gb_sec",
    }
}

/// Returns the entries of one client; a metric without points has none.
pub fn entries(series: Series, kind: Kind, client: &str) -> Vec<SampleEntry> {
    let entry = |class, metric: &str, unit: &str, better, words: &str, series: Vec<Point>| {
        Some(SampleEntry {
            class,
            metric: metric.into(),
            client: client.into(),
            unit: unit.into(),
            better,
            description: words.into(),
            value: mean(&series)?,
            series,
            aggregate: true,
        })
    };
    let (unit, words) = match kind {
        Kind::Rr => (
            "1/s",
            "Number of transactions sent by client for a period of 1 second",
        ),
        Kind::Stream | Kind::Maerts | Kind::Bidirec => (
            "Gb/s",
            "Number of gigabits sent by client for a period of 1 second",
        ),
    };
    let throughput = entry(
        Class::Throughput,
        primary(kind),
        unit,
        Better::Higher,
        words,
        series.throughput,
    );
    let words = "Average elapsed time spanning: client sending, server accepting/sending, and client receiving 1 message, over a 1 second window";
    let latency = entry(
        Class::Latency,
        "usec",
        "us",
        Better::Lower,
        words,
        series.latency,
    );
    throughput.into_iter().chain(latency).collect()
}

#[cfg(test)]
mod unit {
    use super::*;

    const TEXT: &str = "timestamp_ms:1000.9 name:Txn1 nr_bytes:0 nr_ops:1\n\
        timestamp_ms:1000.9 name:Txn2 nr_bytes:0 nr_ops:0\n\
        timestamp_ms:2000.1 name:Txn2 nr_bytes:125000000 nr_ops:20\n\
        timestamp_ms:4000.1 name:Txn2 nr_bytes:375000000 nr_ops:60\n\
        timestamp_ms:4000.2 name:Total nr_bytes:9 nr_ops:9\n\
        timestamp_ms:5000.2 name:Txn2 nr_bytes:4";

    fn load(kind: Kind) -> Load {
        Load {
            protocol: "tcp".into(),
            kind,
            size: 1,
            instances: 2,
        }
    }

    #[test]
    fn without_trim_every_difference_counts() {
        let ticks = ticks(TEXT);
        assert_eq!(
            ticks.len(),
            3,
            "other names and a cut line are left out: {ticks:?}"
        );
        let stream = series(&ticks, &load(Kind::Stream), 0);
        let values: Vec<f64> = stream.throughput.iter().map(|point| point.value).collect();
        assert_eq!(values, [1.0, 1.0]);
        let rr = series(&ticks, &load(Kind::Rr), 0);
        // 20 operations, 10 transactions, in a second; two threads: 2 / 10 s each.
        assert!((rr.throughput[0].value - 10.0).abs() < 1e-9);
        assert!((rr.latency[0].value - 200_000.0).abs() < 1e-6);
    }

    #[test]
    fn nothing_is_left_of_what_is_shorter_than_the_trim() {
        assert_eq!(
            series(&ticks(TEXT), &load(Kind::Stream), 3000),
            Series::default()
        );
        assert_eq!(series(&[], &load(Kind::Stream), 0), Series::default());
    }
}
