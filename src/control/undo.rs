//! Steps that take a change of a machine back, as data: written to the journal before the change.
//!
//! Each step is one small shell program that does no harm when it runs twice, when the change it
//! undoes never happened, or when it was itself cut short: recovery after a crash knows none of
//! these apart.

use std::fmt;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control::cancel::CancelToken;
use crate::shell::local::LocalShell;
use crate::shell::processes::MARK;
use crate::shell::{CommandLine, Limits, Shell, ShellError, ShellExt};

/// How long one step may take; a large file takes a while to go.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// Names a machine, never how to log in; the head of the journal has its address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetRef(pub String);

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TargetRef {
    /// The machine run-perf itself runs on, whether it is one of the hosts or not; no host has a blank
    /// in its name.
    pub const CONTROLLER: &str = "this machine";

    /// Returns a shell when it is that machine.
    pub(crate) fn controller(&self) -> Option<Arc<dyn Shell>> {
        (self.0 == Self::CONTROLLER).then(|| Arc::new(LocalShell::new(Self::CONTROLLER)) as _)
    }
}

impl From<&str> for TargetRef {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// One way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Puts a file back as it was, owner, mode and times included.
    RestoreFile {
        /// Where.
        on: TargetRef,
        /// Which.
        path: String,
        /// Copy made by [`back_up`]; `None`: the file did not exist.
        #[serde(default)]
        backup: Option<String>,
        /// What the changed file started lasts until a reboot.
        #[serde(default)]
        reboot: bool,
    },
    /// Removes what was made.
    RemovePath {
        /// Where.
        on: TargetRef,
        /// Which.
        path: String,
        /// With everything below it; else only a file.
        #[serde(default)]
        tree: bool,
    },
    /// Removes files directly in a folder by how their names begin.
    RemoveMatching {
        /// Where.
        on: TargetRef,
        /// The folder, which stays.
        folder: String,
        /// Beginning of the names; made up for the run, so that nobody else's file fits.
        prefix: String,
    },
    /// Ends processes by the mark in their environment.
    KillMarked {
        /// Where.
        on: TargetRef,
        /// Beginning of the value of `RUNPERF_COMMAND`.
        mark: String,
    },
    /// Takes arguments off the command line of the default kernel.
    KernelArgs {
        /// Where.
        on: TargetRef,
        /// Which were added.
        remove: Vec<String>,
        /// Which these replaced.
        #[serde(default)]
        put_back: Vec<String>,
        /// Of this kernel, by grubby; absent: of the default one, by whatever is there.
        #[serde(default)]
        kernel: Option<String>,
    },
    /// Activates a tuned profile again.
    TunedProfile {
        /// Where.
        on: TargetRef,
        /// Which; `None`: none was active.
        #[serde(default)]
        name: Option<String>,
    },
    /// Puts a systemd unit back into its state.
    Unit {
        /// Where.
        on: TargetRef,
        /// Which.
        unit: String,
        /// Whether it started at boot.
        enabled: bool,
        /// Whether it ran; absent: as `enabled`.
        #[serde(default)]
        active: Option<bool>,
    },
    /// Removes the mark by which a run holds a host, if it is still this run's.
    Mark {
        /// Where.
        on: TargetRef,
        /// File of the mark.
        path: String,
        /// Written in it.
        token: String,
        /// The folder was made for it, and goes when it is empty.
        #[serde(default)]
        folder_made: bool,
    },
    /// Runs a command, which must be harmless when it runs twice.
    Command {
        /// Where.
        on: TargetRef,
        /// Program first.
        argv: Vec<String>,
    },
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The step itself is wrong: a journal that was changed by hand.
    #[error("the journal asks to {step}, which is refused: {reason}")]
    Refused {
        /// What it says.
        step: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A command failed.
    #[error(transparent)]
    Shell(#[from] ShellError),
}

const RESTORE: &str = r#"if [ -e "$2" ] || [ -L "$2" ]; then
cp -a -- "$2" "$1.runperf-undo" && mv -f -- "$1.runperf-undo" "$1" || exit 1
fi
rm -f -- "$2" "$2.new" "$1.runperf-undo" "$1.runperf-new""#;

const REMOVE_MATCHING: &str = r#"for file in "$1/$2"*; do
if [ -L "$file" ] || [ -f "$file" ]; then rm -f -- "$file" || status=1; fi
done
exit ${status:-0}"#;

/// Asked first, killed after two seconds; the program's own processes carry a mark of their own.
const KILL_MARKED: &str = r#"name=$1 own=$2; eval "own_value=\$$name"
list() {
    for file in $(grep -slzF "$name=$own" /proc/[0-9]*/environ); do
        # Looked at again: the grep above finds itself, and is gone by now.
        found=$({ tr '\0' '\n' <"$file"; } 2>/dev/null | grep -F "$name=$own")
        case $found in ''|"$name=$own_value") continue ;; esac
        pid=${file#/proc/}; echo "${pid%/environ}"
    done
}
signal=TERM round=0 empty=0
# A process that is just being executed shows no environment: "none" is believed when seen twice.
while [ $empty -lt 2 ]; do
    pids=$(list)
    if [ -z "$pids" ]; then empty=$((empty + 1)); else
        empty=0
        [ $round -lt 120 ] || { echo "still running:" $pids >&2; exit 1; }
        [ $round -lt 20 ] || signal=KILL
        kill -$signal $pids 2>/dev/null
        round=$((round + 1))
    fi
    sleep 0.1 2>/dev/null || sleep 1
done"#;

/// Arguments: kernel, what to put back, what to remove.
const KERNEL_ARGS: &str = r#"kernel=$1 back=$2; shift 2
if command -v grubby >/dev/null; then
    for arg do grubby --update-kernel="$kernel" --remove-args="$arg" || exit 1; done
    [ -z "$back" ] || grubby --update-kernel="$kernel" --args="$back"
else
    rm -f -- /etc/default/grub.d/99-runperf.cfg /etc/default/grub.d/99-runperf.cfg.new && update-grub
fi"#;

/// Where kernel arguments are added on systems with `update-grub`.
pub(crate) const GRUB_DROP_IN: &str = "/etc/default/grub.d/99-runperf.cfg";

const TUNED: &str = r#"if [ -n "$1" ]; then tuned-adm profile "$1"; else tuned-adm off; fi"#;

const UNIT: &str = r#"[ "$2" = 1 ] && verb=enable || verb=disable
systemctl "$verb" -- "$1" || exit 1
[ "$3" = 1 ] && verb=start || verb=stop
systemctl "$verb" -- "$1""#;

const MARK_OFF: &str = r#"rm -f -- "$1.$2" || exit 1
if grep -sqF "$2" "$1"; then rm -f -- "$1" || exit 1; fi
[ "$3" = 0 ] || rmdir -- "${1%/*}" 2>/dev/null || :"#;

impl Undo {
    /// Returns the machine.
    pub fn on(&self) -> &TargetRef {
        match self {
            Undo::RestoreFile { on, .. }
            | Undo::RemovePath { on, .. }
            | Undo::RemoveMatching { on, .. }
            | Undo::KillMarked { on, .. }
            | Undo::KernelArgs { on, .. }
            | Undo::TunedProfile { on, .. }
            | Undo::Unit { on, .. }
            | Undo::Mark { on, .. }
            | Undo::Command { on, .. } => on,
        }
    }

    /// Returns whether the machine must be restarted for this to show.
    pub fn needs_reboot(&self) -> bool {
        matches!(
            self,
            Undo::KernelArgs { .. } | Undo::RestoreFile { reboot: true, .. }
        )
    }

    /// Takes the step; goes on when the run is told to stop.
    ///
    /// # Errors
    /// When it is refused, or the machine is not as it was found afterwards.
    pub fn take(&self, shell: &dyn Shell) -> Result<(), UndoError> {
        let limits = Limits::new(CancelToken::default()).within(STEP_LIMIT);
        shell.text(&self.command()?, &limits)?;
        Ok(())
    }

    /// Returns the command that takes the step.
    ///
    /// # Errors
    /// [`UndoError::Refused`] for a step that could hit anything else than what it names.
    pub fn command(&self) -> Result<CommandLine, UndoError> {
        let script = |text: &str| CommandLine::script(text).arg("undo");
        let flag = |on: bool| if on { "1" } else { "0" };
        Ok(match self {
            Undo::RestoreFile { path, backup, .. } => {
                self.must_be(is_file_path(path), "it is no absolute path of a file")?;
                match backup {
                    Some(backup) => {
                        self.must_be(is_file_path(backup), "the copy has no absolute path")?;
                        script(RESTORE).arg(path).arg(backup)
                    }
                    None => CommandLine::new("rm")
                        .args(["-f", "--"])
                        .arg(path)
                        .arg(format!("{path}.runperf-new")),
                }
            }
            Undo::RemovePath { path, tree, .. } => {
                self.must_be(is_file_path(path), "it is no absolute path of a file")?;
                let deep = Path::new(path).components().count() > 2;
                self.must_be(deep || !tree, "it is a folder of the system")?;
                let how = if *tree { "-rf" } else { "-f" };
                CommandLine::new("rm").args([how, "--"]).arg(path)
            }
            Undo::RemoveMatching { folder, prefix, .. } => {
                self.must_be(
                    folder == "/" || is_file_path(folder),
                    "it is no absolute path of a folder",
                )?;
                self.must_be(
                    prefix.len() >= 8 && !prefix.contains('/'),
                    "too many names would fit",
                )?;
                script(REMOVE_MATCHING).arg(folder).arg(prefix)
            }
            Undo::KillMarked { mark, .. } => {
                self.must_be(mark.len() >= 16, "too many processes could carry this mark")?;
                script(KILL_MARKED).arg(MARK).arg(mark)
            }
            Undo::KernelArgs {
                remove,
                put_back,
                kernel,
                ..
            } => script(KERNEL_ARGS)
                .arg(kernel.as_deref().unwrap_or("DEFAULT"))
                .arg(put_back.join(" "))
                .args(remove.iter().map(String::as_str)),
            Undo::TunedProfile { name, .. } => {
                script(TUNED).arg(name.as_deref().unwrap_or_default())
            }
            Undo::Unit {
                unit,
                enabled,
                active,
                ..
            } => script(UNIT)
                .arg(unit)
                .arg(flag(*enabled))
                .arg(flag(active.unwrap_or(*enabled))),
            Undo::Mark {
                path,
                token,
                folder_made,
                ..
            } => {
                self.must_be(is_file_path(path), "it is no absolute path of a file")?;
                self.must_be(token.len() >= 16, "it does not say whose mark it is")?;
                script(MARK_OFF)
                    .arg(path)
                    .arg(token)
                    .arg(flag(*folder_made))
            }
            Undo::Command { argv, .. } => {
                let (program, args) = argv
                    .split_first()
                    .filter(|(program, _)| !program.is_empty())
                    .ok_or_else(|| self.refused("it names no program"))?;
                CommandLine::new(program).args(args.iter().map(String::as_str))
            }
        })
    }

    fn must_be(&self, good: bool, reason: &'static str) -> Result<(), UndoError> {
        if good {
            Ok(())
        } else {
            Err(self.refused(reason))
        }
    }

    fn refused(&self, reason: &'static str) -> UndoError {
        UndoError::Refused {
            step: self.to_string(),
            reason,
        }
    }
}

/// Returns the command that copies a file to where [`Undo::RestoreFile`] looks for it; the copy is
/// whole or not there.
pub fn back_up(path: &str, backup: &str) -> CommandLine {
    CommandLine::script(r#"cp -a -- "$1" "$2.new" && mv -f -- "$2.new" "$2""#)
        .arg("back-up")
        .arg(path)
        .arg(backup)
}

/// Returns whether a path is absolute, names something, and has no `..`.
fn is_file_path(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    parts.next() == Some(Component::RootDir)
        && parts.clone().count() > 0
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && !path.contains('\0')
}

impl fmt::Display for Undo {
    /// What it does, without the machine: `remove /tmp/runperf-fio.Ab12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Undo::RestoreFile {
                path,
                backup: Some(_),
                ..
            } => format!("restore {path}"),
            Undo::RestoreFile { path, .. } | Undo::RemovePath { path, .. } => {
                format!("remove {path}")
            }
            Undo::RemoveMatching { folder, prefix, .. } => {
                format!("remove {}/{prefix}*", folder.trim_end_matches('/'))
            }
            Undo::KillMarked { .. } => "end what the run started".into(),
            Undo::KernelArgs { remove, .. } => {
                format!("remove the kernel arguments {}", remove.join(" "))
            }
            Undo::TunedProfile {
                name: Some(name), ..
            } => format!("activate the tuned profile {name}"),
            Undo::TunedProfile { .. } => "switch tuned off".into(),
            Undo::Unit { unit, enabled, .. } => {
                format!("{} {unit}", if *enabled { "enable" } else { "disable" })
            }
            Undo::Mark { path, .. } => format!("give the host back ({path})"),
            Undo::Command { argv, .. } => format!("run {}", argv.join(" ")),
        };
        f.write_str(&crate::text::one_line(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on() -> TargetRef {
        "foo".into()
    }

    #[test]
    fn steps_are_written_as_the_format_page_says() {
        let step = Undo::KernelArgs {
            on: on(),
            remove: vec!["nohz=on".into()],
            put_back: Vec::new(),
            kernel: None,
        };
        let text = r#"{"kernel_args":{"on":"foo","remove":["nohz=on"]}}"#;
        assert_eq!(serde_json::from_str::<Undo>(text).expect("read"), step);
        let text = serde_json::to_string(&step).expect("JSON");
        assert_eq!(serde_json::from_str::<Undo>(&text).expect("back"), step);
    }

    #[test]
    fn a_journal_changed_by_hand_cannot_remove_anything_else() {
        let remove = |path: &str, tree| Undo::RemovePath {
            on: on(),
            path: path.into(),
            tree,
        };
        for step in [
            remove("/", true),
            remove("/etc", true),
            remove("", true),
            remove("relative/x", true),
            remove("/tmp/../etc", true),
            remove("/tmp/..", false),
            Undo::RemoveMatching {
                on: on(),
                folder: "/tmp".into(),
                prefix: String::new(),
            },
            Undo::KillMarked {
                on: on(),
                mark: String::new(),
            },
            Undo::Command {
                on: on(),
                argv: Vec::new(),
            },
        ] {
            assert!(
                matches!(step.command(), Err(UndoError::Refused { .. })),
                "{step:?}"
            );
        }
        assert!(remove("/tmp/x y", true).command().is_ok());
    }

    #[test]
    fn a_restored_file_is_as_it_was_and_twice_is_harmless() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rc.local");
        let backup = folder.path().join("copy");
        let shell = LocalShell::new("foo");
        std::fs::write(&path, "old\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o751)).expect("set");
        let (of, to) = (path.display().to_string(), backup.display().to_string());
        let step = Undo::RestoreFile {
            on: on(),
            path: of.clone(),
            backup: Some(to.clone()),
            reboot: false,
        };
        step.take(&shell).expect("nothing was backed up yet");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "old\n");

        let limits = Limits::new(CancelToken::default());
        shell.text(&back_up(&of, &to), &limits).expect("copied");
        std::fs::remove_file(&path).expect("gone");
        std::fs::write(&path, "new").expect("changed");
        for _ in 0..2 {
            step.take(&shell).expect("restored");
            assert_eq!(std::fs::read_to_string(&path).expect("there"), "old\n");
            let mode = std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o751);
            assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
        }
    }

    #[test]
    fn only_files_that_begin_so_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["runperf-fio-x-1", "runperf-fio-x-2 b", "runperf-fio-y"] {
            std::fs::write(folder.path().join(name), "").expect("written");
        }
        let step = Undo::RemoveMatching {
            on: on(),
            folder: folder.path().display().to_string(),
            prefix: "runperf-fio-x-".into(),
        };
        for _ in 0..2 {
            step.take(&LocalShell::new("foo")).expect("removed");
            let left: Vec<_> = std::fs::read_dir(folder.path())
                .expect("listed")
                .flatten()
                .map(|entry| entry.file_name())
                .collect();
            assert_eq!(left, ["runperf-fio-y"]);
        }
    }

    #[test]
    fn marked_processes_end_whatever_session_they_are_in() {
        let token = ulid::Ulid::generate().to_string();
        let mark = format!("{token}/foo/");
        let spawn = |mark: String, script: &str| {
            std::process::Command::new("sh")
                .args(["-c", script])
                .env(MARK, mark)
                .spawn()
                .expect("it starts")
        };
        let mut ours = spawn(format!("{mark}1"), "trap '' TERM; setsid sleep 600 & wait");
        let mut others = spawn(format!("{token}x/foo/1"), "exec sleep 600");
        let step = Undo::KillMarked {
            on: on(),
            mark: mark.clone(),
        };
        // The child must be reaped meanwhile, as a controller that died leaves that to init.
        let reaper = std::thread::spawn(move || ours.wait());
        step.take(&LocalShell::new("foo")).expect("ended");
        step.take(&LocalShell::new("foo")).expect("nothing left");
        reaper.join().expect("no panic").expect("reaped");
        assert!(others.try_wait().expect("asked").is_none(), "not ours");
        others.kill().expect("ended");
        others.wait().expect("reaped");
    }

    #[test]
    fn the_program_that_ends_the_others_does_not_end_itself() {
        let name = "a-machine-of-this-test-only";
        let shell = LocalShell::new(name);
        let limits = Limits::new(CancelToken::default());
        let left = "setsid sleep 600 >/dev/null 2>&1 & echo $!";
        let pid = shell
            .text(&CommandLine::script(left), &limits)
            .expect("started");
        let step = Undo::KillMarked {
            on: name.into(),
            mark: crate::shell::processes::mark_on(name),
        };
        step.take(&shell).expect("ended");
        // A zombie has no environment any more.
        let left = std::fs::read(format!("/proc/{}/environ", pid.trim()));
        assert!(left.unwrap_or_default().is_empty(), "it is gone");
        step.take(&shell).expect("nothing left");
    }

    #[test]
    fn a_mark_of_somebody_else_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = folder.path().join("runperf");
        std::fs::create_dir(&held).expect("made");
        let path = held.join("held-foo.json");
        let step = Undo::Mark {
            on: on(),
            path: path.display().to_string(),
            token: "01K0000000000000000000000A".into(),
            folder_made: true,
        };
        std::fs::write(&path, r#"{"token":"01K0000000000000000000000B"}"#).expect("written");
        step.take(&LocalShell::new("foo")).expect("nothing to do");
        assert!(path.exists());
        std::fs::write(&path, r#"{"token":"01K0000000000000000000000A"}"#).expect("written");
        step.take(&LocalShell::new("foo")).expect("removed");
        assert!(!held.exists(), "the folder was made for it");
        step.take(&LocalShell::new("foo")).expect("twice");
    }
}
