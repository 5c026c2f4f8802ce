//! What seats that are due the same place are given in one write, and which part of it is whose.
//!
//! A batch is joined once per dialect into one buffer, as soon as somebody needs it. Most seats that come to it are due
//! all of it and share the buffer; those that read the log ahead of the room, are excepted from a signal or have
//! asked something get their own selection.

use std::cell::OnceCell;

use bytes::{Bytes, BytesMut};

use super::{
    line::{Item, Seat},
    member::{Member, MemberId},
    outbox::Sent,
};
use crate::protocol::Dialect;

/// Bytes of one batch in the longer dialect; a single larger frame goes alone. Answers come on top.
const BATCH_BYTES: usize = 64 * 1024;

/// The line from one place on, as far as one write goes.
pub(super) struct Batch {
    from: u64,
    end: u64,
    /// The lowest mark in it.
    lowest: u64,
    /// The persons that don't get all of it, sorted.
    excepted: Vec<i64>,
    /// The members that get more, sorted.
    answered: Vec<MemberId>,
    v1: OnceCell<Joined>,
    seed: OnceCell<Joined>,
}

/// Frames of one dialect in one run of bytes.
pub(super) struct Joined {
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

impl Joined {
    /// Those that are not empty. A single one is shared as it is.
    pub(super) fn new<'a>(frames: impl Iterator<Item = &'a Bytes> + Clone) -> Self {
        let mut frames = frames.filter(|bytes| !bytes.is_empty());
        let (count, size) =
            frames.clone().fold((0, 0), |(count, size), bytes| (count + 1, size + bytes.len()));
        let frames = if count == 1 {
            frames.next().cloned().unwrap_or_default()
        } else {
            let mut joined = BytesMut::with_capacity(size);
            frames.for_each(|bytes| joined.extend_from_slice(bytes));
            joined.freeze()
        };
        Self { frames, count }
    }

    pub(super) fn give(&self, member: &Member) -> Given {
        match member.offer(&self.frames) {
            Sent::Written | Sent::Queued => Given::Handed(self.count),
            Sent::Dropped => Given::Dropped(self.count),
        }
    }
}

impl Batch {
    /// What is in line from this place on: one of the items at least, and more as far as one write should carry.
    pub(super) fn new<'a>(from: u64, items: impl Iterator<Item = &'a Item>) -> Self {
        let (mut end, mut v1, mut seed, mut lowest) = (from, 0, 0, u64::MAX);
        let (mut excepted, mut answered) = (Vec::new(), Vec::new());
        for item in items {
            v1 += item.frame.v1.len();
            seed += item.frame.seed.len();
            if end > from && (v1 > BATCH_BYTES || seed > BATCH_BYTES) {
                break;
            }
            end += 1;
            lowest = lowest.min(item.mark.unwrap_or(u64::MAX));
            excepted.extend(item.except);
            answered.extend(item.answers.iter().map(|(member, _)| *member));
        }
        excepted.sort_unstable();
        answered.sort_unstable();
        Self {
            from,
            end,
            lowest,
            excepted,
            answered,
            v1: OnceCell::new(),
            seed: OnceCell::new(),
        }
    }

    /// The place of its first item.
    pub(super) const fn from(&self) -> u64 {
        self.from
    }

    /// The place after its last.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Gives a seat that is due the first item what it is due of all, which are the first of these `items`; answers how many
    /// frames that were, and whether it took them.
    pub(super) fn give<'a>(&self, items: impl Iterator<Item = &'a Item> + Clone, seat: &Seat) -> Given {
        let (dialect, tag, id) = (seat.member.dialect(), seat.member.tag(), seat.member.id());
        let items = (self.from..self.end).zip(items).map(|(_, item)| item);
        let whole = seat.at < self.lowest
            && self.excepted.binary_search(&tag).is_err()
            && self.answered.binary_search(&id).is_err();
        if whole {
            let joined = match dialect {
                Dialect::V1 => &self.v1,
                Dialect::Seed => &self.seed,
            };
            let all = || Joined::new(items.map(|item| item.frame.bytes(dialect)));
            return joined.get_or_init(all).give(&seat.member);
        }
        let is_due = |item: &Item| item.mark.is_none_or(|mark| mark > seat.at) && item.except != Some(tag);
        let own = items.flat_map(|item| {
            let answers = item.answers.iter().filter(|(member, _)| *member == id);
            is_due(item).then_some(&item.frame).into_iter().chain(answers.map(|(_, frame)| frame))
        });
        Joined::new(own.map(|frame| frame.bytes(dialect))).give(&seat.member)
    }
}
