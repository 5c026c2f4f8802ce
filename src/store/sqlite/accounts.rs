//! Accounts in `SQLite`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{SqliteStore, now, sign_ins::end_all};
use crate::{
    domain::{SignInId, UserId, Username},
    store::{Account, Accounts, Result, StoreError},
};

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_user(&self, username: &Username, password_hash: &str) -> Result<UserId> {
        let (username, hash) = (username.clone(), password_hash.to_owned());
        self.write(move |c| create(c, &username, &hash)).await
    }

    async fn account(&self, username: &Username) -> Result<Option<Account>> {
        let folded = username.folded();
        self.read(move |c| find(c, &folded)).await
    }

    async fn rehash(&self, user: UserId, old: &str, new: &str) -> Result<bool> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.write(move |c| replace_hash(c, user, &old, &new)).await
    }

    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SignInId>,
    ) -> Result<Option<Vec<SignInId>>> {
        let (old, new) = (old.to_owned(), new.to_owned());
        self.write(move |c| {
            if replace_hash(c, user, &old, &new)? {
                end_all(c, user, keep, now()).map(Some)
            } else {
                Ok(None)
            }
        })
        .await
    }

    async fn end_sign_ins(&self, user: UserId) -> Result<Vec<SignInId>> {
        self.write(move |c| end_all(c, user, None, now())).await
    }

    async fn delete_user(&self, user: UserId) -> Result<Vec<SignInId>> {
        self.write(move |c| delete(c, user)).await
    }
}

pub(super) fn create(connection: &Connection, username: &Username, hash: &str) -> Result<UserId> {
    connection
        .prepare_cached(
            "INSERT INTO users (username, folded, password_hash, created_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING RETURNING id",
        )?
        .query_row(params![username.as_str(), username.folded(), hash, now().0], |row| row.get(0))
        .optional()?
        .map(UserId)
        .ok_or(StoreError::Taken)
}

/// The folded name is unique here, so there is never an exact spelling beside another one.
fn find(connection: &Connection, folded: &str) -> Result<Option<Account>> {
    let account = connection
        .prepare_cached(
            "SELECT id, username, password_hash FROM users WHERE folded = ?1 AND deleted_at IS NULL",
        )?
        .query_row([folded], |row| {
            Ok(Account {
                id: UserId(row.get(0)?),
                username: Username::from_store(row.get::<_, String>(1)?),
                password_hash: row.get(2)?,
            })
        })
        .optional()?;
    Ok(account)
}

fn replace_hash(connection: &Connection, user: UserId, old: &str, new: &str) -> Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE users SET password_hash = ?3
             WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL",
        )?
        .execute(params![user.0, old, new])?;
    Ok(changed == 1)
}

/// The tombstone's name holds a character that no username may have, and its empty hash verifies
/// for no password. Deleting twice changes nothing.
fn delete(connection: &Connection, user: UserId) -> Result<Vec<SignInId>> {
    let at = now();
    connection
        .prepare_cached(
            "UPDATE users SET username = 'deleted-' || id, folded = 'deleted-' || id,
                 password_hash = '', deleted_at = ?2
             WHERE id = ?1 AND deleted_at IS NULL",
        )?
        .execute(params![user.0, at.0])?;
    end_all(connection, user, None, at)
}
