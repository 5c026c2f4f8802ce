//! One room that is behind: how far it is, how many events are dared at once, and when.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Next;
use crate::{
    domain::{Event, RoomName, Seq, Timestamp},
    store::{Behind, Missing},
};

/// A room that is behind.
#[derive(Debug)]
pub(super) struct Track {
    name: RoomName,
    /// The sink has everything up to this.
    pub(super) cursor: Seq,
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
}

impl Track {
    /// One that was not in trouble.
    pub(super) fn new(behind: Behind, window: u64) -> Self {
        Self {
            name: behind.name,
            cursor: behind.cursor,
            last: behind.last_seq,
            window,
            failures: 0,
            not_before: None,
            since: behind.since,
            deleted: false,
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
        self.not_before.is_none_or(|moment| moment <= now)
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

    /// What was read, as far as the window allows.
    pub(super) fn next(&self, read: Vec<Event>) -> Vec<Next> {
        let mut prev = self.cursor;
        let window = usize::try_from(self.window).unwrap_or(usize::MAX);
        let each = |event: Event| {
            let next = Next { prev, name: self.name.clone(), event: Arc::new(event) };
            prev = next.event.seq;
            next
        };
        read.into_iter().take(window).map(each).collect()
    }

    /// The sink has these, and what was published beside them unless not `all`.
    pub(super) fn settle(&mut self, has: &[Next], all: bool, most: u64) {
        if let Some(Next { event, .. }) = has.last() {
            self.cursor = event.seq;
            self.since = Some(event.timestamp);
            self.deleted = false;
            self.failures = 0;
            self.not_before = None;
        }
        if all {
            self.window = self.window.saturating_mul(2).min(most);
        } else {
            self.window = 1;
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// It is not due before that.
    pub(super) const fn wait(&mut self, until: Instant) {
        self.not_before = Some(until);
    }
}
