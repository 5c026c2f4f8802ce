//! What the cluster should hold for this incarnation: changes in, what is to be written out.
//!
//! Pure. It promises that what was written and confirmed is not written again, and that whatever the
//! cluster turns out to hold otherwise is written whole.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    cluster::{Incarnation, RoomSets},
    domain::{RoomId, Username},
};

/// What came into and went out of a set.
#[derive(Debug, Clone, Default)]
pub(in crate::chat) struct Difference {
    pub(in crate::chat) joined: Vec<Username>,
    pub(in crate::chat) left: Vec<Username>,
}

/// The pump's own memory: what the cluster should hold for this incarnation.
#[derive(Debug, Clone)]
pub(in crate::chat) struct Wanted {
    pub(in crate::chat) me: Incarnation,
    sets: BTreeMap<RoomId, HashSet<Username>>,
    /// Rooms whose set in the cluster is not known, with who must not be in it: it is written
    /// whole.
    unsure: BTreeMap<RoomId, HashSet<Username>>,
}

impl Wanted {
    pub(in crate::chat) const fn new(me: Incarnation) -> Self {
        Self { me, sets: BTreeMap::new(), unsure: BTreeMap::new() }
    }

    /// The others have buried the incarnation that wrote the sets: write everything again.
    pub(in crate::chat) fn belong_to(&mut self, me: Incarnation) {
        if self.me != me {
            self.me = me;
            for room in self.sets.keys() {
                self.unsure.entry(*room).or_default();
            }
        }
    }

    /// Takes changes in and answers what is to be written.
    pub(in crate::chat) fn take(
        &mut self,
        changes: BTreeMap<RoomId, HashMap<Username, bool>>,
    ) -> impl Iterator<Item = (RoomId, Difference)> + use<> {
        let mut rooms: BTreeMap<RoomId, Difference> = BTreeMap::new();
        for (room, names) in changes {
            let set = self.sets.entry(room).or_default();
            let difference = rooms.entry(room).or_default();
            for (name, is_here) in names {
                if is_here && set.insert(name.clone()) {
                    difference.joined.push(name);
                } else if !is_here && set.remove(&name) {
                    difference.left.push(name);
                }
            }
            if set.is_empty() {
                self.sets.remove(&room);
            }
        }
        for (room, gone) in std::mem::take(&mut self.unsure) {
            let Difference { joined, left } = rooms.entry(room).or_default();
            let set = self.sets.get(&room);
            *joined = set.into_iter().flatten().cloned().collect();
            left.extend(gone.into_iter().filter(|name| !set.is_some_and(|set| set.contains(name))));
        }
        rooms
            .into_iter()
            .filter(|(_, change)| !change.joined.is_empty() || !change.left.is_empty())
    }

    /// A change could not be told: whether it was made is not known.
    pub(in crate::chat) fn lost(&mut self, room: RoomId, left: Vec<Username>) {
        self.unsure.entry(room).or_default().extend(left);
    }

    /// Takes what the cluster holds for this incarnation in a room: what is not as it should be
    /// is written again.
    pub(in crate::chat) fn compare(&mut self, room: RoomId, sets: &RoomSets) {
        let held = sets.sets.iter().find(|(who, _)| *who == self.me).map_or(&[][..], |(_, names)| names);
        let wanted = self.sets.get(&room);
        let as_wanted = held.len() == wanted.map_or(0, HashSet::len)
            && held.iter().all(|name| wanted.is_some_and(|set| set.contains(name)));
        if !as_wanted {
            self.unsure.entry(room).or_default().extend(held.iter().cloned());
        }
    }
}

#[cfg(test)]
impl Wanted {
    /// For the model: all that tells this state from others.
    pub(in crate::chat) fn distinguish(&self, hasher: &mut impl std::hash::Hasher) {
        use std::{collections::BTreeSet, hash::Hash};
        self.me.hash(hasher);
        for sets in [&self.sets, &self.unsure] {
            let sets = sets.iter().map(|(room, set)| (room, set.iter().collect::<BTreeSet<_>>()));
            sets.collect::<Vec<_>>().hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::SetsVersion;

    const ROOM: RoomId = RoomId(1);

    fn names(names: &[&str]) -> Vec<Username> {
        names.iter().map(|name| Username::from_store(*name)).collect()
    }

    fn change(joined: &[&str], left: &[&str]) -> BTreeMap<RoomId, HashMap<Username, bool>> {
        let (joined, left) = (names(joined), names(left));
        let all = joined
            .into_iter()
            .map(|name| (name, true))
            .chain(left.into_iter().map(|name| (name, false)));
        BTreeMap::from([(ROOM, all.collect())])
    }

    /// What is written next: who joined and who left.
    fn written(
        wanted: &mut Wanted,
        changes: BTreeMap<RoomId, HashMap<Username, bool>>,
    ) -> Vec<[Vec<String>; 2]> {
        let text = |mut names: Vec<Username>| {
            names.sort();
            names.iter().map(ToString::to_string).collect()
        };
        wanted.take(changes).map(|(_, change)| [text(change.joined), text(change.left)]).collect()
    }

    fn held(me: Incarnation, members: &[&str]) -> RoomSets {
        RoomSets {
            version: SetsVersion { era: 1, number: 1 },
            sets: vec![(Incarnation::random(), names(&["zoe"])), (me, names(members))],
        }
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        let mut wanted = Wanted::new(Incarnation::random());
        assert_eq!(
            written(&mut wanted, change(&["bob", "alice"], &["carol"])),
            [[vec!["alice", "bob"], vec![]]]
        );
        assert!(written(&mut wanted, change(&["bob"], &["carol"])).is_empty());
        assert_eq!(
            written(&mut wanted, change(&[], &["alice", "bob"])),
            [[vec![], vec!["alice", "bob"]]]
        );
        assert!(wanted.sets.is_empty());
    }

    #[test]
    fn a_new_incarnation_writes_everything_once() {
        let mut wanted = Wanted::new(Incarnation::random());
        written(&mut wanted, change(&["alice"], &[]));
        let me = Incarnation::random();
        wanted.belong_to(me);
        assert_eq!(written(&mut wanted, change(&["bob"], &[])), [[vec!["alice", "bob"], vec![]]]);
        wanted.belong_to(me);
        assert!(written(&mut wanted, BTreeMap::new()).is_empty());
    }

    #[test]
    fn whatever_a_memory_holds_for_this_node_is_mended() {
        let me = Incarnation::random();
        let mut wanted = Wanted::new(me);
        written(&mut wanted, change(&["alice", "bob"], &[]));
        wanted.compare(ROOM, &held(me, &["bob", "alice"]));
        assert!(written(&mut wanted, BTreeMap::new()).is_empty(), "as it should be");
        wanted.compare(ROOM, &held(me, &["alice", "old"]));
        assert_eq!(written(&mut wanted, BTreeMap::new()), [[vec!["alice", "bob"], vec!["old"]]]);
        wanted.compare(ROOM, &RoomSets::default());
        assert_eq!(
            written(&mut wanted, BTreeMap::new()),
            [[vec!["alice", "bob"], vec![]]],
            "forgotten"
        );
        written(&mut wanted, change(&[], &["alice", "bob"]));
        wanted.compare(ROOM, &held(me, &["alice"]));
        assert_eq!(written(&mut wanted, BTreeMap::new()), [[vec![], vec!["alice"]]], "set back");
    }

    /// What may happen to this node's own set of a room and to what the cluster holds of it.
    #[derive(Debug, Clone)]
    enum Happening {
        Change(usize, bool, Outcome),
        Read,
        MemoryLost,
        Reborn,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Outcome {
        Told,
        DoneUntold,
        NotDone,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let outcome = prop_oneof![3 => Just(Outcome::Told), 1 => Just(Outcome::DoneUntold), 1 => Just(Outcome::NotDone)];
        prop_oneof![
            8 => (0usize..5, any::<bool>(), outcome)
                .prop_map(|(name, here, outcome)| Happening::Change(name, here, outcome)),
            2 => Just(Happening::Read),
            1 => Just(Happening::MemoryLost),
            1 => Just(Happening::Reborn),
        ]
    }

    /// Writes what is to be written; answers how much that was.
    fn write(
        wanted: &mut Wanted,
        held: &mut HashSet<Username>,
        changes: BTreeMap<RoomId, HashMap<Username, bool>>,
        outcome: Outcome,
    ) -> usize {
        let writing: Vec<_> = wanted.take(changes).collect();
        let count = writing.len();
        for (room, Difference { joined, left }) in writing {
            if outcome != Outcome::NotDone {
                held.extend(joined);
                held.retain(|name| !left.contains(name));
            }
            if outcome != Outcome::Told {
                wanted.lost(room, left);
            }
        }
        count
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Whatever is lost on the way or in the cluster: after one reading it holds what it should,
        /// and then nothing more is written.
        #[test]
        fn one_reading_mends_everything(happenings in prop::collection::vec(happening(), 0..60)) {
            let mut wanted = Wanted::new(Incarnation::random());
            let (mut held, mut own) = (HashSet::new(), HashSet::new());
            for happening in happenings {
                match happening {
                    Happening::Change(n, here, outcome) => {
                        let name = Username::from_store(format!("user{n}"));
                        if here { own.insert(name.clone()) } else { own.remove(&name) };
                        let changes = BTreeMap::from([(ROOM, HashMap::from([(name, here)]))]);
                        write(&mut wanted, &mut held, changes, outcome);
                    }
                    Happening::Read => wanted.compare(ROOM, &sets(wanted.me, &held)),
                    Happening::MemoryLost => held.clear(),
                    Happening::Reborn => {
                        wanted.belong_to(Incarnation::random());
                        held.clear();
                    }
                }
            }
            wanted.compare(ROOM, &sets(wanted.me, &held));
            write(&mut wanted, &mut held, BTreeMap::new(), Outcome::Told);
            prop_assert_eq!(&held, &own);
            wanted.compare(ROOM, &sets(wanted.me, &held));
            prop_assert_eq!(write(&mut wanted, &mut held, BTreeMap::new(), Outcome::Told), 0);
        }
    }

    fn sets(me: Incarnation, held: &HashSet<Username>) -> RoomSets {
        let mine = (!held.is_empty()).then(|| (me, held.iter().cloned().collect()));
        RoomSets {
            version: SetsVersion { era: 1, number: 1 },
            sets: mine.into_iter().collect(),
        }
    }
}
