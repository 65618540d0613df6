//! uperf's profiles: the XML that says what client and server do.

use std::fmt::Write as _;

use crate::tests::net::load::{Kind, Load};

/// Messages of a stream that one operation sends.
const COUNT: u32 = 16;

/// Returns the profile of a load: `seconds` of work against the server at `to`, which must be safe
/// in XML.
///
/// Three transactions of each group: opening the connection, the work, closing it. The second one is
/// measured.
pub fn profile(load: &Load, to: &str, seconds: u64) -> String {
    let Load {
        protocol,
        kind,
        size,
        instances,
    } = load;
    let stream = (
        "connect",
        vec![format!(
            "type=\"write\" options=\"count={COUNT} size={size}\""
        )],
    );
    let maerts = (
        "accept",
        vec![format!(
            "type=\"read\" options=\"count={COUNT} size={size}\""
        )],
    );
    let groups = match kind {
        Kind::Stream => vec![stream],
        Kind::Maerts => vec![maerts],
        Kind::Bidirec => vec![stream, maerts],
        Kind::Rr => {
            let one = |what: &str| format!("type=\"{what}\" options=\"size={size}\"");
            vec![("connect", vec![one("write"), one("read")])]
        }
    };
    let mut xml = format!(
        "<?xml version=\"1.0\"?>\n<profile name=\"{protocol}-{}-{size}B-{instances}i\">\n",
        kind.name()
    );
    let transaction = |how: &str, flowops: &[String], xml: &mut String| {
        let _ = writeln!(xml, "    <transaction {how}>");
        for flowop in flowops {
            let _ = writeln!(xml, "      <flowop {flowop}/>");
        }
        let _ = writeln!(xml, "    </transaction>");
    };
    for (open, work) in groups {
        let _ = writeln!(xml, "  <group nthreads=\"{instances}\">");
        let open = format!("type=\"{open}\" options=\"remotehost={to} protocol={protocol}\"");
        transaction("iterations=\"1\"", &[open], &mut xml);
        transaction(&format!("duration=\"{seconds}s\""), &work, &mut xml);
        transaction(
            "iterations=\"1\"",
            &["type=\"disconnect\"".to_owned()],
            &mut xml,
        );
        xml.push_str("  </group>\n");
    }
    xml.push_str("</profile>\n");
    xml
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn profiles_are_those_the_recordings_were_made_with() {
        for (case, protocol, kind, size, instances, seconds) in [
            ("01-tcp-stream-64B-1t-raw", "tcp", Kind::Stream, 64, 1, 11),
            ("05-tcp-rr-1024B-4t-raw", "tcp", Kind::Rr, 1024, 4, 11),
            (
                "06-udp-stream-1024B-1t-raw",
                "udp",
                Kind::Stream,
                1024,
                1,
                5,
            ),
            (
                "08-tcp-maerts-16384B-1t-raw",
                "tcp",
                Kind::Maerts,
                16384,
                1,
                5,
            ),
            (
                "09-tcp-bidirec-1024B-1t-raw",
                "tcp",
                Kind::Bidirec,
                1024,
                1,
                5,
            ),
        ] {
            let path = format!(
                "{}/tests/fixtures/uperf/{case}/profile.xml",
                env!("CARGO_MANIFEST_DIR")
            );
            let recorded = std::fs::read_to_string(path).expect("fixture");
            let load = Load {
                protocol: protocol.into(),
                kind,
                size,
                instances,
            };
            assert_eq!(
                profile(&load, "127.0.0.1", seconds).trim(),
                recorded.trim(),
                "{case}"
            );
        }
    }
}
