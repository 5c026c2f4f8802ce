//! What a flight decides, and what comes of it with brokers that take, refuse, forget and fall silent as they like.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{RoomId, RoomName, Seq, Timestamp},
    relay::kafka::producer::Producer,
};

const PARTITIONS: u32 = 3;

fn event(room: i64, seq: u64, bytes: usize) -> Outgoing {
    Outgoing {
        room: RoomId(room),
        name: RoomName::parse(&format!("room-{room}")).unwrap(),
        seq: Seq(seq),
        id: format!("{room}.{seq}"),
        timestamp: Timestamp(1),
        body: vec![b'x'; bytes].into(),
    }
}

fn lobby(count: u64, bytes: usize) -> Vec<Outgoing> {
    (1..=count).map(|seq| event(1, seq, bytes)).collect()
}

#[test]
fn a_lot_without_a_word_goes_out_again_as_it_was() {
    let batch = lobby(5, 10);
    let mut flight = Flight::of(&batch, PARTITIONS);
    let lots = flight.next();
    assert_eq!(lots.len(), 1, "one room is in one partition");
    assert_eq!(lots[0].places, [0, 1, 2, 3, 4]);
    let partition = lots[0].partition;
    flight.sent(partition);
    assert_eq!(flight.told(partition, Word::Again), 0);
    assert!(flight.is_in_doubt() && flight.next() == lots);
    assert_eq!(flight.told(partition, Word::Has), 5);
    assert!(flight.is_over() && !flight.is_in_doubt());
    assert_eq!(flight.fates(), [Fate::Confirmed; 5]);
}

#[test]
fn a_lot_has_no_more_than_brokers_take() {
    let batch = lobby(5, LOT / 2);
    let mut flight = Flight::of(&batch, PARTITIONS);
    let mut counts = Vec::new();
    while let Some(lot) = flight.next().pop() {
        counts.push(lot.places.len());
        flight.told(lot.partition, Word::Has);
    }
    assert_eq!(counts, [1; 5], "with what is beside the text two are too much");
    let large = [event(1, 1, 2 * LOT)];
    assert_eq!(
        Flight::of(&large, PARTITIONS).next()[0].places,
        [0],
        "that is the broker's to refuse"
    );
}

#[test]
fn what_is_too_large_is_found_and_keeps_no_other_room_waiting() {
    use Fate::{Confirmed, Refused, Unknown};
    let batch = [
        event(1, 1, 1),
        event(1, 2, 9),
        event(1, 3, 1),
        event(2, 1, 1),
        event(2, 2, 1),
    ];
    let mut flight = Flight::of(&batch, 1);
    let mut sizes = Vec::new();
    while let Some(lot) = flight.next().pop() {
        sizes.push(lot.places.len());
        let word = if lot.places.contains(&1) { Word::Less } else { Word::Has };
        flight.sent(0);
        flight.told(0, word);
    }
    assert_eq!(sizes, [5, 2, 1, 1, 2], "after it as many at once as before");
    assert!(!flight.is_in_doubt());
    assert_eq!(flight.fates(), [Confirmed, Refused, Unknown, Confirmed, Confirmed]);
}

#[test]
fn a_no_ends_a_partition_and_a_worthless_number_leaves_a_doubt() {
    let batch = lobby(2, 1);
    for (word, fate, in_doubt) in [
        (Word::No, Fate::Refused, false),
        (Word::Anew, Fate::Unknown, true),
    ] {
        let mut flight = Flight::of(&batch, 1);
        flight.next();
        flight.sent(0);
        flight.told(0, word);
        assert!(flight.is_over());
        assert_eq!((flight.is_in_doubt(), flight.fates()), (in_doubt, vec![fate; 2]));
    }
}

#[test]
fn codes_are_words() {
    use Word::{Again, Anew, Has, Less, No};
    let words = [0, 46, 6, 3, 20, 10, 18, 45, 59, 29, -1, 9_999].map(Word::of);
    assert_eq!(
        words,
        [
            Has, Has, Again, Again, Again, Less, Less, Anew, Anew, No, Anew, Anew
        ]
    );
}

/// What a broker does with a lot.
#[derive(Debug, Clone, Copy)]
enum Broker {
    Takes,
    TakesAndIsSilent,
    IsSilent,
    Refuses(Word),
}

fn broker() -> impl Strategy<Value = Broker> {
    prop_oneof![
        4 => Just(Broker::Takes),
        2 => Just(Broker::TakesAndIsSilent),
        1 => Just(Broker::IsSilent),
        3 => prop_oneof![Just(Word::Again), Just(Word::Less), Just(Word::No), Just(Word::Anew)]
            .prop_map(Broker::Refuses),
    ]
}

/// One partition, and the rule of brokers about sequences.
#[derive(Debug, Default)]
struct Log {
    has: Vec<(i64, u64)>,
    /// By producer: the sequence that comes next, and the last lot.
    next: HashMap<i64, (i32, Vec<(i64, u64)>)>,
}

impl Log {
    /// Takes a lot, unless it has it. Its sequence must be the one that follows, or the lot be the last one.
    fn take(&mut self, producer: i64, sequence: i32, lot: Vec<(i64, u64)>) -> Result<(), TestCaseError> {
        let (next, last) = self.next.entry(producer).or_default();
        if sequence == *next {
            *next += i32::try_from(lot.len()).unwrap();
            self.has.extend(&lot);
            *last = lot;
        } else {
            let first = *next - i32::try_from(last.len()).unwrap();
            prop_assert_eq!((sequence, &lot), (first, &*last), "neither the next lot nor the last one");
        }
        Ok(())
    }
}

/// A cluster, who writes to it, and how far each room is.
struct World {
    logs: HashMap<i32, Log>,
    producer: Producer,
    confirmed: HashMap<i64, u64>,
}

impl World {
    fn new() -> Self {
        Self {
            logs: HashMap::new(),
            producer: Producer::new(1, 0),
            confirmed: HashMap::new(),
        }
    }

    /// What comes next in these rooms.
    fn batch(&self, rooms: &[i64]) -> Vec<Outgoing> {
        let mut last = self.confirmed.clone();
        let each = |room: &i64| {
            let seq = last.entry(*room).or_default();
            *seq += 1;
            event(*room, *seq, 1)
        };
        rooms.iter().map(each).collect()
    }

    fn sends(
        &mut self,
        lot: &Lot,
        flight: &mut Flight<'_>,
        batch: &[Outgoing],
        deed: Broker,
    ) -> Result<(), TestCaseError> {
        flight.sent(lot.partition);
        if matches!(deed, Broker::Takes | Broker::TakesAndIsSilent) {
            let events = lot.places.iter().map(|place| (batch[*place].room.0, batch[*place].seq.0));
            let sequence = self.producer.sequence(lot.partition);
            let log = self.logs.entry(lot.partition).or_default();
            log.take(self.producer.id, sequence, events.collect())?;
        }
        let word = match deed {
            Broker::Takes => Word::Has,
            Broker::Refuses(word) => word,
            Broker::TakesAndIsSilent | Broker::IsSilent => return Ok(()),
        };
        self.producer.has(lot.partition, flight.told(lot.partition, word));
        Ok(())
    }

    /// How often the cluster has an event.
    fn has(&self, event: &Outgoing) -> usize {
        let partition = partition_of(event.name.as_str().as_bytes(), PARTITIONS).cast_signed();
        let log = self.logs.get(&partition).map_or(&[][..], |log| log.has.as_slice());
        log.iter().filter(|one| **one == (event.room.0, event.seq.0)).count()
    }

    /// Judges what became of a batch, and goes on after what is confirmed without a gap.
    fn judges(&mut self, batch: &[Outgoing], fates: &[Fate]) -> Result<(), TestCaseError> {
        for (event, fate) in batch.iter().zip(fates) {
            // With one number nothing is there twice; with another one what was in doubt may be.
            let (has, is_first) = (self.has(event), self.producer.id == 1);
            match fate {
                Fate::Confirmed => prop_assert!(has == 1 || has > 1 && !is_first, "{}: {has}", event.id),
                Fate::Refused => prop_assert!(has == 0 || !is_first, "{}: {has}", event.id),
                _ => {}
            }
            let so_far = self.confirmed.entry(event.room.0).or_default();
            if *fate == Fate::Confirmed && *so_far + 1 == event.seq.0 {
                *so_far += 1;
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_is_confirmed_is_there_and_no_other_thing_is_taken_for_it(
        rooms in prop::collection::vec(1_i64..6, 1..40),
        deeds in prop::collection::vec(broker(), 1..60),
        rounds in 1_usize..8,
    ) {
        let (mut world, mut deeds) = (World::new(), deeds.into_iter().cycle());
        for _ in 0..3 {
            let batch = world.batch(&rooms);
            let mut flight = Flight::of(&batch, PARTITIONS);
            for _ in 0..rounds {
                for lot in flight.next() {
                    world.sends(&lot, &mut flight, &batch, deeds.next().unwrap())?;
                }
            }
            let in_doubt = flight.is_in_doubt();
            world.judges(&batch, &flight.fates())?;
            if in_doubt {
                world.producer = Producer::new(world.producer.id + 1, 0);
            }
        }
    }
}
