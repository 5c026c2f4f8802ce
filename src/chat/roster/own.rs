//! This node's own set in one room: who has a socket here, and who lost the last one less than the
//! grace time ago.

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::Departure;
use crate::domain::Username;

#[derive(Debug, Clone)]
enum Standing {
    /// So many sockets here.
    Here(usize),
    /// None any more; gone at that time.
    Until(Instant),
}

/// The set.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnSet {
    names: HashMap<Username, Standing>,
    /// Ends of grace, earliest first.
    ends: BTreeSet<(Instant, Username)>,
}

impl OwnSet {
    /// A socket of `name` came. `true` when the name came into the set.
    pub(super) fn arrive(&mut self, name: &Username) -> bool {
        match self.names.get_mut(name) {
            Some(Standing::Here(sockets)) => {
                *sockets += 1;
                false
            }
            Some(standing @ Standing::Until(_)) => {
                if let Standing::Until(end) = std::mem::replace(standing, Standing::Here(1)) {
                    self.ends.remove(&(end, name.clone()));
                }
                false
            }
            None => {
                self.names.insert(name.clone(), Standing::Here(1));
                true
            }
        }
    }

    /// A socket of `name` went. `true` when the name went out of the set at once.
    pub(super) fn depart(&mut self, name: &Username, now: Instant, how: Departure, grace: Duration) -> bool {
        let Some(standing) = self.names.get_mut(name) else { return false };
        match standing {
            Standing::Here(sockets) if *sockets > 1 => {
                *sockets -= 1;
                false
            }
            Standing::Here(_) if how == Departure::Lost && !grace.is_zero() => {
                *standing = Standing::Until(now + grace);
                self.ends.insert((now + grace, name.clone()));
                false
            }
            Standing::Here(_) => {
                self.names.remove(name);
                true
            }
            Standing::Until(_) => false,
        }
    }

    /// Those whose grace has ended: out of the set.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Username> {
        let mut gone = Vec::new();
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, name)) = self.ends.pop_first() else { break };
            self.names.remove(&name);
            gone.push(name);
        }
        gone
    }

    /// When the next grace ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Everybody in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &Username> {
        self.names.keys()
    }

    /// Whether nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether this one is in it.
    pub(super) fn contains(&self, name: &Username) -> bool {
        self.names.contains_key(name)
    }
}
