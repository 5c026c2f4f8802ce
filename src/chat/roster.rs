//! Who is in one room, as one node tells its members: sets in, versioned changes out.
//!
//! Pure. It promises that the list ([`shown`]) is the union of this node's own set ([`own`]) and of the
//! other incarnations' sets, that a change is told once with the version that follows, and that a
//! person whose last socket here was lost stays in this node's own set for the grace time.

mod own;
mod shown;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use self::{own::OwnSet, shown::Shown};
use crate::{
    cluster::{Incarnation, RoomSets, SetChange, SetsVersion},
    domain::Username,
    protocol::v1::PeopleFragment,
};

/// The most names a list in a frame carries; the count is always the whole.
pub const LISTED: usize = 500;
/// Up to so many names a change tells in any room. A larger one, in a room with more people than a
/// list carries, tells only of those whom the list would name: else a storm of N people would cost
/// N names for each of N members.
const TOLD: usize = 32;

/// What is known of the sets of a room that has to be read again whatever their version.
pub const UNSURE: SetsVersion = SetsVersion { era: 0, number: u64::MAX };

/// How a person stopped being connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The connection broke or the node drains: they may be back within the grace time.
    Lost,
    /// They left, or their sign-in ended.
    Left,
}

/// A change of the list, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who is new, in list order.
    pub joined: Vec<Username>,
    /// Who is gone, in list order.
    pub left: Vec<Username>,
    /// The list's version after it.
    pub version: u64,
    /// How many people there are after it.
    pub count: usize,
}

/// What the other incarnations' sets mean for this node's knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// The change followed the last known version.
    Current,
    /// Something was missed: read the sets again.
    Behind,
}

/// The people of one room.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    own: OwnSet,
    foreign: HashMap<Incarnation, HashSet<Username>>,
    /// The version of the sets (the cluster's) that `foreign` shows.
    sets_version: SetsVersion,
    shown: Shown,
    /// Of whom it may not be shown how it is.
    dirty: HashSet<Username>,
}

impl Roster {
    /// A socket of `name` came. `true` when the name came into this node's own set.
    pub fn arrive(&mut self, name: &Username) -> bool {
        let came = self.own.arrive(name);
        self.dirty.extend(came.then(|| name.clone()));
        came
    }

    /// A socket of `name` went. `true` when the name went out of this node's own set at once.
    pub fn depart(&mut self, name: &Username, now: Instant, how: Departure, grace: Duration) -> bool {
        let went = self.own.depart(name, now, how, grace);
        self.dirty.extend(went.then(|| name.clone()));
        went
    }

    /// Those whose grace has ended: out of this node's own set.
    pub fn expire(&mut self, now: Instant) -> Vec<Username> {
        let gone = self.own.expire(now);
        self.dirty.extend(gone.iter().cloned());
        gone
    }

    /// When the next grace ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.own.next_end()
    }

    /// This node's own set.
    pub fn own(&self) -> impl Iterator<Item = &Username> {
        self.own.names()
    }

    /// Whether this node's own set is empty.
    pub fn own_is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// The version of the cluster's sets that is known here.
    pub const fn sets_version(&self) -> SetsVersion {
        self.sets_version
    }

    /// This node's own set was changed in the cluster, which gave that version.
    pub fn own_change_told(&mut self, version: SetsVersion) -> Knowledge {
        if version.is_within(self.sets_version) {
            Knowledge::Current
        } else if version.follows(self.sets_version) {
            self.sets_version = version;
            Knowledge::Current
        } else {
            Knowledge::Behind
        }
    }

    /// Whether sets of this version are older than what is known.
    pub fn is_beyond(&self, version: SetsVersion) -> bool {
        let known = self.sets_version;
        known.era != 0 && version != known && version.is_within(known)
    }

    /// Another incarnation's set changed.
    pub fn change(&mut self, who: Incarnation, change: &SetChange) -> Knowledge {
        if change.version.is_within(self.sets_version) {
            return Knowledge::Current;
        }
        if !change.version.follows(self.sets_version) {
            return Knowledge::Behind;
        }
        self.sets_version = change.version;
        let set = self.foreign.entry(who).or_default();
        for name in &change.joined {
            set.insert(name.clone());
        }
        for name in &change.left {
            set.remove(name);
        }
        self.dirty.extend(change.joined.iter().chain(&change.left).cloned());
        Knowledge::Current
    }

    /// All sets as the cluster holds them now, without this node's own and without the dead.
    /// `keep`: those it does not hold stay as they were, because its memory was lost and they may
    /// not have been written again yet.
    pub fn replace(
        &mut self,
        sets: &RoomSets,
        keep: bool,
        me: Incarnation,
        is_dead: impl Fn(Incarnation) -> bool,
    ) {
        let held = |who: &Incarnation| sets.sets.iter().any(|(other, _)| other == who);
        let before = self.foreign.extract_if(|who, _| !keep || held(who) || is_dead(*who));
        let mut touched: HashSet<Username> = before.flat_map(|(_, names)| names).collect();
        for (who, names) in sets.sets.iter().filter(|(who, _)| *who != me && !is_dead(*who)) {
            touched.extend(names.iter().cloned());
            self.foreign.insert(*who, names.iter().cloned().collect());
        }
        touched.retain(|name| self.holds(name) != self.shown.contains(name));
        self.dirty.extend(touched);
        self.sets_version = sets.version;
    }

    /// The sets have to be read again, whatever their version.
    pub const fn doubt(&mut self) {
        self.sets_version = UNSURE;
    }

    /// An incarnation died: its set counts no more.
    pub fn bury(&mut self, who: Incarnation) {
        self.dirty.extend(self.foreign.remove(&who).into_iter().flatten());
    }

    /// Whether something may have changed since the last [`Self::flush`].
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What has changed since the last time, if anything: people who came and went in between
    /// are not told.
    pub fn flush(&mut self) -> Option<Change> {
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        for name in std::mem::take(&mut self.dirty) {
            let is_here = self.holds(&name);
            if self.shown.set(&name, is_here) {
                let told = if is_here { &mut joined } else { &mut left };
                told.push(name);
            }
        }
        if joined.is_empty() && left.is_empty() {
            return None;
        }
        joined.sort_by(Username::list_order);
        left.sort_by(Username::list_order);
        let version = self.shown.next_version();
        Some(Change { joined, left, version, count: self.shown.count() })
    }

    /// What of a change its receivers are told by name.
    pub fn told_of(&self, mut change: Change) -> Change {
        if change.joined.len() + change.left.len() > TOLD
            && let Some(first) = self.shown.first_unlisted()
        {
            let is_listed = |name: &Username| name.list_order(first).is_lt();
            change.joined.retain(is_listed);
            change.left.retain(is_listed);
        }
        change
    }

    /// How many people there are, as last told.
    pub fn count(&self) -> usize {
        self.shown.count()
    }

    /// The list as last told, from the one after `after`.
    pub fn list(&self, after: Option<&Username>) -> impl Iterator<Item = &Username> {
        self.shown.list(after)
    }

    /// The list as last told, encoded once per version.
    pub fn fragment(&self) -> Arc<PeopleFragment> {
        self.shown.fragment()
    }

    /// The list for somebody who has just come and may not have been told of yet: with `name`.
    pub fn fragment_with(&self, name: &Username) -> Arc<PeopleFragment> {
        self.shown.fragment_with(name)
    }

    /// The JSON list of names that seed members are shown, for somebody who has just come with theirs.
    pub fn seed_json(&self, newcomer: Option<&Username>) -> String {
        self.shown.seed_json(newcomer)
    }

    fn holds(&self, name: &Username) -> bool {
        self.own.contains(name) || self.foreign.values().any(|set| set.contains(name))
    }
}

#[cfg(test)]
impl Roster {
    /// For the model: whose people it shows beside its own.
    pub(in crate::chat) fn foreign(&self) -> impl Iterator<Item = Incarnation> {
        self.foreign.iter().filter(|(_, set)| !set.is_empty()).map(|(who, _)| *who)
    }

    /// For the model: all that tells this state from others but the version, when all was flushed.
    pub(in crate::chat) fn distinguish(&self, hasher: &mut impl std::hash::Hasher) {
        use std::{collections::BTreeMap, hash::Hash};
        let sorted = |set: &HashSet<Username>| set.iter().cloned().collect::<std::collections::BTreeSet<_>>();
        let foreign: BTreeMap<_, _> = self.foreign.iter().map(|(who, set)| (*who, sorted(set))).collect();
        let own: std::collections::BTreeSet<_> = self.own().collect();
        (foreign, own, self.sets_version == UNSURE).hash(hasher);
    }
}

#[cfg(test)]
mod tests;
