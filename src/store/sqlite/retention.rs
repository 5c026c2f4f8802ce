//! Deleting old events in `SQLite`, in steps of the only writer that share a commit with what is said meanwhile.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{SqliteStore, signed};
use crate::{
    domain::{RoomId, Timestamp},
    store::{Expired, Result, Retention},
};

/// Rooms that one step looks at.
const STEP_ROOMS: u64 = 500;
/// Most events that one step deletes.
const STEP_ROWS: u64 = 500;

#[async_trait]
impl Retention for SqliteStore {
    /// There is no other node.
    async fn claim_expiry(&self, _every: Duration) -> Result<bool> {
        Ok(true)
    }

    async fn expire(&self, before: Timestamp, after: Option<RoomId>) -> Result<Expired> {
        self.write(move |connection| step(connection, before, after)).await
    }
}

fn step(connection: &Connection, before: Timestamp, after: Option<RoomId>) -> Result<Expired> {
    let rooms: Vec<i64> = connection
        .prepare_cached("SELECT id FROM rooms WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![after.map_or(0, |room| room.0), signed(STEP_ROOMS)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut events = 0;
    for room in &rooms {
        events += expire(connection, *room, before, STEP_ROWS - events)?;
        if events >= STEP_ROWS {
            // There may be more of this one.
            return Ok(Expired { events, next: Some(RoomId(room - 1)) });
        }
    }
    let all = (rooms.len() as u64) < STEP_ROOMS;
    let next = rooms.last().filter(|_| !all).map(|room| RoomId(*room));
    Ok(Expired { events, next })
}

/// Deletes from the beginning of one room; only if its second event is old is there anything to delete.
fn expire(connection: &Connection, room: i64, before: Timestamp, rows: u64) -> Result<u64> {
    let mut is_old = connection.prepare_cached(
        "SELECT 1 FROM (SELECT ts FROM messages WHERE room_id = ?1 ORDER BY seq LIMIT 1 OFFSET 1)
         WHERE ts < ?2",
    )?;
    if !is_old.exists(params![room, before.0])? {
        return Ok(0);
    }
    // The last old one of the next `rows` and one stays.
    let deleted = connection
        .prepare_cached(
            "DELETE FROM messages WHERE room_id = ?1 AND seq < (
                 SELECT coalesce(min(seq) FILTER (WHERE ts >= ?2) - 1, max(seq))
                 FROM (SELECT seq, ts FROM messages WHERE room_id = ?1 ORDER BY seq LIMIT ?3))",
        )?
        .execute(params![room, before.0, signed(rows + 1)])?;
    Ok(deleted as u64)
}
