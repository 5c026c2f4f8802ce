//! Sign-ins, tokens, revocations and tickets in PostgreSQL.
//!
//! A sign-in is valid while it was not ended and one of its tokens has not expired; a cookie keeps it
//! for another token. What depends on a row locks it in the same statement (`FOR SHARE`), so a racing
//! end or change of password is either seen or waits until what was added can be ended with the rest.

use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Effect, PostgresStore, millis};
use crate::{
    domain::{SignInId, Timestamp, UserId, Username},
    store::{NewToken, Redeemed, Result, SignIn, SignIns, TicketUse, TokenHash},
};

#[async_trait]
impl SignIns for PostgresStore {
    async fn begin_sign_in(&self, token: &NewToken, verified: &str) -> Result<bool> {
        let sql = "WITH account AS (
                SELECT id FROM users
                WHERE id = $2 AND password_hash = $3 AND deleted_at IS NULL
                    AND NOT EXISTS (SELECT FROM bots WHERE user_id = $2) FOR SHARE
            ), begun AS (
                INSERT INTO sign_ins (sid, user_id, begun_at) SELECT $1, id, chorus_now() FROM account
                RETURNING sid
            )
            INSERT INTO active_tokens (token_hash, sid, created_at, expires_at)
            SELECT $4, sid, chorus_now(), $5 FROM begun RETURNING 1";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [
            &token.sid.0,
            &token.user.0,
            &verified,
            &token.hash.0.as_slice(),
            &token.expires_at.0,
        ];
        Ok(!self.other.query(Effect::Write, sql, &params).await?.is_empty())
    }

    async fn add_token(&self, token: &NewToken) -> Result<bool> {
        let sql = "WITH living AS (
                SELECT s.sid FROM sign_ins s
                WHERE s.sid = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND EXISTS
                    (SELECT FROM active_tokens t WHERE t.sid = s.sid AND t.expires_at > chorus_now())
                FOR SHARE OF s
            )
            INSERT INTO active_tokens (token_hash, sid, created_at, expires_at)
            SELECT $3, sid, chorus_now(), $4 FROM living RETURNING 1";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [
            &token.sid.0,
            &token.user.0,
            &token.hash.0.as_slice(),
            &token.expires_at.0,
        ];
        Ok(!self.other.query(Effect::Write, sql, &params).await?.is_empty())
    }

    async fn sign_ins_by_token(&self, tokens: &[TokenHash]) -> Result<Vec<Option<SignIn>>> {
        self.other
            .query(Effect::Read, BY_TOKENS, &[&hashes(tokens)])
            .await?
            .iter()
            .map(known)
            .collect()
    }

    async fn sign_ins(&self, sids: &[SignInId]) -> Result<Vec<SignIn>> {
        let sql = "SELECT s.sid, u.id, u.username, t.until
            FROM unnest($1::uuid[]) WITH ORDINALITY AS q (sid, ord)
            JOIN sign_ins s ON s.sid = q.sid AND s.ended_at IS NULL
            JOIN users u ON u.id = s.user_id
            JOIN LATERAL (SELECT max(expires_at) AS until FROM active_tokens t WHERE t.sid = s.sid) t
                ON t.until > chorus_now()
            ORDER BY q.ord";
        let sids: Vec<Uuid> = sids.iter().map(|sid| sid.0).collect();
        self.other.query(Effect::Read, sql, &[&sids]).await?.iter().map(sign_in).collect()
    }

    async fn end_sign_in(&self, sid: SignInId) -> Result<bool> {
        let row = self.other.one(Effect::Write, "SELECT chorus_end_sign_in($1)", &[&sid.0]).await?;
        Ok(row.try_get(0)?)
    }

    async fn ended_within(&self, window: Duration) -> Result<Vec<SignInId>> {
        let sql = "SELECT sid FROM revocations WHERE at >= chorus_now() - $1";
        let rows = self.other.query(Effect::Read, sql, &[&millis(window)]).await?;
        rows.iter().map(|row| Ok(SignInId(row.try_get(0)?))).collect()
    }

    /// The nonces are used up first, in their order, so that racing batches don't wait for each
    /// other for ever; a nonce that stands twice belongs to the first.
    async fn redeem(&self, tickets: &[TicketUse]) -> Result<Vec<Redeemed>> {
        let sql = "WITH asked AS MATERIALIZED (
                SELECT *, row_number() OVER (PARTITION BY nonce ORDER BY ord) AS copy
                FROM unnest($1::text[], $2::uuid[], $3::bigint[])
                    WITH ORDINALITY AS q (nonce, sid, expires_at, ord)
            ), used AS (
                INSERT INTO used_tickets (nonce, expires_at)
                SELECT nonce, expires_at FROM asked WHERE copy = 1 ORDER BY nonce
                ON CONFLICT DO NOTHING RETURNING nonce
            )
            SELECT s.sid, u.id, u.username, t.until, used.nonce IS NOT NULL AND asked.copy = 1
            FROM asked
            LEFT JOIN used ON used.nonce = asked.nonce
            LEFT JOIN sign_ins s ON s.sid = asked.sid AND s.ended_at IS NULL
            LEFT JOIN users u ON u.id = s.user_id
            LEFT JOIN LATERAL (SELECT max(expires_at) AS until FROM active_tokens t
                WHERE t.sid = s.sid AND t.expires_at > chorus_now()) t ON true
            ORDER BY asked.ord";
        let nonces: Vec<&str> = tickets.iter().map(|ticket| ticket.nonce.as_str()).collect();
        let sids: Vec<Uuid> = tickets.iter().map(|ticket| ticket.sid.0).collect();
        let until: Vec<i64> = tickets.iter().map(|ticket| ticket.expires_at.0).collect();
        let rows = self.other.query(Effect::Write, sql, &[&nonces, &sids, &until]).await?;
        rows.iter().map(redeemed).collect()
    }
}

/// The sign-ins of some tokens ([`hashes`]), in their order ([`known`]); `expires_at` is the token's own.
pub(super) const BY_TOKENS: &str = "SELECT s.sid, u.id, u.username, t.expires_at
    FROM unnest($1::bytea[]) WITH ORDINALITY AS q (hash, ord)
    LEFT JOIN active_tokens t ON t.token_hash = q.hash AND t.expires_at > chorus_now()
    LEFT JOIN sign_ins s ON s.sid = t.sid AND s.ended_at IS NULL
    LEFT JOIN users u ON u.id = s.user_id
    ORDER BY q.ord";

pub(super) fn hashes(tokens: &[TokenHash]) -> Vec<&[u8]> {
    tokens.iter().map(|token| token.0.as_slice()).collect()
}

pub(super) fn sign_in(row: &Row) -> Result<SignIn> {
    Ok(SignIn {
        sid: SignInId(row.try_get(0)?),
        user: UserId(row.try_get(1)?),
        username: Username::from_store(row.try_get::<_, String>(2)?),
        expires_at: Timestamp(row.try_get(3)?),
    })
}

pub(super) fn known(row: &Row) -> Result<Option<SignIn>> {
    let found = row.try_get::<_, Option<Uuid>>(0)?.is_some();
    found.then(|| sign_in(row)).transpose()
}

fn redeemed(row: &Row) -> Result<Redeemed> {
    if !row.try_get::<_, bool>(4)? {
        return Ok(Redeemed::Used);
    }
    let valid = row.try_get::<_, Option<i64>>(3)?.is_some();
    if valid { sign_in(row).map(Redeemed::Accepted) } else { Ok(Redeemed::Ended) }
}
