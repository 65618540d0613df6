//! Provisioners: a recording stand-in plays `bkr`, the hosts it "installs" are real.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::skip_unless;
use crate::support::running;
use crate::testbed::{self, Hosts};

fn hosts() -> Result<&'static Hosts, String> {
    static HOSTS: OnceLock<Result<Hosts, String>> = OnceLock::new();
    HOSTS
        .get_or_init(|| testbed::up(2))
        .as_ref()
        .map_err(Clone::clone)
}

/// Answers as bkr 29 does, writes down what it was asked, and knows who has which system.
const BKR: &str = r#"#!/bin/sh
place=$(dirname "$0"); for last do :; done
echo "$*" >>"$place/asked"
case $1 in
distro-trees-list) case "$*" in
    *--name=Fedora-40*) echo '[{"distro_tree_id": 4711, "distro_name": "Fedora-40"}]' ;;
    *) echo '[]' ;;
    esac ;;
whoami) echo '{"username": "me"}' ;;
system-status)
    if [ -e "$place/reserved-$last" ]; then
        echo "{\"condition\": \"Manual\", \"current_reservation\": {\"user_name\": \"$(cat "$place/reserved-$last")\"}}"
    else echo '{"condition": "Manual", "current_reservation": null}'; fi ;;
system-reserve) echo me >"$place/reserved-$last" ;;
system-provision) [ ! -e "$place/broken-$last" ] || { echo "power failure" >&2; exit 1; } ;;
system-release) rm "$place/reserved-$last" || exit 1 ;;
job-submit) cp "$2" "$place/job.xml"; echo 1 >"$place/job"; echo "Submitted: ['J:815']" ;;
job-results)
    n=$(cat "$place/job"); echo $((n + 1)) >"$place/job"
    case $n in 1) job=Queued task=New ;; 2) job=Running task=New ;; *) job=Running task=Running ;; esac
    [ ! -e "$place/aborts" ] || job=Aborted task=Aborted
    echo "<?xml version='1.0'?><job id='815' status='$job'><recipeSet><recipe id='1' status='$job'>"
    echo "<task name='/distribution/check-install' status='Completed'/>"
    echo "<task name='/distribution/reservesys' status='$task'/></recipe></recipeSet></job>" ;;
job-list) case "$*" in *--unfinished*) [ ! -e "$place/job" ] || echo J:815 ;; esac ;;
job-cancel) rm "$place/job" ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
"#;

/// A folder with programs for PATH.
struct Programs(tempfile::TempDir);

impl Programs {
    fn new(name: &str, text: &str) -> Self {
        let programs = Self(tempfile::tempdir().expect("a temporary folder"));
        let path = programs.path(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        programs
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn run_perf(&self, hosts: &Hosts, args: &[&str]) -> Command {
        let mut command = hosts.run_perf();
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.0.path().display()))
            .args(["--calm-limit", "0s", "--retry-tests", "1"])
            .args(args);
        command
    }

    fn run(&self, hosts: &Hosts, args: &[&str]) -> (i32, String, String) {
        let output = self.run_perf(hosts, args).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap_or(-1),
            text(&output.stdout),
            text(&output.stderr),
        )
    }
}

const QUICK: &str = r#"beaker:{"settle_s": 0, "wait_s": 120, "poll_s": 1}"#;

#[test]
fn beaker_reserves_installs_and_gives_back_and_a_broken_host_is_left_out() {
    let hosts = skip_unless!(hosts());
    let bkr = Programs::new("bkr", BKR);
    let (good, broken) = (hosts.address(1), hosts.address(2));
    fs::write(bkr.path(&format!("broken-{broken}")), "").expect("written");
    let (code, out, err) = bkr.run(
        hosts,
        &[
            "--hosts",
            &format!("good:{good}"),
            &format!("broken:{broken}"),
            "--distro",
            "Fedora-40",
            "--provisioner",
            QUICK,
            "--output",
            "beaker",
            "--",
            "dummy",
        ],
    );
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(out.contains("lost:     host broken: "), "{out}");
    assert!(out.contains("power failure"), "{out}");
    let asked = bkr.asked();
    let of_good: Vec<&str> = asked
        .iter()
        .filter(|line| line.contains(&good) || line.starts_with("distro-trees"))
        .map(String::as_str)
        .collect();
    let list = "distro-trees-list --name=Fedora-40 --arch=x86_64 --limit=1 --format=json";
    let mut expected = vec![
        list.replace("x86_64", std::env::consts::ARCH),
        format!("system-status --format=json {good}"),
        format!("system-reserve {good}"),
        format!("system-provision --distro-tree=4711 {good}"),
        format!("system-status --format=json {good}"),
        format!("system-release {good}"),
    ];
    expected.insert(1, expected[0].clone());
    let mut found = of_good.clone();
    // Both hosts look for the distribution, in either order.
    found.sort_by_key(|line| !line.starts_with("distro-trees"));
    assert_eq!(found, expected, "{asked:#?}");
    assert!(
        asked.contains(&format!("system-release {broken}")),
        "{asked:#?}"
    );
    let journal = fs::read_to_string(hosts.path("beaker/__journal__.jsonl")).expect("written");
    assert!(
        journal.trim_end().ends_with(r#""event":"clean"}"#),
        "{journal}"
    );
}

#[test]
fn a_reservation_of_ones_own_stays_and_one_of_somebody_else_is_respected() {
    let hosts = skip_unless!(hosts());
    let bkr = Programs::new("bkr", BKR);
    let (mine, foreign) = (hosts.address(1), hosts.address(2));
    fs::write(bkr.path(&format!("reserved-{mine}")), "me").expect("written");
    fs::write(bkr.path(&format!("reserved-{foreign}")), "kq").expect("written");
    let (code, out, err) = bkr.run(
        hosts,
        &[
            "--hosts",
            &format!("mine:{mine}"),
            &format!("foreign:{foreign}"),
            "--distro",
            "Fedora-40",
            "--provisioner",
            QUICK,
            "--output",
            "reserved",
            "--",
            "dummy",
        ],
    );
    assert_eq!(code, 3, "{out}\n{err}");
    assert!(
        out.contains("Beaker has no machine for host `foreign`: it is reserved by `kq`"),
        "{out}"
    );
    assert!(bkr.path(&format!("reserved-{mine}")).exists());
    assert!(bkr.path(&format!("reserved-{foreign}")).exists());
    assert!(
        !bkr.asked()
            .contains(&format!("system-provision --distro-tree=4711 {foreign}"))
    );
}

#[test]
fn a_beaker_job_is_awaited_and_cancelled_at_the_end_however_that_comes() {
    let hosts = skip_unless!(hosts());
    let bkr = Programs::new("bkr", BKR);
    let job = r#"beaker:{"via": "job", "wait_s": 120, "poll_s": 1, "reserve_s": 3600}"#;
    let sleep = |seconds: u32| {
        format!(
            r#"command:{{"command": ["sleep", "{seconds}"], "samples": 1, "metrics": [{{"name": "answers", "regex": "(\\d+)", "primary": true}}]}}"#
        )
    };
    let host = |name: &str| format!("{name}:{}", hosts.address(1));
    for (way, seconds) in [("-INT", 7272), ("-KILL", 7373)] {
        let output = format!("job{way}");
        let mut run = bkr
            .run_perf(
                hosts,
                &[
                    "--hosts",
                    &host(&format!("job{way}")),
                    "--distro",
                    "Fedora-40 <&>",
                    "--provisioner",
                    job,
                    "--output",
                    &output,
                    "--",
                    &sleep(seconds),
                ],
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("run-perf starts");
        let text = format!("sleep {seconds}");
        for _ in 0..1200 {
            if running(&text).iter().any(|line| line.starts_with("sleep")) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let xml = fs::read_to_string(bkr.path("job.xml")).expect("submitted");
        for part in [
            &format!(r#"<hostRequires force="{}"/>"#, hosts.address(1)),
            r#"<distro_name op="=" value="Fedora-40 &lt;&amp;&gt;"/>"#,
            r#"<param name="RESERVETIME" value="3600"/>"#,
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        assert!(bkr.path("job").exists(), "it has the host");
        let status = Command::new("kill")
            .args([way, &run.id().to_string()])
            .status();
        assert!(status.expect("there is kill").success());
        let code = run.wait().expect("ended").code();
        if way == "-KILL" {
            let (code, out, err) = bkr.run(hosts, &["--recover", &output]);
            assert_eq!(code, 0, "{out}\n{err}");
        } else {
            assert_eq!(code, Some(130));
        }
        assert!(!bkr.path("job").exists(), "{way}: {:#?}", bkr.asked());
        let (code, out, err) = bkr.run(hosts, &["--recover", &output]);
        assert_eq!(code, 0, "twice is harmless: {out}\n{err}");
    }
    fs::write(bkr.path("aborts"), "").expect("written");
    let args = [
        "--hosts",
        &host("aborts"),
        "--distro",
        "Fedora-40",
        "--provisioner",
        job,
        "--output",
        "aborts",
        "--",
        "dummy",
    ];
    let (code, out, _) = bkr.run(hosts, &args);
    assert_eq!(code, 1, "no host is left: {out}");
    assert!(
        out.contains("J:815 ended as `Aborted` before the host was there"),
        "{out}"
    );
}

#[test]
fn existing_hosts_are_checked_and_this_machine_is_never_installed() {
    let hosts = skip_unless!(hosts());
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let real = format!("{}-{}", field("ID="), field("VERSION_ID="));
    for (distro, expected) in [(real.as_str(), 0), ("Plan9-4", 1)] {
        let output = format!("existing{expected}");
        let (code, out, err) = hosts.run(&[
            "--hosts",
            &format!("checked:{}", hosts.address(2)),
            "--distro",
            distro,
            "--provisioner",
            "Existing",
            "--output",
            &output,
            "--",
            "dummy",
        ]);
        assert_eq!(code, expected, "{distro}: {out}\n{err}");
        assert_eq!(
            out.contains("installed, expected Plan9-4"),
            expected == 1,
            "{out}"
        );
    }
    let (code, _, err) = hosts.run(&["--provisioner", "beaker", "--", "dummy"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("which is never installed anew"), "{err}");
}

#[test]
fn a_program_on_path_makes_hosts_and_takes_them_back() {
    let hosts = skip_unless!(hosts());
    let program = Programs::new(
        "run-perf-provisioner-lab",
        "#!/bin/sh\necho \"$1 $2\" >>\"$(dirname \"$0\")/asked\"\n\
         echo '{\"log\": \"at work\"}'\n\
         case $2 in *'\"fail\":true'*) echo '{\"error\": \"no machine left\"}'; exit 1 ;; esac\n\
         [ \"$1\" = release ] || echo '{\"done\": {\"fresh\": false, \"wait_s\": 60}}'\n",
    );
    let host = format!("lab:{}", hosts.address(1));
    let run = |item: &str, output: &str| {
        let args = [
            "--hosts",
            &host,
            "--provisioner",
            item,
            "--output",
            output,
            "--",
            "dummy",
        ];
        program.run(hosts, &args)
    };
    let (code, out, err) = run(r#"lab:{"pool": "fast"}"#, "lab");
    assert_eq!(code, 0, "{out}\n{err}");
    let asked = program.asked();
    assert_eq!(asked.len(), 2, "{asked:#?}");
    for (line, action) in asked.iter().zip(["provision", "release"]) {
        let (word, json) = line.split_once(' ').expect("two words");
        let request: serde_json::Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(word, action);
        assert_eq!(request["action"], action);
        assert_eq!(request["protocol"], 1);
        assert_eq!(request["host"]["address"], hosts.address(1));
        assert_eq!(request["params"]["pool"], "fast");
    }
    let (code, out, _) = run(r#"lab:{"fail": true}"#, "lab-fails");
    assert_eq!(code, 4, "its release fails, too: {out}");
    assert!(out.contains("no machine left"), "{out}");
    let (code, _, err) = run("lob", "lob");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("unknown provisioner `lob`"), "{err}");
    assert!(!Path::new("lob").exists());
}
