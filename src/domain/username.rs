//! A person's name: 3–50 characters of `[A-Za-z0-9_]`, shown as typed, compared without case.

use std::sync::Arc;

use super::shared_text::shared_text;

/// Fewest characters of a username.
pub const USERNAME_MIN: usize = 3;
/// Most characters of a username.
pub const USERNAME_MAX: usize = 50;

/// A name as its owner wrote it. Two names that differ only in case are one name: `folded` is the
/// form that is compared, `as_str` the one that is shown.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(Arc<str>);

shared_text!(Username);

/// Why a text is no username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a username is {USERNAME_MIN} to {USERNAME_MAX} characters of A-Z, a-z, 0-9 and _")]
pub struct InvalidUsername;

impl Username {
    /// Parses untrusted text.
    ///
    /// # Errors
    /// `InvalidUsername` when the length or a character is out of bounds.
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        let sized = (USERNAME_MIN..=USERNAME_MAX).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if sized && plain { Ok(Self(text.into())) } else { Err(InvalidUsername) }
    }

    /// Takes a name that the store remembers. It is not checked again: rows taken over from the
    /// predecessor, and the tombstones of deleted accounts, may not fit today's rule.
    pub fn from_store(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name as it is compared: lower case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The order of lists of people: without case, equal names by their exact spelling.
    pub fn list_order(&self, other: &Self) -> std::cmp::Ordering {
        let [lower, others] = [self, other].map(|name| name.0.bytes().map(|b| b.to_ascii_lowercase()));
        lower.cmp(others).then_with(|| self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_alphabet() {
        assert!(Username::parse("abc").is_ok());
        assert!(Username::parse(&"a".repeat(50)).is_ok());
        for bad in [
            "",
            "ab",
            &"a".repeat(51),
            "a b",
            "zoë",
            "al-ice",
            "a\u{202e}b",
            "abc\n",
        ] {
            assert_eq!(Username::parse(bad), Err(InvalidUsername), "{bad:?}");
        }
    }

    #[test]
    fn lists_are_sorted_without_case() {
        let mut names: Vec<_> = ["bob", "Carol", "alice", "Bob"].map(|n| Username::parse(n).unwrap()).into();
        names.sort_by(Username::list_order);
        assert_eq!(
            names.iter().map(Username::as_str).collect::<Vec<_>>(),
            ["alice", "Bob", "bob", "Carol"]
        );
    }
}
