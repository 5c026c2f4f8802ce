//! What one pass over a room's members delivers, and to whom which part of it.
//!
//! A batch is joined once per dialect into one buffer. A seat remembers from which place in the
//! line on its member is served and which marks it has already; most seats are due for the whole
//! batch and share the buffer, the few that joined in its middle, read the log ahead of the room
//! or are excepted from a signal get their own selection. So a join never waits for a pass, and
//! still nothing is doubled or lost.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tracing::Span;

use super::{
    Frame,
    member::{Member, MemberId},
    outbox::Sent,
};
use crate::protocol::Dialect;

/// Something to deliver.
pub(super) struct Item {
    pub(super) frame: Frame,
    /// Its number; `None` for a signal.
    pub(super) mark: Option<u64>,
    /// The person that does not get it.
    pub(super) except: Option<i64>,
    /// The only member that gets it: never part of a batch.
    pub(super) only: Option<MemberId>,
    /// What lasts until it has been given to everybody.
    pub(super) spans: Vec<Span>,
}

impl Item {
    /// A frame for everybody, without a number.
    pub(super) const fn of(frame: Frame) -> Self {
        Self {
            frame,
            mark: None,
            except: None,
            only: None,
            spans: Vec::new(),
        }
    }

    pub(super) const fn weight(&self) -> usize {
        self.frame.v1.len() + self.frame.seed.len()
    }

    pub(super) const fn bytes(&self, dialect: Dialect) -> &Bytes {
        match dialect {
            Dialect::V1 => &self.frame.v1,
            Dialect::Seed => &self.frame.seed,
        }
    }
}

/// A member's place in the room.
pub(super) struct Seat {
    pub(super) member: Arc<Member>,
    /// The first place in line that it is served.
    pub(super) from: u64,
    /// The last mark it had when it joined.
    pub(super) at: u64,
}

impl Seat {
    fn is_due(&self, place: u64, item: &Item) -> bool {
        place >= self.from
            && item.mark.is_none_or(|mark| mark > self.at)
            && item.except.is_none_or(|tag| tag != self.member.tag())
    }
}

/// The front of the line, on its way to the members.
pub(super) struct Batch {
    /// The place of its first item.
    first: u64,
    items: Vec<Item>,
    /// The lowest mark in it.
    lowest: u64,
    /// The persons that don't get all of it, sorted.
    excepted: Vec<i64>,
    v1: Shared,
    seed: Shared,
}

/// A batch in one dialect.
struct Shared {
    frames: Bytes,
    count: u64,
}

/// What became of the frames a seat was due.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Handed(u64),
    /// The member is closed, or too slow for more.
    Dropped(u64),
}

impl Shared {
    fn give(&self, member: &Member) -> Given {
        match member.offer(&self.frames) {
            Sent::Written | Sent::Queued => Given::Handed(self.count),
            Sent::Dropped => Given::Dropped(self.count),
        }
    }
}

impl Batch {
    pub(super) fn new(first: u64, items: Vec<Item>) -> Self {
        let mut excepted: Vec<_> = items.iter().filter_map(|item| item.except).collect();
        excepted.sort_unstable();
        excepted.dedup();
        Self {
            first,
            lowest: items.iter().find_map(|item| item.mark).unwrap_or(u64::MAX),
            excepted,
            v1: joined(&items, Dialect::V1, |_, _| true),
            seed: joined(&items, Dialect::Seed, |_, _| true),
            items,
        }
    }

    /// Gives a seat what it is due; answers how many frames that were, and whether it took them.
    pub(super) fn serve(&self, seat: &Seat) -> Given {
        let dialect = seat.member.dialect();
        let whole = seat.from <= self.first
            && seat.at < self.lowest
            && (self.excepted.is_empty() || self.excepted.binary_search(&seat.member.tag()).is_err());
        if whole {
            let shared = match dialect {
                Dialect::V1 => &self.v1,
                Dialect::Seed => &self.seed,
            };
            return shared.give(&seat.member);
        }
        joined(&self.items, dialect, |index, item| seat.is_due(self.first + index, item)).give(&seat.member)
    }
}

/// The chosen items in one dialect, in one run of bytes. A single one is shared as it is.
fn joined(items: &[Item], dialect: Dialect, due: impl Fn(u64, &Item) -> bool) -> Shared {
    let due = || {
        (0u64..)
            .zip(items)
            .filter(|(index, item)| due(*index, item))
            .map(|(_, item)| item.bytes(dialect))
            .filter(|bytes| !bytes.is_empty())
    };
    let (count, size) = due().fold((0, 0), |(count, size), bytes| (count + 1, size + bytes.len()));
    let frames = if count == 1 {
        due().next().cloned().unwrap_or_default()
    } else {
        let mut frames = BytesMut::with_capacity(size);
        due().for_each(|bytes| frames.extend_from_slice(bytes));
        frames.freeze()
    };
    Shared { frames, count }
}
