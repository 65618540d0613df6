//! Machines that cannot be reached, do not let in, or are not who they should be.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use runperf::control::options::HostKeys;
use runperf::secret::Secret;
use runperf::shell::ssh::Settings;
use runperf::shell::{CommandLine, Shell, ShellError, ShellExt};

use crate::skip_unless;
use crate::support::{Sshd, keygen, limits, program, root, shell};

fn refusal(shell: &dyn Shell) -> ShellError {
    shell
        .run(&CommandLine::new("true"), &limits())
        .expect_err("must not get in")
}

#[test]
fn an_unknown_host_key_is_refused_and_accepted_once_asked_to() {
    let sshd = skip_unless!(Sshd::start());
    fs::write(sshd.path("known_hosts"), "").expect("writable");
    let error = refusal(&sshd.shell());
    let ShellError::HostKey { reason, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        reason.contains("is not known: ssh-ed25519 SHA256:"),
        "{reason}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("accept-new")));

    let settings = || Settings {
        host_keys: HostKeys::AcceptNew,
        ..sshd.settings()
    };
    let accepting = shell(settings());
    accepting
        .text(&CommandLine::new("true"), &limits())
        .expect("accepted");
    accepting.close().expect("reachable");
    let strict = sshd.shell();
    strict
        .text(&CommandLine::new("true"), &limits())
        .expect("known from now on");
    strict.close().expect("reachable");

    // Another key now stands for the host: also those who accept new ones refuse it.
    keygen(&sshd.path("other"));
    sshd.write_known_hosts("other.pub");
    for host_keys in [HostKeys::Strict, HostKeys::AcceptNew] {
        let error = refusal(&shell(Settings {
            host_keys,
            ..settings()
        }));
        assert!(
            matches!(&error, ShellError::HostKey { reason, .. } if reason.contains("has changed")),
            "{error:?}"
        );
    }
    let ignoring = shell(Settings {
        host_keys: HostKeys::Ignore,
        ..settings()
    });
    ignoring
        .text(&CommandLine::new("true"), &limits())
        .expect("not checked");
    ignoring.close().expect("reachable");
}

#[test]
fn a_key_that_is_not_allowed_is_named() {
    let sshd = skip_unless!(Sshd::start());
    fs::remove_file(sshd.path("key")).expect("there");
    keygen(&sshd.path("wrong"));
    fs::rename(sshd.path("wrong"), sshd.path("key")).expect("writable");
    let error = refusal(&sshd.shell());
    let ShellError::Auth { tried, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        tried.contains("/key") && tried.contains("publickey"),
        "{tried}"
    );
    assert_eq!(error.class(), "auth");
}

#[test]
fn passwords_are_tried_in_order_and_never_shown() {
    skip_unless!(root());
    skip_unless!(program("unshare"));
    skip_unless!(program("openssl"));
    // A shadow file of its own, seen by this sshd only.
    let hash = std::process::Command::new("openssl")
        .args(["passwd", "-6", "right-one"])
        .output()
        .expect("there is openssl");
    let hash = String::from_utf8_lossy(&hash.stdout).trim().to_owned();
    let shadow = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(shadow.path(), format!("root:{hash}:20000:0:99999:7:::\n")).expect("writable");
    let config = "PasswordAuthentication yes\nMaxAuthTries 10";
    let sshd = skip_unless!(Sshd::with(config, |sshd| {
        let mut command = std::process::Command::new("unshare");
        command
            .args([
                "--mount",
                "sh",
                "-c",
                "mount --bind \"$0\" /etc/shadow && exec \"$@\"",
            ])
            .arg(shadow.path())
            .arg(sshd.get_program())
            .args(sshd.get_args());
        command
    }));
    fs::remove_file(sshd.path("key")).expect("there");
    let with = |passwords: &[&str]| {
        shell(Settings {
            passwords: passwords.iter().copied().map(Secret::new).collect(),
            ..sshd.settings()
        })
    };
    let error = refusal(&with(&["wrong-one", "wrong-two"]));
    let text = format!("{error} {error:?}");
    assert!(matches!(error, ShellError::Auth { .. }), "{text}");
    assert!(
        text.contains("password 2 of 2") && !text.contains("wrong-"),
        "{text}"
    );
    let right = with(&["wrong-one", "right-one"]);
    right
        .text(&CommandLine::new("true"), &limits())
        .expect("let in");
    right.close().expect("reachable");
}

#[test]
fn a_host_that_was_just_installed_shows_its_key_once() {
    let sshd = skip_unless!(Sshd::start());
    // The system that was there before had another key.
    keygen(&sshd.path("other"));
    sshd.write_known_hosts("other.pub");
    let before = fs::read(sshd.path("known_hosts")).expect("there");
    let pins = std::sync::Arc::new(runperf::shell::ssh::Pins::default());
    pins.keep_in(&sshd.path("pinned"));
    let settings = || Settings {
        pins: std::sync::Arc::clone(&pins),
        ..sshd.settings()
    };
    let host = shell(settings());
    assert!(matches!(refusal(&host), ShellError::HostKey { .. }));
    host.expect_new_key();
    host.text(&CommandLine::new("true"), &limits())
        .expect("believed once");
    host.close().expect("reachable");
    assert_eq!(fs::read(sshd.path("known_hosts")).expect("there"), before);
    // Recovery in another process knows it.
    let later = std::sync::Arc::new(runperf::shell::ssh::Pins::default());
    later.keep_in(&sshd.path("pinned"));
    let recovering = shell(Settings {
        pins: later,
        ..sshd.settings()
    });
    recovering
        .text(&CommandLine::new("true"), &limits())
        .expect("pinned");
    recovering.close().expect("reachable");
    // Somebody else is no longer believed.
    let text = fs::read_to_string(sshd.path("pinned")).expect("kept");
    let other = fs::read_to_string(sshd.path("other.pub")).expect("there");
    let name = text.split(' ').next().unwrap_or_default();
    fs::write(sshd.path("pinned"), format!("{name} {other}")).expect("writable");
    let wrong = std::sync::Arc::new(runperf::shell::ssh::Pins::default());
    wrong.keep_in(&sshd.path("pinned"));
    let error = refusal(&shell(Settings {
        pins: wrong,
        ..sshd.settings()
    }));
    assert!(
        matches!(&error, ShellError::HostKey { reason, .. } if reason.contains("provisioned")),
        "{error:?}"
    );
}

/// An sshd that also knows an ordinary user, who owns only a home.
fn with_ordinary_user() -> Result<Sshd, String> {
    root()?;
    program("unshare")?;
    let passwd = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let file = std::env::temp_dir().join(format!("runperf-test-passwd-{}", std::process::id()));
    fs::write(
        &file,
        format!("{passwd}tester:*:65533:65533::/var/tmp:/bin/sh\n"),
    )
    .expect("writable");
    let sshd = Sshd::with("", |sshd| {
        let mut command = std::process::Command::new("unshare");
        command
            .args([
                "--mount",
                "sh",
                "-c",
                "mount --bind \"$0\" /etc/passwd && rm -f \"$0\" && exec \"$@\"",
            ])
            .arg(&file)
            .arg(sshd.get_program())
            .args(sshd.get_args());
        command
    })?;
    let config = fs::read_to_string(sshd.path("config")).expect("there");
    fs::write(
        sshd.path("config"),
        config.replace(
            &format!(" User {}\n", crate::support::user()),
            " User tester\n",
        ),
    )
    .expect("writable");
    // The key lies in a folder that only root may enter; sshd reads it as the user.
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(sshd.dir.path(), open).expect("ours");
    Ok(sshd)
}

#[test]
fn a_user_without_rights_is_told_what_is_not_allowed() {
    let sshd = skip_unless!(with_ordinary_user());
    let shell = sshd.shell();
    let id = CommandLine::script("id -u; cd /tmp && pwd");
    assert_eq!(shell.text(&id, &limits()).expect("runs"), "65533\n/tmp\n");
    let denied = |result: Result<(), ShellError>| match result {
        Err(ShellError::File { source, .. }) => {
            assert_eq!(
                source.kind(),
                std::io::ErrorKind::PermissionDenied,
                "{source}"
            );
        }
        other => panic!("{other:?}"),
    };
    denied(shell.upload(
        &mut &b"x"[..],
        Path::new("/etc/runperf-test"),
        0o600,
        &limits(),
    ));
    let mut sink = Vec::new();
    denied(
        shell
            .download(Path::new("/etc/shadow"), &mut sink, &limits())
            .map(drop),
    );
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("f"), "x").expect("writable");
    denied(shell.upload_tree(dir.path(), Path::new("/etc/runperf-test"), &limits()));
    // Nothing asks for a password and waits for it.
    let sudo = shell.run(&CommandLine::new("sudo").args(["-n", "true"]), &limits());
    assert!(
        matches!(&sudo, Err(ShellError::NotFound { .. }))
            || sudo.as_ref().is_ok_and(|output| !output.exit.success()),
        "{sudo:?}"
    );
    let run = CommandLine::new("/etc/shadow");
    let error = shell.run(&run, &limits()).expect_err("no program");
    assert!(matches!(error, ShellError::Io { .. }), "{error:?}");
    shell.close().expect("reachable");
    assert!(!Path::new(shell.folder()).exists(), "nothing is left");
}

/// A configuration for a port where something else than an sshd answers.
fn config_for(port: u16) -> (tempfile::TempDir, Settings) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = dir.path().join("config");
    fs::write(
        &config,
        format!("Host lab\n HostName 127.0.0.1\n Port {port}\n ConnectTimeout 2\n"),
    )
    .expect("writable");
    (
        dir,
        Settings {
            config: Some(config),
            ..Settings::default()
        },
    )
}

#[test]
fn a_server_that_hangs_before_it_greets_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (_dir, settings) = config_for(listener.local_addr().expect("bound").port());
    let error = refusal(&shell(settings));
    let ShellError::Connect { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(source.to_string(), "it did not greet within 2 s");
    // Nobody listens any more.
    let (_dir, settings) = config_for(crate::support::free_port());
    let error = refusal(&shell(settings));
    assert!(matches!(error, ShellError::Connect { .. }), "{error:?}");
}

#[test]
fn an_upload_that_is_cut_leaves_the_old_file() {
    let sshd = skip_unless!(Sshd::start());
    // Between us and the sshd: closes after a while.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let to = sshd.port;
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = std::net::TcpStream::connect(("127.0.0.1", to)).expect("sshd answers");
            let (mut far_in, mut near_out) = (
                far.try_clone().expect("open"),
                near.try_clone().expect("open"),
            );
            std::thread::spawn(move || std::io::copy(&mut far_in, &mut near_out));
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                let (mut near, mut far, mut total) = (near, far, 0);
                while let Ok(count @ 1..) = near.read(&mut buffer) {
                    total += count;
                    if total > 1_000_000 || far.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                let _ = near.shutdown(std::net::Shutdown::Both);
                let _ = far.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    let known = fs::read_to_string(sshd.path("known_hosts")).expect("there");
    fs::write(
        sshd.path("known_hosts"),
        known.replace(&to.to_string(), &port.to_string()),
    )
    .expect("writable");
    let config = fs::read_to_string(sshd.path("config")).expect("there");
    fs::write(
        sshd.path("config"),
        config.replace(&to.to_string(), &port.to_string()),
    )
    .expect("writable");

    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("kept");
    fs::write(&path, "old").expect("writable");
    let shell = sshd.shell();
    let content = vec![1; 8_000_000];
    let error = shell
        .upload(&mut &content[..], &path, 0o600, &limits())
        .expect_err("cut");
    assert!(matches!(error, ShellError::Lost { .. }), "{error:?}");
    assert!(error.is_unreachable());
    assert_eq!(fs::read_to_string(&path).expect("there"), "old");
    assert_eq!(
        fs::read_dir(dir.path()).expect("there").count(),
        1,
        "no part is left"
    );
    // A new connection works again.
    shell
        .upload(&mut &b"new"[..], &path, 0o600, &limits())
        .expect("goes up");
    assert_eq!(fs::read_to_string(&path).expect("there"), "new");
    shell.close().expect("reachable");
}

#[test]
fn a_full_disk_and_a_missing_permission_are_told() {
    let sshd = skip_unless!(Sshd::start());
    skip_unless!(root());
    let shell = sshd.shell();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = dir.path().join("disk");
    fs::create_dir(&disk).expect("writable");
    let mount = CommandLine::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(disk.display().to_string());
    if let Err(error) = shell.text(&mount, &limits()) {
        println!("skipped: no tmpfs can be mounted: {error}");
        return;
    }
    let content = vec![1; 4_000_000];
    let result = shell.upload(&mut &content[..], &disk.join("file"), 0o600, &limits());
    let left = fs::read_dir(&disk).expect("there").count();
    let unmount = CommandLine::new("umount").arg(disk.display().to_string());
    shell.text(&unmount, &limits()).expect("ours");
    let Err(ShellError::File { source, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{source}");
    assert_eq!(left, 0, "no part is left");
    let denied = shell.upload(
        &mut &b"x"[..],
        Path::new("/proc/nothing-goes-here"),
        0o600,
        &limits(),
    );
    assert!(matches!(denied, Err(ShellError::File { .. })), "{denied:?}");
    shell.close().expect("reachable");
}
