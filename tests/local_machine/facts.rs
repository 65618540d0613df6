//! Facts and spoilers of the machine the tests run on, through the real shell.

use std::path::Path;
use std::process::Command;

use runperf::control::cancel::CancelToken;
use runperf::host::facts::Facts;
use runperf::host::spoilers::Look;
use runperf::shell::local::LocalShell;
use runperf::shell::{CommandLine, Limits, Output, Process, Shell, ShellError, Target};

fn limits() -> Limits {
    Limits::new(CancelToken::default())
}

fn gather(shell: &dyn Shell) -> Facts {
    Facts::gather(shell, &limits(), "here", "Testix-1").expect("this is a Linux machine")
}

/// A local shell in whose commands a variable is set.
#[derive(Debug)]
struct WithEnv(LocalShell, &'static str, String);

impl Shell for WithEnv {
    fn target(&self) -> &Target {
        self.0.target()
    }
    fn run(&self, command: &CommandLine, limits: &Limits) -> Result<Output, ShellError> {
        self.0
            .run(&command.clone().env(self.1, self.2.clone()), limits)
    }
    fn start(&self, command: &CommandLine) -> Result<Box<dyn Process>, ShellError> {
        self.0.start(&command.clone().env(self.1, self.2.clone()))
    }
    fn upload(
        &self,
        from: &mut dyn std::io::Read,
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

/// Runs a command that must work and returns what it printed.
fn printed(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .expect("is installed");
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// What reports compare: everything but the unfiltered forms.
fn compared(facts: Facts) -> std::collections::BTreeMap<String, String> {
    facts
        .sections
        .into_iter()
        .filter(|(name, _)| !name.ends_with("_raw"))
        .collect()
}

#[test]
fn two_looks_at_an_unchanged_machine_are_equal() {
    let shell = LocalShell::new("localhost");
    let mut first = compared(gather(&shell));
    // Somebody may install a package right now; nobody does so three times in a row.
    for last in [false, false, true] {
        let second = compared(gather(&shell));
        if first == second {
            return;
        }
        assert!(!last, "changed by itself:\n{first:#?}\n{second:#?}");
        first = second;
    }
}

#[test]
fn the_sections_say_what_the_machine_itself_says() {
    let facts = gather(&LocalShell::new("localhost")).sections;
    assert_eq!(facts["general"], "Name:here\nDistro:Testix-1");
    let mut kernel = facts["kernel_raw"].lines();
    assert_eq!(kernel.next(), Some(printed("uname", &["-r"]).as_str()));
    assert_eq!(kernel.next(), Some(printed("uname", &["-v"]).as_str()));
    assert_eq!(kernel.next(), Some(printed("uname", &["-m"]).as_str()));
    let cpus = facts["cpu"]
        .lines()
        .find_map(|line| line.strip_prefix("threads: "))
        .expect("CPUs are counted");
    assert_eq!(cpus, printed("getconf", &["_NPROCESSORS_ONLN"]));
    assert!(
        facts["cpu"].lines().all(|line| !line.contains("MHz:")),
        "clock rates change: {}",
        facts["cpu"]
    );
    let swappiness =
        std::fs::read_to_string("/proc/sys/vm/swappiness").expect("every Linux has it");
    assert!(
        facts["sysctl"]
            .lines()
            .any(|line| line == format!("vm.swappiness = {}", swappiness.trim()))
    );
    assert!(!facts["memory"].contains("Free"), "{}", facts["memory"]);
    assert!(
        facts
            .values()
            .all(|text| !text.is_empty() && !text.ends_with('\n'))
    );
}

#[test]
fn packages_of_the_debian_family_are_listed() {
    if Command::new("dpkg-query")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: no dpkg-query");
        return;
    }
    let facts = gather(&LocalShell::new("localhost")).sections;
    let version = printed("dpkg-query", &["-W", "-f", "${Version}", "dpkg"]);
    assert!(
        facts["dpkg"]
            .lines()
            .any(|line| line == format!("dpkg {version}"))
    );
    assert!(facts["dpkg"].lines().is_sorted());
}

/// Real rpm on a database of its own, with two packages built and installed for it.
#[test]
fn packages_of_the_fedora_family_are_listed() {
    if Command::new("rpm").arg("--version").output().is_err()
        || Command::new("rpmbuild").arg("--version").output().is_err()
    {
        eprintln!("skipped: no rpm");
        return;
    }
    let home = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(
        home.path().join(".rpmmacros"),
        format!("%_dbpath {}\n%_topdir {}\n", path("db"), path("build")),
    )
    .expect("writable");
    let rpm = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .env("HOME", home.path())
            .output()
            .expect("is installed");
        assert!(
            output.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    rpm("rpm", &["--initdb"]);
    for name in ["zulu", "alpha"] {
        let spec = format!(
            "Name: {name}\nVersion: 1.2\nRelease: 3.fc40\nSummary: test\nLicense: MIT\nBuildArch: noarch\n%description\ntest\n%files\n"
        );
        std::fs::write(home.path().join(format!("{name}.spec")), spec).expect("writable");
        rpm(
            "rpmbuild",
            &["-bb", "--quiet", &path(&format!("{name}.spec"))],
        );
        let built = path(&format!("build/RPMS/noarch/{name}-1.2-3.fc40.noarch.rpm"));
        rpm(
            "rpm",
            &[
                "-i",
                "--nodeps",
                "--ignoreos",
                "--ignorearch",
                "--justdb",
                "--force-debian",
                &built,
            ],
        );
    }

    let shell = WithEnv(
        LocalShell::new("localhost"),
        "HOME",
        home.path().display().to_string(),
    );
    let facts = gather(&shell).sections;
    assert_eq!(
        facts["rpm"],
        "alpha-1.2-3.fc40.noarch\nzulu-1.2-3.fc40.noarch"
    );
}

#[test]
fn describing_a_machine_makes_no_package_database() {
    if Command::new("rpm").arg("--version").output().is_err() {
        eprintln!("skipped: no rpm");
        return;
    }
    let home = tempfile::tempdir().expect("a temporary folder");
    let db = home.path().join("db");
    std::fs::write(
        home.path().join(".rpmmacros"),
        format!("%_dbpath {}\n", db.display()),
    )
    .expect("writable");
    let shell = WithEnv(
        LocalShell::new("localhost"),
        "HOME",
        home.path().display().to_string(),
    );
    let facts = gather(&shell).sections;
    assert!(!facts.contains_key("rpm") && !db.exists());
}

#[test]
fn without_root_facts_are_gathered_all_the_same() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: not root, every other test shows it already");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/facts.sh");
    let text = std::fs::read(script).expect("part of the sources");
    let command = CommandLine::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "sh",
            "-s",
            "M",
        ])
        .stdin(text)
        .current_dir("/");
    let output = LocalShell::new("localhost")
        .run(&command, &limits())
        .expect("util-linux has setpriv");
    let printed = output.text();
    assert!(printed.contains("\n@M end"), "{}", output.tail());
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_look_for_spoilers_works_here() {
    let look =
        Look::take(&LocalShell::new("localhost"), &limits()).expect("this is a Linux machine");
    let kinds = [
        "battery",
        "governor",
        "load",
        "swap",
        "packages",
        "steal",
        "quota",
        "debug-kernel",
        "frequency",
        "smt",
    ];
    for note in look.notes() {
        assert!(
            kinds.contains(&note.kind) && !note.text.is_empty(),
            "{note:?}"
        );
    }
    assert_eq!(look.notes_since(&look), [], "nothing gets hot in no time");
}
