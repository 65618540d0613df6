//! Which way a metric should move and what it is measured in, for results that do not say.
//!
//! What a result states wins; then this table of metrics that the usual benchmarks report under
//! fixed names; then the kind it stands under. What none of them knows is judged two-sided.

use crate::metric::{Better, Check, MetricId};

/// What is known about a metric by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Name, or its beginning when it ends in `*`.
    pub name: &'static str,
    /// Good direction.
    pub better: Better,
    /// Unit the benchmark reports it in; `None` where that depends on its version or options.
    pub unit: Option<&'static str>,
}

const fn up(name: &'static str, unit: Option<&'static str>) -> Known {
    Known {
        name,
        better: Better::Higher,
        unit,
    }
}

const fn down(name: &'static str, unit: Option<&'static str>) -> Known {
    Known {
        name,
        better: Better::Lower,
        unit,
    }
}

/// Known metrics; the first that fits counts.
///
/// fio's latencies are in nanoseconds since fio 3, uperf's and iperf3's rates in 10^9 bits a second.
pub static KNOWN: &[Known] = &[
    // fio, as pbench and this project name it
    up("iops_sec", Some("IOPS")),
    up("bw", Some("KiB/s")),
    up("KBs", Some("KiB/s")),
    down("lat", Some("ns")),
    down("clat", Some("ns")),
    down("slat", Some("ns")),
    down("lat_p*", Some("ns")),
    down("clat_p*", Some("ns")),
    down("slat_p*", Some("ns")),
    // uperf, iperf3
    up("Gb_sec", Some("Gb/s")),
    up("trans_sec", Some("1/s")),
    down("usec", Some("us")),
    down("jitter_ms", Some("ms")),
    down("lost_pct", Some("%")),
    down("lost_percent", Some("%")),
    down("retransmits", Some("1")),
    // linpack, stress-ng, sysbench
    up("gflops", Some("Gflop/s")),
    up("GFlops", Some("Gflop/s")),
    up("bogo_ops_*", Some("1/s")),
    up("events_per_s*", Some("1/s")),
    up("transactions_per_s*", Some("1/s")),
    up("queries_per_s*", Some("1/s")),
    up("requests_per_s*", Some("1/s")),
    // starting virtual machines
    down("boot_ms", Some("ms")),
    down("boot_time_ms", Some("ms")),
    down("load_ms", Some("ms")),
    down("run_ms", Some("ms")),
    down("image_size_*", None),
    down("memory_*", None),
    down("mem_*", None),
    down("rss_*", None),
];

/// Returns what the table knows about a metric.
///
/// ```
/// use runperf::analysis::directions::known;
/// assert_eq!(known("clat_p99_9").and_then(|metric| metric.unit), Some("ns"));
/// assert!(known("my_own").is_none());
/// ```
pub fn known(metric: &str) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| match known.name.strip_suffix('*') {
            Some(beginning) => metric.starts_with(beginning),
            None => metric == known.name,
        })
}

/// Returns the good direction of a metric's level.
///
/// First that answers: what the result stated (also when it stated `unknown`), the table, the kind
/// (`throughput` higher, `latency` lower); else unknown.
pub fn direction(kind: &str, metric: &str, stated: Option<Better>) -> Better {
    stated
        .or_else(|| known(metric).map(|known| known.better))
        .unwrap_or(match kind {
            "throughput" => Better::Higher,
            "latency" => Better::Lower,
            _ => Better::Unknown,
        })
}

/// Returns the good direction of what an id names: a spread should be low whatever the metric is.
///
/// `stated` is what the result says about the metric's level. A failure has no direction.
pub fn direction_of(id: &MetricId, stated: Option<Better>) -> Better {
    match id.check() {
        Check::Mean => direction(id.kind(), id.metric(), stated),
        Check::Stddev => Better::Lower,
        Check::Error => Better::Unknown,
    }
}

/// Returns the unit of what an id names: stated, else by the table; a spread is in `%`.
pub fn unit_of<'a>(id: &MetricId, stated: Option<&'a str>) -> Option<&'a str> {
    match id.check() {
        Check::Mean => stated.or_else(|| known(id.metric()).and_then(|known| known.unit)),
        Check::Stddev => Some("%"),
        Check::Error => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_result_states_wins() {
        assert_eq!(
            direction("throughput", "iops_sec", Some(Better::Lower)),
            Better::Lower
        );
        assert_eq!(
            direction("throughput", "iops_sec", Some(Better::Unknown)),
            Better::Unknown
        );
    }

    #[test]
    fn a_known_metric_wins_over_its_kind() {
        assert_eq!(direction("throughput", "boot_ms", None), Better::Lower);
        assert_eq!(direction("latency", "clat_p99_9", None), Better::Lower);
        assert_eq!(direction("throughput", "Gb_sec", None), Better::Higher);
    }

    #[test]
    fn the_kind_decides_for_the_rest() {
        assert_eq!(direction("latency", "anything", None), Better::Lower);
        assert_eq!(direction("throughput", "anything", None), Better::Higher);
        assert_eq!(direction("resource", "anything", None), Better::Unknown);
    }

    #[test]
    fn spread_should_be_low_and_failures_have_no_direction() {
        let spread = "P/t/0:./i/throughput/iops_sec.stddev"
            .parse()
            .expect("an id");
        assert_eq!(direction_of(&spread, Some(Better::Higher)), Better::Lower);
        assert_eq!(unit_of(&spread, Some("IOPS")), Some("%"));
        let failure = "P/t/0:./ERROR/ERROR/ERROR.error".parse().expect("an id");
        assert_eq!(direction_of(&failure, None), Better::Unknown);
    }

    #[test]
    fn no_entry_hides_a_later_one() {
        for (index, entry) in KNOWN.iter().enumerate() {
            let name = entry.name.trim_end_matches('*');
            let found = known(name).expect("every name finds an entry");
            assert!(
                std::ptr::eq(found, &KNOWN[index]),
                "{name} is found as {}",
                found.name
            );
        }
    }
}
