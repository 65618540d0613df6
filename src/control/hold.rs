//! The mark on a host: which run holds it, so that a second one refuses and says who has it.
//!
//! The mark is a file on the machine itself, `held-<host>.json`, made exclusively when the run begins
//! and removed last, through the journal like every other change. It lies in `/var/lib/runperf` for
//! root and in `$XDG_STATE_HOME/runperf` (`~/.local/state/runperf`) for others, who respect root's
//! as well. `RUNPERF_STATE_DIR` moves it, on the machine run-perf itself runs on only. Profiles an
//! older tool left applied (`set_profile`, `applied_profile`) hold a host, too.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cancel::CancelToken;
use super::context::Context;
use super::event::{Event, Observer};
use super::journal::JournalError;
use super::undo::Undo;
use crate::shell::{CommandLine, Exit, Limits, Shell, ShellError};
use crate::text;

/// How long a look at the mark may take.
const SHORT: Duration = Duration::from_secs(60);
/// Between two looks of `--wait-held`.
const PAUSE: Duration = Duration::from_millis(500);

const LOOK: &str = r#"system=/var/lib/runperf
if [ -n "$2" ]; then folder=$2; system=$2
elif [ "$(id -u)" = 0 ]; then folder=$system
else folder=${XDG_STATE_HOME:-${HOME:-/var/tmp}/.local/state}/runperf; fi
printf 'folder %s\n' "$folder"
[ -d "$folder" ] && echo there
for file in "$system/held-$1.json" "$folder/held-$1.json"; do
    [ -e "$file" ] && { printf 'file %s\nheld ' "$file"; tr -d '\n' <"$file"; echo; }
done
for key in set_profile applied_profile; do
    [ -f "$system/$key" ] && { printf 'foreign %s/%s ' "$system" "$key"; head -c 200 "$system/$key" | tr '\n' ' '; echo; }
done
:"#;

/// Made under another name and linked, so that the mark is whole or not there.
const TAKE: &str = r#"umask 022
mkdir -p -- "$1" && printf '%s\n' "$4" >"$2.$3" || exit 1
ln -- "$2.$3" "$2" 2>/dev/null; made=$?
rm -f -- "$2.$3"
[ $made = 0 ] && exit 0
[ -e "$2" ] && exit 3
exit 1"#;

/// What stands in the mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Names the run.
    pub run_id: String,
    /// Its profiles.
    #[serde(default)]
    pub profile: String,
    /// Machine run-perf runs on.
    #[serde(default)]
    pub controller: String,
    /// Its result directory there.
    #[serde(default)]
    pub result: String,
    /// Process there.
    #[serde(default)]
    pub pid: u32,
    /// When that process began, in ticks since boot: tells it from a later one of this number.
    #[serde(default)]
    pub pid_start: Option<u64>,
    /// RFC 3339, UTC.
    #[serde(default)]
    pub since: String,
    /// Names the process among all that ever ran.
    #[serde(default)]
    pub token: String,
}

impl Mark {
    /// The mark of a run of this process.
    pub fn new(run_id: &str, profile: String, result: &Path) -> Self {
        let pid = std::process::id();
        Self {
            run_id: run_id.to_owned(),
            profile,
            controller: this_machine(),
            result: result.display().to_string(),
            pid,
            pid_start: start_of(pid),
            since: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            token: crate::shell::processes::token().to_owned(),
        }
    }

    /// Returns whether its run died; only what ran on this machine can be told.
    fn is_dead(&self) -> bool {
        self.controller == this_machine()
            && match (start_of(self.pid), self.pid_start) {
                (None, _) => true,
                (Some(now), Some(then)) => now != then,
                (Some(_), None) => false,
            }
    }
}

/// Returns the name of the machine this program runs on.
pub(crate) fn this_machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Field 22 of `/proc/PID/stat`, proc(5); `None` when there is no such process.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Who has a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A run of ours.
    Run {
        /// Who.
        mark: Mark,
        /// Where it says so.
        file: String,
        /// Its process is gone.
        dead: bool,
    },
    /// The older tool, or a mark that cannot be read.
    Foreign {
        /// Where it says so.
        file: String,
        /// What it says.
        says: String,
    },
}

/// Why a host could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Somebody has it.
    #[error("host `{host}` is held by {}", said(holder))]
    Held {
        /// Which.
        host: String,
        /// Who.
        holder: Box<Holder>,
    },
    /// The mark could not be left.
    #[error("host `{host}` could not be marked as held")]
    Mark {
        /// Which.
        host: String,
        /// Why.
        #[source]
        source: ShellError,
    },
    /// The change could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
}

fn said(holder: &Holder) -> String {
    let text = match holder {
        Holder::Run { mark, dead, .. } => {
            let who = if *dead { " that died" } else { "" };
            format!(
                "run `{}`{who} (profile {}, since {}, process {} on `{}`, result {})",
                mark.run_id, mark.profile, mark.since, mark.pid, mark.controller, mark.result
            )
        }
        Holder::Foreign { file, says } => format!("another tool: {file} says `{says}`"),
    };
    text::one_line(&text)
}

impl HoldError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        let HoldError::Held { holder, .. } = self else {
            return None;
        };
        let hint = match holder.as_ref() {
            Holder::Run {
                mark, dead: false, ..
            } if mark.controller == this_machine() => {
                "wait for its end: --wait-held 2h does".to_owned()
            }
            Holder::Run {
                mark, dead: false, ..
            } => format!(
                "wait for its end (--wait-held 2h does), or, if it died, give the host back on `{}`: run-perf --recover {}",
                mark.controller, mark.result
            ),
            Holder::Run { mark, file, .. } => {
                let journal = Path::new(&mark.result).join(super::journal::FILE_NAME);
                if journal.is_file() {
                    format!(
                        "give the host back first: run-perf --recover {}",
                        mark.result
                    )
                } else {
                    format!(
                        "its result is gone, so nothing can be undone from it: look the host over, then remove {file} there"
                    )
                }
            }
            Holder::Foreign { file, .. } => {
                format!("revert that profile with the tool that applied it, or remove {file} there")
            }
        };
        Some(text::one_line(&hint))
    }
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    folder: String,
    folder_there: bool,
    holder: Option<Holder>,
}

/// Takes a host for this run: looks who has it, waits for at most `wait`, leaves the mark.
///
/// # Errors
/// [`HoldError::Held`] when somebody else has it; when the mark cannot be left; when the run is
/// told to stop meanwhile.
pub fn take(
    host: &str,
    shell: &Arc<dyn Shell>,
    mark: &Mark,
    cx: &Context,
    wait: Duration,
) -> Result<(), HoldError> {
    let waiting = Waiting {
        cancel: &cx.cancel,
        observer: cx.observer.as_ref(),
        until: Instant::now().checked_add(wait),
    };
    loop {
        let found = wait_until_free(host, shell.as_ref(), &waiting)?;
        if leave(host, shell, mark, &found, cx)? {
            return Ok(());
        }
        waiting.pause()?;
    }
}

/// How a host that is held is waited for.
#[derive(Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) cancel: &'a CancelToken,
    pub(super) observer: &'a dyn Observer,
    pub(super) until: Option<Instant>,
}

impl Waiting<'_> {
    fn pause(&self) -> Result<(), HoldError> {
        if self.cancel.is_cancelled() {
            return Err(HoldError::Interrupted);
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }
}

/// Looks who has a host until nobody has; changes nothing there.
///
/// # Errors
/// As [`take`].
pub(super) fn wait_until_free(
    host: &str,
    shell: &dyn Shell,
    waiting: &Waiting<'_>,
) -> Result<Found, HoldError> {
    let mut told = false;
    loop {
        let mut found = look(host, shell, waiting.cancel)?;
        let Some(holder) = found.holder.take() else {
            return Ok(found);
        };
        let held = HoldError::Held {
            host: host.to_owned(),
            holder: Box::new(holder),
        };
        if waiting.until.is_some_and(|until| Instant::now() >= until) {
            return Err(held);
        }
        if !std::mem::replace(&mut told, true) {
            let text = format!("{held}: waiting");
            waiting.observer.event(&Event::Note { text });
        }
        waiting.pause()?;
    }
}

fn look(host: &str, shell: &dyn Shell, cancel: &CancelToken) -> Result<Found, HoldError> {
    let command = CommandLine::script(LOOK)
        .arg("look")
        .arg(text::file_name(host))
        .arg(moved_to(shell));
    let answer = shell.glance(&command, &Limits::new(cancel.clone()).within(SHORT));
    Ok(read(&answer.map_err(|source| failed(host, source))?.text()))
}

/// Returns where `RUNPERF_STATE_DIR` moves the mark of this machine.
fn moved_to(shell: &dyn Shell) -> String {
    let set =
        std::env::var_os("RUNPERF_STATE_DIR").filter(|set| shell.is_local() && !set.is_empty());
    set.and_then(|set| std::path::absolute(set).ok())
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}

fn failed(host: &str, source: ShellError) -> HoldError {
    match source {
        ShellError::Interrupted { .. } => HoldError::Interrupted,
        source => HoldError::Mark {
            host: host.to_owned(),
            source,
        },
    }
}

fn read(answer: &str) -> Found {
    let mut found = Found::default();
    let mut file = "";
    for line in answer.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("folder", folder) => found.folder = folder.to_owned(),
            ("there", _) => found.folder_there = true,
            ("file", path) => file = path,
            ("held", json) if found.holder.is_none() => {
                found.holder = Some(match serde_json::from_str::<Mark>(json) {
                    Ok(mark) => Holder::Run {
                        dead: mark.is_dead(),
                        mark,
                        file: file.to_owned(),
                    },
                    Err(_) => Holder::Foreign {
                        file: file.to_owned(),
                        says: json.chars().take(80).collect(),
                    },
                });
            }
            ("foreign", rest) if found.holder.is_none() => {
                let (file, says) = rest.split_once(' ').unwrap_or((rest, ""));
                found.holder = Some(Holder::Foreign {
                    file: file.to_owned(),
                    says: says.trim().to_owned(),
                });
            }
            _ => {}
        }
    }
    found
}

/// Leaves the mark; `false` when somebody was faster.
fn leave(
    host: &str,
    shell: &Arc<dyn Shell>,
    mark: &Mark,
    found: &Found,
    cx: &Context,
) -> Result<bool, HoldError> {
    let path = format!("{}/held-{}.json", found.folder, text::file_name(host));
    let step = cx.journal.plan(
        host,
        Undo::Mark {
            on: host.into(),
            path: path.clone(),
            token: mark.token.clone(),
            folder_made: !found.folder_there,
        },
    )?;
    // Texts and numbers only: nothing JSON cannot hold.
    let json = serde_json::to_string(mark).unwrap_or_default();
    // Not through standard input, which ends early when this process is killed.
    let command =
        CommandLine::script(TAKE).args(["hold", &found.folder, &path, &mark.token, &json]);
    let ended = shell.run(&command, &cx.limits().within(SHORT));
    if let Ok(output) = &ended
        && output.exit == Exit::Code(0)
    {
        step.armed();
        return Ok(true);
    }
    if let Err(left) = step.undo(shell) {
        tracing::warn!(host, message = %left.message, "an unfinished mark may be left");
    }
    match ended {
        Ok(output) if output.exit == Exit::Code(3) => Ok(false),
        Ok(output) => Err(failed(
            host,
            ShellError::Failed {
                target: shell.target().clone(),
                command: CommandLine::new("hold").arg(path),
                exit: output.exit,
                tail: output.tail(),
            },
        )),
        Err(error) => Err(failed(host, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::scripted::ScriptedShell;

    fn mark() -> Mark {
        Mark::new(
            "run-1",
            "Localhost".into(),
            Path::new("/nonexistent/result"),
        )
    }

    fn answer(mark: &Mark) -> String {
        format!(
            "folder /var/lib/runperf\nthere\nfile /var/lib/runperf/held-foo.json\nheld {}\n",
            serde_json::to_string(mark).expect("JSON")
        )
    }

    fn refused(answer: &str) -> (String, String) {
        let shell: Arc<dyn Shell> = Arc::new(ScriptedShell::new("foo").answer("*", answer));
        let cx = Context::for_test("/nonexistent");
        let error = take("foo", &shell, &mark(), &cx, Duration::ZERO).expect_err("held");
        assert!(cx.journal.left().is_empty(), "nothing was changed");
        let hint = error.hint().expect("a next step");
        (error.to_string(), hint)
    }

    #[test]
    fn a_second_run_is_told_who_has_the_host() {
        let mut other = mark();
        other.since = "2026-03-01T02:00:00Z".into();
        let (message, hint) = refused(&answer(&other));
        let pid = std::process::id();
        let here = this_machine();
        assert_eq!(
            message,
            format!(
                "host `foo` is held by run `run-1` (profile Localhost, since 2026-03-01T02:00:00Z, process {pid} on `{here}`, result /nonexistent/result)"
            )
        );
        assert_eq!(hint, "wait for its end: --wait-held 2h does");
    }

    #[test]
    fn a_run_that_died_is_told_from_one_that_goes_on() {
        let result = tempfile::tempdir().expect("a folder");
        let mut other = mark();
        other.pid_start = Some(1);
        let (message, hint) = refused(&answer(&other));
        assert!(message.contains("that died"), "{message}");
        assert!(
            hint.contains("its result is gone") && hint.contains("held-foo.json"),
            "{hint}"
        );
        std::fs::write(result.path().join(super::super::journal::FILE_NAME), "").expect("written");
        other.result = result.path().display().to_string();
        let (_, hint) = refused(&answer(&other));
        assert_eq!(
            hint,
            format!(
                "give the host back first: run-perf --recover {}",
                other.result
            )
        );
        // Of another controller's processes nothing is known.
        other.controller = "elsewhere".into();
        let (message, hint) = refused(&answer(&other));
        assert!(
            !message.contains("died") && hint.contains("on `elsewhere`"),
            "{message} {hint}"
        );
    }

    #[test]
    fn a_profile_of_the_older_tool_is_respected() {
        let (message, hint) = refused(
            "folder /var/lib/runperf\nthere\nforeign /var/lib/runperf/applied_profile TunedLibvirt \n",
        );
        assert_eq!(
            message,
            "host `foo` is held by another tool: /var/lib/runperf/applied_profile says `TunedLibvirt`"
        );
        assert!(
            hint.contains("remove /var/lib/runperf/applied_profile"),
            "{hint}"
        );
    }

    #[test]
    fn who_comes_second_by_a_moment_sees_the_first() {
        let shell = ScriptedShell::new("foo")
            .fail("*hold*", 3, "")
            .answer("*undo*", "")
            .answer("*look*", "folder /var/lib/runperf\n")
            .answer("*look*", answer(&mark()));
        let shell: Arc<dyn Shell> = Arc::new(shell);
        let cx = Context::for_test("/nonexistent");
        let error = take("foo", &shell, &mark(), &cx, Duration::ZERO).expect_err("held");
        assert!(matches!(error, HoldError::Held { .. }));
        assert!(cx.journal.left().is_empty());
    }
}
