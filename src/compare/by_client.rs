//! Figures of single clients: beside their metric, and judged where asked for.
//!
//! A sum hides: one bad disk of thirty is 3 % of it. So every metric of several clients carries what
//! each of them contributed, with a mark on those that moved where the others did not; and with
//! `--by-client` each is judged as a secondary metric `METRIC@CLIENT` of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::direction;
use super::inputs::Inputs;
use super::types::{CheckResult, ClientFigures, Status};
use super::verdict::plural;
use crate::analysis::directions::unit_of;
use crate::analysis::stats;
use crate::metric::{Better, Check, MetricId, Parts};
use crate::store::read::{ClientValue, Measurement, ResultData};

/// The label of a check of a single client.
pub const CLIENT: &str = "client";

/// Clients below which nobody can say who is odd.
const FEWEST: usize = 3;

/// Modified z-score beyond which a client stands apart: `0.6745 · |x − median| / MAD` above 3.5, as
/// Iglewicz and Hoaglin recommend (How to Detect and Handle Outliers, ASQC 1993, section 3.3).
const APART: f64 = 3.5;
const CONSISTENT: f64 = 0.6745;

/// Returns whether a check is about a single client.
pub fn is_client(check: &CheckResult) -> bool {
    check.labels.iter().any(|label| label == CLIENT)
}

/// Returns what each client contributed on both sides: those of SRC in its order, then those only DST
/// has. Empty where there is one client or none, whose figures are those of the metric.
///
/// A client stands apart when it moved by more than `limit_pct` percentage points away from the median
/// client and by far more than the others scatter.
pub(crate) fn figures(
    src: Option<&Measurement>,
    dst: Option<&Measurement>,
    limit_pct: f64,
) -> Vec<ClientFigures> {
    let (src, dst) = (clients(src), clients(dst));
    if src.len().max(dst.len()) < 2 {
        return Vec::new();
    }
    let value = |side: &[&ClientValue], client: &str| {
        let found = side.iter().find(|value| *value.client == *client);
        found.map(|value| value.value)
    };
    let only_dst = dst
        .iter()
        .filter(|one| value(&src, &one.client).is_none())
        .copied();
    let mut figures: Vec<ClientFigures> = src
        .iter()
        .copied()
        .chain(only_dst)
        .map(|one| {
            let (before, now) = (value(&src, &one.client), value(&dst, &one.client));
            let change = before
                .zip(now)
                .filter(|(before, _)| *before != 0.0)
                .map(|(before, now)| stats::percent_change(before, now));
            ClientFigures {
                client: one.client.to_string(),
                src: before,
                dst: now,
                change_pct: change.filter(|change| change.is_finite()),
                apart: false,
            }
        })
        .collect();
    mark(&mut figures, limit_pct);
    figures
}

/// Returns the first figure of each client: a name that stands twice counts once.
fn clients(side: Option<&Measurement>) -> Vec<&ClientValue> {
    let mut seen = BTreeSet::new();
    side.into_iter()
        .flat_map(|all| &all.by_client)
        .filter(|value| seen.insert(value.client.as_ref()))
        .collect()
}

fn mark(figures: &mut [ClientFigures], limit_pct: f64) {
    let changes: Vec<f64> = figures.iter().filter_map(|one| one.change_pct).collect();
    if changes.len() < FEWEST {
        return;
    }
    let Some(middle) = stats::median(&changes) else {
        return;
    };
    let off: Vec<f64> = changes.iter().map(|c| (c - middle).abs()).collect();
    let scatter = stats::median(&off).unwrap_or(0.0);
    for one in figures {
        one.apart = one.change_pct.is_some_and(|change| {
            let off = (change - middle).abs();
            off > limit_pct && CONSISTENT * off > APART * scatter
        });
    }
}

/// The same results with a figure for each client in place of those of all of them.
pub(crate) struct Apart {
    pub(crate) src: ResultData,
    pub(crate) references: Vec<ResultData>,
    pub(crate) dst: ResultData,
}

impl Apart {
    /// Takes the figures of metrics that several clients measured.
    pub(crate) fn new(inputs: &Inputs, directions: &BTreeMap<String, Better>) -> Self {
        let apart = |data| apart(data, directions);
        Self {
            src: apart(&inputs.src),
            references: inputs.references.iter().map(apart).collect(),
            dst: apart(&inputs.dst),
        }
    }
}

fn apart(data: &ResultData, directions: &BTreeMap<String, Better>) -> ResultData {
    let mut measurements = Vec::new();
    for all in &data.measurements {
        let clients = clients(Some(all));
        if clients.len() < 2 {
            continue;
        }
        // Known by the name of the metric, which a client's figure no longer has.
        let unit = unit_of(&all.id, all.unit.as_deref()).map(Arc::from);
        let better = direction::better(&all.id, Some(all), None, directions);
        measurements.extend(clients.into_iter().map(|one| Measurement {
            id: id(&all.id, &one.client),
            value: one.value,
            primary: false,
            unit: unit.clone(),
            better: Some(better),
            clients: 1,
            by_client: Vec::new(),
            samples: Vec::new(),
            params: all.params.clone(),
        }));
    }
    ResultData {
        name: data.name.clone(),
        path: data.path.clone(),
        metadata: data.metadata.clone(),
        measurements,
        failures: Vec::new(),
        retried: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Returns `…/METRIC@CLIENT.mean`; an id is cut at dots and slashes, so a client's become `_`.
fn id(all: &MetricId, client: &str) -> MetricId {
    let client = client.replace(['.', '/'], "_");
    MetricId::new(Parts {
        metric: &format!("{}@{client}", all.metric()),
        check: Check::Mean,
        ..all.parts()
    })
}

/// Says which clients stand apart in metrics that are fine as a whole; nothing when none does.
pub(crate) fn note(metrics: &[CheckResult]) -> Option<String> {
    let hidden = metrics
        .iter()
        .filter(|check| matches!(check.status, Status::Within | Status::Suspect));
    let mut found: Vec<(f64, &CheckResult, &ClientFigures)> = hidden
        .flat_map(|check| check.clients.iter().map(move |one| (check, one)))
        .filter(|(check, one)| one.apart && worse(check, one))
        .filter_map(|(check, one)| Some((one.change_pct?.abs(), check, one)))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
    let (change, check, one) = found.first()?;
    let sign = if one.change_pct < Some(0.0) { '-' } else { '+' };
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" and {} like it", plural(more, "more figure")),
    };
    Some(format!(
        "a single client is worse where all together are not: {} of {} in {} / {} / {} {sign}{change:.1} %{more}; \
         --by-client judges each",
        check.metric, one.client, check.profile, check.test, check.iteration
    ))
}

/// Returns whether a client moved in the bad direction, or in any when nobody knows which is bad.
fn worse(check: &CheckResult, one: &ClientFigures) -> bool {
    let sign = check.better.sign();
    one.change_pct
        .is_some_and(|change| sign == 0.0 || change * sign < 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::records::sample::{figure, result};
    use crate::compare::{Comparison, HistoryInputs, Options, Verdict, compare};

    /// `iops_sec` of `values.len()` clients, which add up.
    fn night(name: &str, values: &[f64]) -> ResultData {
        let mut all = figure("randread-4KiB", "iops_sec", values.iter().sum());
        all.clients = u32::try_from(values.len()).expect("few");
        all.by_client = values
            .iter()
            .enumerate()
            .map(|(index, value)| ClientValue {
                client: format!("192.0.2.{}-1", index + 1).into(),
                value: *value,
            })
            .collect();
        result(name, vec![all])
    }

    /// Thirty disks that scatter a little; the seventh gives `seventh` times what it did.
    fn disks(seventh: f64) -> Vec<f64> {
        (0..30_u32)
            .map(|index| {
                let scatter = 1.0 + f64::from(index * 7 % 5) / 1000.0;
                5000.0 * scatter * if index == 6 { seventh } else { 1.0 }
            })
            .collect()
    }

    fn judged(by_client: bool) -> Comparison {
        let inputs = Inputs {
            src: night("src", &disks(1.0)),
            references: vec![night("ref", &disks(0.999))],
            dst: night("dst", &disks(0.1)),
            models: Vec::new(),
            history: HistoryInputs::default(),
            notes: Vec::new(),
        };
        compare(
            inputs,
            &Options {
                by_client,
                ..Options::default()
            },
        )
    }

    #[test]
    fn one_bad_disk_of_thirty_hides_in_the_sum_and_is_pointed_at() {
        let night = judged(false);
        let [all] = &night.metrics[..] else {
            panic!("one metric: {:?}", night.metrics.len())
        };
        assert_eq!((all.status, night.verdict), (Status::Within, Verdict::Pass));
        assert!(all.change_pct.expect("a change") > -3.1);
        assert_eq!(all.clients.len(), 30);
        let odd: Vec<&str> = all
            .clients
            .iter()
            .filter(|one| one.apart)
            .map(|one| one.client.as_str())
            .collect();
        assert_eq!(odd, ["192.0.2.7-1"]);
        assert!(
            night.notes.iter().any(|note| note
                .contains("iops_sec of 192.0.2.7-1 in Localhost / fio / randread-4KiB -90.0 %;")),
            "{:?}",
            night.notes
        );
    }

    #[test]
    fn by_client_judges_it_as_a_secondary_metric() {
        let night = judged(true);
        assert_eq!(night.metrics.len(), 31);
        let worse: Vec<&CheckResult> = night
            .metrics
            .iter()
            .filter(|check| check.status == Status::Regression)
            .collect();
        let [one] = worse[..] else {
            panic!("{worse:?}")
        };
        assert_eq!(
            one.id.as_str(),
            "Localhost/fio/0000:./randread-4KiB/throughput/iops_sec@192_0_2_7-1.mean"
        );
        assert!(!one.primary && is_client(one) && one.history.len() == 1);
        assert_eq!(one.outside_builds, 1, "the reference was fine");
        assert_eq!(
            night.verdict,
            Verdict::Pass,
            "secondary metrics fail nothing"
        );
    }

    #[test]
    fn two_clients_are_shown_and_none_is_called_odd() {
        let (src, dst) = (night("a", &[10.0, 10.0]), night("b", &[10.0, 1.0]));
        let seen = figures(Some(&src.measurements[0]), Some(&dst.measurements[0]), 5.0);
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|one| !one.apart));
        assert_eq!(seen[1].change_pct, Some(-90.0));
        let one = night("c", &[10.0]);
        assert!(figures(Some(&one.measurements[0]), None, 5.0).is_empty());
    }

    #[test]
    fn a_client_only_one_side_has_is_there_without_a_change() {
        let (src, dst) = (night("a", &[10.0, 20.0]), night("b", &[11.0, 20.0, 30.0]));
        let seen = figures(Some(&src.measurements[0]), Some(&dst.measurements[0]), 5.0);
        assert_eq!(
            (seen[2].src, seen[2].dst, seen[2].change_pct),
            (None, Some(30.0), None)
        );
    }
}
