//! A room's name: `[a-z0-9][a-z0-9_-]{0,49}`. The room `lobby` always exists.

use std::sync::Arc;

use super::shared_text::shared_text;

/// The name of a room.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

shared_text!(RoomName);

/// Why a text is no room name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room name is 1 to 50 characters of a-z, 0-9, _ and -, and begins with a letter or a digit")]
pub struct InvalidRoomName;

impl RoomName {
    /// Parses untrusted text.
    ///
    /// # Errors
    /// `InvalidRoomName` when the length or a character is out of bounds.
    pub fn parse(text: &str) -> Result<Self, InvalidRoomName> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if first && rest && text.len() <= 50 {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRoomName)
        }
    }

    /// The room that always exists.
    pub fn lobby() -> Self {
        Self("lobby".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_alphabet() {
        for good in ["lobby", "a", "0-_", &"a".repeat(50)] {
            assert!(RoomName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Lobby", "-a", "_a", "a b", &"a".repeat(51), "a/b", "é"] {
            assert_eq!(RoomName::parse(bad), Err(InvalidRoomName), "{bad:?}");
        }
    }
}
