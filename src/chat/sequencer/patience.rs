//! How long what is missing may still be on its way before the log is asked for it.
//!
//! Pure. It learns from how late events really come, within bounds: asked too early, every reordering
//! of the bus would cost a query; asked too late, whoever is in the room waits for it.

use std::time::Duration;

/// At first.
const FIRST: Duration = Duration::from_millis(50);
/// At least.
const LEAST: Duration = Duration::from_millis(10);
/// At most.
const MOST: Duration = Duration::from_millis(500);

/// How long to wait, as learned so far.
#[derive(Debug, Clone, Copy)]
pub struct Patience(Duration);

impl Patience {
    /// A first guess.
    pub const fn new() -> Self {
        Self(FIRST)
    }

    /// How long to wait now.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// A gap closed by itself after `took`: move towards four times that.
    pub fn closed_after(&mut self, took: Duration) {
        self.0 = ((self.0 * 7 + took * 4) / 8).clamp(LEAST, MOST);
    }

    /// The log was asked for an event that came by the bus after all: wait longer next time.
    pub fn was_hasty(&mut self) {
        self.0 = (self.0 * 5 / 4).min(MOST);
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_learns_within_bounds() {
        let mut patience = Patience::new();
        for _ in 0..100 {
            patience.closed_after(Duration::from_micros(100));
        }
        assert_eq!(patience.duration(), Duration::from_millis(10));
        for _ in 0..100 {
            patience.was_hasty();
        }
        assert_eq!(patience.duration(), Duration::from_millis(500));
    }
}
