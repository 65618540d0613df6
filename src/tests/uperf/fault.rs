//! Why a run of uperf gave no figures. Its status tells little: a wrong option ends with 0.

use crate::shell::{Exit, Output};
use crate::tests::fault::Fault;
use crate::text;

/// What uperf says, in the order it is looked for; class, what happened, next step.
const SIGNS: &[(&[&str], &str, &str, &str)] = &[
    (
        &["Usage:   uperf", "Please specify server or client"],
        "bad-option",
        "refused an option and printed its usage",
        "this uperf may be too old; compare `command` below raw/ with `uperf -h` on the machine",
    ),
    (
        &["Error parsing"],
        "bad-profile",
        "could not use the profile",
        "read profile.xml below raw/; uperf may have been built without that protocol (`uperf -V`)",
    ),
    (
        &["Cannot connect to", "Error connecting to"],
        "no-server",
        "could not reach its server",
        "check names, firewall and route between the two; `addresses` names another network",
    ),
    (
        &["Got SIGINT"],
        "killed",
        "was interrupted",
        "somebody ended it; run again",
    ),
    (
        &[
            "Wrong goodbye magic",
            "Error saying goodbye",
            "** Error for flowop",
        ],
        "lost-server",
        "lost its server during the run",
        "look at the server's machine: was uperf ended there, or the network cut?",
    ),
    (
        &["Errors detected during run"],
        "flowop-errors",
        "counted errors during the run",
        "read stdout below raw/",
    ),
];

/// Says whether a run can be used: it was not ended early, and no error was counted.
///
/// # Errors
/// [`Fault`] with the class of the worst thing found.
pub fn judge(output: &Output) -> Result<(), Fault> {
    let stdout = output.text();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if let Exit::Signal(signal) = output.exit {
        let message = format!("uperf was ended by signal {signal} before it was done");
        let hint = "look for the out-of-memory killer (dmesg) or somebody who ended it";
        return Err(Fault::new("killed", message, hint));
    }
    let lines = || stdout.lines().chain(stderr.lines());
    for (signs, class, what, hint) in SIGNS {
        if lines().any(|line| signs.iter().any(|sign| line.contains(sign))) {
            let said = quote(&stdout, &stderr, signs);
            let message = format!(
                "uperf {what} (it ended with {}); it said: {said}",
                output.exit
            );
            return Err(Fault::new(class, message, hint));
        }
    }
    if !output.exit.success() {
        let said = text::one_line(output.tail().trim());
        let message = format!("uperf ended with {}; it said: {said}", output.exit);
        return Err(Fault::new(
            "exit-status",
            message,
            "run the command below raw/ by hand",
        ));
    }
    Ok(())
}

/// Returns what matters of what it said: its error stream, then lines that look like errors.
fn quote(stdout: &str, stderr: &str, signs: &[&str]) -> String {
    let mut said: Vec<String> = Vec::new();
    let telling =
        |line: &&str| line.starts_with("** ") || signs.iter().any(|sign| line.contains(sign));
    let lines = stderr.lines().chain(stdout.lines().filter(telling));
    for line in lines.map(|line| text::one_line(line.trim())) {
        if !line.is_empty() && !said.contains(&line) && said.len() < 4 {
            said.push(line);
        }
    }
    said.join(" | ")
}

/// Nothing was counted between the trims.
pub fn no_data(ticks: usize, runtime_s: u64, trim_s: u64) -> Fault {
    if ticks == 0 {
        let message = "uperf ended well and printed no time-stamped counters";
        return Fault::new(
            "no-data",
            message,
            "uperf 1.0.7 or newer is needed; read stdout below raw/",
        );
    }
    let message = format!(
        "nothing of the run is left: {ticks} intervals, of which {trim_s} s at each end do not count"
    );
    let hint = format!("take a longer `runtime` than {runtime_s}, or a smaller `trim`");
    Fault::new("no-data", message, &hint)
}

/// Everything that counts is zero.
pub fn no_operations() -> Fault {
    let message = "uperf did not one operation in the time that counts";
    Fault::new(
        "no-operations",
        message,
        "look at the network between the two machines",
    )
}
