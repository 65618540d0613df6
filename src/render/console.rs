//! The report on a terminal or in a CI log: what to look at first, the summary line last.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::changes;
use super::view::{Grid, Group, Place, View};
use super::words::{self, Words};
use super::{RenderError, Renderer};
use crate::compare::{CheckResult, Comparison, Status, Verdict};
use crate::text;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// The summary line.
    Summary,
    /// What needs attention.
    #[default]
    Attention,
    /// All differences and improvements.
    Differences,
    /// Every check too, one line each.
    All,
}

/// Writes the console report.
#[derive(Debug, Clone)]
pub struct Console {
    /// Columns; 120 where there is no terminal.
    pub width: usize,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to use signs beyond ASCII.
    pub unicode: bool,
    /// How much to show.
    pub detail: Detail,
    /// Files written beside this report, as typed.
    pub written: Vec<String>,
}

impl Default for Console {
    fn default() -> Self {
        Self {
            width: 120,
            color: false,
            unicode: true,
            detail: Detail::Attention,
            written: Vec::new(),
        }
    }
}

/// Places shown before "and N more".
const MOST_PLACES: usize = 20;
/// Suspects and flaky ones before "and N more": they fail nothing, so one line each.
const MOST_DOUBTFUL: usize = 6;
/// Metrics shown of one place, unless all are asked for.
const MOST_METRICS: usize = 5;
/// Profiles shown in the table of groups.
const MOST_PROFILES: usize = 12;
/// Characters of any foreign text.
const LONGEST_TEXT: usize = 1000;
/// Newest references drawn.
const MOST_DRAWN: usize = 15;

impl Renderer for Console {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        let mut page = Page::new(self, comparison);
        if self.detail > Detail::Summary {
            page.heading();
            page.every_check();
            page.attention();
            page.errors_and_missing();
            page.good_news();
            page.groups();
            page.changes();
            page.notes();
            page.written();
        }
        page.summary();
        out.write_all(page.text.as_bytes())?;
        Ok(())
    }
}

struct Page<'a> {
    options: &'a Console,
    view: View<'a>,
    words: Words,
    text: String,
}

impl<'a> Page<'a> {
    fn new(options: &'a Console, comparison: &'a Comparison) -> Self {
        let words = if options.unicode {
            Words::TERMINAL
        } else {
            Words::PLAIN
        };
        Self {
            options,
            view: View::new(comparison),
            words,
            text: String::new(),
        }
    }

    fn comparison(&self) -> &'a Comparison {
        self.view.comparison
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Ends a block with one empty line.
    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Returns foreign text that a terminal will not obey.
    fn clean(&self, foreign: &str) -> String {
        // Nobody reads a name of a megabyte; measuring it a dozen times would take seconds.
        let end = foreign
            .char_indices()
            .nth(LONGEST_TEXT)
            .map_or(foreign.len(), |(end, _)| end);
        let safe = text::one_line(&foreign[..end]);
        match self.options.unicode {
            true => safe,
            false => safe
                .chars()
                .map(|c| if c.is_ascii() { c } else { '?' })
                .collect(),
        }
    }

    /// Returns at most `width` columns of text, the middle left out.
    fn fit(&self, text: &str, width: usize) -> String {
        if columns(text) <= width {
            return text.to_owned();
        }
        let dots = if self.options.unicode { "…" } else { ".." };
        let keep = width.saturating_sub(dots.chars().count());
        let chars: Vec<char> = text.chars().collect();
        let (mut head, mut tail) = (keep / 2, keep - keep / 2);
        let mut short = text.to_owned();
        // Wide characters take two columns: give up one more until it fits.
        while head + tail > 0 {
            let first: String = chars.iter().take(head).collect();
            let last: String = chars[chars.len().saturating_sub(tail)..].iter().collect();
            short = format!("{first}{dots}{last}");
            if columns(&short) <= width {
                break;
            }
            if head > 0 { head -= 1 } else { tail -= 1 }
        }
        short
    }

    fn paint(&self, style: Style, text: &str) -> String {
        match self.options.color {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    fn mark(&self, status: Status) -> String {
        self.paint(style(status), self.words.shape(status))
    }

    fn build(&self, build: &crate::compare::Build) -> String {
        match build
            .distro
            .as_deref()
            .filter(|distro| !distro.is_empty() && *distro != build.name)
        {
            Some(distro) => format!("{} ({})", self.clean(&build.name), self.clean(distro)),
            None => self.clean(&build.name),
        }
    }

    fn heading(&mut self) {
        let comparison = self.comparison();
        let references = words::plural(comparison.references.len(), "reference");
        let line = |src: &str, dst: &str| format!("Comparing {src} with {dst}, {references}");
        let full = line(&self.build(&comparison.src), &self.build(&comparison.dst));
        match columns(&full) <= self.options.width {
            true => self.line(&full),
            false => self.line(&line(
                &self.clean(&comparison.src.name),
                &self.clean(&comparison.dst.name),
            )),
        }
        if self.options.detail >= Detail::Differences {
            self.line(&format!("Judged by {}", words::rule(comparison.rule)));
            for line in &comparison.judged_by {
                let line = format!("  {}", self.clean(line));
                self.line(&line);
            }
        }
        self.gap();
    }

    /// `regression ID 114912 101352 -11.8% band=-6.7..+6.7`: for grep, so always in ASCII signs.
    fn every_check(&mut self) {
        if self.options.detail < Detail::All {
            return;
        }
        let plain = Words::PLAIN;
        let value = |value: Option<f64>| value.map_or("-".to_owned(), |v| plain.number(v));
        let comparison = self.comparison();
        for check in comparison.metrics.iter().chain(&comparison.groups) {
            let change = match (words::moved(check), check.check) {
                (None, _) => "-".to_owned(),
                (Some(change), crate::metric::Check::Stddev) => {
                    format!("{}pp", plain.signed(change))
                }
                (Some(change), _) => format!("{}%", plain.signed(change)),
            };
            let band = plain
                .band(check)
                .map_or(String::new(), |band| format!(" band={band}"));
            let id = self.clean(check.id.as_str());
            let line = format!(
                "{} {id} {} {} {change}{band}",
                check.status.word(),
                value(check.src),
                value(check.dst)
            );
            self.line(&line);
        }
        for error in self.view.errors().collect::<Vec<_>>() {
            let line = format!("error {} - - -", self.clean(error.id.as_str()));
            self.line(&line);
        }
        self.gap();
    }

    fn attention(&mut self) {
        self.places(Status::Regression, MOST_PLACES);
        self.short_places(&[Status::Suspect, Status::Flaky]);
    }

    fn good_news(&mut self) {
        if self.options.detail >= Detail::Differences {
            self.places(Status::Improvement, MOST_PLACES);
            self.short_places(&[Status::New]);
        }
    }

    /// One block a place: where, since when, and its metrics.
    fn places(&mut self, status: Status, most: usize) {
        let places = self.view.places(status);
        let all = self.options.detail >= Detail::Differences;
        let shown = if all {
            places.len()
        } else {
            places.len().min(most)
        };
        let tails: Vec<String> = places
            .iter()
            .take(shown)
            .map(|place| self.tail(place))
            .collect();
        let names: Vec<String> = places
            .iter()
            .take(shown)
            .map(|place| self.clean(&place.name()))
            .collect();
        let room = self
            .options
            .width
            .saturating_sub(4 + tails.iter().map(|tail| columns(tail)).max().unwrap_or(0))
            .max(24);
        let column = names
            .iter()
            .map(|name| columns(name))
            .max()
            .unwrap_or(0)
            .min(room);
        for ((place, tail), name) in places.iter().zip(&tails).zip(&names) {
            let name = self.fit(name, column);
            let padded = format!(
                "{name}{}",
                " ".repeat(column.saturating_sub(columns(&name)))
            );
            let line = format!(
                "{} {}  {tail}",
                self.mark(status),
                self.paint(Style::new().bold(), &padded)
            );
            self.line(&line);
            self.metrics(place, all);
        }
        self.and_more(places.len() - shown, "place");
        if shown > 0 {
            self.gap();
        }
    }

    fn tail(&self, place: &Place<'_>) -> String {
        let references = self.comparison().references.len();
        let since = words::since(
            place.since.map(|s| self.clean(s)).as_deref(),
            place.outside_builds,
            references,
        );
        let since = since.map(|since| since.split(" (").next().unwrap_or_default().to_owned());
        let host_shift = place
            .checks
            .iter()
            .any(|check| check.labels.iter().any(|label| label == "host-shift"));
        let what = host_shift.then(|| "the whole host".to_owned());
        let secondary = (!place.primary()).then(|| "secondary only".to_owned());
        [what, since, self.words.bands(place.bands), secondary]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The metrics of a place in columns as narrow as they can be.
    fn metrics(&mut self, place: &Place<'_>, all: bool) {
        let shown = if all || place.checks.len() <= MOST_METRICS + 1 {
            place.checks.len()
        } else {
            MOST_METRICS
        };
        let rows: Vec<Row> = place
            .checks
            .iter()
            .take(shown)
            .map(|check| self.row(check))
            .collect();
        let width = |column: fn(&Row) -> &str| {
            rows.iter()
                .map(|row| columns(column(row)))
                .max()
                .unwrap_or(0)
        };
        let (src, dst, unit) = (
            width(|r| &r.src).max(9),
            width(|r| &r.dst).max(9),
            width(|r| &r.unit),
        );
        let change = width(|r| &r.change);
        let fixed = 4 + 2 + src + 3 + dst + 1 + unit + 2 + change;
        let name = width(|r| &r.name).clamp(8, self.options.width.saturating_sub(fixed).max(12));
        let mut used = fixed + name;
        let band = width(|r| &r.band);
        let with_band =
            self.options.width >= 120 && band > 0 && used + 2 + band <= self.options.width;
        used += if with_band { 2 + band } else { 0 };
        let with_spark =
            self.options.width >= 100 && used + 2 + width(|r| &r.spark) <= self.options.width;
        let averages = place.checks.iter().all(|check| words::is_average(check));
        for row in &rows {
            let mut line = match averages {
                // Two columns of dashes would say nothing.
                true => format!(
                    "    {}  {}",
                    row.name,
                    self.paint(style(row.status), &self.pad(&row.change, change))
                ),
                false => format!(
                    "    {}  {}{} {} {}{} {}  {}",
                    self.pad(&row.name, name),
                    " ".repeat(src - columns(&row.src)),
                    row.src,
                    self.words.arrow(),
                    " ".repeat(dst - columns(&row.dst)),
                    row.dst,
                    self.pad(&row.unit, unit),
                    self.paint(style(row.status), &self.pad(&row.change, change)),
                ),
            };
            if with_band {
                line.push_str("  ");
                line.push_str(&self.pad(&row.band, band));
            }
            if with_spark {
                line.push_str("  ");
                line.push_str(&row.spark);
            }
            self.line(&line);
        }
        self.and_more(place.checks.len() - shown, "metric");
    }

    fn row(&self, check: &CheckResult) -> Row {
        let value = |value: Option<f64>| value.map_or("-".to_owned(), |v| self.words.number(v));
        let spread = if check.check == crate::metric::Check::Stddev {
            " spread"
        } else {
            ""
        };
        let primary = if check.primary { " *" } else { "" };
        let mut drawn: Vec<Option<f64>> =
            check.history.iter().copied().chain([check.dst]).collect();
        drawn.drain(..drawn.len().saturating_sub(MOST_DRAWN));
        let spark = if check.history.is_empty() {
            String::new()
        } else {
            self.words.spark(&drawn)
        };
        Row {
            status: check.status,
            name: match (words::is_average(check), &check.basis) {
                (true, Some(basis)) => self.clean(basis),
                _ => format!("{}{spread}{primary}", self.clean(&check.metric)),
            },
            src: value(check.src),
            dst: value(check.dst),
            unit: match words::is_average(check) {
                true => String::new(),
                false => self.clean(&check.unit),
            },
            change: self.words.change_in_words(check).unwrap_or_default(),
            band: self.words.band(check).map_or(String::new(), |band| {
                format!("normal {band}{}", if spread.is_empty() { " %" } else { "" })
            }),
            spark,
        }
    }

    fn pad(&self, text: &str, width: usize) -> String {
        let text = self.fit(text, width);
        let blanks = width.saturating_sub(columns(&text));
        text + &" ".repeat(blanks)
    }

    /// One line a place.
    fn short_places(&mut self, statuses: &[Status]) {
        let mut lines = Vec::new();
        let mut hidden = 0;
        for status in statuses {
            let places = self.view.places(*status);
            let shown = if self.options.detail >= Detail::Differences {
                places.len()
            } else {
                places.len().min(MOST_DOUBTFUL)
            };
            hidden += places.len() - shown;
            for place in places.iter().take(shown) {
                let Some(check) = place.checks.first() else {
                    continue;
                };
                let metric = self.clean(&check.metric);
                let what = match (status, self.words.change_in_words(check)) {
                    (Status::New, _) => "new, nothing to compare with".to_owned(),
                    (_, None) => format!(
                        "{}: {} missing, as on earlier nights",
                        status.word(),
                        words::plural(place.checks.len(), "metric")
                    ),
                    (_, Some(change)) => format!("{}: {metric} {change}", status.word()),
                };
                let moved = check.src.is_some() && check.dst.is_some();
                let more = match place.checks.len() {
                    0 | 1 => String::new(),
                    _ if *status == Status::Flaky && !moved => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                lines.push((*status, place.name(), what + &more));
            }
        }
        self.named(&lines);
        self.and_more(hidden, "place");
        if !lines.is_empty() {
            self.gap();
        }
    }

    fn errors_and_missing(&mut self) {
        let references = self.comparison().references.len();
        let mut lines: Vec<(Status, String, String)> = Vec::new();
        for error in self.view.errors() {
            let same = if error.same_in_src {
                " (the same in SRC)"
            } else {
                ""
            };
            lines.push((
                Status::Error,
                error.place.replace('/', " / "),
                format!("{}{same}", error.message),
            ));
        }
        for place in self.view.places(Status::Error) {
            lines.push((
                Status::Error,
                place.name(),
                words::plural(place.checks.len(), "metric"),
            ));
        }
        for place in self.view.places(Status::Missing) {
            let present = place
                .checks
                .iter()
                .map(|check| View::present(check))
                .max()
                .unwrap_or(0);
            let what = match place.checks.len() {
                1 => "missing".to_owned(),
                n => format!("{n} metrics missing"),
            };
            let text = match references {
                0 => what,
                _ => format!("{what}, {}", words::present(present, references)),
            };
            lines.push((Status::Missing, place.name(), text));
        }
        let shown = if self.options.detail >= Detail::Differences {
            lines.len()
        } else {
            lines.len().min(MOST_PLACES)
        };
        self.named(&lines[..shown]);
        self.and_more(lines.len() - shown, "place");
        if !self.comparison().works_again.is_empty() {
            let places: Vec<String> = self
                .comparison()
                .works_again
                .iter()
                .take(5)
                .map(|place| self.clean(place))
                .collect();
            let more = self.comparison().works_again.len() - places.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            self.line(&format!("Works again: {}{more}", places.join(", ")));
        }
        if shown > 0 || !self.comparison().works_again.is_empty() {
            self.gap();
        }
    }

    /// Returns a text in at most three lines of this width.
    fn wrapped(&self, text: &str, width: usize) -> Vec<String> {
        const MOST: usize = 3;
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let (count, last) = (lines.len(), lines.last_mut());
            let Some(last) = last else { break };
            match last.is_empty() {
                true => last.push_str(word),
                false if count == MOST || columns(last) + 1 + columns(word) <= width => {
                    last.push(' ');
                    last.push_str(word);
                }
                false => lines.push(word.to_owned()),
            }
        }
        lines.iter().map(|line| self.fit(line, width)).collect()
    }

    /// Lines that start with a place; texts go on below, never narrower than something readable.
    fn named(&mut self, lines: &[(Status, String, String)]) {
        let names: Vec<String> = lines.iter().map(|(_, name, _)| self.clean(name)).collect();
        let room = self.options.width.saturating_sub(4);
        let column = names
            .iter()
            .map(|name| columns(name))
            .max()
            .unwrap_or(0)
            .min((room * 55 / 100).max(20));
        for ((status, _, text), name) in lines.iter().zip(&names) {
            let texts = self.wrapped(&self.clean(text), room.saturating_sub(column).max(24));
            for (index, text) in texts.iter().enumerate() {
                let line = match index {
                    0 => format!("{} {}  {text}", self.mark(*status), self.pad(name, column)),
                    _ => format!("{}{text}", " ".repeat(column + 4)),
                };
                self.line(&line);
            }
        }
    }

    fn and_more(&mut self, more: usize, noun: &str) {
        if more > 0 {
            let see = self
                .options
                .written
                .iter()
                .find(|file| file.ends_with(".html"));
            let see = see.map_or("-v shows all".to_owned(), |file| {
                format!("see {}", self.clean(file))
            });
            let indent = if noun == "metric" { "    " } else { "  " };
            self.line(&format!(
                "{indent}and {}, {see}",
                words::plural(more, &format!("more {noun}"))
            ));
        }
    }

    /// Profiles by tests, with the mean change and what stands out.
    fn groups(&mut self) {
        let comparison = self.comparison();
        // Turned, so that + is better for every test.
        const TITLE: &str = "Mean, + better";
        let grid = Grid::new(comparison, Group::Test);
        if grid.rows.is_empty() || comparison.verdict == Verdict::Error {
            return;
        }
        let first = grid
            .rows
            .iter()
            .map(|row| columns(&self.clean(row)))
            .max()
            .unwrap_or(0)
            .clamp(columns(TITLE), 30);
        let cells: Vec<Vec<(String, Status)>> = grid
            .cells
            .iter()
            .map(|row| row.iter().map(|cell| self.cell(cell)).collect())
            .collect();
        let mut fitting = Vec::new();
        let mut used = first;
        for (index, (test, _)) in grid.columns.iter().enumerate() {
            let widest = cells
                .iter()
                .map(|row| columns(&row[index].0))
                .max()
                .unwrap_or(0);
            let width = widest.max(columns(&self.clean(test)).min(16));
            if used + 2 + width > self.options.width {
                break;
            }
            used += 2 + width;
            fitting.push((index, width));
        }
        let mut head = self.pad(TITLE, first);
        for (index, width) in &fitting {
            head.push_str("  ");
            head.push_str(&self.pad(&self.clean(&grid.columns[*index].0), *width));
        }
        let head = self.paint(Style::new().bold(), head.trim_end());
        self.line(&head);
        let all = self.options.detail >= Detail::Differences;
        let shown = if all {
            grid.rows.len()
        } else {
            grid.rows.len().min(MOST_PROFILES)
        };
        for (row, name) in grid.rows.iter().enumerate().take(shown) {
            let mut line = self.pad(&self.clean(name), first);
            for (index, width) in &fitting {
                let (text, status) = &cells[row][*index];
                let padded = self.pad(text, *width);
                line.push_str("  ");
                line.push_str(&if *status == Status::Within {
                    padded
                } else {
                    self.paint(style(*status), &padded)
                });
            }
            self.line(&line);
        }
        self.and_more(grid.rows.len() - shown, "profile");
        if fitting.len() < grid.columns.len() {
            self.line(&format!(
                "  and {}",
                words::plural(grid.columns.len() - fitting.len(), "more test")
            ));
        }
        self.gap();
    }

    fn cell(&self, cell: &super::view::Cell) -> (String, Status) {
        let mut text = match cell.mean_pct {
            Some(mean) => self.words.percent(mean),
            None => String::new(),
        };
        let mut worst = Status::Within;
        for status in [Status::Regression, Status::Error, Status::Missing] {
            if cell.count(status) > 0 {
                let blank = if text.is_empty() { "" } else { " " };
                text.push_str(&format!(
                    "{blank}{}{}",
                    self.words.shape(status),
                    cell.count(status)
                ));
                if worst == Status::Within {
                    worst = status;
                }
            }
        }
        (text, worst)
    }

    fn changes(&mut self) {
        let comparison = self.comparison();
        let count = changes::count(comparison);
        if count == 0 {
            return;
        }
        let arrow = self.words.arrow();
        if self.options.detail >= Detail::Differences {
            self.line("Changed between SRC and DST:");
            for (kind, entries) in changes::kinds(comparison) {
                for change in entries.iter().take(500) {
                    let since = change.since.as_deref().map_or(String::new(), |since| {
                        format!(", since {}", self.clean(since))
                    });
                    let short = self.fit(&self.clean(&changes::sentence(change, arrow)), 200);
                    let line = format!(
                        "  {} ({}): {short}{since}",
                        self.clean(&changes::title(kind)),
                        self.clean(&change.place)
                    );
                    self.line(&line);
                }
            }
            self.gap();
            return;
        }
        let mut likely: Vec<String> = changes::likely(comparison, 3)
            .into_iter()
            .map(|likely| self.fit(&self.clean(&likely.sentence(arrow)), 60))
            .collect();
        loop {
            let rest = count - likely.len();
            let line = match (likely.is_empty(), rest) {
                (true, _) => format!("Changed: {} (-v)", words::plural(rest, "thing")),
                (false, 0) => format!("Changed: {}", likely.join(", ")),
                (false, _) => format!("Changed: {} and {rest} more (-v)", likely.join(", ")),
            };
            if likely.len() < 2 || columns(&line) <= self.options.width {
                self.line(&line);
                break;
            }
            likely.pop();
        }
    }

    fn notes(&mut self) {
        let notes = &self.comparison().notes;
        let shown = if self.options.detail >= Detail::Differences {
            notes.len()
        } else {
            notes.len().min(3)
        };
        for note in notes.iter().take(shown) {
            let line = format!("Note: {}", self.clean(note));
            self.line(&line);
        }
        if notes.len() > shown {
            self.line(&format!(
                "  and {} (-v)",
                words::plural(notes.len() - shown, "more note")
            ));
        }
    }

    fn written(&mut self) {
        if !self.options.written.is_empty() {
            let files: Vec<String> = self
                .options
                .written
                .iter()
                .map(|file| self.clean(file))
                .collect();
            self.line(&format!("Written: {}", files.join(", ")));
        }
    }

    fn summary(&mut self) {
        let line = format!(
            "{}: {}",
            words::verdict(self.comparison().verdict),
            summary(&self.view)
        );
        let line = self.clean(&line);
        let (word, rest) = line.split_once(':').unwrap_or((&line, ""));
        let painted = format!(
            "{}:{rest}",
            self.paint(verdict_style(self.comparison().verdict), word)
        );
        self.line(&painted);
    }
}

/// One metric in columns.
struct Row {
    status: Status,
    name: String,
    src: String,
    dst: String,
    unit: String,
    change: String,
    band: String,
    spark: String,
}

/// Returns the counts in words: what the summary line says after the verdict.
pub(crate) fn summary(view: &View<'_>) -> String {
    if view.comparison.verdict == Verdict::Error {
        return view.comparison.reason.clone();
    }
    let mut parts = Vec::new();
    for status in Status::ALL {
        let number = view.count(status);
        if status == Status::Within || number == 0 {
            continue;
        }
        let mut part = words::counted(number, status);
        if status == Status::Regression {
            let places = view
                .places(status)
                .iter()
                .filter(|place| view.is_place(place))
                .count();
            part.push_str(&format!(" in {}", words::plural(places, "place")));
            if view.count_primary(status) == 0 {
                part.push_str(" (secondary only)");
            }
        }
        parts.push(part);
    }
    let groups = view.count_groups(Status::Regression);
    if groups > 0 {
        parts.push(words::plural(groups, "group regression"));
    }
    parts.push(format!(
        "{} of {} within band",
        view.count(Status::Within),
        view.total()
    ));
    parts.join(", ")
}

fn columns(text: &str) -> usize {
    ::console::measure_text_width(text)
}

fn style(status: Status) -> Style {
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    match status {
        Status::Regression => color(AnsiColor::Red),
        Status::Error => color(AnsiColor::Magenta),
        Status::Suspect | Status::Flaky => color(AnsiColor::Yellow),
        Status::Improvement => color(AnsiColor::Blue),
        Status::Missing => Style::new().bold(),
        Status::New | Status::Within => Style::new(),
    }
}

fn verdict_style(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Pass => AnsiColor::Green,
        Verdict::Fail => AnsiColor::Red,
        Verdict::Error => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(color.into())).bold()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{clean_night, hostile_comparison, sample_comparison};

    fn render(options: &Console, comparison: &Comparison) -> String {
        let mut out = Vec::new();
        options
            .render(comparison, &mut out)
            .expect("memory takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    fn console(width: usize) -> Console {
        Console {
            width,
            written: vec!["report.html".to_owned(), "report.xml".to_owned()],
            ..Console::default()
        }
    }

    #[test]
    fn eighty_columns() {
        let text = render(&console(80), &sample_comparison());
        let lines: Vec<&str> = text.lines().collect();
        // The summary is one line, whatever its length: it is what survives in a CI log.
        assert!(
            lines[..lines.len() - 1]
                .iter()
                .all(|line| columns(line) <= 80),
            "{text}"
        );
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_hundred_and_twenty_columns() {
        let text = render(&console(120), &sample_comparison());
        assert!(text.lines().all(|line| columns(line) <= 120), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn ascii() {
        let text = render(
            &Console {
                unicode: false,
                ..console(80)
            },
            &sample_comparison(),
        );
        assert!(text.is_ascii());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colours_are_named_and_closed() {
        let text = render(
            &Console {
                color: true,
                ..console(80)
            },
            &sample_comparison(),
        );
        insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
    }

    #[test]
    fn everything_at_most_detail() {
        insta::assert_snapshot!(render(
            &Console {
                detail: Detail::All,
                ..console(120)
            },
            &sample_comparison()
        ));
    }

    #[test]
    fn quiet_is_the_summary_line() {
        let text = render(
            &Console {
                detail: Detail::Summary,
                ..console(80)
            },
            &sample_comparison(),
        );
        assert_eq!(
            text,
            "FAIL: 3 regressions in 2 places, 1 error, 1 missing, 1 suspect, 1 flaky, 1 improvement, 1 new, 3 of 12 within band\n"
        );
    }

    #[test]
    fn a_clean_night_fits_forty_lines_whatever_its_size() {
        for width in [80, 120] {
            let text = render(&console(width), &clean_night(5000));
            assert!(text.lines().count() <= 40, "{text}");
            assert!(text.lines().all(|line| columns(line) <= width), "{text}");
            assert_eq!(text.lines().last(), Some("PASS: 5000 of 5000 within band"));
        }
    }

    #[test]
    fn nothing_from_data_reaches_the_terminal_as_a_command() {
        for detail in [
            Detail::Summary,
            Detail::Attention,
            Detail::Differences,
            Detail::All,
        ] {
            for extra in ["", &"x".repeat(1_000_000)] {
                let text = render(
                    &Console {
                        detail,
                        ..console(80)
                    },
                    &hostile_comparison(extra),
                );
                assert!(
                    text.chars().all(|c| c == '\n' || !c.is_control()),
                    "{detail:?}"
                );
                assert!(!text.contains('\u{202e}'));
            }
        }
    }
}
