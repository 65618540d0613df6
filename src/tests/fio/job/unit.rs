//! Job files as pbench writes them, and those of users.

use super::*;

fn file(path: &str) -> Place {
    Place {
        path: path.into(),
        directory: false,
    }
}

fn given(key: &'static str, value: &str, force: bool) -> Given {
    Given {
        key,
        value: value.into(),
        force,
    }
}

fn pbench_line() -> Vec<Given> {
    vec![
        given("bs", "4k", true),
        given("rw", "randrw", true),
        given("runtime", "4", true),
        given("ramp_time", "2", true),
        given("size", "32M", true),
        given("numjobs", "2", true),
    ]
}

#[test]
fn the_job_file_of_a_recorded_pbench_run_comes_out() {
    // tests/fixtures/fio/12-pbench-template-randrw-logs/job.fio
    let recorded =
        include_str!("../../../../tests/fixtures/fio/12-pbench-template-randrw-logs/job.fio");
    let job = Template::builtin().expand(&[file("/var/tmp/fio.target.tmp")], &pbench_line(), "T");
    assert_eq!(job.to_string(), recorded);
}

#[test]
fn each_target_gets_a_section_and_the_global_one_stays_single() {
    let job = Template::builtin().expand(
        &[file("/a"), file("/dev/disk/by-path/pci-0:1")],
        &pbench_line(),
        "T",
    );
    let names: Vec<&str> = job
        .sections
        .iter()
        .map(|section| section.name.as_str())
        .collect();
    assert_eq!(names, ["global", "job-/a", "job-/dev/disk/by-path/pci-0:1"]);
    assert_eq!(
        job.sections[2].get("filename"),
        Some("/dev/disk/by-path/pci-0\\:1")
    );
    assert_eq!(
        job.places(),
        [file("/a"), file("/dev/disk/by-path/pci-0:1")]
    );
    assert_eq!(job.processes(), 4);
}

#[test]
fn a_directory_is_worked_in_under_names_of_ours() {
    let place = Place {
        path: "/mnt".into(),
        directory: true,
    };
    let job = Template::builtin().expand(&[place], &pbench_line(), "T");
    assert_eq!(job.sections[1].get("directory"), Some("/mnt"));
    assert_eq!(
        job.sections[1].get("filename_format"),
        Some("runperf-fio-T-1.$jobnum.$filenum")
    );
    assert_eq!(job.sections[1].get("filename"), None);
    assert_eq!(
        job.places(),
        [Place {
            path: "/mnt".into(),
            directory: true
        }]
    );
}

#[test]
fn an_option_no_section_has_takes_effect_when_given_but_not_as_default() {
    let options = [given("rate_iops", "100", true), given("sync", "1", true)];
    let job = Template::builtin().expand(&[file("/a")], &options, "T");
    assert_eq!(
        job.sections[0].get("rate_iops"),
        Some("100"),
        "pbench left it without effect"
    );
    assert_eq!(job.sections[0].get("sync"), Some("1"));

    let own = Template::parse("[j]\nrw=read\nsize=1M\n").expect("a good job file");
    let job = own.expand(&[file("/a")], &[given("runtime", "180", false)], "T");
    assert_eq!(
        job.seconds(),
        None,
        "a default adds no runtime to a job that ends by size"
    );
}

#[test]
fn a_job_file_of_the_user_is_filled_and_its_logs_are_ours() {
    let text = "# mine\n[global]\n bs = $@\nwrite_iops_log=elsewhere\n; no\n[TheJob]\ndirectory = $target\nreadwrite=$@\nstonewall\nruntime=1m\n[two]\nstonewall\nruntime=30\n";
    let template = Template::parse(text).expect("a good job file");
    assert!(template.uses_targets());
    let job = template.expand(
        &[file("/mnt")],
        &[given("bs", "64k", true), given("rw", "write", true)],
        "T",
    );
    let text = job.to_string();
    assert!(
        text.contains("readwrite=write\n") && text.contains("bs=64k\n"),
        "{text}"
    );
    assert!(
        text.contains("write_iops_log=fio\n") && text.contains("write_lat_log=fio\n"),
        "{text}"
    );
    assert!(
        text.contains("log_unix_epoch=1\n") && text.contains("stonewall\n"),
        "{text}"
    );
    assert_eq!(job.seconds(), Some(90));
    assert!(job.writes());
}

#[test]
fn what_is_wrong_in_a_job_file_is_said_with_its_line() {
    for (text, message) in [
        ("rw=read\n", "line 1: expected a section"),
        ("\n[global\n", "line 2: expected `]`"),
        (
            "[global]\nrw=read\n",
            "at least one section besides [global]",
        ),
        ("", "at least one section"),
    ] {
        let error = Template::parse(text).expect_err(text).to_string();
        assert!(error.contains(message), "{error}");
    }
}
