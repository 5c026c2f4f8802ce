//! One connection as the rest of the house sees it.

use std::{
    future::poll_fn,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    task::Waker,
};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{
    frame,
    outbox::{Outbox, Progress, Sent},
};
use crate::protocol::Dialect;

/// The number of a connection, never used twice in one run of the process.
pub type MemberId = u64;

/// One connection: who it is for the hub, and its [`Outbox`]. Small, because there are many.
#[derive(Debug)]
pub struct Member {
    id: MemberId,
    tag: i64,
    outbox: Outbox<TcpStream>,
    dialect: Dialect,
    /// Whether anything was read since the pulse last looked.
    heard: AtomicBool,
}

impl Member {
    /// The member at this socket. `tag` is an opaque number of the person, for
    /// [`super::Hub::signal`]; at most `outbox_bytes` wait for it.
    pub fn new(stream: TcpStream, tag: i64, dialect: Dialect, outbox_bytes: usize) -> Self {
        Self::of(Outbox::new(stream, outbox_bytes), tag, dialect)
    }

    /// The same at a socket on which this must stand before any frame. It is written by [`Member::begin`], together with
    /// what is sent until then.
    pub(crate) fn beginning_with(
        opening: Bytes,
        stream: TcpStream,
        tag: i64,
        dialect: Dialect,
        outbox_bytes: usize,
    ) -> Self {
        Self::of(Outbox::beginning_with(opening, stream, outbox_bytes), tag, dialect)
    }

    /// Writes what it begins with, if anything. Comes before its task.
    pub(crate) fn begin(&self) {
        self.outbox.begin();
    }

    fn of(outbox: Outbox<TcpStream>, tag: i64, dialect: Dialect) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            tag,
            outbox,
            dialect,
            heard: AtomicBool::new(true),
        }
    }

    /// Its number.
    pub const fn id(&self) -> MemberId {
        self.id
    }

    /// The number of its person.
    pub const fn tag(&self) -> i64 {
        self.tag
    }

    /// How it speaks.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Sends whole frames in the member's own dialect. Never waits; to a closed member it does
    /// nothing, and one that is too slow is closed with 1013.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over what they made for this member"
    )]
    pub fn send(&self, frames: Bytes) {
        self.offer(&frames);
    }

    /// The same for frames that others get too.
    pub(crate) fn offer(&self, frames: &Bytes) -> Sent {
        if frames.is_empty() { Sent::Written } else { self.outbox.send(frames) }
    }

    /// Closes with this code after what was sent before. Only the first call counts.
    pub fn close(&self, code: u16, reason: &'static str) {
        self.outbox.close(code, frame::close(code, reason));
    }

    /// Whether what is sent now can arrive.
    pub fn is_open(&self) -> bool {
        self.outbox.is_open()
    }

    /// Ready when nothing waits for the socket any more, or the member is closed. A client that
    /// took everything lives, though its pongs may not have been read meanwhile.
    pub async fn drained(&self) {
        poll_fn(|cx| self.outbox.poll_drained(cx)).await;
        self.hear();
    }

    /// Bytes that wait for the socket.
    pub fn queued(&self) -> usize {
        self.outbox.queued()
    }

    /// The code with which this side closed, if it did.
    pub fn closed_with(&self) -> Option<u16> {
        self.outbox.closed_with()
    }

    /// Answers the client's Close frame with the same code.
    pub(crate) fn answer_close(&self, code: Option<u16>) {
        let frame = code.map_or_else(frame::close_plain, |code| frame::close(code, ""));
        self.outbox.close(code.unwrap_or(1005), frame);
    }

    /// Gives the socket up without another byte.
    pub(crate) fn kill(&self) {
        self.outbox.kill();
    }

    /// The socket, for its own task to read from and to wait for.
    pub(crate) const fn stream(&self) -> &TcpStream {
        self.outbox.wire()
    }

    /// For the connection's task: whom to wake when something must be written. Comes before
    /// [`Member::drain`].
    pub(crate) fn register(&self, waker: &Waker) {
        self.outbox.register(waker);
    }

    /// For the connection's task: writes what waits.
    pub(crate) fn drain(&self) -> Progress {
        self.outbox.drain()
    }

    /// Notes that something was read.
    pub(crate) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Whether something was read since the last question.
    pub(crate) fn take_heard(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed)
    }
}
