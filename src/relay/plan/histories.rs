//! Generated histories: a log that grows and is deleted from its beginning, a broker that takes, refuses and loses
//! words as it likes, or won't have an event at all, relays that die and come back with the cursors of before. A
//! consumer that keeps the rule sees each event once and in order, but for those that were put aside.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    tests::{behind, event},
    *,
};

const ROOMS: usize = 3;
/// The longest wait of these plans.
const LONGEST: Duration = Duration::from_secs(10);

fn limits() -> Limits {
    Limits {
        rooms: 2,
        batch_rooms: 2,
        batch_events: 6,
        window: 4,
        patience: Some(Patience {
            declined: 2,
            beside: 1,
            failing: LONGEST * 3,
            alone: LONGEST * 5,
        }),
        ..Limits::default()
    }
}

fn room(index: usize) -> RoomId {
    RoomId(i64::try_from(index).unwrap() + 1)
}

/// A log of one room, its end, what is kept of it, and how far the store says the sink is.
#[derive(Debug, Clone, Default)]
struct Room {
    last: u64,
    deleted: u64,
    cursor: u64,
    told: u64,
    /// What a consumer has taken last.
    seen: u64,
    /// What was put aside.
    dead: BTreeSet<u64>,
}

/// What a broker does with an event.
#[derive(Debug, Clone, Copy)]
enum Broker {
    Takes,
    Refuses,
    Returns,
    Declines,
    AsksToWait,
    Holds,
    TakesAndLosesTheWord,
    Loses,
}

#[derive(Debug, Clone)]
enum Step {
    Say(usize, u64),
    Delete(usize),
    Relay(Vec<Broker>),
    /// The relay dies before what was settled is saved, or after it.
    Die,
}

struct World {
    plan: Plan,
    rooms: [Room; ROOMS],
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self {
            plan: Plan::new(limits()),
            rooms: <[Room; ROOMS]>::default(),
            now: Instant::now(),
        }
    }

    fn look(&mut self) {
        for (index, known) in self.rooms.iter().enumerate() {
            if known.last > known.cursor {
                let told = Seq(known.told);
                self.plan.found(Behind { told, ..behind(room(index), known.cursor, known.last) });
            }
        }
    }

    fn read(&self, ranges: &[Missing]) -> Vec<Event> {
        let of = |range: &Missing| {
            let known = &self.rooms[usize::try_from(range.room.0 - 1).unwrap()];
            let from = range.after.0.max(known.deleted) + 1;
            (from..=range.upto.0.min(known.last))
                .map(|seq| event(range.room, seq))
                .collect::<Vec<_>>()
        };
        ranges.iter().flat_map(of).collect()
    }

    /// One round; what the broker takes the consumer sees at once.
    fn relay(&mut self, broker: &mut impl Iterator<Item = Broker>, saves: bool) {
        self.look();
        self.now += LONGEST;
        let ranges = self.plan.ranges(self.now);
        let read = self.read(&ranges);
        let batch = self.plan.batch(&ranges, read, self.now, 0.5);
        assert!(batch.len() as u64 <= limits().batch_events + limits().window, "it is bounded");
        let fates: Vec<Fate> = batch
            .iter()
            .map(|next| {
                let does = broker.next().unwrap_or(Broker::Takes);
                if matches!(does, Broker::Takes | Broker::TakesAndLosesTheWord) {
                    self.consume(next);
                }
                match does {
                    Broker::Takes => Fate::Confirmed,
                    Broker::Refuses => Fate::Refused,
                    Broker::Returns => Fate::Returned,
                    Broker::Declines => Fate::Declined(422),
                    Broker::AsksToWait => Fate::Later(LONGEST / 2),
                    Broker::Holds => Fate::Held,
                    Broker::TakesAndLosesTheWord | Broker::Loses => Fate::Unknown,
                }
            })
            .collect();
        let settled = self.plan.settle(&batch, &fates, self.now, || 0.5);
        let tally = settled.tally;
        let held = fates.iter().filter(|fate| **fate == Fate::Held).count() as u64;
        let counted = tally.confirmed + tally.again + tally.dead;
        assert!(
            counted <= batch.len() as u64 && counted + held >= batch.len() as u64,
            "each once"
        );
        assert_eq!(tally.dead, settled.given_up.len() as u64);
        if saves {
            self.save(settled);
        }
    }

    /// What the store keeps.
    fn save(&mut self, settled: Settled) {
        for (id, seq) in settled.moves {
            let known = &mut self.rooms[usize::try_from(id.0 - 1).unwrap()];
            assert!(seq.0 > known.cursor && seq.0 <= known.last, "cursors go on, within the log");
            (known.cursor, known.told) = (seq.0, seq.0);
        }
        for given_up in settled.given_up {
            let (id, seq) = (given_up.event.room.0, given_up.event.seq.0);
            let known = &mut self.rooms[usize::try_from(id - 1).unwrap()];
            assert!(seq > known.cursor && seq <= known.last, "so do these");
            assert_eq!(given_up.told.0, known.told, "what is told before it is what the sink has");
            known.cursor = seq;
            known.dead.insert(seq);
        }
    }

    /// The consumer's rule; what it takes must be the next event, unless those between are deleted.
    fn consume(&mut self, next: &Next) {
        let known = &mut self.rooms[usize::try_from(next.event.room.0 - 1).unwrap()];
        let (prev, seq) = (next.prev.0, next.event.seq.0);
        if prev <= known.seen && known.seen < seq {
            assert!(
                (known.seen + 1..seq).all(|gone| gone <= known.deleted || known.dead.contains(&gone)),
                "{known:?} takes {seq} after {prev}"
            );
            known.seen = seq;
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let broker = prop_oneof![
        4 => Just(Broker::Takes),
        1 => Just(Broker::Refuses),
        1 => Just(Broker::Returns),
        4 => Just(Broker::Declines),
        1 => Just(Broker::AsksToWait),
        1 => Just(Broker::Holds),
        1 => Just(Broker::TakesAndLosesTheWord),
        1 => Just(Broker::Loses),
    ];
    prop_oneof![
        3 => (0..ROOMS, 1_u64..9).prop_map(|(room, count)| Step::Say(room, count)),
        1 => (0..ROOMS).prop_map(Step::Delete),
        4 => prop::collection::vec(broker, 0..8).prop_map(Step::Relay),
        1 => Just(Step::Die),
    ]
}

proptest! {
    #[test]
    fn a_consumer_that_keeps_the_rule_sees_each_event_once_and_in_order(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Say(room, count) => world.rooms[room].last += count,
                // The newest always stays.
                Step::Delete(room) => world.rooms[room].deleted = world.rooms[room].last.saturating_sub(1),
                Step::Relay(broker) => world.relay(&mut broker.into_iter(), true),
                Step::Die => {
                    world.relay(&mut std::iter::empty(), false);
                    world.plan = Plan::new(limits());
                }
            }
        }
        // In the end the broker is well; each round brings something further.
        for _ in 0..600 {
            world.relay(&mut std::iter::empty(), true);
        }
        for room in world.rooms {
            prop_assert_eq!(room.cursor, room.last);
            let alive = (room.deleted + 1..=room.last).rev().find(|seq| !room.dead.contains(seq));
            // What was taken although its word was lost may have been put aside later.
            prop_assert!(room.seen >= alive.unwrap_or(0), "{room:?}");
        }
        prop_assert_eq!(world.plan.lag(), (0, None));
    }
}
