//! Remote hosts: the SSH shell against a real sshd on this machine, and run-perf against hosts that
//! are network namespaces (`tests/testbed/netns-hosts.sh`).
#![cfg(feature = "ssh")]
#![expect(clippy::print_stdout, reason = "what is skipped is said aloud")]

mod fio;
mod hosts;
mod many;
mod net;
mod payload;
mod provision;
mod refusals;
mod secrets;
mod set_up;
mod shell;
mod support;
#[path = "../testbed/hosts.rs"]
mod testbed;
mod tools;
mod vm_map;
