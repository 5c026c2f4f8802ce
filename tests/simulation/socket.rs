//! The bytes between a client and its node: a pair of sockets that the kernel connects, so that what was
//! written is there to be read at once, and the same in each run.

use std::{
    io::{ErrorKind, Read},
    net,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
};

use chorus::{hub::Member, protocol::Dialect};
use serde_json::Value;

use crate::dice::Trace;

/// More than a run ever says.
const OUTBOX: usize = 64 << 20;

/// A client's end.
pub(crate) struct Socket {
    end: UnixStream,
    client: usize,
    trace: Trace,
    bytes: Vec<u8>,
}

/// What came.
pub(crate) enum Came {
    Frame(Value),
    /// Nothing will come any more.
    End,
}

impl Socket {
    /// A connected pair: this end, and the node's.
    pub(crate) fn pair(client: usize, tag: i64, trace: &Trace) -> (Self, Arc<Member>) {
        let (end, other) = UnixStream::pair().unwrap();
        end.set_nonblocking(true).unwrap();
        // The hub writes to a stream and does not care of which family it is.
        let other = net::TcpStream::from(OwnedFd::from(other));
        other.set_nonblocking(true).unwrap();
        let other = tokio::net::TcpStream::from_std(other).unwrap();
        let member = Member::new(other, tag, Dialect::V1, OUTBOX);
        (Self { end, client, trace: trace.clone(), bytes: Vec::new() }, Arc::new(member))
    }

    /// Everything that has come.
    pub(crate) fn read(&mut self) -> Vec<Came> {
        let ended = self.fill();
        let mut came = Vec::new();
        while let Some(frame) = self.next() {
            came.push(frame);
        }
        came.extend(ended.then_some(Came::End));
        came
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.end.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => {
                    self.trace.mark(&buffer[..count]);
                    self.bytes.extend_from_slice(&buffer[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => return true,
            }
        }
    }

    /// The next whole frame (RFC 6455; a server's is not masked).
    fn next(&mut self) -> Option<Came> {
        let (opcode, short) = (self.bytes.first()? & 0xf, usize::from(self.bytes.get(1)? & 0x7f));
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = match extended {
            0 => short,
            _ => self.bytes.get(2..2 + extended)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        };
        let start = 2 + extended;
        let payload = self.bytes.get(start..start + length)?;
        let came = if opcode == 1 {
            let frame: Value = serde_json::from_slice(payload).expect("a frame is JSON");
            if frame["type"] != "message" {
                self.trace.note(format!("client {} is told {frame}", self.client));
            }
            Came::Frame(frame)
        } else {
            Came::End
        };
        self.bytes.drain(..start + length);
        Some(came)
    }
}
