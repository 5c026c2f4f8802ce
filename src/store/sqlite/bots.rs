//! Bots and their tokens in `SQLite`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    SqliteStore,
    accounts::create,
    now,
    sign_ins::{end, hex, insert_token, sid_of, sign_in},
    signed,
};
use crate::{
    domain::{Scope, SignInId, Timestamp, UserId, Username},
    store::{BotSignIn, BotToken, Bots, NewBotToken, Result, TokenHash},
};

#[async_trait]
impl Bots for SqliteStore {
    async fn create_bot(&self, username: &Username, password_hash: &str) -> Result<UserId> {
        let (username, hash) = (username.clone(), password_hash.to_owned());
        self.write(move |c| {
            let user = create(c, &username, &hash)?;
            c.prepare_cached("INSERT INTO bots (user_id) VALUES (?1)")?.execute([user.0])?;
            Ok(user)
        })
        .await
    }

    async fn bot(&self, username: &Username) -> Result<Option<UserId>> {
        let folded = username.folded();
        self.read(move |c| {
            let found = c
                .prepare_cached(
                    "SELECT u.id FROM users u JOIN bots b ON b.user_id = u.id
                     WHERE u.folded = ?1 AND u.deleted_at IS NULL",
                )?
                .query_row([folded], |row| row.get(0).map(UserId))
                .optional()?;
            Ok(found)
        })
        .await
    }

    async fn begin_bot_token(&self, token: &NewBotToken) -> Result<bool> {
        let token = token.clone();
        self.write(move |c| begin(c, &token, now())).await
    }

    async fn bot_token(&self, token: TokenHash) -> Result<Option<BotSignIn>> {
        self.read(move |c| {
            let found = c
                .prepare_cached(
                    "SELECT s.sid, u.id, u.username, t.expires_at, b.rooms, b.may_read, b.may_write
                     FROM active_tokens t
                     JOIN sign_ins s ON s.sid = t.sid AND s.ended_at IS NULL
                     JOIN bot_tokens b ON b.sid = s.sid
                     JOIN users u ON u.id = s.user_id
                     WHERE t.token_hash = ?1 AND t.expires_at > ?2",
                )?
                .query_row(params![hex(token), now().0], |row| {
                    Ok(BotSignIn { sign_in: sign_in(row)?, scope: scope(row, 4)? })
                })
                .optional()?;
            Ok(found)
        })
        .await
    }

    async fn bot_scope(&self, sid: SignInId) -> Result<Option<Scope>> {
        self.read(move |c| {
            let found = c
                .prepare_cached("SELECT rooms, may_read, may_write FROM bot_tokens WHERE sid = ?1")?
                .query_row([sid.to_string()], |row| scope(row, 0))
                .optional()?;
            Ok(found)
        })
        .await
    }

    async fn end_bot_tokens(&self, username: &Username, only: Option<SignInId>) -> Result<Vec<SignInId>> {
        let (folded, only) = (username.folded(), only.map(|sid| sid.to_string()));
        self.write(move |c| {
            let at = now();
            let ended: Vec<SignInId> = c
                .prepare_cached(
                    "SELECT DISTINCT s.sid FROM bot_tokens b
                     JOIN sign_ins s ON s.sid = b.sid AND s.ended_at IS NULL
                     JOIN active_tokens t ON t.sid = s.sid AND t.expires_at > ?3
                     JOIN users u ON u.id = s.user_id
                     WHERE u.folded = ?1 AND (?2 IS NULL OR s.sid = ?2)",
                )?
                .query_map(params![folded, only, at.0], |row| sid_of(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            for sid in &ended {
                end(c, *sid, at)?;
            }
            Ok(ended)
        })
        .await
    }

    async fn bot_tokens(&self, most: usize) -> Result<Vec<BotToken>> {
        self.read(move |c| {
            let found = c
                .prepare_cached(
                    "SELECT s.sid, u.username, s.begun_at, t.expires_at, b.rooms, b.may_read, b.may_write
                     FROM bot_tokens b
                     JOIN sign_ins s ON s.sid = b.sid AND s.ended_at IS NULL
                     JOIN active_tokens t ON t.sid = s.sid AND t.expires_at > ?1
                     JOIN users u ON u.id = s.user_id
                     ORDER BY u.folded, s.begun_at, s.sid LIMIT ?2",
                )?
                .query_map(params![now().0, signed(most as u64)], listed)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(found)
        })
        .await
    }
}

fn begin(connection: &Connection, new: &NewBotToken, at: Timestamp) -> Result<bool> {
    let (token, scope) = (&new.token, &new.scope);
    let sid = token.sid.to_string();
    let begun = connection
        .prepare_cached(
            "INSERT INTO sign_ins (sid, user_id, begun_at)
             SELECT ?1, u.id, ?3 FROM users u JOIN bots b ON b.user_id = u.id
             WHERE u.id = ?2 AND u.deleted_at IS NULL",
        )?
        .execute(params![sid, token.user.0, at.0])?;
    if begun > 0 {
        insert_token(connection, token, at)?;
        connection
            .prepare_cached(
                "INSERT INTO bot_tokens (sid, rooms, may_read, may_write) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![sid, scope.listed(), scope.reads(), scope.writes()])?;
    }
    Ok(begun > 0)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<BotToken> {
    Ok(BotToken {
        sid: sid_of(row, 0)?,
        username: Username::from_store(row.get::<_, String>(1)?),
        begun_at: Timestamp(row.get(2)?),
        expires_at: Timestamp(row.get(3)?),
        scope: scope(row, 4)?,
    })
}

fn scope(row: &Row<'_>, first: usize) -> rusqlite::Result<Scope> {
    let rooms: String = row.get(first)?;
    Ok(Scope::from_store(&rooms, row.get(first + 1)?, row.get(first + 2)?))
}
