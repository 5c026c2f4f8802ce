//! The list of people of one room as its members were told it last: in list order, with a version,
//! encoded once for each.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
    sync::{Arc, OnceLock},
};

use super::LISTED;
use crate::{
    domain::Username,
    protocol::{Names, seed, v1::PeopleFragment},
};

/// A name in list order: without case first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed(String, Username);

impl Listed {
    fn new(name: &Username) -> Self {
        Self(name.folded(), name.clone())
    }
}

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0).then_with(|| self.1.cmp(&other.1))
    }
}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The list.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    names: BTreeSet<Listed>,
    version: u64,
    encoded: Encoded,
}

/// What one version looks like in frames; each is made when it is first wanted.
#[derive(Debug, Clone, Default)]
struct Encoded {
    listed: OnceLock<Names>,
    fragment: OnceLock<Arc<PeopleFragment>>,
    seed: OnceLock<Names>,
}

impl Shown {
    /// Takes a name in or out; answers whether it was not so before.
    pub(super) fn set(&mut self, name: &Username, is_here: bool) -> bool {
        let listed = Listed::new(name);
        if is_here { self.names.insert(listed) } else { self.names.remove(&listed) }
    }

    /// What was taken in and out is the next version; answers which.
    pub(super) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.encoded = Encoded::default();
        self.version
    }

    /// Whether it names this one.
    pub(super) fn contains(&self, name: &Username) -> bool {
        self.names.contains(&Listed::new(name))
    }

    /// How many it names.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The first name that a list in a frame has no room for.
    pub(super) fn first_unlisted(&self) -> Option<&Username> {
        self.names.iter().nth(LISTED).map(|listed| &listed.1)
    }

    /// The names, from the one after `after`.
    pub(super) fn list(&self, after: Option<&Username>) -> impl Iterator<Item = &Username> {
        let from = after.map_or(Unbounded, |name| Excluded(Listed::new(name)));
        self.names.range((from, Unbounded)).map(|listed| &listed.1)
    }

    /// The list, encoded once per version.
    pub(super) fn fragment(&self) -> Arc<PeopleFragment> {
        let encode = || Arc::new(PeopleFragment::new(&self.listed().json(), self.count(), self.version));
        Arc::clone(self.encoded.fragment.get_or_init(encode))
    }

    /// The list for somebody who has just come and may not have been told of yet: with `name`.
    pub(super) fn fragment_with(&self, name: &Username) -> Arc<PeopleFragment> {
        if self.contains(name) {
            return self.fragment();
        }
        let users = self.listed().json_with(name);
        Arc::new(PeopleFragment::new(&users, self.count() + 1, self.version))
    }

    /// The JSON list that seed members are shown, for somebody who has just come with their name.
    pub(super) fn seed_json(&self, newcomer: Option<&Username>) -> String {
        let names = self.encoded.seed.get_or_init(|| Names::new(self.list(None), seed::USERS_MAX));
        newcomer.map_or_else(|| names.json(), |name| names.json_with(name))
    }

    fn listed(&self) -> &Names {
        self.encoded.listed.get_or_init(|| Names::new(self.list(None), LISTED))
    }
}
