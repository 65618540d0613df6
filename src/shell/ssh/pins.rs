//! Host keys of machines that were installed for this run: nobody could know them before.
//!
//! The key such a machine shows first is its key from then on, whatever `known_hosts` says of the
//! system that was there before it. It is kept with the run, so that recovery knows it, and not in
//! the person's own files: the next installation makes another one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::known_hosts::{all_keys, remember};

/// The pinned host keys of a run.
#[derive(Debug, Default)]
pub struct Pins(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    file: Option<PathBuf>,
    awaited: BTreeSet<String>,
    keys: BTreeMap<String, Vec<u8>>,
}

/// What pins say about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pinned {
    /// Nothing: the machine was there before the run.
    Nothing,
    /// It is the machine's, or is from now on.
    Fits,
    /// The machine showed another one, kept in this file.
    Differs(PathBuf),
}

impl Pins {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps pins in this file from now on (`known_hosts` format), and takes over those that are in it.
    pub fn keep_in(&self, file: &Path) {
        let mut state = self.lock();
        for (name, key) in all_keys(file) {
            // The last one is the one in force.
            state.keys.insert(name, key);
        }
        state.file = Some(file.to_owned());
    }

    /// The machine was installed anew: the key it shows next is its key.
    pub(super) fn expect_new(&self, name: &str) {
        let mut state = self.lock();
        state.keys.remove(name);
        state.awaited.insert(name.to_owned());
    }

    /// Returns the key that is pinned.
    pub(super) fn key(&self, name: &str) -> Option<Vec<u8>> {
        self.lock().keys.get(name).cloned()
    }

    /// Judges the key a machine shows; pins it when the machine was just installed.
    pub(super) fn judge(&self, name: &str, key: &[u8]) -> Pinned {
        let mut state = self.lock();
        if let Some(pinned) = state.keys.get(name) {
            return if pinned == key {
                Pinned::Fits
            } else {
                Pinned::Differs(state.file.clone().unwrap_or_default())
            };
        }
        if !state.awaited.remove(name) {
            return Pinned::Nothing;
        }
        state.keys.insert(name.to_owned(), key.to_vec());
        if let Some(file) = &state.file
            && let Err(error) = remember(file, name, key)
        {
            tracing::warn!(host = name, file = %file.display(), %error, "a host key could not be kept; --recover will not know the host");
        }
        Pinned::Fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_after_an_installation_is_the_one() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("__known_hosts__");
        let pins = Pins::default();
        pins.keep_in(&file);
        let (old, new) = (b"\0\0\0\x03old+".as_slice(), b"\0\0\0\x03new+".as_slice());
        assert_eq!(pins.judge("lab", old), Pinned::Nothing);
        pins.expect_new("lab");
        assert_eq!(pins.judge("lab", old), Pinned::Fits);
        assert_eq!(pins.judge("lab", new), Pinned::Differs(file.clone()));
        assert_eq!(pins.judge("other", new), Pinned::Nothing);
        // Installed once more; another process takes over.
        pins.expect_new("lab");
        assert_eq!(pins.judge("lab", new), Pinned::Fits);
        let later = Pins::default();
        later.keep_in(&file);
        assert_eq!(later.key("lab").as_deref(), Some(new));
        assert_eq!(later.judge("lab", old), Pinned::Differs(file));
    }
}
