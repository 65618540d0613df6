//! `strip-run-perf`, and what readers and writers of results do about broken, forbidden and full
//! places.

mod full_disk;
mod mutated;
mod permissions;
mod program;
mod support;
