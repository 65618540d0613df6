//! One sample: servers are started, all clients talk at the same time, servers are ended.

use std::path::Path;

use super::pairs::Pair;
use crate::shell::{CommandLine, Output};
use crate::tests::tool::Machine;
use crate::tests::tool::drive::{each, everywhere};
use crate::tests::tool::server::Server;
use crate::tests::{TestContext, TestError};
use crate::text;

/// A server's program.
#[derive(Debug, Clone)]
pub struct Served {
    /// As messages call it.
    pub name: &'static str,
    /// What is run.
    pub command: CommandLine,
    /// Where it listens, when that can be seen.
    pub port: Option<u16>,
}

/// Runs `client` for each pair while the server of each runs; servers are ended on every way out and
/// what they printed is kept below `raw/server-NAME-PORT/`.
///
/// # Errors
/// Of the servers' start, else the first one of a client, else of ending the servers.
pub fn talk<T: Send>(
    cx: &TestContext<'_>,
    machines: &[Machine],
    pairs: &[Pair],
    raw: &Path,
    serve: impl Fn(&Pair) -> Served + Sync,
    client: impl Fn(&Pair) -> Result<T, TestError> + Sync,
) -> Result<Vec<T>, TestError> {
    let limits = cx.run.limits();
    let started = each(pairs, |pair| {
        let Served {
            name,
            command,
            port,
        } = serve(pair);
        let folder = place(raw, pair);
        cx.keep(&folder.join("command"), format!("{command}\n").as_bytes())?;
        Server::start(&machines[pair.server], name, command, port, &limits)
    });
    let mut servers = Vec::new();
    let mut trouble: Option<TestError> = None;
    for (pair, server) in pairs.iter().zip(started) {
        match server {
            Ok(server) => servers.push((pair, server)),
            Err(error) => {
                trouble.get_or_insert(error);
            }
        }
    }
    let talked = match trouble {
        None => everywhere(pairs, client),
        Some(error) => Err(error),
    };
    let mut stopped = Ok(());
    for (pair, server) in servers {
        let ended = server.stop();
        let kept = ended.map_err(TestError::from).and_then(|output| {
            keep(cx, &place(raw, pair), &output)?;
            Ok(())
        });
        stopped = stopped.and(kept);
    }
    let talked = talked?;
    stopped?;
    Ok(talked)
}

fn place(raw: &Path, pair: &Pair) -> std::path::PathBuf {
    let name = format!("server-{}-{}", pair.server_name, pair.port);
    raw.join(text::file_name(&name))
}

fn keep(cx: &TestContext<'_>, folder: &Path, output: &Output) -> Result<(), TestError> {
    cx.keep(&folder.join("stdout"), &output.stdout)?;
    if !output.stderr.is_empty() {
        cx.keep(&folder.join("stderr"), &output.stderr)?;
    }
    Ok(())
}
