//! Which runs are results, and what is said of the others.

use super::{fixtures, judged};
use crate::shell::Exit;
use crate::tests::fio::fault::{Ended, judge};

/// Figures that each good run states: jobs, operations, version.
#[test]
fn good_runs_give_the_figures_in_their_output() {
    let good: [(&str, usize, u64); 15] = [
        // python3: sum of read, write and trim total_ios over `jobs` (`client_stats` without `All clients`)
        ("01-read-2jobs-json", 2, 387_939),
        ("02-randrw-4jobs-group-jsonplus", 1, 247_091),
        ("03-randrw-4jobs-nogroup-json", 4, 318_067),
        ("04-libaio-percentiles-json", 1, 110_469),
        ("05-write-fsync-json", 1, 14_337),
        ("07-two-groups-new_group-json", 2, 312_634),
        ("08-normal-plus-json-on-stdout", 1, 8_254),
        ("10-iodepth-rate-iops-json", 1, 1_500),
        ("11-status-interval-json-on-stdout", 1, 20_131),
        ("12-pbench-template-randrw-logs", 2, 297_776),
        ("13-pbench-template-read-logs", 1, 219_830),
        ("23-missing-directory-is-created", 1, 1_024),
        ("40-client-two-servers", 2, 52_347),
        ("41-client-two-servers-pbench-logs", 4, 194_788),
        ("42-client-one-server", 1, 419_073),
    ];
    for (case, jobs, operations) in good {
        let output = judged(case).unwrap_or_else(|fault| panic!("{case}: {fault:?}"));
        assert_eq!(output.version.as_deref(), Some("3.33"), "{case}");
        assert_eq!(output.jobs.len(), jobs, "{case}");
        assert_eq!(
            output.jobs.iter().map(|job| job.operations).sum::<u64>(),
            operations,
            "{case}"
        );
        assert_eq!(output.client_mode, case.starts_with('4'), "{case}");
    }
}

/// Runs that gave nothing useful, with the class a report names and words of the message and hint.
#[test]
fn bad_runs_say_what_happened_and_what_to_do() {
    let bad: [(&str, &str, &str, &str); 21] = [
        (
            "06-trim-not-supported-json",
            "enotty",
            "(errno 25)",
            "block device that can discard",
        ),
        ("09-terse-v5", "no-json", "status 0", "by hand"),
        (
            "20-fail-bad-option",
            "bad-option",
            "Bad option <no_such_option=1>",
            "job-file",
        ),
        (
            "21-fail-bad-value",
            "bad-option",
            "failed parsing rw=sideways",
            "job-file",
        ),
        (
            "22-fail-bad-ioengine",
            "bad-engine",
            "nosuchengine not loadable",
            "--enghelp",
        ),
        (
            "24-fail-job-file-missing",
            "no-job",
            "unable to open 'missing.fio'",
            "job-file",
        ),
        (
            "25-fail-empty-job-file",
            "no-job",
            "No job(s) defined",
            "job-file",
        ),
        (
            "26-fail-one-of-two-jobs",
            "enotdir",
            "`bad` failed: Not a directory (errno 20); 1 of 2 jobs failed",
            "is a file",
        ),
        (
            "27-fail-enospc",
            "enospc",
            "`w` failed: No space left on device (errno 28)",
            "file-size",
        ),
        (
            "28-fail-enospc-continue",
            "enospc",
            "No space left on device (errno 28)",
            "file-size",
        ),
        (
            "29-fail-read-only-device",
            "enospc",
            "/dev/full",
            "file-size",
        ),
        (
            "30-fail-cmdline-unknown-option",
            "bad-option",
            "unrecognized option '--no-such-flag'",
            "parameters",
        ),
        (
            "31-verify-mismatch",
            "eilseq",
            "(errno 84); it said: verify: bad magic header",
            "verify",
        ),
        (
            "32-fail-target-not-a-directory",
            "enotdir",
            "(errno 20)",
            "targets",
        ),
        (
            "33-fail-target-missing-no-create",
            "target-missing",
            "does not exist",
            "targets",
        ),
        (
            "34-fail-block-device-missing-stdout",
            "target-missing",
            "does not exist",
            "targets",
        ),
        (
            "35-fail-enospc-json-on-stdout",
            "enospc",
            "(errno 28)",
            "file-size",
        ),
        (
            "43-fail-one-server-down",
            "lost-client",
            "1 of 2 fio servers",
            "network",
        ),
        (
            "44-fail-all-servers-down",
            "lost-client",
            "failed to connect to 127.0.0.1:8765",
            "port",
        ),
        (
            "45-fail-server-killed-mid-run",
            "lost-client",
            "1 of 2 fio servers",
            "network",
        ),
        (
            "46-fail-server-job-error",
            "enotdir",
            "(errno 20) on server 127.0.0.1:8765",
            "is a file",
        ),
    ];
    for (case, class, message, hint) in bad {
        let fault = judged(case).expect_err(case);
        assert_eq!(fault.class, class, "{case}: {fault:?}");
        assert!(fault.message.contains(message), "{case}: {}", fault.message);
        assert!(
            fault.hint.as_deref().unwrap_or_default().contains(hint),
            "{case}: {:?}",
            fault.hint
        );
        assert!(!fault.message.contains('\n'), "{case}: one line");
    }
}

#[test]
fn every_recorded_run_is_in_one_of_the_tests() {
    let this = include_str!("outcomes.rs");
    let mut cases = 0;
    for entry in std::fs::read_dir(fixtures().join("fio")).expect("fixtures") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        if entry.path().is_dir() {
            assert!(
                this.contains(&format!("\"{name}\",")),
                "{name} is not tested"
            );
            cases += 1;
        }
    }
    assert_eq!(cases, 36);
}

#[test]
fn errors_gone_over_are_counted_with_the_first_of_them() {
    let text = br#"{"jobs": [{"jobname": "w", "error": 0, "total_err": 7, "first_error": 5, "write": {"total_ios": 9}}]}"#;
    let ended = Ended {
        exit: Exit::Code(0),
        stdout: text,
        stderr: b"",
    };
    let fault = judge(ended, None).expect_err("errors are errors");
    assert_eq!(fault.class, "eio");
    assert!(
        fault.message.contains("first of 7 errors"),
        "{}",
        fault.message
    );
}

#[test]
fn a_run_ended_from_outside_is_no_result_although_fio_ends_with_status_0() {
    // Printed by fio 3.33 on SIGTERM, status 0; on SIGKILL of a worker process, by the parent.
    for noise in [
        "fio: terminating on signal 15",
        "fio: pid=20046, got signal=9",
    ] {
        let text = format!(
            "\n{noise}\n{{\"jobs\": [{{\"jobname\": \"j\", \"error\": 0, \"read\": {{\"total_ios\": 9}}}}]}}\n"
        );
        let ended = Ended {
            exit: Exit::Code(0),
            stdout: text.as_bytes(),
            stderr: b"",
        };
        assert_eq!(judge(ended, None).expect_err(noise).class, "killed");
    }
    let ended = Ended {
        exit: Exit::Signal(9),
        stdout: b"",
        stderr: b"",
    };
    assert_eq!(judge(ended, None).expect_err("killed").class, "killed");
}

#[test]
fn status_0_without_an_operation_is_no_result() {
    let text = br#"{"jobs": [{"jobname": "r", "error": 0, "read": {"total_ios": 0}}]}"#;
    let ended = Ended {
        exit: Exit::Code(0),
        stdout: text,
        stderr: b"",
    };
    assert_eq!(
        judge(ended, None).expect_err("nothing was done").class,
        "no-io"
    );
    let text = br#"{"jobs": [{"jobname": "r", "error": 0, "read": {"total_ios": 5}}]}"#;
    let ended = Ended {
        exit: Exit::Code(3),
        stdout: text,
        stderr: b"",
    };
    assert_eq!(
        judge(ended, None).expect_err("a bad status").class,
        "exit-status"
    );
}
