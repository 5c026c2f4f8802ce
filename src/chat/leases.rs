//! Which incarnations live: heartbeat counters in, deaths out.
//!
//! Pure. No clock is compared between nodes: an observer times a counter's lack of progress by
//! its own monotonic clock. It promises that a counter that moves at least every [`LEASE`] is
//! never declared dead, and one that stops is, within the lease and one look. While nobody could be
//! observed (the cluster was out of reach, or the observer itself was stopped) no lease runs out.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::cluster::{Beat, Incarnation};

/// How long a counter may stand still.
pub const LEASE: Duration = Duration::from_secs(6);
/// After so long without a look nothing is known of the time between.
const BLIND: Duration = Duration::from_secs(3);
/// How long the dead are remembered: much longer than anything they wrote is met.
const REMEMBERED: Duration = Duration::from_hours(24);

/// What one node knows of the others' leases.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    seen: BTreeMap<Incarnation, (Beat, Instant)>,
    /// Since when each dead one is.
    dead: BTreeMap<Incarnation, Instant>,
    observed: Option<Instant>,
    /// The dead that the cluster may not know of, or still hold something of.
    unburied: BTreeSet<Incarnation>,
}

impl Leases {
    /// Takes all counters as read at `now` and answers who has died since the last look. An
    /// incarnation that is no longer listed makes no progress either.
    pub fn observe(&mut self, now: Instant, beats: &[(Incarnation, Beat)]) -> Vec<Incarnation> {
        let before = self.observed.replace(now);
        if before.is_some_and(|before| now.saturating_duration_since(before) >= BLIND) {
            for (_, since) in self.seen.values_mut() {
                *since = now;
            }
        }
        for (who, beat) in beats.iter().filter(|(who, _)| !self.dead.contains_key(who)) {
            let (last, since) = self.seen.entry(*who).or_insert((*beat, now));
            if last != beat {
                (*last, *since) = (*beat, now);
            }
        }
        let died: Vec<Incarnation> = self
            .seen
            .extract_if(.., |_, (_, since)| now.saturating_duration_since(*since) >= LEASE)
            .map(|(who, _)| who)
            .collect();
        self.dead.retain(|_, since| now.saturating_duration_since(*since) < REMEMBERED);
        self.dead.extend(died.iter().map(|who| (*who, now)));
        self.unburied.extend(&died);
        // One that beats all the same has not been told.
        self.unburied
            .extend(beats.iter().map(|(who, _)| who).filter(|who| self.dead.contains_key(who)));
        died
    }

    /// Somebody was met in a set: its lease is timed from now on even if it never beats.
    pub fn met(&mut self, now: Instant, who: Incarnation) {
        if self.dead.contains_key(&who) {
            self.unburied.insert(who);
        } else {
            self.seen.entry(who).or_insert((0, now));
        }
    }

    /// One that has to be reaped, again if it was before.
    pub fn next_unburied(&mut self) -> Option<Incarnation> {
        self.unburied.pop_first()
    }

    /// It could not be reaped.
    pub fn remains(&mut self, who: Incarnation) {
        self.unburied.insert(who);
    }

    /// Who lives, as far as is known at `now`, and for how long each counter has stood still.
    pub fn living(&self, now: Instant) -> Vec<(Incarnation, Duration)> {
        let age = |since: &Instant| now.saturating_duration_since(*since);
        self.seen.iter().map(|(who, (_, since))| (*who, age(since))).collect()
    }

    /// Who was declared dead within the last `window` before `now`, and how long ago.
    pub fn lost(&self, now: Instant, window: Duration) -> Vec<(Incarnation, Duration)> {
        let age = |since: &Instant| now.saturating_duration_since(*since);
        let ages = self.dead.iter().map(|(who, since)| (*who, age(since)));
        ages.filter(|(_, age)| *age < window).collect()
    }

    /// All that are dead for this node.
    pub fn dead(&self) -> Vec<Incarnation> {
        self.dead.keys().copied().collect()
    }

    /// Whether an incarnation is dead for this node.
    pub fn is_dead(&self, who: Incarnation) -> bool {
        self.dead.contains_key(&who)
    }
}

#[cfg(test)]
impl Leases {
    /// For the model: all that tells this state from others, with times as ages and counters by how they stand to
    /// the real ones.
    pub(in crate::chat) fn distinguish(
        &self,
        now: Instant,
        lag: impl Fn(Incarnation, Beat) -> i64,
        hasher: &mut impl std::hash::Hasher,
    ) {
        use std::hash::Hash;
        let age = |since: &Instant, most: Duration| now.saturating_duration_since(*since).min(most);
        for (who, (beat, since)) in &self.seen {
            (who, lag(*who, *beat), age(since, LEASE)).hash(hasher);
        }
        self.dead.keys().for_each(|who| who.hash(hasher));
        (self.seen.len(), self.dead.len(), &self.unburied).hash(hasher);
        self.observed.map(|at| age(&at, BLIND)).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_stops_dies_once_and_stays_dead() {
        let mut leases = Leases::default();
        let (a, b) = (Incarnation::random(), Incarnation::random());
        let start = Instant::now();
        assert!(leases.observe(start, &[(a, 1), (b, 1)]).is_empty());
        for second in 1..6 {
            let now = start + Duration::from_secs(second);
            assert!(leases.observe(now, &[(a, second + 1), (b, 1)]).is_empty());
        }
        assert_eq!(leases.observe(start + LEASE, &[(a, 7), (b, 1)]), [b]);
        assert!(leases.observe(start + LEASE, &[(a, 8), (b, 9)]).is_empty());
        assert!(leases.is_dead(b) && !leases.is_dead(a));
        let later = start + LEASE + Duration::from_secs(2);
        assert_eq!(leases.living(later), [(a, Duration::from_secs(2))]);
        assert_eq!(leases.lost(later, LEASE), [(b, Duration::from_secs(2))]);
        assert!(leases.lost(start + LEASE * 2, LEASE).is_empty(), "long ago");
    }

    #[test]
    fn nobody_dies_while_nobody_could_be_observed() {
        let mut leases = Leases::default();
        let (a, b) = (Incarnation::random(), Incarnation::random());
        let start = Instant::now();
        leases.observe(start, &[(a, 1), (b, 1)]);
        let back = start + Duration::from_mins(1);
        assert!(leases.observe(back, &[(a, 1)]).is_empty(), "a minute without the cluster");
        for second in 1..6 {
            assert!(leases.observe(back + Duration::from_secs(second), &[(a, 1 + second)]).is_empty());
        }
        assert_eq!(leases.observe(back + LEASE, &[(a, 8)]), [b], "who is not back by then");
    }

    #[test]
    fn the_dead_are_buried_again_whenever_they_are_met() {
        let mut leases = Leases::default();
        let who = Incarnation::random();
        let start = Instant::now();
        leases.met(start, who);
        assert_eq!(leases.next_unburied(), None);
        assert_eq!(leases.observe(start + LEASE, &[]), [who]);
        assert_eq!((leases.next_unburied(), leases.next_unburied()), (Some(who), None));
        leases.remains(who);
        assert_eq!(leases.next_unburied(), Some(who), "it could not be reaped");
        leases.met(start + LEASE, who);
        assert_eq!(leases.next_unburied(), Some(who), "met in a set");
        assert!(leases.observe(start + LEASE, &[(who, 9)]).is_empty());
        assert_eq!(leases.next_unburied(), Some(who), "it still beats");
    }

    #[test]
    fn the_dead_are_forgotten_at_last() {
        let mut leases = Leases::default();
        let who = Incarnation::random();
        let start = Instant::now();
        leases.met(start, who);
        assert_eq!(leases.observe(start + LEASE, &[]), [who]);
        leases.observe(start + LEASE + REMEMBERED / 2, &[]);
        assert_eq!(leases.dead(), [who]);
        leases.observe(start + LEASE + REMEMBERED, &[]);
        assert!(leases.dead().is_empty());
    }

    #[test]
    fn a_set_without_a_heartbeat_dies_too() {
        let mut leases = Leases::default();
        let ghost = Incarnation::random();
        let start = Instant::now();
        leases.met(start, ghost);
        for second in 0..6 {
            assert!(leases.observe(start + Duration::from_secs(second), &[]).is_empty());
        }
        assert_eq!(leases.observe(start + LEASE, &[]), [ghost]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn only_who_stood_still_for_a_lease_dies(steps in prop::collection::vec((0u64..4000, any::<bool>()), 1..60)) {
            let mut leases = Leases::default();
            let who = Incarnation::random();
            let mut now = Instant::now();
            let (mut beat, mut moved) = (0, now);
            leases.observe(now, &[(who, beat)]);
            for (pass, beats) in steps {
                now += Duration::from_millis(pass);
                if Duration::from_millis(pass) >= BLIND {
                    moved = now;
                }
                if beats {
                    (beat, moved) = (beat + 1, now);
                }
                let died = leases.observe(now, &[(who, beat)]);
                let still = now - moved >= LEASE;
                prop_assert_eq!(!died.is_empty(), still);
                if still {
                    break;
                }
            }
        }
    }
}
