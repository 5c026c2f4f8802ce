//! The rooms that have members on this node: one task owns their sequencers and rosters, so that
//! what it tells the hub is in one order.
//!
//! Everything reaches it by one bounded queue; whoever hands something in waits when it is full.

mod conductor;
mod room;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

pub use conductor::Conductor;

use super::{
    Person,
    roster::{Departure, LISTED},
};
use crate::{
    cluster::{Committed, Incarnation, Notice, RoomSets, SetsVersion},
    domain::{Event, Position, RoomId, RoomName, Seq, Username},
    error::Refusal,
    hub::{Behind, Member, MemberId},
    protocol::{
        Ref,
        v1::{PeopleFragment, Reason},
    },
    store::{Head, StoreError},
};

/// How many commands may wait.
const QUEUE: usize = 4096;

/// A page of people.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// Names in list order.
    pub users: Vec<Username>,
    /// How many there are in all.
    pub user_count: usize,
    /// The last name of this page, if the list goes on.
    pub next: Option<Username>,
}

/// The last step of joining.
pub(super) struct GoLive {
    pub(super) room: RoomId,
    pub(super) member: Arc<Member>,
    pub(super) person: Arc<Person>,
    pub(super) arrival: Arrival,
    /// Whether it only comes back after a reset: who has left meanwhile stays away.
    pub(super) rejoining: bool,
}

/// With what a member goes live.
pub(super) enum Arrival {
    /// `v1`: it has read the log up to `at`; `events` is the last page, to be sent as `joined`.
    Page {
        at: Position,
        events: Vec<Event>,
        recovered: bool,
        reason: Option<Reason>,
        reference: Option<Ref>,
    },
    /// The seed dialect: from now on.
    Now,
}

/// Why a member did not go live.
pub(super) enum NotLive {
    /// The room delivered more than it has read: read on.
    Behind,
    /// The room was closed or reset meanwhile: enter again.
    Closed,
}

/// Why a room's sets were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A change was missed.
    Missed,
    /// The cluster was out of reach for a while: the list changes, but nobody is announced.
    Rebuilt,
    /// The cluster's memory was lost, and others may not have written theirs again yet.
    BegunAnew,
}

/// What the rooms' task is told.
pub(super) enum Command {
    Enter {
        room: RoomId,
        name: RoomName,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    GoLive {
        entry: GoLive,
        answer: oneshot::Sender<Option<oneshot::Receiver<Result<(), Behind>>>>,
    },
    Leave {
        room: RoomId,
        member: MemberId,
        how: Departure,
    },
    Fragment {
        room: RoomId,
        answer: oneshot::Sender<Option<Arc<PeopleFragment>>>,
    },
    /// The list for one member, in order with the changes it is told.
    Users {
        room: RoomId,
        member: MemberId,
        reference: Option<Ref>,
    },
    People {
        room: RoomId,
        after: Option<Username>,
        limit: usize,
        answer: oneshot::Sender<Option<People>>,
    },
    Counts {
        answer: oneshot::Sender<Vec<(RoomId, usize)>>,
    },
    Typing {
        room: RoomId,
        user: i64,
        username: Username,
    },
    Committed(Committed),
    Heard {
        from: Incarnation,
        notice: Notice,
    },
    /// The bus was interrupted, or a publish failed.
    BusTrouble,
    /// All subscriptions have been renewed.
    BusFine,
    Opened {
        room: RoomId,
        at: Result<(Position, Option<RoomSets>), StoreError>,
    },
    Repaired(Result<Vec<Event>, StoreError>),
    Checked(Result<Vec<(Seq, Head)>, StoreError>),
    SetsVersions {
        answer: oneshot::Sender<Vec<(RoomId, SetsVersion)>>,
    },
    /// What a room's sets are now.
    Sets {
        room: RoomId,
        sets: RoomSets,
        reading: Reading,
    },
    OwnTold {
        room: RoomId,
        version: SetsVersion,
    },
    Died(Incarnation),
}

/// A handle on the rooms' task.
#[derive(Clone)]
pub struct Rooms {
    commands: mpsc::Sender<Command>,
}

impl Rooms {
    /// A handle, and the queue's other end for [`Conductor`].
    pub(super) fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (commands, queue) = mpsc::channel(QUEUE);
        (Self { commands }, queue)
    }

    /// Hands a command in; waits while the queue is full. After the node's stop it does nothing.
    pub(super) async fn send(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, asked) = oneshot::channel();
        self.send(command(answer)).await;
        asked.await.ok()
    }

    /// Makes sure that the room is followed here: what is committed from now on is delivered.
    /// Bounded by the bus' and the store's own limits.
    pub(super) async fn enter(&self, room: RoomId, name: RoomName) -> Result<(), Refusal> {
        let entered = self.ask(|answer| Command::Enter { room, name, answer }).await;
        entered.unwrap_or_else(|| Err(Refusal::unavailable()))
    }

    /// The last step of joining, in order with everything the members are told.
    pub(super) async fn go_live(&self, entry: GoLive) -> Result<(), NotLive> {
        let joining = self.ask(|answer| Command::GoLive { entry, answer }).await;
        match joining.flatten() {
            None => Err(NotLive::Closed),
            Some(joined) => match joined.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(NotLive::Behind),
                Err(_) => Err(NotLive::Closed),
            },
        }
    }

    /// The encoded list of a room that has members here.
    pub(super) async fn fragment(&self, room: RoomId) -> Option<Arc<PeopleFragment>> {
        self.ask(|answer| Command::Fragment { room, answer }).await.flatten()
    }

    /// A page of the list of a room that has members here.
    pub(super) async fn people(&self, room: RoomId, after: Option<Username>, limit: usize) -> Option<People> {
        self.ask(|answer| Command::People { room, after, limit, answer }).await.flatten()
    }

    /// The version of the cluster's sets that each open room shows.
    pub(super) async fn sets_versions(&self) -> Vec<(RoomId, SetsVersion)> {
        self.ask(|answer| Command::SetsVersions { answer }).await.unwrap_or_default()
    }

    /// How many people are in each room that has members here.
    pub(super) async fn counts(&self) -> Vec<(RoomId, usize)> {
        self.ask(|answer| Command::Counts { answer }).await.unwrap_or_default()
    }
}

/// What the rooms' task is set to.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a person whose last socket was lost stays in the list.
    pub grace: Duration,
}

const _: () = assert!(LISTED == crate::protocol::v1::USERS_MAX);
