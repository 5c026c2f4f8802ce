//! One room of a shard: its members, what waits for them, and the pass that is under way.
//!
//! Everything the room is told to deliver gets a place in one line. A pass takes the front of the
//! line (up to 64 KiB) as a batch, joins it once per dialect into one buffer, and walks over the
//! members. A seat remembers from which place on its member is served and which marks it has
//! already; most seats are simply due for the whole batch and get the shared buffer, the few that
//! joined in its middle, read the log ahead of us or are excepted from a signal get their own
//! selection. So a join never waits for a pass and still nothing is doubled or lost.
//!
//! Pure but for the final write: the shard drives it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

use super::{
    Frame,
    member::{Member, MemberId},
    outbox::Sent,
};
use crate::protocol::Dialect;

/// Bytes of one batch in the longer dialect; a single larger frame goes alone.
const BATCH_BYTES: usize = 64 * 1024;
/// Bytes that may wait for one room before its shard takes no more commands.
const PENDING_BYTES: usize = 1024 * 1024;

/// Something to deliver.
struct Item {
    frame: Frame,
    /// Its number; `None` for a signal.
    mark: Option<u64>,
    /// The person that does not get it.
    except: Option<i64>,
}

impl Item {
    const fn weight(&self) -> usize {
        self.frame.v1.len() + self.frame.seed.len()
    }

    const fn bytes(&self, dialect: Dialect) -> &Bytes {
        match dialect {
            Dialect::V1 => &self.frame.v1,
            Dialect::Seed => &self.frame.seed,
        }
    }
}

/// A member's place in the room.
struct Seat {
    member: Arc<Member>,
    /// The first place in line that it is served.
    from: u64,
    /// The last mark it had when it joined.
    at: u64,
}

impl Seat {
    fn is_due(&self, place: u64, item: &Item) -> bool {
        place >= self.from
            && item.mark.is_none_or(|mark| mark > self.at)
            && item.except.is_none_or(|tag| tag != self.member.tag())
    }
}

/// The front of the line, on its way to the members.
struct Batch {
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

impl Shared {
    fn give(&self, member: &Member) -> u64 {
        match member.offer(&self.frames) {
            Sent::Written | Sent::Queued => self.count,
            Sent::Dropped => 0,
        }
    }
}

impl Batch {
    fn new(first: u64, items: Vec<Item>) -> Self {
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

    /// Gives a seat what it is due; answers how many frames that were.
    fn serve(&self, seat: &Seat) -> u64 {
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

/// Frames handed to members in one slice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) v1: u64,
    pub(super) seed: u64,
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

    /// Whether so much waits that no more should be accepted.
    pub(super) const fn is_full(&self) -> bool {
        self.pending_bytes >= PENDING_BYTES
    }

    pub(super) fn deliver(&mut self, numbered: Vec<(u64, Frame)>) {
        for (mark, frame) in numbered {
            if mark > self.mark {
                self.mark = mark;
                self.line_up(Item { frame, mark: Some(mark), except: None });
            }
        }
    }

    pub(super) fn signal(&mut self, frame: Frame, except: Option<i64>) {
        self.line_up(Item { frame, mark: None, except });
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
            let frames = batch.serve(seat);
            match seat.member.dialect() {
                Dialect::V1 => served.v1 += frames,
                Dialect::Seed => served.seed += frames,
            }
        }
        self.cursor = end;
        if end == self.seats.len() {
            self.batch = None;
            self.cursor = 0;
        }
        served
    }

    /// Takes the front of the line as the next batch.
    fn begin(&mut self) {
        let (mut v1, mut seed, mut count) = (0, 0, 0);
        for item in &self.pending {
            v1 += item.frame.v1.len();
            seed += item.frame.seed.len();
            if count > 0 && (v1 > BATCH_BYTES || seed > BATCH_BYTES) {
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
