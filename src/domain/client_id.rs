//! The id a client gives its message: what makes sending it again harmless.

use std::sync::Arc;

use super::shared_text::shared_text;

/// 1–64 characters of `[A-Za-z0-9_-]`, the client's own, unique per room and sender.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

shared_text!(ClientId);

/// Why a text is no client id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 64 characters of A-Z, a-z, 0-9, _ and -")]
pub struct InvalidClientId;

impl ClientId {
    /// Parses untrusted text.
    ///
    /// # Errors
    /// `InvalidClientId` when the length or a character is out of bounds.
    pub fn parse(text: &str) -> Result<Self, InvalidClientId> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if plain && (1..=64).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidClientId)
        }
    }

    /// Takes an id that the store remembers.
    pub fn from_store(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_alphabet() {
        assert!(ClientId::parse("0198-ab_C").is_ok());
        assert!(ClientId::parse(&"a".repeat(64)).is_ok());
        for bad in ["", &"a".repeat(65), "a b", "ä", "a\n"] {
            assert_eq!(ClientId::parse(bad), Err(InvalidClientId), "{bad:?}");
        }
    }
}
