//! What else nodes tell each other.

use std::time::Duration;

use async_trait::async_trait;

use super::{Incarnation, Result};
use crate::domain::UserId;

/// What one person sent lately on one node: how long ago each message was.
pub type Spoken = (UserId, Vec<Duration>);

/// What nodes tell each other that belongs to no room. Nothing here is needed for the chat to go
/// on; without it each node goes by what it knows itself.
#[async_trait]
pub trait Peers: Send + Sync {
    /// Notes for the other nodes whether `me` reaches the database, and answers whether another
    /// one noted within [`PEER_HEALTH_TTL`](crate::domain::PEER_HEALTH_TTL) that it does.
    async fn exchange_health(&self, me: Incarnation, store_reached: bool) -> Result<bool>;

    /// Replaces what `me` noted of these people's messages and answers, in the same order, what
    /// all other nodes noted of them. What is older than `window` is forgotten.
    async fn exchange_spoken(
        &self,
        me: Incarnation,
        window: Duration,
        spoken: &[Spoken],
    ) -> Result<Vec<Vec<Duration>>>;
}
