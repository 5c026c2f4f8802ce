//! How many sockets somebody has on this node, with a limit. A place is given back when its guard
//! is dropped, so none can leak whichever way a socket ends.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;

/// Counts by key, each at most `limit`. Clones are handles on the same counts.
#[derive(Debug)]
pub struct Counts<K>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    limit: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// One place of a key.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    counts: Arc<Inner<K>>,
    key: K,
}

impl<K> Clone for Counts<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    /// At most `limit` places per key.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, taken: Mutex::default() }))
    }

    /// Takes a place; `None` when all are taken.
    pub fn take(&self, key: K) -> Option<Place<K>> {
        let mut taken = self.0.taken.lock();
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.0.limit {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { counts: self.0.clone(), key })
    }

    /// Whether all places of a key are taken.
    pub fn is_full(&self, key: &K) -> bool {
        self.0.taken.lock().get(key).is_some_and(|count| *count >= self.0.limit)
    }

    /// How many keys have a place.
    pub fn keys(&self) -> usize {
        self.0.taken.lock().len()
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.counts.taken.lock();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_per_key_and_given_back() {
        let counts = Counts::new(2);
        let (first, second) = (counts.take("alice"), counts.take("alice"));
        assert!(first.is_some() && second.is_some());
        assert!(counts.take("alice").is_none() && counts.is_full(&"alice"));
        assert!(counts.take("bob").is_some());
        drop(first);
        assert!(!counts.is_full(&"alice") && counts.take("alice").is_some());
        drop(second);
        assert_eq!(counts.keys(), 0);
    }
}
