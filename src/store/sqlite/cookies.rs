//! Refresh cookies in `SQLite`.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    SqliteStore, now,
    sign_ins::{end, insert_token, sign_in, valid},
};
use crate::{
    domain::{SignInId, Timestamp},
    store::{CookieHash, CookieSalt, CookieUse, CookieUsed, Cookies, NewCookie, NewToken, Result, SignIn},
};

#[async_trait]
impl Cookies for SqliteStore {
    async fn remember(&self, cookie: &NewCookie) -> Result<bool> {
        let cookie = cookie.clone();
        self.write(move |c| insert(c, &cookie, now())).await
    }

    async fn remembered(&self, family: CookieHash) -> Result<Option<SignIn>> {
        self.read(move |c| by_family(c, family, now())).await
    }

    async fn use_cookie(&self, shown: &CookieUse, token: &NewToken) -> Result<CookieUsed> {
        let (shown, token) = (shown.clone(), token.clone());
        self.write(move |c| show(c, &shown, &token, now())).await
    }
}

/// A cookie whose sign-in has not ended.
struct Kept {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
    salt: Option<[u8; 32]>,
    rotated_at: Timestamp,
}

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            current: row.get(0)?,
            previous: row.get(1)?,
            salt: row.get(2)?,
            rotated_at: Timestamp(row.get(3)?),
        })
    }

    /// With what the successor of this secret was made, if it is the previous one in its grace.
    fn followed(&self, shown: CookieHash, grace: Duration, at: Timestamp) -> Option<CookieSalt> {
        let in_time = at < after(self.rotated_at, grace);
        self.salt.filter(|_| in_time && self.previous == Some(shown.0)).map(CookieSalt)
    }
}

fn insert(connection: &Connection, cookie: &NewCookie, at: Timestamp) -> Result<bool> {
    let living = valid(connection, cookie.sid, at)?.is_some();
    if living {
        connection
            .prepare_cached(
                "INSERT INTO refresh_cookies (sid, family_hash, current_hash, rotated_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                cookie.sid.to_string(),
                cookie.family.0,
                cookie.secret.0,
                at.0,
                after(at, cookie.life).0
            ])?;
    }
    Ok(living)
}

fn by_family(connection: &Connection, family: CookieHash, at: Timestamp) -> Result<Option<SignIn>> {
    let found = connection
        .prepare_cached(
            "SELECT s.sid, u.id, u.username, c.expires_at FROM refresh_cookies c
             JOIN sign_ins s ON s.sid = c.sid AND s.ended_at IS NULL
             JOIN users u ON u.id = s.user_id
             WHERE c.family_hash = ?1 AND c.expires_at > ?2",
        )?
        .query_row(params![family.0, at.0], sign_in)
        .optional()?;
    Ok(found)
}

/// Whether a cookie keeps this sign-in, which has not ended.
pub(super) fn is_remembered(connection: &Connection, sid: SignInId, at: Timestamp) -> Result<bool> {
    Ok(kept(connection, sid, at)?.is_some())
}

fn kept(connection: &Connection, sid: SignInId, at: Timestamp) -> Result<Option<Kept>> {
    let found = connection
        .prepare_cached(
            "SELECT c.current_hash, c.previous_hash, c.salt, c.rotated_at FROM refresh_cookies c
             JOIN sign_ins s ON s.sid = c.sid AND s.ended_at IS NULL
             WHERE c.sid = ?1 AND c.expires_at > ?2",
        )?
        .query_row(params![sid.to_string(), at.0], Kept::read)
        .optional()?;
    Ok(found)
}

fn show(connection: &Connection, shown: &CookieUse, token: &NewToken, at: Timestamp) -> Result<CookieUsed> {
    let Some(kept) = kept(connection, token.sid, at)? else {
        return Ok(CookieUsed::Unknown);
    };
    let salt = if kept.current == shown.shown.0 {
        rotate(connection, shown, token.sid, at)?;
        shown.salt
    } else if let Some(salt) = kept.followed(shown.shown, shown.grace, at) {
        slide(connection, token.sid, after(at, shown.life))?;
        salt
    } else {
        end(connection, token.sid, at)?;
        return Ok(CookieUsed::Stolen);
    };
    insert_token(connection, token, at)?;
    Ok(CookieUsed::Good(salt))
}

fn rotate(connection: &Connection, shown: &CookieUse, sid: SignInId, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE refresh_cookies SET previous_hash = current_hash, current_hash = ?2, salt = ?3,
                 rotated_at = ?4, expires_at = ?5
             WHERE sid = ?1",
        )?
        .execute(params![
            sid.to_string(),
            shown.next.0,
            shown.salt.0,
            at.0,
            after(at, shown.life).0
        ])?;
    Ok(())
}

fn slide(connection: &Connection, sid: SignInId, until: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE refresh_cookies SET expires_at = ?2 WHERE sid = ?1")?
        .execute(params![sid.to_string(), until.0])?;
    Ok(())
}

fn after(at: Timestamp, time: Duration) -> Timestamp {
    let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp(at.0.saturating_add(millis))
}
