//! HMAC-SHA-256, by which tickets are signed and the secrets of cookies follow each other.

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

/// A sum under a key.
pub(super) type Keyed = Hmac<Sha256>;

/// A sum under this key that covers nothing yet.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(super) fn keyed(key: &[u8]) -> Keyed {
    Keyed::new_from_slice(key).expect("HMAC takes keys of any length")
}
