//! Presence under generated histories, against a model.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use chorus::{
    cluster::{self, Beat, BusError, Incarnation},
    domain::RoomId,
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Handle, task::JoinSet};

use crate::fixture::{NodeEnds, any_room, sorted};

/// After this long no more cases are run, unless they were fewer than these.
const ENOUGH: Duration = Duration::from_secs(12);
const FEWEST: usize = 8;

/// Few of each, so that most histories meet what is there already.
const NAMES: [&str; 4] = ["alice", "bob", "carol", "dora"];

/// One step of somebody. `who` are three who do things; one that was reaped goes on as a new one
/// half of the time and tries as the old one else.
#[derive(Debug, Clone, Copy)]
enum Step {
    Change {
        node: usize,
        who: usize,
        room: usize,
        joined: u8,
        left: u8,
    },
    Beat {
        node: usize,
        who: usize,
    },
    Reap {
        node: usize,
        who: usize,
    },
    Reborn {
        who: usize,
    },
    Look {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (node, who) = (|| 0_usize..3, || 0_usize..3);
    prop_oneof![
        8 => (node(), who(), 0_usize..3, 0_u8..16, 0_u8..16).prop_map(|(node, who, room, joined, left)| {
            // Nobody comes and goes at once.
            Step::Change { node, who, room, joined, left: left & !joined }
        }),
        2 => (node(), who()).prop_map(|(node, who)| Step::Beat { node, who }),
        1 => (node(), who()).prop_map(|(node, who)| Step::Reap { node, who }),
        1 => who().prop_map(|who| Step::Reborn { who }),
        2 => node().prop_map(|node| Step::Look { node }),
    ]
}

/// What the cluster must hold after each step.
struct Model {
    nodes: Vec<NodeEnds>,
    rooms: [RoomId; 3],
    people: [Incarnation; 3],
    versions: [u64; 3],
    sets: [BTreeMap<Incarnation, BTreeSet<&'static str>>; 3],
    beats: HashMap<Incarnation, Beat>,
    dead: Vec<Incarnation>,
}

/// A call that a busy machine did not answer in time. Nobody knows what came of it, so its history ends.
struct Lost;

fn in_time<T>(answer: cluster::Result<T>) -> Result<cluster::Result<T>, Lost> {
    if matches!(answer, Err(BusError::Unreachable(_))) { Err(Lost) } else { Ok(answer) }
}

fn chosen(mask: u8) -> Vec<&'static str> {
    (0..).zip(NAMES).filter(|(bit, _)| mask >> bit & 1 == 1).map(|(_, name)| name).collect()
}

impl Model {
    fn new(nodes: Vec<NodeEnds>) -> Self {
        Self {
            nodes,
            rooms: [any_room(), any_room(), any_room()],
            people: std::array::from_fn(|_| Incarnation::random()),
            versions: [0; 3],
            sets: std::array::from_fn(|_| BTreeMap::new()),
            beats: HashMap::new(),
            dead: vec![],
        }
    }

    async fn follow(mut self, history: Vec<Step>) -> Result<(), Lost> {
        for step in history {
            match step {
                Step::Change { node, who, room, joined, left } => {
                    self.change(node, self.people[who], room, chosen(joined), chosen(left)).await?;
                }
                Step::Beat { node, who } => self.beat(node, self.people[who]).await?,
                Step::Reap { node, who } => self.reap(node, self.people[who]).await?,
                Step::Reborn { who } if self.dead.contains(&self.people[who]) => {
                    self.people[who] = Incarnation::random();
                }
                Step::Reborn { .. } => {}
                Step::Look { node } => self.look(node).await?,
            }
        }
        self.look(0).await
    }

    async fn change(
        &mut self,
        node: usize,
        me: Incarnation,
        room: usize,
        joined: Vec<&'static str>,
        left: Vec<&'static str>,
    ) -> Result<(), Lost> {
        let answer = in_time(self.nodes[node].change(me, self.rooms[room], &joined, &left).await)?;
        if self.dead.contains(&me) {
            assert!(matches!(answer, Err(BusError::DeclaredDead)), "{answer:?}");
            return Ok(());
        }
        let set = self.sets[room].entry(me).or_default();
        let before = set.clone();
        set.extend(joined);
        set.retain(|name| !left.contains(name));
        let changes = *set != before;
        self.versions[room] += u64::from(changes);
        if set.is_empty() {
            self.sets[room].remove(&me);
        }
        assert_eq!(answer.unwrap(), if changes { self.versions[room] } else { 0 });
        Ok(())
    }

    async fn beat(&mut self, node: usize, me: Incarnation) -> Result<(), Lost> {
        let answer = in_time(self.nodes[node].presence.beat(me).await)?;
        if self.dead.contains(&me) {
            assert!(matches!(answer, Err(BusError::DeclaredDead)), "{answer:?}");
            return Ok(());
        }
        let beats: HashMap<_, _> = answer.unwrap().into_iter().collect();
        let last = self.beats.insert(me, beats[&me]).unwrap_or_default();
        assert!(beats[&me] > last);
        for (who, beat) in &self.beats {
            assert_eq!(beats.get(who), Some(beat), "as it was left");
        }
        assert!(self.dead.iter().all(|dead| !beats.contains_key(dead)));
        Ok(())
    }

    async fn reap(&mut self, node: usize, who: Incarnation) -> Result<(), Lost> {
        let mut answer = in_time(self.nodes[node].presence.reap(who).await)?.unwrap();
        let mut expected = Vec::new();
        for (room, sets) in self.sets.iter_mut().enumerate() {
            if sets.remove(&who).is_some() {
                self.versions[room] += 1;
                expected.push(self.rooms[room]);
            }
        }
        answer.sort();
        expected.sort();
        assert_eq!(answer, expected);
        self.beats.remove(&who);
        self.dead.push(who);
        Ok(())
    }

    async fn look(&self, node: usize) -> Result<(), Lost> {
        let presence = &self.nodes[node].presence;
        let versions = in_time(presence.versions(&self.rooms).await)?.unwrap();
        assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), self.versions);
        for ((room, sets), version) in self.rooms.into_iter().zip(&self.sets).zip(versions) {
            let expected: Vec<(Incarnation, Vec<String>)> = sets
                .iter()
                .map(|(who, set)| (*who, set.iter().map(ToString::to_string).collect()))
                .collect();
            let found = in_time(presence.sets(room).await)?.unwrap();
            assert_eq!(found.version, version, "one room, two versions");
            assert_eq!(version.era == 0, version.number == 0, "{version:?}");
            assert_eq!(sorted(found), expected);
        }
        Ok(())
    }
}

/// 256 cases of 8 histories that run beside each other, each in its own rooms: 2,048 histories. On a
/// network they are as many as there is time for.
pub(crate) async fn generated_histories_follow_the_model(nodes: &[NodeEnds]) {
    let config = Config {
        cases: 256,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let property = |histories: Vec<Vec<Step>>| async {
        let mut running = JoinSet::new();
        for history in histories {
            running.spawn(Model::new(nodes.to_vec()).follow(history));
        }
        running.join_all().await
    };
    let (began, ran) = (Instant::now(), Cell::new(0));
    let (followed, lost) = (Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new(config).run(&vec(vec(step(), 1..40), 8), |histories| {
        if ran.replace(ran.get() + 1) >= FEWEST && began.elapsed() >= ENOUGH {
            return Ok(());
        }
        let ended = tokio::task::block_in_place(|| Handle::current().block_on(property(histories)));
        for end in ended {
            let count = if end.is_ok() { &followed } else { &lost };
            count.set(count.get() + 1);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (followed, lost) = (followed.get(), lost.get());
    assert!(
        followed > lost,
        "{followed} histories were followed to their end, {lost} were not answered"
    );
}
