//! The numbers of rooms by name, remembered: a room keeps its number as long as it exists.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::{
    domain::{RoomId, RoomName},
    error::Refusal,
    store::Log,
};

/// How many names are remembered; beyond it the store is asked.
const REMEMBERED: usize = 10_000;

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Directory(RwLock<HashMap<RoomName, RoomId>>);

impl Directory {
    /// The number of a room.
    ///
    /// # Errors
    /// `room_not_found`, or what the store refuses.
    pub(super) async fn id(&self, name: &RoomName, store: &dyn Log) -> Result<RoomId, Refusal> {
        if let Some(id) = self.0.read().get(name) {
            return Ok(*id);
        }
        let room = store.room(name).await?.ok_or_else(Refusal::room_not_found)?;
        let mut known = self.0.write();
        if known.len() < REMEMBERED {
            known.insert(name.clone(), room.id);
        }
        Ok(room.id)
    }
}
