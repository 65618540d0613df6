//! Lines of a width: foreign text made harmless, cut and padded by the columns it takes.

use anstyle::{AnsiColor, Style};

use super::Page;
use crate::compare::Status;
use crate::render::words;
use crate::text;

/// Characters of any foreign text.
const LONGEST_TEXT: usize = 1000;

impl Page<'_> {
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Ends a block with one empty line.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Returns foreign text that a terminal will not obey.
    pub(super) fn clean(&self, foreign: &str) -> String {
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
    pub(super) fn fit(&self, text: &str, width: usize) -> String {
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

    pub(super) fn pad(&self, text: &str, width: usize) -> String {
        let text = self.fit(text, width);
        let blanks = width.saturating_sub(columns(&text));
        text + &" ".repeat(blanks)
    }

    /// Returns a text in at most three lines of this width.
    pub(super) fn wrapped(&self, text: &str, width: usize) -> Vec<String> {
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
    pub(super) fn named(&mut self, lines: &[(Status, String, String)]) {
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

    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        match self.options.color {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    pub(super) fn mark(&self, status: Status) -> String {
        self.paint(style(status), self.words.shape(status))
    }

    pub(super) fn and_more(&mut self, more: usize, noun: &str) {
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
}

pub(super) fn columns(text: &str) -> usize {
    ::console::measure_text_width(text)
}

pub(super) fn style(status: Status) -> Style {
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
