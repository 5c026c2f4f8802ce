//! Accounts, as the store keeps them.

use async_trait::async_trait;

use super::Result;
use crate::domain::{SignInId, UserId, Username};

/// An account as it is needed to sign somebody in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's number.
    pub id: UserId,
    /// The name as it was registered.
    pub username: Username,
    /// The password's hash, in the form of `auth::passwords`.
    pub password_hash: String,
}

/// Who may sign in.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Adds an account. Two names that differ only in case are one name.
    ///
    /// # Errors
    /// `Taken` when the name exists in whatever case; of several racing calls one succeeds.
    async fn create_user(&self, username: &Username, password_hash: &str) -> Result<UserId>;

    /// The account of this name: the exact spelling if there is one, else without case.
    async fn account(&self, username: &Username) -> Result<Option<Account>>;

    /// Replaces the hash of an unchanged password by a better one. `false` when `old` is not the
    /// account's hash any more: somebody changed the password meanwhile, and that stands.
    async fn rehash(&self, user: UserId, old: &str, new: &str) -> Result<bool>;

    /// Changes the password and ends all sign-ins but `keep`, in one transaction. Answers those
    /// that ended, or `None` (nothing changed) when `old` is not the account's hash any more.
    async fn change_password(
        &self,
        user: UserId,
        old: &str,
        new: &str,
        keep: Option<SignInId>,
    ) -> Result<Option<Vec<SignInId>>>;

    /// Ends all of somebody's sign-ins, remembered ones too, and answers them.
    async fn end_sign_ins(&self, user: UserId) -> Result<Vec<SignInId>>;

    /// Deletes the account: its sign-ins end, its name is free again, its messages stay under a
    /// tombstone (`deleted-<id>`, which nobody can register). Answers the sign-ins that ended.
    async fn delete_user(&self, user: UserId) -> Result<Vec<SignInId>>;
}
