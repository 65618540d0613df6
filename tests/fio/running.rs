//! Modes, repetitions, scripts, several machines.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::support::{Bench, all, has};

#[test]
fn serial_mode_directories_and_a_job_file_of_ones_own() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    let (file, directory, job) = (
        bench.target("file"),
        bench.target("directory"),
        bench.target("my.fio"),
    );
    std::fs::create_dir(&directory).expect("a folder");
    std::fs::write(Path::new(&directory).join("mine"), "kept").expect("written");
    std::fs::write(&file, vec![7_u8; 4 << 20]).expect("written");
    std::fs::write(&job, "[global]\nbs=$@\ntime_based\nruntime=1\ngroup_reporting\n[TheJob-$target]\nfilename=$target\nrw=$@\nsize=4M\nioengine=psync\n")
        .expect("written");
    let given = json!({"type": "read", "block-sizes": "64", "samples": 1, "ramptime": 0, "runtime": 1, "numjobs": 2, "rate-iops": 50,
        "targets": [file, directory], "job-mode": "serial", "job-file": job, "file-size": 4});
    let iterations = bench.run(&given).expect("figures");

    let names: Vec<&str> = iterations
        .iter()
        .map(|iteration| iteration.iteration_name.as_str())
        .collect();
    assert_eq!(names, ["read-64KiB-file", "read-64KiB-directory"]);
    for iteration in &iterations {
        let iops = all(&iteration.iteration_data.throughput, "iops_sec").mean;
        assert!(
            iops > 0.0 && iops < 150.0,
            "two processes held to 50 a second each: {iops}"
        );
        let data = &iteration.iteration_data;
        assert_eq!(
            data.throughput["iops_sec"].len(),
            3,
            "each process, although fio reports the group"
        );
        assert_eq!(
            data.latency["clat_p99"].len(),
            1,
            "percentiles of the group only"
        );
        assert!(
            !data.parameters.benchmark[0].contains_key("filename_format"),
            "differs from run to run"
        );
    }
    let left: Vec<_> = std::fs::read_dir(&directory)
        .expect("readable")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["mine"], "files fio made there are gone, others stay");
    assert_eq!(
        std::fs::metadata(&file)
            .map(|metadata| metadata.len())
            .expect("kept"),
        4 << 20,
        "it was there before"
    );
}

#[test]
fn repeats_only_what_spreads_when_asked_and_marks_the_tries() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    // Nothing on earth repeats to a millionth of a percent.
    let given = json!({"type": "read", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 2, "file-size": 4,
        "targets": bench.target("t"), "direct": 0, "max-stddev": "0.000001", "max-failures": 2});
    let iterations = bench.run(&given).expect("a result all the same");
    let names: Vec<&str> = iterations
        .iter()
        .map(|iteration| iteration.iteration_name.as_str())
        .collect();
    assert_eq!(
        names,
        ["read-4KiB-fail1", "read-4KiB-fail2"],
        "readers leave these out"
    );
    assert!(
        bench
            .kept()
            .contains(&"raw/read-4KiB-fail2/sample2/fio-result.txt".to_owned()),
        "{:?}",
        bench.kept()
    );
}

#[test]
fn a_script_runs_before_each_sample_and_its_failure_counts() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    let (script, trace) = (bench.target("before.sh"), bench.target("trace"));
    let write = |content: String, mode| {
        std::fs::write(&script, content).expect("written");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(mode)).expect("changed");
    };
    let given = json!({"type": "read", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 2, "file-size": 4,
        "targets": bench.target("t"), "direct": 0, "pre-iteration-script": script});
    write(format!("#!/bin/sh\necho x >>{trace}\n"), 0o755);
    bench.run(&given).expect("figures");
    assert_eq!(std::fs::read_to_string(&trace).expect("written"), "x\nx\n");

    write(
        "#!/bin/sh\necho no cache to drop >&2; exit 3\n".into(),
        0o755,
    );
    let (class, message, _) = bench.failure(&given);
    assert!(
        class == "pre-iteration-script"
            && message.contains("status 3")
            && message.contains("no cache to drop"),
        "{message}"
    );
    write("#!/bin/sh\n".into(), 0o644);
    assert_eq!(
        bench.failure(&given).0,
        "pre-iteration-script",
        "not executable"
    );
}
