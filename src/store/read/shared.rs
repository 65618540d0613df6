//! Values that many results have in common, kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A set of shared values; threads may use it at once.
#[derive(Debug)]
pub(super) struct Shared<T: ?Sized>(Mutex<HashSet<Arc<T>>>);

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    /// Returns the value that was first seen equal to this one.
    pub(super) fn share(&self, value: Arc<T>) -> Arc<T> {
        // A panic elsewhere leaves a set of values a set of values.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&value) {
            return Arc::clone(known);
        }
        known.insert(Arc::clone(&value));
        value
    }
}
