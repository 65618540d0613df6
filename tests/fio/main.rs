//! The test `fio` with the real fio on this machine, through the local shell.
//!
//! Every case says `skipped: no fio` when there is none. Runs are a second or two; nothing here is
//! about how fast the machine is.

#[macro_use]
mod support;
mod ended;
mod figures;
mod pbench;
mod places;
mod running;
mod served;
mod workers;
