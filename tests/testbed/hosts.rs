//! Hosts of a test process: network namespaces made by `netns-hosts.sh`, each with an sshd. Several
//! test processes may have theirs at the same time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/testbed/netns-hosts.sh");
/// Sets of hosts that this machine can have at once.
const SLOTS: usize = 40;

/// A set of hosts; taken down when this process ends, however it ends.
pub(crate) struct Hosts {
    /// Home of the person who runs the programs: `.ssh/config` knows every host.
    pub(crate) home: TempDir,
    net: String,
    id: String,
    /// Its input ends with this process; it holds the slot until the hosts are down.
    _keeper: Child,
}

/// A number no other process uses, and the file that is locked as long as somebody does.
fn slot() -> Result<(usize, File), String> {
    let dir = std::env::temp_dir();
    for number in 0..SLOTS {
        let path = dir.join(format!("runperf-test-hosts-{number}.lock"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if file.try_lock().is_ok() {
            return Ok((number, file));
        }
    }
    Err(format!("all {SLOTS} sets of test hosts are in use"))
}

/// Makes `count` hosts. The error says what this machine lacks.
pub(crate) fn up(count: usize) -> Result<Hosts, String> {
    up_with(count, &[])
}

/// As [`up`], with more arguments for the script.
pub(crate) fn up_with(count: usize, more: &[&str]) -> Result<Hosts, String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !status.lines().any(|line| line.starts_with("Uid:\t0\t")) {
        return Err("needs root".into());
    }
    for name in ["sshd", "ip", "unshare", "ssh-keygen"] {
        let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|dir| Path::new(dir).join(name).exists());
        if !found {
            return Err(format!("no {name} here"));
        }
    }
    let (number, lock) = slot()?;
    let id = format!("s{number}");
    let net = format!("10.213.{}", 80 + number);
    let home = tempfile::tempdir().expect("a temporary folder");
    let dir = home.path().join("hosts");
    let output = Command::new(SCRIPT)
        .args([
            "up",
            "--net",
            &net,
            "--id",
            &id,
            "--count",
            &count.to_string(),
            "--dir",
        ])
        .arg(&dir)
        .args(more)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("no network namespaces: {message}"));
    }
    let ssh = home.path().join(".ssh");
    fs::create_dir(&ssh).expect("writable");
    fs::copy(dir.join("ssh_config"), ssh.join("config")).expect("made");
    let keeper = Command::new("sh")
        .args([
            "-c",
            "cat >/dev/null; \"$1\" down --id \"$4\" --dir \"$2\" >&2; rm -rf \"$3\"",
            "sh",
            SCRIPT,
        ])
        .arg(&dir)
        .arg(home.path())
        .arg(&id)
        .stdin(Stdio::piped())
        .stdout(Stdio::from(lock))
        .stderr(Stdio::null())
        .spawn()
        .expect("there is sh");
    Ok(Hosts {
        home,
        net,
        id,
        _keeper: keeper,
    })
}

impl Hosts {
    /// Address of host `number`, counted from 1; numbers beyond those that are up belong to nobody.
    pub(crate) fn address(&self, number: usize) -> String {
        format!("{}.{}", self.net, 10 + number)
    }

    /// Network namespace of host `number`, as `ip -n` takes it.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn namespace(&self, number: usize) -> String {
        format!("tb{}host{number}", self.id)
    }

    /// Runs a command on host `number`, in its network and its mounts, without SSH.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub(crate) fn inside(&self, number: usize, script: &str) -> String {
        let folder = self.home.path().join("hosts").join(self.namespace(number));
        let pid = fs::read_to_string(folder.join("sshd.pid")).expect("it is up");
        let output = Command::new("nsenter")
            .args(["-t", pid.trim(), "-m", "-n", "-u", "sh", "-c", script])
            .output()
            .expect("there is nsenter");
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `hN:ADDRESS`, as `--hosts` takes it.
    pub(crate) fn host(&self, number: usize) -> String {
        format!("h{number}:{}", self.address(number))
    }

    pub(crate) fn run_perf(&self) -> Command {
        let mut command = Command::new(cargo_bin("run-perf"));
        command
            .env("HOME", self.home.path())
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("XDG_CONFIG_HOME")
            .current_dir(self.home.path());
        command
    }

    /// Runs and returns exit code, standard output and standard error.
    pub(crate) fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self
            .run_perf()
            .args(args)
            .output()
            .expect("run-perf starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// A path in the home of the person who runs the programs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}
