//! How far other systems have been told what was said: the log's side of the relay.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::Result;
use crate::domain::{RoomId, RoomName, Seq, Timestamp};

/// The number of a lead: each taking of it has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i64);

/// Where a sink begins that the store has never heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest event that is kept.
    Oldest,
    /// With what is said from now on.
    Now,
}

/// Who wants to lead, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// This run of this node.
    pub me: Uuid,
    /// After so long without renewing it the lead is free for others.
    pub ttl: Duration,
    /// Where the sink begins if it is new.
    pub start_at: StartAt,
}

/// Which log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogId {
    /// Which chat it is of: the same for ever, also in copies of the database.
    pub chat: Uuid,
    /// Which run of it: another one whenever the log may have lost its end, after a failover or a restore.
    /// Numbers of one run are not to be compared with those of another.
    pub epoch: Uuid,
}

/// The right to move a sink's cursors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// Its number.
    pub fence: Fence,
    /// Of which log.
    pub log: LogId,
}

/// Which rooms a look is for.
#[derive(Debug, Clone, Copy)]
pub enum Among<'a> {
    /// Some thousand rooms after this one, in the order of their numbers.
    After(Option<RoomId>),
    /// These.
    These(&'a [RoomId]),
}

/// A room of whose log a sink has not been told all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The room.
    pub room: RoomId,
    /// Its name.
    pub name: RoomName,
    /// The last event that the sink is done with: it has it for certain, or it was put aside.
    pub cursor: Seq,
    /// The last one that it has: the cursor, or an earlier one when those after it were put aside.
    pub told: Seq,
    /// The newest event of the room.
    pub last_seq: Seq,
    /// When the first event was committed that the sink has not.
    pub since: Option<Timestamp>,
}

/// What a look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Rooms that are behind, in the order of their numbers.
    pub behind: Vec<Behind>,
    /// The room after which the next look goes on; `None` when all were looked at.
    pub next: Option<RoomId>,
}

/// An event that a sink refused for good. Its text stays in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its room.
    pub room: RoomId,
    /// Its number there.
    pub seq: Seq,
    /// The last event of the room that the sink has.
    pub told: Seq,
    /// The id by which the sink was told.
    pub message_id: String,
    /// What the sink said.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// The same, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAside {
    /// The sink that refused it.
    pub sink: String,
    /// Its room.
    pub room: RoomId,
    /// The room's name.
    pub name: RoomName,
    /// Its number there.
    pub seq: Seq,
    /// The id by which the sink was told.
    pub message_id: String,
    /// What the sink said.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was put aside.
    pub at: Timestamp,
}

/// For how long it is known what was put aside.
pub const DEAD_LETTERS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Of how many events that is known at most, of all sinks; the oldest are forgotten first.
pub const DEAD_LETTERS_MOST: u64 = 10_000;

/// Where other systems stand in the log: for each sink (a queue, say) and room the last event that it has for
/// certain. There is no such number for the whole log: what commits late would be behind it and never told.
///
/// Of all nodes one at a time leads a sink. The lead is a lease by the database's clock, so a node that is gone, or
/// frozen, is replaced; and each taking of it has a higher number, without which no cursor moves. So whoever comes
/// back from a long sleep may publish something once more, but moves nothing.
#[async_trait]
pub trait Relaying: Send + Sync {
    /// Takes the lead of a sink, or prolongs it; `None` while another node has it. A store that one node has
    /// alone never says so.
    async fn lead(&self, sink: &str, candidate: Candidate) -> Result<Option<Lead>>;

    /// Gives up the lead, if it is still this one.
    async fn give_up_lead(&self, sink: &str, fence: Fence) -> Result<()>;

    /// The rooms that are behind, at most some hundred of some thousand that are looked at.
    async fn behind(&self, sink: &str, among: Among<'_>) -> Result<Survey>;

    /// The sink has all events of these rooms up to these numbers: all or nothing. Cursors never go back. Answers
    /// `false`, and moves nothing, when this is not the lead any more, or the log is not where it was when that
    /// was given.
    async fn move_cursors(&self, sink: &str, fence: Fence, to: &[(RoomId, Seq)]) -> Result<bool>;

    /// The sink is not told these: they are put aside and the cursors of their rooms move beyond them, all or
    /// nothing, with the same answer. [`Store::sweep`](super::Store::sweep) forgets those that are older than
    /// [`DEAD_LETTERS_KEPT`], or more than [`DEAD_LETTERS_MOST`].
    async fn put_aside(&self, sink: &str, fence: Fence, letters: &[DeadLetter]) -> Result<bool>;

    /// Which log this is, as far as whoever led last knows.
    async fn log_id(&self) -> Result<LogId>;

    /// What was put aside last, newest first, at most so many.
    async fn dead_letters(&self, most: u32) -> Result<Vec<PutAside>>;
}
