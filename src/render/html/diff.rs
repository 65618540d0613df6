//! A line diff of two texts with a little context.

use serde::Serialize;

/// One line: ` ` both, `-` only SRC, `+` only DST, `…` lines left out.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    sign: char,
    text: String,
}

/// Lines around a difference.
const CONTEXT: usize = 2;
/// Cells of the table of common subsequences: beyond, one block replaces the other.
const MOST_CELLS: usize = 1_000_000;

/// Returns the differing lines with their context, at most `most` of them.
pub(super) fn lines(src: &str, dst: &str, most: usize, longest: usize) -> Vec<Line> {
    let (a, b): (Vec<&str>, Vec<&str>) = (src.lines().collect(), dst.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..]
        .iter()
        .rev()
        .zip(b[head..].iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let mut all: Vec<(char, &str)> = a[..head].iter().map(|line| (' ', *line)).collect();
    all.extend(middle(&a[head..a.len() - tail], &b[head..b.len() - tail]));
    all.extend(a[a.len() - tail..].iter().map(|line| (' ', *line)));

    let near = |index: usize| {
        let from = index.saturating_sub(CONTEXT);
        all[from..all.len().min(index + CONTEXT + 1)]
            .iter()
            .any(|(sign, _)| *sign != ' ')
    };
    let mut shown = Vec::new();
    let mut skipped = false;
    for (index, (sign, text)) in all.iter().enumerate() {
        if shown.len() >= most {
            shown.push(Line {
                sign: '…',
                text: String::new(),
            });
            break;
        }
        if near(index) {
            if skipped && !shown.is_empty() {
                shown.push(Line {
                    sign: '…',
                    text: String::new(),
                });
            }
            skipped = false;
            shown.push(Line {
                sign: *sign,
                text: super::text::cut(text, longest),
            });
        } else {
            skipped = true;
        }
    }
    shown
}

fn middle<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(char, &'a str)> {
    let replaced = || {
        a.iter()
            .map(|line| ('-', *line))
            .chain(b.iter().map(|line| ('+', *line)))
            .collect()
    };
    if a.len().saturating_mul(b.len()) > MOST_CELLS {
        return replaced();
    }
    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..].
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = match a[i] == b[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            lines.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
            lines.push(('-', a[i]));
            i += 1;
        } else {
            lines.push(('+', b[j]));
            j += 1;
        }
    }
    lines.extend(a[i..].iter().map(|line| ('-', *line)));
    lines.extend(b[j..].iter().map(|line| ('+', *line)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Line]) -> String {
        lines
            .iter()
            .map(|line| format!("{}{}|", line.sign, line.text))
            .collect()
    }

    #[test]
    fn differences_keep_two_lines_around_them() {
        let src = "1\n2\n3\n4\n5\n6\n7\n8\n9\nend";
        let dst = "1\n2\n3\nfour\n5\n6\n7\n8\n9\nend\nmore";
        assert_eq!(
            text(&lines(src, dst, 100, 80)),
            " 2| 3|-4|+four| 5| 6|…| 9| end|+more|"
        );
        assert_eq!(text(&lines(src, dst, 3, 80)), " 2| 3|-4|…|");
        assert!(lines(src, src, 10, 80).is_empty());
    }
}
