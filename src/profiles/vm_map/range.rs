//! Ranges in names of machines: `web[01:12]`, `db-[a:c]`, `n[1:9:2]`.

/// Returns every name a pattern stands for, at most `most`.
///
/// # Errors
/// When a range is none, or stands for too many names.
pub(super) fn expand(pattern: &str, most: usize) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    // An address in brackets is no range.
    while let Some((before, after)) = rest.split_once('[') {
        let Some((range, after)) = after.split_once(']') else {
            return Err(format!(
                "expected `]` behind a range, found `{}`",
                crate::text::one_line(pattern)
            ));
        };
        let steps = steps(range, most).map_err(|expected| {
            format!(
                "expected {expected}, found `[{}]`",
                crate::text::one_line(range)
            )
        })?;
        if names.len().saturating_mul(steps.len()) > most {
            return Err(format!(
                "expected at most {most} machines, found more in `{}`",
                crate::text::one_line(pattern)
            ));
        }
        names = names
            .iter()
            .flat_map(|name| {
                steps
                    .iter()
                    .map(move |step| format!("{name}{before}{step}"))
            })
            .collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn steps(range: &str, most: usize) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match parts[..] {
        [from, to] => (from, to, 1),
        [from, to, step] => match step.parse::<usize>() {
            Ok(step) if step > 0 => (from, to, step),
            _ => return Err("a step of at least 1".into()),
        },
        _ => return Err("a range like `[01:12]` or `[a:f]`".into()),
    };
    if let (Ok(first), Ok(last)) = (from.parse::<u32>(), to.parse::<u32>()) {
        if first > last {
            return Err("a range that goes up".into());
        }
        if (last - first) as usize / step >= most {
            return Err(format!("at most {most} machines"));
        }
        // Leading zeros are kept: `[01:12]` begins with 01.
        let width = if from.starts_with('0') { from.len() } else { 0 };
        return Ok((first..=last)
            .step_by(step)
            .map(|number| format!("{number:0width$}"))
            .collect());
    }
    match (single(from), single(to)) {
        (Some(first), Some(last)) if first <= last => Ok((first..=last)
            .step_by(step)
            .map(|letter| letter.to_string())
            .collect()),
        _ => Err("a range like `[01:12]` or `[a:f]`".into()),
    }
}

fn single(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars
        .next()
        .filter(|letter| letter.is_ascii_alphabetic() && chars.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> String {
        expand(pattern, 100).map_or_else(|error| error, |names| names.join(" "))
    }

    #[test]
    fn ranges_stand_for_names() {
        assert_eq!(expanded("web[08:11].x"), "web08.x web09.x web10.x web11.x");
        assert_eq!(expanded("n[1:7:3]"), "n1 n4 n7");
        assert_eq!(expanded("db-[a:c]"), "db-a db-b db-c");
        assert_eq!(expanded("r[1:2]n[1:2]"), "r1n1 r1n2 r2n1 r2n2");
        assert_eq!(expanded("plain"), "plain");
    }

    #[test]
    fn what_is_no_range_is_said() {
        for bad in [
            "n[1:", "n[]", "n[5:1]", "n[1:2:0]", "n[1]", "n[1:x]", "n[aa:bb]",
        ] {
            assert!(expanded(bad).starts_with("expected "), "{bad}");
        }
        assert!(expanded("n[1:4000000000]").contains("at most 100 machines"));
        assert!(expanded("a[1:50]b[1:50]").contains("at most 100 machines"));
    }
}
