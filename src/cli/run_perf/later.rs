//! Options of later builds. They are known already, hidden, so that no abbreviation changes its
//! meaning when they arrive and `--keep` is never taken for `--keep-tmp-files`.

use clap::Args;

/// Options that parse and then say that they are not in this build yet.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Later {
    #[arg(long, hide = true, value_name = "FILE|DIR")]
    racefile: Option<String>,
    #[arg(long, hide = true, alias = "no-clean")]
    keep: bool,
}

impl Later {
    /// Returns the first option that was used.
    pub(super) fn used(&self) -> Option<&'static str> {
        let Self { racefile, keep } = self;
        [("--racefile", racefile.is_some()), ("--keep", *keep)]
            .into_iter()
            .find_map(|(name, used)| used.then_some(name))
    }
}
