//! Pages and lists of sockets, tried on a register of real ones.

// Nothing below is part of the program; the attribute also tells `tests/architecture.rs`.
#[cfg(test)]
use std::{collections::HashSet, net::IpAddr, sync::Arc, time::Duration};

use proptest::prelude::*;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

use super::{Card, Entered, SLICE, Settings, Sockets, Sought, register::Place};
use crate::{
    domain::{SignInId, Username},
    hub::{Member, MemberId},
    protocol::Dialect,
    shutdown::Tasks,
};

/// A register of so many sockets of these people, with what keeps them there.
struct Hall {
    sockets: Sockets,
    stays: Vec<(Entered, TcpStream)>,
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
