//! Members go live, leave, and are told who else is there when they ask.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Conductor;
use crate::{
    chat::{
        rooms::{GoLive, People},
        roster::Departure,
    },
    domain::{RoomId, Username},
    hub::{Behind, Frame, MemberId, frame},
    protocol::{
        Ref,
        v1::{self, PeopleFragment},
    },
};

impl Conductor {
    /// The last step of joining: from the hub's answer on the member is told everything. Nothing is
    /// answered when the room is not open.
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
        let room = self.rooms.get(&id)?;
        let (at, greeting) = room.greeting(entry.arrival, &entry.person.username)?;
        Some(self.hub.join(id.0, entry.member, at.0, greeting).await)
    }

    /// A socket is out. Its person leaves the list now or when the grace time ends.
    pub(super) async fn leave(&mut self, now: Instant, id: RoomId, member: MemberId, how: Departure) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(gone) = room.forget(member) else { return };
        self.hub.leave(id.0, member).await;
        let name = &gone.person.username;
        if room.roster.depart(name, now, how, self.settings.grace) {
            self.own.left(id, name);
        }
        self.look(now, id).await;
    }

    /// The list for one member, in order with the changes it is told.
    pub(super) async fn users(&mut self, id: RoomId, member: MemberId, reference: Option<&Ref>) {
        if let Some(room) = self.rooms.get(&id) {
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

    /// The list, encoded.
    pub(super) fn fragment(&self, id: RoomId) -> Option<Arc<PeopleFragment>> {
        self.rooms.get(&id).map(|room| room.roster.fragment())
    }

    /// A page of the list.
    pub(super) fn people(&self, id: RoomId, after: Option<&Username>, limit: usize) -> Option<People> {
        let room = self.rooms.get(&id)?;
        let mut users: Vec<Username> = room.roster.list(after).take(limit + 1).cloned().collect();
        let more = users.len() > limit;
        users.truncate(limit);
        let next = if more { users.last().cloned() } else { None };
        Some(People { users, user_count: room.roster.count(), next })
    }

    /// How many people are in each room.
    pub(super) fn counts(&self) -> Vec<(RoomId, usize)> {
        self.rooms.iter().map(|(id, room)| (*id, room.roster.count())).collect()
    }
}

/// The answer to somebody who need not join any more.
fn settled() -> oneshot::Receiver<Result<(), Behind>> {
    let (answer, settled) = oneshot::channel();
    let _ = answer.send(Ok(()));
    settled
}
