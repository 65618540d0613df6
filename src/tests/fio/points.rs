//! The points of the parameter cross product: their order, names, job files and times.

use std::time::Duration;

use super::job::{Given, JobFile, Place, Template};
use super::machine::Times;
use super::params::{JobMode, Settings, base_name};

/// Longest run of a job file that ends by size: what a whole pbench run was given.
const NO_RUNTIME: Duration = Duration::from_secs(172_800);
/// Beyond ramp and runtime: start, end, a slow machine.
const MARGIN: Duration = Duration::from_secs(120);
/// Slowest layout of a file that is waited for, MiB a second.
const LAYOUT_MIB_S: u64 = 10;
/// One point of the parameter cross product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    /// From 1.
    pub(super) number: u32,
    /// `read-4KiB`, in serial mode `read-4KiB-sdb`.
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) block_kib: u64,
    pub(super) targets: Vec<String>,
}

/// Returns all points: by target (serial mode only), type, block size, as pbench orders them.
pub(super) fn points(settings: &Settings) -> Vec<Point> {
    let groups: Vec<(String, Vec<String>)> = match settings.mode {
        JobMode::Concurrent => vec![(String::new(), settings.targets.clone())],
        JobMode::Serial => settings
            .targets
            .iter()
            .map(|target| (format!("-{}", base_name(target)), vec![target.clone()]))
            .collect(),
    };
    let mut points = Vec::new();
    for (suffix, targets) in groups {
        for kind in &settings.types {
            for block_kib in &settings.block_sizes_kib {
                let number = u32::try_from(points.len() + 1).unwrap_or(u32::MAX);
                let name = format!("{kind}-{block_kib}KiB{suffix}");
                points.push(Point {
                    number,
                    name,
                    kind: kind.clone(),
                    block_kib: *block_kib,
                    targets: targets.clone(),
                });
            }
        }
    }
    points
}

/// Fills the template for a point.
pub(super) fn job(
    template: &Template,
    options: &[Given],
    point: &Point,
    places: &[Place],
    token: &str,
) -> JobFile {
    let own = |key, value: String| Given {
        key,
        value,
        force: true,
    };
    let mut given = vec![
        own("bs", format!("{}k", point.block_kib)),
        own("rw", point.kind.clone()),
    ];
    given.extend(options.iter().cloned());
    template.expand(places, &given, token)
}

pub(super) fn times(settings: &Settings, job: &JobFile) -> Times {
    let layout = Duration::from_secs(
        settings.size_mib.saturating_mul(job.processes().max(1)) / LAYOUT_MIB_S,
    );
    let deadline = job.seconds().map_or(NO_RUNTIME, |seconds| {
        Duration::from_secs(seconds) + layout + MARGIN
    });
    // fio prints nothing until it is done, so the watchdog must not be shorter than the run.
    let quiet = Duration::from_secs(settings.runtime_s.saturating_mul(3).max(360)).max(deadline);
    Times { deadline, quiet }
}

#[cfg(test)]
mod unit {
    use serde_json::{Value, json};

    use super::*;
    use crate::tests::Expected;
    use crate::tests::fio::params::{PARAMS, check};
    use crate::tests::fio::{build, target};

    fn settings(given: Value) -> Settings {
        let given = given.as_object().cloned().unwrap_or_default();
        Settings::read(&check("fio", PARAMS, &given).expect("known"), 1).expect("good")
    }

    fn names(settings: &Settings) -> Vec<String> {
        points(settings)
            .into_iter()
            .map(|point| point.name)
            .collect()
    }

    #[test]
    fn iterations_are_named_and_ordered_as_pbench_does() {
        let concurrent =
            settings(json!({"type": "randrw,read", "block-sizes": "4,64", "targets": "/a/x,/b/y"}));
        assert_eq!(
            names(&concurrent),
            ["randrw-4KiB", "randrw-64KiB", "read-4KiB", "read-64KiB"]
        );
        let serial = settings(
            json!({"type": "read", "block-sizes": "4,64", "targets": "/a/x,/b/y", "job-mode": "serial"}),
        );
        assert_eq!(
            names(&serial),
            ["read-4KiB-x", "read-64KiB-x", "read-4KiB-y", "read-64KiB-y"]
        );
        assert_eq!(points(&serial)[2].targets, ["/b/y"]);
        assert_eq!(points(&serial)[3].number, 4);
    }

    #[test]
    fn the_plan_knows_how_long_it_takes() {
        let given = json!({"type": "read,write", "block-sizes": "4", "runtime": 10, "ramptime": 2, "samples": 3});
        let test = build("fio".into(), given.as_object().expect("an object")).expect("good");
        let expected = test.expected();
        assert_eq!(
            expected,
            Expected {
                iterations: Some(2),
                samples: Some(3),
                duration: Some(Duration::from_secs(72))
            }
        );
        assert_eq!(test.describe()[0], "iterations: read-4KiB, write-4KiB");
    }

    #[test]
    fn the_watchdog_is_never_shorter_than_the_run() {
        let settings =
            settings(json!({"type": "read", "block-sizes": "4", "runtime": 10, "ramptime": 4000}));
        let job = job(
            &settings.template,
            &settings.options,
            &points(&settings)[0],
            &target::resolve(&settings.targets, &[]),
            "",
        );
        let times = times(&settings, &job);
        assert!(
            times.quiet >= Duration::from_secs(4010) && times.deadline >= Duration::from_secs(4010)
        );
    }
}
