//! Accounts in PostgreSQL. A name is claimed in `claimed_names`, whatever its case; two that the
//! predecessor let differ by case alone each sign in by their exact spelling.

use async_trait::async_trait;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Effect, PostgresStore};
use crate::{
    domain::{SignInId, UserId, Username},
    store::{Account, Accounts, Result, StoreError},
};

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_user(&self, username: &Username, password_hash: &str) -> Result<UserId> {
        let sql = "SELECT chorus_create_user($1, $2, $3)";
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&username.as_str(), &username.folded(), &password_hash];
        let row = self.other.one(Effect::Write, sql, &params).await?;
        row.try_get::<_, Option<i64>>(0)?.map(UserId).ok_or(StoreError::Taken)
    }

    async fn account(&self, username: &Username) -> Result<Option<Account>> {
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&username.folded(), &username.as_str()];
        let rows = self.other.query(Effect::Read, ACCOUNT, &params).await?;
        account(&rows, username)
    }

    async fn rehash(&self, user: UserId, old: &str, new: &str) -> Result<bool> {
        let sql = "UPDATE users SET password_hash = $3
            WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL RETURNING id";
        Ok(!self.other.query(Effect::Write, sql, &[&user.0, &old, &new]).await?.is_empty())
    }

    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SignInId>,
    ) -> Result<Option<Vec<SignInId>>> {
        let sql = "SELECT chorus_change_password($1, $2, $3, $4)";
        let keep = keep.map(|sid| sid.0);
        let row = self.other.one(Effect::Write, sql, &[&user.0, &old, &new, &keep]).await?;
        let ended: Option<Vec<Uuid>> = row.try_get(0)?;
        Ok(ended.map(|sids| sids.into_iter().map(SignInId).collect()))
    }

    async fn end_sign_ins(&self, user: UserId) -> Result<Vec<SignInId>> {
        self.ended_by("SELECT chorus_end_all($1, NULL)", user).await
    }

    async fn delete_user(&self, user: UserId) -> Result<Vec<SignInId>> {
        self.ended_by("SELECT chorus_delete_user($1)", user).await
    }
}

impl PostgresStore {
    /// Calls a function that ends sign-ins of this person and answers them.
    async fn ended_by(&self, sql: &'static str, user: UserId) -> Result<Vec<SignInId>> {
        let row = self.other.one(Effect::Write, sql, &[&user.0]).await?;
        Ok(row.try_get::<_, Vec<Uuid>>(0)?.into_iter().map(SignInId).collect())
    }
}

/// The exact spelling first.
pub(super) const ACCOUNT: &str = "SELECT id, username, password_hash FROM users
    WHERE folded = $1 AND deleted_at IS NULL ORDER BY username = $2 DESC, id LIMIT 2";

/// The exact spelling, or another one if it is the only one.
pub(super) fn account(rows: &[Row], asked: &Username) -> Result<Option<Account>> {
    let Some(first) = rows.first() else { return Ok(None) };
    let username = Username::from_store(first.try_get::<_, String>(1)?);
    if rows.len() > 1 && username != *asked {
        return Ok(None);
    }
    Ok(Some(Account {
        id: UserId(first.try_get(0)?),
        username,
        password_hash: first.try_get(2)?,
    }))
}
