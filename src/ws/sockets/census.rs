//! The sockets of this node as an operator sees them: who they are, said something to, and sent
//! elsewhere.
//!
//! It walks over the register a slice at a time, as the pulse does, so that nobody waits for it.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Entry, SLICE, Sockets};
use crate::{
    domain::{SignInId, Username},
    hub::{Frame, Member, MemberId, frame},
    protocol::{Dialect, v1},
};

/// Whose a socket is.
#[derive(Debug, Clone)]
pub struct Card {
    /// The person's name.
    pub username: Username,
    /// The sign-in that it lives by.
    pub sid: SignInId,
    /// From where it came.
    pub address: IpAddr,
}

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
    /// Where a socket stands in the list, if it is looked for.
    fn place(&self, id: MemberId, card: &Card) -> Option<(String, MemberId)> {
        let folded = card.username.folded();
        let wanted = self.folded.as_ref().is_none_or(|name| *name == folded)
            && self.among.as_ref().is_none_or(|among| among.contains(&id));
        let place = (folded, id);
        (wanted && self.after.as_ref().is_none_or(|after| place > *after)).then_some(place)
    }
}

impl Sockets {
    /// The first sockets that are looked for, by their people's names, then by number.
    pub async fn find(&self, sought: &Sought) -> Vec<Seen> {
        let (now, mut found) = (Instant::now(), BTreeMap::new());
        self.walk(|id, entry| {
            if let Some(place) = sought.place(id, &entry.card) {
                found.insert(place, entry.seen(id, now));
                if found.len() > sought.limit {
                    found.pop_last();
                }
            }
        })
        .await;
        found.into_values().collect()
    }

    /// Sends a frame to every socket; answers how many there are.
    pub async fn tell_all(&self, frame: &Frame) -> usize {
        let mut told = 0;
        for slice in self.members().chunks(SLICE) {
            for member in slice.iter().filter(|member| member.is_open()) {
                member.send(match member.dialect() {
                    Dialect::V1 => frame.v1.clone(),
                    Dialect::Seed => frame.seed.clone(),
                });
                told += 1;
            }
            tokio::task::yield_now().await;
        }
        told
    }

    /// Those that came last, of those that understand a hint to go elsewhere; `count` at most.
    pub fn newest(&self, count: usize) -> Vec<Mover> {
        let register = self.register.lock();
        let movable = register.values().rev().filter(|entry| entry.member.dialect() == Dialect::V1);
        let open = movable.filter(|entry| entry.member.is_open());
        open.take(count)
            .map(|entry| Mover { member: entry.member.clone(), sid: entry.card.sid })
            .collect()
    }

    async fn walk(&self, mut visit: impl FnMut(MemberId, &Entry)) {
        let mut after = Unbounded;
        loop {
            let mut last = None;
            for (id, entry) in self.register.lock().range((after, Unbounded)).take(SLICE) {
                last = Some(*id);
                visit(*id, entry);
            }
            let Some(last) = last else { return };
            after = Excluded(last);
            tokio::task::yield_now().await;
        }
    }
}

/// A socket that is to go elsewhere.
#[derive(Debug, Clone)]
pub struct Mover {
    member: Arc<Member>,
    /// The sign-in that it lives by.
    pub sid: SignInId,
}

impl Mover {
    /// Asks it to reconnect after so long; it is served until then.
    pub fn ask(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.member.send(frame::text(&v1::reconnect(after_ms)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str) -> Card {
        Card {
            username: Username::from_store(name),
            sid: SignInId::random(),
            address: IpAddr::from([127, 0, 0, 1]),
        }
    }

    #[test]
    fn a_name_is_sought_whatever_its_case_and_a_page_begins_after_the_last() {
        let sought = Sought { folded: Some("alice".to_owned()), ..Sought::default() };
        assert_eq!(sought.place(3, &card("Alice")), Some(("alice".to_owned(), 3)));
        assert_eq!(sought.place(3, &card("bob")), None);
        let after = Sought { after: Some(("bob".to_owned(), 3)), ..Sought::default() };
        assert_eq!(after.place(3, &card("bob")), None);
        assert!(after.place(4, &card("bob")).is_some() && after.place(1, &card("Carol")).is_some());
        assert_eq!(after.place(9, &card("alice")), None);
        let among = Sought { among: Some(HashSet::from([1])), ..Sought::default() };
        assert!(among.place(1, &card("bob")).is_some() && among.place(2, &card("bob")).is_none());
    }
}
