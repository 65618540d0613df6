//! One connection: a socket, the handshake, the host key, the login.
//!
//! libssh2 must not be used by several threads at a time for one connection, and none of its calls
//! may block longer than the limits allow: everything is non-blocking and waits in short slices.

use std::cell::Cell;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, ErrorCode, MethodType, Session};

use super::bridge;
use super::known_hosts::{KnownKeys, Verdict, fingerprint, host_pattern, kind_of, remember};
use super::login::log_in;
use super::pins::Pinned;
use super::route::{Hop, Route, Settings};
use crate::control::options::HostKeys;
use crate::shell::{Limits, ShellError};

/// Between two looks at the limits.
pub(super) const SLICE: Duration = Duration::from_millis(50);
/// How long sent bytes may stay unacknowledged until the network counts as cut.
const UNACKNOWLEDGED_MS: u32 = 30_000;
/// After this time without traffic the kernel looks whether the other side is there.
const IDLE: Duration = Duration::from_secs(30);
/// Between two signs of life on a connection that is in use.
const KEEP_ALIVE_S: u32 = 10;
/// libssh2's "would block".
const EAGAIN: i32 = -37;

/// Why there is no connection, or why it ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// A limit of the caller: cancelled, or its time is over.
    Cut,
    /// The server may only be busy: another try can help.
    Again(ShellError),
    /// Another try would not help.
    Final(ShellError),
}

/// Why a step of the protocol gave nothing.
#[derive(Debug)]
pub(super) enum StepError {
    Cut,
    Slow,
    Ssh(ssh2::Error),
}

/// How long a step may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) limits: &'a Limits,
    pub(super) until: Instant,
}

impl Patience<'_> {
    /// Returns whether a limit of the caller is over.
    pub(super) fn cut(&self) -> bool {
        is_over(self.limits)
    }
}

/// Returns whether the work should stop.
pub(super) fn is_over(limits: &Limits) -> bool {
    limits.cancel.is_cancelled()
        || limits
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
}

/// The socket under a session, once more: for waiting and for closing.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Bridged(UnixStream),
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Socket::Tcp(stream) => Socket::Tcp(stream.try_clone()?),
            Socket::Bridged(stream) => Socket::Bridged(stream.try_clone()?),
        })
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Bridged(stream) => stream.as_fd(),
        }
    }
}

/// A connection that is logged in.
pub(super) struct Connection {
    pub(super) session: Session,
    socket: Socket,
    /// Tells the connections of one machine apart.
    pub(super) number: u64,
    /// Whether the private folder was there when this connection was first used.
    pub(super) private: Cell<Option<bool>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    /// Closes the socket first, so that libssh2 frees its memory without talking to anybody.
    fn drop(&mut self) {
        self.session.set_blocking(false);
        let _ = match &self.socket {
            Socket::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Socket::Bridged(stream) => stream.shutdown(std::net::Shutdown::Both),
        };
    }
}

impl Connection {
    /// Opens a connection along a route.
    pub(super) fn open(route: &Route, number: u64, limits: &Limits) -> Result<Self, Fault> {
        let mut at: Option<(Self, &Hop)> = None;
        for hop in &route.hops {
            let patience = Patience {
                limits,
                until: Instant::now() + hop.connect_limit,
            };
            let socket = match at.take() {
                None => Socket::Tcp(connect(hop, &patience)?),
                Some((jump, _)) => {
                    let stream = bridge::start(jump, &hop.host, hop.port, &patience);
                    Socket::Bridged(stream.map_err(|error| unreachable(hop, error))?)
                }
            };
            let mut connection = Self::new(socket, number)
                .map_err(|error| Fault::Final(connect_error(hop, error)))?;
            connection.shake_hands(hop, &route.settings, &patience)?;
            log_in(&connection, hop, &route.settings.passwords, &patience)?;
            connection.session.set_keepalive(true, KEEP_ALIVE_S);
            at = Some((connection, hop));
        }
        let (connection, _) = at.expect("a route has at least one hop: Route::resolve");
        Ok(connection)
    }

    fn new(socket: Socket, number: u64) -> io::Result<Self> {
        let mut session = Session::new()?;
        session.set_blocking(false);
        prefer_fast_ciphers(&session);
        session.set_tcp_stream(socket.try_clone()?);
        Ok(Self {
            session,
            socket,
            number,
            private: Cell::new(None),
        })
    }

    fn shake_hands(
        &mut self,
        hop: &Hop,
        settings: &Settings,
        patience: &Patience<'_>,
    ) -> Result<(), Fault> {
        let name = host_pattern(&hop.host, hop.port);
        let known = KnownKeys::load(&hop.known_hosts, &name);
        match settings.pins.key(&name) {
            Some(pinned) => prefer(&self.session, &[&kind_of(&pinned)]),
            None => prefer(&self.session, &known.kinds()),
        }
        let mut session = self.session.clone();
        let shaken = self.step(patience, |_| session.handshake());
        shaken.map_err(|error| match error {
            StepError::Cut => Fault::Cut,
            StepError::Slow => Fault::Final(connect_error(hop, too_slow(hop, "it did not greet"))),
            // A server with MaxStartups closes before or while it greets.
            StepError::Ssh(error) => Fault::Again(connect_error(hop, error.into())),
        })?;
        let key = self
            .session
            .host_key()
            .map(|(key, _)| key.to_vec())
            .unwrap_or_default();
        check_key(hop, settings, &name, &known, &key)
    }

    /// Repeats a call until it does not block any more.
    pub(super) fn step<T>(
        &self,
        patience: &Patience<'_>,
        mut call: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, StepError> {
        loop {
            match call(&self.session) {
                Err(error) if would_block(&error) => {}
                other => return other.map_err(StepError::Ssh),
            }
            if patience.cut() {
                return Err(StepError::Cut);
            }
            if Instant::now() >= patience.until {
                return Err(StepError::Slow);
            }
            self.wait(SLICE, None);
        }
    }

    /// Waits until the socket can go on, `wake` can be read, or the time is over.
    pub(super) fn wait(&self, at_most: Duration, wake: Option<BorrowedFd<'_>>) {
        let mut fds = vec![self.poll_fd()];
        fds.extend(wake.map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)));
        wait_for(&mut fds, at_most);
    }

    /// Returns what the session waits for.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        let flags = match self.session.block_directions() {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        };
        PollFd::new(&self.socket, flags)
    }

    /// Sends a sign of life when one is due.
    pub(super) fn keep_alive(&self) {
        // A broken connection is noticed by the next read.
        let _ = self.session.keepalive_send();
    }
}

/// Waits for any of these; being woken for nothing is harmless.
pub(super) fn wait_for(fds: &mut [PollFd<'_>], at_most: Duration) {
    let time = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(1),
        tv_nsec: i64::from(at_most.subsec_nanos()),
    };
    let _ = poll(fds, Some(&time));
}

pub(super) fn would_block(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(EAGAIN)
}

pub(super) fn connect_error(hop: &Hop, source: io::Error) -> ShellError {
    ShellError::Connect {
        target: hop.target(),
        source,
    }
}

pub(super) fn too_slow(hop: &Hop, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("{what} within {} s", hop.connect_limit.as_secs()),
    )
}

/// The error of a channel through a jump host.
fn unreachable(hop: &Hop, error: StepError) -> Fault {
    match error {
        StepError::Cut => Fault::Cut,
        StepError::Slow => Fault::Final(connect_error(
            hop,
            too_slow(hop, "the jump host did not reach it"),
        )),
        StepError::Ssh(error) => Fault::Final(connect_error(hop, error.into())),
    }
}

/// Looks the name up and connects, in a thread: neither can be interrupted.
fn connect(hop: &Hop, patience: &Patience<'_>) -> Result<TcpStream, Fault> {
    let (send, receive) = mpsc::channel();
    let (host, port, until) = (hop.host.clone(), hop.port, patience.until);
    std::thread::spawn(move || drop(send.send(connect_to_any(&host, port, until))));
    loop {
        match receive.recv_timeout(SLICE) {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
                // Also keeps what is between us and the machine from forgetting an idle connection.
                let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, IDLE);
                let _ = rustix::net::sockopt::set_tcp_keepintvl(&stream, IDLE / 3);
                let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS);
                return Ok(stream);
            }
            Ok(Err(error)) => return Err(Fault::Final(connect_error(hop, error))),
            Err(RecvTimeoutError::Timeout) if patience.cut() => return Err(Fault::Cut),
            Err(RecvTimeoutError::Timeout) if Instant::now() < patience.until => {}
            Err(_) => {
                return Err(Fault::Final(connect_error(
                    hop,
                    too_slow(hop, "it did not answer"),
                )));
            }
        }
    }
}

fn connect_to_any(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        let left = until.saturating_duration_since(Instant::now()).max(SLICE);
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// libssh2 prefers ChaCha20, which it brings in plain C; AES in Galois mode is OpenSSL's own assembly
/// and carries several times as much (docs/decisions.md has the figures).
fn prefer_fast_ciphers(session: &Session) {
    for kind in [MethodType::CryptCs, MethodType::CryptSc] {
        let Ok(mut names) = session.supported_algs(kind) else {
            continue;
        };
        names.sort_by_key(|name| {
            let order = ["aes128-gcm", "aes256-gcm", "aes128-ctr", "aes"];
            let place = order.iter().position(|begin| name.starts_with(begin));
            // What follows in libssh2's own order: ChaCha20 first.
            (name.ends_with("-cbc"), place.unwrap_or(order.len()))
        });
        let _ = session.method_pref(kind, &names.join(","));
    }
}

/// Asks the server for a key of a kind that is known, as OpenSSH does: it has several.
fn prefer(session: &Session, known: &[&str]) {
    let Ok(mut names) = session.supported_algs(MethodType::HostKey) else {
        return;
    };
    // Signatures of RSA keys go by the name of their hash.
    let kind = |name: &str| {
        if name.starts_with("rsa-sha2-") {
            "ssh-rsa".to_owned()
        } else {
            name.to_owned()
        }
    };
    names.sort_by_key(|name| !known.contains(&kind(name).as_str()));
    let _ = session.method_pref(MethodType::HostKey, &names.join(","));
}

fn check_key(
    hop: &Hop,
    settings: &Settings,
    name: &str,
    known: &KnownKeys,
    key: &[u8],
) -> Result<(), Fault> {
    let print = fingerprint(key);
    let kind = kind_of(key);
    let refuse = |reason: String, hint: String| {
        Err(Fault::Final(ShellError::HostKey {
            target: hop.target(),
            reason,
            hint,
        }))
    };
    let file = match settings.pins.judge(name, key) {
        Pinned::Fits => {
            tracing::debug!(host = %name, key = %print, "host key pinned for this run");
            return Ok(());
        }
        Pinned::Differs(_) if settings.host_keys == HostKeys::Ignore => return Ok(()),
        Pinned::Differs(file) => Some(file),
        Pinned::Nothing => None,
    };
    if let Some(file) = file {
        return refuse(
            format!(
                "has changed: it is {kind} {print}, the machine showed another one when it was provisioned ({})",
                file.display()
            ),
            "if it was installed once more since then, give --host-keys ignore".into(),
        );
    }
    match (known.judge(key), settings.host_keys) {
        (Verdict::Known, _) => Ok(()),
        (verdict, HostKeys::Ignore) => {
            tracing::debug!(host = %name, key = %print, ?verdict, "host key not checked");
            Ok(())
        }
        (Verdict::Unknown, HostKeys::AcceptNew) => {
            tracing::info!(host = %name, key = %print, "host key accepted");
            remember(&hop.known_hosts[0], name, key).or_else(|error| {
                let file = hop.known_hosts[0].display();
                refuse(
                    format!("is new ({kind} {print}) and cannot be kept in {file}: {error}"),
                    String::new(),
                )
            })
        }
        (Verdict::Unknown, HostKeys::Strict) => refuse(
            format!("is not known: {kind} {print}"),
            format!(
                "compare the fingerprint, then `ssh {0}{1}` once, or accept new keys with --host-keys accept-new",
                if hop.port == 22 {
                    String::new()
                } else {
                    format!("-p {} ", hop.port)
                },
                hop.host
            ),
        ),
        (Verdict::Changed { file, line }, _) => refuse(
            format!(
                "has changed: it is {kind} {print}, {}:{line} has another one",
                file.display()
            ),
            format!(
                "if the machine was installed anew, `ssh-keygen -R '{name}' -f {}`",
                file.display()
            ),
        ),
        (Verdict::Revoked { file, line }, _) => refuse(
            format!("({kind} {print}) is revoked by {}:{line}", file.display()),
            "do not use this machine until its key has been replaced".into(),
        ),
    }
}
