//! Who is there, by number and by name: a page of the list costs what it shows, however long the list is.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use super::{Card, Entry};
use crate::hub::{Member, MemberId};

/// A place in the list of names: in lower case, then by number.
pub(super) type Place = (Arc<str>, MemberId);

/// All sockets of a node.
#[derive(Debug, Default)]
pub(super) struct Register {
    entries: BTreeMap<MemberId, Entry>,
    names: BTreeSet<Place>,
}

impl Register {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn insert(&mut self, id: MemberId, entry: Entry) {
        self.names.insert(place(id, &entry.card));
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: MemberId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.names.remove(&place(id, &entry.card));
        Some(entry)
    }

    pub(super) fn get(&self, id: MemberId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// All members, by number.
    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        self.entries.values().map(|entry| entry.member.clone()).collect()
    }

    /// Those with greater numbers, in order.
    pub(super) fn after(&mut self, id: Option<MemberId>) -> impl Iterator<Item = (MemberId, &mut Entry)> {
        let after = id.map_or(Unbounded, Excluded);
        self.entries.range_mut((after, Unbounded)).map(|(id, entry)| (*id, entry))
    }

    /// Those with smaller numbers, the greatest first.
    pub(super) fn before(&self, id: Option<MemberId>) -> impl Iterator<Item = (MemberId, &Entry)> {
        let before = id.map_or(Unbounded, Excluded);
        self.entries.range((Unbounded, before)).rev().map(|(id, entry)| (*id, entry))
    }

    /// Those that come after this place, by name.
    pub(super) fn by_name(&self, after: &Place) -> impl Iterator<Item = (&Place, &Entry)> {
        let places = self.names.range((Excluded(after.clone()), Unbounded));
        places.filter_map(|place| Some((place, self.entries.get(&place.1)?)))
    }
}

/// Where a socket stands in the list of names.
pub(super) fn place(id: MemberId, card: &Card) -> Place {
    (card.username.folded().into(), id)
}
