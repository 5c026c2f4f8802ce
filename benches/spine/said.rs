//! What is said in a room, and heard by all its members.
//!
//! The clients read some sockets at a time, from the last of them to the first: when the last has its message
//! all have, so nobody sleeps in a read that each single write would have to end. And soon enough: what is not
//! read within 40 ms is acknowledged by the kernel on the core that delivered it, which is the node's.

use crate::{Outcome, client::InTurn};

/// Bytes of a message's text.
const TEXT: usize = 128;

/// Sockets that are read together.
const TOGETHER: usize = 256;

/// Numbers the messages, so that each has an id of its own.
pub(crate) struct Said {
    room: &'static str,
    count: u64,
}

impl Said {
    pub(crate) const fn to(room: &'static str) -> Self {
        Self { room, count: 0 }
    }

    /// So many times `flight` members say something, and everybody hears it before the next time.
    pub(crate) fn all_hear(&mut self, members: &mut [InTurn], bursts: usize, flight: usize) -> Outcome {
        let text = "x".repeat(TEXT);
        for _ in 0..bursts {
            for sender in &mut members[..flight] {
                self.count += 1;
                let (room, id) = (self.room, self.count);
                sender.send(&format!(
                    r#"{{"type":"message","room":"{room}","id":"said-{id:012}","message":"{text}"}}"#
                ))?;
            }
            for some in members.chunks_mut(TOGETHER) {
                for member in some.iter_mut().rev() {
                    member.messages(flight)?;
                }
            }
        }
        Ok(())
    }
}
