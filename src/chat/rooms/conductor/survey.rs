//! What an operator is told of the rooms, and says to one of them.

use std::collections::HashSet;

use super::Conductor;
use crate::{
    domain::{RoomId, RoomName},
    hub::{Frame, MemberId},
};

impl Conductor {
    /// The operator says something to a room; answers to how many sockets.
    pub(super) async fn announce(&self, id: RoomId, frame: Frame) -> usize {
        let Some(room) = self.rooms.get(&id) else { return 0 };
        self.hub.signal(id.0, frame, None).await;
        room.attendees.len()
    }

    /// Who is in a room.
    pub(super) fn attendees(&self, id: RoomId) -> HashSet<MemberId> {
        self.rooms
            .get(&id)
            .map_or_else(HashSet::new, |room| room.attendees.keys().copied().collect())
    }

    /// In which rooms these are. Of each room the smaller side is walked over, so that neither many
    /// small rooms nor a huge one keep the others waiting.
    pub(super) fn whereabouts(&self, members: &HashSet<MemberId>) -> Vec<(MemberId, RoomName)> {
        let mut found = Vec::new();
        for room in self.rooms.values() {
            let mut note = |member: &MemberId| found.push((*member, room.name.clone()));
            if room.attendees.len() < members.len() {
                room.attendees.keys().filter(|member| members.contains(member)).for_each(&mut note);
            } else {
                members.iter().filter(|member| room.attendees.contains_key(member)).for_each(&mut note);
            }
        }
        found
    }
}
