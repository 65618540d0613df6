//! The monitor on the machine the tests run on.

use std::sync::Arc;
use std::time::Duration;

use runperf::control::Context;
use runperf::control::cancel::CancelToken;
use runperf::host::monitor::{HEADER, Monitor, Monitors};
use runperf::host::{Worker, Workers};
use runperf::shell::local::LocalShell;
use runperf::shell::{CommandLine, Limits, Shell};

fn local() -> Arc<dyn Shell> {
    Arc::new(LocalShell::new("localhost"))
}

fn rows(text: &str) -> Vec<Vec<Option<f64>>> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    let number = |cell: &str| (!cell.is_empty()).then(|| cell.parse().expect("a number"));
    lines
        .map(|line| line.split(',').map(number).collect())
        .collect()
}

fn now() -> f64 {
    std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs_f64()
}

#[test]
fn work_on_the_machine_is_seen() {
    let dir =
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder on a disk");
    let shell = local();
    let began = now();
    let monitor = Monitor::start(&shell, Duration::from_millis(200), &CancelToken::default())
        .expect("this is Linux");
    let work = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; dd if=/dev/zero of=file bs=1M count=20 conv=fsync";
    let command = CommandLine::script(work).current_dir(dir.path());
    assert!(
        shell
            .run(&command, &Limits::new(CancelToken::default()))
            .expect("it ends")
            .exit
            .success()
    );
    std::thread::sleep(Duration::from_millis(500));
    let rows = rows(&monitor.stop().expect("the machine is still there"));

    assert!(rows.len() >= 3, "{rows:?}");
    assert!(rows.iter().all(|row| row.len() == 13), "{rows:?}");
    assert!(
        rows.is_sorted_by_key(|row| row[0]),
        "time goes on: {rows:?}"
    );
    let (first, last) = (
        rows[0][0].expect("has a time"),
        rows[rows.len() - 1][0].expect("has a time"),
    );
    assert!(
        first > began - 2.0 && last < now() + 2.0 && last > first,
        "{began} {first} {last}"
    );
    let highest = |column: usize| {
        rows.iter()
            .filter_map(|row| row[column])
            .fold(0.0, f64::max)
    };
    assert!(highest(5) > 5.0, "the CPUs were used: {rows:?}");
    assert!(highest(7) > 1e6, "some memory is available: {rows:?}");
    for row in &rows[1..] {
        let parts: f64 = row[1..=4].iter().flatten().sum();
        assert!(parts <= 100.5, "{row:?}");
    }
    if std::fs::read_to_string("/proc/diskstats").is_ok_and(|text| {
        text.contains(" vda ") || text.contains(" sda ") || text.contains(" nvme0n1 ")
    }) {
        assert!(highest(10) > 0.0, "20 MiB were written to disk: {rows:?}");
    } else {
        eprintln!("skipped: no disk whose name is known here");
    }
}

#[test]
fn the_shortest_sample_has_two_points_and_nothing_keeps_running() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let worker = Worker {
        name: "foo".into(),
        address: "foo".into(),
        role: None,
        host: "foo".into(),
        shell: local(),
    };
    let workers = Workers(vec![vec![worker.clone()], vec![worker]]);
    let mut cx = Context::for_test(dir.path());
    Monitors::start(&workers, &cx).finish(dir.path(), "off", 1);
    assert!(!dir.path().join("monitor").exists(), "switched off");

    cx.monitor_interval = Some(Duration::from_secs(1));
    let monitors = Monitors::start(&workers, &cx);
    // An interrupted run keeps its record.
    cx.cancel.raise();
    monitors.finish(dir.path(), "read-4KiB", 1);
    let text = std::fs::read_to_string(dir.path().join("monitor/read-4KiB/sample1/foo.csv"))
        .expect("is written");
    assert_eq!(rows(&text).len(), 2, "{text}");
}

#[test]
fn the_monitor_itself_costs_next_to_nothing() {
    // CPU time of the loop and its children, from the shell's own accounting: fields utime, stime,
    // cutime, cstime of proc(5), in ticks of 10 ms, over ten times as many looks as usual.
    let script =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/host/monitor.sh"))
            .expect("part of the sources");
    let measured = script.replace("main \"$@\" </dev/null", "sleep() { n=$((n + 1)); [ $n -le 50 ]; }\nn=0\nmain loop 1 </dev/null >/dev/null\ncat /proc/$$/stat");
    let output = local()
        .run(
            &CommandLine::new("sh").arg("-s").stdin(measured),
            &Limits::new(CancelToken::default()),
        )
        .expect("it ends");
    let text = output.text();
    let fields: Vec<&str> = text[text.rfind(')').expect("stat names the program") + 2..]
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..=14]
        .iter()
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum();
    let per_look_ms = ticks * 10.0 / 50.0;
    eprintln!("one look costs {per_look_ms:.1} ms of CPU");
    assert!(
        per_look_ms < 50.0,
        "5 % of a CPU at one look a second is too much"
    );
}
