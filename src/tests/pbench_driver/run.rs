//! The test: install, register tools, run pbench, take its result.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Kind;
use super::args::{Known, Line};
use super::install::{AGENT, Site, forget_tools, install, register_tools};
use crate::control::private::PrivateFolder;
use crate::host::{Worker, calm};
use crate::shell::local::LocalShell;
use crate::shell::quote::quote;
use crate::shell::{CommandLine, Limits, Shell, ShellExt};
use crate::store::StoreError;
use crate::store::result_json::Iteration;
use crate::tests::{Expected, Test, TestContext, TestError};
use crate::text::one_line;

/// Longest run of pbench.
const LONGEST: Duration = Duration::from_secs(172_800);
/// What the commands around it may take.
const SHORT: Duration = Duration::from_secs(120);
/// What sending or fetching results may take.
const COPY: Duration = Duration::from_secs(600);
/// Between two looks at the load of a machine.
const POLL: Duration = Duration::from_secs(5);
/// What pbench starts on other machines, where no mark of ours finds it.
const STARTED: &str = "for name in fio uperf linpack xlinpack_xeon64; do pkill -KILL -x \"$name\"; done; pkill -KILL -f pbench-tool-meister; :";

/// A benchmark under pbench.
#[derive(Debug)]
pub struct Driven {
    name: String,
    line: Line,
}

impl Driven {
    /// `name`: as results and ids call it.
    pub fn new(name: String, line: Line) -> Self {
        Self { name, line }
    }

    fn fail(class: &str, message: String, hint: &str) -> TestError {
        TestError::Failed {
            class: class.into(),
            message,
            hint: (!hint.is_empty()).then(|| hint.into()),
        }
    }

    /// Workers of the first host: pbench knows no others.
    fn clients<'a>(cx: &'a TestContext<'_>) -> &'a [Worker] {
        let group = cx.workers.0.iter().find(|group| !group.is_empty());
        group.map_or(&[], Vec::as_slice)
    }

    /// Results of this benchmark on the host, newest first.
    fn results(&self, cx: &TestContext<'_>, limits: &Limits) -> Result<Vec<String>, TestError> {
        let list = CommandLine::script(format!(
            "ls -1dt {AGENT}/{}__*/ 2>/dev/null; :",
            self.line.benchmark.name
        ));
        let text = cx.host.shell.text(&list, limits)?;
        Ok(text
            .lines()
            .map(|line| line.trim_end_matches('/').to_owned())
            .collect())
    }

    fn known(&self, cx: &TestContext<'_>, limits: &Limits) -> Result<Known, TestError> {
        let shell = cx.host.shell.as_ref();
        let cpus = match cx.host.params.number("guest_cpus") {
            Some(cpus) => cpus,
            None => {
                let text = shell.text(&CommandLine::new("nproc"), limits)?;
                text.trim().parse().unwrap_or(1)
            }
        };
        let find = match self.line.benchmark.kind {
            Kind::Linpack => "command -v linpack || command -v xlinpack_xeon64 || ls -1 /usr/local/*/benchmarks/linpack/xlinpack_xeon64 2>/dev/null | head -n 1".to_owned(),
            _ => format!("command -v {}; :", self.line.benchmark.name),
        };
        let found = shell.text(&CommandLine::script(find), limits)?;
        let binary = found
            .lines()
            .next()
            .map(str::trim)
            .filter(|path| !path.is_empty());
        let mut known = Known {
            clients: Self::clients(cx)
                .iter()
                .map(|worker| worker.address.clone())
                .collect(),
            host: cx.host.address.clone(),
            cpus,
            binary: binary.map(str::to_owned),
            new_linpack: false,
        };
        if self.line.benchmark.kind == Kind::Linpack {
            if known.binary.is_none() {
                return Err(TestError::Skip {
                    reason: format!("no linpack or xlinpack_xeon64 on {}", shell.target()),
                });
            }
            let help = CommandLine::new("bash")
                .arg("-c")
                .arg(". /opt/pbench-agent/base; pbench-linpack -h 2>&1; :");
            known.new_linpack = shell.text(&help, limits)?.contains("--clients");
        }
        Ok(known)
    }

    /// Takes the content of a result of pbench into the attempt.
    fn fetch(&self, cx: &TestContext<'_>, from: &str) -> Result<(), TestError> {
        let limits = cx.run.limits().within(COPY);
        let scope = format!("{}/{}/{}", cx.host.name, cx.profile, self.name);
        let shell: &Arc<dyn Shell> = &cx.host.shell;
        let folder = PrivateFolder::make(
            shell.as_ref(),
            &cx.run.journal,
            &cx.host.name,
            &scope,
            "pbench",
            &limits,
        )?;
        let archive = format!("{}/result.tar", folder.path());
        let pack = CommandLine::new("tar").args(["-C", from, "-cf", &archive, "."]);
        shell.text(&pack, &limits)?;
        let mut local = tempfile::NamedTempFile::new().map_err(StoreError::io("create", cx.dir))?;
        shell.download(Path::new(&archive), local.as_file_mut(), &limits)?;
        let unpack = CommandLine::new("tar")
            .args(["--no-same-owner", "-xf"])
            .arg(local.path().to_string_lossy())
            .arg("-C")
            .arg(cx.dir.to_string_lossy());
        LocalShell::new("this machine").text(&unpack, &limits)?;
        if let Err(left) = folder.remove(shell) {
            tracing::warn!(message = %left.message, "an archive of a result is left");
        }
        Ok(())
    }

    fn publish(&self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let metadata = |key: &str| cx.run.metadata.get(key).filter(|text| !text.is_empty());
        if metadata("pbench_server_publish").is_none() {
            return Ok(());
        }
        let mut command = ". /opt/pbench-agent/base; pbench-copy-results".to_owned();
        for (option, key) in [("--user", "project"), ("--prefix", "build")] {
            if let Some(value) = metadata(key) {
                command.push_str(&format!(" {option} {}", quote(value)));
            }
        }
        let command = CommandLine::new("bash").arg("-c").arg(command);
        cx.host
            .shell
            .text(&command, &cx.run.limits().within(COPY))?;
        Ok(())
    }
}

impl Test for Driven {
    fn name(&self) -> &str {
        &self.name
    }

    fn expected(&self) -> Expected {
        Expected {
            samples: self
                .line
                .number("samples")
                .and_then(|samples| u32::try_from(samples).ok()),
            ..Expected::default()
        }
    }

    fn describe(&self) -> Vec<String> {
        let known = Known {
            clients: vec!["WORKERS".into()],
            host: "HOST".into(),
            cpus: 1,
            binary: None,
            new_linpack: true,
        };
        vec![
            format!("driven by pbench: {}", self.line.command(&known)),
            "pbench-agent and its packages are installed where they are missing, and stay".into(),
        ]
    }

    fn set_up(&mut self, cx: &TestContext<'_>) -> Result<(), TestError> {
        let limits = cx.run.limits();
        let clients = Self::clients(cx);
        if clients.is_empty() {
            return Err(TestError::Skip {
                reason: "the profile has no worker".into(),
            });
        }
        let metadata = |key: &str| cx.run.metadata.get(key).cloned();
        let site = Site {
            repositories: metadata("pbench_copr_repos"),
            server: metadata("pbench_server"),
        };
        // The host first: it may be one of the workers.
        let mut machines: Vec<&Arc<dyn Shell>> = vec![&cx.host.shell];
        let mut addresses = vec![cx.host.address.clone()];
        for worker in cx.workers.all() {
            if !addresses.contains(&worker.address) {
                addresses.push(worker.address.clone());
                machines.push(&worker.shell);
            }
        }
        for shell in &machines {
            install(shell.as_ref(), self.line.benchmark.name, &site, &limits)?;
            forget_tools(shell.as_ref(), &limits)?;
        }
        let of_run = metadata("pbench_tools");
        let tools = self.line.tools(of_run.as_deref());
        register_tools(cx.host.shell.as_ref(), &tools, &addresses, &limits)?;
        for shell in &machines {
            // The machine run-perf itself works on is never idle.
            let at_most = if shell.is_local() {
                Duration::ZERO
            } else {
                calm::AT_MOST
            };
            let calm = calm::wait(shell.as_ref(), &limits, POLL, at_most, |_| ())?;
            if !calm.calm && !shell.is_local() {
                tracing::warn!(machine = %shell.target(), load1 = calm.load1, waited = ?calm.waited, "machine did not calm down, continuing");
            }
        }
        Ok(())
    }

    fn run(&mut self, cx: &TestContext<'_>) -> Result<Vec<Iteration>, TestError> {
        let short = cx.run.limits().within(SHORT);
        let shell = cx.host.shell.as_ref();
        let known = self.known(cx, &short)?;
        let before = self.results(cx, &short)?;
        let prefix = known
            .binary
            .as_deref()
            .map(|path| format!("benchmark_bin={} ", quote(path)))
            .unwrap_or_default();
        let command = format!(
            ". /opt/pbench-agent/base; {prefix}{}",
            self.line.command(&known)
        );
        let mut limits = cx.run.limits().within(LONGEST);
        if let Some(runtime) = self.line.number("runtime") {
            limits = limits.stalled_after(Duration::from_secs(runtime.saturating_mul(3).max(360)));
        }
        let ended = shell.run(&CommandLine::new("bash").arg("-c").arg(&command), &limits);
        let output = match ended {
            Ok(output) => output,
            Err(error) => {
                self.end_all(cx);
                return Err(error.into());
            }
        };
        if !output.exit.success() {
            self.end_all(cx);
        }
        let limits = cx.run.limits().within(SHORT);
        let made = self
            .results(cx, &limits)?
            .into_iter()
            .find(|path| !before.contains(path));
        // Also of a run that failed: what it measured is worth a look.
        if let Some(made) = &made {
            self.fetch(cx, made)?;
        }
        if !output.exit.success() {
            let message = format!(
                "pbench on {} ended with {}: {}",
                shell.target(),
                output.exit,
                one_line(&output.tail())
            );
            return Err(Self::fail(
                "exit-status",
                message,
                "see the command log of the host below __sessions__",
            ));
        }
        if made.is_none() {
            let message = format!(
                "pbench on {} ended well and left no result below {AGENT}",
                shell.target()
            );
            return Err(Self::fail("no-result", message, ""));
        }
        let path = cx.dir.join("result.json");
        let unusable = |what: String| {
            let message = format!("the result.json of pbench {what}");
            Self::fail(
                "no-result",
                message,
                "its whole result is beside it, look at result.txt and the logs",
            )
        };
        let text =
            std::fs::read(&path).map_err(|error| unusable(format!("cannot be read: {error}")))?;
        let iterations: Vec<Iteration> = serde_json::from_slice(&text)
            .map_err(|error| unusable(format!("is not what pbench writes: {error}")))?;
        self.publish(cx)?;
        Ok(iterations)
    }
}

impl Driven {
    /// Ends what pbench started, on every remote machine. Here everything has our mark, and others
    /// may run a fio of their own.
    fn end_all(&self, cx: &TestContext<'_>) {
        let limits = Limits::new(crate::control::cancel::CancelToken::default()).within(SHORT);
        let workers = cx.workers.all().map(|worker| &worker.shell);
        for shell in std::iter::once(&cx.host.shell).chain(workers) {
            if !shell.is_local()
                && let Err(error) = shell.run(&CommandLine::script(STARTED), &limits)
            {
                tracing::warn!(machine = %shell.target(), %error, "what pbench started could not be ended");
            }
        }
    }
}
