//! What an operator is told of this node's part of the chat, and may say in it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{Chat, clock, rooms::Command};
use crate::{
    cluster::{Envelope, Incarnation, Notice},
    domain::{RoomId, RoomName},
    error::Refusal,
    hub::{Frame, MemberId, frame},
    protocol::{seed, v1},
};

/// How long the dead are still shown.
const MOURNED: Duration = Duration::from_mins(5);

/// Another node, as this one's heartbeats show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Which.
    pub who: Incarnation,
    /// How long its counter has stood still; of a dead one, since when it is.
    pub age: Duration,
    /// Whether it was declared dead.
    pub dead: bool,
}

/// What waits on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait for their commit.
    pub log: usize,
    /// Notices that wait to be published.
    pub bus: usize,
}

impl Chat {
    /// This incarnation.
    pub fn me(&self) -> Incarnation {
        self.here.me()
    }

    /// Tells all other nodes; it may get lost.
    pub fn ring(&self, notice: Notice) {
        self.here.ring(Envelope { from: self.me(), notice });
    }

    /// The other nodes that live, and those that died lately.
    pub fn peers(&self) -> Vec<Peer> {
        let (now, me) = (clock::now(), self.me());
        let leases = self.here.leases.lock();
        let living = leases.living(now).into_iter().map(|(who, age)| Peer { who, age, dead: false });
        let dead = leases.lost(now, MOURNED).into_iter().map(|(who, age)| Peer { who, age, dead: true });
        living.chain(dead).filter(|peer| peer.who != me).collect()
    }

    /// What waits here.
    pub fn backlog(&self) -> Backlog {
        let bells = &self.here.bells;
        Backlog {
            log: self.log.waiting(),
            bus: bells.max_capacity() - bells.capacity(),
        }
    }

    /// How many rooms have members here.
    pub async fn open_rooms(&self) -> usize {
        self.here.rooms.counts().await.len()
    }

    /// The number of a room.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn number_of(&self, room: &RoomName) -> Result<RoomId, Refusal> {
        self.room_id(room).await
    }

    /// Says something as the operator to the members of a room here; answers how many they are.
    pub async fn announce(&self, room: RoomId, text: &str) -> usize {
        let frame = announcement(text);
        self.here
            .rooms
            .ask(|answer| Command::Announce { room, frame, answer })
            .await
            .unwrap_or_default()
    }

    /// The sockets in a room here.
    pub async fn attendees(&self, room: RoomId) -> HashSet<MemberId> {
        self.here
            .rooms
            .ask(|answer| Command::Attendees { room, answer })
            .await
            .unwrap_or_default()
    }

    /// In which rooms these sockets are, by name.
    pub async fn whereabouts(&self, members: HashSet<MemberId>) -> HashMap<MemberId, Vec<RoomName>> {
        let found = self.here.rooms.ask(|answer| Command::Whereabouts { members, answer }).await;
        let mut rooms: HashMap<MemberId, Vec<RoomName>> = HashMap::new();
        for (member, room) in found.unwrap_or_default() {
            rooms.entry(member).or_default().push(room);
        }
        for names in rooms.values_mut() {
            names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        }
        rooms
    }
}

/// What the operator says, in both dialects.
pub fn announcement(text: &str) -> Frame {
    Frame {
        v1: frame::text(&v1::announcement(text)),
        seed: frame::text(&seed::announcement(text)),
    }
}
