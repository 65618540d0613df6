//! Real sshds for tests.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runperf::control::cancel::CancelToken;
use runperf::shell::Limits;
use runperf::shell::ssh::{Address, Settings, SshShell};
use tempfile::TempDir;

/// Says aloud why a test does nothing here.
#[macro_export]
macro_rules! skip_unless {
    ($what:expr) => {
        match $what {
            Ok(value) => value,
            Err(reason) => {
                println!("skipped: {reason}");
                return;
            }
        }
    };
}

/// Limits that only guard against a hanging test.
pub(crate) fn limits() -> Limits {
    Limits::new(CancelToken::default()).within(Duration::from_secs(120))
}

pub(crate) fn program(name: &str) -> Result<PathBuf, String> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .into_iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists())
        .ok_or_else(|| format!("no {name} here"))
}

pub(crate) fn root() -> Result<(), String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or_default();
    if uid.split_whitespace().next() == Some("0") {
        Ok(())
    } else {
        Err("needs root".into())
    }
}

/// An sshd on a port of its own; ends with the test.
pub(crate) struct Sshd {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Sshd {
    /// Lets the key `DIR/key` in as the user who runs the test.
    pub(crate) fn start() -> Result<Self, String> {
        Self::with("", |sshd| sshd)
    }

    /// As [`Sshd::start`] with more lines of configuration, started by what `wrap` makes of it.
    pub(crate) fn with(config: &str, wrap: impl Fn(Command) -> Command) -> Result<Self, String> {
        let sshd = program("sshd")?;
        program("ssh-keygen")?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        keygen(&dir.path().join("host_key"));
        keygen(&dir.path().join("key"));
        if root().is_ok() {
            fs::create_dir_all("/run/sshd").expect("root may");
        }
        let port = free_port();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let text = format!(
            "{config}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\n\
             StrictModes no\nMaxSessions 100\nMaxStartups 100:30:200\n",
            path("host_key"),
            path("key.pub"),
        );
        fs::write(dir.path().join("sshd_config"), text).expect("writable");
        let mut command = Command::new(sshd);
        command
            .arg("-D")
            .arg("-f")
            .arg(dir.path().join("sshd_config"))
            .arg("-E")
            .arg(dir.path().join("log"));
        let child = without_bashrc(wrap(command))
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("sshd does not start: {error}"))?;
        let sshd = Self { dir, port, child };
        sshd.write_known_hosts("host_key.pub");
        sshd.write_config("");
        wait_for_banner(port);
        Ok(sshd)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes the key in this file the one that is known.
    pub(crate) fn write_known_hosts(&self, public: &str) {
        let key = fs::read_to_string(self.path(public)).expect("a key");
        fs::write(
            self.path("known_hosts"),
            format!("[127.0.0.1]:{} {key}", self.port),
        )
        .expect("writable");
    }

    /// Client configuration: `lab` is this sshd.
    pub(crate) fn write_config(&self, more: &str) {
        let text = format!(
            "Host lab\n HostName 127.0.0.1\n Port {}\n User {}\n{more}\nHost *\n IdentityFile {}\n IdentitiesOnly yes\n UserKnownHostsFile {}\n",
            self.port,
            user(),
            self.path("key").display(),
            self.path("known_hosts").display(),
        );
        fs::write(self.path("config"), text).expect("writable");
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            config: Some(self.path("config")),
            ..Settings::default()
        }
    }

    pub(crate) fn shell(&self) -> SshShell {
        shell(self.settings())
    }
}

impl Sshd {
    /// Ends every connection, as a restart of the machine does; new ones are let in.
    pub(crate) fn cut_connections(&self) {
        let parent = self.child.id().to_string();
        let status = Command::new("pkill").args(["-9", "-P", &parent]).status();
        assert!(
            status.expect("there is pkill").success(),
            "somebody was connected"
        );
    }

    /// Makes clients go to this port instead.
    pub(crate) fn lead_through(&self, port: u16) {
        for name in ["known_hosts", "config"] {
            let text = fs::read_to_string(self.path(name)).expect("there");
            fs::write(
                self.path(name),
                text.replace(&self.port.to_string(), &port.to_string()),
            )
            .expect("writable");
        }
    }
}

/// Carries connections to a port, and stops moving bytes when told to, without a word to anybody.
pub(crate) struct Wire {
    pub(crate) port: u16,
    pub(crate) frozen: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let wire = Self {
            port: listener.local_addr().expect("bound").port(),
            frozen: Arc::default(),
        };
        let frozen = Arc::clone(&wire.frozen);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(("127.0.0.1", port)).expect("sshd answers");
                // What was connected before stays dead; what comes later lives.
                let dead = Arc::new(AtomicBool::new(false));
                for (mut from, mut to) in [
                    (
                        near.try_clone().expect("open"),
                        far.try_clone().expect("open"),
                    ),
                    (far, near),
                ] {
                    let (frozen, dead) = (Arc::clone(&frozen), Arc::clone(&dead));
                    std::thread::spawn(move || {
                        let mut buffer = [0; 65536];
                        while let Ok(count @ 1..) = from.read(&mut buffer) {
                            if frozen.load(Ordering::SeqCst) {
                                dead.store(true, Ordering::SeqCst);
                            }
                            if dead.load(Ordering::SeqCst) {
                                continue;
                            }
                            if to.write_all(&buffer[..count]).is_err() {
                                break;
                            }
                        }
                    });
                }
            }
        });
        wire
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// bash reads `.bashrc` for every ssh command; what a person has there is not for tests.
fn without_bashrc(sshd: Command) -> Command {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let file = Path::new(&home).join(".bashrc");
    if root().is_err() || program("unshare").is_err() || !file.exists() {
        return sshd;
    }
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "sh",
            "-c",
            "mount --bind /dev/null \"$0\"; exec \"$@\"",
        ])
        .arg(file)
        .arg(sshd.get_program())
        .args(sshd.get_args());
    command
}

/// A shell on `lab`.
pub(crate) fn shell(settings: Settings) -> SshShell {
    SshShell::new(
        "lab",
        &Address {
            host: "lab".into(),
            ..Address::default()
        },
        Arc::new(settings),
    )
}

pub(crate) fn keygen(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status();
    assert!(status.expect("there is ssh-keygen").success());
}

pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("there is id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
        .port()
}

fn wait_for_banner(port: u16) {
    for _ in 0..600 {
        let mut banner = [0; 4];
        let stream = TcpStream::connect(("127.0.0.1", port));
        if stream
            .and_then(|mut stream| stream.read_exact(&mut banner))
            .is_ok()
        {
            assert_eq!(&banner, b"SSH-");
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("sshd does not answer");
}

/// Processes whose command line holds this text.
pub(crate) fn running(text: &str) -> Vec<String> {
    fs::read_dir("/proc")
        .expect("there is proc")
        .flatten()
        .filter_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(text).then_some(line)
        })
        .collect()
}
