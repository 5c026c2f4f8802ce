//! Moments of this node's monotonic clock, told as times of the database that are not later.
//!
//! Each answer that holds the database's time says how far the two clocks are apart, within the time
//! that the answer took. Of two bounds the lower one is kept: a deadline made of it comes a little early at worst,
//! by the shortest way there and back that was seen lately, and never late. (A database whose clock is set back is
//! noticed at the next answer.)

use std::time::Instant;

use parking_lot::Mutex;

use crate::domain::Timestamp;

/// The clocks may differ in rate by one part in so many; what was learnt gets less certain by that.
const DRIFT: i64 = 1_000;

/// What is known of the database's clock. All in ms.
pub(super) struct Horizon {
    started: Instant,
    known: Mutex<Option<Known>>,
}

/// At `since` (after `started`) the database's clock was at least `ahead` before this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    ahead: i64,
    since: i64,
}

/// One answer of the database. `sent` and `received` are ms since `started`, the one rounded down and
/// the other one up; `answer` was cut off to whole ms.
#[derive(Debug, Clone, Copy)]
struct Look {
    sent: i64,
    answer: i64,
    received: i64,
}

impl Horizon {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), known: Mutex::new(None) }
    }

    /// The database has just told its time to somebody who asked then.
    pub(super) fn learn(&self, sent: Instant, answer: Timestamp) {
        let look = Look {
            sent: self.elapsed(sent),
            answer: answer.0,
            received: self.elapsed(Instant::now()).saturating_add(1),
        };
        let mut known = self.known.lock();
        *known = Some(look.added_to(*known));
    }

    /// The database's time at that moment, or a little before; `None` before anything was learnt.
    pub(super) fn at(&self, moment: Instant) -> Option<Timestamp> {
        let known = *self.known.lock();
        let moment = self.elapsed(moment);
        known.map(|known| Timestamp(moment.saturating_add(known.ahead_at(moment))))
    }

    fn elapsed(&self, moment: Instant) -> i64 {
        let time = moment.saturating_duration_since(self.started);
        i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Known {
    const fn ahead_at(self, moment: i64) -> i64 {
        let age = moment.saturating_sub(self.since);
        // Rounded up, and nothing is known better for being older than what is asked about.
        let lost = if age > 0 { age / DRIFT + 1 } else { 0 };
        self.ahead.saturating_sub(lost)
    }
}

impl Look {
    /// The database read its clock after `sent` and before `received`.
    fn added_to(self, known: Option<Known>) -> Known {
        let at_least = self.answer.saturating_sub(self.received);
        let at_most = self.answer.saturating_add(1).saturating_sub(self.sent);
        let before = known.map(|known| known.ahead_at(self.received));
        let ahead = before.filter(|ahead| *ahead <= at_most).map_or(at_least, |ahead| ahead.max(at_least));
        Known { ahead, since: self.received }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a node learns from answers whose ways took so long, of a clock that is `ahead` and runs
    /// `fast` ms too fast in each `DRIFT` s.
    fn learnt(ahead: i64, fast: i64, answers: &[(i64, i64, i64)]) -> Known {
        let (mut now, mut known) = (0, None);
        for (pause, there, back) in answers {
            let (sent, read) = (now + pause, now + pause + there);
            now = read + back;
            let look = Look { sent, answer: at(ahead, fast, read), received: now };
            known = Some(look.added_to(known));
        }
        known.unwrap()
    }

    /// The database's clock.
    fn at(ahead: i64, fast: i64, moment: i64) -> i64 {
        moment + ahead + moment * fast / (DRIFT * DRIFT)
    }

    fn answers() -> impl Strategy<Value = Vec<(i64, i64, i64)>> {
        prop::collection::vec((0_i64..600_000, 0_i64..2_000, 0_i64..2_000), 1..30)
    }

    proptest! {
        /// Whatever the lines do: a deadline is not later than it was meant, and early by not more
        /// than the last answer took and the clocks have drifted.
        #[test]
        fn a_deadline_is_never_late_and_not_much_too_early(
            ahead in -1_000_000_i64..1_000_000,
            fast in -500_i64..500,
            answers in answers(),
            later in 0_i64..10_000,
        ) {
            let known = learnt(ahead, fast, &answers);
            let moment = known.since + later;
            let (truth, told) = (at(ahead, fast, moment), moment + known.ahead_at(moment));
            prop_assert!(told <= truth, "{} ms late", told - truth);
            let (_, there, back) = answers[answers.len() - 1];
            prop_assert!(truth - told <= there + back + later / DRIFT + 30, "{} ms early", truth - told);
        }

        /// A clock that is set back, by more than an answer takes, is believed at once.
        #[test]
        fn a_clock_that_was_set_is_believed_at_the_next_answer(
            set in prop_oneof![-1_000_000_i64..-4_100, 0_i64..1_000_000],
            answers in answers(),
        ) {
            let known = learnt(0, 0, &answers);
            let look = Look { sent: known.since, answer: known.since + 2_000 + set, received: known.since + 4_000 };
            let known = look.added_to(Some(known));
            let early = set - known.ahead_at(look.received);
            prop_assert!((0..=4_002).contains(&early), "{early}");
        }
    }

    #[test]
    fn moments_are_told_as_times_of_the_database() {
        let horizon = Horizon::new();
        let moment = Instant::now();
        assert_eq!(horizon.at(moment), None);
        horizon.learn(moment, Timestamp(1_700_000_000_000));
        let early = 1_700_000_000_000 - horizon.at(moment).unwrap().0;
        assert!((0..60_000).contains(&early), "{early}");
    }
}
