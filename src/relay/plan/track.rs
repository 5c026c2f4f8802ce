//! One room that is behind: how far it is, how many events are dared at once, and when.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Fate, Next,
    patience::{Patience, Trouble},
};
use crate::{
    domain::{Event, RoomName, Seq, Timestamp},
    store::{Behind, Missing},
};

/// A room that is behind.
#[derive(Debug)]
pub(super) struct Track {
    name: RoomName,
    /// The sink is done with everything up to this.
    pub(super) cursor: Seq,
    /// The last event that it has: an earlier one when those after it were put aside.
    told: Seq,
    /// The room's newest event, as far as is known.
    pub(super) last: Seq,
    /// How many events are published at once.
    pub(super) window: u64,
    /// How often in a row something was not confirmed.
    pub(super) failures: u32,
    /// It waits until then.
    pub(super) not_before: Option<Instant>,
    /// When the first event was committed that the sink has not, or one before it.
    pub(super) since: Option<Timestamp>,
    /// The next events are gone: the first one that is kept is looked for.
    deleted: bool,
    /// Some of it is being published.
    pub(super) under_way: bool,
    /// What the next event has come to so far.
    trouble: Option<Trouble>,
}

/// An event that is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The event.
    pub event: Arc<Event>,
    /// The last one before it that the sink has.
    pub told: Seq,
    /// How often it was tried.
    pub attempts: u32,
    /// What came of it the last time.
    pub fate: Fate,
}

impl Track {
    /// One that was not in trouble.
    pub(super) fn new(behind: Behind, window: u64) -> Self {
        Self {
            name: behind.name,
            cursor: behind.cursor,
            told: behind.told,
            last: behind.last_seq,
            window,
            failures: 0,
            not_before: None,
            since: behind.since,
            deleted: false,
            under_way: false,
            trouble: None,
        }
    }

    /// A later look; it may have been on its way while the cursor moved.
    pub(super) fn found(&mut self, behind: &Behind) {
        self.last = self.last.max(behind.last_seq);
        if behind.cursor == self.cursor {
            self.since = behind.since;
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.under_way && self.not_before.is_none_or(|moment| moment <= now)
    }

    /// Up to where is read for the next batch.
    pub(super) fn upto(&self) -> Seq {
        if self.deleted {
            self.last
        } else {
            self.last.min(Seq(self.cursor.0.saturating_add(self.window)))
        }
    }

    /// Nothing was read of what should be there. It was deleted, and what comes later is not: the newest event of a
    /// room always stays. If not even that is there the log is in trouble, and it is tried again later.
    pub(super) fn found_nothing(&mut self, range: &Missing, now: Instant, wait: impl Fn(u32) -> Duration) {
        if range.upto >= self.last {
            self.failures = self.failures.saturating_add(1);
            self.wait(now + wait(self.failures));
        }
        self.deleted = true;
    }

    /// What was read, as far as the window allows: it is under way until something comes of it.
    pub(super) fn next(&mut self, read: Vec<Event>) -> Vec<Next> {
        let (mut prev, mut done) = (self.told, self.cursor);
        let window = usize::try_from(self.window).unwrap_or(usize::MAX);
        self.under_way = !read.is_empty();
        let name = &self.name;
        let each = |event: Event| {
            let gone = event.seq.0.saturating_sub(done.0.saturating_add(1));
            let next = Next { prev, name: name.clone(), event: Arc::new(event), gone };
            (prev, done) = (next.event.seq, next.event.seq);
            next
        };
        read.into_iter().take(window).map(each).collect()
    }

    /// Nothing is under way any more, and the sink has these.
    pub(super) fn confirmed(&mut self, has: &[Next]) {
        self.under_way = false;
        if let Some(Next { event, .. }) = has.last() {
            self.told = event.seq;
            self.goes_on(event);
        }
    }

    /// All of it was taken: more is dared.
    pub(super) fn widen(&mut self, most: u64) {
        self.window = self.window.saturating_mul(2).min(most);
    }

    /// The next event was not taken.
    pub(super) fn stumbled(&mut self, fate: Fate, now: Instant, took: Option<Instant>) {
        self.window = 1;
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(Trouble::after(self.trouble, fate, now, took));
    }

    /// Whether the next event is to be put aside.
    pub(super) fn is_hopeless(&self, patience: Option<Patience>, now: Instant) -> bool {
        let both = patience.zip(self.trouble);
        both.is_some_and(|(patience, trouble)| patience.is_over(trouble, now))
    }

    /// The room goes on after this event, which the sink is not told.
    pub(super) fn put_aside(&mut self, next: &Next, fate: Fate) -> Option<GivenUp> {
        let attempts = self.trouble?.attempts;
        let (told, event) = (self.told, Arc::clone(&next.event));
        self.goes_on(&event);
        Some(GivenUp { event, told, attempts, fate })
    }

    /// The sink is done with everything up to this event.
    const fn goes_on(&mut self, event: &Event) {
        self.cursor = event.seq;
        self.since = Some(event.timestamp);
        self.deleted = false;
        self.failures = 0;
        self.not_before = None;
        self.trouble = None;
    }

    /// It is not due before that.
    pub(super) const fn wait(&mut self, until: Instant) {
        self.not_before = Some(until);
    }
}
