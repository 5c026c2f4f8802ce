//! Sign-ins that a browser remembers: the refresh cookie.
//!
//! A cookie is a family, which is random and stays with the sign-in, and a secret of 256 bits, which
//! is good for one use: each use answers the next one. The first is random, each later one is the
//! HMAC of a random salt under the one before. So the store, which keeps only SHA-256 and the last
//! salt, can lead whoever shows the previous secret (a second tab, a lost answer) to the very same
//! next one, and a copy of the store leads nobody anywhere.
//!
//! Whoever shows a secret that is older than that took it from somebody, or it was taken from them.
//! Which of the two can't be told, so the sign-in ends.
//!
//! Layout before base64url: family 16 bytes, secret 32.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Auth, Issued, keyed::keyed, session_ended};
use crate::{
    domain::SignInId,
    error::Refusal,
    store::{CookieHash, CookieSalt, CookieUse, CookieUsed, NewCookie},
};

/// How long a cookie is good after it was last used.
pub const COOKIE_LIFE: Duration = Duration::from_hours(14 * 24);

/// How long a secret does after it was used: for tabs that ask at once and for lost answers.
const GRACE: Duration = Duration::from_secs(30);

const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

impl Auth {
    /// Gives a sign-in that has just begun its cookie.
    ///
    /// # Errors
    /// `session_ended` when it was ended meanwhile.
    pub(super) async fn remember(&self, sid: SignInId) -> Result<SecretString, Refusal> {
        let cookie = Cookie { family: *Uuid::new_v4().as_bytes(), secret: random() };
        let kept = NewCookie {
            sid,
            family: hash(&cookie.family),
            secret: hash(&cookie.secret),
            life: COOKIE_LIFE,
        };
        if self.parts.store.remember(&kept).await? {
            Ok(cookie.text())
        } else {
            Err(session_ended())
        }
    }

    /// A new token of the sign-in that a browser remembers by this cookie, and the cookie that
    /// follows it.
    ///
    /// # Errors
    /// `unauthorized` for anything but a cookie of a living sign-in; `session_ended` when an outdated
    /// one was shown, which ends the sign-in.
    pub async fn refresh_by_cookie(&self, shown: &str) -> Result<Issued, Refusal> {
        let shown = Cookie::parse(shown).ok_or_else(Refusal::unauthorized)?;
        let found = self.parts.store.remembered(hash(&shown.family)).await?;
        let who = found.ok_or_else(Refusal::unauthorized)?;
        let (token, mut issued) = self.mint(who.sid, who.user, who.username)?;
        let salt = CookieSalt(random());
        let usage = CookieUse {
            shown: hash(&shown.secret),
            next: hash(&shown.next(salt).secret),
            salt,
            grace: GRACE,
            life: COOKIE_LIFE,
        };
        match self.parts.store.use_cookie(&usage, &token).await? {
            CookieUsed::Good(salt) => {
                self.seats.prolong(who.sid, issued.expires_at);
                issued.cookie = Some(shown.next(salt).text());
                Ok(issued)
            }
            CookieUsed::Stolen => {
                tracing::warn!(
                    user = who.user.0,
                    "an outdated refresh cookie was shown; its sign-in was ended"
                );
                self.told_ended(&[who.sid]).await;
                Err(session_ended())
            }
            CookieUsed::Unknown => Err(Refusal::unauthorized()),
        }
    }
}

/// A cookie's value. Never to be printed.
struct Cookie {
    family: [u8; FAMILY_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl Cookie {
    fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; FAMILY_BYTES + SECRET_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (family, secret) = bytes.split_at(FAMILY_BYTES);
        Some(Self {
            family: family.try_into().ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    fn text(&self) -> SecretString {
        URL_SAFE_NO_PAD.encode([&self.family[..], &self.secret].concat()).into()
    }

    /// The one that follows, by this salt.
    fn next(&self, salt: CookieSalt) -> Self {
        let mut sum = keyed(&self.secret);
        sum.update(&salt.0);
        Self {
            family: self.family,
            secret: sum.finalize().into_bytes().into(),
        }
    }
}

/// 256 random bits: three times the 122 of an id, mixed.
pub(super) fn random() -> [u8; 32] {
    let ids = [(); 3].map(|()| *Uuid::new_v4().as_bytes());
    Sha256::digest(ids.concat()).into()
}

fn hash(part: &[u8]) -> CookieHash {
    CookieHash(Sha256::digest(part).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn any_cookie() -> Cookie {
        Cookie { family: *Uuid::new_v4().as_bytes(), secret: random() }
    }

    #[test]
    fn a_cookie_is_read_as_it_was_written() {
        let cookie = any_cookie();
        let text = cookie.text();
        assert_eq!(text.expose_secret().len(), 64);
        let read = Cookie::parse(text.expose_secret()).unwrap();
        assert_eq!((read.family, read.secret), (cookie.family, cookie.secret));
    }

    #[test]
    fn the_next_secret_needs_the_one_before_and_the_salt() {
        let (cookie, salt) = (any_cookie(), CookieSalt(random()));
        let next = cookie.next(salt);
        assert_eq!(next.family, cookie.family);
        assert_eq!(next.secret, cookie.next(salt).secret, "the same way leads to the same place");
        assert_ne!(next.secret, cookie.secret);
        assert_ne!(next.secret, cookie.next(CookieSalt(random())).secret);
        let other = Cookie { family: cookie.family, secret: random() };
        assert_ne!(next.secret, other.next(salt).secret);
    }

    #[test]
    fn no_two_are_alike() {
        assert_ne!(random(), random());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,100}") {
            let _ = Cookie::parse(&text);
        }
    }
}
