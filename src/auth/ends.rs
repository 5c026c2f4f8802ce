//! The sign-ins that ended lately, as far as this node has heard: what makes a replica's answer
//! good enough.
//!
//! Pure. A replica lags, so it may call a sign-in valid that has ended. Its word counts only while
//! the ends of the last minute were read from the primary a moment ago and do not name the sign-in;
//! a replica that lags nearly as long as that minute is not asked at all.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::domain::SignInId;

/// How long one reading of the ends makes replicas trustworthy: two polls and a slow answer.
const FRESH: Duration = Duration::from_secs(5);
/// How long an end is remembered: longer than any replica may lag.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The ends heard of, from the primary, the bus and this node itself.
#[derive(Debug, Default)]
pub(super) struct Ends(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// When the primary was last asked for all of them and answered.
    read: Option<Instant>,
    /// When each was heard of.
    ended: HashMap<SignInId, Instant>,
}

impl Ends {
    /// A sign-in ended.
    pub(super) fn heard(&self, now: Instant, sid: SignInId) {
        let mut heard = self.0.lock();
        heard.forget(now);
        heard.ended.insert(sid, now);
    }

    /// The primary told all ends of the last minute, as asked at `asked`.
    pub(super) fn read(&self, asked: Instant, ended: &[SignInId]) {
        let mut heard = self.0.lock();
        heard.read = Some(asked);
        heard.forget(asked);
        heard.ended.extend(ended.iter().map(|sid| (*sid, asked)));
    }

    /// Whether replicas may be asked now.
    pub(super) fn are_fresh(&self, now: Instant) -> bool {
        self.0.lock().read.is_some_and(|at| now.saturating_duration_since(at) < FRESH)
    }

    /// Whether this one is known to have ended.
    pub(super) fn names(&self, sid: SignInId) -> bool {
        self.0.lock().ended.contains_key(&sid)
    }
}

impl Heard {
    /// So that no more is kept than what ended within the last minute, read or not.
    fn forget(&mut self, now: Instant) {
        self.ended.retain(|_, at| now.saturating_duration_since(*at) < REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replicas_word_counts_only_shortly_after_a_reading() {
        let (ends, now) = (Ends::default(), Instant::now());
        assert!(!ends.are_fresh(now), "nothing was read yet");
        ends.read(now, &[]);
        assert!(ends.are_fresh(now + FRESH / 2));
        assert!(!ends.are_fresh(now + FRESH));
    }

    #[test]
    fn an_end_is_known_however_it_was_heard_of_and_forgotten_after_the_window() {
        let (ends, now) = (Ends::default(), Instant::now());
        let (here, there, other) = (SignInId::random(), SignInId::random(), SignInId::random());
        ends.heard(now, here);
        ends.read(now, &[there]);
        assert!(ends.names(here) && ends.names(there) && !ends.names(other));
        ends.read(now + REMEMBERED / 2, &[there]);
        ends.read(now + REMEMBERED, &[]);
        assert!(!ends.names(here), "older than any replica's lag");
        assert!(ends.names(there), "named again meanwhile");
    }

    #[test]
    fn what_is_heard_and_never_read_is_forgotten_too() {
        let (ends, now) = (Ends::default(), Instant::now());
        for second in 0..1_000 {
            ends.heard(now + Duration::from_secs(second), SignInId::random());
        }
        assert_eq!(ends.0.lock().ended.len(), 60);
    }
}
