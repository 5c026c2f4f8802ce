//! How far other systems are, in `SQLite`. There is no other node: the lead is had by asking, and only its number
//! matters.

mod letters;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};
use uuid::Uuid;

use super::{
    SqliteStore,
    log::{room_name, seq},
    signed,
};
use crate::{
    domain::{RoomId, Seq, Timestamp},
    store::{
        Among, Behind, Candidate, DeadLetter, Fence, Lead, LogId, PutAside, Relaying, Result, StartAt, Survey,
    },
};

/// Rooms that one look goes through.
const LOOKED_AT: usize = 10_000;
/// Most rooms that it answers.
const FOUND: usize = 500;

#[async_trait]
impl Relaying for SqliteStore {
    async fn lead(&self, sink: &str, candidate: Candidate) -> Result<Option<Lead>> {
        let asked = sink.to_owned();
        // Asked every second: nothing is written for what is had already.
        if let Some(lead) = self.read(move |connection| held(connection, &asked, candidate.me)).await? {
            return Ok(Some(lead));
        }
        let sink = sink.to_owned();
        self.write(move |connection| lead(connection, &sink, candidate).map(Some)).await
    }

    async fn give_up_lead(&self, sink: &str, fence: Fence) -> Result<()> {
        let sink = sink.to_owned();
        self.write(move |connection| {
            let sql = "UPDATE relay_sinks SET holder = NULL WHERE sink = ?1 AND fence = ?2";
            connection.prepare_cached(sql)?.execute(params![sink, fence.0])?;
            Ok(())
        })
        .await
    }

    async fn behind(&self, sink: &str, among: Among<'_>) -> Result<Survey> {
        let sink = sink.to_owned();
        match among {
            Among::After(after) => self.read(move |connection| after_room(connection, &sink, after)).await,
            Among::These(rooms) => {
                let rooms = rooms.to_vec();
                self.read(move |connection| these(connection, &sink, &rooms)).await
            }
        }
    }

    async fn move_cursors(&self, sink: &str, fence: Fence, to: &[(RoomId, Seq)]) -> Result<bool> {
        let (sink, to) = (sink.to_owned(), to.to_vec());
        self.write(move |connection| move_cursors(connection, &sink, fence, &to)).await
    }

    async fn put_aside(&self, sink: &str, fence: Fence, letters: &[DeadLetter]) -> Result<bool> {
        let (sink, letters) = (sink.to_owned(), letters.to_vec());
        self.write(move |connection| letters::put_aside(connection, &sink, fence, &letters)).await
    }

    async fn log_id(&self) -> Result<LogId> {
        self.read(log_id).await
    }

    async fn dead_letters(&self, most: u32) -> Result<Vec<PutAside>> {
        self.read(move |connection| letters::newest(connection, most)).await
    }
}

/// The lead, if it is this one's and the log is where it was.
fn held(connection: &Connection, sink: &str, me: Uuid) -> Result<Option<Lead>> {
    let held = connection
        .prepare_cached(
            "SELECT s.fence, l.chat, l.epoch FROM relay_sinks s CROSS JOIN relay_log l
             WHERE s.sink = ?1 AND s.holder = ?2 AND l.place = ?3",
        )?
        .query_row(params![sink, me.to_string(), place(connection)], |row| {
            Ok(Lead {
                fence: Fence(row.get(0)?),
                log: LogId { chat: uuid(row, 1)?, epoch: uuid(row, 2)? },
            })
        })
        .optional()?;
    Ok(held)
}

fn lead(connection: &Connection, sink: &str, candidate: Candidate) -> Result<Lead> {
    let log = identity(connection)?;
    let begun = connection
        .prepare_cached("INSERT INTO relay_sinks (sink, fence) VALUES (?1, 0) ON CONFLICT DO NOTHING")?
        .execute([sink])?;
    if begun > 0 && candidate.start_at == StartAt::Now {
        let sql = "INSERT INTO relay_cursors (sink, room_id, seq)
            SELECT ?1, id, last_seq FROM rooms WHERE last_seq > 0";
        connection.prepare_cached(sql)?.execute([sink])?;
    }
    let fence = connection
        .prepare_cached(
            "UPDATE relay_sinks SET fence = fence + (holder IS NOT ?2), holder = ?2 WHERE sink = ?1
             RETURNING fence",
        )?
        .query_row(params![sink, candidate.me.to_string()], |row| row.get(0))?;
    Ok(Lead { fence: Fence(fence), log })
}

/// The chat and the run of its log. Whoever leads a log that is in another file than before begins anew.
fn identity(connection: &Connection) -> Result<LogId> {
    let here = place(connection);
    let moved = connection
        .prepare_cached("UPDATE relay_log SET place = ?1, epoch = ?2 WHERE place <> ?1")?
        .execute(params![here, Uuid::new_v4().simple().to_string()])?;
    if moved > 0 {
        connection.prepare_cached("UPDATE relay_sinks SET holder = NULL")?.execute([])?;
    }
    log_id(connection)
}

fn log_id(connection: &Connection) -> Result<LogId> {
    let mut look = connection.prepare_cached("SELECT chat, epoch FROM relay_log")?;
    Ok(look.query_row([], |row| Ok(LogId { chat: uuid(row, 0)?, epoch: uuid(row, 1)? }))?)
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    Uuid::try_parse(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Which file this is: its number, and when it was made, because numbers are given again.
fn place(connection: &Connection) -> String {
    let Some(file) = connection.path().and_then(|path| fs::metadata(path).ok()) else {
        return "unknown".to_owned();
    };
    let made = file.created().unwrap_or(UNIX_EPOCH);
    format!("{}.{}", file.ino(), since_epoch(made))
}

fn since_epoch(moment: SystemTime) -> u128 {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn after_room(connection: &Connection, sink: &str, after: Option<RoomId>) -> Result<Survey> {
    let looked_at: Vec<RoomId> = connection
        .prepare_cached("SELECT id FROM rooms WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map(params![after.map_or(0, |room| room.0), signed(LOOKED_AT as u64)], |row| {
            row.get(0).map(RoomId)
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = these(connection, sink, &looked_at)?;
    if found.next.is_none() && looked_at.len() == LOOKED_AT {
        found.next = looked_at.last().copied();
    }
    Ok(found)
}

/// One snapshot; one short query per room.
fn these(connection: &Connection, sink: &str, rooms: &[RoomId]) -> Result<Survey> {
    let mut look = connection.prepare_cached(
        "SELECT r.id, r.name, coalesce(c.seq, 0), r.last_seq,
                (SELECT m.ts FROM messages m WHERE m.room_id = r.id AND m.seq > coalesce(c.seq, 0)
                 ORDER BY m.seq LIMIT 1), coalesce(c.told, c.seq, 0)
         FROM rooms r LEFT JOIN relay_cursors c ON c.sink = ?1 AND c.room_id = r.id
         WHERE r.id = ?2 AND r.last_seq > coalesce(c.seq, 0)",
    )?;
    let mut found = Survey::default();
    let mut sorted = rooms.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    for room in sorted {
        found.behind.extend(one(&mut look, sink, room)?);
        if found.behind.len() == FOUND {
            found.next = Some(room);
            break;
        }
    }
    Ok(found)
}

fn one(look: &mut Statement<'_>, sink: &str, room: RoomId) -> Result<Option<Behind>> {
    let behind = look.query_row(params![sink, room.0], |row| {
        Ok(Behind {
            room: RoomId(row.get(0)?),
            name: room_name(row, 1)?,
            cursor: seq(row, 2)?,
            last_seq: seq(row, 3)?,
            since: row.get::<_, Option<i64>>(4)?.map(Timestamp),
            told: seq(row, 5)?,
        })
    });
    Ok(behind.optional()?)
}

/// Whether this is the sink's lead.
fn leads(connection: &Connection, sink: &str, fence: Fence) -> Result<bool> {
    let mut look = connection.prepare_cached("SELECT 1 FROM relay_sinks WHERE sink = ?1 AND fence = ?2")?;
    Ok(look.exists(params![sink, fence.0])?)
}

fn move_cursors(connection: &Connection, sink: &str, fence: Fence, to: &[(RoomId, Seq)]) -> Result<bool> {
    if !leads(connection, sink, fence)? {
        return Ok(false);
    }
    let mut set = connection.prepare_cached(
        "INSERT INTO relay_cursors (sink, room_id, seq) VALUES (?1, ?2, ?3)
         ON CONFLICT (sink, room_id) DO UPDATE SET seq = excluded.seq, told = NULL WHERE seq < excluded.seq",
    )?;
    for (room, seq) in to {
        set.execute(params![sink, room.0, signed(seq.0)])?;
    }
    Ok(true)
}
