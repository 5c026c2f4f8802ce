//! SCRAM (RFC 5802, 7677) from the side of who signs in: both sides show that they know the password, and neither
//! tells it. Pure.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// Fewer rounds make guesses cheap for whoever poses as a broker: RFC 7677 wants as many, and Kafka's tools do.
const LEAST: u32 = 4_096;
/// More rounds than that are an attack on our time.
const ROUNDS: u32 = 65_536;
/// Of "no channel is bound", in base 64.
const UNBOUND: &str = "c=biws";

/// What is hashed with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn keyed(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        // A key may have any length.
        match self {
            Self::Sha256 => mac::<Hmac<Sha256>>(key, bytes),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, bytes),
        }
    }

    /// The password, salted, so many times.
    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
        let mut last = self.keyed(password, &[salt, &1_u32.to_be_bytes()].concat());
        let mut all = last.clone();
        for _ in 1..rounds {
            last = self.keyed(password, &last);
            all.iter_mut().zip(&last).for_each(|(all, last)| *all ^= last);
        }
        all
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.chain_update(bytes).finalize().into_bytes().to_vec()
}

/// One signing in.
pub(super) struct Scram<'a> {
    hash: Hash,
    nonce: &'a str,
    bare: String,
}

/// What the other side must show.
pub(super) struct Proof(Vec<u8>);

impl<'a> Scram<'a> {
    /// Of this name; the nonce is used this once.
    pub(super) fn new(hash: Hash, user: &str, nonce: &'a str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { hash, nonce, bare: format!("n={user},r={nonce}") }
    }

    /// What is said first.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// What is said to a challenge, and what the other side must answer then.
    pub(super) fn last(&self, challenge: &[u8], password: &str) -> Result<(String, Proof), String> {
        let text = std::str::from_utf8(challenge).unwrap_or_default();
        let (nonce, salt, rounds) =
            self.read(text).ok_or_else(|| "its challenge can't be used".to_owned())?;
        let salted = self.hash.salted(password.as_bytes(), &salt, rounds);
        let key = self.hash.keyed(&salted, b"Client Key");
        let without = format!("{UNBOUND},r={nonce}");
        let all = format!("{},{text},{without}", self.bare);
        let signature = self.hash.keyed(&self.hash.of(&key), all.as_bytes());
        let shown: Vec<u8> = key.iter().zip(&signature).map(|(key, signed)| key ^ signed).collect();
        let theirs = self.hash.keyed(&self.hash.keyed(&salted, b"Server Key"), all.as_bytes());
        Ok((format!("{without},p={}", BASE64_STANDARD.encode(shown)), Proof(theirs)))
    }

    /// The nonce, the salt and the rounds of a challenge.
    fn read<'b>(&self, text: &'b str) -> Option<(&'b str, Vec<u8>, u32)> {
        let mut parts = text.split(',');
        let nonce = parts.next()?.strip_prefix("r=")?;
        let salt = BASE64_STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
        let rounds = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        let is_ours = nonce.len() > self.nonce.len() && nonce.starts_with(self.nonce);
        (is_ours && (LEAST..=ROUNDS).contains(&rounds)).then_some((nonce, salt, rounds))
    }
}

impl Proof {
    /// Whether the other side knows the password, too.
    pub(super) fn holds(&self, verdict: &[u8]) -> Result<(), String> {
        let shown = verdict.strip_prefix(b"v=").and_then(|shown| {
            let shown = shown.split(|byte| *byte == b',').next()?;
            BASE64_STANDARD.decode(shown).ok()
        });
        if shown.is_some_and(|shown| !shown.is_empty() && shown == self.0) {
            Ok(())
        } else {
            Err("it does not know the password itself".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677.
    #[test]
    fn it_is_what_the_standard_shows() {
        let scram = Scram::new(Hash::Sha256, "user", NONCE);
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, proof) = scram.last(CHALLENGE.as_bytes(), "pencil").unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(proof.holds(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_ok());
        for wrong in [
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
            "v=",
            "e=other",
            "",
        ] {
            assert!(proof.holds(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_challenge_must_be_to_us_and_cost_no_minutes() {
        let scram = Scram::new(Hash::Sha512, "a=b,c", NONCE);
        assert!(scram.first().contains("n=a=3Db=2Cc,"));
        for challenge in [
            CHALLENGE.replace("r=rO", "r=Or"),
            CHALLENGE.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""),
            CHALLENGE.replace("i=4096", "i=4095"),
            CHALLENGE.replace("i=4096", "i=0"),
            CHALLENGE.replace("i=4096", "i=100000000"),
            CHALLENGE.replace("s=", "x="),
        ] {
            assert!(scram.last(challenge.as_bytes(), "pencil").is_err(), "{challenge}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_nothing_breaks(said: Vec<u8>) {
            let scram = Scram::new(Hash::Sha256, "user", NONCE);
            prop_assert!(scram.last(&said, "pencil").is_err());
        }
    }
}
