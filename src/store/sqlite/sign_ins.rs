//! Sign-ins, tokens, revocations and tickets in `SQLite`.
//!
//! A sign-in is valid while it was not ended and one of its tokens has not expired; a cookie keeps it
//! for another token. Ending one deletes its tokens and notes a revocation in the same transaction.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, cookies::is_remembered, now};
use crate::{
    domain::{SignInId, Timestamp, UserId, Username},
    store::{NewToken, Redeemed, Result, SignIn, SignIns, TicketUse, TokenHash},
};

#[async_trait]
impl SignIns for SqliteStore {
    async fn begin_sign_in(&self, token: &NewToken, verified: &str) -> Result<bool> {
        let (token, verified) = (token.clone(), verified.to_owned());
        self.write(move |c| begin(c, &token, &verified, now())).await
    }

    async fn add_token(&self, token: &NewToken) -> Result<bool> {
        let token = token.clone();
        self.write(move |c| add(c, &token, now())).await
    }

    async fn sign_ins_by_token(&self, tokens: &[TokenHash]) -> Result<Vec<Option<SignIn>>> {
        let tokens = tokens.to_vec();
        self.read(move |c| {
            let at = now();
            tokens.iter().map(|token| by_token(c, *token, at)).collect()
        })
        .await
    }

    async fn sign_ins(&self, sids: &[SignInId]) -> Result<Vec<SignIn>> {
        let sids = sids.to_vec();
        self.read(move |c| {
            let at = now();
            let each = sids.iter().map(|sid| valid(c, *sid, at));
            each.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn end_sign_in(&self, sid: SignInId) -> Result<bool> {
        self.write(move |c| {
            let at = now();
            let living = valid(c, sid, at)?.is_some() || is_remembered(c, sid, at)?;
            if living {
                end(c, sid, at)?;
            }
            Ok(living)
        })
        .await
    }

    async fn ended_within(&self, window: Duration) -> Result<Vec<SignInId>> {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.read(move |c| ended_since(c, now().0.saturating_sub(window))).await
    }

    async fn redeem(&self, tickets: &[TicketUse]) -> Result<Vec<Redeemed>> {
        let tickets = tickets.to_vec();
        self.write(move |c| {
            let at = now();
            tickets.iter().map(|ticket| redeem(c, ticket, at)).collect()
        })
        .await
    }
}

/// A deleted account gets no sign-in, also when its password was verified just before.
fn begin(connection: &Connection, token: &NewToken, verified: &str, at: Timestamp) -> Result<bool> {
    let begun = connection
        .prepare_cached(
            "INSERT INTO sign_ins (sid, user_id, begun_at)
             SELECT ?1, id, ?3 FROM users WHERE id = ?2 AND password_hash = ?4 AND deleted_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM bots WHERE user_id = ?2)",
        )?
        .execute(params![token.sid.to_string(), token.user.0, at.0, verified])?;
    if begun > 0 {
        insert_token(connection, token, at)?;
    }
    Ok(begun > 0)
}

fn add(connection: &Connection, token: &NewToken, at: Timestamp) -> Result<bool> {
    let theirs = valid(connection, token.sid, at)?.is_some_and(|found| found.user == token.user);
    if theirs {
        insert_token(connection, token, at)?;
    }
    Ok(theirs)
}

pub(super) fn insert_token(connection: &Connection, token: &NewToken, at: Timestamp) -> Result<()> {
    let hash = hex(token.hash);
    connection
        .prepare_cached(
            "INSERT INTO active_tokens (token_hash, sid, user_id, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            hash,
            token.sid.to_string(),
            token.user.0,
            at.0,
            token.expires_at.0
        ])?;
    Ok(())
}

fn by_token(connection: &Connection, token: TokenHash, at: Timestamp) -> Result<Option<SignIn>> {
    let found = connection
        .prepare_cached(
            "SELECT s.sid, u.id, u.username, t.expires_at FROM active_tokens t
             JOIN sign_ins s ON s.sid = t.sid AND s.ended_at IS NULL
             JOIN users u ON u.id = s.user_id
             WHERE t.token_hash = ?1 AND t.expires_at > ?2",
        )?
        .query_row(params![hex(token), at.0], sign_in)
        .optional()?;
    Ok(found)
}

pub(super) fn valid(connection: &Connection, sid: SignInId, at: Timestamp) -> Result<Option<SignIn>> {
    let found = connection
        .prepare_cached(
            "SELECT s.sid, u.id, u.username,
                    (SELECT max(t.expires_at) FROM active_tokens t WHERE t.sid = s.sid) AS until
             FROM sign_ins s JOIN users u ON u.id = s.user_id
             WHERE s.sid = ?1 AND s.ended_at IS NULL AND until > ?2",
        )?
        .query_row(params![sid.to_string(), at.0], sign_in)
        .optional()?;
    Ok(found)
}

pub(super) fn sign_in(row: &Row<'_>) -> rusqlite::Result<SignIn> {
    Ok(SignIn {
        sid: sid_of(row, 0)?,
        user: UserId(row.get(1)?),
        username: Username::from_store(row.get::<_, String>(2)?),
        expires_at: Timestamp(row.get(3)?),
    })
}

pub(super) fn sid_of(row: &Row<'_>, column: usize) -> rusqlite::Result<SignInId> {
    let text: String = row.get(column)?;
    SignInId::parse(&text).ok_or(rusqlite::Error::InvalidColumnType(
        column,
        "sid".into(),
        rusqlite::types::Type::Text,
    ))
}

pub(super) fn end(connection: &Connection, sid: SignInId, at: Timestamp) -> Result<()> {
    let sid = sid.to_string();
    connection.prepare_cached("DELETE FROM active_tokens WHERE sid = ?1")?.execute([&sid])?;
    connection
        .prepare_cached("UPDATE sign_ins SET ended_at = ?2 WHERE sid = ?1")?
        .execute(params![sid, at.0])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO revocations (sid, at) VALUES (?1, ?2)")?
        .execute(params![sid, at.0])?;
    Ok(())
}

/// Ends all sign-ins of `user` but `keep`, expired ones that were not swept yet included: should
/// the clock be set back, they must not come to life.
pub(super) fn end_all(
    connection: &Connection,
    user: UserId,
    keep: Option<SignInId>,
    at: Timestamp,
) -> Result<Vec<SignInId>> {
    let open: Vec<SignInId> = connection
        .prepare_cached("SELECT sid FROM sign_ins WHERE user_id = ?1 AND ended_at IS NULL")?
        .query_map([user.0], |row| sid_of(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    let ended: Vec<SignInId> = open.into_iter().filter(|sid| Some(*sid) != keep).collect();
    for sid in &ended {
        end(connection, *sid, at)?;
    }
    Ok(ended)
}

fn ended_since(connection: &Connection, since: i64) -> Result<Vec<SignInId>> {
    let ended = connection
        .prepare_cached("SELECT sid FROM revocations WHERE at >= ?1")?
        .query_map([since], |row| sid_of(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ended)
}

/// The nonce is used up first, whatever becomes of it.
fn redeem(connection: &Connection, ticket: &TicketUse, at: Timestamp) -> Result<Redeemed> {
    let fresh = connection
        .prepare_cached(
            "INSERT INTO used_tickets (nonce, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?
        .execute(params![ticket.nonce, ticket.expires_at.0])?;
    if fresh == 0 {
        return Ok(Redeemed::Used);
    }
    Ok(valid(connection, ticket.sid, at)?.map_or(Redeemed::Ended, Redeemed::Accepted))
}

pub(super) fn hex(hash: TokenHash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pairs = hash.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    pairs.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_64_hex_digits() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[1], bytes[31]) = (0xab, 0x0f, 0xf0);
        assert_eq!(hex(TokenHash(bytes)), format!("ab0f{}f0", "0".repeat(58)));
    }
}
