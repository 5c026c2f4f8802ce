//! Tickets: what a page shows instead of its token when it opens a socket, since a browser can
//! only put a credential into the address there.
//!
//! A ticket names a sign-in, lives 10 s, is bound to the origin that asked for it and is used once
//! (the store's ledger sees to that). Its key is derived from the secret, so a ticket is never a
//! token nor the other way round.
//!
//! The ticket of a bot says that it is one, so that what the bot may is looked up; others cost no such look.
//!
//! Layout before base64url: version 1 (of a bot 2), sid 16, nonce 16, expiry in ms 8 (big endian), MAC 32.
//! The origin is not inside but part of what the MAC covers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::keyed::{Keyed, keyed};
use crate::{
    domain::{SignInId, Timestamp},
    store::TicketUse,
};

/// How long a ticket is good for.
pub const TICKET_SECONDS: u64 = 10;

const VERSION: u8 = 1;
const VERSION_OF_BOT: u8 = 2;
pub(super) const SIGNED_BYTES: usize = 41;
const MAC_BYTES: usize = 32;

/// A ticket that was read.
pub(super) struct Shown {
    /// To be used up.
    pub(super) ticket: TicketUse,
    /// Whether it is a bot's.
    pub(super) of_bot: bool,
}

/// Makes tickets with the current key, reads those of the current and the previous one.
pub(super) struct Tickets {
    current: Keyed,
    previous: Option<Keyed>,
}

impl Tickets {
    /// Keys derived from these secrets.
    pub(super) fn new(current: &SecretString, previous: Option<&SecretString>) -> Self {
        Self { current: key(current), previous: previous.map(key) }
    }

    /// A ticket of that sign-in for a page of `origin` (`None`: a program).
    pub(super) fn make(&self, sid: SignInId, origin: Option<&str>, now: Timestamp) -> String {
        self.of_version(VERSION, sid, origin, now)
    }

    /// The same of a bot's token.
    pub(super) fn make_of_bot(&self, sid: SignInId, origin: Option<&str>, now: Timestamp) -> String {
        self.of_version(VERSION_OF_BOT, sid, origin, now)
    }

    fn of_version(&self, version: u8, sid: SignInId, origin: Option<&str>, now: Timestamp) -> String {
        let expires_at = now.plus_seconds(TICKET_SECONDS.cast_signed());
        let mut bytes = Vec::with_capacity(SIGNED_BYTES + MAC_BYTES);
        bytes.push(version);
        bytes.extend_from_slice(sid.0.as_bytes());
        bytes.extend_from_slice(Uuid::new_v4().as_bytes());
        bytes.extend_from_slice(&expires_at.0.to_be_bytes());
        self.sealed(bytes, origin)
    }

    /// The text of a ticket that says this.
    pub(super) fn sealed(&self, mut bytes: Vec<u8>, origin: Option<&str>) -> String {
        let mac = covering(&self.current, &bytes, origin).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What a ticket says, if it is ours, was made for this origin and is not expired at `now`.
    /// Whether it was used before is the store's to say.
    pub(super) fn read(&self, ticket: &str, origin: Option<&str>, now: Timestamp) -> Option<Shown> {
        let bytes: [u8; SIGNED_BYTES + MAC_BYTES] = URL_SAFE_NO_PAD.decode(ticket).ok()?.try_into().ok()?;
        let (signed, mac) = bytes.split_at(SIGNED_BYTES);
        let ours = |key: &Keyed| covering(key, signed, origin).verify_slice(mac).is_ok();
        if !ours(&self.current) && !self.previous.as_ref().is_some_and(ours) {
            return None;
        }
        let expires_at = Timestamp(i64::from_be_bytes(signed[33..].try_into().ok()?));
        let known = matches!(signed[0], VERSION | VERSION_OF_BOT);
        let ticket = TicketUse {
            sid: SignInId(Uuid::from_slice(&signed[1..17]).ok()?),
            nonce: Uuid::from_slice(&signed[17..33]).ok()?.simple().to_string(),
            expires_at,
        };
        let of_bot = signed[0] == VERSION_OF_BOT;
        (known && now.0 < expires_at.0).then_some(Shown { ticket, of_bot })
    }
}

/// HMAC of a label under the secret: a key of its own.
fn key(secret: &SecretString) -> Keyed {
    let mut derive = keyed(secret.expose_secret().as_bytes());
    derive.update(b"chorus ticket 1");
    keyed(&derive.finalize().into_bytes())
}

/// The MAC over the signed bytes, which are of fixed length, and the origin.
fn covering(key: &Keyed, signed: &[u8], origin: Option<&str>) -> Keyed {
    let mut mac = key.clone();
    mac.update(signed);
    match origin {
        None => mac.update(&[0]),
        Some(origin) => {
            mac.update(&[1]);
            mac.update(origin.as_bytes());
        }
    }
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const PAGE: Option<&str> = Some("https://chat.example");

    fn tickets(secret: &str) -> Tickets {
        Tickets::new(&secret.to_owned().into(), None)
    }

    #[test]
    fn a_ticket_is_good_for_ten_seconds_and_its_origin() {
        let (ours, sid) = (tickets("ours"), SignInId::random());
        let ticket = ours.make(sid, PAGE, NOW);
        let shown = ours.read(&ticket, PAGE, NOW).unwrap();
        assert!(!shown.of_bot && ours.read(&ours.make_of_bot(sid, PAGE, NOW), PAGE, NOW).unwrap().of_bot);
        let used = shown.ticket;
        assert_eq!((used.sid, used.expires_at), (sid, NOW.plus_seconds(10)));
        assert!(ours.read(&ticket, PAGE, Timestamp(NOW.0 + 9_999)).is_some());
        assert!(ours.read(&ticket, PAGE, NOW.plus_seconds(10)).is_none());
        for other in [
            None,
            Some(""),
            Some("https://chat.example.evil.test"),
            Some("http://chat.example"),
        ] {
            assert!(ours.read(&ticket, other, NOW).is_none(), "{other:?}");
        }
        let program = ours.make(sid, None, NOW);
        assert!(ours.read(&program, None, NOW).is_some());
        assert!(ours.read(&program, PAGE, NOW).is_none());
    }

    #[test]
    fn nonces_differ_and_foreign_keys_do_not_open() {
        let (ours, sid) = (tickets("ours"), SignInId::random());
        let (a, b) = (ours.make(sid, PAGE, NOW), ours.make(sid, PAGE, NOW));
        let nonce = |ticket: &str| ours.read(ticket, PAGE, NOW).unwrap().ticket.nonce;
        assert_ne!(nonce(&a), nonce(&b));
        assert!(tickets("theirs").read(&a, PAGE, NOW).is_none());
        let rotated = Tickets::new(&"new".to_owned().into(), Some(&"ours".to_owned().into()));
        assert!(rotated.read(&a, PAGE, NOW).is_some());
    }

    #[test]
    fn a_ticket_is_no_token_and_a_token_no_ticket() {
        let secret: SecretString = "one secret for both, of enough bytes".to_owned().into();
        let tokens = crate::auth::tokens::Tokens::new(&secret, None);
        let tickets = Tickets::new(&secret, None);
        let sid = SignInId::random();
        let claims = crate::auth::tokens::Claims {
            user: crate::domain::UserId(1),
            sid,
            expires_at: NOW.plus_seconds(60),
        };
        let token = tokens.mint(&claims, NOW).unwrap().token;
        assert!(tickets.read(&token, None, NOW).is_none());
        assert!(tokens.verify(&tickets.make(sid, None, NOW), NOW).is_none());
    }

    proptest! {
        #[test]
        fn a_changed_bit_spoils_it(byte in 0usize..73, bit in 0u8..8) {
            let ours = tickets("ours");
            let mut bytes = URL_SAFE_NO_PAD.decode(ours.make(SignInId::random(), PAGE, NOW)).unwrap();
            bytes[byte] ^= 1 << bit;
            prop_assert!(ours.read(&URL_SAFE_NO_PAD.encode(bytes), PAGE, NOW).is_none());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,120}") {
            prop_assert!(tickets("ours").read(&text, None, NOW).is_none());
        }
    }
}
