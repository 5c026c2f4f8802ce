//! Refresh cookies in PostgreSQL. Always the primary: a replica may not know yet that a secret was
//! used or its sign-in ended.

use async_trait::async_trait;
use tokio_postgres::{Row, types::ToSql};

use super::{Effect, PostgresStore, millis, sign_ins::sign_in};
use crate::store::{
    CookieHash, CookieSalt, CookieUse, CookieUsed, Cookies, NewCookie, NewToken, Result, SignIn, StoreError,
};

#[async_trait]
impl Cookies for PostgresStore {
    async fn remember(&self, cookie: &NewCookie) -> Result<bool> {
        let sql = "WITH living AS (
                SELECT s.sid FROM sign_ins s
                WHERE s.sid = $1 AND s.ended_at IS NULL AND EXISTS
                    (SELECT FROM active_tokens t WHERE t.sid = s.sid AND t.expires_at > chorus_now())
                FOR SHARE OF s
            )
            INSERT INTO refresh_cookies (sid, family_hash, current_hash, rotated_at, expires_at)
            SELECT sid, $2, $3, chorus_now(), chorus_now() + $4 FROM living RETURNING 1";
        let params: [&(dyn ToSql + Sync); 4] = [
            &cookie.sid.0,
            &cookie.family.0.as_slice(),
            &cookie.secret.0.as_slice(),
            &millis(cookie.life),
        ];
        Ok(!self.other.query(Effect::Write, sql, &params).await?.is_empty())
    }

    async fn remembered(&self, family: CookieHash) -> Result<Option<SignIn>> {
        let sql = "SELECT s.sid, u.id, u.username, c.expires_at FROM refresh_cookies c
            JOIN sign_ins s ON s.sid = c.sid AND s.ended_at IS NULL
            JOIN users u ON u.id = s.user_id
            WHERE c.family_hash = $1 AND c.expires_at > chorus_now()";
        let rows = self.other.query(Effect::Read, sql, &[&family.0.as_slice()]).await?;
        rows.first().map(sign_in).transpose()
    }

    async fn use_cookie(&self, shown: &CookieUse, token: &NewToken) -> Result<CookieUsed> {
        let sql = "SELECT outcome, made_with FROM chorus_use_cookie($1, $2, $3, $4, $5, $6, $7, $8)";
        let params: [&(dyn ToSql + Sync); 8] = [
            &token.sid.0,
            &shown.shown.0.as_slice(),
            &shown.next.0.as_slice(),
            &shown.salt.0.as_slice(),
            &millis(shown.grace),
            &millis(shown.life),
            &token.hash.0.as_slice(),
            &token.expires_at.0,
        ];
        used(&self.other.one(Effect::Write, sql, &params).await?)
    }
}

fn used(row: &Row) -> Result<CookieUsed> {
    match row.try_get(0)? {
        "good" => {
            let salt: &[u8] = row.try_get(1)?;
            let salt =
                salt.try_into().map_err(|_| StoreError::Rejected("a salt of another length".into()))?;
            Ok(CookieUsed::Good(CookieSalt(salt)))
        }
        "stolen" => Ok(CookieUsed::Stolen),
        _ => Ok(CookieUsed::Unknown),
    }
}
