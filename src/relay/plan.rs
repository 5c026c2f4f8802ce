//! What is published next, and what came of it: the decisions of the relay, without I/O and without a clock.
//!
//! Rooms that are behind are taken in turn, of each some events that follow each other. Of what was published the
//! beginning counts that was confirmed without a break; from the first event on that was not, everything comes
//! again, because a consumer skips what follows a gap. A room in trouble is tried again later and with one event,
//! and gets its full share back bit by bit; it keeps no other room waiting.

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
mod track;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use self::track::Track;
pub use super::counts::Tally;
use super::{backoff::Backoff, sink::Fate};
use crate::{
    domain::{Event, RoomId, RoomName, Seq, Timestamp},
    store::{Behind, Missing},
};

/// The bounds of what is under way.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most rooms that are kept in mind. Of more a later look finds out.
    pub rooms: usize,
    /// Most rooms in one batch.
    pub batch_rooms: usize,
    /// Most events in one batch.
    pub batch_events: u64,
    /// Most events of one room in one batch.
    pub window: u64,
    /// The first wait of a room in trouble, and the longest.
    pub retry: (Duration, Duration),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 10_000,
            batch_rooms: 256,
            batch_events: 1_024,
            window: 256,
            retry: (Duration::from_millis(100), Duration::from_secs(10)),
        }
    }
}

/// An event that is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The event.
    pub event: Arc<Event>,
    /// Its room's name.
    pub name: RoomName,
    /// The event before it, of those that the sink is told.
    pub prev: Seq,
}

/// What came of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Up to where the sink has these rooms now.
    pub moves: Vec<(RoomId, Seq)>,
    /// What is counted of it.
    pub tally: Tally,
}

/// The rooms that are behind.
#[derive(Debug)]
pub struct Plan {
    limits: Limits,
    rooms: BTreeMap<RoomId, Track>,
    /// The room that came last; the next batch begins after it.
    served: Option<RoomId>,
}

impl Plan {
    /// Nothing is known to be behind.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, rooms: BTreeMap::new(), served: None }
    }

    /// A look has found this room behind.
    pub fn found(&mut self, behind: Behind) {
        if let Some(known) = self.rooms.get_mut(&behind.room) {
            known.found(&behind);
        } else if self.rooms.len() < self.limits.rooms || self.let_go() {
            self.rooms.insert(behind.room, Track::new(behind, self.limits.window));
        }
    }

    /// Makes room by forgetting the one that waits longest; a later look finds it again. Whether there is one.
    fn let_go(&mut self) -> bool {
        let waiting = self.rooms.iter().filter_map(|(room, track)| Some((track.not_before?, *room)));
        let last = waiting.max().map(|(_, room)| room);
        last.is_some_and(|room| self.rooms.remove(&room).is_some())
    }

    /// What is to be read now, for the next batch. Nothing when nothing is due.
    pub fn ranges(&mut self, now: Instant) -> Vec<Missing> {
        let (mut ranges, mut events) = (Vec::new(), 0);
        for room in self.in_turn() {
            if ranges.len() >= self.limits.batch_rooms || events >= self.limits.batch_events {
                break;
            }
            let Some(track) = self.rooms.get(&room).filter(|track| track.is_due(now)) else {
                continue;
            };
            events += track.window.min(track.last.0 - track.cursor.0);
            ranges.push(Missing { room, after: track.cursor, upto: track.upto() });
            self.served = Some(room);
        }
        ranges
    }

    /// All rooms, beginning after the one that came last.
    fn in_turn(&self) -> Vec<RoomId> {
        let served = self.served.unwrap_or(RoomId(i64::MIN));
        let after = self.rooms.range((Excluded(served), Unbounded));
        after.chain(self.rooms.range(..=served)).map(|(room, _)| *room).collect()
    }

    /// When the next of the rooms is due that all wait; `None` when there is none.
    pub fn next_due(&self) -> Option<Instant> {
        self.rooms.values().filter_map(|track| track.not_before).min()
    }

    /// The batch, of what was read in these ranges (ascending in each room).
    pub fn batch(&mut self, ranges: &[Missing], read: Vec<Event>, now: Instant, chance: f64) -> Vec<Next> {
        let mut by_room: HashMap<RoomId, Vec<Event>> = HashMap::new();
        for event in read {
            by_room.entry(event.room).or_default().push(event);
        }
        let mut batch = Vec::new();
        for range in ranges {
            let events = by_room.remove(&range.room).unwrap_or_default();
            let retry = self.retry();
            let Some(track) = self.rooms.get_mut(&range.room) else { continue };
            if events.is_empty() {
                track.found_nothing(range, now, |failures| retry.wait(failures, chance));
            }
            batch.extend(track.next(events));
        }
        batch
    }

    /// What was published has these fates, in its order.
    pub fn settle(
        &mut self,
        batch: &[Next],
        mut fates: &[Fate],
        now: Instant,
        mut chance: impl FnMut() -> f64,
    ) -> Settled {
        let mut settled = Settled::default();
        let retry = self.retry();
        for room in batch.chunk_by(|one, next| one.event.room == next.event.room) {
            let (of_room, rest) = fates.split_at(room.len().min(fates.len()));
            fates = rest;
            let confirmed = of_room.iter().take_while(|fate| **fate == Fate::Confirmed).count();
            let (has, again) = room.split_at(confirmed);
            settled.tally.confirmed += has.len() as u64;
            settled.tally.again += again.len() as u64;
            settled.tally.deleted += has.iter().map(|next| next.event.seq.0 - next.prev.0 - 1).sum::<u64>();
            let Some(Next { event, .. }) = has.last().or(again.first()) else { continue };
            let id = event.room;
            if !has.is_empty() {
                settled.moves.push((id, event.seq));
            }
            let Some(track) = self.rooms.get_mut(&id) else { continue };
            track.settle(has, again.is_empty(), self.limits.window);
            if !again.is_empty() {
                track.wait(now + retry.wait(track.failures, chance()));
            }
            if track.cursor >= track.last {
                self.rooms.remove(&id);
            }
        }
        settled
    }

    const fn retry(&self) -> Backoff {
        Backoff { first: self.limits.retry.0, most: self.limits.retry.1 }
    }

    /// How many events wait, and since when the oldest of them.
    pub fn lag(&self) -> (u64, Option<Timestamp>) {
        let events = self.rooms.values().map(|track| track.last.0 - track.cursor.0).sum();
        (events, self.rooms.values().filter_map(|track| track.since).min())
    }
}
