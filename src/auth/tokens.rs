//! Tokens: JWTs that this cluster signed, and nothing else that looks like one.
//!
//! The algorithm is pinned to HS256; `kid`, `jku`, `jwk` and whatever else a header may say are
//! ignored. Times are checked here against the database's clock, without leeway. Whether a token
//! was revoked is the store's to say; it knows tokens by their SHA-256 alone.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    domain::{SignInId, Timestamp, UserId},
    store::TokenHash,
};

/// Issuer and audience of every token.
const CHORUS: &str = "chorus";
/// A token is valid from a little before it was made: another node's reckoning of the database's
/// clock may be that much behind.
const SKEW_SECONDS: i64 = 5;

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub user: UserId,
    /// The sign-in it belongs to.
    pub sid: SignInId,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// The claims as they are written.
#[derive(Serialize, Deserialize)]
struct Written {
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    iss: String,
    aud: String,
}

/// A token that was just made.
pub(super) struct Minted {
    /// What the client gets.
    pub(super) token: String,
    /// What the store keeps of it.
    pub(super) hash: TokenHash,
}

/// Signs with the current key, verifies with the current and the previous one.
pub(super) struct Tokens {
    signing: EncodingKey,
    verifying: Vec<DecodingKey>,
    validation: Validation,
}

impl Tokens {
    /// The keys made of these secrets.
    pub(super) fn new(current: &SecretString, previous: Option<&SecretString>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "sub", "iss", "aud"]);
        validation.set_issuer(&[CHORUS]);
        validation.set_audience(&[CHORUS]);
        // Those two ask the system's clock; `is_timely` asks the database's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let bytes = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Self {
            signing: EncodingKey::from_secret(current.expose_secret().as_bytes()),
            verifying: std::iter::once(current).chain(previous).map(bytes).collect(),
            validation,
        }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// When it can't be signed, which is a fault of ours.
    pub(super) fn mint(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Minted, jsonwebtoken::errors::Error> {
        let written = Written {
            sub: claims.user.0.to_string(),
            sid: claims.sid.to_string(),
            jti: Uuid::new_v4().simple().to_string(),
            iat: now.seconds(),
            nbf: now.seconds() - SKEW_SECONDS,
            exp: claims.expires_at.seconds(),
            iss: CHORUS.to_owned(),
            aud: CHORUS.to_owned(),
        };
        let token = encode(&Header::new(Algorithm::HS256), &written, &self.signing)?;
        Ok(Minted { hash: hash(&token), token })
    }

    /// What a token says, if we signed it and it is valid at `now`.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let written = self
            .verifying
            .iter()
            .find_map(|key| decode::<Written>(token, key, &self.validation).ok().map(|data| data.claims))?;
        if !is_timely(&written, now) {
            return None;
        }
        Some(Claims {
            user: UserId(written.sub.parse().ok()?),
            sid: SignInId::parse(&written.sid)?,
            expires_at: Timestamp(written.exp.checked_mul(1000)?),
        })
    }
}

/// Valid from `nbf` on and until before `exp`.
const fn is_timely(written: &Written, now: Timestamp) -> bool {
    written.nbf <= now.seconds() && now.0 < written.exp.saturating_mul(1000)
}

/// What is kept of a token.
pub(super) fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token).into())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn secret(text: &str) -> SecretString {
        format!("{text} and enough bytes to be a secret of ours").into()
    }

    fn ring() -> Tokens {
        Tokens::new(&secret("current"), Some(&secret("previous")))
    }

    fn claims() -> Claims {
        Claims {
            user: UserId(7),
            sid: SignInId::random(),
            expires_at: NOW.plus_seconds(60),
        }
    }

    fn good() -> Value {
        json!({"sub": "7", "sid": Uuid::new_v4().simple().to_string(), "jti": "x", "iat": NOW.seconds(),
            "nbf": NOW.seconds(), "exp": NOW.seconds() + 60, "iss": "chorus", "aud": "chorus"})
    }

    fn forge(header: &Header, body: &Value, key: &str) -> String {
        encode(header, body, &EncodingKey::from_secret(secret(key).expose_secret().as_bytes())).unwrap()
    }

    #[test]
    fn what_was_minted_verifies_until_it_expires() {
        let (ring, claims) = (ring(), claims());
        let minted = ring.mint(&claims, NOW).unwrap();
        assert_eq!(ring.verify(&minted.token, NOW), Some(claims));
        assert_eq!(ring.verify(&minted.token, Timestamp(claims.expires_at.0 - 1)), Some(claims));
        assert_eq!(ring.verify(&minted.token, claims.expires_at), None);
        assert_eq!(ring.verify(&minted.token, claims.expires_at.plus_seconds(1)), None);
        assert_eq!(ring.verify(&minted.token, NOW.plus_seconds(-SKEW_SECONDS - 1)), None);
        assert_eq!(minted.hash, hash(&minted.token));
    }

    #[test]
    fn the_previous_key_verifies_and_a_foreign_one_does_not() {
        let header = Header::new(Algorithm::HS256);
        assert!(ring().verify(&forge(&header, &good(), "current"), NOW).is_some());
        assert!(ring().verify(&forge(&header, &good(), "previous"), NOW).is_some());
        assert!(ring().verify(&forge(&header, &good(), "foreign"), NOW).is_none());
    }

    #[test]
    fn other_algorithms_are_refused_even_with_our_key() {
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            let token = forge(&Header::new(algorithm), &good(), "current");
            assert!(ring().verify(&token, NOW).is_none());
        }
        let body = URL_SAFE_NO_PAD.encode(good().to_string());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None","typ":"JWT"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"ES256"}"#,
        ] {
            let header = URL_SAFE_NO_PAD.encode(header);
            assert!(ring().verify(&format!("{header}.{body}."), NOW).is_none());
            assert!(ring().verify(&format!("{header}.{body}.AAAA"), NOW).is_none());
        }
    }

    #[test]
    fn header_hints_to_other_keys_are_ignored() {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("../../dev/null".to_owned());
        header.jku = Some("https://evil.example/keys".to_owned());
        assert!(ring().verify(&forge(&header, &good(), "current"), NOW).is_some());
        assert!(ring().verify(&forge(&header, &good(), "foreign"), NOW).is_none());
    }

    #[test]
    fn every_claim_is_needed_and_checked() {
        let header = Header::new(Algorithm::HS256);
        let wrong = [
            ("iss", json!("other")),
            ("aud", json!("chorus-ticket")),
            ("aud", json!([])),
            ("exp", json!(NOW.seconds() - 1)),
            ("exp", json!("soon")),
            ("nbf", json!(NOW.seconds() + 1)),
            ("sub", json!("seven")),
            ("sid", json!("none")),
        ];
        for (claim, value) in wrong {
            let mut body = good();
            body[claim] = value;
            assert!(ring().verify(&forge(&header, &body, "current"), NOW).is_none(), "{claim}");
        }
        for claim in ["sub", "sid", "exp", "nbf", "iss", "aud"] {
            let mut body = good();
            body.as_object_mut().unwrap().remove(claim);
            assert!(ring().verify(&forge(&header, &body, "current"), NOW).is_none(), "{claim}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_token_is_none(at in 0usize..300, to in "[A-Za-z0-9_.-]") {
            let minted = ring().mint(&claims(), NOW).unwrap();
            let at = at % minted.token.len();
            let changed = format!("{}{to}{}", &minted.token[..at], &minted.token[at + 1..]);
            // The last character carries unused bits; strict decoding refuses those as well.
            prop_assert!(changed == minted.token || ring().verify(&changed, NOW).is_none());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            prop_assert!(ring().verify(&text, NOW).is_none());
        }
    }
}
