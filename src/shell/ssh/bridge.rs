//! Channels to somewhere behind a machine as local sockets: the next machine of a route, or a unix
//! socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use ssh2::Channel;

use super::connection::{Connection, Patience, StepError, wait_for};

/// Without traffic, how often the jump host gets a sign of life.
const IDLE: Duration = Duration::from_secs(5);
const BUFFER: usize = 64 << 10;

/// Asks the jump host for a connection to `host`, and carries its bytes in a thread until the socket
/// that is returned is closed.
pub(super) fn start(
    jump: Connection,
    host: &str,
    port: u16,
    patience: &Patience<'_>,
) -> Result<UnixStream, StepError> {
    let channel = jump.step(patience, |session| {
        session.channel_direct_tcpip(host, port, None)
    })?;
    carried(jump, channel)
}

/// Asks a machine for a connection to one of its unix sockets, as [`start`].
pub(super) fn to_socket(
    machine: Connection,
    path: &str,
    patience: &Patience<'_>,
) -> Result<UnixStream, StepError> {
    let channel = machine.step(patience, |session| {
        session.channel_direct_streamlocal(path, None)
    })?;
    carried(machine, channel)
}

/// Carries the bytes of a channel in a thread.
fn carried(jump: Connection, channel: Channel) -> Result<UnixStream, StepError> {
    let broken = |_| StepError::Ssh(ssh2::Error::eof());
    let (near, far) = UnixStream::pair().map_err(broken)?;
    far.set_nonblocking(true).map_err(broken)?;
    std::thread::Builder::new()
        .name("ssh-jump".into())
        .spawn(move || carry(&jump, channel, far))
        .map_err(broken)?;
    Ok(near)
}

/// What waits to be sent one way.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    sent: usize,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Moves bytes one step; `None` when either end is closed.
    fn step(&mut self, from: &mut dyn Read, to: &mut dyn Write) -> Option<bool> {
        let blocked = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        let mut moved = false;
        if self.is_empty() {
            self.bytes.resize(BUFFER, 0);
            self.sent = 0;
            let count = match from.read(&mut self.bytes) {
                Ok(0) => return None,
                Ok(count) => count,
                Err(error) if blocked(&error) => 0,
                Err(_) => return None,
            };
            self.bytes.truncate(count);
            moved = count > 0;
        }
        if !self.is_empty() {
            match to.write(&self.bytes[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    moved |= count > 0;
                }
                Err(error) if blocked(&error) => {}
                Err(_) => return None,
            }
        }
        Some(moved)
    }
}

fn carry(jump: &Connection, mut channel: Channel, local: UnixStream) {
    let (mut out, mut back) = (Waiting::default(), Waiting::default());
    loop {
        let sent = out.step(&mut &local, &mut channel.stream(0));
        let got = back.step(&mut channel.stream(0), &mut &local);
        let (Some(sent), Some(got)) = (sent, got) else {
            break;
        };
        if sent || got {
            continue;
        }
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, out.is_empty());
        flags.set(PollFlags::OUT, !back.is_empty());
        wait_for(&mut [jump.poll_fd(), PollFd::new(&local, flags)], IDLE);
        jump.keep_alive();
    }
    // The other side learns that it is over; libssh2 frees the rest when the socket is closed.
    let _ = channel.close();
}
