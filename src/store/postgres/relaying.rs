//! How far other systems are, in PostgreSQL: taking the lead and moving cursors are functions of the migration.

use async_trait::async_trait;
use tokio_postgres::{Row, types::ToSql};

use super::{
    Effect, PostgresStore,
    log::{room_name, seq, signed},
    millis,
};
use crate::{
    domain::{RoomId, Seq, Timestamp},
    store::{
        Among, Behind, Candidate, DEAD_LETTERS_KEPT, DEAD_LETTERS_MOST, DeadLetter, Fence, Lead, LogId,
        PutAside, Relaying, Result, StartAt, Survey,
    },
};

/// Rooms that one look goes through.
const LOOKED_AT: i64 = 10_000;
/// Most rooms that it answers.
const FOUND: i64 = 500;

/// Behind the rooms that are looked at: the sink, which rooms, how many, how many of them are answered at most. Always
/// one row, which says how many were looked at.
macro_rules! behind {
    ($which:literal) => {
        concat!(
            "WITH looked AS MATERIALIZED (
                SELECT id, name, last_seq FROM rooms WHERE ",
            $which,
            " ORDER BY id LIMIT $3
            ), behind AS (
                SELECT l.id, l.name, coalesce(c.seq, 0) AS cursor, l.last_seq,
                       coalesce(c.told, c.seq, 0) AS told FROM looked l
                LEFT JOIN relay_cursors c ON c.sink = $1 AND c.room_id = l.id
                WHERE l.last_seq > coalesce(c.seq, 0) ORDER BY l.id LIMIT $4
            )
            SELECT b.id, b.name, b.cursor, b.last_seq,
                   (SELECT m.ts FROM messages m WHERE m.room_id = b.id AND m.seq > b.cursor
                    ORDER BY m.seq LIMIT 1),
                   t.rooms, t.last, b.told
            FROM (SELECT count(*) AS rooms, max(id) AS last FROM looked) t
            LEFT JOIN behind b ON true ORDER BY b.id"
        )
    };
}

#[async_trait]
impl Relaying for PostgresStore {
    async fn lead(&self, sink: &str, candidate: Candidate) -> Result<Option<Lead>> {
        self.admit()?;
        let sql = "SELECT o_fence, o_chat, o_epoch FROM chorus_relay_lead($1, $2, $3, $4)";
        let Candidate { me, ttl, start_at } = candidate;
        let from_now = start_at == StartAt::Now;
        let rows = self.other.query(Effect::Read, sql, &[&sink, &me, &millis(ttl), &from_now]).await?;
        rows.first().map(lead).transpose()
    }

    async fn give_up_lead(&self, sink: &str, fence: Fence) -> Result<()> {
        let sql = "UPDATE relay_sinks SET holder = NULL, held_until = 0 WHERE sink = $1 AND fence = $2";
        self.other.query(Effect::Read, sql, &[&sink, &fence.0]).await.map(drop)
    }

    async fn behind(&self, sink: &str, among: Among<'_>) -> Result<Survey> {
        match among {
            Among::After(after) => {
                let after = after.map_or(0, |room| room.0);
                let params: [&(dyn ToSql + Sync); 4] = [&sink, &after, &LOOKED_AT, &FOUND];
                let rows = self.other.query(Effect::Read, behind!("id > $2"), &params).await?;
                survey(&rows)
            }
            Among::These(rooms) => {
                let rooms: Vec<i64> = rooms.iter().map(|room| room.0).collect();
                let params: [&(dyn ToSql + Sync); 4] = [&sink, &rooms, &LOOKED_AT, &FOUND];
                let rows = self.other.query(Effect::Read, behind!("id = ANY ($2)"), &params).await?;
                survey(&rows)
            }
        }
    }

    async fn move_cursors(&self, sink: &str, fence: Fence, to: &[(RoomId, Seq)]) -> Result<bool> {
        self.admit()?;
        // Not synced to disk: what a server that dies forgets is told again, as the sink expects of it, and who
        // appends to the log does not wait behind it.
        let sql = "SELECT chorus_relay_move($1, $2, $3, $4), set_config('synchronous_commit', 'off', true)";
        let rooms: Vec<i64> = to.iter().map(|(room, _)| room.0).collect();
        let seqs: Vec<i64> = to.iter().map(|(_, seq)| signed(seq.0)).collect();
        let row = self.other.one(Effect::Read, sql, &[&sink, &fence.0, &rooms, &seqs]).await?;
        Ok(row.try_get(0)?)
    }

    async fn put_aside(&self, sink: &str, fence: Fence, letters: &[DeadLetter]) -> Result<bool> {
        self.admit()?;
        let sql = "SELECT chorus_relay_put_aside($1, $2, $3, $4, $5, $6, $7, $8)";
        let each = |of: fn(&DeadLetter) -> i64| letters.iter().map(of).collect::<Vec<_>>();
        let (rooms, seqs) = (each(|letter| letter.room.0), each(|letter| signed(letter.seq.0)));
        let (told, attempts) = (each(|letter| signed(letter.told.0)), each(|letter| letter.attempts.into()));
        let messages: Vec<&str> = letters.iter().map(|letter| letter.message_id.as_str()).collect();
        let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
        let params: [&(dyn ToSql + Sync); 8] = [
            &sink, &fence.0, &rooms, &seqs, &told, &messages, &reasons, &attempts,
        ];
        let row = self.other.one(Effect::Read, sql, &params).await?;
        Ok(row.try_get(0)?)
    }

    async fn log_id(&self) -> Result<LogId> {
        let row = self.other.one(Effect::Read, "SELECT chat, epoch FROM relay_log", &[]).await?;
        log_id(&row, 0)
    }

    async fn dead_letters(&self, most: u32) -> Result<Vec<PutAside>> {
        let sql = "SELECT d.room_id, r.name, d.seq, d.sink, d.message_id, d.reason, d.attempts, d.at
            FROM relay_dead_letters d JOIN rooms r ON r.id = d.room_id
            ORDER BY d.at DESC, d.room_id DESC, d.seq DESC LIMIT $1";
        let rows = self.other.query(Effect::Read, sql, &[&i64::from(most)]).await?;
        rows.iter().map(put_aside).collect()
    }
}

impl PostgresStore {
    /// One step of a sweep: how many dead letters went.
    pub(super) async fn forget_dead_letters(&self, rows: i64) -> Result<u64> {
        let sql = "WITH gone AS (
                DELETE FROM relay_dead_letters d USING (
                    (SELECT sink, room_id, seq FROM relay_dead_letters WHERE at < chorus_now() - $1
                     ORDER BY at LIMIT $3)
                    UNION
                    (SELECT sink, room_id, seq FROM relay_dead_letters
                     ORDER BY at DESC, room_id DESC, seq DESC OFFSET $2 LIMIT $3)
                ) o
                WHERE d.sink = o.sink AND d.room_id = o.room_id AND d.seq = o.seq RETURNING 1
            )
            SELECT count(*) FROM gone";
        let (kept, most) = (millis(DEAD_LETTERS_KEPT), signed(DEAD_LETTERS_MOST));
        let row = self.other.one(Effect::Read, sql, &[&kept, &most, &rows]).await?;
        Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
    }
}

fn log_id(row: &Row, column: usize) -> Result<LogId> {
    Ok(LogId { chat: row.try_get(column)?, epoch: row.try_get(column + 1)? })
}

fn put_aside(row: &Row) -> Result<PutAside> {
    Ok(PutAside {
        room: RoomId(row.try_get(0)?),
        name: room_name(row, 1)?,
        seq: seq(row, 2)?,
        sink: row.try_get(3)?,
        message_id: row.try_get(4)?,
        reason: row.try_get(5)?,
        attempts: u32::try_from(row.try_get::<_, i64>(6)?).unwrap_or(u32::MAX),
        at: Timestamp(row.try_get(7)?),
    })
}

fn lead(row: &Row) -> Result<Lead> {
    Ok(Lead { fence: Fence(row.try_get(0)?), log: log_id(row, 1)? })
}

fn survey(rows: &[Row]) -> Result<Survey> {
    let mut found = Survey::default();
    for row in rows {
        if let Some(room) = row.try_get::<_, Option<i64>>(0)? {
            found.behind.push(behind(row, RoomId(room))?);
        }
    }
    let looked_at = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(5))?;
    let last = rows.first().map_or(Ok(None), |row| row.try_get::<_, Option<i64>>(6))?;
    found.next = if i64::try_from(found.behind.len()).is_ok_and(|count| count >= FOUND) {
        found.behind.last().map(|behind| behind.room)
    } else {
        last.filter(|_| looked_at >= LOOKED_AT).map(RoomId)
    };
    Ok(found)
}

fn behind(row: &Row, room: RoomId) -> Result<Behind> {
    Ok(Behind {
        room,
        name: room_name(row, 1)?,
        cursor: seq(row, 2)?,
        last_seq: seq(row, 3)?,
        since: row.try_get::<_, Option<i64>>(4)?.map(Timestamp),
        told: seq(row, 7)?,
    })
}
