//! spoilers
