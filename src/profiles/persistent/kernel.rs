//! Kernel arguments, by grubby where there is one, else by a file of ours that `update-grub` reads.

use super::{At, PersistentError};
use crate::control::undo::{GRUB_DROP_IN, Undo};
use crate::shell::CommandLine;

/// Returns those arguments the running kernel was not booted with, compared as whole words.
pub(super) fn missing(at: &At<'_>, wanted: &[String]) -> Result<Vec<String>, PersistentError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let odd = |arg: &&String| {
        arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "\"'`$\\".contains(c))
    };
    if let Some(arg) = wanted.iter().find(odd) {
        let reason = "blanks, quotes, `$` and `\\` would mean something to grub";
        return Err(at.unsupported(&format!("the kernel argument `{arg}`"), reason));
    }
    let line = at.text(&CommandLine::new("cat").arg("/proc/cmdline"))?;
    let present: Vec<&str> = line.split_ascii_whitespace().collect();
    Ok(wanted
        .iter()
        .filter(|arg| !present.contains(&arg.as_str()))
        .cloned()
        .collect())
}

/// Adds arguments to the kernel that is booted by default.
pub(super) fn add(at: &At<'_>, args: &[String]) -> Result<(), PersistentError> {
    let which = CommandLine::script(
        "if command -v grubby >/dev/null; then grubby --default-kernel\n\
         elif command -v update-grub >/dev/null && [ -d /etc/default/grub.d ]; then echo update-grub\n\
         else echo none; fi",
    );
    match at.text(&which)?.trim() {
        "none" => Err(at.unsupported(
            "kernel arguments",
            "there is neither grubby nor update-grub with /etc/default/grub.d",
        )),
        "update-grub" => by_update_grub(at, args),
        kernel => by_grubby(at, kernel, args),
    }
}

fn by_grubby(at: &At<'_>, kernel: &str, args: &[String]) -> Result<(), PersistentError> {
    let info = at.text(&CommandLine::new("grubby").arg(format!("--info={kernel}")))?;
    let now = boot_args(&info);
    // grubby replaces an argument of the same key; what it replaces must come back.
    let put_back = now
        .iter()
        .filter(|old| !args.contains(old) && args.iter().any(|new| key(new) == key(old)))
        .cloned()
        .collect();
    let remove: Vec<String> = args
        .iter()
        .filter(|arg| !now.contains(arg))
        .cloned()
        .collect();
    if remove.is_empty() {
        // Set already, not booted with yet.
        return Ok(());
    }
    let added = remove.join(" ");
    let step = at.cx.journal.plan(
        at.scope,
        Undo::KernelArgs {
            on: at.on(),
            remove,
            put_back,
            kernel: Some(kernel.to_owned()),
        },
    )?;
    at.text(&CommandLine::new("grubby").args([
        format!("--update-kernel={kernel}"),
        format!("--args={added}"),
    ]))?;
    step.armed();
    Ok(())
}

fn by_update_grub(at: &At<'_>, args: &[String]) -> Result<(), PersistentError> {
    let step = at.cx.journal.plan(
        at.scope,
        Undo::KernelArgs {
            on: at.on(),
            remove: args.to_vec(),
            put_back: Vec::new(),
            kernel: None,
        },
    )?;
    let text = format!(
        "# Written by run-perf, removed when its profile is reverted.\n\
         GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT {}\"\n",
        args.join(" ")
    );
    let script = r#"printf %s "$2" >"$1.new" && mv -f -- "$1.new" "$1" && update-grub"#;
    at.text(&CommandLine::script(script).args(["grub", GRUB_DROP_IN, text.as_str()]))?;
    step.armed();
    Ok(())
}

fn key(arg: &str) -> &str {
    arg.split_once('=').map_or(arg, |(key, _)| key)
}

/// Reads `args="ro crashkernel=auto"` of `grubby --info`.
fn boot_args(info: &str) -> Vec<String> {
    info.lines()
        .find_map(|line| line.strip_prefix("args="))
        .map(|args| args.trim().trim_matches('"'))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect()
}
