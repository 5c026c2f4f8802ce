//! Bots: programs that the operator lets speak, each by an account of its own whose password nobody knows.
//!
//! A bot shows a token that says what it allows ([`Scope`]), or a ticket of it, and can do nothing else: no call about
//! accounts, no cookie. A token is a sign-in of its own. So it ends like one: at once on this node and by the bus on the
//! others, within seconds by the store if the bus lost it.
//!
//! Layout: `chorus_`, by which scanners know a token that got lost, then base64url of the sign-in 16 bytes, secret 32.
//! The sign-in stands in it so that a coming socket can take its seat before the token is checked.

mod rules;

use std::{collections::HashMap, sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use secrecy::SecretString;
use uuid::Uuid;

pub use self::rules::{Bots, NewBot, end_of};
use super::{AddressKey, Auth, SignedIn, tokens};
use crate::{
    domain::{Scope, SignInId, UserId, Username},
    error::{Code, Refusal},
    store::{BotToken, TokenHash},
};

/// What every token of a bot begins with.
pub(super) const PREFIX: &str = "chorus_";
const SID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// Of how many tokens is remembered whose they are, so that their calls count as that bot's. Beyond that it begins
/// anew, and each counts by its address once.
const KNOWN: usize = 10_000;

/// Who makes a call, or opens a socket: a person, or a bot within its scope.
#[derive(Clone)]
pub struct Identity {
    /// Who.
    pub who: SignedIn,
    /// What a bot may do; a person may do what anybody may.
    pub scope: Option<Arc<Scope>>,
}

impl Auth {
    /// Who shows this token, a person's or a bot's.
    ///
    /// # Errors
    /// `unauthorized` for anything but a valid token.
    pub async fn identify(&self, token: &str) -> Result<Identity, Refusal> {
        match sid_of(token) {
            Some(sid) => self.identify_bot(token, sid).await,
            None => Ok(Identity { who: self.bearer(token).await?, scope: None }),
        }
    }

    async fn identify_bot(&self, token: &str, sid: SignInId) -> Result<Identity, Refusal> {
        let hash = tokens::hash(token);
        let found = self.parts.store.bot_token(hash).await?;
        self.known_bots.note(hash, found.as_ref().map(|found| found.sign_in.user));
        let found = found.filter(|found| found.sign_in.sid == sid).ok_or_else(Refusal::unauthorized)?;
        Ok(Identity { who: found.sign_in, scope: Some(Arc::new(found.scope)) })
    }

    /// The same for a bot's socket, whose call nobody counts. A person's token is known by its signature, one of a bot
    /// only by a look into the store; so an address may show few that are none.
    ///
    /// # Errors
    /// `rate_limited`; else as [`Auth::identify`].
    pub(super) async fn identify_bot_at(
        &self,
        token: &str,
        sid: SignInId,
        address: AddressKey,
    ) -> Result<Identity, Refusal> {
        let counts = self.counted_as(token).is_none();
        if counts {
            self.strangers.admit(Instant::now(), address)?;
        }
        let found = self.identify_bot(token, sid).await;
        if counts && found.as_ref().is_err_and(|refusal| refusal.code == Code::Unauthorized) {
            self.strangers.note(Instant::now(), address);
        }
        found
    }

    /// As whose a call with this token counts. Of a bot that is known once its token was found valid here.
    pub fn counted_as(&self, token: &str) -> Option<UserId> {
        if sid_of(token).is_some() {
            return self.known_bots.whose(tokens::hash(token));
        }
        self.claims(token).map(|claims| claims.user)
    }

    /// The operator makes a token; see [`Bots::add_token`].
    ///
    /// # Errors
    /// As there.
    pub async fn admin_add_token(
        &self,
        name: &Username,
        scope: Scope,
        days: Option<u32>,
    ) -> Result<NewBot, Refusal> {
        self.bots.add_token(name, scope, days).await
    }

    /// The operator looks at the tokens.
    ///
    /// # Errors
    /// When the store can't be asked.
    pub async fn admin_tokens(&self) -> Result<Vec<BotToken>, Refusal> {
        self.bots.tokens().await
    }

    /// The operator ends tokens, and with them their sockets on every node; answers how many.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn admin_revoke(&self, name: &Username, only: Option<SignInId>) -> Result<usize, Refusal> {
        let ended = self.bots.revoke(name, only).await?;
        self.told_ended(&ended).await;
        Ok(ended.len())
    }
}

/// Whose the tokens are that were found valid here lately; for counting only.
#[derive(Default)]
pub(super) struct KnownBots(Mutex<HashMap<TokenHash, UserId>>);

impl KnownBots {
    fn note(&self, token: TokenHash, user: Option<UserId>) {
        let mut known = self.0.lock();
        match user {
            Some(user) => {
                if known.len() >= KNOWN {
                    known.clear();
                }
                known.insert(token, user);
            }
            None => drop(known.remove(&token)),
        }
    }

    fn whose(&self, token: TokenHash) -> Option<UserId> {
        self.0.lock().get(&token).copied()
    }
}

/// Whether a text looks like the token of a bot. Such a one is never read from an address, which logs may keep.
pub fn is_of_a_bot(token: &str) -> bool {
    token.starts_with(PREFIX)
}

pub(super) fn written(sid: SignInId, secret: [u8; SECRET_BYTES]) -> SecretString {
    let mut bytes = [0; SID_BYTES + SECRET_BYTES];
    bytes[..SID_BYTES].copy_from_slice(sid.0.as_bytes());
    bytes[SID_BYTES..].copy_from_slice(&secret);
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
}

/// The sign-in in a token, if it is one of a bot by its form.
pub(super) fn sid_of(token: &str) -> Option<SignInId> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    let sid = bytes.get(..SID_BYTES).filter(|_| bytes.len() == SID_BYTES + SECRET_BYTES)?;
    Some(SignInId(Uuid::from_slice(sid).ok()?))
}

/// What a bot is told that asks for more than its token allows.
pub fn beyond_scope() -> Refusal {
    Refusal::new(Code::Forbidden, "The token of this bot does not allow that.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::auth::remembered::random;

    #[test]
    fn a_token_names_its_sign_in_and_is_known_by_its_beginning() {
        let sid = SignInId::random();
        let token = written(sid, random());
        let text = token.expose_secret();
        assert!(is_of_a_bot(text) && text.len() == PREFIX.len() + 64);
        assert_eq!(sid_of(text), Some(sid));
        assert_ne!(written(sid, random()).expose_secret(), text);
        assert!(!format!("{token:?}").contains(&text[PREFIX.len()..]));
    }

    #[test]
    fn another_text_is_none() {
        let text = written(SignInId::random(), random());
        let text = text.expose_secret();
        for other in [
            "",
            PREFIX,
            "chorus_abc",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}A"),
        ] {
            assert_eq!(sid_of(other), None, "{other}");
        }
    }

    #[test]
    fn whose_a_token_is_is_remembered_within_bounds() {
        let known = KnownBots::default();
        let token = |n: usize| TokenHash(std::array::from_fn(|at| n.to_be_bytes()[at % 8]));
        for n in 0..KNOWN {
            known.note(token(n), Some(UserId(1)));
        }
        known.note(token(7), None);
        assert_eq!((known.whose(token(7)), known.whose(token(8))), (None, Some(UserId(1))));
        known.note(token(KNOWN), Some(UserId(2)));
        known.note(token(KNOWN + 1), Some(UserId(3)));
        assert!(known.0.lock().len() <= KNOWN);
        assert_eq!(known.whose(token(KNOWN + 1)), Some(UserId(3)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(chorus_)?[A-Za-z0-9_=+/-]{0,80}") {
            let _ = sid_of(&text);
        }
    }
}
