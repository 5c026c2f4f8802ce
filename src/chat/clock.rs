//! The clock that chat reads: the one its timers run by. What steers that one, as a simulation does, steers
//! all of chat.

use std::time::Instant;

/// Now, by a clock that nobody sets.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
