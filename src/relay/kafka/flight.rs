//! A batch on its way: which events go to which partition, how many at once, and what the brokers' words about them
//! mean. Pure.
//!
//! Of a partition one lot is under way at a time, so it holds them in the order of the batch. A lot about which no
//! word came is sent again as it was: with the producer's number and the sequence in it, the broker sees that it has
//! it. One that is too large, or in which something is wrong, is cut in halves until it is known which event it is.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::error::ResponseError;

use super::murmur::partition_of;
use crate::relay::sink::{Fate, Outgoing};

/// Most bytes of one lot. Half of what brokers take unless they are told otherwise.
const LOT: usize = 512 * 1024;
/// What the key, the header and the numbers of an event take beside its body, at most.
const BESIDE: usize = 256;

/// A word about a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// All replicas that are in sync have it.
    Has,
    /// Not that much at once, or something in it is wrong.
    Less,
    /// Not now, or not this broker: to be asked again.
    Again,
    /// Not with this producer's number, or nobody knows whether it has it: another number is needed.
    Anew,
    /// No, and that will not change by asking.
    No,
}

impl Word {
    /// What a broker's code means.
    pub(super) const fn of(code: i16) -> Self {
        use ResponseError as E;
        match ResponseError::try_from_code(code) {
            None | Some(E::DuplicateSequenceNumber) => Self::Has,
            Some(E::MessageTooLarge | E::RecordListTooLarge | E::InvalidRecord | E::InvalidTimestamp) => {
                Self::Less
            }
            Some(
                E::OutOfOrderSequenceNumber
                | E::UnknownProducerId
                | E::InvalidProducerEpoch
                | E::InvalidProducerIdMapping
                | E::ProducerFenced
                | E::UnknownServerError
                | E::Unknown(_),
            ) => Self::Anew,
            Some(error) if error.is_retriable() => Self::Again,
            Some(_) => Self::No,
        }
    }
}

/// What goes to a partition next: places in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lot {
    pub(super) partition: i32,
    pub(super) places: Vec<usize>,
}

/// What waits for one partition.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<usize>,
    /// How many of them are under way, and stay together until a word comes.
    cut: Option<usize>,
    /// Most events of a lot.
    most: usize,
    /// How often these were sent, and may have arrived, without a word.
    sent: u32,
}

/// The batch.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    batch: &'a [Outgoing],
    queues: BTreeMap<i32, Queue>,
    fates: Vec<Fate>,
    /// Something that is not sent any more may have arrived.
    in_doubt: bool,
}

impl<'a> Flight<'a> {
    /// These events, and a topic of so many partitions.
    pub(super) fn of(batch: &'a [Outgoing], partitions: u32) -> Self {
        let mut queues: BTreeMap<i32, Queue> = BTreeMap::new();
        for (place, event) in batch.iter().enumerate() {
            let partition = partition_of(event.name.as_str().as_bytes(), partitions);
            let queue = queues.entry(partition.cast_signed()).or_insert_with(|| Queue {
                waiting: VecDeque::new(),
                cut: None,
                most: usize::MAX,
                sent: 0,
            });
            queue.waiting.push_back(place);
        }
        let fates = vec![Fate::Unknown; batch.len()];
        Self { batch, queues, fates, in_doubt: false }
    }

    /// What is to be sent now, of each partition one lot.
    pub(super) fn next(&mut self) -> Vec<Lot> {
        let batch = self.batch;
        let lot =
            |(partition, queue): (&i32, &mut Queue)| Lot { partition: *partition, places: queue.next(batch) };
        self.queues.iter_mut().map(lot).collect()
    }

    /// A lot goes out.
    pub(super) fn sent(&mut self, partition: i32) {
        if let Some(queue) = self.queues.get_mut(&partition) {
            queue.sent = queue.sent.saturating_add(1);
        }
    }

    /// A word came. How many events the broker has more than before.
    pub(super) fn told(&mut self, partition: i32, word: Word) -> usize {
        let Some(queue) = self.queues.get_mut(&partition) else { return 0 };
        let lot = queue.next(self.batch);
        // A no to the second sending says nothing of the first. It must not be that a broker takes something else
        // for what it has already: so no more is sent with this number.
        let is_certain = queue.sent <= 1;
        match word {
            Word::Again => {}
            Word::Has => {
                self.settled(partition, &lot, Fate::Confirmed);
                return lot.len();
            }
            Word::Less if is_certain && lot.len() > 1 => {
                (queue.most, queue.cut, queue.sent) = (lot.len() / 2, None, 0);
            }
            Word::Less if is_certain => self.settled(partition, &lot, Fate::Refused),
            Word::No if is_certain => {
                self.settled(partition, &lot, Fate::Refused);
                self.ended(partition);
            }
            Word::Less | Word::No | Word::Anew => self.ended(partition),
        }
        0
    }

    /// Nothing more is sent to this partition.
    pub(super) fn ended(&mut self, partition: i32) {
        if let Some(queue) = self.queues.remove(&partition) {
            self.in_doubt |= queue.sent > 0;
        }
    }

    fn settled(&mut self, partition: i32, lot: &[usize], fate: Fate) {
        for place in lot {
            self.fates[*place] = fate;
        }
        let Some(queue) = self.queues.get_mut(&partition) else { return };
        queue.waiting.drain(..lot.len());
        (queue.cut, queue.sent) = (None, 0);
        if fate == Fate::Refused {
            // Who consumes would skip what comes after it, and it comes again.
            let refused: Vec<_> = lot.iter().map(|place| self.batch[*place].room).collect();
            queue.waiting.retain(|place| !refused.contains(&self.batch[*place].room));
            queue.most = usize::MAX;
        }
        if queue.waiting.is_empty() {
            self.queues.remove(&partition);
        }
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_over(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether something may have arrived about which no word came.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt || self.queues.values().any(|queue| queue.sent > 0)
    }

    /// One of its events.
    pub(super) const fn event(&self, place: usize) -> &'a Outgoing {
        &self.batch[place]
    }

    /// What became of each event.
    pub(super) fn fates(self) -> Vec<Fate> {
        self.fates
    }
}

impl Queue {
    /// The lot under way, or the next one.
    fn next(&mut self, batch: &[Outgoing]) -> Vec<usize> {
        let (waiting, most) = (&self.waiting, self.most);
        let cut = *self.cut.get_or_insert_with(|| {
            let mut bytes = 0;
            let fits = |place: &&usize| {
                bytes += batch[**place].body.len() + BESIDE;
                bytes <= LOT
            };
            waiting.iter().take(most).take_while(fits).count().max(1)
        });
        self.waiting.iter().take(cut).copied().collect()
    }
}

#[cfg(test)]
mod tests;
