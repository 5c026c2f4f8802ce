//! What sinks refused for good.

use rusqlite::{Connection, params};

use super::{
    super::{
        log::{room_name, seq},
        now, signed,
    },
    leads,
};
use crate::{
    domain::{RoomId, Timestamp},
    store::{DeadLetter, Fence, PutAside, Result},
};

pub(super) fn put_aside(
    connection: &Connection,
    sink: &str,
    fence: Fence,
    letters: &[DeadLetter],
) -> Result<bool> {
    if !leads(connection, sink, fence)? {
        return Ok(false);
    }
    let mut keep = connection.prepare_cached(
        "INSERT INTO relay_dead_letters (sink, room_id, seq, message_id, reason, attempts, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    let mut go_on = connection.prepare_cached(
        "INSERT INTO relay_cursors (sink, room_id, seq, told) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (sink, room_id) DO UPDATE SET seq = excluded.seq, told = excluded.told WHERE seq < excluded.seq",
    )?;
    for letter in letters {
        let (room, number) = (letter.room.0, signed(letter.seq.0));
        let DeadLetter { message_id, reason, attempts, .. } = letter;
        keep.execute(params![sink, room, number, message_id, reason, attempts, now().0])?;
        go_on.execute(params![sink, room, number, signed(letter.told.0)])?;
    }
    Ok(true)
}

pub(super) fn newest(connection: &Connection, most: u32) -> Result<Vec<PutAside>> {
    let mut look = connection.prepare_cached(
        "SELECT d.room_id, r.name, d.seq, d.sink, d.message_id, d.reason, d.attempts, d.at
         FROM relay_dead_letters d JOIN rooms r ON r.id = d.room_id
         ORDER BY d.at DESC, d.room_id DESC, d.seq DESC LIMIT ?1",
    )?;
    let rows = look.query_map([most], |row| {
        Ok(PutAside {
            room: RoomId(row.get(0)?),
            name: room_name(row, 1)?,
            seq: seq(row, 2)?,
            sink: row.get(3)?,
            message_id: row.get(4)?,
            reason: row.get(5)?,
            attempts: row.get(6)?,
            at: Timestamp(row.get(7)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
