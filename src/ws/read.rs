//! Reading from a socket into a buffer that belongs to the thread: one per thread, so that ten
//! thousand idle sockets don't hold ten thousand of them.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    mem,
    task::{Context, Poll},
};

use super::reader::FRAME_BYTES;
use crate::hub::Member;

/// Reads once. `None` says that the client has closed its half, or that the socket is broken.
pub(super) fn poll_read(member: &Member, cx: &mut Context<'_>) -> Poll<Option<Filled>> {
    loop {
        match member.stream().poll_read_ready(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(None),
            Poll::Ready(Ok(())) => {}
        }
        let mut filled = Filled::empty();
        match member.stream().try_read(&mut filled.buffer) {
            Ok(0) => return Poll::Ready(None),
            Ok(count) => {
                filled.count = count;
                return Poll::Ready(Some(filled));
            }
            Err(error) if is_transient(&error) => {}
            Err(_) => return Poll::Ready(None),
        }
    }
}

thread_local! {
    static BUFFER: Cell<Box<[u8]>> = Cell::default();
}

/// The thread's buffer with what was read; goes back when it is dropped.
pub(super) struct Filled {
    buffer: Box<[u8]>,
    count: usize,
}

impl Filled {
    fn empty() -> Self {
        let mut buffer = BUFFER.take();
        if buffer.is_empty() {
            buffer = vec![0; FRAME_BYTES].into();
        }
        Self { buffer, count: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.count]
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        BUFFER.set(mem::take(&mut self.buffer));
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
