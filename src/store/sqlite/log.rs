//! Rooms and the message log in `SQLite`.
//!
//! An append finds what is there already, numbers what is new, inserts it and moves the room's
//! head, all in one transaction of the only writer, so numbers have no gap and ids no double.

use std::collections::{HashMap, hash_map::Entry};

use async_trait::async_trait;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::{SqliteStore, now, signed};
use crate::{
    domain::{ClientId, Event, MessageBody, RoomId, RoomName, Seq, Timestamp, UserId, Username},
    store::{Appended, Head, Log, Missing, NewEvent, Page, Result, Room, Slice, StoreError},
};

#[async_trait]
impl Log for SqliteStore {
    async fn create_room(&self, name: &RoomName) -> Result<Room> {
        let name = name.clone();
        self.write(move |c| create(c, &name)).await
    }

    async fn room(&self, name: &RoomName) -> Result<Option<Room>> {
        let name = name.clone();
        self.read(move |c| {
            let sql = "SELECT id, name, last_seq, last_ts FROM rooms WHERE name = ?1";
            Ok(c.prepare_cached(sql)?.query_row([name.as_str()], room).optional()?)
        })
        .await
    }

    async fn rooms(&self, after: Option<&RoomName>, limit: usize) -> Result<Vec<Room>> {
        let after = after.map_or_else(String::new, |name| name.as_str().to_owned());
        let limit = signed(limit as u64);
        self.read(move |c| {
            let sql = "SELECT id, name, last_seq, last_ts FROM rooms WHERE name > ?1 ORDER BY name LIMIT ?2";
            let mut statement = c.prepare_cached(sql)?;
            let rooms = statement.query_map(params![after, limit], room)?;
            Ok(rooms.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn append(&self, batch: &[NewEvent]) -> Result<Vec<Appended>> {
        let batch = batch.to_vec();
        self.write(move |c| append(c, &batch, now())).await
    }

    async fn page(&self, room: RoomId, slice: Slice, limit: usize, max_bytes: usize) -> Result<Page> {
        self.read(move |c| page(c, room, slice, limit, max_bytes)).await
    }

    async fn missing(&self, ranges: &[Missing], max_bytes: usize) -> Result<Vec<Event>> {
        let ranges = ranges.to_vec();
        self.read(move |c| missing(c, &ranges, max_bytes)).await
    }

    async fn heads(&self, at: &[(RoomId, Seq)]) -> Result<Vec<Head>> {
        let at = at.to_vec();
        self.read(move |c| heads(c, &at)).await
    }
}

fn room(row: &Row<'_>) -> rusqlite::Result<Room> {
    let last_seq = seq(row, 2)?;
    let last_timestamp = (last_seq > Seq::ZERO).then_some(Timestamp(row.get(3)?));
    let name = room_name(row, 1)?;
    Ok(Room { id: RoomId(row.get(0)?), name, last_seq, last_timestamp })
}

pub(super) fn room_name(row: &Row<'_>, column: usize) -> rusqlite::Result<RoomName> {
    let name: String = row.get(column)?;
    RoomName::parse(&name).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Seq> {
    Ok(Seq(row.get::<_, i64>(column)?.unsigned_abs()))
}

fn create(connection: &Connection, name: &RoomName) -> Result<Room> {
    connection
        .prepare_cached(
            "INSERT INTO rooms (name, created_at) VALUES (?1, ?2)
             ON CONFLICT DO NOTHING RETURNING id, name, last_seq, last_ts",
        )?
        .query_row(params![name.as_str(), now().0], room)
        .optional()?
        .ok_or(StoreError::Taken)
}

/// The end of a room's log while a batch is appended to it.
struct End {
    seq: Seq,
    timestamp: Timestamp,
    moved: bool,
}

/// All new events of one batch get the time of its commit, or the room's last time when the clock
/// was set back: within a room time never goes back.
fn append(connection: &Connection, batch: &[NewEvent], now: Timestamp) -> Result<Vec<Appended>> {
    let mut ends = HashMap::new();
    let mut answers = Vec::with_capacity(batch.len());
    for event in batch {
        let end = match ends.entry(event.room) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(end_of(connection, event.room, now)?),
        };
        answers.push(match end {
            None => Appended::RoomGone,
            Some(end) => append_one(connection, event, end)?,
        });
    }
    let sql = "UPDATE rooms SET last_seq = ?2, last_ts = ?3 WHERE id = ?1";
    let mut move_end = connection.prepare_cached(sql)?;
    for (room, end) in ends {
        if let Some(end) = end.filter(|end| end.moved) {
            move_end.execute(params![room.0, signed(end.seq.0), end.timestamp.0])?;
        }
    }
    Ok(answers)
}

fn end_of(connection: &Connection, room: RoomId, now: Timestamp) -> Result<Option<End>> {
    let end = connection
        .prepare_cached("SELECT last_seq, last_ts FROM rooms WHERE id = ?1")?
        .query_row([room.0], |row| {
            let timestamp = now.max(Timestamp(row.get(1)?));
            Ok(End { seq: seq(row, 0)?, timestamp, moved: false })
        })
        .optional()?;
    Ok(end)
}

/// A number is taken only when the id was new. The conflict clause names the id's index: a number
/// that is already there would be a broken log, and is an error.
fn append_one(connection: &Connection, event: &NewEvent, end: &mut End) -> Result<Appended> {
    let (seq, timestamp) = (end.seq.next(), end.timestamp);
    let (id, body) = (event.id.as_str(), event.body.as_str());
    let inserted = connection
        .prepare_cached(
            "INSERT INTO messages (room_id, seq, sender_id, client_id, body, ts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (room_id, sender_id, client_id) DO NOTHING",
        )?
        .execute(params![event.room.0, signed(seq.0), event.sender.0, id, body, timestamp.0])?;
    if inserted == 0 {
        return first_answer(connection, event);
    }
    end.seq = seq;
    end.moved = true;
    Ok(Appended::New { seq, timestamp })
}

fn first_answer(connection: &Connection, event: &NewEvent) -> Result<Appended> {
    let answer = connection
        .prepare_cached(
            "SELECT seq, ts, body = ?4 FROM messages
             WHERE room_id = ?1 AND sender_id = ?2 AND client_id = ?3",
        )?
        .query_row(
            params![
                event.room.0,
                event.sender.0,
                event.id.as_str(),
                event.body.as_str()
            ],
            |row| {
                let (seq, timestamp) = (seq(row, 0)?, Timestamp(row.get(1)?));
                let same: bool = row.get(2)?;
                Ok(if same { Appended::Again { seq, timestamp } } else { Appended::Conflict })
            },
        )?;
    Ok(answer)
}

/// Room, lower bound (excluded), upper bound (excluded).
const UPWARDS: &str = "SELECT m.room_id, m.seq, m.client_id, m.sender_id, u.username, m.body, m.ts
     FROM messages m CROSS JOIN users u ON u.id = m.sender_id
     WHERE m.room_id = ?1 AND m.seq > ?2 AND m.seq < ?3 ORDER BY m.seq";
const DOWNWARDS: &str = "SELECT m.room_id, m.seq, m.client_id, m.sender_id, u.username, m.body, m.ts
     FROM messages m CROSS JOIN users u ON u.id = m.sender_id
     WHERE m.room_id = ?1 AND m.seq > ?2 AND m.seq < ?3 ORDER BY m.seq DESC";

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        room: RoomId(row.get(0)?),
        seq: seq(row, 1)?,
        id: ClientId::from_store(row.get::<_, String>(2)?),
        sender: UserId(row.get(3)?),
        username: Username::from_store(row.get::<_, String>(4)?),
        body: MessageBody::from_store(row.get::<_, String>(5)?),
        timestamp: Timestamp(row.get(6)?),
    })
}

/// Events of one room as they are found, at most `limit`, and as many as fit into `max_bytes`,
/// but at least one. Answers whether there were more, and how many bytes were taken.
fn take(
    statement: &mut CachedStatement<'_>,
    (room, above, below): (RoomId, Seq, i64),
    (limit, max_bytes): (usize, usize),
    into: &mut Vec<Event>,
) -> Result<(bool, usize)> {
    let (mut count, mut bytes) = (0, 0);
    let mut rows = statement.query(params![room.0, signed(above.0), below])?;
    while let Some(row) = rows.next()? {
        if count == limit {
            return Ok((true, bytes));
        }
        let event = event(row)?;
        if count > 0 && bytes + event.weight() > max_bytes {
            return Ok((true, bytes));
        }
        count += 1;
        bytes += event.weight();
        into.push(event);
    }
    Ok((false, bytes))
}

fn page(connection: &Connection, room: RoomId, slice: Slice, limit: usize, max_bytes: usize) -> Result<Page> {
    let last_seq = connection
        .prepare_cached("SELECT last_seq FROM rooms WHERE id = ?1")?
        .query_row([room.0], |row| seq(row, 0))
        .optional()?
        .unwrap_or_default();
    let (sql, above, below) = match slice {
        Slice::After(after) => (UPWARDS, after, i64::MAX),
        Slice::Before(before) => (DOWNWARDS, Seq::ZERO, signed(before.0)),
        Slice::Newest => (DOWNWARDS, Seq::ZERO, i64::MAX),
    };
    let mut events = Vec::new();
    let mut statement = connection.prepare_cached(sql)?;
    let (has_more, _) = take(&mut statement, (room, above, below), (limit, max_bytes), &mut events)?;
    if sql == DOWNWARDS {
        events.reverse();
    }
    Ok(Page { events, last_seq, has_more })
}

/// One snapshot; one short query per range, because nothing travels between us and the database.
/// What a range leaves of its share of the bytes goes to those after it.
fn missing(connection: &Connection, ranges: &[Missing], max_bytes: usize) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut left = max_bytes;
    let mut statement = connection.prepare_cached(UPWARDS)?;
    for (index, range) in ranges.iter().enumerate() {
        let share = left / (ranges.len() - index);
        let below = signed(range.upto.0).saturating_add(1);
        let found = take(
            &mut statement,
            (range.room, range.after, below),
            (usize::MAX, share),
            &mut events,
        )?;
        left = left.saturating_sub(found.1);
    }
    Ok(events)
}

fn heads(connection: &Connection, at: &[(RoomId, Seq)]) -> Result<Vec<Head>> {
    let mut statement = connection.prepare_cached(
        "SELECT r.last_seq, (SELECT m.client_id FROM messages m WHERE m.room_id = r.id AND m.seq = ?2)
         FROM rooms r WHERE r.id = ?1",
    )?;
    let mut heads = Vec::with_capacity(at.len());
    for (room, named) in at {
        let head = statement
            .query_row(params![room.0, signed(named.0)], |row| {
                let id_at = row.get::<_, Option<String>>(1)?.map(ClientId::from_store);
                Ok(Head { room: *room, last_seq: seq(row, 0)?, id_at })
            })
            .optional()?;
        heads.extend(head);
    }
    Ok(heads)
}
