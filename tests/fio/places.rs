//! Targets fio must not work on, and disks that are full.

use std::io::{Read, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use runperf::shell::local::LocalShell;
use runperf::shell::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};
use serde_json::json;

use super::support::{Bench, has, is_root};

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
