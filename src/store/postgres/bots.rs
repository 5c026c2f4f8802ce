//! Bots and their tokens in PostgreSQL.

use async_trait::async_trait;
use tokio_postgres::{Row, types::ToSql};

use super::{Effect, PostgresStore, sign_ins::sign_in};
use crate::{
    domain::{Scope, SignInId, Timestamp, UserId, Username},
    store::{BotSignIn, BotToken, Bots, NewBotToken, Result, StoreError, TokenHash},
};

#[async_trait]
impl Bots for PostgresStore {
    async fn create_bot(&self, username: &Username, password_hash: &str) -> Result<UserId> {
        let sql = "SELECT chorus_create_bot($1, $2, $3)";
        let params: [&(dyn ToSql + Sync); 3] = [&username.as_str(), &username.folded(), &password_hash];
        let row = self.other.one(Effect::Write, sql, &params).await?;
        row.try_get::<_, Option<i64>>(0)?.map(UserId).ok_or(StoreError::Taken)
    }

    /// Twins by case are accounts of the predecessor, which had no bots.
    async fn bot(&self, username: &Username) -> Result<Option<UserId>> {
        let sql = "SELECT u.id FROM users u JOIN bots b ON b.user_id = u.id
            WHERE u.folded = $1 AND u.deleted_at IS NULL";
        let rows = self.other.query(Effect::Read, sql, &[&username.folded()]).await?;
        rows.first().map(|row| Ok(UserId(row.try_get(0)?))).transpose()
    }

    async fn begin_bot_token(&self, new: &NewBotToken) -> Result<bool> {
        let sql = "WITH account AS (
                SELECT u.id FROM users u JOIN bots b ON b.user_id = u.id
                WHERE u.id = $2 AND u.deleted_at IS NULL FOR SHARE OF u
            ), begun AS (
                INSERT INTO sign_ins (sid, user_id, begun_at) SELECT $1, id, chorus_now() FROM account
                RETURNING sid
            ), allowed AS (
                INSERT INTO bot_tokens (sid, rooms, may_read, may_write) SELECT sid, $5, $6, $7 FROM begun
            )
            INSERT INTO active_tokens (token_hash, sid, created_at, expires_at)
            SELECT $3, sid, chorus_now(), $4 FROM begun RETURNING 1";
        let (token, scope) = (&new.token, &new.scope);
        let params: [&(dyn ToSql + Sync); 7] = [
            &token.sid.0,
            &token.user.0,
            &token.hash.0.as_slice(),
            &token.expires_at.0,
            &scope.listed(),
            &scope.reads(),
            &scope.writes(),
        ];
        Ok(!self.other.query(Effect::Write, sql, &params).await?.is_empty())
    }

    async fn bot_token(&self, token: TokenHash) -> Result<Option<BotSignIn>> {
        let sql = "SELECT s.sid, u.id, u.username, t.expires_at, b.rooms, b.may_read, b.may_write
            FROM active_tokens t
            JOIN sign_ins s ON s.sid = t.sid AND s.ended_at IS NULL
            JOIN bot_tokens b ON b.sid = s.sid
            JOIN users u ON u.id = s.user_id
            WHERE t.token_hash = $1 AND t.expires_at > chorus_now()";
        let rows = self.other.query(Effect::Read, sql, &[&token.0.as_slice()]).await?;
        let read = |row: &Row| Ok(BotSignIn { sign_in: sign_in(row)?, scope: scope(row, 4)? });
        rows.first().map(read).transpose()
    }

    async fn bot_scope(&self, sid: SignInId) -> Result<Option<Scope>> {
        let sql = "SELECT rooms, may_read, may_write FROM bot_tokens WHERE sid = $1";
        let rows = self.other.query(Effect::Read, sql, &[&sid.0]).await?;
        rows.first().map(|row| scope(row, 0)).transpose()
    }

    /// Which they are is found out first: a function in a condition might be asked about others, too.
    async fn end_bot_tokens(&self, username: &Username, only: Option<SignInId>) -> Result<Vec<SignInId>> {
        let sql = "WITH meant AS MATERIALIZED (
                SELECT s.sid FROM bot_tokens b
                JOIN sign_ins s ON s.sid = b.sid AND s.ended_at IS NULL
                JOIN users u ON u.id = s.user_id
                WHERE u.folded = $1 AND ($2::uuid IS NULL OR s.sid = $2)
                ORDER BY s.sid
            ), ended AS MATERIALIZED (SELECT sid, chorus_end_sign_in(sid) AS was_valid FROM meant)
            SELECT sid FROM ended WHERE was_valid";
        let params: [&(dyn ToSql + Sync); 2] = [&username.folded(), &only.map(|sid| sid.0)];
        let rows = self.other.query(Effect::Write, sql, &params).await?;
        rows.iter().map(|row| Ok(SignInId(row.try_get(0)?))).collect()
    }

    async fn bot_tokens(&self, most: usize) -> Result<Vec<BotToken>> {
        let sql = "SELECT s.sid, u.username, s.begun_at, t.expires_at, b.rooms, b.may_read, b.may_write
            FROM bot_tokens b
            JOIN sign_ins s ON s.sid = b.sid AND s.ended_at IS NULL
            JOIN active_tokens t ON t.sid = s.sid AND t.expires_at > chorus_now()
            JOIN users u ON u.id = s.user_id
            ORDER BY u.folded COLLATE \"C\", s.begun_at, s.sid LIMIT $1";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.other.query(Effect::Read, sql, &[&most]).await?.iter().map(listed).collect()
    }
}

fn listed(row: &Row) -> Result<BotToken> {
    Ok(BotToken {
        sid: SignInId(row.try_get(0)?),
        username: Username::from_store(row.try_get::<_, String>(1)?),
        begun_at: Timestamp(row.try_get(2)?),
        expires_at: Timestamp(row.try_get(3)?),
        scope: scope(row, 4)?,
    })
}

fn scope(row: &Row, first: usize) -> Result<Scope> {
    let rooms: &str = row.try_get(first)?;
    Ok(Scope::from_store(rooms, row.try_get(first + 1)?, row.try_get(first + 2)?))
}
