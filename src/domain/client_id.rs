//! The id a client gives its message: what makes sending it again harmless.

use std::{fmt, sync::Arc};

/// 1–64 characters of `[A-Za-z0-9_-]`, the client's own, unique per room and sender.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

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

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for ClientId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
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
