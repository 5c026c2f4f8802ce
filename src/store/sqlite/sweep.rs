//! Deleting what has expired, in steps small enough that nobody waits long behind one.

use rusqlite::{Connection, params};

use super::signed;
use crate::{
    domain::Timestamp,
    store::{DEAD_LETTERS_KEPT, DEAD_LETTERS_MOST, Result},
};

/// Most rows of one table that one step deletes.
const STEP_ROWS: u64 = 500;

/// Most steps of one sweep; what is left waits for the next one.
pub(super) const STEPS_MAX: usize = 1_000;

/// What expired is kept this much longer, in ms. A node reckons the database's time with a small
/// error: a nonce it thinks alive must still be found, or a ticket could be used twice.
const MARGIN: i64 = 60_000;

/// How long a revocation is kept, in ms: ten times the window that nodes read.
const REVOCATION_KEPT: i64 = 600_000;

/// What one step did.
pub(super) struct Step {
    /// How many rows it deleted.
    pub(super) deleted: u64,
    /// Whether there may be more to do.
    pub(super) more: bool,
}

/// What keeps sign-ins, until it expires.
const EXPIRED_TOKENS: &str = "DELETE FROM active_tokens WHERE token_hash IN
    (SELECT token_hash FROM active_tokens WHERE expires_at <= ?1 LIMIT ?2) RETURNING sid";
const EXPIRED_COOKIES: &str = "DELETE FROM refresh_cookies WHERE sid IN
    (SELECT sid FROM refresh_cookies WHERE expires_at <= ?1 LIMIT ?2) RETURNING sid";

/// Tables whose rows go by their time alone.
const BY_TIME: [(&str, i64); 4] = [
    (
        "DELETE FROM sign_ins WHERE sid IN (SELECT sid FROM sign_ins WHERE ended_at <= ?1 LIMIT ?2)",
        MARGIN,
    ),
    (
        "DELETE FROM used_tickets WHERE nonce IN
             (SELECT nonce FROM used_tickets WHERE expires_at <= ?1 LIMIT ?2)",
        MARGIN,
    ),
    (
        "DELETE FROM revocations WHERE sid IN (SELECT sid FROM revocations WHERE at < ?1 LIMIT ?2)",
        REVOCATION_KEPT,
    ),
    (
        "DELETE FROM relay_dead_letters WHERE (sink, room_id, seq) IN
             (SELECT sink, room_id, seq FROM relay_dead_letters WHERE at < ?1 ORDER BY at LIMIT ?2)",
        DEAD_LETTERS_KEPT.as_secs().cast_signed() * 1000,
    ),
];

/// Dead letters that are too many: the oldest.
const BY_COUNT: &str = "DELETE FROM relay_dead_letters WHERE (sink, room_id, seq) IN
    (SELECT sink, room_id, seq FROM relay_dead_letters ORDER BY at DESC, room_id DESC, seq DESC LIMIT ?2 OFFSET ?1)";

/// One step through all tables.
pub(super) fn step(connection: &Connection, now: Timestamp) -> Result<Step> {
    let mut step = Step { deleted: 0, more: false };
    for expired in [EXPIRED_TOKENS, EXPIRED_COOKIES] {
        let (rows, sign_ins) = expire(connection, expired, now.0.saturating_sub(MARGIN))?;
        step.deleted += rows + sign_ins;
        step.more |= rows >= STEP_ROWS;
    }
    for (sql, kept) in BY_TIME {
        let before = now.0.saturating_sub(kept);
        let deleted = connection.prepare_cached(sql)?.execute(params![before, signed(STEP_ROWS)])? as u64;
        step.deleted += deleted;
        step.more |= deleted >= STEP_ROWS;
    }
    let too_many = params![signed(DEAD_LETTERS_MOST), signed(STEP_ROWS)];
    let deleted = connection.prepare_cached(BY_COUNT)?.execute(too_many)? as u64;
    step.deleted += deleted;
    step.more |= deleted >= STEP_ROWS;
    Ok(step)
}

/// Deletes tokens or cookies, and the sign-ins that none of either keeps any more: no other sign-in
/// is without them, unless it was ended. Answers how many of both.
fn expire(connection: &Connection, expired: &str, before: i64) -> Result<(u64, u64)> {
    let sids: Vec<String> = connection
        .prepare_cached(expired)?
        .query_map(params![before, signed(STEP_ROWS)], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut orphaned = connection.prepare_cached(
        "DELETE FROM sign_ins WHERE sid = ?1
         AND NOT EXISTS (SELECT 1 FROM active_tokens t WHERE t.sid = sign_ins.sid)
         AND NOT EXISTS (SELECT 1 FROM refresh_cookies c WHERE c.sid = sign_ins.sid)",
    )?;
    let mut sign_ins = 0;
    for sid in &sids {
        sign_ins += orphaned.execute([sid])? as u64;
    }
    Ok((sids.len() as u64, sign_ins))
}
