//! Job files: the built-in template, a user's own, and how both become what fio is given.
//!
//! A template holds `$target` (one section for each target) and `$@` (the value of this iteration
//! in `bs` and `rw`). Options given by the user replace what the template says wherever it says it;
//! one that stands nowhere is added to `[global]`, so that nothing given is without effect.

mod file;
mod section;
mod template;
#[cfg(test)]
mod unit;

pub use self::file::JobFile;
pub use self::template::{JobError, Template};

/// With this the name of every file starts that fio makes in a directory.
pub const OWN_FILES: &str = "runperf-fio-";

/// fio's option by which its servers name files after their clients.
pub const UNIQUE: &str = "unique_filename";

/// Where fio works, as the machine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Path, absolute.
    pub path: String,
    /// Whether it is a directory: fio then makes files of its own in it.
    pub directory: bool,
}

/// One option for [`Template::expand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// As fio spells it.
    pub key: &'static str,
    /// Value.
    pub value: String,
    /// Whether it must take effect: added to `[global]` when no section has the key. Defaults only
    /// replace what the template says.
    pub force: bool,
}
