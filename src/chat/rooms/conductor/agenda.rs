//! What is due: each room says when it wants to be looked at, and the slow tick looks at all.

use std::time::Instant;

use super::Conductor;
use crate::domain::RoomId;

impl Conductor {
    /// Everything that is due: rooms on the agenda, and the slow tick.
    pub(super) async fn look_around(&mut self, now: Instant) {
        while let Some((at, room)) = self.agenda.first().copied() {
            if at > now {
                break;
            }
            self.agenda.pop_first();
            if let Some(room) = self.rooms.get_mut(&room) {
                room.wake = None;
            }
            self.look(now, room).await;
        }
        if now >= self.next_tick {
            self.tick(now);
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
                room.tell_change(&self.hub, now, id).await;
            }
            if room.seeds > 0 && room.announcer.list_at(now).is_some_and(|at| at <= now) {
                room.tell_seeds(&self.hub, now, id).await;
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

    /// Notes when a room wants to be looked at next.
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
}
