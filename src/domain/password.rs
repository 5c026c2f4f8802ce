//! A password on its way to being hashed: 8–128 characters, never printed, wiped when dropped.

use secrecy::{ExposeSecret, SecretString};

/// Fewest characters (Unicode scalar values) of a password.
pub const PASSWORD_MIN: usize = 8;
/// Most characters (Unicode scalar values) of a password.
pub const PASSWORD_MAX: usize = 128;

/// A password of acceptable length. Its `Debug` shows nothing of it.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

/// Why a text is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password is {PASSWORD_MIN} to {PASSWORD_MAX} characters, none of them NUL")]
pub struct InvalidPassword;

impl Password {
    /// Parses untrusted text. NUL is refused because bcrypt ends a password there.
    ///
    /// # Errors
    /// `InvalidPassword` when the length is out of bounds or a NUL is inside.
    pub fn parse(text: &str) -> Result<Self, InvalidPassword> {
        let sized = (PASSWORD_MIN..=PASSWORD_MAX).contains(&text.chars().count());
        if sized && !text.contains('\0') {
            Ok(Self(text.to_owned().into()))
        } else {
            Err(InvalidPassword)
        }
    }

    /// The secret itself, for the hasher alone.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_and_never_prints() {
        assert!(Password::parse("1234567").is_err());
        assert!(Password::parse(&"😀".repeat(128)).is_ok());
        assert!(Password::parse(&"a".repeat(129)).is_err());
        assert!(Password::parse("abc\0defgh").is_err());
        assert!(!format!("{:?}", Password::parse("correct horse").unwrap()).contains("horse"));
    }
}
