//! What the promises are tested with: nodes, rooms, people, and notices that are awaited.

use std::{any::Any, sync::Arc, time::Duration};

use chorus::{
    cluster::{Bus, Envelope, Heard, Incarnation, Notice, Peers, Presence, RoomSets},
    domain::{RoomId, SignInId, Username},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use uuid::Uuid;

/// The limit of every wait.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// What a loaded machine may add to a promised time.
const SLACK: Duration = Duration::from_secs(3);

/// One node's ends.
#[derive(Clone)]
pub(crate) struct NodeEnds {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) peers: Arc<dyn Peers>,
}

/// Nodes of one fresh cluster, and what must live as long as they.
pub(crate) struct Opened {
    pub(crate) nodes: Vec<NodeEnds>,
    pub(crate) _home: Box<dyn Any + Send>,
}

impl NodeEnds {
    pub(crate) async fn subscribe(&self, room: RoomId) {
        let limit = Duration::from_secs(1) + SLACK;
        timeout(limit, self.bus.subscribe(room)).await.expect("bounded").unwrap();
    }

    /// Rings as somebody; answers what the others should hear.
    pub(crate) async fn ring(&self, notice: Notice) -> String {
        let envelope = Envelope { from: Incarnation::random(), notice };
        let told = format!("{envelope:?}");
        let limit = Duration::from_millis(500) + SLACK;
        timeout(limit, self.bus.publish(envelope)).await.expect("bounded").unwrap();
        told
    }

    /// Changes a set by names; answers the number of the version, 0 when nothing was changed.
    pub(crate) async fn change(
        &self,
        me: Incarnation,
        room: RoomId,
        joined: &[&str],
        left: &[&str],
    ) -> chorus::cluster::Result<u64> {
        let version = self.presence.change(me, room, &names(joined), &names(left)).await?;
        assert!(version.is_none_or(|version| version.number > 0), "{version:?}");
        Ok(version.map_or(0, |version| version.number))
    }

    pub(crate) async fn version(&self, room: RoomId) -> u64 {
        let [version] = self.presence.versions(&[room]).await.unwrap()[..] else {
            panic!("one asked")
        };
        assert_eq!(
            self.presence.sets(room).await.unwrap().version,
            version,
            "one room, two versions"
        );
        assert_eq!(version.era == 0, version.number == 0, "{version:?}");
        version.number
    }

    /// The numbers of several rooms' versions.
    pub(crate) async fn numbers(&self, rooms: &[RoomId]) -> Vec<u64> {
        self.presence
            .versions(rooms)
            .await
            .unwrap()
            .iter()
            .map(|version| version.number)
            .collect()
    }

    /// The sets of a room in an order of ours, without empty ones.
    pub(crate) async fn sets(&self, room: RoomId) -> Vec<(Incarnation, Vec<String>)> {
        sorted(self.presence.sets(room).await.unwrap())
    }
}

/// What one node hears.
pub(crate) struct Ears(pub(crate) mpsc::Receiver<Heard>);

impl Ears {
    pub(crate) fn of(node: &NodeEnds) -> Self {
        Self(node.bus.listen().expect("not listened to yet"))
    }

    pub(crate) async fn next(&mut self) -> Heard {
        timeout(LIMIT, self.0.recv()).await.expect("something is heard").expect("the bus lives")
    }

    /// Everything said until `last` was heard, `last` included.
    pub(crate) async fn until(&mut self, last: &str) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            if let Heard::Said(envelope) = self.next().await {
                said.push(format!("{envelope:?}"));
                if said.last().is_some_and(|said| said == last) {
                    return said;
                }
            }
        }
    }
}

/// A room nobody has used, also on a server that was used before.
pub(crate) fn any_room() -> RoomId {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    RoomId(i64::try_from(high >> 1).unwrap())
}

pub(crate) fn names(names: &[&str]) -> Vec<Username> {
    names.iter().map(|name| Username::parse(name).unwrap()).collect()
}

pub(crate) fn typing(room: RoomId) -> Notice {
    Notice::Typing(room, Username::parse("alice").unwrap())
}

/// A notice that reaches everybody.
pub(crate) fn bell() -> Notice {
    Notice::SignInEnded(SignInId::random())
}

pub(crate) fn sorted(found: RoomSets) -> Vec<(Incarnation, Vec<String>)> {
    let mut sets: Vec<(Incarnation, Vec<String>)> = found
        .sets
        .into_iter()
        .filter(|(_, set)| !set.is_empty())
        .map(|(who, set)| {
            let mut set: Vec<String> = set.iter().map(|name| name.as_str().to_owned()).collect();
            set.sort();
            (who, set)
        })
        .collect();
    sets.sort();
    sets
}

pub(crate) fn set(who: Incarnation, names: &[&str]) -> (Incarnation, Vec<String>) {
    (who, names.iter().map(ToString::to_string).collect())
}

/// Waits until something holds, looking again and again.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
