//! A unix socket here that ends at a connection made before: for programs that can only be told a path.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Between two looks whether anybody still wants it.
const SLICE: Duration = Duration::from_millis(50);

/// Takes one caller at a path and carries its bytes to the far end and back. Dropped, it hangs up
/// both and removes the path.
#[derive(Debug)]
pub struct Relay {
    path: PathBuf,
    far: UnixStream,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens at `path`, which nobody else may be able to reach: whoever calls first is served.
    ///
    /// # Errors
    /// When the path is taken, longer than a socket's may be (107 bytes), or cannot be made.
    pub fn listen(path: &Path, far: UnixStream) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let (carried, asked) = (far.try_clone()?, Arc::clone(&over));
        let thread = std::thread::Builder::new()
            .name("relay".into())
            .spawn(move || {
                if let Some(near) = accept(&listener, &asked) {
                    // Nobody else gets in, and a second caller is refused at once.
                    drop(listener);
                    carry(&near, &carried);
                }
            })?;
        Ok(Self {
            path: path.to_owned(),
            far,
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = self.far.shutdown(Shutdown::Both);
        let _ = std::fs::remove_file(&self.path);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &UnixListener, over: &AtomicBool) -> Option<UnixStream> {
    while !over.load(Ordering::SeqCst) {
        if let Ok((near, _)) = listener.accept() {
            near.set_nonblocking(false).ok()?;
            return Some(near);
        }
        let slice = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(SLICE.subsec_nanos()),
        };
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&slice));
    }
    None
}

/// Both ways until either end hangs up, which the other one is told.
fn carry(near: &UnixStream, far: &UnixStream) {
    let one_way = |mut from: &UnixStream, mut to: &UnixStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| one_way(near, far));
        one_way(far, near);
    });
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn one_caller_is_carried_to_the_far_end_and_hung_up_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let (far, mut other) = UnixStream::pair().expect("a pair");
        let relay = Relay::listen(&path, far).expect("it listens");
        let mut caller = UnixStream::connect(&path).expect("it takes a caller");
        caller.write_all(b"ping").expect("sent");
        let mut got = [0; 4];
        other.read_exact(&mut got).expect("carried");
        assert_eq!(&got, b"ping");
        other.write_all(b"pong").expect("sent");
        caller.read_exact(&mut got).expect("carried back");
        assert_eq!(&got, b"pong");
        assert!(UnixStream::connect(&path).is_err(), "one caller only");
        drop(other);
        assert_eq!(caller.read(&mut got).expect("hung up"), 0);
        drop(relay);
        assert!(!path.exists());
    }

    #[test]
    fn nobody_called_and_it_goes_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let (far, mut other) = UnixStream::pair().expect("a pair");
        drop(Relay::listen(&path, far).expect("it listens"));
        assert!(!path.exists());
        assert_eq!(other.read(&mut [0]).expect("hung up"), 0);
    }
}
