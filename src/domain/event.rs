//! One entry of a room's log, and a place in it.

use std::sync::Arc;

use super::{ClientId, MessageBody, RoomId, Timestamp, UserId, Username};

/// The number of an event in its room: 1, 2, 3 … without a gap. 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event of a room.
    pub const ZERO: Self = Self(0);

    /// The number that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A committed event. It is shared, never copied, on its way to the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The room whose log holds it.
    pub room: RoomId,
    /// Its number there.
    pub seq: Seq,
    /// The id its sender gave it.
    pub id: ClientId,
    /// Who sent it.
    pub sender: UserId,
    /// The sender's name when it was read.
    pub username: Username,
    /// What was said. (The only kind of event so far is a message.)
    pub body: MessageBody,
    /// When it was committed, by the database's clock; never goes back within a room.
    pub timestamp: Timestamp,
}

/// A place in a room's log: a number is honest only together with the id found there, because a
/// restored log may hold another event under the same number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The number of the last event that was seen.
    pub seq: Seq,
    /// Its id; `None` only at `Seq::ZERO`.
    pub id: Option<ClientId>,
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self { seq: Seq::ZERO, id: None };

    /// The place right after `event`.
    pub fn after(event: &Event) -> Self {
        Self { seq: event.seq, id: Some(event.id.clone()) }
    }
}

impl Event {
    /// About how many bytes it takes in memory or in a page.
    pub fn weight(&self) -> usize {
        self.body.as_str().len() + self.username.as_str().len() + self.id.as_str().len() + 96
    }

    /// Shares it.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

impl serde::Serialize for Seq {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}
