use std::path::Path;

use super::*;
use crate::host::HostParams;
use crate::shell::scripted::ScriptedShell;

const SCOPE: &str = "foo/TunedLibvirt";
const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
const GRUBBY: &str = "/boot/vmlinuz-6.8";

fn host(shell: &ScriptedShell) -> Host {
    Host {
        name: "foo".into(),
        address: "192.0.2.17".into(),
        params: HostParams::default(),
        distro: "Fedora-40".into(),
        shell: Arc::new(shell.clone()),
    }
}

fn grubby(shell: ScriptedShell, args: &str) -> ScriptedShell {
    shell
        .answer(
            "sh -c 'if command -v grubby >/dev/null; then grubby --default*",
            GRUBBY,
        )
        .answer("grubby --info=*", format!("index=0\nargs=\"{args}\"\n"))
        .answer("grubby --update-kernel=*", "")
        .answer("sh -c 'kernel=*", "")
}

fn with_args(args: &[&str]) -> Persistent {
    Persistent {
        kernel_args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        ..Persistent::default()
    }
}

fn changes(shell: &ScriptedShell) -> Vec<String> {
    let reading = [
        "cat /",
        "tuned-adm active",
        "systemctl is-",
        "grubby --info",
    ];
    let commands = shell.commands().into_iter();
    commands
        .filter(|line| !reading.iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.contains("--default-kernel") && !line.contains("/etc/rc.d ]"))
        .collect()
}

#[test]
fn arguments_are_added_once_and_count_when_the_kernel_has_them() {
    let shell = grubby(ScriptedShell::new("foo"), "ro hugepages=4")
        .answer("cat /proc/cmdline", "BOOT_IMAGE=x ro hugepages=4")
        .answer("cat /proc/cmdline", "BOOT_IMAGE=x ro hugepages=4")
        .answer("cat /proc/cmdline", "BOOT_IMAGE=x ro hugepages=22 nohz=on")
        .answer(BOOT, "a\n")
        .answer(BOOT, "a\n")
        .answer(BOOT, "b\n");
    let (host, cx) = (host(&shell), Context::for_test("/nonexistent"));
    let mut wanted = with_args(&["hugepages=22", "nohz=on"]);
    let mut step = || {
        wanted
            .set_up(&host, SCOPE, &cx, Reboots::Allowed)
            .expect("goes on")
    };
    assert_eq!(step(), Progress::Reboot);
    assert_eq!(step(), Progress::Reboot, "it was not restarted yet");
    assert_eq!(step(), Progress::Ready);
    assert_eq!(
        changes(&shell),
        [format!(
            "grubby --update-kernel={GRUBBY} '--args=hugepages=22 nohz=on'"
        )]
    );

    let left = cx.journal.left();
    assert_eq!(left.len(), 1);
    let expected = Undo::KernelArgs {
        on: "foo".into(),
        remove: vec!["hugepages=22".into(), "nohz=on".into()],
        put_back: vec!["hugepages=4".into()],
        kernel: Some(GRUBBY.into()),
    };
    assert_eq!(
        left[0].undo,
        crate::control::journal::Recorded::Known(expected)
    );
    assert_eq!(
        wanted.revert(&host, SCOPE, &cx).expect("reverted"),
        Reverted::Reboot
    );
    let undo = changes(&shell).pop().expect("a command");
    assert!(
        undo.ends_with("undo /boot/vmlinuz-6.8 hugepages=4 hugepages=22 nohz=on"),
        "{undo}"
    );
    assert_eq!(
        wanted.revert(&host, SCOPE, &cx).expect("nothing left"),
        Reverted::Clean
    );
}

#[test]
fn an_argument_that_did_not_take_effect_is_an_error_not_another_reboot() {
    let shell = grubby(ScriptedShell::new("foo"), "ro")
        .answer("cat /proc/cmdline", "ro nohz=only")
        .answer(BOOT, "a\n")
        .answer(BOOT, "b\n");
    let (host, cx) = (host(&shell), Context::for_test("/nonexistent"));
    let mut wanted = with_args(&["nohz=on"]);
    let mut step = || wanted.set_up(&host, SCOPE, &cx, Reboots::Allowed);
    assert_eq!(
        step().expect("goes on"),
        Progress::Reboot,
        "`nohz=only` is another word"
    );
    let error = step().expect_err("it has no effect").to_string();
    assert_eq!(
        error,
        "the kernel arguments nohz=on on host `foo` did not take effect: it was booted with `ro nohz=only`"
    );
}

#[test]
fn a_forbidden_reboot_is_said_before_anything_is_changed() {
    let shell = ScriptedShell::new("foo")
        .answer("cat /proc/cmdline", "ro")
        .answer(BOOT, "a\n");
    let (host, cx) = (host(&shell), Context::for_test("/nonexistent"));
    let mut wanted = with_args(&["nohz=on"]);
    wanted.irqbalance = Some(false);
    let error = wanted.set_up(&host, SCOPE, &cx, Reboots::Forbidden);
    assert_eq!(
        error.expect_err("forbidden").to_string(),
        "setting the kernel arguments nohz=on needs a reboot of host `foo`, which --no-reboot forbids"
    );
    assert!(changes(&shell).is_empty() && cx.journal.left().is_empty());
}

#[test]
fn on_debian_a_file_of_ours_is_added_and_removed() {
    let shell = ScriptedShell::new("foo")
        .answer(
            "sh -c 'if command -v grubby >/dev/null; then grubby --default*",
            "update-grub\n",
        )
        .answer("sh -c *", "")
        .answer("cat /proc/cmdline", "ro")
        .answer(BOOT, "a\n");
    let (host, cx) = (host(&shell), Context::for_test("/nonexistent"));
    let mut wanted = with_args(&["nohz=on"]);
    let step = wanted.set_up(&host, SCOPE, &cx, Reboots::Allowed);
    assert_eq!(step.expect("goes on"), Progress::Reboot);
    let added = changes(&shell).pop().expect("a command");
    assert!(
        added.contains("/etc/default/grub.d/99-runperf.cfg")
            && added.contains("$GRUB_CMDLINE_LINUX_DEFAULT nohz=on"),
        "{added}"
    );
    assert_eq!(
        wanted.revert(&host, SCOPE, &cx).expect("reverted"),
        Reverted::Clean,
        "it was never booted with them"
    );
}

#[test]
fn irqbalance_and_tuned_are_changed_only_where_they_differ_and_put_back() {
    let states = |shell: ScriptedShell, all: &[(&str, &str)]| {
        all.iter().fold(shell, |shell, (enabled, active)| {
            shell
                .answer("systemctl is-enabled *", *enabled)
                .answer("systemctl is-active *", *active)
        })
    };
    let wanted = |on| Persistent {
        irqbalance: Some(on),
        tuned: Some("virtual-host".into()),
        ..Persistent::default()
    };
    // As wanted already: nothing is typed that changes anything.
    let shell = states(ScriptedShell::new("foo"), &[("enabled\n", "active\n")])
        .answer("tuned-adm active", "Current active profile: virtual-host\n")
        .answer(BOOT, "a\n");
    let cx = Context::for_test("/nonexistent");
    let ready = wanted(true).set_up(&host(&shell), SCOPE, &cx, Reboots::Forbidden);
    assert_eq!(ready.expect("ready"), Progress::Ready);
    assert!(changes(&shell).is_empty() && cx.journal.left().is_empty());

    let shell = states(
        ScriptedShell::new("foo"),
        &[("enabled\n", "active\n"), ("disabled\n", "inactive\n")],
    )
    .answer("tuned-adm active", "Current active profile: balanced\n")
    .answer("tuned-adm active", "Current active profile: virtual-host\n")
    .answer("tuned-adm profile *", "")
    .answer("systemctl disable *", "")
    .answer("sh -c *", "")
    .answer(BOOT, "a\n");
    let (host, cx) = (host(&shell), Context::for_test("/nonexistent"));
    let mut wanted = wanted(false);
    let ready = wanted.set_up(&host, SCOPE, &cx, Reboots::Forbidden);
    assert_eq!(ready.expect("ready"), Progress::Ready);
    assert_eq!(
        changes(&shell),
        [
            "tuned-adm profile virtual-host",
            "systemctl disable --now irqbalance.service"
        ]
    );
    assert_eq!(
        wanted.revert(&host, SCOPE, &cx).expect("reverted"),
        Reverted::Clean
    );
    let undone = changes(&shell).split_off(2);
    assert!(
        undone[0].ends_with("undo irqbalance.service 1 1"),
        "{undone:?}"
    );
    assert!(undone[1].ends_with("undo balanced"), "{undone:?}");
}

#[test]
fn an_empty_report_of_the_boot_script_does_not_count() {
    let cx = Context::for_test("/nonexistent");
    let shell = ScriptedShell::new("foo")
        .file("/etc/rc.d/rc.local", "#!/bin/sh\nown\n")
        .answer("sh -c 'if *", "/etc/rc.d/rc.local\n")
        .answer("sh -c *", "")
        .answer(BOOT, "a\n")
        .answer(BOOT, "b\n")
        .answer(BOOT, "c\n");
    let host = host(&shell);
    let mut wanted = Persistent {
        rc_local: Some("#!/bin/sh\necho rc_local >>/run/x\n".into()),
        ..Persistent::default()
    };
    let step = wanted.set_up(&host, SCOPE, &cx, Reboots::Allowed);
    assert_eq!(step.expect("goes on"), Progress::Reboot);
    let written = shell.inputs().into_iter().rfind(|input| !input.is_empty());
    assert_eq!(
        String::from_utf8_lossy(&written.expect("the script")),
        "#!/bin/sh\necho rc_local >>/run/x\n\n\n#!/bin/sh\nown\n"
    );
    let report = Persistent::report_file(&cx);
    let booted = shell.clone().file(Path::new(&report), "");
    let error = wanted
        .set_up(&host, SCOPE, &cx, Reboots::Allowed)
        .expect_err("empty");
    assert!(
        error.to_string().contains("has not written `rc_local`"),
        "{error}"
    );
    let _booted = booted.file(Path::new(&report), "rc_local\n");
    let step = wanted.set_up(&host, SCOPE, &cx, Reboots::Allowed);
    assert_eq!(step.expect("done"), Progress::Ready);
}

#[test]
fn templates_are_filled_and_their_slips_are_named() {
    let values = BTreeMap::from([("numa_nodes".to_owned(), "2".to_owned())]);
    assert_eq!(
        fill("n=%(numa_nodes)s %% %(numa_nodes)d\n", &values).expect("good"),
        "n=2 % 2\n"
    );
    assert_eq!(
        fill("ok\n100 %\n", &values).expect_err("lone").to_string(),
        "line 2 has a lone `%`; a literal one is written `%%`"
    );
    assert_eq!(
        fill("%(numa_node)s", &values)
            .expect_err("unknown")
            .to_string(),
        "line 1 asks for `numa_node`, which is not known; did you mean `numa_nodes`?"
    );
}
