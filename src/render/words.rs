//! Words and figures all reports share, so that they can never say the same thing differently.

use crate::analysis::stats;
use crate::compare::{CheckResult, ClientFigures, Incident, Part, Rule, Status, Verdict};
use crate::metric::{Better, Check};

/// Whether a change is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// In the bad direction.
    Worse,
    /// In the good direction.
    Better,
    /// No change, or nobody knows which direction is good.
    Neither,
}

impl Turn {
    /// Returns `worse`, `better` or nothing.
    pub fn word(self) -> &'static str {
        match self {
            Turn::Worse => "worse",
            Turn::Better => "better",
            Turn::Neither => "",
        }
    }
}

/// How figures and signs are spelled where the report is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Minus, arrow, multiplication and status signs beyond ASCII.
    pub unicode: bool,
    /// What stands between thousands; `None`: nothing.
    pub thousands: Option<char>,
    /// What stands before a percent sign.
    pub gap: char,
}

impl Words {
    /// For HTML and Markdown: narrow no-break spaces.
    pub const RICH: Words = Words {
        unicode: true,
        thousands: Some('\u{202f}'),
        gap: '\u{202f}',
    };
    /// For a terminal that shows Unicode; plain blanks, because not every terminal font has narrow ones.
    pub const TERMINAL: Words = Words {
        unicode: true,
        thousands: Some(' '),
        gap: ' ',
    };
    /// For XML, mail and terminals without Unicode.
    pub const PLAIN: Words = Words {
        unicode: false,
        thousands: None,
        gap: ' ',
    };

    /// Returns `→` or `->`.
    pub fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// Returns `×` or `x`.
    pub fn times(self) -> &'static str {
        if self.unicode { "×" } else { "x" }
    }

    /// Returns `…` or `..`, between two limits.
    pub fn to(self) -> &'static str {
        if self.unicode { "…" } else { ".." }
    }

    fn minus(self) -> char {
        if self.unicode { '\u{2212}' } else { '-' }
    }

    /// Returns a value with four significant digits, whole numbers above that in full.
    ///
    /// Beyond 1e15 and below 0.001 in scientific form; `?` when not finite.
    pub fn number(self, value: f64) -> String {
        if !value.is_finite() {
            return "?".to_owned();
        }
        let magnitude = value.abs();
        let digits = if magnitude == 0.0 {
            "0".to_owned()
        } else if !(0.001..1e15).contains(&magnitude) {
            format!("{magnitude:.3e}")
        } else {
            let decimals = match magnitude {
                m if m >= 999.95 => 0,
                m if m >= 99.995 => 1,
                m if m >= 9.9995 => 2,
                m if m >= 0.99995 => 3,
                m if m >= 0.099_995 => 4,
                m if m >= 0.009_999_5 => 5,
                _ => 6,
            };
            self.grouped(&format!("{magnitude:.decimals$}"))
        };
        if value < 0.0 {
            format!("{}{digits}", self.minus())
        } else {
            digits
        }
    }

    /// Returns a whole number with its thousands apart.
    pub fn count(self, number: usize) -> String {
        self.grouped(&number.to_string())
    }

    fn grouped(self, digits: &str) -> String {
        let (whole, rest) = digits
            .find('.')
            .map_or((digits, ""), |dot| digits.split_at(dot));
        let Some(separator) = self.thousands else {
            return digits.to_owned();
        };
        if whole.len() < 4 {
            return digits.to_owned();
        }
        let mut text = String::with_capacity(digits.len() + 8);
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text + rest
    }

    /// Returns a signed figure with one decimal: `−11.8`, `+0.4`, `0.0`.
    pub fn signed(self, value: f64) -> String {
        if !value.is_finite() {
            return "?".to_owned();
        }
        let digits = self.grouped(&format!("{:.1}", value.abs()));
        match value {
            _ if digits == "0.0" => digits,
            v if v < 0.0 => format!("{}{digits}", self.minus()),
            _ => format!("+{digits}"),
        }
    }

    /// Returns a signed percentage: `−11.8 %`.
    pub fn percent(self, value: f64) -> String {
        format!("{}{}%", self.signed(value), self.gap)
    }

    /// Returns the change of a check with its unit: percent, points for a spread; `None` when unknown.
    ///
    /// A change from 0 has no number and is said in words.
    pub fn change(self, check: &CheckResult) -> Option<String> {
        let Some(value) = moved(check) else {
            return (check.src.is_some() && check.dst.is_some()).then(|| "from 0".to_owned());
        };
        Some(match check.check {
            Check::Stddev => format!("{} points", self.signed(value)),
            Check::Mean | Check::Error => self.percent(value),
        })
    }

    /// Returns the change with its meaning: `−11.8 % worse`.
    pub fn change_in_words(self, check: &CheckResult) -> Option<String> {
        let change = self.change(check)?;
        let word = turn(check).word();
        Some(if word.is_empty() {
            change
        } else {
            format!("{change} {word}")
        })
    }

    /// Returns what single clients did: `30 clients: 192.0.2.7-1 −90.0 %, the others −0.4 … +0.6 %`.
    ///
    /// Nothing where there is one client or none.
    pub fn clients(self, check: &CheckResult) -> Option<String> {
        const MOST: usize = 3;
        let clients = &check.clients;
        if clients.is_empty() {
            return None;
        }
        let mut said = Vec::new();
        let mut odd: Vec<&ClientFigures> = clients.iter().filter(|one| one.apart).collect();
        let size = |one: &ClientFigures| one.change_pct.map_or(0.0, f64::abs);
        odd.sort_by(|a, b| size(b).total_cmp(&size(a)));
        for one in odd.iter().take(MOST) {
            let change = one.change_pct.map_or(String::new(), |c| self.percent(c));
            said.push(format!("{} {change}", one.client));
        }
        if odd.len() > MOST {
            said.push(format!("{} more like it", odd.len() - MOST));
        }
        let gone = clients.iter().filter(|one| one.dst.is_none()).count();
        if gone > 0 {
            said.push(format!("{gone} missing"));
        }
        let new = clients.iter().filter(|one| one.src.is_none()).count();
        if new > 0 {
            said.push(format!("{new} new"));
        }
        let rest = clients.iter().filter(|one| !one.apart);
        let changes: Vec<f64> = rest.filter_map(|one| one.change_pct).collect();
        if let Some((low, high)) = stats::min_max(&changes) {
            let others = if said.is_empty() { "" } else { "the others " };
            let (from, to) = (self.signed(low), self.percent(high));
            said.push(match (to.starts_with(&from), self.unicode) {
                (true, _) => format!("{others}{to}"),
                (false, true) => format!("{others}{from} … {to}"),
                (false, false) => format!("{others}{from}..{to}"),
            });
        }
        Some(format!(
            "{}: {}",
            plural(clients.len(), "client"),
            said.join(", ")
        ))
    }

    /// Returns the band of normal changes without its unit: `−6.7 … +6.7`.
    pub fn band(self, check: &CheckResult) -> Option<String> {
        let [low, high] = check
            .band_pct
            .filter(|band| band.iter().all(|v| v.is_finite()))?;
        Some(match self.unicode {
            true => format!("{} {} {}", self.signed(low), self.to(), self.signed(high)),
            false => format!("{}{}{}", self.signed(low), self.to(), self.signed(high)),
        })
    }

    /// Returns how far out a change is: `3.0× the band`.
    pub fn bands(self, bands: Option<f64>) -> Option<String> {
        let bands = bands.filter(|b| b.is_finite())?;
        Some(if self.unicode {
            format!("{bands:.1}× the band")
        } else {
            format!("{bands:.1} x the band")
        })
    }

    /// Returns the sign of a status: a shape, or a letter-like sign in ASCII.
    pub fn shape(self, status: Status) -> &'static str {
        match (status, self.unicode) {
            (Status::Regression, true) => "▼",
            (Status::Regression, false) => "v",
            (Status::Error, true) => "✖",
            (Status::Error, false) => "x",
            (Status::Missing, true) => "○",
            (Status::Missing, false) => "o",
            (Status::Suspect, _) => "?",
            (Status::Flaky, _) => "~",
            (Status::Improvement, true) => "▲",
            (Status::Improvement, false) => "^",
            (Status::New, _) => "+",
            (Status::Within, true) => "•",
            (Status::Within, false) => "=",
        }
    }

    /// Returns a history as one sign a value, eight heights; a blank for a gap; nothing in ASCII.
    pub fn spark(self, values: &[Option<f64>]) -> String {
        const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        if !self.unicode {
            return String::new();
        }
        let finite = || values.iter().flatten().copied().filter(|v| v.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        values
            .iter()
            .map(|value| match value {
                Some(v) if v.is_finite() && high > low => {
                    // Halves first, so that the range of two huge values does not overflow.
                    let part = (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
                    HEIGHTS
                        .iter()
                        .copied()
                        .nth(step(part, HEIGHTS.len()))
                        .unwrap_or(' ')
                }
                Some(v) if v.is_finite() => '▄',
                _ => ' ',
            })
            .collect()
    }
}

/// Returns which of `count` equal steps a part of 0..=1 falls into.
fn step(part: f64, count: usize) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a handful of steps")]
    let bounds = (1..count).map(|index| index as f64 / count as f64);
    bounds.take_while(|bound| part >= *bound).count()
}

/// Returns whether a check averages others instead of comparing two values.
pub fn is_average(check: &CheckResult) -> bool {
    let has = |wanted: &str| check.labels.iter().any(|label| label == wanted);
    has("group") && !has("host-shift") && check.src.is_none() && check.dst.is_none()
}

/// Returns what a report calls the change of a check: of an average that is the mean score, which the
/// limit is held against, not the change of its members.
pub fn moved(check: &CheckResult) -> Option<f64> {
    match is_average(check) {
        true => check.score,
        false => check.change_pct,
    }
    .filter(|v| v.is_finite())
}

/// Returns whether the change of a check is good news.
pub fn turn(check: &CheckResult) -> Turn {
    // What prints as no change is none.
    let Some(change) = moved(check).filter(|v| v.abs() >= 0.05) else {
        return Turn::Neither;
    };
    match check.better {
        Better::Unknown => Turn::Neither,
        _ if change * check.better.sign() < 0.0 => Turn::Worse,
        _ => Turn::Better,
    }
}

/// Returns when it began: `since build 1282 (3 builds)`, `new in this build`; nothing without references.
pub fn since(since: Option<&str>, outside_builds: usize, references: usize) -> Option<String> {
    match (since, outside_builds) {
        (_, 0) => None,
        _ if references == 0 => None,
        (Some(build), 2..) => Some(format!("since build {build} ({outside_builds} builds)")),
        (None, 2..) => Some(format!("in the last {outside_builds} builds")),
        (_, 1) => Some("new in this build".to_owned()),
    }
}

/// Returns [`since`] of an incident.
pub fn since_incident(incident: &Incident, references: usize) -> Option<String> {
    since(
        incident.since.as_deref(),
        incident.outside_builds,
        references,
    )
}

/// Returns `higher is better`, `lower is better` or `direction unknown`.
pub fn direction(better: Better) -> &'static str {
    match better {
        Better::Higher => "higher is better",
        Better::Lower => "lower is better",
        Better::Unknown => "direction unknown",
    }
}

/// Returns the status as a label: `Regression`, `Within band`.
pub fn label(status: Status) -> &'static str {
    match status {
        Status::Regression => "Regression",
        Status::Error => "Error",
        Status::Missing => "Missing",
        Status::Suspect => "Suspect",
        Status::Flaky => "Flaky",
        Status::Improvement => "Improvement",
        Status::New => "New",
        Status::Within => "Within band",
    }
}

/// Returns how many of a status: `1 regression`, `8 regressions`, `4 missing`.
pub fn counted(number: usize, status: Status) -> String {
    let plural = match status {
        Status::Regression | Status::Error | Status::Suspect | Status::Improvement
            if number != 1 =>
        {
            "s"
        }
        _ => "",
    };
    let word = if status == Status::Within {
        "within band"
    } else {
        status.word()
    };
    format!("{number} {word}{plural}")
}

/// Returns `1 place`, `4 places`; any noun that takes an s.
pub fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns the verdict as every report prints it.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Error => "ERROR",
    }
}

/// Returns the letter of a verdict's symbol and colour: `p` for a check mark, else that of a status.
pub fn verdict_letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Pass => 'p',
        Verdict::Fail => Status::Regression.letter(),
        Verdict::Error => Status::Error.letter(),
    }
}

/// Returns the sign of a verdict: a check mark, or the shape of a status; never that of an improvement,
/// which a pass is not.
pub fn verdict_shape(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✔",
        Verdict::Fail => Words::RICH.shape(Status::Regression),
        Verdict::Error => Words::RICH.shape(Status::Error),
    }
}

/// Returns in how many of the references something is: `present in 1 of 3 references`.
pub fn present(present: usize, references: usize) -> String {
    format!(
        "present in {present} of {}",
        plural(references, "reference")
    )
}

/// Returns the rule in force in words.
pub fn rule(rule: Rule) -> &'static str {
    match rule {
        Rule::Compat => "the older tool's rules, to the letter",
        Rule::Model => "what is normal according to the model",
        Rule::Line => "the line of the models given, and the fixed limits",
        Rule::Tolerance => "fixed limits",
        Rule::Pairwise => "SRC against DST, with the scale of all metrics pooled",
    }
}

/// Returns what one part of a score is, in words.
pub fn part(part: &Part) -> String {
    let name = part.name.as_str();
    let model = |rest: &str, what: &str| match rest.parse::<usize>() {
        Ok(0) => what.to_owned(),
        Ok(index) => format!("{what} {}", index + 1),
        Err(_) => name.to_owned(),
    };
    match name {
        "raw" => "DST against SRC".to_owned(),
        "avg" => "average of the builds".to_owned(),
        "n_of" => "bad in N of the last builds".to_owned(),
        _ => match (name.strip_prefix("model"), name.strip_prefix("mraw")) {
            (Some(rest), _) => model(rest, "model"),
            (_, Some(rest)) => model(rest, "DST against the centre of the model"),
            _ => name.to_owned(),
        },
    }
}

/// Returns a build's date as people read it: `2026-11-22 02:00 UTC`; other text as it is.
pub fn date(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_four_significant_digits_and_parted_thousands() {
        let rich = |v| Words::RICH.number(v).replace('\u{202f}', "_");
        for (value, text) in [
            (114_912.4, "114_912"),
            (1_234_567.0, "1_234_567"),
            (999.96, "1_000"),
            (999.94, "999.9"),
            (14.4, "14.40"),
            (0.2037, "0.2037"),
            (0.0123, "0.01230"),
            (0.0, "0"),
            (-3.5, "\u{2212}3.500"),
            (1.5e16, "1.500e16"),
            (2.5e-7, "2.500e-7"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(rich(value), text, "{value}");
        }
        assert_eq!(Words::PLAIN.number(-114_912.4), "-114912");
    }

    #[test]
    fn a_change_that_prints_as_zero_has_no_sign() {
        assert_eq!(Words::PLAIN.percent(-0.04), "0.0 %");
        assert_eq!(Words::RICH.percent(-11.76), "\u{2212}11.8\u{202f}%");
        assert_eq!(Words::PLAIN.percent(1234.5), "+1234.5 %");
    }

    #[test]
    fn a_history_is_drawn_between_its_extremes() {
        assert_eq!(
            Words::TERMINAL.spark(&[Some(1.0), Some(8.0), None, Some(4.5)]),
            "▁█ ▅"
        );
        assert_eq!(Words::TERMINAL.spark(&[Some(3.0), Some(3.0)]), "▄▄");
        assert_eq!(
            Words::TERMINAL.spark(&[Some(f64::MAX), Some(f64::MIN)]),
            "█▁"
        );
        assert_eq!(Words::PLAIN.spark(&[Some(1.0)]), "");
    }

    #[test]
    fn since_is_said_only_where_references_can_tell() {
        assert_eq!(
            since(Some("1282"), 3, 30).as_deref(),
            Some("since build 1282 (3 builds)")
        );
        assert_eq!(since(None, 1, 30).as_deref(), Some("new in this build"));
        assert_eq!(since(None, 1, 0), None);
        assert_eq!(since(None, 0, 30), None);
    }
}
