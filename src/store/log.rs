//! Rooms and the log of what was said in them, as the store keeps them.

use std::time::Instant;

use async_trait::async_trait;

use super::Result;
use crate::domain::{ClientId, Event, MessageBody, RoomId, RoomName, Seq, Timestamp, UserId};

/// A room as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its number.
    pub id: RoomId,
    /// Its name.
    pub name: RoomName,
    /// The number of its newest event; 0 when there is none.
    pub last_seq: Seq,
    /// When that was committed.
    pub last_timestamp: Option<Timestamp>,
}

/// An event that wants to be committed.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Into which room.
    pub room: RoomId,
    /// By whom.
    pub sender: UserId,
    /// The sender's id for it.
    pub id: ClientId,
    /// The text.
    pub body: MessageBody,
}

/// What became of one event of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// Committed now.
    New {
        /// Its number.
        seq: Seq,
        /// Its time.
        timestamp: Timestamp,
    },
    /// This id with this text was committed before, or earlier in this batch: the first answer.
    Again {
        /// The first one's number.
        seq: Seq,
        /// The first one's time.
        timestamp: Timestamp,
    },
    /// This id was used for another text.
    Conflict,
    /// The room does not exist.
    RoomGone,
}

/// Which part of a room's log a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slice {
    /// The first events after this number.
    After(Seq),
    /// The last events before this number.
    Before(Seq),
    /// The newest events.
    Newest,
}

/// A piece of a room's log, ascending and without a gap.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The events.
    pub events: Vec<Event>,
    /// The room's newest number, read in the same snapshot.
    pub last_seq: Seq,
    /// Whether the log goes on in the asked direction (older for `Before` and `Newest`).
    pub has_more: bool,
}

/// A range of events somebody misses: `after < seq <= upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// In which room.
    pub room: RoomId,
    /// After this number.
    pub after: Seq,
    /// Up to and with this one.
    pub upto: Seq,
}

/// Where a room's log ends, and what it holds at a number somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The room.
    pub room: RoomId,
    /// Its newest number.
    pub last_seq: Seq,
    /// The id of the event at the number that was asked for; `None` when there is none.
    pub id_at: Option<ClientId>,
}

/// Rooms and what was said in them. In one room events are numbered 1, 2, 3 … without a gap,
/// `(room, sender, id)` is unique, and timestamps never go back.
#[async_trait]
pub trait Log: Send + Sync {
    /// Opens a room.
    ///
    /// # Errors
    /// `Taken` when there is one of this name.
    async fn create_room(&self, name: &RoomName) -> Result<Room>;

    /// The room of this name.
    async fn room(&self, name: &RoomName) -> Result<Option<Room>>;

    /// Rooms by name, those after `after`, at most `limit`.
    async fn rooms(&self, after: Option<&RoomName>, limit: usize) -> Result<Vec<Room>>;

    /// Commits a batch, all or nothing, and answers in its order. When it returns `Ok` the events
    /// are on disk. Numbers are given in the batch's order. A retry with the same ids gets the
    /// first answers, also after `OutcomeUnknown`.
    ///
    /// # Errors
    /// `Rejected` when a row's data is refused: the caller splits the batch to find it.
    async fn append(&self, batch: &[NewEvent]) -> Result<Vec<Appended>>;

    /// The same for a caller who waits until then and drops the call: what was not done by then, but for what is
    /// being committed, is never done. A store that the process reaches without a line between them keeps
    /// that promise with every call.
    ///
    /// # Errors
    /// As `append`; `Unavailable` when it came too late.
    async fn append_until(&self, batch: &[NewEvent], _until: Instant) -> Result<Vec<Appended>> {
        self.append(batch).await
    }

    /// A page of a room's log: at most `limit` events and about `max_bytes`, at least one event
    /// if there is any.
    async fn page(&self, room: RoomId, slice: Slice, limit: usize, max_bytes: usize) -> Result<Page>;

    /// What is missing in several rooms, in one query: ascending per room, at most `max_bytes`
    /// in all, at least one event per range that has any. What did not fit is asked for again.
    async fn missing(&self, ranges: &[Missing], max_bytes: usize) -> Result<Vec<Event>>;

    /// The heads of several rooms, in one query; rooms that are gone are left out.
    async fn heads(&self, at: &[(RoomId, Seq)]) -> Result<Vec<Head>>;
}
