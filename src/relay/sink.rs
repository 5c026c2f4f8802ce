//! The seam to what events are told to: a queue, a stream, somebody's server.
//!
//! A sink publishes a batch and says of each event what became of it; it keeps nothing, retries nothing and decides
//! nothing. What was not confirmed is given to it again, from the first such event of a room on.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::plan::Limits;
use crate::domain::{RoomId, RoomName, Seq, Timestamp};

/// An event on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its room: what keeps an order.
    pub room: RoomId,
    /// The room's name.
    pub name: RoomName,
    /// Its number there.
    pub seq: Seq,
    /// By which a receiver knows it again; at most 200 bytes, printable.
    pub id: String,
    /// When it was committed.
    pub timestamp: Timestamp,
    /// The event, as [`envelope`](super::envelope) writes it.
    pub body: Bytes,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The sink has it for certain: it survives whatever the sink promises to survive.
    Confirmed,
    /// The sink said no.
    Refused,
    /// The sink has nobody whom to give it.
    Returned,
    /// No word came.
    Unknown,
    /// The sink can't take it now; the number is what it said.
    Failed(u16),
    /// The sink asks to be left alone for so long.
    Later(Duration),
    /// The sink says that it won't take this one, however often; the number is what it said.
    Declined(u16),
    /// It was not published: the one before it was not confirmed, or there was no time.
    Held,
}

/// The sink is not to be used before it is opened again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Lost(pub String);

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Of each of its events, in its order.
    pub fates: Vec<Fate>,
    /// Why the sink is to be opened again, if it is.
    pub lost: Option<Lost>,
}

impl Published {
    /// No word came of any of so many.
    pub fn unknown(count: usize, lost: Option<Lost>) -> Self {
        Self { fates: vec![Fate::Unknown; count], lost }
    }
}

/// Something that takes events. Everything it does is bounded in time by itself. A call may be dropped half-way; the
/// sink is closed then.
#[async_trait]
pub trait Sink: Send {
    /// Its name, in metrics, in the log and in the store, where its cursors are kept under it: never another one.
    fn name(&self) -> &str;

    /// How it wants to be given events.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// More lines to the same place, so that rooms go there side by side, each line with one batch at a time. They
    /// open themselves when they are used, after this one was opened.
    fn beside(&self) -> Vec<Box<dyn Sink>> {
        Vec::new()
    }

    /// Gets ready to publish.
    ///
    /// # Errors
    /// When it can't be reached or used; the words hold no credential.
    async fn open(&mut self) -> Result<(), Lost>;

    /// Publishes these in their order. They are several rooms', and of each room some that follow each other.
    async fn publish(&mut self, batch: &[Outgoing]) -> Published;

    /// Called every second or so while nothing is under way on it: lets go of what was not used for long.
    fn tidy(&mut self) {}

    /// Lets go of what it holds. It may be opened again.
    async fn close(&mut self);
}
