//! The line of a room: everything that somebody in it has not been given yet, each in its place.
//!
//! A place is a number that is never used twice in one line. Each item counts the seats that are due it next, so that
//! it is known at any moment how many are behind, and an item goes as soon as the last one has it.

use std::{collections::VecDeque, iter, sync::Arc};

use tracing::Span;

use super::{
    Frame,
    batch::{Batch, Given, Joined},
    member::{Member, MemberId},
};

/// Something to deliver.
pub(super) struct Item {
    pub(super) frame: Frame,
    /// Its number; `None` for a signal.
    pub(super) mark: Option<u64>,
    /// The person that does not get it.
    pub(super) except: Option<i64>,
    /// What single members are told after it, before what comes next.
    pub(super) answers: Vec<(MemberId, Frame)>,
    /// What lasts until it has been given to everybody.
    spans: Vec<Span>,
    /// Seats that have everything before it, and not it.
    next_of: usize,
}

impl Item {
    /// A frame with a number.
    pub(super) fn numbered(mark: u64, frame: Frame) -> Self {
        Self { mark: Some(mark), ..Self::signal(frame, None) }
    }

    /// One without, for all but this person.
    pub(super) const fn signal(frame: Frame, except: Option<i64>) -> Self {
        Self {
            frame,
            mark: None,
            except,
            answers: Vec::new(),
            spans: Vec::new(),
            next_of: 0,
        }
    }

    fn weight(&self) -> usize {
        let answers = self.answers.iter().map(|(_, frame)| frame.weight());
        self.frame.weight() + answers.sum::<usize>()
    }
}

/// A member's place in the room.
pub(super) struct Seat {
    pub(super) member: Arc<Member>,
    /// The place in line that it is due next.
    pub(super) from: u64,
    /// The last mark it had when it joined.
    pub(super) at: u64,
}

/// What some seats are still due, ascending by place.
#[derive(Default)]
pub(super) struct Line {
    items: VecDeque<Item>,
    /// The place of the first of them.
    first: u64,
    bytes: usize,
    behind: usize,
    /// What the last seat was given; its neighbours are mostly due the same.
    batch: Option<Batch>,
}

impl Line {
    /// The place that the next item gets; who is due this one has everything.
    pub(super) fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Seats that have not got everything.
    pub(super) const fn behind(&self) -> usize {
        self.behind
    }

    /// Bytes of everything, in both dialects.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an item that all of these seats are due.
    pub(super) fn push(&mut self, mut item: Item, seats: usize) {
        self.let_grow();
        item.next_of = seats - self.behind;
        self.behind = seats;
        self.bytes += item.weight();
        self.items.push_back(item);
    }

    /// A batch that goes as far as the line is too short once something comes.
    fn let_grow(&mut self) {
        let end = self.end();
        self.batch.take_if(|batch| batch.end() == end);
    }

    /// Answers one member after everything that is in line now: at once if it has all of it.
    pub(super) fn answer(&mut self, seat: &Seat, frame: Frame) -> Given {
        let is_behind = seat.from < self.end();
        match self.items.back_mut() {
            Some(last) if is_behind => {
                self.bytes += frame.weight();
                last.answers.push((seat.member.id(), frame));
                self.let_grow();
                Given::Handed(0)
            }
            _ => Joined::new(iter::once(frame.bytes(seat.member.dialect()))).give(&seat.member),
        }
    }

    /// The spans last until everything that is in line now has been given to everybody.
    pub(super) fn hold(&mut self, spans: Vec<Span>) {
        if let Some(last) = self.items.back_mut() {
            last.spans.extend(spans);
        }
    }

    /// Gives a seat what it is due, as far as one write goes.
    pub(super) fn give(&mut self, seat: &mut Seat) -> Given {
        let from = seat.from;
        if from == self.end() {
            return Given::Handed(0);
        }
        let items = self.items.range(index(from - self.first)..);
        self.batch.take_if(|batch| batch.from() != from);
        let batch = self.batch.get_or_insert_with(|| Batch::new(from, items.clone()));
        let given = batch.give(items, seat);
        seat.from = batch.end();
        self.advance(from, seat.from);
        given
    }

    /// This seat is not there any more.
    pub(super) fn forget(&mut self, seat: &Seat) {
        if seat.from < self.end() {
            self.advance(seat.from, self.end());
        }
    }

    /// A seat that was due what is at `from` is due what is at `to`, later in line.
    fn advance(&mut self, from: u64, to: u64) {
        match self.items.get_mut(index(to - self.first)) {
            Some(item) => item.next_of += 1,
            None => self.behind -= 1,
        }
        if let Some(item) = self.items.get_mut(index(from - self.first)) {
            item.next_of -= 1;
        }
        while let Some(item) = self.items.pop_front_if(|item| item.next_of == 0) {
            self.first += 1;
            self.bytes -= item.weight();
        }
        if self.items.is_empty() {
            self.items.shrink_to(16);
            self.batch = None;
        }
    }
}

/// Items lie in memory, so there is an index for each.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

#[cfg(test)]
impl Line {
    /// What it keeps: items, their bytes, and whether it keeps a batch.
    pub(super) fn kept(&self) -> (usize, usize, bool) {
        let bytes = self.items.iter().map(Item::weight).sum();
        (self.items.len(), bytes, self.batch.is_some())
    }
}
