//! What is typed on the machine around each command.
//!
//! `sshd` gives every command a session and process group of its own; the wrapper adds the mark by
//! which everything it starts is found again, and a pid file in the run's private folder there. Then
//! it becomes the command, so that status and signal are the command's own.

use std::io;
use std::path::Path;

use crate::shell::quote::quote;
use crate::shell::{CommandLine, ShellError, Target};

/// Ends a command; see the file.
pub(super) const END: &str = include_str!("end.sh");

/// What the wrapper prints when there is nothing it could become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Missing,
    Denied,
    NoFolder,
}

impl Trouble {
    const ALL: [(Trouble, &'static str); 3] = [
        (Trouble::Missing, "missing"),
        (Trouble::Denied, "denied"),
        (Trouble::NoFolder, "folder"),
    ];
}

/// Returns the program of the wrapper. `mark` is fresh for each command; the pid file is
/// `FOLDER/NUMBER`.
///
/// # Errors
/// What no shell can be told: texts with NUL, variables with odd names.
pub(super) fn wrap(
    command: &CommandLine,
    mark: &str,
    folder: &str,
    pid_file: &str,
) -> io::Result<String> {
    use std::fmt::Write as _;
    let args: Vec<&str> = command
        .args
        .iter()
        .map(crate::shell::command::Arg::reveal)
        .collect();
    let texts = args.iter().copied().chain(
        command
            .env
            .iter()
            .flat_map(|(name, value)| [name.as_str(), value.reveal()]),
    );
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an argument holds a NUL byte",
        ));
    }
    let mut text = format!(
        "RUNPERF_COMMAND={mark}; export RUNPERF_COMMAND; \
         {{ [ -d {folder} ] || mkdir -m 700 {folder}; read -r s </proc/$$/stat; \
         read -r b </proc/sys/kernel/random/boot_id; echo \"{mark} $b $s\" >{pid_file}; }} 2>/dev/null; "
    );
    if let Some(dir) = &command.cwd {
        let dir = quote(&dir.to_string_lossy());
        let _ = write!(
            text,
            "cd -- {dir} 2>/dev/null || {{ [ -d {dir} ] && echo '@{mark} denied' >&2 || echo '@{mark} folder' >&2; exit 126; }}; "
        );
    }
    for (name, value) in &command.env {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(plain)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            let message = format!("`{name}` cannot be the name of a variable");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let _ = write!(text, "export {name}={}; ", quote(value.reveal()));
    }
    let name = args.first().copied().unwrap_or_default();
    let program = quote(name);
    // Some shells find what has a path even when it cannot be run.
    let found = if name.contains('/') {
        format!("[ -x {program} ] && [ ! -d {program} ]")
    } else {
        format!("command -v {program} >/dev/null 2>&1")
    };
    let _ = write!(
        text,
        "{found} || {{ [ -e {program} ] && echo '@{mark} denied' >&2 || echo '@{mark} missing' >&2; exit 127; }}; exec"
    );
    for arg in args {
        let _ = write!(text, " {}", quote(arg));
    }
    Ok(text)
}

/// Returns the error the wrapper reported instead of becoming the command.
pub(super) fn trouble(
    stderr: &[u8],
    mark: &str,
    target: &Target,
    command: &CommandLine,
) -> Option<ShellError> {
    let line = String::from_utf8_lossy(stderr.get(..stderr.len().min(256))?).into_owned();
    let word = line
        .lines()
        .next()?
        .strip_prefix(&format!("@{mark} "))?
        .to_owned();
    let (trouble, _) = Trouble::ALL.into_iter().find(|(_, name)| *name == word)?;
    let target = target.clone();
    Some(match trouble {
        Trouble::Missing => ShellError::NotFound {
            target,
            program: command.program().to_owned(),
        },
        Trouble::NoFolder => ShellError::NoSuchFile {
            target,
            path: command.cwd.clone().unwrap_or_else(|| Path::new("").into()),
        },
        Trouble::Denied => ShellError::Io {
            target,
            command: command.clone(),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        },
    })
}

/// A program that succeeds while the command with this mark runs, or when that cannot be told.
pub(super) fn probe(mark: &str, pid_file: &str) -> String {
    format!(
        "{{ read -r m b s <{pid_file}; }} 2>/dev/null || exit 0; [ \"$m\" = {mark} ] || exit 0; p=${{s%% *}}; \
         set -- ${{s##*) }}; t=${{20}}; {{ read -r s </proc/$p/stat; }} 2>/dev/null || exit 1; \
         set -- ${{s##*) }}; [ \"${{20}}\" = \"$t\" ] && [ \"$1\" != Z ]"
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn sh(script: &str) -> (Option<i32>, String, String) {
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .output()
            .expect("there is a shell");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn wrapped(command: &CommandLine) -> (Option<i32>, String, String, String) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path().join("private");
        let (folder, file) = (
            folder.display().to_string(),
            folder.join("1").display().to_string(),
        );
        let script = wrap(command, "MARK", &folder, &file).expect("can be told");
        let (code, out, err) = sh(&script);
        (
            code,
            out,
            err,
            std::fs::read_to_string(file).unwrap_or_default(),
        )
    }

    #[test]
    fn the_wrapper_becomes_the_command() {
        let command = CommandLine::script("echo \"$A:$RUNPERF_COMMAND:$PWD:$1\"; exit 7")
            .arg("x")
            .arg("it's")
            .env("A", "a b")
            .current_dir("/");
        let (code, out, err, file) = wrapped(&command);
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(7), "a b:MARK:/:it's\n", "")
        );
        assert!(
            file.starts_with("MARK ") && file.split(' ').count() > 20,
            "{file}"
        );
    }

    #[test]
    fn what_cannot_be_run_is_told_apart() {
        let target = Target("lab".into());
        let error = |command: &CommandLine| {
            let (_, _, err, _) = wrapped(command);
            trouble(err.as_bytes(), "MARK", &target, command).map(|error| error.to_string())
        };
        assert_eq!(
            error(&CommandLine::new("no such")),
            Some("no program `no such` on lab".into())
        );
        assert_eq!(
            error(&CommandLine::new("true").current_dir("/no/such")),
            Some("no file /no/such on lab".into())
        );
        assert_eq!(
            error(&CommandLine::new("/etc/passwd")),
            Some("cannot run `/etc/passwd` on lab".into())
        );
        assert_eq!(
            error(&CommandLine::script("echo '@OTHER missing' >&2; exit 127")),
            None
        );
        assert!(wrap(&CommandLine::new("a\0b"), "M", "/d", "/d/1").is_err());
        assert!(wrap(&CommandLine::new("a").env("b c", ""), "M", "/d", "/d/1").is_err());
    }

    #[test]
    fn the_probe_tells_whether_a_command_still_runs() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("1");
        let mut child = Command::new("sleep")
            .arg("1000")
            .spawn()
            .expect("there is sleep");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it runs");
        std::fs::write(&file, format!("MARK boot {stat}")).expect("writable");
        let script = probe("MARK", &file.display().to_string());
        assert_eq!(sh(&script).0, Some(0));
        child.kill().expect("ours");
        child.wait().expect("ours");
        assert_eq!(sh(&script).0, Some(1));
        assert_eq!(
            sh(&probe("OTHER", &file.display().to_string())).0,
            Some(0),
            "cannot be told"
        );
    }

    #[test]
    fn everything_a_command_started_is_ended() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("1");
        let mark = format!("T{}", std::process::id());
        // The inner one leaves group and session, the other one loses the mark.
        let script = format!(
            "read -r s </proc/$$/stat; read -r b </proc/sys/kernel/random/boot_id; echo \"$RUNPERF_COMMAND $b $s\" >'{}'; \
             setsid sleep 1001 & env -i sleep 1002 & wait",
            file.display()
        );
        let mut child = Command::new("setsid")
            .args(["--wait", "sh", "-c", &script])
            .env("RUNPERF_COMMAND", &mark)
            .spawn()
            .expect("there is setsid");
        while !file.exists() {
            std::thread::yield_now();
        }
        let output = Command::new("sh")
            .args(["-c", END, "end", &mark])
            .arg(&file)
            .arg("20")
            .output()
            .expect("there is sh");
        assert!(output.status.success(), "{output:?}");
        child.wait().expect("ended");
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("there is proc").flatten() {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if environ
                .windows(mark.len())
                .any(|part| part == mark.as_bytes())
            {
                left.push(entry.path());
            }
        }
        assert!(left.is_empty(), "{left:?}");
    }
}
