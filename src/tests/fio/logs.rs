//! Per-job logs of fio: names, lines, series.
//!
//! A line is `time in ms, value, direction, block size, …`; latencies are in ns, bandwidth in KiB/s.
//! The figures of a result come from here, as in pbench: the JSON has means over the whole run only.

use std::collections::BTreeMap;

use crate::metric::Better;
use crate::store::result_json::Point;
use crate::tests::pbench::{Class, SampleEntry, aggregate};

/// What a log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Operations a second.
    Iops,
    /// KiB a second.
    Bandwidth,
    /// Total latency.
    Lat,
    /// Completion latency.
    Clat,
    /// Submission latency.
    Slat,
}

impl Kind {
    /// Every kind figures are read from.
    pub const ALL: [Kind; 5] = [
        Kind::Iops,
        Kind::Bandwidth,
        Kind::Lat,
        Kind::Clat,
        Kind::Slat,
    ];

    fn word(self) -> &'static str {
        match self {
            Kind::Iops => "iops",
            Kind::Bandwidth => "bw",
            Kind::Lat => "lat",
            Kind::Clat => "clat",
            Kind::Slat => "slat",
        }
    }

    /// Returns class, metric, unit, good direction and description of the entries.
    fn entry(self) -> (Class, &'static str, &'static str, Better, &'static str) {
        let latency =
            |metric, description| (Class::Latency, metric, "ns", Better::Lower, description);
        match self {
            Kind::Iops => {
                let description =
                    "Number of I/O operations sent by client for a period of 1 second";
                (
                    Class::Throughput,
                    "iops_sec",
                    "IOPS",
                    Better::Higher,
                    description,
                )
            }
            Kind::Bandwidth => {
                let description = "Amount of data moved by client for a period of 1 second";
                (
                    Class::Throughput,
                    "bw",
                    "KiB/s",
                    Better::Higher,
                    description,
                )
            }
            Kind::Lat => latency("lat", "Average total latency per I/O operation"),
            Kind::Clat => latency("clat", "Average completion latency per I/O operation"),
            Kind::Slat => latency("slat", "Average submission latency per I/O operation"),
        }
    }
}

/// One log of one process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogName {
    /// What it is about.
    pub kind: Kind,
    /// Process, from 1.
    pub job: u32,
    /// Client whose log it is, as fio's client mode appends it (`fio_iops.1.log.192.0.2.7`).
    pub client: Option<String>,
}

impl LogName {
    /// Reads a file name; `None` for files that are no such log (also histograms).
    pub fn parse(file: &str) -> Option<Self> {
        let (kind, rest) = file.strip_prefix("fio_")?.split_once('.')?;
        let kind = Kind::ALL.into_iter().find(|known| known.word() == kind)?;
        let (job, rest) = rest.split_once('.')?;
        let client = match rest.strip_prefix("log")? {
            "" => None,
            rest => Some(rest.strip_prefix('.')?.to_owned()),
        };
        Some(Self {
            kind,
            job: job.parse().ok()?,
            client,
        })
    }
}

/// Returns the series of a log, sorted by time.
///
/// Values with equal time and direction are averaged (fio writes its last interval twice at times).
/// Rates are then summed over directions, latencies averaged over the directions present, not
/// weighted by operations. Lines that are none (the last one of a killed fio) are passed over.
pub fn series(text: &str, kind: Kind) -> Vec<Point> {
    let mut times: BTreeMap<i64, BTreeMap<u8, (f64, f64)>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(',').map(str::trim);
        let mut next = || fields.next();
        let (Some(time), Some(value), Some(direction)) = (next(), next(), next()) else {
            continue;
        };
        let (Ok(time), Ok(value), Ok(direction)) =
            (time.parse(), value.parse::<f64>(), direction.parse())
        else {
            continue;
        };
        if value.is_finite() {
            let (sum, count) = times
                .entry(time)
                .or_default()
                .entry(direction)
                .or_insert((0.0, 0.0));
            *sum += value;
            *count += 1.0;
        }
    }
    times
        .into_iter()
        .map(|(date, directions)| {
            let total: f64 = directions.values().map(|(sum, count)| sum / count).sum();
            let parts = match kind {
                Kind::Iops | Kind::Bandwidth => 1.0,
                Kind::Lat | Kind::Clat | Kind::Slat => directions.len() as f64,
            };
            Point {
                date,
                value: total / parts,
            }
        })
        .collect()
}

/// Returns the entry of one process; `None` when its log has no usable line.
pub fn entry(kind: Kind, client: &str, job: u32, text: &str) -> Option<SampleEntry> {
    let series = series(text, kind);
    let value = aggregate::mean(&series)?;
    let (class, metric, unit, better, description) = kind.entry();
    Some(SampleEntry {
        class,
        metric: metric.into(),
        client: format!("{client}-{job}"),
        unit: unit.into(),
        better,
        description: description.into(),
        value,
        series,
        aggregate: true,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn rates_add_up_over_directions_and_latencies_do_not() {
        let text = "1000, 10, 0, 0, 0\n1000, 30, 1, 0, 0\n2000, 5, 1, 0, 0\n";
        let values = |kind| {
            series(text, kind)
                .iter()
                .map(|point| point.value)
                .collect::<Vec<_>>()
        };
        assert_eq!(values(Kind::Iops), [40.0, 5.0]);
        assert_eq!(values(Kind::Lat), [20.0, 5.0]);
    }

    #[test]
    fn an_interval_written_twice_is_averaged_and_a_torn_line_is_none() {
        let text = "1000, 10, 0, 0, 0\n1000, 20, 0, 0, 0\nfio: noise\n2000, 7";
        assert_eq!(
            series(text, Kind::Clat),
            [Point {
                date: 1000,
                value: 15.0
            }]
        );
        assert_eq!(entry(Kind::Clat, "a", 1, "not a line\n"), None);
    }

    #[test]
    fn logs_are_known_by_name() {
        let name = |kind, job, client: Option<&str>| {
            Some(LogName {
                kind,
                job,
                client: client.map(str::to_owned),
            })
        };
        assert_eq!(LogName::parse("fio_iops.1.log"), name(Kind::Iops, 1, None));
        assert_eq!(
            LogName::parse("fio_bw.12.log.192.0.2.7"),
            name(Kind::Bandwidth, 12, Some("192.0.2.7"))
        );
        for other in [
            "fio_clat_hist.1.log",
            "fio_iops.log",
            "iops.1.log",
            "fio_iops.1.log~",
            "job.fio",
        ] {
            assert_eq!(LogName::parse(other), None, "{other}");
        }
    }
}
