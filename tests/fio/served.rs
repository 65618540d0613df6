//! fio on what is served for it: `fio-nbd` for real, `fio-libblkio` as far as this fio goes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Command;

use runperf::shell::scripted::ScriptedShell;
use runperf::tests::{TestError, fio_libblkio, fio_nbd};
use serde_json::{Value, json};

use super::support::{Bench, all, has};

fn engine(name: &str) -> bool {
    Command::new("fio")
        .arg("--enghelp")
        .output()
        .is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout)
                .split_whitespace()
                .any(|word| word == name)
        })
}

fn built(name: &str, given: &Value) -> Box<dyn runperf::tests::Test> {
    let given = given.as_object().expect("an object");
    let build = if name == "fio-nbd" {
        fio_nbd::build
    } else {
        fio_libblkio::build
    };
    build(name.into(), given).expect("good parameters")
}

#[test]
fn a_network_block_device_is_served_measured_and_gone() {
    need!(has("fio"), "no fio");
    need!(engine("nbd"), "this fio has no nbd engine");
    need!(has("qemu-nbd"), "no qemu-nbd");
    for client_server in [0, 1] {
        let bench = Bench::new();
        let given = json!({"type": "randrw", "block-sizes": "4", "runtime": 1, "ramptime": 0, "samples": 2, "file-size": 8,
            "rate-iops": 200, "client-server": client_server});
        let iterations = bench.run_test(built("fio-nbd", &given)).expect("figures");
        let data = &iterations[0].iteration_data;
        assert_eq!(
            data.throughput["iops_sec"].len(),
            5,
            "four processes and all"
        );
        assert!(all(&data.throughput, "iops_sec").mean > 0.0);
        assert!(all(&data.latency, "clat").mean > 0.0);
        let benchmark: BTreeMap<_, _> = data.parameters.benchmark[0].iter().collect();
        let key = |name: &str| benchmark.get(&name.to_owned()).copied().cloned();
        assert_eq!(key("ioengine"), Some(json!("nbd")));
        assert_eq!(key("offset_increment"), Some(json!("2M,2M,2M,2M")));
        let text = serde_json::to_string(&benchmark).expect("JSON");
        assert!(
            !text.contains("runperf-fio."),
            "the same night by night: {text}"
        );
        assert!(bench.context.journal.left().is_empty(), "all taken back");
    }
}

#[test]
fn an_export_that_cannot_be_made_is_said() {
    need!(has("fio"), "no fio");
    need!(engine("nbd"), "this fio has no nbd engine");
    let mut bench = Bench::new();
    // A machine with fio and without qemu-nbd.
    let shell = ScriptedShell::new("foo")
        .answer("fio --version", "fio-3.33\n")
        .answer("fio --enghelp=nbd", "uri : NBD URI\n")
        .answer("sh -c 'printf *", "/scratch")
        .answer("mkdir *", "")
        .answer("rm *", "")
        .fail("sh -c 'command -v *", 1, "");
    bench.workers.0[0][0].shell = std::sync::Arc::new(shell);
    let reason = match bench.run_test(built("fio-nbd", &json!({}))) {
        Err(TestError::Skip { reason }) => reason,
        other => panic!("expected a skip, found {other:?}"),
    };
    assert_eq!(
        reason,
        "no qemu-nbd on foo; package qemu-utils (Debian), qemu-img (Fedora)"
    );
}

#[test]
fn a_fio_without_libblkio_skips_with_its_reason() {
    need!(has("fio"), "no fio");
    need!(!engine("libblkio"), "this fio has libblkio");
    let bench = Bench::new();
    match bench.run_test(built("fio-libblkio", &json!({}))) {
        Err(TestError::Skip { reason }) => {
            assert!(
                reason.ends_with("on localhost has no I/O engine `libblkio`"),
                "{reason}"
            );
        }
        other => panic!("expected a skip, found {other:?}"),
    }
    assert!(bench.context.journal.left().is_empty());
}

/// A machine with everything; `sh -c` of the daemon and the wait for its socket succeed.
fn with_libblkio() -> ScriptedShell {
    ScriptedShell::new("foo")
        .answer("fio --version", "fio-3.36\n")
        .answer("fio --enghelp=libblkio", "libblkio_driver : Name\n")
        .answer("sh -c 'printf *", "/scratch")
        .answer("mkdir *", "")
        .answer("rm *", "")
        .fail("test -d /sys/module/brd", 1, "")
        .answer("modprobe brd *", "")
        .answer("sh -c '[ ! -d *", "")
        .answer("sh -c 'command -v *", "/usr/bin/qemu-storage-daemon\n")
        .answer("qemu-storage-daemon *", "")
        .answer("my-daemon *", "")
        .answer("sh -c 'my-daemon *", "")
        .answer("sh -c 'n=0*", "")
        .answer("sh -c *", "")
        .answer("fio *", "")
}

#[test]
fn the_storage_daemon_is_started_on_a_ram_disk_that_is_unloaded() {
    let mut bench = Bench::new();
    let shell = with_libblkio();
    bench.workers.0[0][0].shell = std::sync::Arc::new(shell.clone());
    // fio of this machine prints nothing.
    bench
        .run_test(built(
            "fio-libblkio",
            &json!({"type": "read", "block-sizes": "4"}),
        ))
        .expect_err("no figures");
    let commands = shell.commands();
    let at = |part: &str| {
        commands
            .iter()
            .position(|command| command.contains(part))
            .unwrap_or_else(|| panic!("no {part} in {commands:#?}"))
    };
    assert!(
        at("modprobe brd rd_nr=1 rd_size=1048576 max_part=0") < at("qemu-storage-daemon --object")
    );
    let daemon = &commands[at("qemu-storage-daemon --object")];
    for part in [
        "--object iothread,id=iothread0",
        "driver=host_device,node-name=disk,filename=/dev/ram0,cache.direct=on",
        "type=vhost-user-blk,id=disk,node-name=disk,iothread=iothread0,writable=on,addr.type=unix,addr.path=/scratch/runperf-fio.",
    ] {
        assert!(daemon.contains(part), "{daemon}");
    }
    assert!(
        at("fio --output-format") < at("modprobe -r brd"),
        "{commands:#?}"
    );
    let job = bench
        .kept()
        .into_iter()
        .find(|file| file.ends_with("fio.job"))
        .expect("kept");
    let job = std::fs::read_to_string(bench.attempt().join(job)).expect("readable");
    for line in [
        "ioengine=libblkio",
        "libblkio_driver=virtio-blk-vhost-user",
        "hipri=0",
        "iodepth=1",
        "runtime=10",
        "ramp_time=5",
    ] {
        assert!(job.lines().any(|found| found == line), "{line} in\n{job}");
    }
    assert!(bench.context.journal.left().is_empty());
}

#[test]
fn a_daemon_of_ones_own_gets_target_and_socket() {
    let mut bench = Bench::new();
    let shell = with_libblkio();
    bench.workers.0[0][0].shell = std::sync::Arc::new(shell.clone());
    let given = json!({"__STORAGE_DAEMON_CMD__": "my-daemon --disk %s --at %s -v", "__SETUP_RAMDISK__": false, "target": "/data/a disk", "hipri": 1});
    bench
        .run_test(built("fio-libblkio", &given))
        .expect_err("no figures");
    let commands = shell.commands();
    assert!(
        commands
            .iter()
            .any(|command| command.contains("my-daemon --disk")
                && command.contains("/data/a disk")
                && command.contains("vhost-user-blk.sock -v")),
        "{commands:#?}"
    );
    assert!(
        !commands
            .iter()
            .any(|command| command.contains("modprobe brd"))
    );
    for (given, message) in [
        (
            json!({"__STORAGE_DAEMON_CMD__": "d %s"}),
            "%s exactly twice (target, socket), found 1",
        ),
        (json!({"__STORAGE_DAEMON_CMD__": "d %s %s %s"}), "found 3"),
        (json!({"target": "ram0"}), "absolute path"),
    ] {
        let error = fio_libblkio::build("x".into(), given.as_object().expect("an object"))
            .map(|_| ())
            .expect_err("malformed");
        assert!(error.to_string().contains(message), "{error}");
    }
}
