//! `--host-rpms` on a system of the Fedora family: real rpm, dnf and a repository, on a package
//! database of their own. Only the name of the system is put in place of the machine's.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support;

/// What the test needs and the machine lacks.
fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root".into());
    }
    ["dnf", "rpm", "rpmbuild", "createrepo_c", "unshare"]
        .into_iter()
        .find(|program| Command::new(program).arg("--version").output().is_err())
        .map(|program| format!("no {program}"))
        .or_else(|| {
            let mounts = Command::new("unshare").args(["-m", "true"]).status();
            (!mounts.is_ok_and(|status| status.success())).then(|| "no mount namespace".into())
        })
}

fn done(command: &mut Command) {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn packages_come_from_dnf_where_the_system_is_of_the_fedora_family() {
    if let Some(reason) = lacking() {
        println!("skipped: {reason}");
        return;
    }
    let place = tempfile::tempdir().expect("a folder");
    let dir = place.path();
    let at = |name: &str| dir.join(name).display().to_string();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).expect("written");
    for folder in ["home", "repo"] {
        fs::create_dir(dir.join(folder)).expect("a folder");
    }
    write(
        "tiny.spec",
        "Name: runperf-tiny\nVersion: 1.2\nRelease: 3.fc40\nSummary: nothing\nLicense: MIT\n\
         BuildArch: noarch\n%description\nnothing\n%files\n",
    );
    done(
        Command::new("rpmbuild")
            .env("HOME", at("home"))
            .args(["-bb", "--define", &format!("_topdir {}", at("build"))])
            .args(["--define", &format!("_rpmdir {}", at("repo"))])
            .arg(at("tiny.spec")),
    );
    done(Command::new("createrepo_c").args(["-q", &at("repo")]));
    write(
        "dnf.conf",
        &format!(
            "[main]\nreposdir={dir}/none\ncachedir={dir}/cache\nlogdir={dir}\npersistdir={dir}/persist\n\
             gpgcheck=0\nplugins=0\n[local]\nname=local\nbaseurl=file://{dir}/repo\nenabled=1\n",
            dir = dir.display()
        ),
    );
    write(
        "os-release",
        "ID=fedora\nNAME=\"Fedora Linux\"\nVERSION_ID=40\n",
    );

    let script = format!(
        "mount --bind {dir}/dnf.conf /etc/dnf/dnf.conf && \
         mount --bind {dir}/os-release \"$(readlink -f /etc/os-release)\" && \
         exec {program} --output {dir}/result --host-rpms runperf-tiny -- dummy",
        dir = dir.display(),
        program = support::program().display(),
    );
    let output = Command::new("unshare")
        .env("RUNPERF_STATE_DIR", at("state"))
        .args(["-m", "sh", "-c", &script])
        .env("HOME", at("home"))
        .output()
        .expect("it starts");

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let typed = read(&dir.join("result/__sessions__/localhost"));
    assert!(
        typed.contains("dnf install -y --nobest --skip-broken runperf-tiny"),
        "{typed}"
    );
    let metadata = read(&dir.join("result/RUNPERF_METADATA"));
    let world = metadata
        .lines()
        .find_map(|line| line.strip_prefix("environment_world:"))
        .expect("facts of the host");
    let facts: serde_json::Value = serde_json::from_str(world).expect("JSON");
    assert_eq!(
        facts[0]["rpm"], "runperf-tiny-1.2-3.fc40.noarch",
        "what dnf installed is what rpm lists"
    );
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
