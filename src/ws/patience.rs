//! How much of one socket is borne: a bug in a client deserves an error frame, a flood of bad frames
//! a closed socket, and who asks for much at once has to wait.

use std::time::{Duration, Instant};

/// Bad frames within their window that are one too many.
const TOO_MANY: u16 = 10;
/// Their window.
const BAD_WINDOW: Duration = Duration::from_secs(10);
/// How many joins, lists and the like one socket may ask for in their window: enough to come back
/// into all its rooms twice.
const ASKED_MOST: u16 = 120;
/// Their window.
const ASKED_WINDOW: Duration = Duration::from_secs(10);

/// Counts in a window that begins with the first that is counted.
#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    times: u16,
}

impl Window {
    /// Counts one more; answers how many that makes, and how long the window still lasts.
    fn count(&mut self, now: Instant, length: Duration) -> (u16, Duration) {
        let gone = now.saturating_duration_since(*self.since.get_or_insert(now));
        if gone >= length {
            (self.since, self.times) = (Some(now), 0);
        }
        self.times = self.times.saturating_add(1);
        (self.times, length.saturating_sub(gone))
    }
}

/// The bad frames of one socket.
#[derive(Debug, Default)]
pub(super) struct Patience(Window);

impl Patience {
    /// Notes a bad frame; answers whether patience is at its end.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.0.count(now, BAD_WINDOW).0 >= TOO_MANY
    }
}

/// How often one socket has asked for what costs the store or the rooms something.
#[derive(Debug, Default)]
pub(super) struct Asked(Window);

impl Asked {
    /// Counts one; answers how long to wait when there were too many lately.
    pub(super) fn once_more(&mut self, now: Instant) -> Option<Duration> {
        let (times, left) = self.0.count(now, ASKED_WINDOW);
        (times > ASKED_MOST).then_some(left)
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
