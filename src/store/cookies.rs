//! Refresh cookies, as the store keeps them: by them a browser prolongs a sign-in whose tokens have
//! all expired.
//!
//! A cookie names its family, which stays the same as long as the sign-in, and carries a secret that
//! changes at each use. The store knows both by their SHA-256 alone. The next secret is made of the
//! shown one and a salt (`auth::remembered`), so that whoever shows the previous secret again, because
//! an answer was lost or two tabs asked at once, is led to the very secret that follows it.

use std::time::Duration;

use async_trait::async_trait;

use super::{NewToken, Result, SignIn};
use crate::domain::SignInId;

/// SHA-256 of a cookie's family or secret: what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CookieHash(pub [u8; 32]);

/// What the next secret is made of the shown one with. Worthless without that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieSalt(pub [u8; 32]);

/// A cookie to remember.
#[derive(Debug, Clone)]
pub struct NewCookie {
    /// The sign-in it prolongs.
    pub sid: SignInId,
    /// Its family.
    pub family: CookieHash,
    /// Its first secret.
    pub secret: CookieHash,
    /// How long it is good unless it is used.
    pub life: Duration,
}

/// A cookie that somebody shows.
#[derive(Debug, Clone)]
pub struct CookieUse {
    /// Its secret.
    pub shown: CookieHash,
    /// The secret that is to follow, if the shown one is the current one.
    pub next: CookieHash,
    /// What that was made with.
    pub salt: CookieSalt,
    /// How long a secret does after another one followed it.
    pub grace: Duration,
    /// How long the cookie is good from now on unless it is used.
    pub life: Duration,
}

/// What became of a cookie that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieUsed {
    /// The token was added. The secret that follows the shown one is made with this salt.
    Good(CookieSalt),
    /// The secret is neither the current one nor, within its grace, the previous one: somebody has a
    /// copy. The sign-in was ended.
    Stolen,
    /// There is no such cookie, it has expired, or its sign-in has ended.
    Unknown,
}

/// Sign-ins that a browser remembers. They last as long as their cookie, though only a token lets
/// anybody in.
#[async_trait]
pub trait Cookies: Send + Sync {
    /// Gives a sign-in its one cookie. `false`, and nothing is kept, when it has ended or expired.
    async fn remember(&self, cookie: &NewCookie) -> Result<bool>;

    /// The sign-in of a family whose cookie is good now; `expires_at` is the cookie's.
    async fn remembered(&self, family: CookieHash) -> Result<Option<SignIn>>;

    /// Uses the cookie of `token.sid`, decided in one transaction by the database's clock: of
    /// racing uses of one secret the first makes the next one, the others are led to it, and all
    /// their tokens are added.
    async fn use_cookie(&self, shown: &CookieUse, token: &NewToken) -> Result<CookieUsed>;
}
