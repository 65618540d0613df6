//! Commands on this machine.
