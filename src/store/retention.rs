//! What the log does not keep for ever.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use crate::domain::{RoomId, Timestamp};

/// What one step has deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// How many events.
    pub events: u64,
    /// The room after which the next step goes on; `None` when all were looked at.
    pub next: Option<RoomId>,
}

/// Deleting old events, in steps so small that nobody waits for one. What remains of a room is the end of its
/// log, without a hole.
///
/// An event goes only when the one after it is old as well. So the newest of a room is never deleted, and whoever
/// was here since the time that is asked for stands at an event that is kept: it resumes as if nothing had gone,
/// and a node that is behind finds what it has not delivered yet.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Whether the caller should look for old events now: of all nodes that share the store one is told so,
    /// and then none until `every` has passed.
    async fn claim_expiry(&self, every: Duration) -> Result<bool>;

    /// One step, through some hundred of the rooms after `after`: deletes at most some hundred events whose next
    /// one was committed before `before`. It keeps no append waiting, and a repeat of an id that was deleted is a
    /// new event.
    async fn expire(&self, before: Timestamp, after: Option<RoomId>) -> Result<Expired>;
}
