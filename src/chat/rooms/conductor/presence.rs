//! Who came and went: changes of the other nodes' sets go into the rosters, changes of the lists
//! out to the members.

use std::time::Instant;

use bytes::Bytes;

use super::Conductor;
use crate::{
    chat::{
        rooms::{Reading, room::Room},
        roster::Knowledge,
    },
    cluster::{Incarnation, RoomSets, SetChange, SetsVersion},
    domain::RoomId,
    hub::{Frame, Hub, frame},
    protocol::{seed, v1},
};

impl Conductor {
    /// Another node's set of a room changed.
    pub(super) async fn hear_change(
        &mut self,
        now: Instant,
        from: Incarnation,
        id: RoomId,
        change: &SetChange,
    ) {
        if let Some(room) = self.rooms.get_mut(&id).filter(|room| room.waiting.is_none()) {
            if !self.here.is_dead(from) && room.roster.change(from, change) == Knowledge::Behind {
                self.own.look();
            }
            self.look(now, id).await;
        }
    }

    /// The cluster took a change of this node's own set.
    pub(super) fn own_told(&mut self, id: RoomId, version: SetsVersion) {
        if let Some(room) = self.rooms.get_mut(&id)
            && room.roster.own_change_told(version) == Knowledge::Behind
        {
            self.own.look();
        }
    }

    /// Which version of the cluster's sets each open room shows.
    pub(super) fn sets_versions(&self) -> Vec<(RoomId, SetsVersion)> {
        let open = self.rooms.iter().filter(|(_, room)| room.waiting.is_none());
        open.map(|(id, room)| (*id, room.roster.sets_version())).collect()
    }

    /// The sets of a room were read.
    pub(super) async fn sets(&mut self, now: Instant, id: RoomId, sets: &RoomSets, reading: Reading) {
        let me = self.here.me();
        // What was read before a change that is known by now is older than that.
        let outdated = |room: &Room| reading != Reading::BegunAnew && room.roster.is_beyond(sets.version);
        let open = self.rooms.get_mut(&id).filter(|room| room.waiting.is_none() && !outdated(room));
        if let Some(room) = open {
            room.read(now, reading);
            let keep = room.unsettled.is_some();
            room.roster.replace(sets, keep, me, |who| self.here.is_dead(who));
            // What changes from now on is announced again, if this has changed nothing.
            room.quiet &= keep || room.roster.is_dirty();
            self.look(now, id).await;
        }
    }

    /// A node died: its people are gone.
    pub(super) async fn died(&mut self, now: Instant, who: Incarnation) {
        let ids: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in ids {
            if let Some(room) = self.rooms.get_mut(&id) {
                room.roster.bury(who);
            }
            self.look(now, id).await;
        }
    }
}

impl Room {
    /// Tells the `v1` members what has changed in the list, if anything.
    pub(super) async fn tell_change(&mut self, hub: &Hub, now: Instant, id: RoomId) {
        let change = self.roster.flush();
        let quiet = std::mem::replace(&mut self.quiet, self.unsettled.is_some());
        let Some(change) = change else { return };
        let text = if quiet {
            self.announcer.told_quietly(now);
            v1::user_list(&self.name, &self.roster.fragment(), None)
        } else {
            self.announcer.told(now, &change);
            let change = self.roster.told_of(change);
            v1::presence(&self.name, &change.joined, &change.left, change.count, change.version)
        };
        if self.seeds == 0 {
            self.announcer.lines();
        }
        hub.signal(id.0, Frame { v1: frame::text(&text), seed: Bytes::new() }, None).await;
    }

    /// Tells the seed members: a line for who came or went, then the list.
    pub(super) async fn tell_seeds(&mut self, hub: &Hub, now: Instant, id: RoomId) {
        let mut bytes = 0;
        for line in self.announcer.lines() {
            let person = line.about.and_then(|name| self.tag_of(&name));
            let seed = frame::text(&seed::announcement(&line.text));
            bytes += seed.len();
            hub.signal(id.0, Frame { v1: Bytes::new(), seed }, person).await;
        }
        let seed = self.seed_list(None);
        bytes += seed.len();
        self.announcer.spent(now, bytes);
        hub.signal(id.0, Frame { v1: Bytes::new(), seed }, None).await;
    }
}
