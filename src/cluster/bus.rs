//! The doorbell: how a notice reaches the other nodes.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Envelope, Result};
use crate::domain::RoomId;

/// What a node hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Another node (or this one) said something.
    Said(Envelope),
    /// The subscription was interrupted or fell behind: anything may have been missed.
    Interrupted,
}

/// The doorbell. Delivery is at most once as far as anyone may rely on it: a notice may be lost,
/// doubled, late or out of order, also within one room. What may not happen is silence about it: when
/// anything may have been missed, the node hears `Interrupted`, looks into the log and the sets, and
/// subscribes again what it wants.
///
/// A notice that is about a room ([`Notice::room`](super::Notice::room)) reaches the nodes that are
/// subscribed to it; one that is about none reaches all of them, without a subscription. Whether a node
/// hears its own does not matter: it ignores them.
#[async_trait]
pub trait Bus: Send + Sync {
    /// From the answer on (until an `Interrupted`) this node hears notices of that room. Bounded
    /// to 1 s.
    async fn subscribe(&self, room: RoomId) -> Result<()>;

    /// It may stop hearing of that room. Bounded likewise; that it failed does not matter.
    async fn unsubscribe(&self, room: RoomId);

    /// Rings. `Ok` does not say that anybody heard it. Bounded to 500 ms: nothing is kept to be rung
    /// later, and many are rung side by side.
    async fn publish(&self, envelope: Envelope) -> Result<()>;

    /// What this node hears, in a bounded queue whose overflow is told by `Interrupted`. Answers
    /// `Some` once.
    fn listen(&self) -> Option<mpsc::Receiver<Heard>>;
}
