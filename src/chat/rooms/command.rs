//! What the rooms' task is told: by visitors, by the log writer, by the bus, by the pump of
//! presence, and by its own work beside it.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::oneshot;

use super::People;
use crate::{
    chat::{
        Person,
        reads::PageRead,
        roster::{Departure, UNSURE},
    },
    cluster::{Committed, Incarnation, Notice, RoomSets, SetsVersion},
    domain::{Event, Position, RoomId, RoomName, Seq, Username},
    error::Refusal,
    hub::{Behind, Frame, Member, MemberId},
    protocol::{
        Ref,
        v1::{PeopleFragment, Reason},
    },
    store::{Head, StoreError},
};

/// What the rooms' task is told. Whoever waits for an `answer` and goes away is no trouble.
pub(in crate::chat) enum Command {
    /// Somebody wants to come in: follow this room.
    Enter {
        room: RoomId,
        name: RoomName,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The room was subscribed and the log asked where it ends.
    Opened {
        room: RoomId,
        at: Result<(Position, Option<RoomSets>), StoreError>,
    },
    /// The last step of joining.
    GoLive {
        entry: GoLive,
        answer: oneshot::Sender<Option<oneshot::Receiver<Result<(), Behind>>>>,
    },
    /// A socket is out of the room.
    Leave {
        room: RoomId,
        member: MemberId,
        how: Departure,
    },
    /// The log writer committed these here.
    Committed(Committed),
    /// Another node says so.
    Heard { from: Incarnation, notice: Notice },
    /// Somebody here is typing.
    Typing {
        room: RoomId,
        user: i64,
        username: Username,
    },
    /// The list for one member, in order with the changes it is told.
    Users {
        room: RoomId,
        member: MemberId,
        reference: Option<Ref>,
    },
    /// The list, encoded; nothing when the room has no members here.
    Fragment {
        room: RoomId,
        answer: oneshot::Sender<Option<Arc<PeopleFragment>>>,
    },
    /// A page of the list, likewise.
    People {
        room: RoomId,
        after: Option<Username>,
        limit: usize,
        answer: oneshot::Sender<Option<People>>,
    },
    /// How many people are in each room that has members here.
    Counts {
        answer: oneshot::Sender<Vec<(RoomId, usize)>>,
    },
    /// Which version of the cluster's sets each room shows.
    SetsVersions {
        answer: oneshot::Sender<Vec<(RoomId, SetsVersion)>>,
    },
    /// What a room's sets are now.
    Sets {
        room: RoomId,
        sets: RoomSets,
        reading: Reading,
    },
    /// The cluster took a change of this node's own set and gave that version.
    OwnTold { room: RoomId, version: SetsVersion },
    /// That node is gone, and so are its people.
    Died(Incarnation),
    /// The bus was interrupted, or a publish failed.
    BusTrouble,
    /// All subscriptions have been renewed.
    BusFine,
    /// The operator says something to the members of a room; answers how many they are.
    Announce {
        room: RoomId,
        frame: Frame,
        answer: oneshot::Sender<usize>,
    },
    /// Who is in a room.
    Attendees {
        room: RoomId,
        answer: oneshot::Sender<HashSet<MemberId>>,
    },
    /// In which rooms these are.
    Whereabouts {
        members: HashSet<MemberId>,
        answer: oneshot::Sender<Vec<(MemberId, RoomName)>>,
    },
    /// The log gave what was missing.
    Repaired(Result<Vec<Event>, StoreError>),
    /// The log said where the rooms end.
    Checked(Result<Vec<(Seq, Head)>, StoreError>),
}

/// The last step of joining.
pub(in crate::chat) struct GoLive {
    pub(in crate::chat) room: RoomId,
    pub(in crate::chat) member: Arc<Member>,
    pub(in crate::chat) person: Arc<Person>,
    pub(in crate::chat) arrival: Arrival,
    /// Whether it only comes back after a reset: who has left meanwhile stays away.
    pub(in crate::chat) rejoining: bool,
}

/// With what a member goes live.
pub(in crate::chat) enum Arrival {
    /// `v1`: it has read the log up to `at`; `page` is the last one, to be sent as `joined`.
    Page {
        at: Position,
        page: Arc<PageRead>,
        recovered: bool,
        reason: Option<Reason>,
        reference: Option<Ref>,
    },
    /// The seed dialect: from now on.
    Now,
}

/// Why a member did not go live.
pub(in crate::chat) enum NotLive {
    /// The room delivered more than it has read: read on.
    Behind,
    /// The room was closed or reset meanwhile: enter again.
    Closed,
}

/// Why a room's sets were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Reading {
    /// A change was missed.
    Missed,
    /// The cluster was out of reach for a while: the list changes, but nobody is announced.
    Rebuilt,
    /// The cluster's memory was lost, and others may not have written theirs again yet.
    BegunAnew,
}

impl Reading {
    /// Of sets of this version by who knew that one; `all` when it was read whatever the version.
    pub(in crate::chat) fn of(version: SetsVersion, known: SetsVersion, all: bool) -> Self {
        if version.contradicts(known) {
            Self::BegunAnew
        } else if all || known == UNSURE {
            Self::Rebuilt
        } else {
            Self::Missed
        }
    }
}
