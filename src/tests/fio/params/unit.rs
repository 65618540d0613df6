//! What is understood, and what is said of what is not.

use serde_json::json;

use super::*;

fn read(given: Value) -> Result<Settings, ParamError> {
    let given = given.as_object().cloned().unwrap_or_default();
    Settings::read(&check("fio", PARAMS, &given)?, 1)
}

fn option<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    settings
        .options
        .iter()
        .find(|option| option.key == key)
        .map(|option| option.value.as_str())
}

#[test]
fn the_classic_command_line_is_understood() {
    let given = json!({"type":"read","ramptime":"1","runtime":"10","samples":"1","file-size":"100","targets":"/fio"});
    let settings = read(given).expect("good parameters");
    assert_eq!(
        (settings.types.as_slice(), settings.samples),
        (["read".to_owned()].as_slice(), 1)
    );
    assert_eq!((settings.ramp_s, settings.runtime_s), (1, 10));
    assert_eq!(option(&settings, "size"), Some("100M"));
    assert_eq!(settings.targets, ["/fio"]);
}

#[test]
fn defaults_are_run_perfs_before_pbenchs() {
    let settings = read(json!({})).expect("no parameter is needed");
    assert_eq!(settings.types, ["read", "write", "rw"]);
    assert_eq!(settings.block_sizes_kib, [4, 64, 1024]);
    assert_eq!(
        (settings.ramp_s, settings.runtime_s, settings.samples),
        (10, 180, 3)
    );
    assert_eq!(
        settings.max_stddev, None,
        "nothing is repeated unless asked for"
    );
    assert_eq!(
        settings.options.len(),
        2,
        "the template keeps its own size, depth and engine: {:?}",
        settings.options
    );
}

#[test]
fn numbers_lists_and_texts_mean_the_same() {
    let a =
        read(json!({"block-sizes": [4, "64k"], "direct": true, "iodepth": 8, "rate-iops": 500}))
            .expect("good");
    let b =
        read(json!({"block-sizes": "4, 64", "direct": "1", "iodepth": "8", "rate-iops": "500"}))
            .expect("good");
    assert_eq!(a, b);
    assert_eq!(option(&a, "rate_iops"), Some("500"));
}

#[test]
fn what_is_wrong_is_said_by_name() {
    for (given, message) in [
        (json!({"type": "randraed"}), "did you mean `randread`"),
        (
            json!({"runtme": 1}),
            "no parameter `runtme`; did you mean `runtime`",
        ),
        (
            json!({"type": "read", "test-types": "write"}),
            "given twice",
        ),
        (json!({"type": "read,read"}), "`read` is there twice"),
        (json!({"runtime": 0}), "at least 1, found `0`"),
        (json!({"runtime": "1.5"}), "whole number"),
        (json!({"samples": "many"}), "found `many`"),
        (
            json!({"block-sizes": "4,x"}),
            "KiB such as 4,64,1024, found `x`",
        ),
        (json!({"targets": "fio"}), "absolute paths"),
        (json!({"targets": []}), "at least one path"),
        (json!({"targets": " , "}), "at least one path"),
        (
            json!({"targets": "/a/f,/b/f", "job-mode": "serial"}),
            "same last name",
        ),
        (json!({"job-mode": "both"}), "serial or concurrent"),
        (
            json!({"job-file": "/nonexistent/job.fio"}),
            "cannot read `/nonexistent/job.fio`",
        ),
        (json!({"max-stddev": "-1"}), "percent above 0"),
        (
            json!({"clients": "a,b"}),
            "the workers are those of the profile",
        ),
        (json!({"driver": "fast"}), "expected native or pbench"),
        (json!({"direct": "2"}), "expected one of 0, 1, found `2`"),
        (json!({"rate-iops": "fast"}), "operations a second"),
        (json!({"targets": {"a": 1}}), "expected text or a number"),
        (
            json!({"targets": "/a\n/b"}),
            "without brackets and line ends",
        ),
    ] {
        let error = read(given.clone())
            .expect_err(&given.to_string())
            .to_string();
        assert!(error.contains(message), "{given}: {error}");
    }
}

#[test]
fn pbenchs_own_parameters_are_taken_and_named_as_ignored() {
    let settings =
        read(json!({"sysinfo": "default", "pbench_tools": ["sar"], "config": "nightly"}))
            .expect("taken");
    assert_eq!(settings.ignored, ["config", "sysinfo", "pbench_tools"]);
}

#[test]
fn cpus_of_a_worker_stand_in_for_their_name() {
    let given = json!({"numjobs": "__PER_WORKER_CPUS__"})
        .as_object()
        .cloned()
        .unwrap_or_default();
    let settings = Settings::read(&check("fio", PARAMS, &given).expect("known"), 6).expect("good");
    assert!(settings.per_worker_cpus);
    assert_eq!(option(&settings, "numjobs"), Some("6"));
}
