//! Members go live, and are told who else is there.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Conductor;
use crate::{
    chat::rooms::{Arrival, GoLive, People, Reading, room::Room},
    cluster::RoomSets,
    domain::{RoomId, Username},
    hub::{Behind, Frame, Hub, MemberId, frame},
    protocol::{Ref, seed, v1},
};

impl Conductor {
    pub(super) async fn go_live(
        &mut self,
        now: Instant,
        entry: GoLive,
    ) -> Option<oneshot::Receiver<Result<(), Behind>>> {
        let id = entry.room;
        let room = self.rooms.get_mut(&id).filter(|room| room.waiting.is_none())?;
        if entry.rejoining && !room.attendees.contains_key(&entry.member.id()) {
            return Some(settled());
        }
        if room.attend(&entry.member, &entry.person) {
            self.own.joined(id, &entry.person.username);
        }
        // In a quiet room the others are told now, so that the newcomer's list is the new one.
        self.look(now, id).await;
        let room = self.rooms.get_mut(&id)?;
        let people = room.roster.fragment_with(&entry.person.username);
        let (at, greeting) = match entry.arrival {
            Arrival::Page { at, events, recovered, reason, reference } => {
                let joined = v1::Joined {
                    room: &room.name,
                    seq: at.seq,
                    recovered,
                    reason,
                    has_more: false,
                    messages: &events,
                    people: &people,
                    reference: reference.as_ref(),
                };
                (at.seq, frame::text(&v1::joined(&joined)))
            }
            Arrival::Now => {
                let mut names: Vec<Username> =
                    room.roster.list(None).take(seed::USERS_MAX).cloned().collect();
                if !names.contains(&entry.person.username) && names.len() < seed::USERS_MAX {
                    let me = &entry.person.username;
                    let place = names.partition_point(|other| other.list_order(me).is_lt());
                    names.insert(place, me.clone());
                }
                (room.sequencer.delivered()?.seq, frame::text(&seed::user_list(&names)))
            }
        };
        Some(self.hub.join(id.0, entry.member, at.0, greeting).await)
    }

    pub(super) async fn users(&mut self, id: RoomId, member: MemberId, reference: Option<&Ref>) {
        if let Some(room) = self.rooms.get_mut(&id) {
            let people = room.roster.fragment();
            let v1 = frame::text(&v1::user_list(&room.name, &people, reference));
            if let Some(asker) = room.attendees.get(&member).filter(|_| room.waiting.is_some()) {
                // While the room begins anew the hub has no members, and nothing overtakes this.
                asker.member.send(v1);
                return;
            }
            self.hub.answer(id.0, member, Frame { v1, seed: Bytes::new() }).await;
        }
    }

    pub(super) async fn sets(&mut self, now: Instant, id: RoomId, sets: &RoomSets, reading: Reading) {
        let me = self.here.me();
        // What was read before a change that is known by now is older than that.
        let outdated = |room: &Room| {
            let known = room.roster.sets_version();
            reading != Reading::BegunAnew
                && known.era != 0
                && sets.version != known
                && sets.version.is_within(known)
        };
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

    /// Does what is due in a room and notes when to look again.
    pub(super) async fn look(&mut self, now: Instant, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.waiting.is_none() {
            for name in room.roster.expire(now) {
                self.own.left(id, &name);
            }
            if room.settles(now) {
                self.own.look();
            }
            if room.roster.is_dirty() && room.announcer.delta_at(now) <= now {
                Self::tell_change(&self.hub, now, id, room).await;
            }
            if room.seeds > 0 && room.announcer.list_at(now).is_some_and(|at| at <= now) {
                Self::tell_seeds(&self.hub, now, id, room).await;
            }
            if room.is_over(now) {
                return self.close(id).await;
            }
            // Only for a room in need: this is on every message's way, and a repair looks at all rooms.
            if room.sequencer.overdue(now, self.patience.duration()).is_some() {
                self.repair(now);
            }
        }
        self.plan(now, id);
    }

    pub(super) fn plan(&mut self, now: Instant, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let blocked = self.repairing || self.repair_after.is_some_and(|at| at > now);
        let mut next = room.next_look(now, self.patience, blocked);
        if let Some(after) = self.repair_after.filter(|at| *at > now && room.sequencer.gap_since().is_some())
        {
            next = Some(next.map_or(after, |at| at.min(after)));
        }
        if room.wake != next {
            if let Some(at) = room.wake {
                self.agenda.remove(&(at, id));
            }
            room.wake = next;
            self.agenda.extend(next.map(|at| (at, id)));
        }
    }

    pub(super) async fn tell_change(hub: &Hub, now: Instant, id: RoomId, room: &mut Room) {
        let change = room.roster.flush();
        let quiet = std::mem::replace(&mut room.quiet, room.unsettled.is_some());
        let Some(change) = change else { return };
        let text = if quiet {
            room.announcer.told_quietly(now);
            v1::user_list(&room.name, &room.roster.fragment(), None)
        } else {
            room.announcer.told(now, &change);
            let change = room.roster.told_of(change);
            v1::presence(&room.name, &change.joined, &change.left, change.count, change.version)
        };
        if room.seeds == 0 {
            room.announcer.lines();
        }
        hub.signal(id.0, Frame { v1: frame::text(&text), seed: Bytes::new() }, None).await;
    }

    pub(super) async fn tell_seeds(hub: &Hub, now: Instant, id: RoomId, room: &mut Room) {
        let mut bytes = 0;
        for line in room.announcer.lines() {
            let person = line.about.and_then(|name| room.tag_of(&name));
            let seed = frame::text(&seed::announcement(&line.text));
            bytes += seed.len();
            hub.signal(id.0, Frame { v1: Bytes::new(), seed }, person).await;
        }
        let names: Vec<Username> = room.roster.list(None).take(seed::USERS_MAX).cloned().collect();
        let seed = frame::text(&seed::user_list(&names));
        bytes += seed.len();
        room.announcer.spent(now, bytes);
        hub.signal(id.0, Frame { v1: Bytes::new(), seed }, None).await;
    }
}

/// The answer to somebody who need not join any more.
fn settled() -> oneshot::Receiver<Result<(), Behind>> {
    let (answer, settled) = oneshot::channel();
    let _ = answer.send(Ok(()));
    settled
}

pub(super) fn people(room: &Room, after: Option<&Username>, limit: usize) -> People {
    let mut users: Vec<Username> = room.roster.list(after).take(limit + 1).cloned().collect();
    let more = users.len() > limit;
    users.truncate(limit);
    let next = if more { users.last().cloned() } else { None };
    People { users, user_count: room.roster.count(), next }
}
