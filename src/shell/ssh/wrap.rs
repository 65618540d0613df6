//! What is typed on the machine around each command.
//!
//! `sshd` gives every command a session and process group of its own; the wrapper adds the mark by
//! which everything it starts is found again, and a pid file in the run's private folder there. Then
//! it becomes the command, so that status and signal are the command's own.
//!
//! What the wrapper does comes as the first line of its standard input: arguments and variables
//! stand in no command line but the command's own, and their length has no limit. It starts nothing
//! when somebody has asked for the end already ([`END`] says so in a file beside the pid file, then
//! looks for the command; the wrapper writes its pid file, then looks for that file: one of them
//! sees the other), or when the private folder is gone.

use std::io;
use std::path::Path;

use crate::shell::quote::quote;
use crate::shell::{CommandLine, ShellError, Target};

/// Ends a command; see the file.
pub(super) const END: &str = include_str!("end.sh");

/// Why a command was not started when somebody removed the private folder.
const PRIVATE_GONE: &str = "the private folder of the run was removed there";

/// Returns whether a command was not started because the private folder is gone.
pub(super) fn private_gone(error: &ShellError) -> bool {
    matches!(error, ShellError::Io { source, .. } if source.to_string() == PRIVATE_GONE)
}

/// What the wrapper prints when there is nothing it could become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Missing,
    Denied,
    NoFolder,
    NotPrivate,
}

impl Trouble {
    const ALL: [(Trouble, &'static str); 4] = [
        (Trouble::Missing, "missing"),
        (Trouble::Denied, "denied"),
        (Trouble::NoFolder, "folder"),
        (Trouble::NotPrivate, "private"),
    ];
}

/// Returns the command line of the wrapper. The mark is in its environment from the first moment on,
/// so that a run that dies now finds it as well.
pub(super) fn line(mark: &str) -> String {
    format!("exec env RUNPERF_COMMAND={mark} sh -c 'IFS= read -r _r && eval \"$_r\"'")
}

/// Returns the first line of the wrapper's standard input. `mark` is fresh for each command; the pid
/// file lies in the private folder, which must exist when `private`.
///
/// # Errors
/// What no shell can be told: texts with NUL, variables with odd names.
pub(super) fn wrap(
    command: &CommandLine,
    mark: &str,
    pid_file: &str,
    private: bool,
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
    let folder = Path::new(pid_file).parent().unwrap_or(Path::new("/"));
    let gone = if private {
        let folder = quote(&folder.to_string_lossy());
        format!("[ -d {folder} ] || {{ echo '@{mark} private' >&2; exit 126; }}")
    } else {
        ":".to_owned()
    };
    let mut text = format!(
        "{{ read -r _s </proc/$$/stat; read -r _b </proc/sys/kernel/random/boot_id; }} 2>/dev/null; \
         {{ echo \"{mark} $_b $_s\" >{pid_file}; }} 2>/dev/null || {gone}; \
         {{ read -r _r <{pid_file}.stop; }} 2>/dev/null; [ \"$_r\" != {mark} ] || exit 143; "
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
    // A line has no line ends: they stand in a variable. Quoting has put each into quotes.
    if text.contains('\n') {
        text = format!(
            "_n=$(printf '\\n.'); _n=${{_n%.}}; {}",
            text.replace('\n', "'\"$_n\"'")
        );
    }
    text.push('\n');
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
            source: io::ErrorKind::PermissionDenied.into(),
        },
        Trouble::NotPrivate => ShellError::Io {
            target,
            command: command.clone(),
            source: io::Error::new(io::ErrorKind::NotFound, PRIVATE_GONE),
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
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn sh(script: &str) -> (Option<i32>, String, String) {
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .output()
            .expect("there is a shell");
        outcome(&output)
    }

    /// What the login shell does, with what is fed behind the command.
    fn start(command: &CommandLine, pid_file: &str) -> (Option<i32>, String, String) {
        let mut input = wrap(command, "MARK", pid_file, true).expect("can be told");
        input.push_str("fed");
        let mut child = Command::new("sh")
            .args(["-c", &line("MARK")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut pipe = child.stdin.take().expect("piped");
        pipe.write_all(input.as_bytes()).expect("small");
        drop(pipe);
        outcome(&child.wait_with_output().expect("ends"))
    }

    fn outcome(output: &std::process::Output) -> (Option<i32>, String, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    fn wrapped(command: &CommandLine) -> (Option<i32>, String, String, String) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("1").display().to_string();
        let (code, out, err) = start(command, &file);
        (
            code,
            out,
            err,
            std::fs::read_to_string(file).unwrap_or_default(),
        )
    }

    #[test]
    fn the_wrapper_becomes_the_command() {
        let command = CommandLine::script("echo \"$A:$RUNPERF_COMMAND:$PWD:$0\"; cat; exit 7")
            .arg("it's\nx\n")
            .env("A", "a\nb")
            .current_dir("/");
        let (code, out, err, file) = wrapped(&command);
        assert_eq!(
            (code, out.as_str(), err.as_str()),
            (Some(7), "a\nb:MARK:/:it's\nx\n\nfed", "")
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
        assert!(wrap(&CommandLine::new("a\0b"), "M", "/d/1", true).is_err());
        assert!(wrap(&CommandLine::new("a").env("b c", ""), "M", "/d/1", true).is_err());
    }

    #[test]
    fn nothing_starts_once_its_end_was_asked_for() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("1").display().to_string();
        let command = CommandLine::new("echo").arg("started");
        let end = || {
            let ended = Command::new("sh")
                .args(["-c", END, "end", "MARK", &file, "20"])
                .status();
            assert!(ended.expect("there is sh").success());
        };
        end();
        assert_eq!(
            start(&command, &file),
            (Some(143), String::new(), String::new())
        );
        // The next command of that connection has another mark.
        std::fs::write(format!("{file}.stop"), "OTHER\n").expect("writable");
        assert_eq!(start(&command, &file).1, "started\n");
        // Also when the folder is gone: the run is over there.
        drop(dir);
        let (code, out, err) = start(&command, &file);
        assert_eq!((code, out.as_str()), (Some(126), ""));
        let error = trouble(err.as_bytes(), "MARK", &Target("lab".into()), &command);
        assert!(error.is_some_and(|error| private_gone(&error)), "{err}");
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
