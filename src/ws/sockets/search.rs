//! A page of this node's sockets, for an operator: by the names of their people. It looks at the register a
//! slice at a time, so that nobody waits for it.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Card, Entry, SLICE, Sockets,
    register::{Place, place},
};
use crate::{hub::MemberId, protocol::Dialect};

/// A socket, as it was found.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number.
    pub id: MemberId,
    /// Whose it is.
    pub card: Card,
    /// How it speaks.
    pub dialect: Dialect,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes that wait for it.
    pub queued: usize,
}

/// Which sockets are looked for, and which page of them.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    /// Those of this person, by the name in lower case.
    pub folded: Option<String>,
    /// Those with these numbers.
    pub among: Option<HashSet<MemberId>>,
    /// Those that come after this name and number.
    pub after: Option<(String, MemberId)>,
    /// So many.
    pub limit: usize,
}

impl Sought {
    /// Whether a socket that stands there is looked for.
    fn wants(&self, place: &Place) -> bool {
        self.is_named(place)
            && self.among.as_ref().is_none_or(|among| among.contains(&place.1))
            && *place > self.start()
    }

    fn is_named(&self, place: &Place) -> bool {
        self.folded.as_deref().is_none_or(|name| *name == *place.0)
    }

    /// After which place in the list of names they come.
    fn start(&self) -> Place {
        let after = self.after.as_ref().map(|(name, id)| (name.as_str().into(), *id));
        // No socket has the number 0.
        let named = self.folded.as_deref().map(|name| (name.into(), 0));
        after.max(named).unwrap_or_default()
    }
}

impl Sockets {
    /// The first sockets that are looked for, by their people's names, then by number. It costs what it
    /// finds; among given ones it costs their number.
    pub async fn find(&self, sought: &Sought) -> Vec<Seen> {
        match &sought.among {
            Some(among) => self.find_among(among, sought).await,
            None => self.find_by_name(sought).await,
        }
    }

    async fn find_by_name(&self, sought: &Sought) -> Vec<Seen> {
        let (now, mut found, mut after) = (Instant::now(), Vec::new(), sought.start());
        loop {
            let before = found.len();
            let slice = SLICE.min(sought.limit - before);
            {
                let register = self.register.lock();
                let all = register.by_name(&after).take_while(|(place, _)| sought.is_named(place));
                found.extend(all.take(slice).map(|(place, entry)| (place.clone(), entry.seen(place.1, now))));
            }
            match found.last() {
                Some((last, _)) if found.len() > before && found.len() < sought.limit => after = last.clone(),
                _ => return found.into_iter().map(|(_, seen)| seen).collect(),
            }
            tokio::task::yield_now().await;
        }
    }

    async fn find_among(&self, among: &HashSet<MemberId>, sought: &Sought) -> Vec<Seen> {
        let (now, mut found) = (Instant::now(), BTreeMap::new());
        let ids: Vec<MemberId> = among.iter().copied().collect();
        for slice in ids.chunks(SLICE) {
            for id in slice {
                let register = self.register.lock();
                let Some(entry) = register.get(*id) else { continue };
                let place = place(*id, &entry.card);
                if sought.wants(&place) {
                    found.insert(place, entry.seen(*id, now));
                }
            }
            while found.len() > sought.limit {
                found.pop_last();
            }
            tokio::task::yield_now().await;
        }
        found.into_values().collect()
    }
}

impl Entry {
    fn seen(&self, id: MemberId, now: Instant) -> Seen {
        Seen {
            id,
            card: self.card.clone(),
            dialect: self.member.dialect(),
            age: now.saturating_duration_since(self.since),
            queued: self.member.queued(),
        }
    }
}
