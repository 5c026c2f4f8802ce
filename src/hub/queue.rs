//! The state of one outbox: what waits for the socket, and whether anything more is accepted.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::Waker,
};

use bytes::Bytes;

use super::{frame, outbox::Sent};

/// Close code of a member that is too slow.
const TOO_SLOW: u16 = 1013;
/// Pieces joined into one write when a queue is written.
const PIECES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Clear,
    Blocked,
    Closing,
    Finished,
    Dead,
}

#[derive(Debug)]
pub(super) struct Out {
    queue: VecDeque<Bytes>,
    /// Who waits for the queue to become empty.
    pub(super) waiting: Vec<Waker>,
    /// The queue's first piece is no frame, and what follows means nothing without it.
    opening: bool,
    /// How much of the queue's first piece is on the wire.
    written: usize,
    /// What is queued, in bytes.
    pub(super) bytes: usize,
    pub(super) state: State,
    /// With which code this side closed; 0 when it did not.
    pub(super) code: u16,
}

impl Out {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            waiting: Vec::new(),
            opening: false,
            written: 0,
            bytes: 0,
            state: State::Clear,
            code: 0,
        }
    }

    /// Before anything else.
    pub(super) fn begin_with(&mut self, opening: Bytes) {
        self.push(opening);
        self.opening = true;
        self.state = State::Blocked;
    }

    pub(super) fn push(&mut self, frames: Bytes) {
        self.bytes += frames.len();
        self.queue.push_back(frames);
    }

    /// The socket took `n` bytes of these frames: the rest waits.
    pub(super) fn block(&mut self, frames: &Bytes, n: usize, limit: usize) -> Sent {
        self.push(frames.clone());
        self.written = n;
        self.bytes -= n;
        self.state = State::Blocked;
        if self.bytes > limit { self.overflow() } else { Sent::Queued }
    }

    /// Too much waits: only the frame that is half on the wire is finished, then 1013.
    pub(super) fn overflow(&mut self) -> Sent {
        if self.opening {
            return self.die();
        }
        let begun = self.queue.pop_front().filter(|_| self.written > 0);
        self.queue.clear();
        self.bytes = 0;
        if let Some(begun) = begun {
            let end = frame::boundary(&begun, self.written);
            if end > self.written {
                self.queue.push_back(begun.slice(..end));
                self.bytes = end - self.written;
            } else {
                self.written = 0;
            }
        }
        self.push(frame::close(TOO_SLOW, "too slow"));
        self.state = State::Closing;
        self.code = TOO_SLOW;
        Sent::Dropped
    }

    pub(super) fn die(&mut self) -> Sent {
        self.queue = VecDeque::new();
        self.bytes = 0;
        self.written = 0;
        self.state = State::Dead;
        Sent::Dropped
    }

    /// Has the first pieces written.
    pub(super) fn write_to(
        &self,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let mut written = self.written;
        let count = self.queue.len().min(PIECES);
        for (piece, frames) in pieces.iter_mut().zip(&self.queue) {
            *piece = IoSlice::new(frames.get(written..).unwrap_or_default());
            written = 0;
        }
        write(&pieces[..count])
    }

    /// `n` more bytes are on the wire.
    pub(super) fn advance(&mut self, n: usize) {
        self.bytes = self.bytes.saturating_sub(n);
        self.written += n;
        while let Some(front) = self.queue.front()
            && self.written >= front.len()
        {
            self.written -= front.len();
            self.queue.pop_front();
            self.opening = false;
        }
        if self.queue.is_empty() {
            // The capacity goes too: a queue is the exception, and most sockets are idle.
            self.queue = VecDeque::new();
            self.state = if self.state == State::Closing { State::Finished } else { State::Clear };
        }
    }
}
