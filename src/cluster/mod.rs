//! How nodes hear of each other: a doorbell that may fail ([`Bus`]), the sets of who is connected
//! where ([`Presence`]), and what else they tell each other ([`Peers`]).
//!
//! Nothing here lasts and nothing here is needed for a message to be real: the log has it before
//! the bell rings. A backend is one handle a node that is all three; it is right when it passes the
//! contract suite (`tests/cluster_contract.rs`), which every backend runs unchanged.

mod bus;
pub mod inquiry;
pub mod local;
mod notice;
mod peers;
mod presence;
mod queue;
pub mod redis;

use std::fmt;

use uuid::Uuid;

pub use bus::{Bus, Heard};
pub use notice::{Committed, Envelope, Notice, TraceParent};
pub use peers::{Peers, Spoken};
pub use presence::{Beat, Presence, RoomSets, SetChange, SetsVersion};

/// One run of one node. A node that was declared dead comes back as a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(pub Uuid);

impl Incarnation {
    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Why the cluster did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// It can't be reached within its time limit. Nothing is delivered late because of it.
    #[error("the cluster is unreachable: {0}")]
    Unreachable(String),
    /// This incarnation was declared dead by the others; it must take a new id and rewrite.
    #[error("this incarnation was declared dead")]
    DeclaredDead,
    /// The nodes of another chat use it, which knows other rooms and people; this one keeps out.
    #[error("REDIS_URL names the Redis of another chat")]
    AnotherChat,
}

/// Shorthand for what every call answers.
pub type Result<T, E = BusError> = std::result::Result<T, E>;
