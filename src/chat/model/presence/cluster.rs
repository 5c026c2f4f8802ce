//! The cluster's memory of one room, as the scripts of `cluster::redis` and `cluster::local` keep it: a change and the
//! version it gives are one step; the reaped have no set and get none; everything may be forgotten.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
};

use super::node::Answer;
use crate::{
    chat::presence_pump::wanted::Difference,
    cluster::{Beat, Incarnation, RoomSets, SetsVersion},
    domain::Username,
};

#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// Whether the reaped may go on, which is wrong.
    forgiving: bool,
    era: u64,
    number: u64,
    sets: BTreeMap<Incarnation, BTreeSet<Username>>,
    beats: BTreeMap<Incarnation, Beat>,
    dead: BTreeSet<Incarnation>,
}

impl Cluster {
    pub(super) const fn new(forgiving: bool) -> Self {
        Self {
            forgiving,
            era: 1,
            number: 0,
            sets: BTreeMap::new(),
            beats: BTreeMap::new(),
            dead: BTreeSet::new(),
        }
    }

    /// Of the room: none before its first set.
    pub(super) const fn version(&self) -> SetsVersion {
        if self.number == 0 {
            return SetsVersion::NONE;
        }
        SetsVersion { era: self.era, number: self.number }
    }

    pub(super) fn sets(&self) -> RoomSets {
        let sets = self.sets.iter().map(|(who, set)| (*who, set.iter().cloned().collect())).collect();
        RoomSets { version: self.version(), sets }
    }

    /// `change.lua`.
    pub(super) fn change(&mut self, me: Incarnation, change: &Difference) -> Answer {
        if self.dead.contains(&me) {
            return None;
        }
        let set = self.sets.entry(me).or_default();
        let before = set.clone();
        set.extend(change.joined.iter().cloned());
        set.retain(|name| !change.left.contains(name));
        let changed = *set != before;
        if set.is_empty() {
            self.sets.remove(&me);
        }
        self.number += u64::from(changed);
        Some(changed.then(|| self.version()))
    }

    /// `beat.lua`: nothing for the dead.
    pub(super) fn beat(&mut self, me: Incarnation) -> Option<Vec<(Incarnation, Beat)>> {
        if self.dead.contains(&me) {
            return None;
        }
        *self.beats.entry(me).or_default() += 1;
        Some(self.beats.iter().map(|(who, beat)| (*who, *beat)).collect())
    }

    /// `end.lua`, `still.lua` and `bury.lua`.
    pub(super) fn reap(&mut self, who: Incarnation) {
        if !self.forgiving {
            self.dead.insert(who);
        }
        self.beats.remove(&who);
        self.number += u64::from(self.sets.remove(&who).is_some());
    }

    pub(super) fn forget(&mut self) {
        *self = Self { era: self.era + 1, ..Self::new(self.forgiving) };
    }

    /// How a counter that somebody knows stands to the real one; that it is lower is all the same however much.
    pub(super) fn lag(&self, who: Incarnation, known: Beat) -> i64 {
        let real = self.beats.get(&who).copied().unwrap_or_default();
        (known.cast_signed() - real.cast_signed()).max(-1)
    }

    /// How a version that somebody knows stands to the real one.
    pub(super) const fn behind(&self, known: SetsVersion) -> (bool, bool, u64) {
        let same = known.era == self.era;
        (
            same,
            known.era == 0,
            if same { self.number.wrapping_sub(known.number) } else { 0 },
        )
    }

    /// The numbers themselves are all the same, as long as nobody knows another.
    pub(super) fn distinguish(&self, hasher: &mut impl Hasher) {
        (self.number == 0, &self.sets, &self.dead).hash(hasher);
        self.beats.keys().for_each(|who| who.hash(hasher));
    }

    /// A set of somebody who was reaped, if there is one.
    pub(super) fn ghost(&self) -> Option<Incarnation> {
        self.sets.keys().find(|who| self.dead.contains(who)).copied()
    }

    /// Whose sets there are.
    pub(super) fn holders(&self) -> impl Iterator<Item = Incarnation> {
        self.sets.keys().copied()
    }
}
