//! What the cluster should hold for this incarnation: changes in, what is to be written out.
//!
//! Pure. It promises that what was written and confirmed is not written again, and that whatever the
//! cluster turns out to hold otherwise is written whole.

use std::collections::{HashMap, HashSet};

use crate::{
    cluster::{Incarnation, RoomSets},
    domain::{RoomId, Username},
};

/// What came into and went out of a set.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) joined: Vec<Username>,
    pub(super) left: Vec<Username>,
}

/// The pump's own memory: what the cluster should hold for this incarnation.
pub(super) struct Wanted {
    pub(super) me: Incarnation,
    sets: HashMap<RoomId, HashSet<Username>>,
    /// Rooms whose set in the cluster is not known, with who must not be in it: it is written
    /// whole.
    unsure: HashMap<RoomId, HashSet<Username>>,
}

impl Wanted {
    pub(super) fn new(me: Incarnation) -> Self {
        Self { me, sets: HashMap::new(), unsure: HashMap::new() }
    }

    /// The others have buried the incarnation that wrote the sets: write everything again.
    pub(super) fn belong_to(&mut self, me: Incarnation) {
        if self.me != me {
            self.me = me;
            for room in self.sets.keys() {
                self.unsure.entry(*room).or_default();
            }
        }
    }

    /// Takes changes in and answers what is to be written.
    pub(super) fn take(
        &mut self,
        changes: HashMap<RoomId, HashMap<Username, bool>>,
    ) -> impl Iterator<Item = (RoomId, Difference)> + use<> {
        let mut rooms: HashMap<RoomId, Difference> = HashMap::new();
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
    pub(super) fn lost(&mut self, room: RoomId, left: Vec<Username>) {
        self.unsure.entry(room).or_default().extend(left);
    }

    /// Takes what the cluster holds for this incarnation in a room: what is not as it should be
    /// is written again.
    pub(super) fn compare(&mut self, room: RoomId, sets: &RoomSets) {
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
mod tests {
    use super::*;
    use crate::cluster::SetsVersion;

    const ROOM: RoomId = RoomId(1);

    fn names(names: &[&str]) -> Vec<Username> {
        names.iter().map(|name| Username::from_store(*name)).collect()
    }

    fn change(joined: &[&str], left: &[&str]) -> HashMap<RoomId, HashMap<Username, bool>> {
        let (joined, left) = (names(joined), names(left));
        let all = joined
            .into_iter()
            .map(|name| (name, true))
            .chain(left.into_iter().map(|name| (name, false)));
        HashMap::from([(ROOM, all.collect())])
    }

    /// What is written next: who joined and who left.
    fn written(
        wanted: &mut Wanted,
        changes: HashMap<RoomId, HashMap<Username, bool>>,
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
        assert!(written(&mut wanted, HashMap::new()).is_empty());
    }

    #[test]
    fn whatever_a_memory_holds_for_this_node_is_mended() {
        let me = Incarnation::random();
        let mut wanted = Wanted::new(me);
        written(&mut wanted, change(&["alice", "bob"], &[]));
        wanted.compare(ROOM, &held(me, &["bob", "alice"]));
        assert!(written(&mut wanted, HashMap::new()).is_empty(), "as it should be");
        wanted.compare(ROOM, &held(me, &["alice", "old"]));
        assert_eq!(written(&mut wanted, HashMap::new()), [[vec!["alice", "bob"], vec!["old"]]]);
        wanted.compare(ROOM, &RoomSets::default());
        assert_eq!(
            written(&mut wanted, HashMap::new()),
            [[vec!["alice", "bob"], vec![]]],
            "forgotten"
        );
        written(&mut wanted, change(&[], &["alice", "bob"]));
        wanted.compare(ROOM, &held(me, &["alice"]));
        assert_eq!(written(&mut wanted, HashMap::new()), [[vec![], vec!["alice"]]], "set back");
    }
}
