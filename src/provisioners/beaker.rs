//! `beaker`: installs hosts through a Beaker server, over its command `bkr`.
//!
//! Two ways lead to a machine. `system` reserves the very system and provisions it; `job` submits a
//! job that installs it and keeps it reserved. Either is given back at the end of the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

use super::retry::pause;
use super::{At, HostSpec, ProvisionError, Provisioned, Provisioner};
use crate::shell::{CommandLine, ShellExt};
use crate::tests::params::{Param, ParamError, Params};

pub(super) const SUMMARY: &str = "Installs the hosts through Beaker (program bkr)";

pub(super) const PARAMS: &[Param] = &[
    Param {
        name: "via",
        aliases: &[],
        default: "system",
        summary: "How: `system` reserves and provisions it, `job` submits a job that does",
    },
    Param {
        name: "kernel_options",
        aliases: &[],
        default: "",
        summary: "Options of the installer's kernel",
    },
    Param {
        name: "reserve_s",
        aliases: &[],
        default: "86400",
        summary: "Seconds a job keeps the host at most",
    },
    Param {
        name: "settle_s",
        aliases: &[],
        default: "180",
        summary: "Seconds until the old system is surely gone",
    },
    Param {
        name: "wait_s",
        aliases: &[],
        default: "3000",
        summary: "Seconds the installation may take; a job also that long in the queue",
    },
    Param {
        name: "poll_s",
        aliases: &[],
        default: "30",
        summary: "Seconds between two looks at a job",
    },
    Param {
        name: "keep",
        aliases: &[],
        default: "false",
        summary: "Do not give the host back at the end",
    },
];

/// One call of `bkr`.
const CALL: Duration = Duration::from_secs(300);
/// Tries at a server that does not answer, and the pause between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(5);

/// Gives a system back; one that is not reserved needs nothing.
const RELEASE_SYSTEM: &str = r#"status=$(bkr system-status --format=json "$1") || exit 1
case $(printf %s "$status" | tr -d ' \n') in *'"current_reservation":null'*) exit 0 ;; esac
bkr system-release "$1""#;

/// Cancels every job of this run and host that goes on; jobs are known by their whiteboard.
const RELEASE_JOB: &str = r#"jobs=$(bkr job-list --mine --unfinished --whiteboard="$1" --format=list) || exit 1
for job in $jobs; do bkr job-cancel --msg="run-perf has ended" "$job" || status=1; done
exit ${status:-0}"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    System,
    Job,
}

#[derive(Debug)]
struct Beaker {
    via: Via,
    kernel_options: String,
    reserve_s: u64,
    settle: Duration,
    wait: Duration,
    poll: Duration,
    keep: bool,
}

pub(super) fn build(given: &Map<String, Value>) -> Result<Arc<dyn Provisioner>, ParamError> {
    let params = Params::check("beaker", given, PARAMS)?;
    let seconds = |name: &str, default: u64| params.number(name).map(|n| n.unwrap_or(default));
    let via = match params.text("via")?.as_deref() {
        None | Some("system") => Via::System,
        Some("job") => Via::Job,
        Some(other) => {
            let message = format!("expected `system` or `job`, found `{other}`");
            return Err(params.invalid("via", message));
        }
    };
    Ok(Arc::new(Beaker {
        via,
        kernel_options: params.text("kernel_options")?.unwrap_or_default(),
        reserve_s: seconds("reserve_s", 86_400)?,
        settle: Duration::from_secs(seconds("settle_s", 180)?),
        wait: Duration::from_secs(seconds("wait_s", 3000)?),
        poll: Duration::from_secs(seconds("poll_s", 30)?),
        keep: params.switch("keep")?.unwrap_or(false),
    }))
}

/// How the jobs of a host of this process are called; nobody else's can have this name.
fn whiteboard(host: &HostSpec) -> String {
    let token = crate::shell::processes::token();
    format!("run-perf {token} {}", crate::text::file_name(&host.name))
}

fn refused(host: &HostSpec, what: &str) -> ProvisionError {
    ProvisionError::Refused(format!(
        "Beaker has no machine for host `{}`: {what}",
        host.name
    ))
}

impl Beaker {
    /// Calls `bkr`; a server that does not answer is asked again.
    fn bkr(&self, at: &At<'_>, args: &[&str]) -> Result<String, ProvisionError> {
        let command = CommandLine::new("bkr").args(args.iter().copied());
        let mut attempt = 1;
        loop {
            match at.here.text(&command, &at.cx.limits().within(CALL)) {
                Err(crate::shell::ShellError::Failed { .. }) if attempt < TRIES => {
                    attempt += 1;
                    pause(at.cx, PAUSE.min(self.poll), "wait for the Beaker server")?;
                }
                other => return Ok(other?),
            }
        }
    }

    fn by_system(&self, host: &HostSpec, at: &At<'_>) -> Result<(), ProvisionError> {
        (at.tell)("look for the distribution".into());
        let (name, arch) = (
            format!("--name={}", host.distro),
            format!("--arch={}", host.arch),
        );
        let list = [
            "distro-trees-list",
            &name,
            &arch,
            "--limit=1",
            "--format=json",
        ];
        let tree = tree_id(&self.bkr(at, &list)?).ok_or_else(|| {
            refused(
                host,
                &format!("no distribution `{}` for {}", host.distro, host.arch),
            )
        })?;
        self.reserve(host, at)?;
        (at.tell)(format!("install {}", host.distro));
        let tree = format!("--distro-tree={tree}");
        let mut args = vec!["system-provision", &tree];
        let options = format!("--kernel-options={}", self.kernel_options);
        if !self.kernel_options.is_empty() {
            args.push(&options);
        }
        args.push(&host.address);
        self.bkr(at, &args)?;
        (at.tell)("wait until the old system is gone".into());
        pause(at.cx, self.settle, "wait until the old system is gone")
    }

    /// Reserves a system, unless whoever runs this has reserved it already: then it stays so.
    fn reserve(&self, host: &HostSpec, at: &At<'_>) -> Result<(), ProvisionError> {
        (at.tell)("reserve".into());
        let status = self.bkr(at, &["system-status", "--format=json", &host.address])?;
        if let Some(user) = reserved_by(&status) {
            let me = self.bkr(at, &["whoami"])?;
            if user_of(&me).as_deref() == Some(&user) {
                return Ok(());
            }
            return Err(refused(host, &format!("it is reserved by `{user}`")));
        }
        self.promise(host, at, RELEASE_SYSTEM, host.address.clone())?;
        // Not repeated: a second try would find it reserved by the first.
        let reserve = CommandLine::new("bkr").args(["system-reserve", &host.address]);
        at.here.text(&reserve, &at.cx.limits().within(CALL))?;
        Ok(())
    }

    fn promise(
        &self,
        host: &HostSpec,
        at: &At<'_>,
        script: &str,
        what: String,
    ) -> Result<(), ProvisionError> {
        if self.keep {
            return Ok(());
        }
        let argv = ["sh", "-c", script, "release"].map(str::to_owned);
        at.promise(host, argv.into_iter().chain([what]).collect())
    }

    fn by_job(&self, host: &HostSpec, at: &At<'_>) -> Result<(), ProvisionError> {
        let path = at
            .folder
            .join(format!("{}.xml", crate::text::file_name(&host.name)));
        let io = |source| ProvisionError::Io {
            path: path.display().to_string(),
            source,
        };
        std::fs::create_dir_all(at.folder).map_err(io)?;
        std::fs::write(&path, self.job(host)).map_err(io)?;
        (at.tell)("submit a job".into());
        self.promise(host, at, RELEASE_JOB, whiteboard(host))?;
        // Not repeated: the first try may have got through.
        let submit =
            CommandLine::new("bkr").args(["job-submit".to_owned(), path.display().to_string()]);
        let said = at.here.text(&submit, &at.cx.limits().within(CALL))?;
        let job = job_id(&said).ok_or_else(|| {
            refused(
                host,
                &format!(
                    "`bkr job-submit` said `{}`",
                    crate::text::one_line(said.trim())
                ),
            )
        })?;
        let until = Instant::now() + self.wait * 2;
        let mut last = String::new();
        loop {
            let (status, ready) = state(&self.bkr(at, &["job-results", &job])?);
            if status != last {
                (at.tell)(format!("{job} is {}", status.to_lowercase()));
            }
            if ready {
                return Ok(());
            }
            if ["Aborted", "Cancelled", "Completed"].contains(&status.as_str()) {
                let what = format!("{job} ended as `{status}` before the host was there");
                return Err(refused(host, &what));
            }
            if Instant::now() >= until {
                let waited = (self.wait * 2).as_secs();
                return Err(refused(
                    host,
                    &format!("{job} is still `{status}` after {waited} s"),
                ));
            }
            last = status;
            pause(at.cx, self.poll, "wait for the job")?;
        }
    }

    /// The job: installs the very host, then keeps it.
    fn job(&self, host: &HostSpec) -> String {
        format!(
            r#"<job retention_tag="scratch">
  <whiteboard>{whiteboard}</whiteboard>
  <recipeSet priority="Normal">
    <recipe whiteboard="{name}" kernel_options="{options}">
      <distroRequires>
        <and>
          <distro_name op="=" value="{distro}"/>
          <distro_arch op="=" value="{arch}"/>
        </and>
      </distroRequires>
      <hostRequires force="{address}"/>
      <task name="/distribution/check-install" role="STANDALONE"/>
      <task name="{RESERVE}" role="STANDALONE">
        <params>
          <param name="RESERVETIME" value="{reserve}"/>
        </params>
      </task>
    </recipe>
  </recipeSet>
</job>
"#,
            whiteboard = escape(whiteboard(host)),
            name = escape(&host.name),
            options = escape(&self.kernel_options),
            distro = escape(&host.distro),
            arch = escape(&host.arch),
            address = escape(&host.address),
            reserve = self.reserve_s,
        )
    }
}

/// The task that runs as long as the host is ours.
const RESERVE: &str = "/distribution/reservesys";

/// Reads the first id of a list of distribution trees.
fn tree_id(json: &str) -> Option<String> {
    let list: Value = serde_json::from_str(json).ok()?;
    match list.get(0)?.get("distro_tree_id")? {
        Value::Number(id) => Some(id.to_string()),
        Value::String(id) if id.bytes().all(|byte| byte.is_ascii_digit()) && !id.is_empty() => {
            Some(id.clone())
        }
        _ => None,
    }
}

/// Reads who has a system from its status.
fn reserved_by(status: &str) -> Option<String> {
    let status: Value = serde_json::from_str(status).ok()?;
    let reservation = status.get("current_reservation")?;
    let user = reservation
        .get("user_name")
        .or_else(|| reservation.get("user"))?;
    Some(crate::text::one_line(user.as_str()?))
}

/// Reads one's own name from `bkr whoami`.
fn user_of(answer: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    Some(answer.get("username")?.as_str()?.to_owned())
}

/// Reads `Submitted: ['J:4711']`.
fn job_id(said: &str) -> Option<String> {
    let at = said.find("J:")?;
    let digits: String = said[at + 2..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then(|| format!("J:{digits}"))
}

/// Reads the state of a job from its results, and whether its host is reserved by now.
fn state(xml: &str) -> (String, bool) {
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut status, mut ready) = (String::from("Unknown"), false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => match tag.name().as_ref() {
                "job" => status = attribute(&tag, "status").unwrap_or(status),
                "task" if attribute(&tag, "name").as_deref() == Some(RESERVE) => {
                    ready |= attribute(&tag, "status").as_deref() == Some("Running");
                }
                _ => {}
            },
            Ok(Event::Eof) | Err(_) => return (status, ready),
            Ok(_) => {}
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).ok()??;
    Some(found.value.into_owned())
}

impl Provisioner for Beaker {
    fn describe(&self, host: &HostSpec) -> Vec<String> {
        let how = match self.via {
            Via::System => "reserves and installs",
            Via::Job => "submits a Beaker job that installs",
        };
        let mut lines = vec![format!(
            "{how} {} with {} ({})",
            host.address, host.distro, host.arch
        )];
        lines.push(match self.keep {
            true => "does not give it back".into(),
            false => "gives it back at the end".into(),
        });
        lines
    }

    fn installs(&self) -> bool {
        true
    }

    fn provision(&self, host: &HostSpec, at: &At<'_>) -> Result<Provisioned, ProvisionError> {
        if host.distro.eq_ignore_ascii_case("unknown") {
            return Err(refused(host, "--distro does not say what to install"));
        }
        match self.via {
            Via::System => self.by_system(host, at)?,
            Via::Job => self.by_job(host, at)?,
        }
        Ok(Provisioned {
            fresh: true,
            patience: self.wait,
        })
    }
}
