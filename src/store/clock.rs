//! The database's time, told without asking the database each time.
//!
//! Nodes whose system clocks are wrong agree, because each reckons the database's clock from its
//! own monotonic one, which no one sets. A jump of a system clock changes nothing here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::{Result, Store};
use crate::domain::Timestamp;

/// The database's clock as this node reckons it. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct DbClock(Arc<Reckoning>);

#[derive(Debug)]
struct Reckoning {
    started: Instant,
    /// The database's time when `started` was now, in ms.
    origin: AtomicI64,
}

/// One look at the database's clock. All in ms, `sent` and `received` since `started`.
#[derive(Debug, Clone, Copy)]
struct Look {
    sent: i64,
    answer: i64,
    received: i64,
}

impl DbClock {
    /// A clock that was never compared yet and tells the system's time. [`DbClock::refresh`]
    /// before anything is decided by it.
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Reckoning {
            started: Instant::now(),
            origin: AtomicI64::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        }))
    }

    /// The database's time now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.origin.load(Ordering::Relaxed).saturating_add(self.0.elapsed()))
    }

    /// Compares with the database. After an error the clock goes on as it was.
    pub async fn refresh(&self, store: &dyn Store) -> Result<()> {
        let sent = self.0.elapsed();
        let answer = store.now().await?.0;
        let received = self.0.elapsed();
        let look = Look { sent, answer, received };
        let origin = self.0.origin.load(Ordering::Relaxed);
        self.0.origin.store(look.correct(origin), Ordering::Relaxed);
        Ok(())
    }
}

impl Default for DbClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Reckoning {
    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Look {
    /// The database read its clock between `sent` and `received`; half-way is the best guess,
    /// wrong by at most half the round trip (and the milliseconds that were cut off). A reckoning
    /// within that error stands: correcting it by a guess that is no better would only shake it.
    const fn correct(self, origin: i64) -> i64 {
        let trip = self.received.saturating_sub(self.sent);
        let guess = self.answer.saturating_sub(self.sent).saturating_sub(trip / 2);
        let error = trip / 2 + 1;
        if guess.abs_diff(origin) <= error.unsigned_abs() { origin } else { guess }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the clock believed: after one look it is wrong by at most the round trip.
        #[test]
        fn one_look_bounds_the_error(
            believed in -1_000_000_i64..1_000_000,
            truth in -1_000_000_i64..1_000_000,
            sent in 0_i64..1_000_000,
            there in 0_i64..2_000,
            back in 0_i64..2_000,
        ) {
            let look = Look { sent, answer: truth + sent + there, received: sent + there + back };
            let error = (look.correct(believed) - truth).abs();
            prop_assert!(error <= there + back + 2, "wrong by {error} ms");
        }

        /// Looking again and again does not make it drift or shake.
        #[test]
        fn a_right_clock_stands(truth in -1_000_000_i64..1_000_000, trips in prop::collection::vec((0_i64..50, 0_i64..50), 1..50)) {
            let mut origin = truth;
            for (there, back) in trips {
                let look = Look { sent: 7, answer: truth + 7 + there, received: 7 + there + back };
                origin = look.correct(origin);
            }
            prop_assert_eq!(origin, truth);
        }
    }

    #[test]
    fn nodes_with_wrong_clocks_agree() {
        let truth = 1_700_000_000_000;
        let corrected = [-300_000, 0, 300_000].map(|wrong| {
            let look = Look { sent: 40, answer: truth + 41, received: 42 };
            look.correct(truth + wrong)
        });
        assert_eq!(corrected, [truth; 3]);
    }
}
