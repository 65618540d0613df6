//! Merged names: ids in which some parts are replaced by `*`, so that related checks fall together.
//!
//! An iteration has two parts for this purpose, cut at its first dash: `read-4KiB` is the iteration
//! `read` with the extra `4KiB`. Without a dash the extra is `*`, and a merged name always holds the
//! dash (`ERROR` becomes `ERROR-*`).

use crate::metric::{MetricId, Parts};

/// A part of an id that a merged name can replace by `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Profile.
    Profile,
    /// Test.
    Test,
    /// Serial number.
    Serial,
    /// Iteration up to its first dash.
    Iteration,
    /// Iteration after its first dash.
    Extra,
    /// `throughput`, `latency`.
    Kind,
    /// Metric.
    Metric,
}

/// Groups that are judged: the same test with other parameters, the same over all profiles, and all
/// of a profile.
pub const JUDGED: [&[Field]; 3] = [
    &[Field::Extra],
    &[Field::Extra, Field::Profile],
    &ALL_BUT_PROFILE,
];

/// Groups of the tables of averages: the same test with other parameters, everything of a test and
/// metric, all of a profile.
pub const TABULATED: [&[Field]; 3] = [
    &[Field::Extra],
    &[Field::Serial, Field::Iteration, Field::Extra, Field::Kind],
    &ALL_BUT_PROFILE,
];

const ALL_BUT_PROFILE: [Field; 6] = [
    Field::Test,
    Field::Serial,
    Field::Iteration,
    Field::Extra,
    Field::Kind,
    Field::Metric,
];

/// Splits an iteration at its first dash into name and extra; without a dash the extra is `*`.
///
/// ```
/// use runperf::analysis::grouping::split_iteration;
/// assert_eq!(split_iteration("tcp_stream-64B-64i"), ("tcp_stream", "64B-64i"));
/// assert_eq!(split_iteration("ERROR"), ("ERROR", "*"));
/// ```
pub fn split_iteration(iteration: &str) -> (&str, &str) {
    iteration.split_once('-').unwrap_or((iteration, "*"))
}

/// Returns the id with each of `fields` replaced by `*`.
///
/// ```
/// use runperf::analysis::grouping::{JUDGED, merged};
/// let id = "Localhost/fio/0000:./read-4KiB/throughput/iops_sec.mean".parse()?;
/// let names: Vec<String> = JUDGED.iter().map(|fields| merged(&id, fields).to_string()).collect();
/// assert_eq!(names, [
///     "Localhost/fio/0000:./read-*/throughput/iops_sec.mean",
///     "*/fio/0000:./read-*/throughput/iops_sec.mean",
///     "Localhost/*/*:./*-*/*/*.mean",
/// ]);
/// # Ok::<(), runperf::metric::ParseIdError>(())
/// ```
pub fn merged(id: &MetricId, fields: &[Field]) -> MetricId {
    let star = |field, part| if fields.contains(&field) { "*" } else { part };
    let (name, extra) = split_iteration(id.iteration());
    let iteration = format!(
        "{}-{}",
        star(Field::Iteration, name),
        star(Field::Extra, extra)
    );
    MetricId::new(Parts {
        profile: star(Field::Profile, id.profile()),
        test: star(Field::Test, id.test()),
        serial: star(Field::Serial, id.serial()),
        iteration: &iteration,
        kind: star(Field::Kind, id.kind()),
        metric: star(Field::Metric, id.metric()),
        check: id.check(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_dash_splits() {
        let id: MetricId = "P/uperf/0001:./tcp_stream-64B-64i/throughput/Gb_sec.stddev"
            .parse()
            .expect("an id");
        assert_eq!(
            merged(&id, TABULATED[0]).to_string(),
            "P/uperf/0001:./tcp_stream-*/throughput/Gb_sec.stddev"
        );
        assert_eq!(
            merged(&id, TABULATED[1]).to_string(),
            "P/uperf/*:./*-*/*/Gb_sec.stddev"
        );
        assert_eq!(
            merged(&id, &[]),
            id,
            "an iteration with a dash stays as it is"
        );
    }

    #[test]
    fn a_merged_name_always_holds_the_dash() {
        let id: MetricId = "P/t/1:./ERROR/ERROR/ERROR.error".parse().expect("an id");
        assert_eq!(
            merged(&id, &[Field::Profile]).to_string(),
            "*/t/1:./ERROR-*/ERROR/ERROR.error"
        );
    }

    #[test]
    fn merging_twice_changes_nothing_more() {
        let id: MetricId = "P/t/1:./a-b/throughput/m.mean".parse().expect("an id");
        let once = merged(&id, JUDGED[1]);
        assert_eq!(merged(&once, JUDGED[1]), once);
    }
}
