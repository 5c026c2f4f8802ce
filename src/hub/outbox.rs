//! What is on its way to one socket: written at once by whoever sends, or queued, within a limit.
//!
//! A sender never waits. While the socket takes everything, the sender's own thread writes to it
//! and nothing is queued. Once the socket takes only a part, the rest and all that follows queue
//! here and the connection's task, which alone waits for writability, writes them. Promises:
//!
//! - What is on the wire is always a run of whole frames, in the order in which they were sent,
//!   up to the last byte written.
//! - Nothing is lost unless the limit is passed, the outbox is closed, or the wire fails.
//! - Past the limit the queued whole frames are dropped, a half-written one is finished, and a
//!   Close frame (1013) follows: the client knows that it was too slow, and resumes.
//!
//! One mutex is held over the (non-blocking) write, because two writers must not interleave.

use std::{
    io::{self, ErrorKind, IoSlice},
    mem,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::queue::{Out, State};

/// Writes per call of [`Outbox::drain`]; then others have their turn.
const WRITES: usize = 16;

/// Something that takes bytes without waiting.
pub trait Wire {
    /// Writes what it can at once; `WouldBlock` when that is nothing.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// The same for a sender that does not wait for the wire afterwards.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }

    /// The same with several pieces, for one that may not know yet whether it takes anything.
    fn send_now_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(pieces)
    }

    /// The same as [`Wire::try_write`] with several pieces. May look at the first only.
    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        pieces.first().map_or(Ok(0), |piece| self.try_write(piece))
    }
}

impl Wire for tokio::net::TcpStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Self::try_write(self, bytes)
    }

    /// Past Tokio's record of the socket's readiness, which a fan-out would have to fetch into the cache for
    /// each member. A socket that takes nothing is found out by the connection's task, in `try_write`.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        socket2::SockRef::from(self).send(bytes)
    }

    fn send_now_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        socket2::SockRef::from(self).send_vectored(pieces)
    }

    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::try_write_vectored(self, pieces)
    }
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is on the wire.
    Written,
    /// It waits for the socket.
    Queued,
    /// It is lost: the member is closed, or was closed because of it.
    Dropped,
}

/// How far the connection's task came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing waits.
    Clear,
    /// The socket takes no more at the moment.
    Blocked,
    /// The socket takes more, but others should have their turn.
    More,
    /// The Close frame is on the wire; nothing will follow.
    Finished,
    /// The wire failed, or was given up.
    Dead,
}

/// The outbox of one socket.
#[derive(Debug)]
pub struct Outbox<W> {
    wire: W,
    limit: usize,
    task: AtomicWaker,
    out: Mutex<Out>,
}

impl<W: Wire> Outbox<W> {
    /// An empty one that queues at most `limit` bytes.
    pub const fn new(wire: W, limit: usize) -> Self {
        Self {
            wire,
            limit,
            task: AtomicWaker::new(),
            out: Mutex::new(Out::new()),
        }
    }

    /// One that begins with this, which is no frame: it waits for [`Outbox::begin`], and what is sent until then goes
    /// with it in one write.
    pub fn beginning_with(opening: Bytes, wire: W, limit: usize) -> Self {
        let outbox = Self::new(wire, limit);
        outbox.out.lock().begin_with(opening);
        outbox
    }

    /// Writes what it begins with, if anything, and what was sent since, as far as the wire takes it. The rest is the connection's task's,
    /// which has not run yet.
    pub fn begin(&self) {
        let mut out = self.out.lock();
        if !matches!(out.state, State::Blocked | State::Closing) {
            return;
        }
        match out.write_to(|pieces| self.wire.send_now_vectored(pieces)) {
            Ok(n) => out.advance(n),
            Err(error) if is_transient(&error) => {}
            Err(_) => drop(out.die()),
        }
    }

    /// Sends whole frames. Never waits.
    pub fn send(&self, frames: &Bytes) -> Sent {
        let mut out = self.out.lock();
        let sent = match out.state {
            State::Clear => match self.wire.send_now(frames) {
                Ok(n) if n == frames.len() => return Sent::Written,
                Ok(n) => out.block(frames, n, self.limit),
                Err(error) if is_transient(&error) => out.block(frames, 0, self.limit),
                Err(_) => out.die(),
            },
            State::Blocked => {
                if out.bytes + frames.len() <= self.limit {
                    out.push(frames.clone());
                    return Sent::Queued;
                }
                out.overflow()
            }
            State::Closing | State::Finished | State::Dead => return Sent::Dropped,
        };
        // Without this wake nobody would wait for the socket to become writable.
        self.wake(out);
        sent
    }

    /// Sends a last frame, which is a Close with this code, behind all that waits. Only the first
    /// call counts.
    pub fn close(&self, code: u16, frame: Bytes) {
        let mut out = self.out.lock();
        if matches!(out.state, State::Clear | State::Blocked) {
            out.push(frame);
            out.state = State::Closing;
            out.code = code;
            self.wake(out);
        }
    }

    /// Gives the socket up: nothing more is written.
    pub fn kill(&self) {
        let mut out = self.out.lock();
        out.die();
        self.wake(out);
    }

    /// Writes what waits, for the connection's task, which must have called
    /// [`Outbox::register`] before: what is queued after the look would otherwise go unnoticed.
    pub fn drain(&self) -> Progress {
        for _ in 0..WRITES {
            let mut out = self.out.lock();
            match out.state {
                State::Clear => return Progress::Clear,
                State::Finished => return Progress::Finished,
                State::Dead => return Progress::Dead,
                State::Blocked | State::Closing => {}
            }
            match out.write_to(|pieces| self.wire.try_write_vectored(pieces)) {
                Ok(0) => drop(out.die()),
                // What was written leaves the queue only now, when it is on the wire.
                Ok(n) => out.advance(n),
                Err(error) if is_transient(&error) => return Progress::Blocked,
                Err(_) => drop(out.die()),
            }
            if out.state != State::Blocked {
                wake_all(mem::take(&mut out.waiting));
            }
        }
        Progress::More
    }

    /// Remembers whom to wake when something must be written.
    pub fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Ready when nothing is queued, or nothing that is sent from now on would arrive.
    pub fn poll_drained(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut out = self.out.lock();
        if out.state != State::Blocked {
            return Poll::Ready(());
        }
        if !out.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            out.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether what is sent now can arrive.
    pub fn is_open(&self) -> bool {
        matches!(self.out.lock().state, State::Clear | State::Blocked)
    }

    /// Bytes that wait for the socket.
    pub fn queued(&self) -> usize {
        self.out.lock().bytes
    }

    /// The code with which this side closed, if it did.
    pub fn closed_with(&self) -> Option<u16> {
        Some(self.out.lock().code).filter(|code| *code != 0)
    }

    /// The wire itself.
    pub const fn wire(&self) -> &W {
        &self.wire
    }

    /// Unlocks, then wakes the connection's task and, unless something is queued, who waits for
    /// that.
    fn wake(&self, mut out: parking_lot::MutexGuard<'_, Out>) {
        let waiting = if out.state == State::Blocked { Vec::new() } else { mem::take(&mut out.waiting) };
        drop(out);
        self.task.wake();
        wake_all(waiting);
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn wake_all(waiting: Vec<Waker>) {
    waiting.into_iter().for_each(Waker::wake);
}
