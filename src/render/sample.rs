//! One comparison for the tests of all renderers: every status, and what is hard to show.

use std::collections::BTreeMap;

use crate::compare::{
    Build, CheckResult, ClientFigures, Comparison, EnvChange, Environment, ErrorInfo, Incident,
    LimitsInForce, Part, Rule, SamplePair, Status, Tool, Verdict,
};
use crate::metric::{Better, Check, MetricId};

/// Text that tries everything: markup, attributes, CDATA, terminal, bidirectional, Markdown.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>]]>&amp;\u{1b}[31m\u{0}\u{202e}|`@x #1 \u{2028}</textarea>*_\r\n";

fn build(name: &str, day: u32) -> Build {
    Build {
        name: name.to_owned(),
        path: format!("result_202610{day:02}_020000"),
        build: Some(name.to_owned()),
        date: Some(format!("2026-10-{day:02}T02:00:00Z")),
        distro: Some(format!("RHEL-10.2-202610{day:02}.0")),
        machines: vec!["perf-sm-04.example.org".to_owned()],
        url: Some(format!("https://jenkins.example.org/job/perf/{name}/")),
        env_changed: day == 6,
        kernels: BTreeMap::from([
            (
                "host perf-sm-04".to_owned(),
                format!("6.12.0-{day}.el10.x86_64"),
            ),
            ("guests of TunedLibvirt".to_owned(), "6.11.3".to_owned()),
        ]),
        counts: BTreeMap::from([
            ("regression".to_owned(), day as usize % 3),
            ("improvement".to_owned(), 1),
            ("within".to_owned(), 8),
        ]),
    }
}

/// Returns one check; a change of `change_pct` from `src`, with eight references.
#[expect(clippy::too_many_arguments, reason = "a table of rows in tests")]
fn check(
    id: &str,
    unit: &str,
    better: Better,
    primary: bool,
    status: Status,
    src: Option<f64>,
    change_pct: Option<f64>,
    outside: usize,
) -> CheckResult {
    let id: MetricId = id.parse().expect("ids in this file are good");
    let spread = id.check() == Check::Stddev;
    let dst = match (src, change_pct) {
        (Some(src), Some(change)) if spread => Some(src + change),
        (Some(src), Some(change)) => Some(src * (1.0 + change / 100.0)),
        _ => None,
    };
    let reference = |index: usize| {
        let wobble = [0.3, -0.8, 1.1, 0.2, -0.4, 0.9, -1.2, 0.5][index];
        let moved = if index + outside > 8 {
            change_pct.unwrap_or(0.0)
        } else {
            0.0
        };
        src.map(|src| src * (1.0 + (wobble + moved) / 100.0))
    };
    let parts = id.parts();
    CheckResult {
        profile: parts.profile.to_owned(),
        test: parts.test.to_owned(),
        serial: parts.serial.to_owned(),
        iteration: parts.iteration.to_owned(),
        kind: parts.kind.to_owned(),
        metric: parts.metric.to_owned(),
        check: parts.check,
        unit: unit.to_owned(),
        better,
        primary,
        status,
        labels: Vec::new(),
        compat_status: None,
        src,
        dst,
        change_pct,
        score: change_pct.map(|change| {
            if better == Better::Lower {
                -change
            } else {
                change
            }
        }),
        tolerance: Some(if spread { 10.0 } else { 5.0 }),
        band_pct: Some(if spread { [-10.0, 10.0] } else { [-5.0, 5.0] }),
        bands: change_pct.map(|change| change.abs() / 5.0),
        since: (outside > 1).then(|| format!("{}", 1284 + 1 - outside)),
        outside_builds: outside,
        p: None,
        q: None,
        ci_pct: None,
        mde_pct: None,
        basis: None,
        checks: change_pct
            .map(|diff_pct| {
                vec![Part {
                    name: "raw".to_owned(),
                    reference: src,
                    diff_pct,
                    weight: 1.0,
                }]
            })
            .unwrap_or_default(),
        history: (0..8).map(reference).collect(),
        samples: SamplePair {
            src: src.map(|s| vec![s * 0.99, s * 1.01]).unwrap_or_default(),
            dst: dst.map(|d| vec![d * 0.98, d, d * 1.02]).unwrap_or_default(),
        },
        clients: Vec::new(),
        details: String::new(),
        params_changed: Vec::new(),
        id,
    }
}

/// Returns clients of 192.0.2.1, .2, … that moved by so much; what moved by more than 10 % stands apart.
pub(crate) fn clients(changes: &[f64]) -> Vec<ClientFigures> {
    changes
        .iter()
        .zip(1_u32..)
        .map(|(change, number)| {
            let src = 38_000.0 + f64::from(number);
            ClientFigures {
                client: format!("192.0.2.{number}-1"),
                src: Some(src),
                dst: Some(src * (1.0 + change / 100.0)),
                change_pct: Some(*change),
                apart: change.abs() > 10.0,
            }
        })
        .collect()
}

fn incident(checks: &[CheckResult], ids: &[&str], status: Status) -> Incident {
    let first = checks
        .iter()
        .find(|check| check.id.as_str() == ids[0])
        .expect("the id is in the list");
    Incident {
        status,
        profile: first.profile.clone(),
        test: first.test.clone(),
        iteration: first.iteration.clone(),
        metrics: ids
            .iter()
            .map(|id| id.parse().expect("a good id"))
            .collect(),
        bands: first.bands,
        since: first.since.clone(),
        outside_builds: first.outside_builds,
    }
}

fn count(checks: &[CheckResult], errors: usize) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = Status::ALL
        .iter()
        .map(|status| (status.word().to_owned(), 0))
        .collect();
    for check in checks {
        *counts.entry(check.status.word().to_owned()).or_default() += 1;
    }
    *counts.entry("error".to_owned()).or_default() += errors;
    counts
}

/// Returns a failing night with every status.
pub(crate) fn sample_comparison() -> Comparison {
    use Better::{Higher, Lower, Unknown};
    let iops = "TunedLibvirt/fio/0000:./randread-4KiB/throughput/iops_sec.mean";
    let clat = "TunedLibvirt/fio/0000:./randread-4KiB/latency/clat.mean";
    let pipe = "Localhost/hackbench/0000:./process-pipe-16g/latency/seconds.mean";
    let gone = "TunedLibvirt/uperf/0000:./udp_rr-16384B-1i/throughput/Gb_sec.mean";
    let two_states = "Localhost/fio/0000:./write-4KiB/throughput/iops_sec.mean";
    let loud = "Localhost/fio/0000:./write-4096KiB/latency/slat.mean";
    let gain = "Localhost/uperf/0000:./udp_stream-16384B-8i/throughput/Gb_sec.mean";
    let mut metrics = vec![
        check(
            iops,
            "IOPS",
            Higher,
            true,
            Status::Regression,
            Some(114_912.0),
            Some(-11.8),
            3,
        ),
        check(
            "TunedLibvirt/fio/0000:./randread-4KiB/throughput/iops_sec.stddev",
            "%",
            Lower,
            true,
            Status::Within,
            Some(1.4),
            Some(0.3),
            0,
        ),
        check(
            clat,
            "ns",
            Lower,
            false,
            Status::Regression,
            Some(261_766.0),
            Some(13.4),
            3,
        ),
        check(
            pipe,
            "s",
            Lower,
            true,
            Status::Regression,
            Some(14.40),
            Some(8.7),
            1,
        ),
        check(
            gone,
            "Gb/s",
            Higher,
            true,
            Status::Missing,
            Some(18.9),
            None,
            0,
        ),
        check(
            two_states,
            "IOPS",
            Higher,
            true,
            Status::Suspect,
            Some(3_530.0),
            Some(-6.1),
            1,
        ),
        check(
            loud,
            "ns",
            Lower,
            true,
            Status::Flaky,
            Some(1_329_870.0),
            Some(6.4),
            1,
        ),
        check(
            gain,
            "Gb/s",
            Higher,
            true,
            Status::Improvement,
            Some(18.9),
            Some(12.3),
            1,
        ),
        check(
            "Localhost/linpack/0000:./linpack-1/throughput/gflops.mean",
            "GFLOPS",
            Higher,
            true,
            Status::Within,
            Some(412.7),
            Some(-0.3),
            0,
        ),
        check(
            "Localhost/linpack/0000:./linpack-1/throughput/what.mean",
            "",
            Unknown,
            false,
            Status::Within,
            Some(0.0),
            Some(0.0),
            0,
        ),
    ];
    metrics[1].samples = SamplePair::default();
    metrics[9].labels = vec!["direction-unknown".to_owned()];
    metrics[0].clients = clients(&[-0.4, -35.1, 0.2]);
    metrics[9].band_pct = None;
    let mut new = check(
        "Localhost/hackbench/0000:./thread-socket-32g/latency/seconds.mean",
        "s",
        Lower,
        true,
        Status::New,
        None,
        None,
        0,
    );
    new.dst = Some(3.21);
    metrics.push(new);
    let group = check(
        "Localhost/fio/0000:./write-*/throughput/iops_sec.mean",
        "",
        Higher,
        true,
        Status::Within,
        None,
        Some(-0.4),
        0,
    );
    let incidents = vec![
        incident(&metrics, &[iops, clat], Status::Regression),
        incident(&metrics, &[pipe], Status::Regression),
        incident(&metrics, &[gone], Status::Missing),
        incident(&metrics, &[two_states], Status::Suspect),
        incident(&metrics, &[loud], Status::Flaky),
        incident(&metrics, &[gain], Status::Improvement),
    ];
    let errors = vec![ErrorInfo {
        id: "DefaultLibvirtMulti/fio/0000:./__error0__/ERROR/error.error"
            .parse()
            .expect("a good id"),
        place: "DefaultLibvirtMulti/fio".to_owned(),
        build: "1284".to_owned(),
        class: "signal".to_owned(),
        message: "guest 3: fio: got signal=9".to_owned(),
        text: "guest 3: fio: got signal=9\n  caused by: out of memory".to_owned(),
        same_in_src: false,
        in_references: 1,
        log: "DefaultLibvirtMulti/fio/__error0__".to_owned(),
    }];
    let change =
        |place: &str, name: &str, src: Option<&str>, dst: Option<&str>, since: Option<&str>| {
            EnvChange {
                place: place.to_owned(),
                name: name.to_owned(),
                src: src.map(str::to_owned),
                dst: dst.map(str::to_owned),
                since: since.map(str::to_owned),
            }
        };
    let kinds = BTreeMap::from([
        (
            "packages".to_owned(),
            vec![
                change(
                    "host foo",
                    "irqbalance",
                    None,
                    Some("1.9.4-2.el10"),
                    Some("1284"),
                ),
                change(
                    "host foo",
                    "kernel",
                    Some("6.12.0-48.el10"),
                    Some("6.12.0-61.el10"),
                    Some("1282"),
                ),
                change(
                    "host foo",
                    "kernel-core",
                    Some("6.12.0-48.el10"),
                    Some("6.12.0-61.el10"),
                    Some("1282"),
                ),
                change(
                    "host foo",
                    "qemu-kvm",
                    Some("9.1.0-12.el10"),
                    Some("9.1.0-17.el10"),
                    None,
                ),
                change("host foo", "zlib", Some("1.2"), None, None),
            ],
        ),
        (
            "cmdline".to_owned(),
            vec![change(
                "guests of TunedLibvirt",
                "mitigations",
                Some("off"),
                Some("auto"),
                None,
            )],
        ),
        (
            "domain_xml".to_owned(),
            vec![change(
                "TunedLibvirt",
                "guest1",
                Some("<memoryBacking>\n  <page size='1048576' unit='KiB'/>\n</memoryBacking>"),
                Some("<memoryBacking>\n  <page size='2048' unit='KiB'/>\n</memoryBacking>"),
                None,
            )],
        ),
    ]);
    Comparison {
        schema: Comparison::SCHEMA.to_owned(),
        verdict: Verdict::Fail,
        reason: "3 of 12 checks regressed, in 2 places; the worst is TunedLibvirt fio randread-4KiB, -11.8 % IOPS".to_owned(),
        exit_code: 2,
        tool: Tool { version: "0.1.0".to_owned(), command: vec!["compare-perf".to_owned(), "result a".to_owned(), "b".to_owned()] },
        rule: Rule::Tolerance,
        limits: LimitsInForce { mean_pct: Some(5.0), spread_points: Some(10.0), ..LimitsInForce::default() },
        judged_by: vec!["builds average, weight 0.1".to_owned()],
        src: Build { counts: BTreeMap::new(), ..build("1254", 1) },
        dst: build("1284", 10),
        references: (0..8).map(|n| build(&(1276 + n).to_string(), n + 2)).collect(),
        repetitions: Vec::new(),
        counts: count(&metrics, 1),
        counts_primary: count(&metrics.iter().filter(|check| check.primary).cloned().collect::<Vec<_>>(), 1),
        counts_groups: count(std::slice::from_ref(&group), 0),
        metrics,
        groups: vec![group],
        incidents,
        errors,
        works_again: vec!["Localhost/uperf".to_owned()],
        environment: Environment { kinds },
        environment_equal: BTreeMap::from([
            ("packages".to_owned(), 412),
            ("services".to_owned(), 37),
        ]),
        notes: vec!["the powersave governor was set on perf-sm-04 in DST".to_owned()],
    }
}

/// Returns a clean night of `count` metrics and 30 references.
pub(crate) fn clean_night(count: usize) -> Comparison {
    let mut comparison = sample_comparison();
    comparison.metrics = (0..count)
        .map(|n| {
            let id = format!(
                "Profile{}/test{}/0000:./run-{n}/throughput/iops_sec.mean",
                n % 30,
                n % 12
            );
            check(
                &id,
                "IOPS",
                Better::Higher,
                true,
                Status::Within,
                Some(1000.0),
                Some(0.2),
                0,
            )
        })
        .collect();
    comparison.groups.clear();
    comparison.incidents.clear();
    comparison.errors.clear();
    comparison.works_again.clear();
    comparison.verdict = Verdict::Pass;
    comparison.exit_code = 0;
    comparison.reason = format!("{count} checks were compared, all within their limits");
    comparison.counts = self::count(&comparison.metrics, 0);
    comparison.counts_primary = comparison.counts.clone();
    comparison.counts_groups = BTreeMap::new();
    comparison
}

/// Returns a night of `count` metrics and `references` builds with plausible names and a few findings.
pub(crate) fn night(count: usize, references: usize) -> Comparison {
    let mut comparison = sample_comparison();
    // A small generator of its own: the same figures everywhere.
    let mut seed = 7_u32;
    let mut noise = move || {
        let mut sum = 0.0;
        for _ in 0..4 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            sum += f64::from(seed >> 8) / f64::from(1 << 24) - 0.5;
        }
        sum
    };
    comparison.references = (0..references)
        .map(|n| {
            build(
                &(1254 + n).to_string(),
                u32::try_from(n % 27).unwrap_or(0) + 2,
            )
        })
        .collect();
    for (n, reference) in comparison.references.iter_mut().enumerate() {
        reference.env_changed = [11, 28].contains(&n);
    }
    let extend = |check: &mut CheckResult, noise: &mut dyn FnMut() -> f64| {
        let from = references.saturating_sub(check.outside_builds.saturating_sub(1));
        check.history = (0..references)
            .map(|n| {
                let moved = if n >= from {
                    check.change_pct.unwrap_or(0.0)
                } else {
                    0.0
                };
                check
                    .src
                    .map(|src| src * (1.0 + (1.6 * noise() + moved) / 100.0))
            })
            .collect();
        for (side, value) in [
            (&mut check.samples.src, check.src),
            (&mut check.samples.dst, check.dst),
        ] {
            *side = value
                .map(|value| (0..5).map(|_| value * (1.0 + noise() / 50.0)).collect())
                .unwrap_or_default();
        }
    };
    for check in &mut comparison.metrics {
        extend(check, &mut noise);
    }
    let kinds = [
        (
            "throughput",
            "iops_sec",
            "IOPS",
            Better::Higher,
            true,
            84_120.0,
        ),
        ("latency", "clat", "ns", Better::Lower, false, 412_310.0),
        ("latency", "lat", "ns", Better::Lower, false, 431_877.0),
        ("latency", "slat", "ns", Better::Lower, false, 9_310.0),
    ];
    let mut serial = 0;
    'all: for block in ["4KiB", "16KiB", "64KiB", "1024KiB", "4096KiB"] {
        for depth in 1.. {
            for profile in [
                "Localhost",
                "DefaultLibvirt",
                "DefaultLibvirtMulti",
                "TunedLibvirt",
            ] {
                for rw in ["read", "write", "randread", "randwrite", "randrw"] {
                    for (kind, metric, unit, better, primary, level) in kinds {
                        if comparison.metrics.len() >= count {
                            break 'all;
                        }
                        let id = format!(
                            "{profile}/fio/0000:./{rw}-{block}-{depth}i/{kind}/{metric}.mean"
                        );
                        let change = (noise() * 20.0).round() / 10.0;
                        let mut one = check(
                            &id,
                            unit,
                            better,
                            primary,
                            Status::Within,
                            Some(level),
                            Some(change),
                            0,
                        );
                        extend(&mut one, &mut noise);
                        comparison.metrics.push(one);
                        serial += 1;
                    }
                }
            }
            if serial * 5 >= count {
                serial = 0;
                break;
            }
        }
    }
    comparison.counts = self::count(&comparison.metrics, comparison.errors.len());
    comparison.reason = format!(
        "3 of {} checks regressed, in 2 places; worst: TunedLibvirt / fio / randread-4KiB \u{2212}11.8 %, 2.4 x the band, since build 1282",
        comparison.metrics.len()
    );
    comparison
}

/// Returns a comparison with [`HOSTILE`] (and `extra`) in every text field.
pub(crate) fn hostile_comparison(extra: &str) -> Comparison {
    let mut comparison = sample_comparison();
    let bad = format!("{HOSTILE}{extra}");
    let spoil = |text: &mut String| *text = format!("{text}{bad}");
    let spoil_id = |id: &mut MetricId| {
        let parts = id.parts();
        *id = MetricId::new(crate::metric::Parts {
            profile: &format!("{}{bad}", parts.profile),
            iteration: &format!("{}{bad}", parts.iteration),
            metric: &format!("{}{bad}", parts.metric),
            ..parts
        });
    };
    for check in comparison.metrics.iter_mut().chain(&mut comparison.groups) {
        spoil_id(&mut check.id);
        let parts = check.id.parts();
        (check.profile, check.iteration, check.metric) = (
            parts.profile.to_owned(),
            parts.iteration.to_owned(),
            parts.metric.to_owned(),
        );
        spoil(&mut check.unit);
        check.labels.push(bad.clone());
        check.params_changed.push(bad.clone());
        check.details = bad.clone();
        check.basis = Some(bad.clone());
        check.since = check.since.as_ref().map(|since| format!("{since}{bad}"));
        check
            .checks
            .iter_mut()
            .for_each(|part| spoil(&mut part.name));
    }
    for incident in &mut comparison.incidents {
        incident.metrics.iter_mut().for_each(spoil_id);
        let id = &incident.metrics[0];
        (incident.profile, incident.iteration) =
            (id.profile().to_owned(), id.iteration().to_owned());
        incident.since = incident.since.as_ref().map(|since| format!("{since}{bad}"));
    }
    for error in &mut comparison.errors {
        spoil_id(&mut error.id);
        for text in [
            &mut error.place,
            &mut error.build,
            &mut error.class,
            &mut error.message,
            &mut error.text,
            &mut error.log,
        ] {
            spoil(text);
        }
    }
    let Comparison {
        src,
        dst,
        references,
        ..
    } = &mut comparison;
    for build in [src, dst].into_iter().chain(references) {
        for text in [&mut build.name, &mut build.path] {
            spoil(text);
        }
        build.build = Some(bad.clone());
        build.distro = Some(bad.clone());
        build.date = Some(bad.clone());
        build.machines = vec![bad.clone()];
        build.url = Some(format!("javascript:alert(3)//{bad}"));
    }
    for changes in comparison.environment.kinds.values_mut() {
        for change in changes {
            spoil(&mut change.place);
            spoil(&mut change.name);
            change.src = change.src.as_ref().map(|text| format!("{text}{bad}"));
            change.dst = change.dst.as_ref().map(|text| format!("{text}\n{bad}"));
            change.since = Some(bad.clone());
        }
    }
    let other = comparison
        .environment
        .kinds
        .values()
        .next()
        .cloned()
        .unwrap_or_default();
    comparison.environment.kinds.insert(bad.clone(), other);
    for list in [
        &mut comparison.judged_by,
        &mut comparison.works_again,
        &mut comparison.notes,
        &mut comparison.tool.command,
    ] {
        list.push(bad.clone());
    }
    spoil(&mut comparison.tool.version);
    spoil(&mut comparison.reason);
    comparison
}
