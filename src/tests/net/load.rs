//! What is sent: protocol, direction, size of messages, how many at once.

use serde_json::{Map, Value};

use crate::tests::params::{Param, ParamError, Params};
use crate::tests::tool::options;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The client.
    Stream,
    /// The server: the word backwards.
    Maerts,
    /// Both at once.
    Bidirec,
    /// The client asks, the server answers.
    Rr,
}

const KINDS: &[(&str, Kind)] = &[
    ("stream", Kind::Stream),
    ("maerts", Kind::Maerts),
    ("bidirec", Kind::Bidirec),
    ("rr", Kind::Rr),
];

impl Kind {
    /// Returns the name of the test type.
    pub fn name(self) -> &'static str {
        let found = KINDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

/// One iteration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// `tcp`, `udp`.
    pub protocol: String,
    /// Who sends.
    pub kind: Kind,
    /// Bytes of a message.
    pub size: u64,
    /// Threads or streams of each client.
    pub instances: u64,
}

impl Load {
    /// Returns `tcp_stream-64B-1i`, as pbench-uperf names it.
    pub fn name(&self) -> String {
        let Self {
            protocol,
            kind,
            size,
            instances,
        } = self;
        format!("{protocol}_{}-{size}B-{instances}i", kind.name())
    }

    /// Returns what pbench records of it.
    pub fn benchmark(&self) -> Map<String, Value> {
        let benchmark = serde_json::json!({
            "protocol": self.protocol,
            "test_type": self.kind.name(),
            "message_size_bytes": self.size,
            "instances": self.instances,
        });
        benchmark.as_object().cloned().unwrap_or_default()
    }
}

/// Protocols to choose from.
pub const PROTOCOLS: &str = "protocols";
/// Kinds to choose from.
pub const TYPES: &str = "test-types";
/// Sizes.
pub const SIZES: &str = "message-sizes";
/// Instances.
pub const INSTANCES: &str = "instances";

/// Row of the table of parameters.
pub const fn sizes(default: &'static str) -> Param {
    Param::new(SIZES, &["message-size"], default, "Bytes of a message")
}

/// What one program can do, and what it does unless told otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Protocols.
    pub protocols: &'static [&'static str],
    /// Test types.
    pub types: &'static [&'static str],
    /// Unless `message-sizes` is given.
    pub sizes: &'static [&'static str],
    /// Unless `instances` is given.
    pub instances: &'static [&'static str],
    /// Largest message.
    pub largest: u64,
    /// Most instances.
    pub most: u64,
}

/// Largest payload of a UDP datagram over IPv4.
const LARGEST_DATAGRAM: u64 = 65_507;

/// Reads the cross product: by protocol, test type, size, instances.
///
/// # Errors
/// [`ParamError`] naming the parameter, what was expected and found.
pub fn read(params: &Params, choice: &Choice) -> Result<Vec<Load>, ParamError> {
    let protocols = options::words(params, PROTOCOLS, &["tcp"], choice.protocols)?;
    let types = options::words(params, TYPES, &["stream"], choice.types)?;
    let sizes = options::numbers(params, SIZES, choice.sizes, 1, choice.largest)?;
    let instances = options::numbers(params, INSTANCES, choice.instances, 1, choice.most)?;
    let datagrams = protocols.iter().any(|protocol| protocol == "udp");
    if let Some(size) = sizes
        .iter()
        .find(|size| datagrams && **size > LARGEST_DATAGRAM)
    {
        let message = format!(
            "expected at most {LARGEST_DATAGRAM} for udp, found `{size}`; a datagram holds no more"
        );
        return Err(params.invalid(SIZES, message));
    }
    let mut loads = Vec::new();
    for protocol in &protocols {
        for (_, kind) in types
            .iter()
            .filter_map(|name| KINDS.iter().find(|(known, _)| known == name))
        {
            for size in &sizes {
                loads.extend(instances.iter().map(|instances| Load {
                    protocol: protocol.clone(),
                    kind: *kind,
                    size: *size,
                    instances: *instances,
                }));
            }
        }
    }
    Ok(loads)
}
