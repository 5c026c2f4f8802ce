//! One room of a shard: its members, what waits for them, and the pass that is under way.
//!
//! Everything the room is told to deliver gets a place in one line. A pass takes the front of the
//! line (up to 64 KiB) as a [`Batch`] and walks over the seats. What arrives meanwhile lines up for
//! the next pass; members come and go at any moment, because each seat knows which part of the
//! line is its own.

use std::{
    collections::{HashMap, VecDeque},
    ops::AddAssign,
    sync::Arc,
};

use bytes::Bytes;
use tracing::Span;

use super::{
    Frame,
    batch::{Batch, Given, Item, Seat},
    member::{Member, MemberId},
};
use crate::protocol::Dialect;

/// Bytes of one batch in the longer dialect; a single larger frame goes alone.
const BATCH_BYTES: usize = 64 * 1024;
/// Bytes that may wait for one room before its shard takes no more commands.
const PENDING_BYTES: usize = 1024 * 1024;

/// Frames handed to members in one slice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) v1: u64,
    pub(super) seed: u64,
    /// Frames for members that are closed, or too slow for more.
    pub(super) dropped: u64,
}

impl AddAssign for Served {
    fn add_assign(&mut self, more: Self) {
        self.v1 += more.v1;
        self.seed += more.seed;
        self.dropped += more.dropped;
    }
}

/// One room.
pub(super) struct Room {
    /// The last mark that stood in line.
    mark: u64,
    seats: Vec<Seat>,
    index: HashMap<MemberId, usize>,
    /// The line behind the batch.
    pending: VecDeque<Item>,
    pending_bytes: usize,
    /// The place that the next item gets.
    next: u64,
    batch: Option<Batch>,
    /// Seats before this one have been served the batch.
    cursor: usize,
    /// Whether the shard has put the room among those that wait for their turn.
    pub(super) has_turn: bool,
}

impl Room {
    pub(super) fn new(delivered: u64) -> Self {
        Self {
            mark: delivered,
            seats: Vec::new(),
            index: HashMap::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            next: 0,
            batch: None,
            cursor: 0,
            has_turn: false,
        }
    }

    /// Whether anything waits to be delivered.
    pub(super) fn is_busy(&self) -> bool {
        self.batch.is_some() || !self.pending.is_empty()
    }

    /// Whether all have been served what the last pass took along.
    pub(super) const fn is_between_passes(&self) -> bool {
        self.batch.is_none()
    }

    /// Whether so much waits that no more should be accepted.
    pub(super) const fn is_full(&self) -> bool {
        self.pending_bytes >= PENDING_BYTES
    }

    /// The spans last until the last of it has been given to everybody.
    pub(super) fn deliver(&mut self, numbered: Vec<(u64, Frame)>, spans: Vec<Span>) {
        for (mark, frame) in numbered {
            if mark > self.mark {
                self.mark = mark;
                self.line_up(Item { mark: Some(mark), ..Item::of(frame) });
            }
        }
        if let Some(last) = self.pending.back_mut() {
            last.spans.extend(spans);
        }
    }

    pub(super) fn signal(&mut self, frame: Frame, except: Option<i64>) {
        self.line_up(Item { except, ..Item::of(frame) });
    }

    /// An answer to one member, in its place among what all are told.
    pub(super) fn answer(&mut self, member: MemberId, frame: Frame) {
        self.line_up(Item { only: Some(member), ..Item::of(frame) });
    }

    fn line_up(&mut self, item: Item) {
        if self.seats.is_empty() {
            return;
        }
        self.next += 1;
        self.pending_bytes += item.weight();
        self.pending.push_back(item);
    }

    /// Seats a member that has everything up to `at`, or answers the mark it must reach first.
    pub(super) fn join(&mut self, member: Arc<Member>, at: u64, greeting: &Bytes) -> Result<(), u64> {
        if at < self.mark {
            return Err(self.mark);
        }
        self.leave(member.id());
        member.offer(greeting);
        self.index.insert(member.id(), self.seats.len());
        self.seats.push(Seat { member, from: self.next, at });
        Ok(())
    }

    pub(super) fn leave(&mut self, member: MemberId) {
        let Some(mut gap) = self.index.remove(&member) else {
            return;
        };
        if gap < self.cursor {
            // The last of those that were served moves into the gap, so that the one that fills
            // its place below is still before the cursor's turn.
            self.cursor -= 1;
            self.seats.swap(gap, self.cursor);
            self.note(gap, member);
            gap = self.cursor;
        }
        self.seats.swap_remove(gap);
        self.note(gap, member);
        if self.seats.is_empty() {
            self.forget_line();
        }
    }

    /// Notes where the seat is that now stands at `place`.
    fn note(&mut self, place: usize, leaving: MemberId) {
        if let Some(seat) = self.seats.get(place)
            && seat.member.id() != leaving
        {
            self.index.insert(seat.member.id(), place);
        }
    }

    fn forget_line(&mut self) {
        self.batch = None;
        self.cursor = 0;
        self.pending = VecDeque::new();
        self.pending_bytes = 0;
        self.seats = Vec::new();
        self.index = HashMap::new();
    }

    /// Serves up to `count` seats of the pass, beginning one if none is under way.
    pub(super) fn serve(&mut self, count: usize) -> Served {
        let mut served = Served::default();
        if self.batch.is_none() {
            self.begin();
        }
        let Some(batch) = &self.batch else {
            return served;
        };
        let end = self.seats.len().min(self.cursor + count);
        for seat in self.seats.get(self.cursor..end).unwrap_or_default() {
            match (batch.serve(seat), seat.member.dialect()) {
                (Given::Handed(frames), Dialect::V1) => served.v1 += frames,
                (Given::Handed(frames), Dialect::Seed) => served.seed += frames,
                (Given::Dropped(frames), _) => served.dropped += frames,
            }
        }
        self.cursor = end;
        if end == self.seats.len() {
            self.batch = None;
            self.cursor = 0;
        }
        served
    }

    /// Gives the answers at the front of the line to those who asked. Everything before them has
    /// been served by now.
    fn give_answers(&mut self) {
        while let Some(item) = self.pending.pop_front_if(|item| item.only.is_some()) {
            self.pending_bytes -= item.weight();
            let place = self.next - self.pending.len() as u64 - 1;
            let asker = item.only.and_then(|member| self.index.get(&member));
            if let Some(seat) = asker.and_then(|at| self.seats.get(*at)).filter(|seat| seat.from <= place) {
                seat.member.offer(item.bytes(seat.member.dialect()));
            }
        }
    }

    /// Takes the front of the line as the next batch.
    fn begin(&mut self) {
        self.give_answers();
        let (mut v1, mut seed, mut count) = (0, 0, 0);
        for item in &self.pending {
            v1 += item.frame.v1.len();
            seed += item.frame.seed.len();
            if item.only.is_some() || count > 0 && (v1 > BATCH_BYTES || seed > BATCH_BYTES) {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return;
        }
        let first = self.next - self.pending.len() as u64;
        let items: Vec<_> = self.pending.drain(..count).collect();
        self.pending_bytes -= items.iter().map(Item::weight).sum::<usize>();
        if self.pending.is_empty() {
            self.pending.shrink_to(16);
        }
        self.batch = Some(Batch::new(first, items));
    }
}
