//! How many bad frames in a row are forgiven: a bug in a client deserves an error frame, a flood of
//! them a closed socket.

use std::time::{Duration, Instant};

/// Bad frames within the window that are one too many.
const TOO_MANY: u8 = 10;
/// The window; it begins with the first bad frame.
const WINDOW: Duration = Duration::from_secs(10);

/// Counts the bad frames of one socket.
#[derive(Debug, Default)]
pub(super) struct Patience {
    since: Option<Instant>,
    bad: u8,
}

impl Patience {
    /// Notes a bad frame; answers whether patience is at its end.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let running = self.since.is_some_and(|since| now.duration_since(since) < WINDOW);
        if !running {
            self.since = Some(now);
            self.bad = 0;
        }
        self.bad += 1;
        self.bad >= TOO_MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_bad_frames_within_ten_seconds_are_too_many() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut patience = Patience::default();
        let quick: Vec<_> = (0..10).map(|n| patience.is_over(after(n * 1000))).collect();
        assert_eq!(quick.iter().position(|over| *over), Some(9));
        let mut patience = Patience::default();
        assert!((0..100).all(|n| !patience.is_over(after(n * 1200))));
    }
}
