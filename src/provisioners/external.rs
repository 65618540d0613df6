//! Programs `run-perf-provisioner-NAME` on PATH. The protocol is in `docs/formats.md`.

use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::Access;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{At, HostSpec, ProvisionError, Provisioned, Provisioner};
use crate::control::Context;
use crate::shell::CommandLine;

/// Version of the protocol.
const PROTOCOL: u32 = 1;
/// How names of programs begin.
const PREFIX: &str = "run-perf-provisioner-";
/// What making one machine may take, as the older tool gives an installation.
const LIMIT: Duration = Duration::from_secs(7200);
/// How long the machine may take to answer when the program does not say.
const PATIENCE: Duration = Duration::from_secs(3000);

/// Finds the program of a name.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(format!("{PREFIX}{name}")))
        .find(|program| program.is_file() && rustix::fs::access(program, Access::EXEC_OK).is_ok())
}

#[derive(Debug)]
pub(super) struct External {
    name: String,
    program: PathBuf,
    params: Map<String, Value>,
}

/// One line of what a program says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Log(String),
    Error(String),
    Done(Done),
}

#[derive(Debug, Deserialize)]
struct Done {
    #[serde(default)]
    fresh: bool,
    #[serde(default)]
    wait_s: Option<u64>,
}

impl External {
    pub(super) fn new(name: &str, program: PathBuf, params: &Map<String, Value>) -> Self {
        Self {
            name: name.to_owned(),
            program,
            params: params.clone(),
        }
    }

    fn request(&self, action: &str, host: &HostSpec, cx: &Context) -> String {
        json!({
            "protocol": PROTOCOL,
            "action": action,
            "run_id": cx.run_id,
            "host": {
                "name": host.name,
                "address": host.address,
                "arch": host.arch,
                "distro": host.distro,
            },
            "params": self.params,
        })
        .to_string()
    }
}

/// Reads what a program said: its log lines and its last word.
fn read(text: &str) -> Result<Done, String> {
    let mut done = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str::<Line>(line) {
            Ok(Line::Log(text)) => tracing::info!(%text, "provisioner"),
            Ok(Line::Error(text)) => return Err(crate::text::one_line(&text)),
            Ok(Line::Done(word)) => done = Some(word),
            Err(error) => {
                let line: String = crate::text::one_line(line).chars().take(120).collect();
                return Err(format!(
                    "expected a line of the protocol, found `{line}`: {error}"
                ));
            }
        }
    }
    done.ok_or_else(|| "it ended without `done`".into())
}

impl Provisioner for External {
    fn describe(&self, host: &HostSpec) -> Vec<String> {
        vec![format!(
            "runs {} for {}",
            self.program.display(),
            host.address
        )]
    }

    fn installs(&self) -> bool {
        true
    }

    fn provision(&self, host: &HostSpec, at: &At<'_>) -> Result<Provisioned, ProvisionError> {
        (at.tell)(format!("provision by {}", self.name));
        let program = self.program.display().to_string();
        let release = self.request("release", host, at.cx);
        at.promise(host, vec![program.clone(), "release".into(), release])?;
        let command = CommandLine::new(program).args([
            "provision".to_owned(),
            self.request("provision", host, at.cx),
        ]);
        let output = at.here.run(&command, &at.cx.limits().within(LIMIT))?;
        let refused = |what: String| {
            ProvisionError::Refused(format!(
                "provisioner `{}` has no machine for host `{}`: {what}",
                self.name, host.name
            ))
        };
        let said = read(&output.text());
        if !output.exit.success() {
            let tail = output.tail();
            let why = said.err().unwrap_or_else(|| crate::text::one_line(&tail));
            return Err(refused(format!("{why} ({})", output.exit)));
        }
        let done = said.map_err(refused)?;
        Ok(Provisioned {
            fresh: done.fresh,
            patience: done.wait_s.map_or(PATIENCE, Duration::from_secs),
        })
    }
}
