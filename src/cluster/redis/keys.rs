//! What things are called in Redis. Everything of one room has one hash tag, so that a script finds
//! it on one server of a Redis Cluster; so has everything of one incarnation.

use crate::{
    cluster::Incarnation,
    domain::{RoomId, UserId},
};

/// The names of one cluster's keys and channels.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    space: String,
    /// Channels don't belong to a database of a server, so their names say which it is.
    channels: String,
}

impl Keys {
    pub(super) fn new(space: &str, database: u8) -> Self {
        let channels = if database == 0 { space.to_owned() } else { format!("{space}:{database}") };
        Self { space: space.to_owned(), channels }
    }

    /// What the keys of a room begin with.
    pub(super) fn room(&self, room: RoomId) -> String {
        format!("{}:{{r:{}}}:", self.space, room.0)
    }

    /// What the keys of an incarnation begin with.
    pub(super) fn incarnation(&self, who: Incarnation) -> String {
        format!("{}:{{i:{who}}}:", self.space)
    }

    /// What the keys of the heartbeats begin with.
    pub(super) fn beats(&self) -> String {
        format!("{}:{{beats}}:", self.space)
    }

    /// Whose all this is.
    pub(super) fn chat(&self) -> String {
        format!("{}:{{chat}}", self.space)
    }

    /// Who reaches the database.
    pub(super) fn health(&self) -> String {
        format!("{}:{{health}}", self.space)
    }

    /// What one person sent lately.
    pub(super) fn spoken(&self, user: UserId) -> String {
        format!("{}:{{u:{}}}:spoken", self.space, user.0)
    }

    /// Where notices of a room are rung; `None` is for those that belong to no room.
    pub(super) fn bell(&self, room: Option<RoomId>) -> String {
        room.map_or_else(
            || format!("{}:bell:all", self.channels),
            |room| format!("{}:bell:{}", self.channels, room.0),
        )
    }

    /// Where a node hears its own probes.
    pub(super) fn probe(&self, node: &str) -> String {
        format!("{}:probe:{node}", self.channels)
    }
}
