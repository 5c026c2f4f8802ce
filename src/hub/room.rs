//! One room of a shard: its members, the line of what they are due, and whose turn it is.
//!
//! Everything the room is told to deliver gets a place in the [`Line`]. A cursor goes round the seats as long as somebody
//! is behind, and gives each whose turn comes all that is there by then, in one write of about 64 KiB at most. So what
//! arrives meanwhile is collected on the way, as a lift does it; whoever had its turn before has it in the next round.
//! Members come and go at any moment, because each seat knows which place it is due next.

use std::{collections::HashMap, ops::AddAssign, sync::Arc};

use bytes::Bytes;
use tracing::Span;

use super::{
    Frame,
    batch::Given,
    line::{Item, Line, Seat},
    member::{Member, MemberId},
};
use crate::protocol::Dialect;

/// Bytes that may wait for one room before its shard takes no more commands.
const PENDING_BYTES: usize = 1024 * 1024;

/// Frames handed to members.
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

impl Served {
    const fn count(&mut self, given: Given, dialect: Dialect) {
        match (given, dialect) {
            (Given::Handed(frames), Dialect::V1) => self.v1 += frames,
            (Given::Handed(frames), Dialect::Seed) => self.seed += frames,
            (Given::Dropped(frames), _) => self.dropped += frames,
        }
    }
}

/// One room.
pub(super) struct Room {
    /// The last mark that stood in line.
    mark: u64,
    seats: Vec<Seat>,
    index: HashMap<MemberId, usize>,
    line: Line,
    /// The seat whose turn is next.
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
            line: Line::default(),
            cursor: 0,
            has_turn: false,
        }
    }

    /// How many members it has.
    pub(super) const fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether anything waits to be delivered.
    pub(super) const fn is_busy(&self) -> bool {
        self.line.behind() > 0
    }

    /// Whether so much waits that no more should be accepted.
    pub(super) const fn is_full(&self) -> bool {
        self.line.bytes() >= PENDING_BYTES
    }

    /// The spans last until the last of it has been given to everybody.
    pub(super) fn deliver(&mut self, numbered: Vec<(u64, Frame)>, spans: Vec<Span>) {
        for (mark, frame) in numbered {
            if mark > self.mark {
                self.mark = mark;
                self.line_up(Item::numbered(mark, frame));
            }
        }
        self.line.hold(spans);
    }

    pub(super) fn signal(&mut self, frame: Frame, except: Option<i64>) {
        self.line_up(Item::signal(frame, except));
    }

    fn line_up(&mut self, item: Item) {
        if !self.seats.is_empty() {
            self.line.push(item, self.seats.len());
        }
    }

    /// An answer to one member, in its place among what all are told.
    pub(super) fn answer(&mut self, member: MemberId, frame: Frame) -> Served {
        let mut served = Served::default();
        if let Some(seat) = self.index.get(&member).and_then(|place| self.seats.get(*place)) {
            served.count(self.line.answer(seat, frame), seat.member.dialect());
        }
        served
    }

    /// Seats a member that has everything up to `at`, or answers the mark it must reach first.
    pub(super) fn join(&mut self, member: Arc<Member>, at: u64, greeting: &Bytes) -> Result<(), u64> {
        if at < self.mark {
            return Err(self.mark);
        }
        self.leave(member.id());
        member.offer(greeting);
        self.index.insert(member.id(), self.seats.len());
        self.seats.push(Seat { member, from: self.line.end(), at });
        Ok(())
    }

    pub(super) fn leave(&mut self, member: MemberId) {
        let Some(mut gap) = self.index.remove(&member) else {
            return;
        };
        if gap < self.cursor {
            // The one that was served last moves into the gap, and the one that fills its place below has its turn
            // next: else it would wait for another round.
            self.cursor -= 1;
            self.seats.swap(gap, self.cursor);
            self.note(gap, member);
            gap = self.cursor;
        }
        let seat = self.seats.swap_remove(gap);
        self.note(gap, member);
        self.line.forget(&seat);
        if self.seats.is_empty() {
            *self = Self { has_turn: self.has_turn, ..Self::new(self.mark) };
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

    /// Comes to the next `count` seats, or as many as it takes until nobody is behind.
    pub(super) fn serve(&mut self, count: usize) -> Served {
        let mut served = Served::default();
        for _ in 0..count {
            if !self.is_busy() {
                break;
            }
            if self.cursor >= self.seats.len() {
                self.cursor = 0;
            }
            if let Some(seat) = self.seats.get_mut(self.cursor) {
                served.count(self.line.give(seat), seat.member.dialect());
            }
            self.cursor += 1;
        }
        served
    }
}

#[cfg(test)]
mod tests;
