//! Machines out of nothing. None is in this build yet; their names are known.

pub mod registry;
