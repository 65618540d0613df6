//! Small results: only what the right half reads.
