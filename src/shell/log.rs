//! What was typed on each machine, kept in `__sessions__`.
