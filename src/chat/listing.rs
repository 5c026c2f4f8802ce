//! What is asked about rooms over HTTP: which there are, what was said in them, who is in them. A room
//! that has members here is answered by its roster, any other by the cluster's sets.

use std::collections::HashMap;

use super::{Chat, rooms::People};
use crate::{
    domain::{RoomId, RoomName, Seq, Timestamp, Username},
    error::{Code, Refusal},
    store::{Page, Room, Slice, StoreError},
};

/// A room as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name.
    pub room: RoomName,
    /// How many people are in it.
    pub user_count: usize,
    /// Its newest number.
    pub last_seq: Seq,
    /// When that was committed.
    pub last_timestamp: Option<Timestamp>,
}

/// A page of rooms.
#[derive(Debug, Clone, Default)]
pub struct RoomList {
    /// By name.
    pub rooms: Vec<RoomInfo>,
    /// The last name of this page, if the list goes on.
    pub next: Option<RoomName>,
}

impl Chat {
    /// Rooms by name, after `after`.
    pub async fn list_rooms(&self, after: Option<RoomName>, limit: usize) -> Result<RoomList, Refusal> {
        let mut found = self.here.store.rooms(after.as_ref(), limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = if more { found.last().map(|room| room.name.clone()) } else { None };
        let mut open: HashMap<RoomId, usize> = self.here.rooms.counts().await.into_iter().collect();
        let absent: Vec<RoomId> =
            found.iter().map(|room| room.id).filter(|id| !open.contains_key(id)).collect();
        open.extend(self.absent_counts(&absent).await);
        let counted = found.into_iter().map(|room| {
            let count = open.get(&room.id).copied().unwrap_or(0);
            info(room, count)
        });
        Ok(RoomList { rooms: counted.collect(), next })
    }

    /// Opens a room.
    ///
    /// # Errors
    /// `room_taken`.
    pub async fn create_room(&self, name: RoomName) -> Result<RoomInfo, Refusal> {
        match self.here.store.create_room(&name).await {
            Ok(room) => Ok(info(room, 0)),
            Err(StoreError::Taken) => {
                Err(Refusal::new(Code::RoomTaken, "There is a room of this name already."))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One room.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn room_info(&self, name: &RoomName) -> Result<RoomInfo, Refusal> {
        let room = self.here.store.room(name).await?.ok_or_else(Refusal::room_not_found)?;
        let people = self.people(name, None, 0).await?;
        Ok(info(room, people.user_count))
    }

    /// A page of a room's log.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn history(&self, room: &RoomName, slice: Slice, limit: usize) -> Result<Page, Refusal> {
        let id = self.room_id(room).await?;
        Ok(self.here.page(id, slice, limit).await?)
    }

    /// A page of a room's people.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn people(
        &self,
        room: &RoomName,
        after: Option<Username>,
        limit: usize,
    ) -> Result<People, Refusal> {
        let id = self.room_id(room).await?;
        if let Some(people) = self.here.rooms.people(id, after.clone(), limit).await {
            return Ok(people);
        }
        let names = self.absent_people(id).await;
        let from = after.map_or(0, |after| names.partition_point(|name| name.list_order(&after).is_le()));
        let users: Vec<Username> = names.iter().skip(from).take(limit).cloned().collect();
        let next = if from + users.len() < names.len() { users.last().cloned() } else { None };
        Ok(People { users, user_count: names.len(), next })
    }

    /// How many people are in rooms without members on this node; nothing while the cluster does
    /// not answer.
    async fn absent_counts(&self, rooms: &[RoomId]) -> HashMap<RoomId, usize> {
        let dead = self.here.leases.lock().dead();
        let counts = if rooms.is_empty() {
            Ok(Vec::new())
        } else {
            self.here.presence.counts(rooms, &dead).await
        };
        rooms.iter().copied().zip(counts.unwrap_or_default()).collect()
    }

    /// The people of a room without members on this node, in list order.
    async fn absent_people(&self, room: RoomId) -> Vec<Username> {
        let Some(sets) = self.here.sets_of(room).await else { return Vec::new() };
        let live = sets.sets.into_iter().filter(|(who, _)| !self.here.is_dead(*who));
        let mut names: Vec<Username> = live.flat_map(|(_, names)| names).collect();
        names.sort_by(Username::list_order);
        names.dedup();
        names
    }
}

fn info(room: Room, user_count: usize) -> RoomInfo {
    RoomInfo {
        room: room.name,
        user_count,
        last_seq: room.last_seq,
        last_timestamp: room.last_timestamp,
    }
}
