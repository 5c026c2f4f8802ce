//! When an event is put aside that a sink does not take. Pure.
//!
//! That one event is refused, and that a whole sink is wrong (moved, without its key, down), look alike from one
//! event. So only tries tell something between which the sink has taken something else: then it is the event. Who takes
//! nothing is waited for, and so is who has taken something once and nothing since. Only an explicit no that lasts for very
//! long counts without that: a chat may have one room, and its first event may be the one that nobody wants. Silence
//! never does.

use std::time::Duration;

use tokio::time::Instant;

use super::Fate;

/// How long one is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So often in a row an event may be declined.
    pub declined: u32,
    /// So often of these something else was taken since the try before.
    pub beside: u32,
    /// For so long an event may fail in any way while something else is taken between each two tries.
    pub failing: Duration,
    /// For so long an event may be declined, each time, while nothing else is taken.
    pub alone: Duration,
}

/// What the first event of a room has come to, since it was first not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    /// How often it was tried since then.
    pub(super) attempts: u32,
    /// When it was tried last.
    tried: Instant,
    /// That the sink will never take it, it has said each of the last times.
    refusals: Option<Refusals>,
    /// Since when something else was taken between each two tries.
    beside_since: Option<Instant>,
}

/// Refusals in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusals {
    since: Instant,
    count: u32,
    /// How often something else was taken since the try before.
    beside: u32,
}

impl Trouble {
    /// Another try came to this, when the sink last `took` anything then.
    pub(super) fn after(before: Option<Self>, fate: Fate, now: Instant, took: Option<Instant>) -> Self {
        let attempts = before.map_or(0, |before| before.attempts).saturating_add(1);
        let tried = before.map(|before| before.tried);
        // Since the try before.
        let takes_others = tried.zip(took).is_some_and(|(tried, took)| took >= tried);
        let since = before.and_then(|before| before.beside_since).or(tried);
        let so_far = before.and_then(|before| before.refusals);
        let Refusals { since: first, count, beside } =
            so_far.unwrap_or(Refusals { since: now, count: 0, beside: 0 });
        let refusals = Refusals {
            since: first,
            count: count.saturating_add(1),
            beside: beside.saturating_add(u32::from(takes_others)),
        };
        Self {
            attempts,
            tried: now,
            refusals: matches!(fate, Fate::Declined(_)).then_some(refusals),
            beside_since: since.filter(|_| takes_others),
        }
    }
}

impl Patience {
    /// Whether it is over.
    pub(super) fn is_over(self, trouble: Trouble, now: Instant) -> bool {
        let lasts = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        let refused = trouble.refusals.filter(|refusals| refusals.count >= self.declined);
        let is_it = |refusals: Refusals| refusals.beside >= self.beside || lasts(refusals.since, self.alone);
        refused.is_some_and(is_it) || trouble.beside_since.is_some_and(|since| lasts(since, self.failing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        declined: 5,
        beside: 3,
        failing: Duration::from_hours(1),
        alone: Duration::from_hours(24),
    };
    const NO: Fate = Fate::Declined(404);
    const DOWN: Fate = Fate::Failed(503);

    /// An event that is tried each half minute.
    struct Tried {
        now: Instant,
        took: Option<Instant>,
        trouble: Option<Trouble>,
    }

    impl Tried {
        fn new() -> Self {
            Self { now: Instant::now(), took: None, trouble: None }
        }

        /// So many tries; whether something else is taken before each. At which of them the patience is over.
        fn tries(&mut self, count: u32, fate: Fate, takes_others: bool) -> Option<u32> {
            (1..=count).find(|_| {
                self.now += Duration::from_secs(30);
                if takes_others {
                    self.takes_another();
                }
                let trouble = Trouble::after(self.trouble, fate, self.now, self.took);
                self.trouble = Some(trouble);
                PATIENCE.is_over(trouble, self.now)
            })
        }

        fn takes_another(&mut self) {
            self.took = Some(self.now);
        }
    }

    const HOUR: u32 = 120;

    #[test]
    fn an_event_that_is_declined_while_others_are_taken_is_the_event() {
        assert_eq!(Tried::new().tries(100, NO, true), Some(5));
        let mut before = Tried::new();
        before.takes_another();
        assert_eq!(before.tries(100, NO, false), None, "what was taken before says nothing");
    }

    #[test]
    fn an_event_that_fails_for_long_while_others_are_taken_is_it_as_well() {
        assert_eq!(Tried::new().tries(3 * HOUR, DOWN, true), Some(HOUR + 1));
    }

    #[test]
    fn who_takes_nothing_is_waited_for_unless_it_says_no_for_a_day() {
        assert_eq!(Tried::new().tries(1_000 * HOUR, DOWN, false), None, "silence is no word");
        assert_eq!(Tried::new().tries(48 * HOUR, NO, false), Some(24 * HOUR + 1));
        let mut refused_at_first = Tried::new();
        assert_eq!(refused_at_first.tries(5, NO, false), None);
        assert_eq!(refused_at_first.tries(48 * HOUR, DOWN, false), None);
        assert_eq!(refused_at_first.tries(4, NO, false), None, "counted anew");
    }

    #[test]
    fn an_outage_costs_no_event_though_something_was_taken_in_its_first_moment() {
        let mut outage = Tried::new();
        assert_eq!(outage.tries(1, DOWN, false), None);
        outage.takes_another();
        assert_eq!(outage.tries(10 * HOUR, DOWN, false), None);
        // It comes back, and not all of it at once.
        assert_eq!(outage.tries(HOUR - 1, DOWN, true), None);
    }

    #[test]
    fn a_receiver_that_was_wrong_for_long_and_is_mended_step_by_step_loses_nothing_soon() {
        let mut mended = Tried::new();
        assert_eq!(mended.tries(HOUR, NO, false), None);
        assert_eq!(mended.tries(2, NO, true), None, "a part of it is wrong still");
        assert_eq!(mended.tries(1, NO, true), Some(1), "it is the event");
    }
}
