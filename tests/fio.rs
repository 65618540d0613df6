//! The test `fio` with the real fio on this machine, through the local shell.
//!
//! Every case says `skipped: no fio` when there is none. Runs are a second or two; nothing here is
//! about how fast the machine is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use runperf::control::Context;
use runperf::control::event::{Event, Observer};
use runperf::host::{Host, HostParams, Worker, Workers};
use runperf::shell::local::LocalShell;
use runperf::shell::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};
use runperf::store::result_json::{Iteration, MetricEntry};
use runperf::tests::{Test, TestContext, TestError, fio};
use serde_json::{Value, json};

/// Says aloud what is left out, and why.
macro_rules! need {
    ($condition:expr, $what:literal) => {
        if !$condition {
            let _ = writeln!(std::io::stderr(), "skipped: {}", $what);
            return;
        }
    };
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n")
}

/// Remembers what it was told, in words.
#[derive(Default)]
struct Memory(Mutex<Vec<Event>>);

impl Observer for Memory {
    fn event(&self, event: &Event) {
        self.0
            .lock()
            .expect("no panic while held")
            .push(event.clone());
    }
}

/// A run of one test on this machine.
struct Bench {
    dir: tempfile::TempDir,
    host: Host,
    workers: Workers,
    context: Context,
    memory: Arc<Memory>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let shell = Arc::new(LocalShell::new("localhost"));
        let host = Host {
            name: "localhost".into(),
            address: "127.0.0.1".into(),
            params: HostParams(BTreeMap::from([("guest_cpus".into(), json!(2))])),
            distro: "Debian-12".into(),
            shell: shell.clone(),
        };
        let worker = Worker {
            name: "localhost".into(),
            address: "127.0.0.1".into(),
            role: None,
            host: "localhost".into(),
            shell,
        };
        let memory = Arc::new(Memory::default());
        let mut context = Context::for_test(dir.path());
        context.observer = memory.clone();
        Self {
            host,
            workers: Workers(vec![vec![worker]]),
            context,
            memory,
            dir,
        }
    }

    fn attempt(&self) -> PathBuf {
        let attempt = self.dir.path().join("attempt");
        std::fs::create_dir_all(&attempt).expect("a folder");
        attempt
    }

    fn target(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Set-up, run and clean-up as the controller does them.
    fn run(&self, given: &Value) -> Result<Vec<Iteration>, TestError> {
        let mut test = build(given);
        let dir = self.attempt();
        let cx = TestContext {
            run: &self.context,
            profile: "Localhost",
            host: &self.host,
            workers: &self.workers,
            dir: &dir,
        };
        let result = test.set_up(&cx).and_then(|()| test.run(&cx));
        test.clean_up(&cx).expect("cleaned up");
        result
    }

    fn failure(&self, given: &Value) -> (String, String, String) {
        match self.run(given) {
            Err(TestError::Failed {
                class,
                message,
                hint,
            }) => (class, message, hint.unwrap_or_default()),
            other => panic!("expected a failure, found {other:?}"),
        }
    }

    /// Everything below the attempt, sorted.
    fn kept(&self) -> Vec<String> {
        fn walk(dir: &Path, below: &str, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).expect("readable") {
                let entry = entry.expect("an entry");
                let name = format!("{below}{}", entry.file_name().to_string_lossy());
                if entry.path().is_dir() {
                    walk(&entry.path(), &format!("{name}/"), found);
                } else {
                    found.push(name);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.attempt(), "", &mut found);
        found.sort();
        found
    }
}

fn build(given: &Value) -> Box<dyn Test> {
    fio::build("fio".into(), given.as_object().expect("an object")).expect("good parameters")
}

/// Processes on this machine whose command line holds `part`.
fn processes(part: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if command.starts_with("fio\0")
            && (environment.contains(part) || cwd.display().to_string().contains(part))
        {
            found.push(pid);
        }
    }
    found
}

/// Private folders of fio runs on this machine.
fn folders() -> Vec<PathBuf> {
    let names = std::fs::read_dir(std::env::temp_dir())
        .expect("a temporary folder")
        .flatten();
    let mut found: Vec<PathBuf> = names
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("runperf-fio."))
        })
        .collect();
    found.sort();
    found
}

fn all<'a>(entries: &'a BTreeMap<String, Vec<MetricEntry>>, metric: &str) -> &'a MetricEntry {
    let entry = entries[metric].last().expect("entries");
    assert_eq!(entry.client_hostname, "all", "{metric}");
    entry
}

/// Mean, population deviation in percent and closest sample, computed another way than the program does.
fn recompute(entry: &MetricEntry) {
    let values: Vec<f64> = entry.samples.iter().map(|sample| sample.value).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| value * value).sum::<f64>() / n - mean * mean;
    let percent = if mean == 0.0 {
        0.0
    } else {
        100.0 * variance.max(0.0).sqrt() / mean
    };
    let closest = (0..values.len()).min_by(|a, b| {
        (values[*a] - mean)
            .abs()
            .total_cmp(&(values[*b] - mean).abs())
    });
    assert!(
        (entry.mean - mean).abs() <= 1e-9 * mean.abs(),
        "{} {mean}",
        entry.mean
    );
    // Four significant figures are stored.
    assert!(
        (entry.stddevpct - percent).abs() <= 1e-3 * percent.max(1e-3),
        "{} {percent}",
        entry.stddevpct
    );
    assert_eq!(
        entry.closest_sample,
        (closest.expect("samples") + 1).to_string()
    );
}

/// Keys of every object of a JSON value, with where they stand; array places are not told apart.
fn shape(value: &Value, place: &str, found: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Object(map) => {
            for (key, value) in map {
                shape(value, &format!("{place}.{key}"), found);
            }
            "object"
        }
        Value::Array(items) => {
            for item in items {
                shape(item, &format!("{place}[]"), found);
            }
            "array"
        }
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Bool(_) => "bool",
        Value::Null => "null",
    };
    found.insert(place.to_owned(), kind);
}

#[test]
fn a_real_run_has_pbenchs_shape_and_figures_that_add_up() {
    need!(has("fio"), "no fio");
    let mut bench = Bench::new();
    bench.context.monitor_interval = Some(Duration::from_secs(1));
    let target = bench.target("target");
    let given = json!({"type": "randrw", "block-sizes": "4", "runtime": "1", "ramptime": "0", "samples": 3,
        "file-size": "8", "targets": target, "numjobs": "__PER_WORKER_CPUS__", "direct": 0, "iodepth": 4});
    let iterations = bench.run(&given).expect("figures");

    assert_eq!(iterations.len(), 1);
    let iteration = &iterations[0];
    assert_eq!(
        (
            iteration.iteration_number,
            iteration.iteration_name.as_str()
        ),
        (1, "randrw-4KiB")
    );
    let data = &iteration.iteration_data;
    assert_eq!(
        data.throughput.keys().collect::<Vec<_>>(),
        ["bw", "iops_sec"]
    );
    let latencies = [
        "clat",
        "clat_p50",
        "clat_p90",
        "clat_p95",
        "clat_p99",
        "clat_p99_9",
        "lat",
        "slat",
    ];
    assert_eq!(data.latency.keys().collect::<Vec<_>>(), latencies);
    for entries in data.throughput.values().chain(data.latency.values()) {
        let clients: Vec<&str> = entries
            .iter()
            .map(|entry| entry.client_hostname.as_str())
            .collect();
        assert_eq!(clients, ["127.0.0.1-2", "127.0.0.1-1", "all"]);
        for entry in entries {
            assert_eq!(entry.samples.len(), 3);
            assert!(entry.mean > 0.0);
            recompute(entry);
        }
    }
    let (bw, iops) = (
        all(&data.throughput, "bw").mean,
        all(&data.throughput, "iops_sec").mean,
    );
    // fio averages each log over intervals of its own, so this is about the unit, not the last percent.
    assert!((2.0..8.0).contains(&(bw / iops)), "4 KiB each: {bw} {iops}");
    let percentiles: Vec<f64> = latencies[1..6]
        .iter()
        .map(|metric| all(&data.latency, metric).mean)
        .collect();
    assert!(percentiles.is_sorted(), "{percentiles:?}");
    let benchmark = &data.parameters.benchmark[0];
    for (key, value) in [
        ("bs", json!("4k")),
        ("rw", json!("randrw,randrw")),
        ("numjobs", json!("2,2")),
        ("driver", json!("native")),
        ("primary_metric", json!("iops_sec")),
        ("max_stddevpct", json!(5)),
        ("runtime", json!("1")),
    ] {
        assert_eq!(benchmark[key], value, "{key}");
    }
    assert_eq!(data.parameters.user[0]["profile"], "Localhost");

    // Every key pbench writes is there, of the same kind.
    let ours: Value = serde_json::from_slice(
        &std::fs::read(bench.attempt().join("result.json")).expect("a checkpoint"),
    )
    .expect("JSON");
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pbench-results/fio/result.json");
    let theirs: Value =
        serde_json::from_slice(&std::fs::read(golden).expect("a fixture")).expect("JSON");
    let (mut have, mut want) = (BTreeMap::new(), BTreeMap::new());
    shape(&ours, "", &mut have);
    shape(&theirs, "", &mut want);
    for (place, kind) in &want {
        // pbench writes some dates as text, ours are numbers.
        let kind = if place.ends_with(".date") {
            &"number"
        } else {
            kind
        };
        assert_eq!(have.get(place), Some(kind), "{place}");
    }
    let written: Vec<Iteration> = serde_json::from_value(ours).expect("our own types");
    assert_eq!(written, iterations);

    // What fio wrote is kept, and what the machine did meanwhile; nothing else is left on the machine.
    let kept = bench.kept();
    let monitor = std::fs::read_to_string(
        bench
            .attempt()
            .join("monitor/randrw-4KiB/sample2/localhost.csv"),
    );
    let monitor = monitor.expect("one file a sample");
    assert!(
        monitor.starts_with("t,cpu_user,") && monitor.lines().count() >= 2,
        "{monitor}"
    );
    for file in [
        "fio.job",
        "fio.cmd",
        "fio-result.txt",
        "clients/127.0.0.1/fio_iops.2.log",
        "clients/127.0.0.1/fio_clat_hist.1.log",
    ] {
        let path = format!("raw/randrw-4KiB/sample3/{file}");
        assert!(kept.contains(&path), "{path} in {kept:?}");
    }
    assert!(
        !Path::new(&target).exists(),
        "fio made it, so it is removed"
    );
    let samples = bench
        .memory
        .0
        .lock()
        .expect("held by nobody")
        .iter()
        .filter(|e| matches!(e, Event::SampleStarted { .. }))
        .count();
    assert_eq!(samples, 3);
}

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
fn targets_that_are_not_there_or_not_ours_are_refused_before_fio_starts() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    let short = |target: &str, kind: &str| json!({"type": kind, "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 1, "file-size": 4, "targets": target});

    let (class, message, hint) = bench.failure(&short(&bench.target("no/such/file"), "read"));
    assert_eq!(class, "target-missing");
    assert!(
        message.contains("no/such`") && hint.contains("create it"),
        "{message} {hint}"
    );
    let (class, message, _) = bench.failure(&short("/dev/no-such-disk", "read"));
    assert!(
        class == "target-missing" && message.contains("no device `/dev/no-such-disk`"),
        "{class} {message}"
    );
    assert_eq!(bench.kept(), Vec::<String>::new(), "nothing was run");

    // A place that looks fine until fio tries.
    let (class, message, _) = bench.failure(&short("/proc/fio", "read"));
    assert!(
        class == "enoent" || class == "target-not-writable",
        "{class}: {message}"
    );
}

/// This machine as the user `nobody` has it.
#[derive(Debug)]
struct AsNobody(LocalShell);

impl Shell for AsNobody {
    fn target(&self) -> &Target {
        self.0.target()
    }
    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        let mut wrapped =
            CommandLine::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        wrapped.args.extend(command.args.iter().cloned());
        wrapped.cwd.clone_from(&command.cwd);
        self.0.run(&wrapped, limits)
    }
    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        self.0.start(command)
    }
    fn upload(
        &self,
        from: &mut dyn Read,
        to: &Path,
        mode: u32,
        limits: &Limits,
    ) -> Result<(), ShellError> {
        self.0.upload(from, to, mode, limits)
    }
    fn download(
        &self,
        from: &Path,
        to: &mut dyn std::io::Write,
        limits: &Limits,
    ) -> Result<u64, ShellError> {
        self.0.download(from, to, limits)
    }
}

#[test]
fn a_place_one_may_not_write_is_said_before_fio_starts() {
    need!(has("fio"), "no fio");
    // Root is stopped by nothing, so another user tries.
    need!(
        is_root() && has("setpriv"),
        "not root, or no setpriv, to become another user"
    );
    let mut bench = Bench::new();
    bench.workers.0[0][0].shell = Arc::new(AsNobody(LocalShell::new("localhost")));
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.dir.path(), open).expect("changed");
    let given = json!({"type": "read", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 1, "file-size": 4, "targets": bench.target("t")});
    let (class, message, hint) = bench.failure(&given);
    assert_eq!(class, "target-not-writable", "{message}");
    assert!(
        message.contains("no file can be created in") && hint.contains("who may write there"),
        "{message} {hint}"
    );
    assert_eq!(bench.kept(), Vec::<String>::new(), "nothing was run");
}

/// A block device over a file, gone when dropped.
struct Loop(String, PathBuf);

impl Loop {
    fn attach(image: &Path) -> Option<Self> {
        let output = Command::new("losetup")
            .args(["-f", "--show"])
            .arg(image)
            .output()
            .ok()?;
        let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !name.is_empty())
            .then(|| Self(name, image.with_extension("mnt")))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.1).output();
        let _ = Command::new("losetup").args(["-d", &self.0]).output();
    }
}

#[test]
fn a_device_that_holds_something_is_written_only_when_asked_by_name() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    let image = bench.dir.path().join("image");
    std::fs::File::create(&image)
        .and_then(|file| file.set_len(16 << 20))
        .expect("created");
    let Some(device) = Loop::attach(&image) else {
        let _ = writeln!(std::io::stderr(), "skipped: no loop device (needs root)");
        return;
    };
    let mut given = json!({"type": "write", "block-sizes": "64", "runtime": 1, "ramptime": 0, "samples": 1, "file-size": 8, "targets": device.0});
    bench.run(&given).expect("a blank device may be written");

    let made = Command::new("mkfs.ext4")
        .args(["-q", "-F", &device.0])
        .output();
    need!(made.is_ok_and(|made| made.status.success()), "no mkfs.ext4");
    let (class, message, hint) = bench.failure(&given);
    assert!(
        class == "device-in-use" && message.contains("data of kind ext4"),
        "{class} {message}"
    );
    assert!(hint.contains("__ALLOW_DEVICE_WRITE__"), "{hint}");

    std::fs::create_dir(&device.1).expect("a folder");
    let mounted = Command::new("mount")
        .arg(&device.0)
        .arg(&device.1)
        .status()
        .expect("started");
    assert!(mounted.success());
    let (class, message, _) = bench.failure(&given);
    assert!(
        class == "device-in-use" && message.contains(&format!("mounted at {}", device.1.display())),
        "{class} {message}"
    );
    given["type"] = json!("read");
    bench.run(&given).expect("reading harms nothing");
    assert!(
        Command::new("umount")
            .arg(&device.1)
            .status()
            .expect("started")
            .success()
    );

    given["type"] = json!("write");
    given["__ALLOW_DEVICE_WRITE__"] = json!(1);
    bench.run(&given).expect("asked for by name");
}

/// A file system of 4 MiB, gone when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "none"])
            .arg(dir.path())
            .output()
            .ok()?;
        mounted.status.success().then_some(Self(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_with_what_to_do() {
    need!(has("fio"), "no fio");
    let Some(small) = Small::mount() else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no tmpfs can be mounted (needs root)"
        );
        return;
    };
    let bench = Bench::new();
    let target = small.0.path().join("target").display().to_string();
    let given = json!({"type": "write", "block-sizes": "64", "runtime": 2, "ramptime": 0, "samples": 1, "file-size": 16, "targets": target, "direct": 0, "ioengine": "psync"});
    let (class, message, hint) = bench.failure(&given);
    assert_eq!(class, "enospc", "{message}");
    assert!(
        message.contains("No space left on device (errno 28)") && hint.contains("file-size"),
        "{message} {hint}"
    );
    assert!(
        !Path::new(&target).exists(),
        "what fio made is removed even so"
    );
    assert!(
        bench
            .kept()
            .iter()
            .any(|path| path.ends_with("fio-result.txt")),
        "the output of fio is kept"
    );
}

#[test]
fn fio_killed_in_the_middle_is_a_failure_and_nothing_is_left() {
    need!(has("fio"), "no fio");
    for signal in ["TERM", "KILL"] {
        let bench = Bench::new();
        let target = bench.target("target");
        let given = json!({"type": "read", "block-sizes": "4", "runtime": 60, "ramptime": 0, "samples": 1, "file-size": 4, "targets": target, "direct": 0});
        let before = folders();
        let killer = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_secs(60);
            while Instant::now() < end {
                let ours: Vec<PathBuf> = folders()
                    .into_iter()
                    .filter(|folder| !before.contains(folder))
                    .collect();
                for folder in ours {
                    // Only once the logs exist, fio is at work.
                    if folder.join("sample/fio_iops.1.log").exists()
                        || folder.join("sample/fio.job").exists() && started(&folder)
                    {
                        let job = std::fs::read_to_string(folder.join("sample/fio.job"))
                            .unwrap_or_default();
                        if !job.contains(&target) {
                            continue;
                        }
                        std::thread::sleep(Duration::from_secs(2));
                        for pid in processes(&folder.display().to_string()) {
                            let _ = Command::new("kill")
                                .args([format!("-{signal}"), pid.to_string()])
                                .output();
                        }
                        return true;
                    }
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            false
        });
        let (class, message, _) = bench.failure(&given);
        assert!(killer.join().expect("no panic"), "fio was found");
        assert_eq!(class, "killed", "{signal}: {message}");
        assert_eq!(processes(&bench.target("target")), Vec::<u32>::new());
    }
}

fn started(folder: &Path) -> bool {
    !processes(&folder.display().to_string()).is_empty()
}

#[test]
fn a_cancelled_run_leaves_no_fio_and_keeps_finished_samples() {
    need!(has("fio"), "no fio");
    let bench = Bench::new();
    let target = bench.target("target");
    let given = json!({"type": "read,write", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 100, "file-size": 4, "targets": target, "direct": 0});
    let cancel = bench.context.cancel.clone();
    let result = bench.attempt().join("result.json");
    let canceller = std::thread::spawn(move || {
        let end = Instant::now() + Duration::from_secs(120);
        while Instant::now() < end && !result.exists() {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_millis(500));
        cancel.raise();
    });
    let before = folders();
    let outcome = bench.run(&given);
    canceller.join().expect("no panic");
    assert!(
        matches!(outcome, Err(TestError::Interrupted)),
        "{outcome:?}"
    );
    let kept: Vec<Iteration> =
        serde_json::from_slice(&std::fs::read(bench.attempt().join("result.json")).expect("kept"))
            .expect("JSON");
    assert!(
        !kept[0].iteration_data.throughput["iops_sec"][0]
            .samples
            .is_empty()
    );
    assert!(!Path::new(&target).exists());
    let mut left = String::new();
    for folder in folders()
        .into_iter()
        .filter(|folder| !before.contains(folder))
    {
        // Other tests of this file run beside this one; theirs are of other targets.
        let job = std::fs::read_to_string(folder.join("sample/fio.job")).unwrap_or_default();
        if job.contains(&target) {
            let _ = writeln!(left, "{}", folder.display());
        }
    }
    assert_eq!(left, "");
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

#[test]
fn two_machines_give_one_entry_over_all() {
    need!(has("fio"), "no fio");
    let mut bench = Bench::new();
    // The same machine twice, under two addresses; in the directory each has files of its own.
    let other = Worker {
        name: "other".into(),
        address: "127.0.0.2".into(),
        ..bench.workers.0[0][0].clone()
    };
    bench.workers.0.push(vec![other]);
    let directory = bench.target("d");
    std::fs::create_dir(&directory).expect("a folder");
    let given = json!({"type": "read", "block-sizes": "4", "runtime": 2, "ramptime": 0, "samples": 1, "file-size": 4, "targets": directory, "direct": 0, "rate-iops": 100});
    let iterations = bench.run(&given).expect("figures");
    let data = &iterations[0].iteration_data;
    let clients: Vec<&str> = data.throughput["iops_sec"]
        .iter()
        .map(|entry| entry.client_hostname.as_str())
        .collect();
    assert_eq!(clients, ["127.0.0.2-1", "127.0.0.1-1", "all"]);
    assert_eq!(data.latency["clat_p99"].len(), 3);
    let sum: f64 = data.throughput["iops_sec"][..2]
        .iter()
        .map(|entry| entry.mean)
        .sum();
    let all = all(&data.throughput, "iops_sec").mean;
    assert!((all / sum - 1.0).abs() < 0.5, "both count: {all} {sum}");
    assert!(
        bench
            .kept()
            .contains(&"raw/read-4KiB/sample1/127.0.0.2/clients/127.0.0.2/fio_bw.1.log".to_owned()),
        "{:?}",
        bench.kept()
    );
    assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 0);
}
