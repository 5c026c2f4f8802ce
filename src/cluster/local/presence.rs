//! The sets of who is connected where, in one map; last leases end when somebody looks.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::{LocalNode, Shared};
use crate::{
    cluster::{Beat, BusError, Incarnation, Presence, Result, RoomSets, SetsVersion},
    domain::{RoomId, Username},
};

/// The sets of one room.
pub(super) struct Sets {
    version: SetsVersion,
    of: BTreeMap<Incarnation, BTreeSet<Username>>,
}

#[async_trait]
impl Presence for LocalNode {
    async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[Username],
        left: &[Username],
    ) -> Result<Option<SetsVersion>> {
        let mut shared = self.cluster.shared.lock();
        shared.admit(self.node, me)?;
        let sets = shared.sets(room);
        let set = sets.of.entry(me).or_default();
        let came = joined.iter().filter(|name| set.insert((*name).clone())).count();
        let went = left.iter().filter(|name| set.remove(*name)).count();
        if set.is_empty() {
            sets.of.remove(&me);
        }
        if came + went > 0 {
            sets.version.number += 1;
            return Ok(Some(sets.version));
        }
        if sets.version.number == 0 {
            shared.rooms.remove(&room);
        }
        Ok(None)
    }

    async fn sets(&self, room: RoomId) -> Result<RoomSets> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        shared.let_go();
        Ok(shared.rooms.get(&room).map_or_else(RoomSets::default, |sets| RoomSets {
            version: sets.version,
            sets: sets.of.iter().map(|(who, set)| (*who, set.iter().cloned().collect())).collect(),
        }))
    }

    async fn counts(&self, rooms: &[RoomId], dead: &[Incarnation]) -> Result<Vec<usize>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        shared.let_go();
        let count = |sets: &Sets| {
            let live = sets.of.iter().filter(|(who, _)| !dead.contains(who));
            live.flat_map(|(_, set)| set).collect::<HashSet<_>>().len()
        };
        Ok(rooms.iter().map(|room| shared.rooms.get(room).map_or(0, count)).collect())
    }

    async fn versions(&self, rooms: &[RoomId]) -> Result<Vec<SetsVersion>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        shared.let_go();
        let version = |room| shared.rooms.get(room).map_or(SetsVersion::NONE, |sets| sets.version);
        Ok(rooms.iter().map(version).collect())
    }

    async fn beat(&self, me: Incarnation) -> Result<Vec<(Incarnation, Beat)>> {
        let mut shared = self.cluster.shared.lock();
        shared.admit(self.node, me)?;
        *shared.beats.entry(me).or_default() += 1;
        Ok(shared.beats.iter().map(|(who, beat)| (*who, *beat)).collect())
    }

    async fn reap(&self, dead: Incarnation) -> Result<Vec<RoomId>> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        Ok(shared.bury(dead))
    }

    async fn withdraw(&self, me: Incarnation, grace: Duration) -> Result<()> {
        let mut shared = self.cluster.shared.lock();
        shared.admit(self.node, me)?;
        shared.beats.remove(&me);
        shared.withdrawn.push((Instant::now() + grace, me));
        Ok(())
    }
}

impl Shared {
    /// Refuses a node that is cut off or an incarnation that was reaped.
    fn admit(&mut self, node: usize, me: Incarnation) -> Result<()> {
        self.ear(node)?;
        self.let_go();
        if self.dead.contains(&me) { Err(BusError::DeclaredDead) } else { Ok(()) }
    }

    /// Ends the last leases of withdrawn incarnations.
    fn let_go(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.withdrawn.extract_if(.., |(at, _)| *at <= now).map(|(_, who)| who).collect();
        for who in due {
            self.bury(who);
        }
    }

    /// The sets of a room that are about to be changed.
    fn sets(&mut self, room: RoomId) -> &mut Sets {
        let version = SetsVersion { era: self.losses + 1, number: 0 };
        self.rooms.entry(room).or_insert_with(|| Sets { version, of: BTreeMap::new() })
    }

    fn bury(&mut self, who: Incarnation) -> Vec<RoomId> {
        self.dead.insert(who);
        self.beats.remove(&who);
        let mut changed = Vec::new();
        for (room, sets) in &mut self.rooms {
            if sets.of.remove(&who).is_some_and(|set| !set.is_empty()) {
                sets.version.number += 1;
                changed.push(*room);
            }
        }
        changed
    }
}
