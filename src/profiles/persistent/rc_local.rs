//! The boot script: in front of the host's own rc.local, which is put back as it was.

use std::time::{Duration, Instant};

use super::{At, Persistent, PersistentError};
use crate::control::undo::{Undo, back_up};
use crate::shell::{CommandLine, ShellExt};

/// Line by which the script says that it is done.
const DONE: &str = "rc_local";
/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(500);

/// Returns where this system keeps the script.
pub(super) fn path(at: &At<'_>) -> Result<String, PersistentError> {
    let ask = "if [ -d /etc/rc.d ]; then echo /etc/rc.d/rc.local; else echo /etc/rc.local; fi";
    Ok(at.text(&CommandLine::script(ask))?.trim().to_owned())
}

/// Returns whether the script of this boot is done.
pub(super) fn has_reported(at: &At<'_>) -> Result<bool, PersistentError> {
    let file = Persistent::report_file(at.cx);
    let content = at.host.shell.read_file(file.as_ref(), &at.limits())?;
    let content = content.unwrap_or_default();
    Ok(String::from_utf8_lossy(&content)
        .lines()
        .any(|line| line.trim() == DONE))
}

/// Puts the script in front of what is there.
pub(super) fn install(at: &At<'_>, script: &str) -> Result<(), PersistentError> {
    let path = path(at)?;
    let before = at.host.shell.read_file(path.as_ref(), &at.limits())?;
    let backup = before.as_ref().map(|_| {
        let token = ulid::Ulid::generate().to_string();
        format!("{path}.runperf-{token}")
    });
    let report = at.cx.journal.plan(
        at.scope,
        Undo::RemovePath {
            on: at.on(),
            path: Persistent::report_file(at.cx),
            tree: false,
        },
    )?;
    report.armed();
    let step = at.cx.journal.plan(
        at.scope,
        Undo::RestoreFile {
            on: at.on(),
            path: path.clone(),
            backup: backup.clone(),
            reboot: true,
        },
    )?;
    let mut text = script.as_bytes().to_vec();
    if let (Some(backup), Some(before)) = (&backup, &before) {
        at.text(&back_up(&path, backup))?;
        text.extend_from_slice(b"\n\n");
        text.extend_from_slice(before);
    }
    let write =
        r#"cat >"$1.runperf-new" && chmod 755 "$1.runperf-new" && mv -f -- "$1.runperf-new" "$1""#;
    let write = CommandLine::script(write)
        .args(["rc-local", path.as_str()])
        .stdin(text);
    at.text(&write)?;
    step.armed();
    Ok(())
}

/// Waits until the script of this boot has said that it is done.
pub(super) fn wait(at: &At<'_>, patience: Duration) -> Result<(), PersistentError> {
    let until = Instant::now() + patience;
    while !has_reported(at)? {
        if Instant::now() >= until || at.cx.cancel.is_cancelled() {
            return Err(at.no_effect(
                "rc.local",
                format!(
                    "{patience:?} after the boot it has not written `{DONE}` to {}",
                    Persistent::report_file(at.cx)
                ),
            ));
        }
        std::thread::sleep(PAUSE.min(patience));
    }
    Ok(())
}
