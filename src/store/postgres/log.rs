//! Rooms and the message log in PostgreSQL. The append is the function of the migration, one call a
//! batch.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_postgres::{Row, types::ToSql};

use super::{Effect, PostgresStore, calls::PATIENT, failure::Told};
use crate::{
    domain::{ClientId, Event, MessageBody, RoomId, RoomName, Seq, Timestamp, UserId, Username},
    store::{Appended, Head, Log, Missing, NewEvent, Page, Result, Room, Slice, Store, StoreError},
};

/// Most events of one room that one call reads, whatever their size.
const ROWS: i64 = 1_000;
/// What an append that began in time may still take: it inserts and commits.
const COMMIT: Duration = Duration::from_millis(100);

#[async_trait]
impl Log for PostgresStore {
    async fn create_room(&self, name: &RoomName) -> Result<Room> {
        let sql = "INSERT INTO rooms (name) VALUES ($1) ON CONFLICT DO NOTHING
            RETURNING id, name, last_seq, last_ts";
        let rows = self.other.query(Effect::Write, sql, &[&name.as_str()]).await?;
        rows.first().map_or(Err(StoreError::Taken), room)
    }

    async fn room(&self, name: &RoomName) -> Result<Option<Room>> {
        let sql = "SELECT id, name, last_seq, last_ts FROM rooms WHERE name = $1";
        let rows = self.other.query(Effect::Read, sql, &[&name.as_str()]).await?;
        rows.first().map(room).transpose()
    }

    async fn rooms(&self, after: Option<&RoomName>, limit: usize) -> Result<Vec<Room>> {
        let sql = "SELECT id, name, last_seq, last_ts FROM rooms WHERE name > $1 ORDER BY name LIMIT $2";
        let after = after.map_or("", RoomName::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.other.query(Effect::Read, sql, &[&after, &limit]).await?.iter().map(room).collect()
    }

    async fn append(&self, batch: &[NewEvent]) -> Result<Vec<Appended>> {
        self.append_until(batch, Instant::now() + PATIENT.call).await
    }

    async fn append_until(&self, batch: &[NewEvent], until: Instant) -> Result<Vec<Appended>> {
        self.admit()?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = self.deadline(until).await?;
        let sql = "SELECT seq, ts, fresh, same, at FROM chorus_append_until($1, $2, $3, $4, $5)";
        let rooms: Vec<i64> = batch.iter().map(|event| event.room.0).collect();
        let senders: Vec<i64> = batch.iter().map(|event| event.sender.0).collect();
        let ids: Vec<&str> = batch.iter().map(|event| event.id.as_str()).collect();
        let bodies: Vec<&str> = batch.iter().map(|event| event.body.as_str()).collect();
        let sent = Instant::now();
        let params: [&(dyn ToSql + Sync); 5] = [&deadline.0, &rooms, &senders, &ids, &bodies];
        let rows = self.log.query(Effect::Write, sql, &params).await?;
        let at = rows.first().map_or(Ok(deadline.0), |row| row.try_get(4))?;
        self.horizon.learn(sent, Timestamp(at));
        rows.iter().map(appended).collect()
    }

    async fn page(&self, room: RoomId, slice: Slice, limit: usize, max_bytes: usize) -> Result<Page> {
        let asked = Asked::new(room, slice, limit, max_bytes);
        let rows = self.log.query(Effect::Read, asked.sql(), &asked.params()).await?;
        asked.page(&rows)
    }

    async fn missing(&self, ranges: &[Missing], max_bytes: usize) -> Result<Vec<Event>> {
        let sql = "SELECT m.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
                WITH ORDINALITY AS q (room, above, upto, ord)
            CROSS JOIN LATERAL (
                SELECT m.room_id, m.seq, m.client_id, m.sender_id, u.username, m.body, m.ts,
                       sum(octet_length(m.body)) OVER (ORDER BY m.seq) - octet_length(m.body) AS before
                FROM (SELECT * FROM messages WHERE room_id = q.room AND seq > q.above AND seq <= q.upto
                      ORDER BY seq LIMIT $5) m
                JOIN users u ON u.id = m.sender_id
            ) m WHERE m.before <= $4 ORDER BY q.ord, m.seq";
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let share = max_bytes / ranges.len();
        let rooms: Vec<i64> = ranges.iter().map(|range| range.room.0).collect();
        let above: Vec<i64> = ranges.iter().map(|range| signed(range.after.0)).collect();
        let upto: Vec<i64> = ranges.iter().map(|range| signed(range.upto.0)).collect();
        let bytes = bytes(share);
        let rows = self.log.query(Effect::Read, sql, &[&rooms, &above, &upto, &bytes, &ROWS]).await?;
        within(&rows, share)
    }

    async fn heads(&self, at: &[(RoomId, Seq)]) -> Result<Vec<Head>> {
        let sql = "SELECT r.id, r.last_seq, m.client_id
            FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS q (room, seq, ord)
            JOIN rooms r ON r.id = q.room
            LEFT JOIN messages m ON m.room_id = q.room AND m.seq = q.seq
            ORDER BY q.ord";
        let rooms: Vec<i64> = at.iter().map(|(room, _)| room.0).collect();
        let seqs: Vec<i64> = at.iter().map(|(_, seq)| signed(seq.0)).collect();
        let rows = self.log.query(Effect::Read, sql, &[&rooms, &seqs]).await?;
        rows.iter().map(head).collect()
    }
}

impl PostgresStore {
    /// Until when an append may begin, by the database's clock, so that it has ended `until` then.
    async fn deadline(&self, until: Instant) -> Result<Timestamp> {
        let begins = until.checked_sub(COMMIT).unwrap_or(until);
        if let Some(deadline) = self.horizon.at(begins) {
            return Ok(deadline);
        }
        self.now().await?;
        self.horizon
            .at(begins)
            .ok_or_else(|| StoreError::Unavailable("the database's time is unknown".into()))
    }
}

/// A page that is asked for.
pub(super) struct Asked {
    room: i64,
    above: i64,
    below: i64,
    upwards: bool,
    limit: usize,
    max_bytes: usize,
    /// What the statement gets of the last two: one row more, to know whether there is one. (It
    /// counts texts alone and so sends a little more than is kept.)
    rows: i64,
    bytes: i64,
}

impl Asked {
    pub(super) fn new(room: RoomId, slice: Slice, limit: usize, max_bytes: usize) -> Self {
        let (upwards, above, below) = match slice {
            Slice::After(after) => (true, signed(after.0), i64::MAX),
            Slice::Before(before) => (false, 0, signed(before.0)),
            Slice::Newest => (false, 0, i64::MAX),
        };
        let rows = i64::try_from(limit).unwrap_or(i64::MAX).min(ROWS) + 1;
        let limit = limit.min(usize::try_from(ROWS).unwrap_or(usize::MAX));
        Self {
            room: room.0,
            above,
            below,
            upwards,
            limit,
            max_bytes,
            rows,
            bytes: bytes(max_bytes),
        }
    }

    /// One statement, so the end of the log and its events are one snapshot. A room without events
    /// in the stretch is one row of which only the first column is there.
    pub(super) const fn sql(&self) -> &'static str {
        if self.upwards {
            "SELECT r.last_seq, m.* FROM rooms r LEFT JOIN LATERAL (
                SELECT m.room_id, m.seq, m.client_id, m.sender_id, u.username, m.body, m.ts,
                       coalesce(sum(octet_length(m.body)) OVER (ORDER BY m.seq
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0) AS before
                FROM (SELECT * FROM messages WHERE room_id = r.id AND seq > $2 AND seq < $3
                      ORDER BY seq LIMIT $4) m
                JOIN users u ON u.id = m.sender_id
             ) m ON m.before <= $5 WHERE r.id = $1 ORDER BY m.seq"
        } else {
            "SELECT r.last_seq, m.* FROM rooms r LEFT JOIN LATERAL (
                SELECT m.room_id, m.seq, m.client_id, m.sender_id, u.username, m.body, m.ts,
                       coalesce(sum(octet_length(m.body)) OVER (ORDER BY m.seq DESC
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING), 0) AS before
                FROM (SELECT * FROM messages WHERE room_id = r.id AND seq > $2 AND seq < $3
                      ORDER BY seq DESC LIMIT $4) m
                JOIN users u ON u.id = m.sender_id
             ) m ON m.before <= $5 WHERE r.id = $1 ORDER BY m.seq DESC"
        }
    }

    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.room, &self.above, &self.below, &self.rows, &self.bytes]
    }

    pub(super) fn page(&self, rows: &[Row]) -> Result<Page> {
        let last_seq = rows.first().map_or(Ok(Seq::ZERO), |row| seq(row, 0))?;
        let (mut events, mut has_more, mut weight) = (Vec::new(), false, 0);
        for row in rows {
            if row.try_get::<_, Option<i64>>(1)?.is_none() {
                break;
            }
            let event = event(row, 1)?;
            weight += event.weight();
            if events.len() == self.limit || (!events.is_empty() && weight > self.max_bytes) {
                has_more = true;
                break;
            }
            events.push(event);
        }
        if !self.upwards {
            events.reverse();
        }
        Ok(Page { events, last_seq, has_more })
    }
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `sum` answers a bigint that is compared with this.
fn bytes(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn seq(row: &Row, column: usize) -> Result<Seq> {
    Ok(Seq(row.try_get::<_, i64>(column)?.unsigned_abs()))
}

fn room(row: &Row) -> Result<Room> {
    let name = room_name(row, 1)?;
    let last_seq = seq(row, 2)?;
    let last_timestamp = (last_seq > Seq::ZERO).then_some(Timestamp(row.try_get(3)?));
    Ok(Room { id: RoomId(row.try_get(0)?), name, last_seq, last_timestamp })
}

pub(super) fn room_name(row: &Row, column: usize) -> Result<RoomName> {
    let name: String = row.try_get(column)?;
    RoomName::parse(&name).map_err(|_| StoreError::Unavailable("a room's name can't be read".into()))
}

fn appended(row: &Row) -> Result<Appended> {
    if row.try_get::<_, Option<bool>>(2)?.is_none() {
        Told::Unavailable.count(1);
        return Err(StoreError::Unavailable("it came too late to be committed".into()));
    }
    let Some(number) = row.try_get::<_, Option<i64>>(0)? else {
        return Ok(Appended::RoomGone);
    };
    let (seq, timestamp) = (Seq(number.unsigned_abs()), Timestamp(row.try_get(1)?));
    let (fresh, same): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    Ok(match (fresh, same) {
        (true, _) => Appended::New { seq, timestamp },
        (false, true) => Appended::Again { seq, timestamp },
        (false, false) => Appended::Conflict,
    })
}

fn event(row: &Row, first: usize) -> Result<Event> {
    Ok(Event {
        room: RoomId(row.try_get(first)?),
        seq: seq(row, first + 1)?,
        id: ClientId::from_store(row.try_get::<_, String>(first + 2)?),
        sender: UserId(row.try_get(first + 3)?),
        username: Username::from_store(row.try_get::<_, String>(first + 4)?),
        body: MessageBody::from_store(row.try_get::<_, String>(first + 5)?),
        timestamp: Timestamp(row.try_get(first + 6)?),
    })
}

/// Of each room at most `share` bytes, but at least one event.
fn within(rows: &[Row], share: usize) -> Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::with_capacity(rows.len());
    let mut weight = 0;
    let mut full = false;
    for row in rows {
        let event = event(row, 0)?;
        let begins = events.last().is_none_or(|last| last.room != event.room);
        if begins {
            (weight, full) = (0, false);
        }
        weight += event.weight();
        full |= !begins && weight > share;
        if !full {
            events.push(event);
        }
    }
    Ok(events)
}

fn head(row: &Row) -> Result<Head> {
    let id_at = row.try_get::<_, Option<String>>(2)?.map(ClientId::from_store);
    Ok(Head { room: RoomId(row.try_get(0)?), last_seq: seq(row, 1)?, id_at })
}
