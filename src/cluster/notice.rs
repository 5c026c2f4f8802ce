//! What nodes tell each other.

use std::sync::Arc;

use super::{
    Incarnation, SetChange,
    inquiry::{Question, Reply},
};
use crate::domain::{Event, RoomId, Seq, SignInId, Username};

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
    /// A node asks the others for its operator; may be lost.
    Asked(Question),
    /// An answer to that; for the one who asked, though all hear it.
    Answered(Reply),
}

impl Notice {
    /// Whether it is about no room.
    pub const fn is_for_all(&self) -> bool {
        self.room().is_none()
    }

    /// The room it is about; `None` goes to every node.
    pub const fn room(&self) -> Option<RoomId> {
        match self {
            Self::Committed(Committed { room, .. }) | Self::Presence(room, _) | Self::Typing(room, _) => {
                Some(*room)
            }
            Self::SignInEnded(_) | Self::Asked(_) | Self::Answered(_) => None,
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
