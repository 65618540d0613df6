//! Where the reports go: files, each written whole or not at all, and standard output.

use std::ffi::OsString;
use std::io::IsTerminal;

use anyhow::{anyhow, bail};
use jiff::Zoned;

use super::{Cli, FAILED, Format, Problem};
use crate::cli::output::Target;
use crate::compare::Comparison;
use crate::compare::suspects::Suspects;
use crate::render::Renderer;
use crate::render::console::{Console, Detail};
use crate::render::html::Html;
use crate::render::json::Json;
use crate::render::markdown::Markdown;
use crate::render::plot_csv::PlotCsv;
use crate::render::xunit::Xunit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    Console,
    Html,
    Xunit,
    Json,
    Markdown,
    PlotCsv,
    Suspects,
}

/// Reports and where each goes, checked.
#[derive(Debug)]
pub(super) struct Outputs {
    files: Vec<(Report, Target)>,
    stdout: Report,
}

impl Outputs {
    /// Checks that every report has a place of its own.
    pub(super) fn new(cli: &Cli) -> anyhow::Result<Self> {
        let asked: [(Report, &Option<OsString>); 6] = [
            (Report::Html, &cli.html),
            (Report::Xunit, &cli.xunit),
            (Report::Json, &cli.json),
            (Report::Markdown, &cli.markdown),
            (Report::PlotCsv, &cli.plot_csv),
            (Report::Suspects, &cli.suspects),
        ];
        let all = asked
            .into_iter()
            .filter_map(|(report, file)| Some((report, Target::from(file.clone()?))));
        let (to_stdout, files): (Vec<_>, Vec<_>) =
            all.partition(|(_, target)| *target == Target::Stdout);
        for (index, (_, target)) in files.iter().enumerate() {
            target.check()?;
            if let Some((_, Target::File(path))) = files[..index]
                .iter()
                .find(|(_, other)| other.is_same_file(target))
            {
                bail!("two reports cannot both go to {}", path.display());
            }
        }
        let by_format = match cli.format {
            Format::Text => None,
            Format::Json => Some(Report::Json),
            Format::Markdown => Some(Report::Markdown),
        };
        let mut stdout: Vec<Report> = to_stdout
            .into_iter()
            .map(|(report, _)| report)
            .chain(by_format)
            .collect();
        stdout.dedup();
        match stdout[..] {
            [] => Ok(Self {
                files,
                stdout: Report::Console,
            }),
            [one] => Ok(Self { files, stdout: one }),
            _ => bail!("only one report can go to standard output"),
        }
    }

    /// Writes the files, then standard output; what could not be written is said at the end.
    pub(super) fn write(&self, comparison: &Comparison, cli: &Cli) -> Result<(), Problem> {
        let now = Zoned::now();
        let mut written = Vec::new();
        let mut failed = Vec::new();
        for (report, target) in &self.files {
            let done = render(*report, comparison, cli, &now, &[])
                .and_then(|content| target.write(&content));
            match (done, target) {
                (Ok(()), Target::File(path)) => written.push(path.display().to_string()),
                (Ok(()), Target::Stdout) => {}
                (Err(error), _) => failed.push(error),
            }
        }
        let shown = render(self.stdout, comparison, cli, &now, &written)
            .and_then(|content| Target::Stdout.write(&content));
        failed.extend(shown.err());
        let mut failed = failed.into_iter();
        let Some(first) = failed.next() else {
            return Ok(());
        };
        let first = match failed.len() {
            0 => first,
            more => first.context(format!("{} reports could not be written", more + 1)),
        };
        Err(Problem {
            code: FAILED,
            error: first,
            hint: None,
        })
    }
}

fn render(
    report: Report,
    comparison: &Comparison,
    cli: &Cli,
    now: &Zoned,
    written: &[String],
) -> anyhow::Result<Vec<u8>> {
    let mut content = Vec::new();
    match report {
        Report::Console => console(cli, written).render(comparison, &mut content),
        Report::Html => Html {
            small: cli.html_small_file,
            history: cli.html_history,
            generated: now.strftime("%Y-%m-%d %H:%M").to_string(),
        }
        .render(comparison, &mut content),
        Report::Xunit => Xunit {
            all: cli.junit_all,
            allow_missing: cli.allow_missing,
            fail_on_gain: cli.fail_on_gain,
            // The older tool has microseconds; the schema Jenkins checks against does not want them.
            timestamp: now
                .strftime(if cli.compat {
                    "%Y-%m-%dT%H:%M:%S%.6f"
                } else {
                    "%Y-%m-%dT%H:%M:%S"
                })
                .to_string(),
            report: cli
                .html
                .as_ref()
                .filter(|file| *file != "-")
                .map(|file| file.to_string_lossy().into_owned()),
        }
        .render(comparison, &mut content),
        Report::Json => Json.render(comparison, &mut content),
        Report::Markdown => Markdown.render(comparison, &mut content),
        Report::PlotCsv => PlotCsv.render(comparison, &mut content),
        Report::Suspects => {
            serde_json::to_writer_pretty(&mut content, &Suspects::of(comparison))?;
            content.push(b'\n');
            return Ok(content);
        }
    }
    .map_err(|error| anyhow!(error))?;
    Ok(content)
}

fn console(cli: &Cli, written: &[String]) -> Console {
    let is_terminal = std::io::stdout().is_terminal();
    Console {
        width: if is_terminal { terminal_width() } else { 120 },
        color: cli.common.color.wanted(is_terminal),
        unicode: !cli.ascii && locale_is_utf8(),
        detail: match (cli.common.quiet, cli.common.verbose) {
            (true, _) => Detail::Summary,
            (_, 0) => Detail::Attention,
            (_, 1) => Detail::Differences,
            _ => Detail::All,
        },
        written: written.to_vec(),
    }
}

/// Returns the terminal's width, else `COLUMNS`, else 80.
fn terminal_width() -> usize {
    let columns = || {
        std::env::var("COLUMNS")
            .ok()?
            .parse()
            .ok()
            .filter(|width| *width > 0)
    };
    console::Term::stdout()
        .size_checked()
        .map(|(_, width)| usize::from(width))
        .or_else(columns)
        .unwrap_or(80)
}

/// Returns whether the locale can show more than ASCII: the first of these that is set decides.
fn locale_is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .next()
        .is_some_and(|locale| {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
}
