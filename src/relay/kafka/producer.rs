//! The producer's number, and how many events each partition has of it: by these a broker knows a lot again that it
//! has already. Pure.

use std::collections::HashMap;

/// None is known: brokers then take everything as new.
const NONE: i64 = -1;

/// A producer, as brokers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) id: i64,
    pub(super) epoch: i16,
    /// By partition: how many events it has, without the sign.
    has: HashMap<i32, i32>,
}

impl Producer {
    /// One that a broker has just given a number.
    pub(super) fn new(id: i64, epoch: i16) -> Self {
        Self { id, epoch, has: HashMap::new() }
    }

    /// One without a number, where brokers give none.
    pub(super) fn nameless() -> Self {
        Self::new(NONE, -1)
    }

    /// The sequence of the next event.
    pub(super) fn sequence(&self, partition: i32) -> i32 {
        if self.id == NONE { -1 } else { self.has.get(&partition).copied().unwrap_or_default() }
    }

    /// The partition has so many more. After 2³¹ − 1 comes 0.
    pub(super) fn has(&mut self, partition: i32, more: usize) {
        let more = i32::try_from(more).unwrap_or_default();
        let has = self.has.entry(partition).or_default();
        *has = has.wrapping_add(more) & i32::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_counts_for_itself_and_begins_anew_after_the_last_number() {
        let mut producer = Producer::new(7, 0);
        producer.has(1, 3);
        assert_eq!((producer.sequence(1), producer.sequence(2)), (3, 0));
        producer.has(1, usize::try_from(i32::MAX).unwrap() - 3);
        assert_eq!(producer.sequence(1), i32::MAX);
        producer.has(1, 2);
        assert_eq!(producer.sequence(1), 1);
    }

    #[test]
    fn without_a_number_there_is_no_sequence() {
        let mut producer = Producer::nameless();
        producer.has(1, 3);
        assert_eq!((producer.id, producer.sequence(1)), (-1, -1));
    }
}
