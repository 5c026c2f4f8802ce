//! How nodes hear of each other: a doorbell that may fail ([`Bus`]) and the sets of who is
//! connected where ([`Presence`]).
//!
//! Nothing here lasts and nothing here is needed for a message to be real: the log has it before
//! the bell rings. Backends pass the contract suite of `tests/cluster_contract.rs` unchanged.

pub mod local;
mod queue;
pub mod redis;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::domain::{Event, RoomId, Seq, SignInId, UserId, Username};

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
}

/// Shorthand for what every call answers.
pub type Result<T, E = BusError> = std::result::Result<T, E>;

/// What one node tells the others.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Who says it. A node ignores its own.
    pub from: Incarnation,
    /// What.
    pub notice: Notice,
}

/// The things nodes tell each other.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Events of one room were committed.
    Committed(Committed),
    /// The set of `from` in this room changed.
    Presence(RoomId, SetChange),
    /// Somebody is typing; may be lost.
    Typing(RoomId, Username),
    /// A sign-in ended: close its sockets. (The store has it too.)
    SignInEnded(SignInId),
}

impl Notice {
    /// The room it is about; `None` goes to every node.
    pub const fn room(&self) -> Option<RoomId> {
        match self {
            Self::Committed(Committed { room, .. }) | Self::Presence(room, _) | Self::Typing(room, _) => {
                Some(*room)
            }
            Self::SignInEnded(_) => None,
        }
    }
}

/// Events of one room, as their batch was committed.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The room.
    pub room: RoomId,
    /// The events, ascending.
    pub events: Vec<Arc<Event>>,
    /// Of those that are traced, where the trace stands. None when nothing is.
    pub traces: Vec<(Seq, TraceParent)>,
}

/// A point in a trace that goes on in another place: what W3C Trace Context calls `traceparent`.
/// Only sampled traces travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: u128,
    /// The span in it.
    pub span: u64,
}

/// How often the sets of one room were changed, and in which memory that was counted.
///
/// The cluster may lose its memory; then a room begins anew, in another era. Numbers of different
/// eras can't be compared. A memory that was set back to an earlier state of itself shows a lower
/// number, until it has grown again: after each interruption the sets themselves are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetsVersion {
    /// Drawn by chance when the room's first set is made; 0 when there was none yet.
    pub era: u64,
    /// Raised by one with every change of any of the room's sets; 0 when there was none yet.
    pub number: u64,
}

impl SetsVersion {
    /// Of a room that never had a set.
    pub const NONE: Self = Self { era: 0, number: 0 };

    /// Whether this is the version right after `known`.
    pub fn follows(self, known: Self) -> bool {
        Some(self.number) == known.number.checked_add(1) && (self.era == known.era || known == Self::NONE)
    }

    /// Whether who knows `known` knows this too.
    pub const fn is_within(self, known: Self) -> bool {
        self.era == known.era && self.number <= known.number
    }

    /// Whether this can't have come after `known`: the memory that counted that is gone.
    pub const fn contradicts(self, known: Self) -> bool {
        known.era != 0 && (self.era != known.era || self.number < known.number)
    }
}

/// A change of one incarnation's set in one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetChange {
    /// The room's version after this change; one that does not follow the known one says that
    /// something was missed.
    pub version: SetsVersion,
    /// Users that came into the set.
    pub joined: Vec<Username>,
    /// Users that left it.
    pub left: Vec<Username>,
}

/// What a node hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Another node (or this one) said something.
    Said(Envelope),
    /// The subscription was interrupted or fell behind: anything may have been missed.
    Interrupted,
}

/// The doorbell. Delivery is at most once as far as anyone may rely on it: a notice may be lost,
/// doubled, late or out of order, also within one room.
#[async_trait]
pub trait Bus: Send + Sync {
    /// From the answer on (until an `Interrupted`) this node hears notices of that room. Bounded
    /// to 1 s.
    async fn subscribe(&self, room: RoomId) -> Result<()>;

    /// It may stop hearing of that room.
    async fn unsubscribe(&self, room: RoomId);

    /// Rings. `Ok` does not say that anybody heard it. Bounded to 500 ms.
    async fn publish(&self, envelope: Envelope) -> Result<()>;

    /// What this node hears, in a bounded queue whose overflow is told by `Interrupted`. Answers
    /// `Some` once.
    fn listen(&self) -> Option<mpsc::Receiver<Heard>>;
}

/// All sets of one room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomSets {
    /// The room's version.
    pub version: SetsVersion,
    /// Who is connected at which incarnation, dead ones included until they are reaped.
    pub sets: Vec<(Incarnation, Vec<Username>)>,
}

/// A heartbeat counter. It only rises; an observer times its lack of progress by its own clock.
pub type Beat = u64;

/// The sets of who is connected where. A set belongs to one incarnation and only it changes it,
/// except that anybody may reap one that is dead.
#[async_trait]
pub trait Presence: Send + Sync {
    /// Changes this incarnation's set in a room and answers the room's new version; `None` when the
    /// set was so already. Then the room's version is that of somebody else's change, or of an
    /// earlier attempt whose answer was lost, and nobody may be told it as the version of this one.
    ///
    /// # Errors
    /// `DeclaredDead` when others have reaped `me`: nothing was changed.
    async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[Username],
        left: &[Username],
    ) -> Result<Option<SetsVersion>>;

    /// All sets of a room, with the version they belong to.
    async fn sets(&self, room: RoomId) -> Result<RoomSets>;

    /// How many people the sets of each room name, each once, without those of `dead`; in the
    /// order asked.
    async fn counts(&self, rooms: &[RoomId], dead: &[Incarnation]) -> Result<Vec<usize>>;

    /// The versions of several rooms, in the order asked; `NONE` for a room that never had a set.
    /// One that everybody left keeps its number, or the next change would look like one known
    /// before.
    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<SetsVersion>>;

    /// Raises this incarnation's counter and answers everybody's.
    ///
    /// # Errors
    /// `DeclaredDead` when others have reaped `me`.
    async fn beat(&self, me: Incarnation) -> Result<Vec<(Incarnation, Beat)>>;

    /// Removes a dead incarnation's sets and answers the rooms that changed. It can't come back.
    async fn reap(&self, dead: Incarnation) -> Result<Vec<RoomId>>;

    /// This incarnation drains: its sets stay for `grace` and are then gone, without it.
    async fn withdraw(&self, me: Incarnation, grace: Duration) -> Result<()>;
}

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
