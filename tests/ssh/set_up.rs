//! Set-up of remote hosts: script, real packages, a reboot.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::skip_unless;
use crate::support::program;
use crate::testbed::{self, Hosts};

fn hosts() -> Result<&'static Hosts, String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    HOSTS
        .get_or_init(|| testbed::up(3))
        .as_ref()
        .map_err(Clone::clone)
}

/// Makes a package that holds nothing.
fn package(dir: &Path, name: &str) -> std::path::PathBuf {
    let tree = dir.join(name);
    fs::create_dir_all(tree.join("DEBIAN")).expect("made");
    let control = format!(
        "Package: {name}\nVersion: 1.2-3\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: nothing\n"
    );
    fs::write(tree.join("DEBIAN/control"), control).expect("written");
    let file = dir.join(format!("{name}.deb"));
    let built = Command::new("dpkg-deb")
        .arg("-b")
        .arg(&tree)
        .arg(&file)
        .output();
    assert!(built.expect("there is dpkg-deb").status.success());
    file
}

/// Serves a file over HTTP on the bridge the hosts are on, as often as it is asked for.
fn serve(address: &str, content: Vec<u8>) -> String {
    let listener = TcpListener::bind((address, 0)).expect("the bridge is up");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                content.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&content);
        }
    });
    format!("http://{address}:{port}")
}

#[test]
fn scripts_and_packages_of_all_kinds_reach_every_host() {
    let hosts = skip_unless!(hosts());
    for name in ["apt-get", "dpkg-deb", "nsenter"] {
        skip_unless!(program(name));
    }
    let sent = package(&hosts.path("."), "runperf-sent");
    let fetched = package(&hosts.path("."), "runperf-fetched");
    let bridge = hosts
        .address(1)
        .rsplit_once('.')
        .map(|(net, _)| format!("{net}.1"));
    let url = serve(&bridge.expect("IPv4"), fs::read(&fetched).expect("made"));
    fs::write(
        hosts.path("setup.sh"),
        "echo done-$(hostname) >/var/lib/runperf/set-up\n",
    )
    .expect("written");
    for number in 1..=2 {
        // A package database of its own, which goes with the host.
        hosts.inside(
            number,
            "mkdir /opt/benchkit/dpkg && cp -a /var/lib/dpkg/. /opt/benchkit/dpkg && mount --bind /opt/benchkit/dpkg /var/lib/dpkg",
        );
    }
    let (code, out, err) = hosts.run(&[
        "--hosts",
        &hosts.host(1),
        &hosts.host(2),
        "--host-setup-script",
        "setup.sh",
        "--host-rpms",
        &sent.display().to_string(),
        &format!("{url}/runperf-fetched.deb"),
        "--output",
        "set-up",
        "--monitor-interval",
        "0",
        "--",
        "dummy",
    ]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(err.contains(" h2 install 2 packages"), "{err}");
    let metadata = fs::read_to_string(hosts.path("set-up/RUNPERF_METADATA")).expect("written");
    for number in 1..=2 {
        let status = hosts.inside(
            number,
            "dpkg-query -W runperf-sent runperf-fetched; cat /var/lib/runperf/set-up",
        );
        assert!(status.contains("runperf-fetched\t1.2-3"), "{status}");
        assert!(status.contains("runperf-sent\t1.2-3"), "{status}");
        assert!(
            status.contains(&format!("done-{}", hosts.namespace(number))),
            "{status}"
        );
    }
    assert!(
        metadata.contains("runperf-sent"),
        "facts are taken after set-up"
    );
    let here = Command::new("dpkg-query")
        .args(["-W", "runperf-sent"])
        .output();
    assert!(
        !here.expect("there is dpkg-query").status.success(),
        "only there"
    );
    let left = hosts.inside(
        1,
        "ls -d /tmp/runperf-packages.* /tmp/runperf-setup.* 2>/dev/null | wc -l",
    );
    assert_eq!(left.trim(), "0");
}

#[test]
fn a_host_is_rebooted_after_set_up_and_its_kernel_is_respected() {
    let hosts = skip_unless!(hosts());
    skip_unless!(program("nsenter"));
    let run = |output: &str| {
        hosts.run(&[
            "--hosts",
            &hosts.host(3),
            "--host-setup-script-reboot",
            "--calm-limit",
            "0s",
            "--output",
            output,
            "--",
            "dummy",
        ])
    };
    // As it is, it shares the kernel of this machine.
    let (code, out, _) = run("shared");
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("shares the kernel of the machine run-perf runs on"),
        "{out}"
    );

    // A boot of its own, and a `reboot` that ends everything there and starts sshd again.
    let name = hosts.namespace(3);
    let home = hosts.path("hosts").join(&name).display().to_string();
    hosts.inside(
        3,
        &format!(
            "cat /proc/sys/kernel/random/uuid >{home}/boot_id && mount --bind {home}/boot_id /proc/sys/kernel/random/boot_id && \
             mount -t tmpfs tmpfs /usr/local/sbin"
        ),
    );
    let reboot = format!(
        "#!/bin/sh\ncat /proc/sys/kernel/random/uuid >{home}/boot_id\n\
         for pid in $(ip netns pids {name}); do [ $pid = $$ ] || [ $pid = $PPID ] || kill -9 $pid; done\n\
         sleep 3\nexec /usr/sbin/sshd -f {home}/sshd_config\n"
    );
    fs::write(Path::new(&home).join("reboot"), reboot).expect("written");
    hosts.inside(
        3,
        &format!("install -m 755 {home}/reboot /usr/local/sbin/reboot"),
    );
    let (code, out, err) = run("rebooted");
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(err.contains(" h3 reboot"), "{err}");
    assert!(err.contains(" h3 back after "), "{err}");
    assert!(
        !out.contains("was restarted meanwhile"),
        "by the run itself: {out}"
    );
}
