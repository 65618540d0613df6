//! Since when: walking back over the references from DST.

/// What a reference was to one check, seen from DST's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// As bad as DST (or missing, when DST is).
    Outside,
    /// Not so.
    Inside,
    /// Says nothing: it lacks the metric.
    Unknown,
}

/// Least number of references before anything is called flaky.
pub const FLAKY_REFERENCES: usize = 5;
/// Least share of the older references that were bad too.
pub const FLAKY_SHARE: f64 = 0.2;

/// The present run of outside builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Index of its first reference; `None`: DST is the first.
    pub first: Option<usize>,
    /// Number of builds outside in it, DST included.
    pub builds: usize,
}

/// Returns the run of outside builds that ends with DST (which is outside).
///
/// Walks back from the newest reference; those that say nothing are passed over. One inside
/// between two outside does not end the run (a lucky night), a second one does, so that a metric
/// which is bad every other night does not look like one lasting loss.
pub fn run(past: &[Past]) -> Run {
    let mut found = Run {
        first: None,
        builds: 1,
    };
    let mut lucky = false;
    let mut index = past.len();
    while index > 0 {
        index -= 1;
        match past[index] {
            Past::Unknown => {}
            Past::Outside => {
                found = Run {
                    first: Some(index),
                    builds: found.builds + 1,
                }
            }
            Past::Inside => {
                let older = past[..index]
                    .iter()
                    .rev()
                    .find(|state| **state != Past::Unknown);
                if lucky || older != Some(&Past::Outside) {
                    break;
                }
                lucky = true;
            }
        }
    }
    found
}

/// Returns whether the metric is known to be unsteady: with [`FLAKY_REFERENCES`] or more, at least
/// [`FLAKY_SHARE`] of the references older than the present run were outside too.
///
/// References that say nothing do not count as older ones. A loss that lasts is all run and has no
/// older outside builds, so it never becomes flaky.
#[expect(clippy::cast_precision_loss, reason = "numbers of builds are small")]
pub fn flaky(past: &[Past], run: Run) -> bool {
    if past.len() < FLAKY_REFERENCES {
        return false;
    }
    let older = &past[..run.first.unwrap_or(past.len())];
    let count = |wanted| older.iter().filter(|state| **state == wanted).count();
    let outside = count(Past::Outside);
    outside > 0 && outside as f64 >= FLAKY_SHARE * (outside + count(Past::Inside)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `o` outside, `.` inside, ` ` unknown; oldest first.
    fn past(text: &str) -> Vec<Past> {
        text.chars()
            .map(|c| match c {
                'o' => Past::Outside,
                '.' => Past::Inside,
                _ => Past::Unknown,
            })
            .collect()
    }

    #[test]
    fn the_run_is_found_by_walking_back() {
        for (text, first, builds) in [
            ("", None, 1),
            ("....", None, 1),
            ("..oo", Some(2), 3),
            ("..o.", Some(2), 2),
            ("..o.o", Some(2), 3),
            ("o..o", Some(3), 2),
            ("o.o.o", Some(2), 3),
            ("oooo", Some(0), 5),
            (".o  o", Some(1), 3),
            ("  ", None, 1),
        ] {
            assert_eq!(run(&past(text)), Run { first, builds }, "`{text}`");
        }
    }

    #[test]
    fn a_lasting_loss_is_never_flaky_an_old_unsteadiness_is() {
        for (text, expected) in [
            ("oooooooooo", false),
            ("......oooo", false),
            ("o....", true),
            ("o....oooo", true),
            ("o.........", false),
            ("oo........", true),
            ("o...", false),
            (".o.o.o.o", true),
            ("     ", false),
        ] {
            let past = past(text);
            assert_eq!(flaky(&past, run(&past)), expected, "`{text}`");
        }
    }
}
