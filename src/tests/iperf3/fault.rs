//! Why a run of iperf3 gave no figures. With `-J` it ends with status 0 whatever happened; the
//! document says it.

use serde_json::Value;

use crate::shell::{Exit, Output};
use crate::tests::fault::Fault;
use crate::text;

/// What stands in `error`; class, next step.
const ERRORS: &[(&[&str], &str, &str)] = &[
    (
        &["server is busy", "access denied"],
        "server-busy",
        "another client uses this server: choose another `port`, or wait for it",
    ),
    (
        &["Connection refused"],
        "refused",
        "nobody listens there: was the server ended, or is a firewall between the two?",
    ),
    (
        &[
            "No route to host",
            "Network is unreachable",
            "timed out",
            "Name or service not known",
            "Temporary failure in name resolution",
            "Operation now in progress",
            "unable to connect to server",
        ],
        "unreachable",
        "check names, firewall and route between the two; `addresses` names another network",
    ),
    (
        &["the client has terminated", "interrupt"],
        "killed",
        "somebody ended it; run again",
    ),
    (
        &[
            "the server has terminated",
            "control socket has closed",
            "unable to receive control message",
            "unable to send control message",
            "unable to receive results",
            "unable to read from stream",
            "unable to write to stream",
            "unable to receive data",
            "unable to send data",
            "Connection reset",
            "Broken pipe",
            "idle timeout",
        ],
        "lost-server",
        "look at the server's machine: was iperf3 ended there, or the network cut?",
    ),
    (
        &[
            "parameter",
            "unrecognized option",
            "invalid",
            "too large",
            "congestion",
            "must be",
        ],
        "bad-option",
        "check the parameters of the test; this iperf3 may be too old for them",
    ),
];

/// Returns the document of a run that can be used.
///
/// # Errors
/// [`Fault`] with the class of what iperf3 says, or `no-json`, `truncated-json`.
pub fn judge(output: &Output) -> Result<Value, Fault> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr = stderr.lines().map(str::trim).find(|line| !line.is_empty());
    let document = document(&output.text());
    let error = match &document {
        Ok(document) => document["error"].as_str(),
        Err(_) => stderr,
    };
    if let Some(error) = error {
        return Err(said(output.exit, error));
    }
    if let Exit::Signal(signal) = output.exit {
        let message = format!("iperf3 was ended by signal {signal} before it was done");
        let hint = "look for the out-of-memory killer (dmesg) or somebody who ended it";
        return Err(Fault::new("killed", message, hint));
    }
    let document = document?;
    if !output.exit.success() {
        let said = text::one_line(output.tail().trim());
        let message = format!("iperf3 ended with {}; it said: {said}", output.exit);
        return Err(Fault::new(
            "exit-status",
            message,
            "run the command below raw/ by hand",
        ));
    }
    Ok(document)
}

fn document(stdout: &str) -> Result<Value, Fault> {
    let Some(begin) = stdout.find('{') else {
        let message = "iperf3 printed no JSON";
        return Err(Fault::new(
            "no-json",
            message,
            "run the command below raw/ by hand",
        ));
    };
    serde_json::from_str(&stdout[begin..]).map_err(|error| {
        let message = format!("the JSON of iperf3 cannot be read: {error}");
        let class = if error.is_eof() {
            "truncated-json"
        } else {
            "no-json"
        };
        Fault::new(class, message, "read stdout below raw/")
    })
}

fn said(exit: Exit, error: &str) -> Fault {
    let known = ERRORS
        .iter()
        .find(|(signs, ..)| signs.iter().any(|sign| error.contains(sign)));
    let error = text::one_line(error.trim_start_matches("error - "));
    let message = format!("iperf3 (which ended with {exit}) says: {error}");
    match known {
        Some((_, class, hint)) => Fault::new(class, message, hint),
        None => Fault::new("tool-error", message, "run the command below raw/ by hand"),
    }
}

#[cfg(test)]
mod unit {
    use std::time::Duration;

    use super::*;

    fn recorded(name: &str, exit: Exit) -> Output {
        let read = |end: &str| {
            let root = env!("CARGO_MANIFEST_DIR");
            std::fs::read(format!("{root}/tests/fixtures/iperf3/{name}.{end}")).unwrap_or_default()
        };
        Output {
            exit,
            stdout: read("json"),
            stderr: read("stderr"),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn what_iperf3_reports_with_status_0_is_an_error_of_its_own() {
        for (name, status, class, part) in [
            ("refused", 0, "refused", "Connection refused"),
            ("busy", 0, "server-busy", "busy running a test"),
            ("server-killed", 0, "lost-server", "closed unexpectedly"),
            (
                "server-terminated",
                0,
                "lost-server",
                "the server has terminated",
            ),
            (
                "client-terminated",
                1,
                "killed",
                "the client has terminated",
            ),
            ("no-such-name", 0, "unreachable", "unable to connect"),
            ("bad-option", 1, "bad-option", "--frobnicate"),
        ] {
            let fault = judge(&recorded(name, Exit::Code(status))).expect_err(name);
            assert_eq!(fault.class, class, "{name}: {fault:?}");
            assert!(
                fault.message.contains(part) && fault.hint.is_some(),
                "{name}: {fault:?}"
            );
        }
        for good in ["tcp-stream", "tcp-bidirec", "udp-maerts"] {
            assert!(judge(&recorded(good, Exit::Code(0))).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_cut_document_is_no_document() {
        let whole = recorded("tcp-stream", Exit::Code(0));
        let whole_text = whole.text();
        for end in 0..whole_text.trim_end().len() {
            let cut = Output {
                stdout: whole.stdout[..end].to_vec(),
                ..whole.clone()
            };
            let class = judge(&cut).expect_err("cut").class;
            assert!(
                class == "truncated-json" || class == "no-json",
                "cut at {end}: {class}"
            );
        }
        let killed = recorded("none", Exit::Signal(9));
        assert_eq!(judge(&killed).expect_err("killed").class, "killed");
    }
}
