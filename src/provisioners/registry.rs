//! The table of provisioners.

use crate::registry::Entry;

/// Makes a provisioner; none is in this build yet.
pub type Build = fn() -> std::convert::Infallible;

/// Every provisioner this program knows, in the order of `--list`.
pub static PROVISIONERS: &[Entry<Build>] = &[
    Entry::not_yet("beaker", "Installs the hosts through Beaker"),
    Entry::not_yet("existing", "Checks that the hosts are what they should be"),
];
