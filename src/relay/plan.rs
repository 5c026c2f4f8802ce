//! What is published next, and what came of it: the decisions of the relay, without I/O and without a clock.
//!
//! Rooms that are behind are taken in turn, of each some events that follow each other. Of what was published the
//! beginning counts that was confirmed without a break; from the first event on that was not, everything comes
//! again, because a consumer skips what follows a gap. A room in trouble is tried again later and with one event,
//! and gets its full share back bit by bit; it keeps no other room waiting. An event that a sink refuses for good is
//! put aside in the end, if the sink is one of which that is wanted ([`Patience`]).

#[cfg(test)]
mod histories;
mod patience;
#[cfg(test)]
pub(super) mod tests;
mod track;

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use self::track::Track;
pub use self::{patience::Patience, track::GivenUp};
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
    /// When an event is put aside; `None`: never.
    pub patience: Option<Patience>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 10_000,
            batch_rooms: 256,
            batch_events: 1_024,
            window: 256,
            retry: (Duration::from_millis(100), Duration::from_secs(10)),
            patience: None,
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
    /// How many were deleted just before it.
    pub gone: u64,
}

/// What came of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Up to where the sink has these rooms now.
    pub moves: Vec<(RoomId, Seq)>,
    /// What is put aside: the sink is not told it.
    pub given_up: Vec<GivenUp>,
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
    /// The sink is left alone until then.
    paused: Option<Instant>,
    /// When the sink last took anything.
    took: Option<Instant>,
}

impl Plan {
    /// Nothing is known to be behind.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: BTreeMap::new(),
            served: None,
            paused: None,
            took: None,
        }
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
        let idle = self.rooms.iter().filter(|(_, track)| !track.under_way);
        let waiting = idle.filter_map(|(room, track)| Some((track.not_before?, *room)));
        let last = waiting.max().map(|(_, room)| room);
        last.is_some_and(|room| self.rooms.remove(&room).is_some())
    }

    /// What is to be read now, for the next batch. Nothing when nothing is due.
    pub fn ranges(&mut self, now: Instant) -> Vec<Missing> {
        if self.paused.is_some_and(|until| now < until) {
            return Vec::new();
        }
        self.paused = None;
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
        let idle = self.rooms.values().filter(|track| !track.under_way);
        let due = idle.filter_map(|track| track.not_before).min();
        if self.rooms.is_empty() { None } else { self.paused.or(due) }
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
        for room in batch.chunk_by(|one, next| one.event.room == next.event.room) {
            let (of_room, rest) = fates.split_at(room.len().min(fates.len()));
            fates = rest;
            let confirmed = of_room.iter().take_while(|fate| **fate == Fate::Confirmed).count();
            let (has, again) = room.split_at(confirmed);
            let held = of_room.iter().skip(confirmed).filter(|fate| **fate == Fate::Held).count();
            settled.tally.confirmed += has.len() as u64;
            settled.tally.again += (again.len() - held) as u64;
            settled.tally.deleted += has.iter().map(|next| next.gone).sum::<u64>();
            if let Some(Next { event, .. }) = has.last() {
                settled.moves.push((event.room, event.seq));
                self.took = Some(now);
            }
            let stopped = again.first().map(|next| {
                let fate = of_room.get(confirmed).copied().unwrap_or(Fate::Unknown);
                (next, fate)
            });
            self.settle_room(has, stopped, now, chance(), &mut settled);
        }
        settled
    }

    /// The sink has these events of a room; at the next one, if any, it stopped with this fate.
    fn settle_room(
        &mut self,
        has: &[Next],
        stopped: Option<(&Next, Fate)>,
        now: Instant,
        chance: f64,
        settled: &mut Settled,
    ) {
        let retry = self.retry();
        let Some(room) = has.last().or(stopped.map(|(next, _)| next)).map(|next| next.event.room) else {
            return;
        };
        let Some(track) = self.rooms.get_mut(&room) else { return };
        track.confirmed(has);
        match stopped {
            None => track.widen(self.limits.window),
            Some((_, Fate::Held)) => {}
            Some((next, fate)) => {
                track.stumbled(fate, now, self.took);
                if track.is_hopeless(self.limits.patience, now) {
                    settled.tally.again -= 1;
                    settled.tally.dead += 1;
                    settled.tally.deleted += next.gone;
                    settled.given_up.extend(track.put_aside(next, fate));
                } else if let Fate::Later(pause) = fate {
                    self.paused = self.paused.max(Some(now + pause));
                } else {
                    track.wait(now + retry.wait(track.failures, chance));
                }
            }
        }
        if track.cursor >= track.last {
            self.rooms.remove(&room);
        }
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
