//! The sockets of this node as an operator sees them: who they are, said something to, and sent
//! elsewhere.
//!
//! It looks at the register a slice at a time, as the pulse does, so that nobody waits for it.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Entry, SLICE, Sockets,
    register::{Place, place},
};
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
    pub async fn newest(&self, count: usize) -> Vec<Mover> {
        let (mut found, mut before) = (Vec::new(), None);
        while found.len() < count {
            let mut last = None;
            for (id, entry) in self.register.lock().before(before).take(SLICE) {
                last = Some(id);
                if entry.member.dialect() == Dialect::V1 && entry.member.is_open() {
                    found.push(Mover { member: entry.member.clone(), sid: entry.card.sid });
                }
            }
            let Some(last) = last else { break };
            before = Some(last);
            tokio::task::yield_now().await;
        }
        found.truncate(count);
        found
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
    use proptest::prelude::*;
    use tokio::{
        net::{TcpListener, TcpStream},
        runtime::Builder,
    };

    use super::*;
    use crate::{shutdown::Tasks, ws::Settings};

    /// A register of so many sockets of these people, with what keeps them there.
    struct Hall {
        sockets: Sockets,
        stays: Vec<(super::super::Entered, TcpStream)>,
    }

    impl Hall {
        async fn of(people: &[(String, Dialect)]) -> Self {
            let settings = Settings { ping: Duration::from_mins(1), outbox_bytes: 1024 };
            let mut hall = Self {
                sockets: Sockets::start(&Tasks::new(), settings),
                stays: Vec::new(),
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            for (name, dialect) in people {
                let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                let member = Arc::new(Member::new(stream, 1, *dialect, 1024));
                let card = Card {
                    username: Username::from_store(name.as_str()),
                    sid: SignInId::random(),
                    address: IpAddr::from([127, 0, 0, 1]),
                };
                hall.stays.push((hall.sockets.enter(&member, card), client));
            }
            hall
        }

        /// Every socket's place, in order.
        fn places(&self) -> Vec<Place> {
            let register = self.sockets.register.lock();
            register.by_name(&Place::default()).map(|(place, _)| place.clone()).collect()
        }

        async fn found(&self, sought: &Sought) -> Vec<MemberId> {
            self.sockets.find(sought).await.iter().map(|seen| seen.id).collect()
        }
    }

    fn people(names: &[&str]) -> Vec<(String, Dialect)> {
        names.iter().map(|name| ((*name).to_owned(), Dialect::V1)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_page_is_what_the_whole_list_has_there(
            names in prop::collection::vec("[a-cA-C]{1,2}", 0..24), folded in prop::option::of("[a-c]{1,2}"),
            after in prop::option::of(("[a-d]{0,2}", 0..4usize)), limit in 1..9usize, half in any::<bool>(),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let hall = Hall::of(&people(&names)).await;
                let all = hall.places();
                let ids: Vec<MemberId> = all.iter().map(|place| place.1).collect();
                let after = after.map(|(name, at)| (name, ids.get(at).copied().unwrap_or_default()));
                let among = half.then(|| ids.iter().copied().step_by(2).collect::<HashSet<_>>());
                let sought = Sought { folded, among, after, limit };
                let expected: Vec<MemberId> = all
                    .iter()
                    .filter(|place| sought.folded.as_ref().is_none_or(|name| **name == *place.0))
                    .filter(|place| sought.among.as_ref().is_none_or(|among| among.contains(&place.1)))
                    .filter(|(name, id)| {
                        sought.after.as_ref().is_none_or(|(after, number)| (&**name, *id) > (after.as_str(), *number))
                    })
                    .map(|place| place.1)
                    .take(limit)
                    .collect();
                assert_eq!(hall.found(&sought).await, expected);
            });
        }
    }

    #[tokio::test]
    async fn who_has_left_is_on_no_page() {
        let mut hall = Hall::of(&people(&["Bob", "alice", "bob"])).await;
        assert_eq!(
            hall.places().iter().map(|place| &*place.0).collect::<Vec<_>>(),
            ["alice", "bob", "bob"]
        );
        hall.stays.remove(0);
        assert_eq!(hall.places().len(), 2);
        hall.stays.clear();
        assert!(hall.places().is_empty() && hall.sockets.is_empty());
    }

    #[tokio::test]
    async fn those_who_came_last_go_first_and_only_who_understands_the_hint() {
        let mut all = people(&["a", "b", "c", "d"]);
        all[2].1 = Dialect::Seed;
        // More than one slice is looked at.
        all.extend((0..SLICE).map(|_| ("old".to_owned(), Dialect::Seed)));
        let hall = Hall::of(&all).await;
        let newest = hall.sockets.newest(2).await;
        let ids: Vec<MemberId> = newest.iter().map(|mover| mover.member.id()).collect();
        let mut expected: Vec<MemberId> = hall
            .places()
            .iter()
            .filter(|place| ["b", "d"].contains(&&*place.0))
            .map(|place| place.1)
            .collect();
        expected.reverse();
        assert_eq!(ids, expected);
        assert_eq!(hall.sockets.newest(usize::MAX).await.len(), 3);
        assert!(hall.sockets.newest(0).await.is_empty());
    }
}
