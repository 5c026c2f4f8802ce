//! Members, bytes and fan-out; what a message means is known elsewhere.
//!
//! A [`Member`] is one connection as everybody else sees it: something that takes whole frames and
//! never makes the sender wait. A [`Hub`] knows which members are in which room and writes each
//! frame, encoded once per dialect, to all of them. What it promises:
//!
//! - A member gets every numbered frame above the mark it joined with, once, in order, and every
//!   signal that was accepted after its join, in its place among them.
//! - A slow, stuck or dead member costs the others nothing: what waits for it is bounded, then it
//!   is closed ([`Member`]).
//! - A large room does not keep a small one waiting: rooms are served in turn, a slice at a time.
//! - What waits for a room is bounded too; when it is too much the callers wait.

mod batch;
pub mod frame;
mod line;
mod member;
mod outbox;
mod queue;
mod room;
mod shard;

use std::{io, sync::Arc};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use self::shard::{Command, Shard};
pub use self::{
    member::{Member, MemberId},
    outbox::{Outbox, Progress, Sent, Wire},
};
use crate::{protocol::Dialect, shutdown::Tasks};

/// The number of a room.
pub type RoomKey = i64;

/// Commands that wait for one shard; then callers wait.
const COMMANDS: usize = 1024;

/// One frame in both dialects: whole WebSocket frames, or empty where the dialect has nothing to
/// say. Clones share the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// For members that speak v1.
    pub v1: Bytes,
    /// For members that speak seed.
    pub seed: Bytes,
}

impl Frame {
    const fn bytes(&self, dialect: Dialect) -> &Bytes {
        match dialect {
            Dialect::V1 => &self.v1,
            Dialect::Seed => &self.seed,
        }
    }

    /// Bytes of both.
    const fn weight(&self) -> usize {
        self.v1.len() + self.seed.len()
    }
}

/// A member wants to join with a position that the room has left behind: it must read the log up
/// to this mark first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind(pub u64);

/// The rooms of this node and who is in them, spread over shards. Clones are handles.
///
/// Commands take effect in the order in which they were accepted, per room. All of them wait while
/// their shard has too much to do, and are forgotten once the node stops.
#[derive(Debug, Clone)]
pub struct Hub {
    shards: Arc<[mpsc::Sender<Command>]>,
}

impl Hub {
    /// Starts the shards, each on a thread of its own; they run until `tasks` is told to stop.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(tasks: &Tasks, shards: usize) -> io::Result<Self> {
        let start = |_| {
            let (commands, inbox) = mpsc::channel(COMMANDS);
            tasks.spawn_thread("hub shard", Shard::default().run(inbox, tasks.stopped().clone()))?;
            Ok(commands)
        };
        Ok(Self {
            shards: (0..shards.max(1)).map(start).collect::<io::Result<_>>()?,
        })
    }

    /// From now on the room exists here, and has delivered everything up to this mark. A room that
    /// exists already stays as it is.
    pub async fn open(&self, room: RoomKey, delivered: u64) {
        self.tell(room, Command::Open { room, delivered }).await;
    }

    /// Delivers numbered frames, ascending, and moves the room's mark to the last one. What is not
    /// above the mark was delivered before and is dropped. The spans last until the last frame has
    /// been given to everybody.
    pub async fn deliver(&self, room: RoomKey, numbered: Vec<(u64, Frame)>, spans: Vec<Span>) {
        self.tell(room, Command::Deliver { room, numbered, spans }).await;
    }

    /// Delivers a frame without a number to all members but those tagged `except`.
    pub async fn signal(&self, room: RoomKey, frame: Frame, except: Option<i64>) {
        self.tell(room, Command::Signal { room, frame, except }).await;
    }

    /// Delivers a frame without a number to one member of the room, after everything that all have
    /// been told before and before what they are told next.
    pub async fn answer(&self, room: RoomKey, member: MemberId, frame: Frame) {
        self.tell(room, Command::Answer { room, member, frame }).await;
    }

    /// Adds a member that has everything up to `at`, and sends it `greeting` first.
    ///
    /// A member that is already in the room is taken out first. The answer is [`Behind`] when the
    /// room has gone past `at`; nothing was sent then. It is an error of the channel when the room
    /// does not exist here or the node stops.
    pub async fn join(
        &self,
        room: RoomKey,
        member: Arc<Member>,
        at: u64,
        greeting: Bytes,
    ) -> oneshot::Receiver<Result<(), Behind>> {
        let (answer, receiver) = oneshot::channel();
        self.tell(room, Command::Join { room, member, at, greeting, answer }).await;
        receiver
    }

    /// Takes a member out; nothing more of this room is sent to it.
    pub async fn leave(&self, room: RoomKey, member: MemberId) {
        self.tell(room, Command::Leave { room, member }).await;
    }

    /// Forgets the room and its members, and what still waits for them.
    pub async fn close(&self, room: RoomKey) {
        self.tell(room, Command::Close { room }).await;
    }

    async fn tell(&self, room: RoomKey, command: Command) {
        let count = i64::try_from(self.shards.len()).unwrap_or(1);
        let index = usize::try_from(room.rem_euclid(count)).unwrap_or(0);
        if let Some(shard) = self.shards.get(index) {
            // An error says that the node stops: there is nobody left to tell.
            let _ = shard.send(command).await;
        }
    }
}

/// Names and units of what this room counts.
pub fn describe_metrics() {
    metrics::describe_counter!("chorus_deliveries_total", "Frames handed to members, by dialect");
    for dialect in [Dialect::V1, Dialect::Seed] {
        metrics::counter!("chorus_deliveries_total", "dialect" => dialect.as_str()).increment(0);
    }
}
