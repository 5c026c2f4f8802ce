//! When an event is put aside that a sink does not take. Pure.
//!
//! That one event is refused, and that a whole sink is wrong (moved, without its key, down), look alike from one
//! event. So an event is put aside soon only when the sink has taken others since the trouble with it began: then it
//! is the event. Who takes nothing at all is waited for. Only an explicit no that lasts for very long counts without
//! that: a chat may have one room, and its first event may be the one that nobody wants. Silence never does.

use std::time::Duration;

use tokio::time::Instant;

/// How long one is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// So often an event may be declined while others are taken.
    pub declined: u32,
    /// For so long an event may fail in any way while others are taken.
    pub failing: Duration,
    /// For so long an event may be declined while nothing else is taken.
    pub alone: Duration,
}

/// What the first event of a room has come to, since it was first not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    /// When that was.
    pub(super) since: Instant,
    /// How often it was tried since then.
    pub(super) attempts: u32,
    /// How often the sink said that it will never take it.
    pub(super) declined: u32,
}

impl Patience {
    /// Whether it is over, when the sink last `took` anything then.
    pub(super) fn is_over(self, trouble: Trouble, now: Instant, took: Option<Instant>) -> bool {
        let takes_others = took.is_some_and(|moment| moment > trouble.since);
        let lasts = now.saturating_duration_since(trouble.since);
        let declined = trouble.declined >= self.declined;
        if takes_others {
            declined || lasts >= self.failing
        } else {
            declined && lasts >= self.alone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        declined: 5,
        failing: Duration::from_hours(1),
        alone: Duration::from_hours(24),
    };

    /// After so long, with so many refusals among a hundred attempts; others were taken so long after the beginning.
    fn is_over(hours: u64, declined: u32, took: Option<u64>) -> bool {
        let since = Instant::now();
        let at = |seconds| since + Duration::from_secs(seconds);
        let trouble = Trouble { since, attempts: 100, declined };
        PATIENCE.is_over(trouble, at(hours * 3600 + 1), took.map(at))
    }

    #[test]
    fn an_event_that_is_declined_while_others_are_taken_is_the_event() {
        assert!(is_over(0, 5, Some(1)));
        assert!(!is_over(0, 4, Some(1)), "not so soon");
        assert!(!is_over(0, 100, Some(0)), "what was taken before says nothing");
        assert!(!is_over(0, 100, None), "it may be the sink");
    }

    #[test]
    fn an_event_that_fails_for_long_while_others_are_taken_is_it_as_well() {
        assert!(is_over(1, 0, Some(1)) && !is_over(0, 0, Some(1)));
    }

    #[test]
    fn who_takes_nothing_is_waited_for_unless_it_says_no_for_a_day() {
        assert!(!is_over(1_000, 0, None) && !is_over(1_000, 4, Some(0)), "silence is no word");
        assert!(is_over(24, 5, None) && !is_over(23, 100, None));
    }
}
