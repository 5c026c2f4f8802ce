//! The signature of a webhook, as Standard Webhooks 1.0 has it: HMAC-SHA256 of `id.timestamp.body`, in base64, with
//! `v1,` before it. While a secret is changed there are two of them. Pure.
//!
//! An id has dots in it, which the specification warns of: the borders between id, time and body can't be moved all
//! the same, because a body begins with `{` and what would be before that would be no number.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// How secrets are written.
const PREFIX: &str = "whsec_";
/// The fewest bytes of a secret, and the most.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The most secrets at once: the new one and the one before it.
const KEYS: usize = 2;

/// What signs.
pub struct Keys(Vec<SecretSlice<u8>>);

impl Clone for Keys {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(|key| key.expose_secret().to_vec().into()).collect())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Of one secret, or two with a space between them.
    ///
    /// # Errors
    /// When they are not of that form; the words hold nothing of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Option<Vec<_>> = text.split_ascii_whitespace().map(key).collect();
        keys.filter(|keys| (1..=KEYS).contains(&keys.len())).map(Self).ok_or_else(|| {
            format!(
                "must be {PREFIX} and base64 of {} to {} bytes, or two of that with a space between them; \
                 `echo {PREFIX}$(openssl rand -base64 32)` makes a good one",
                BYTES.start(),
                BYTES.end()
            )
        })
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let signed = self.0.iter().filter_map(|key| {
            // HMAC takes keys of any length.
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
            mac.update(head.as_bytes());
            mac.update(body);
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

fn key(text: &str) -> Option<SecretSlice<u8>> {
    let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
    BYTES.contains(&bytes.len()).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of the specification's own libraries: their secret, id, time, body and signature.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn it_is_what_the_specifications_libraries_make() {
        let keys = Keys::parse(SECRET).unwrap();
        assert_eq!(keys.sign(ID, 1_614_265_330, br#"{"test": 2432232314}"#), SIGNED);
    }

    #[test]
    fn while_a_secret_is_changed_both_sign() {
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let keys = Keys::parse(&format!("{other} {SECRET}")).unwrap();
        let both = keys.sign(ID, 1_614_265_330, br#"{"test": 2432232314}"#);
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, SIGNED);
        assert_eq!(
            first,
            Keys::parse(&other).unwrap().sign(ID, 1_614_265_330, br#"{"test": 2432232314}"#)
        );
    }

    #[test]
    fn a_secret_of_another_form_is_refused_and_never_shown() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![1; bytes]));
        for good in [of(24), of(64), format!(" {} {} ", of(24), of(32))] {
            assert!(Keys::parse(&good).is_ok(), "{good}");
        }
        let three = [of(24), of(24), of(24)].join(" ");
        let bare = STANDARD.encode([1; 32]);
        for bad in [
            "",
            "whsec_",
            "whsec_hunter2",
            &bare,
            &of(23),
            &of(65),
            &three,
            "whsk_AQEBAQ",
        ] {
            let why = Keys::parse(bad).unwrap_err();
            assert!(!why.contains("hunter2") && !why.contains(&bare), "{why}");
        }
        assert_eq!(format!("{:?}", Keys::parse(&of(24)).unwrap()), "Keys(1)");
    }

    proptest! {
        #[test]
        fn everything_is_signed(id in "[0-9.]{1,40}", time in 0_i64..1 << 40, body in "\\PC{1,40}") {
            let keys = Keys::parse(SECRET).unwrap();
            let signed = keys.sign(&id, time, body.as_bytes());
            prop_assert_ne!(&signed, &keys.sign(&id, time + 1, body.as_bytes()));
            prop_assert_ne!(&signed, &keys.sign(&format!("{id}0"), time, body.as_bytes()));
            prop_assert_ne!(&signed, &keys.sign(&id, time, &body.as_bytes()[1..]));
        }
    }
}
