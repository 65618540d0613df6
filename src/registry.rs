//! Names of things that can be asked for, and how to make them.
//!
//! Profiles, tests and provisioners each have one table of [`Entry`]; `--list`, name lookup and
//! parameter help all read it. A name is found exactly, then ignoring case, then by alias, so
//! that a new alias can never hide an old name.

use crate::tests::params::Param;

/// One name in a table.
#[derive(Debug)]
pub struct Entry<B: 'static> {
    /// As it is written in paths and help.
    pub name: &'static str,
    /// Other spellings that find it.
    pub aliases: &'static [&'static str],
    /// One sentence.
    pub summary: &'static str,
    /// Parameters of the JSON object behind the name.
    pub params: &'static [Param],
    /// How it is made.
    pub available: Available<B>,
}

/// Whether this build can make the thing.
#[derive(Debug)]
pub enum Available<B> {
    /// By this function.
    Built(B),
    /// The name is reserved for it.
    NotYet,
}

impl<B> Entry<B> {
    /// A name that is known and not in this build yet.
    pub(crate) const fn not_yet(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            summary,
            params: &[],
            available: Available::NotYet,
        }
    }
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Nobody has heard of it.
    #[error("unknown {kind} `{name}`")]
    Unknown {
        /// `test`, `profile`, `provisioner`.
        kind: &'static str,
        /// What was typed.
        name: String,
        /// The nearest known name.
        near: Option<String>,
    },
    /// It is planned.
    #[error("{kind} `{name}` is not in this build yet")]
    NotYet {
        /// `test`, `profile`, `provisioner`.
        kind: &'static str,
        /// Its proper spelling.
        name: String,
    },
}

impl LookupError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> String {
        match self {
            LookupError::Unknown {
                near: Some(near), ..
            } => {
                format!("did you mean `{near}`? `run-perf --list` shows every name")
            }
            _ => "`run-perf --list` shows every name and which of them this build can run".into(),
        }
    }
}

/// Finds the entry a typed name means: exactly, then ignoring case, then by alias.
///
/// # Errors
/// [`LookupError::Unknown`] with the nearest name. An entry that is not built yet is found.
pub fn find<'a, B>(
    kind: &'static str,
    entries: &'a [Entry<B>],
    typed: &str,
) -> Result<&'a Entry<B>, LookupError> {
    let exact = entries.iter().find(|entry| entry.name == typed);
    let folded = || {
        entries
            .iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(typed))
    };
    let alias = || {
        entries.iter().find(|entry| {
            entry
                .aliases
                .iter()
                .any(|alias| alias.eq_ignore_ascii_case(typed))
        })
    };
    exact
        .or_else(folded)
        .or_else(alias)
        .ok_or_else(|| LookupError::Unknown {
            kind,
            name: crate::text::one_line(typed),
            near: crate::text::nearest(typed, names(entries)).map(str::to_owned),
        })
}

/// Returns every name and alias of a table.
pub fn names<B>(entries: &[Entry<B>]) -> impl Iterator<Item = &'static str> {
    entries
        .iter()
        .flat_map(|entry| std::iter::once(entry.name).chain(entry.aliases.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Entry<()>] = &[
        Entry {
            name: "dummy",
            aliases: &["DummyTest"],
            summary: "",
            params: &[],
            available: Available::Built(()),
        },
        Entry::not_yet("Dummy", "differs in case only"),
        Entry::not_yet("beaker", ""),
    ];

    #[test]
    fn exact_names_win_over_case_and_case_over_aliases() {
        let found = |typed| find("test", TABLE, typed).map(|entry| entry.name);
        assert_eq!(found("Dummy"), Ok("Dummy"));
        assert_eq!(found("DUMMY"), Ok("dummy"), "the first that fits");
        assert_eq!(found("dummytest"), Ok("dummy"));
        assert_eq!(found("Beaker"), Ok("beaker"));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_one() {
        let error = find("test", TABLE, "beeker").expect_err("no such test");
        assert_eq!(error.to_string(), "unknown test `beeker`");
        assert_eq!(
            error.hint(),
            "did you mean `beaker`? `run-perf --list` shows every name"
        );
        assert!(find("test", TABLE, "").is_err());
    }
}
