//! Output of a command, kept in bounded memory and read by threads while it runs.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Bytes of a stream that are kept from its beginning.
pub(crate) const HEAD_BYTES: usize = 16 << 20;
/// Bytes of a stream that are kept from its end, once the beginning is full.
pub(crate) const TAIL_BYTES: usize = 16 << 20;

/// Beginning and end of a stream; what lies between is counted and forgotten.
#[derive(Debug)]
pub(crate) struct Clip {
    head: Vec<u8>,
    /// Ring: grows to `tail_limit`, then the oldest byte is at `oldest`.
    tail: Vec<u8>,
    oldest: usize,
    head_limit: usize,
    tail_limit: usize,
    total: u64,
}

impl Clip {
    pub(crate) fn new(head_limit: usize, tail_limit: usize) -> Self {
        Self {
            head: Vec::new(),
            tail: Vec::new(),
            oldest: 0,
            head_limit,
            tail_limit,
            total: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (head, mut rest) = bytes.split_at(bytes.len().min(self.head_limit - self.head.len()));
        self.head.extend_from_slice(head);
        if rest.len() > self.tail_limit {
            rest = &rest[rest.len() - self.tail_limit..];
        }
        let (grow, wrap) = rest.split_at(rest.len().min(self.tail_limit - self.tail.len()));
        self.tail.extend_from_slice(grow);
        let mut wrap = wrap;
        while !wrap.is_empty() {
            let (now, later) = wrap.split_at(wrap.len().min(self.tail_limit - self.oldest));
            self.tail[self.oldest..self.oldest + now.len()].copy_from_slice(now);
            self.oldest = (self.oldest + now.len()) % self.tail_limit;
            wrap = later;
        }
    }

    /// Returns what was kept; a line in the middle says how much is missing, if anything is.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let missing = self.total - self.head.len() as u64 - self.tail.len() as u64;
        if missing > 0 {
            self.head
                .extend_from_slice(format!("\n[{missing} bytes left out here]\n").as_bytes());
        }
        self.tail.rotate_left(self.oldest);
        self.head.append(&mut self.tail);
        self.head
    }
}

/// What the threads around one command know about it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) stdout: Option<Clip>,
    pub(crate) stderr: Option<Clip>,
    /// Streams that have not ended.
    pub(crate) open: usize,
    /// Last byte on any stream, or the start.
    pub(crate) last_output: Instant,
    /// The process itself has ended (it is not reaped yet).
    pub(crate) exited: bool,
}

/// [`State`] with the bell that rings when it changes in a way somebody waits for.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) bell: Condvar,
}

/// One of the two output streams.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                stdout: Some(Clip::new(HEAD_BYTES, TAIL_BYTES)),
                stderr: Some(Clip::new(HEAD_BYTES, TAIL_BYTES)),
                open: 2,
                last_output: Instant::now(),
                exited: false,
            }),
            bell: Condvar::new(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a stream brought; forgets it when the output has been taken away already.
    pub(crate) fn push(&self, which: Stream, bytes: &[u8]) {
        let mut state = self.lock();
        state.last_output = Instant::now();
        let clip = match which {
            Stream::Stdout => &mut state.stdout,
            Stream::Stderr => &mut state.stderr,
        };
        if let Some(clip) = clip {
            clip.push(bytes);
        }
    }

    /// Reads a stream to its end. When the output has been taken away already (a grandchild kept
    /// the pipe after the command ended) it goes on reading and forgets, so that the writer is
    /// neither blocked nor killed.
    pub(crate) fn drain(&self, mut from: impl Read, which: Stream) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.push(which, &buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.lock().open -= 1;
        self.bell.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::Clip;

    fn clip(head: usize, tail: usize, pieces: &[&str]) -> String {
        let mut clip = Clip::new(head, tail);
        for piece in pieces {
            clip.push(piece.as_bytes());
        }
        String::from_utf8_lossy(&clip.into_bytes()).into_owned()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(clip(4, 4, &["ab", "cd", "ef", "gh"]), "abcdefgh");
        assert_eq!(clip(4, 4, &[]), "");
    }

    #[test]
    fn the_middle_goes_first_and_is_counted() {
        assert_eq!(
            clip(2, 3, &["abcdefghij"]),
            "ab\n[5 bytes left out here]\nhij"
        );
        assert_eq!(
            clip(2, 3, &["abc", "d", "efg", "hij"]),
            "ab\n[5 bytes left out here]\nhij"
        );
        assert_eq!(
            clip(2, 3, &["a", "b", "c", "d", "e", "f"]),
            "ab\n[1 bytes left out here]\ndef"
        );
    }
}
