//! How often something may be done that is dear for being done often: at once after a silence, several times in a
//! row, and no more often than it should on average when there is always something to do. (A generic cell rate
//! algorithm; its one number is when the whole reserve is there again.)

use std::time::Duration;

use tokio::time::Instant;

/// How long there is between two on average, when there is always something to do. Each batch costs the database two
/// reads and a write, and those who chat feel 100 of them a second (`./bench/run relay`): what is said meanwhile goes
/// together.
const EVERY: Duration = Duration::from_millis(50);
/// How many may follow one after the other after a silence of half a second.
const AT_ONCE: u32 = 10;

/// The pace. There is no waiting here; who is to wait is told until when.
pub(super) struct Pace {
    whole: Instant,
}

impl Pace {
    /// With its whole reserve.
    pub(super) fn new() -> Self {
        Self { whole: Instant::now() }
    }

    /// When it may be done next; that may be long ago.
    pub(super) fn next(&self) -> Instant {
        self.whole.checked_sub((AT_ONCE - 1) * EVERY).unwrap_or(self.whole)
    }

    /// It is done now.
    pub(super) fn done(&mut self, now: Instant) {
        self.whole = self.whole.max(now) + EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long whoever does it as often as possible waits each time.
    fn waits(pace: &mut Pace, from: Instant, times: u32) -> Vec<Duration> {
        let mut now = from;
        let mut waits = Vec::new();
        for _ in 0..times {
            let next = pace.next().max(now);
            waits.push(next - now);
            now = next;
            pace.done(now);
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_silence_some_go_at_once_and_then_they_are_paced() {
        // A clock that has just begun can't be set back.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (mut pace, now) = (Pace::new(), Instant::now());
        let expected = [vec![Duration::ZERO; 10], vec![EVERY; 5]].concat();
        assert_eq!(waits(&mut pace, now, 15), expected);
        // Silence gives back what it is long for, and no more than all.
        let after = |silence| now + 5 * EVERY + silence;
        assert_eq!(
            waits(&mut pace, after(3 * EVERY), 4),
            [vec![Duration::ZERO; 3], vec![EVERY]].concat()
        );
        assert_eq!(waits(&mut pace, after(Duration::from_hours(1)), 15), expected);
    }
}
