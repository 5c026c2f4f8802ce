//! The sockets of this node as an operator sees them: who they are, said something to, and sent
//! elsewhere.
//!
//! It looks at the register a slice at a time, as the pulse does, so that nobody waits for it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{SLICE, Sockets};
use crate::{
    domain::{SignInId, Username},
    hub::{Frame, Member, frame},
    protocol::{Dialect, v1},
};

/// Whose a socket is.
#[derive(Debug, Clone)]
pub struct Card {
    /// The person's name.
    pub username: Username,
    /// The sign-in that it lives by.
    pub sid: SignInId,
    /// From where it came.
    pub address: IpAddr,
}

impl Sockets {
    /// Sends a frame to every socket; answers how many there are.
    pub async fn tell_all(&self, frame: &Frame) -> usize {
        let mut told = 0;
        for slice in self.members().chunks(SLICE) {
            for member in slice.iter().filter(|member| member.is_open()) {
                member.send(match member.dialect() {
                    Dialect::V1 => frame.v1.clone(),
                    Dialect::Seed => frame.seed.clone(),
                });
                told += 1;
            }
            tokio::task::yield_now().await;
        }
        told
    }

    /// Those that came last, of those that understand a hint to go elsewhere; `count` at most.
    pub async fn newest(&self, count: usize) -> Vec<Mover> {
        let (mut found, mut before) = (Vec::new(), None);
        while found.len() < count {
            let mut last = None;
            for (id, entry) in self.register.lock().before(before).take(SLICE) {
                last = Some(id);
                if entry.member.dialect() == Dialect::V1 && entry.member.is_open() {
                    found.push(Mover { member: entry.member.clone(), sid: entry.card.sid });
                }
            }
            let Some(last) = last else { break };
            before = Some(last);
            tokio::task::yield_now().await;
        }
        found.truncate(count);
        found
    }
}

/// A socket that is to go elsewhere.
#[derive(Debug, Clone)]
pub struct Mover {
    pub(super) member: Arc<Member>,
    /// The sign-in that it lives by.
    pub sid: SignInId,
}

impl Mover {
    /// Asks it to reconnect after so long; it is served until then.
    pub fn ask(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.member.send(frame::text(&v1::reconnect(after_ms)));
    }
}
