//! What somebody said: text after trimming and removing control characters.

use std::sync::Arc;

use super::shared_text::shared_text;

/// The text of a message as it is stored and shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageBody(Arc<str>);

shared_text!(MessageBody);

/// Why a text is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBody {
    /// Nothing is left after cleaning.
    #[error("a message needs at least one visible character")]
    Empty,
    /// More than the allowed number of characters is left.
    #[error("a message is at most {max} characters, this one has {found}")]
    TooLong {
        /// The limit, in Unicode scalar values.
        max: usize,
        /// What was counted after cleaning.
        found: usize,
    },
}

impl MessageBody {
    /// Cleans and parses untrusted text; `max` counts Unicode scalar values.
    ///
    /// Control characters go (newline and tab stay), and so do the overrides and isolates that
    /// make text read in another order than it is stored: they could dress up the line of
    /// somebody else. Right-to-left scripts need none of them.
    ///
    /// # Errors
    /// `Empty` or `TooLong`, counted after cleaning.
    pub fn parse(text: &str, max: usize) -> Result<Self, InvalidBody> {
        let kept: String = text.chars().filter(|c| !is_removed(*c)).collect();
        let trimmed = kept.trim();
        let found = trimmed.chars().count();
        match found {
            0 => Err(InvalidBody::Empty),
            n if n > max => Err(InvalidBody::TooLong { max, found }),
            _ => Ok(Self(trimmed.into())),
        }
    }

    /// Takes text that the store remembers.
    pub fn from_store(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

fn is_removed(c: char) -> bool {
    let control = c.is_control() && c != '\n' && c != '\t';
    let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    control || direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_before_it_counts() {
        assert_eq!(
            MessageBody::parse(" \u{0}hi\u{7}\n there\t ", 500).unwrap().as_str(),
            "hi\n there"
        );
        assert_eq!(MessageBody::parse("a\u{202e}b", 2).unwrap().as_str(), "ab");
        assert_eq!(MessageBody::parse("\u{0} \n\u{202e}", 500), Err(InvalidBody::Empty));
        assert!(MessageBody::parse(&"😀".repeat(500), 500).is_ok());
        assert_eq!(
            MessageBody::parse(&"a".repeat(501), 500),
            Err(InvalidBody::TooLong { max: 500, found: 501 })
        );
    }
}
