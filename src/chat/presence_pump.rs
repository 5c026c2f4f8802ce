//! Carries this node's own sets into the cluster and the others' sets into the rooms.
//!
//! It promises that, while the cluster can be reached, its sets show this node's within a moment
//! of each change, and that a room that missed a change of the others has the whole sets within
//! [`LOOK`] of noticing. Whatever the cluster's memory turns out to hold for this incarnation, it
//! is made to hold what it should. Without the cluster the foreign part of every list stays as it
//! was, and this node's own changes are kept, merged, until they can be told.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    Here,
    rooms::{Command, Reading},
    roster::UNSURE,
};
use crate::{
    cluster::{BusError, Envelope, Incarnation, Notice, RoomSets, SetChange},
    domain::{RoomId, Username},
};

/// How often the rooms' versions are compared.
const LOOK: Duration = Duration::from_millis(500);
/// The longest a call into the cluster may take here.
const CALL: Duration = Duration::from_secs(1);
/// How many rooms are written or read side by side.
const SIDE_BY_SIDE: usize = 32;

/// Changes of this node's own sets on their way to the cluster: what is said here is carried by
/// the pump. Changes of one room merge, so it holds at most one entry per person and room.
#[derive(Debug, Default)]
pub struct OwnSets {
    pending: Mutex<HashMap<RoomId, HashMap<Username, bool>>>,
    wake: Notify,
    look: Notify,
    doubt: Notify,
}

impl OwnSets {
    /// Somebody came into this node's set of a room.
    pub fn joined(&self, room: RoomId, name: &Username) {
        self.changed(room, name, true);
    }

    /// Somebody left it.
    pub fn left(&self, room: RoomId, name: &Username) {
        self.changed(room, name, false);
    }

    /// A room missed a change: read the sets soon.
    pub fn look(&self) {
        self.look.notify_one();
    }

    /// The cluster was out of reach, and what it holds may be another memory: read all sets,
    /// whatever their versions say.
    pub fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// This node has another incarnation id: write everything again.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    fn changed(&self, room: RoomId, name: &Username, here: bool) {
        self.pending.lock().entry(room).or_default().insert(name.clone(), here);
        self.wake.notify_one();
    }
}

/// What came into and went out of a set.
#[derive(Debug, Default)]
struct Difference {
    joined: Vec<Username>,
    left: Vec<Username>,
}

/// The pump's own memory: what the cluster should hold for this incarnation.
struct Wanted {
    me: Incarnation,
    sets: HashMap<RoomId, HashSet<Username>>,
    /// Rooms whose set in the cluster is not known, with who must not be in it: it is written
    /// whole.
    unsure: HashMap<RoomId, HashSet<Username>>,
}

impl Wanted {
    fn new(me: Incarnation) -> Self {
        Self { me, sets: HashMap::new(), unsure: HashMap::new() }
    }

    /// The others have buried the incarnation that wrote the sets: write everything again.
    fn belong_to(&mut self, me: Incarnation) {
        if self.me != me {
            self.me = me;
            for room in self.sets.keys() {
                self.unsure.entry(*room).or_default();
            }
        }
    }

    /// Takes changes in and answers what is to be written.
    fn take(
        &mut self,
        changes: HashMap<RoomId, HashMap<Username, bool>>,
    ) -> impl Iterator<Item = (RoomId, Difference)> + use<> {
        let mut rooms: HashMap<RoomId, Difference> = HashMap::new();
        for (room, names) in changes {
            let set = self.sets.entry(room).or_default();
            let difference = rooms.entry(room).or_default();
            for (name, is_here) in names {
                if is_here && set.insert(name.clone()) {
                    difference.joined.push(name);
                } else if !is_here && set.remove(&name) {
                    difference.left.push(name);
                }
            }
            if set.is_empty() {
                self.sets.remove(&room);
            }
        }
        for (room, gone) in std::mem::take(&mut self.unsure) {
            let Difference { joined, left } = rooms.entry(room).or_default();
            let set = self.sets.get(&room);
            *joined = set.into_iter().flatten().cloned().collect();
            left.extend(gone.into_iter().filter(|name| !set.is_some_and(|set| set.contains(name))));
        }
        rooms
            .into_iter()
            .filter(|(_, change)| !change.joined.is_empty() || !change.left.is_empty())
    }

    /// Takes what the cluster holds for this incarnation in a room: what is not as it should be
    /// is written again.
    fn compare(&mut self, room: RoomId, sets: &RoomSets) {
        let held = sets.sets.iter().find(|(who, _)| *who == self.me).map_or(&[][..], |(_, names)| names);
        let wanted = self.sets.get(&room);
        let as_wanted = held.len() == wanted.map_or(0, HashSet::len)
            && held.iter().all(|name| wanted.is_some_and(|set| set.contains(name)));
        if !as_wanted {
            self.unsure.entry(room).or_default().extend(held.iter().cloned());
        }
    }
}

/// Runs the pump until the node stops.
pub(super) async fn run(here: Here, own: Arc<OwnSets>) {
    let mut wanted = Wanted::new(here.me());
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Whether all sets have to be read, whatever their versions.
    let mut in_doubt = false;
    let stopped = here.tasks.stopped().clone();
    loop {
        let reads = tokio::select! {
            () = own.wake.notified() => false,
            () = own.look.notified() => true,
            () = own.doubt.notified() => { in_doubt = true; true }
            _ = look.tick() => true,
            () = stopped.cancelled() => return,
        };
        if reads {
            // What could not be read may have changed in any way when it can be read again.
            in_doubt = !read(&here, &mut wanted, in_doubt).await;
        }
        wanted.belong_to(here.me());
        let changes = std::mem::take(&mut *own.pending.lock());
        tell(&here, &own, &mut wanted, changes).await;
    }
}

/// Writes this node's changes into the cluster and rings for each.
async fn tell(
    here: &Here,
    own: &OwnSets,
    wanted: &mut Wanted,
    changes: HashMap<RoomId, HashMap<Username, bool>>,
) {
    let me = wanted.me;
    let write = async |(room, change): (RoomId, Difference)| {
        let told = bounded(here.presence.change(me, room, &change.joined, &change.left)).await;
        (room, change, told)
    };
    let mut writing = stream::iter(wanted.take(changes)).map(write).buffer_unordered(SIDE_BY_SIDE);
    while let Some((room, Difference { joined, left }, told)) = writing.next().await {
        match told {
            Ok(Some(version)) => {
                here.rooms.send(Command::OwnTold { room, version }).await;
                let notice = Notice::Presence(room, SetChange { version, joined, left });
                here.ring(Envelope { from: me, notice });
            }
            // An earlier attempt did it, of which nobody was told: all find it by the version.
            Ok(None) => own.look(),
            Err(error) => {
                wanted.unsure.entry(room).or_default().extend(left);
                if matches!(error, BusError::DeclaredDead) {
                    here.reborn(me);
                }
            }
        }
    }
}

/// Reads the sets of the rooms whose version is not the known one, or of `all`. Answers whether
/// all were read that should be.
async fn read(here: &Here, wanted: &mut Wanted, all: bool) -> bool {
    let known = here.rooms.sets_versions().await;
    if known.is_empty() {
        return true;
    }
    let rooms: Vec<RoomId> = known.iter().map(|(room, _)| *room).collect();
    let Ok(versions) = bounded(here.presence.versions(&rooms)).await else {
        return false;
    };
    let changed = known.into_iter().zip(versions).filter(|((_, known), version)| all || known != version);
    let look = async |((room, known), _)| (room, known, here.sets_of(room).await);
    let mut reading = stream::iter(changed).map(look).buffer_unordered(SIDE_BY_SIDE);
    let mut complete = true;
    while let Some((room, known, sets)) = reading.next().await {
        let Some(sets) = sets else {
            complete = false;
            continue;
        };
        wanted.compare(room, &sets);
        let reading = if sets.version.contradicts(known) {
            Reading::BegunAnew
        } else if all || known == UNSURE {
            Reading::Rebuilt
        } else {
            Reading::Missed
        };
        here.rooms.send(Command::Sets { room, sets, reading }).await;
    }
    complete
}

/// A call into the cluster, bounded here whatever the backend promises.
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let late = |_| Err(BusError::Unreachable("no answer in time".into()));
    tokio::time::timeout(CALL, call).await.unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::SetsVersion;

    const ROOM: RoomId = RoomId(1);

    fn names(names: &[&str]) -> Vec<Username> {
        names.iter().map(|name| Username::from_store(*name)).collect()
    }

    fn change(joined: &[&str], left: &[&str]) -> HashMap<RoomId, HashMap<Username, bool>> {
        let (joined, left) = (names(joined), names(left));
        let all = joined
            .into_iter()
            .map(|name| (name, true))
            .chain(left.into_iter().map(|name| (name, false)));
        HashMap::from([(ROOM, all.collect())])
    }

    /// What is written next: who joined and who left.
    fn written(
        wanted: &mut Wanted,
        changes: HashMap<RoomId, HashMap<Username, bool>>,
    ) -> Vec<[Vec<String>; 2]> {
        let text = |mut names: Vec<Username>| {
            names.sort();
            names.iter().map(ToString::to_string).collect()
        };
        wanted.take(changes).map(|(_, change)| [text(change.joined), text(change.left)]).collect()
    }

    fn held(me: Incarnation, members: &[&str]) -> RoomSets {
        RoomSets {
            version: SetsVersion { era: 1, number: 1 },
            sets: vec![(Incarnation::random(), names(&["zoe"])), (me, names(members))],
        }
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        let mut wanted = Wanted::new(Incarnation::random());
        assert_eq!(
            written(&mut wanted, change(&["bob", "alice"], &["carol"])),
            [[vec!["alice", "bob"], vec![]]]
        );
        assert!(written(&mut wanted, change(&["bob"], &["carol"])).is_empty());
        assert_eq!(
            written(&mut wanted, change(&[], &["alice", "bob"])),
            [[vec![], vec!["alice", "bob"]]]
        );
        assert!(wanted.sets.is_empty());
    }

    #[test]
    fn a_new_incarnation_writes_everything_once() {
        let mut wanted = Wanted::new(Incarnation::random());
        written(&mut wanted, change(&["alice"], &[]));
        let me = Incarnation::random();
        wanted.belong_to(me);
        assert_eq!(written(&mut wanted, change(&["bob"], &[])), [[vec!["alice", "bob"], vec![]]]);
        wanted.belong_to(me);
        assert!(written(&mut wanted, HashMap::new()).is_empty());
    }

    #[test]
    fn whatever_a_memory_holds_for_this_node_is_mended() {
        let me = Incarnation::random();
        let mut wanted = Wanted::new(me);
        written(&mut wanted, change(&["alice", "bob"], &[]));
        wanted.compare(ROOM, &held(me, &["bob", "alice"]));
        assert!(written(&mut wanted, HashMap::new()).is_empty(), "as it should be");
        wanted.compare(ROOM, &held(me, &["alice", "old"]));
        assert_eq!(written(&mut wanted, HashMap::new()), [[vec!["alice", "bob"], vec!["old"]]]);
        wanted.compare(ROOM, &RoomSets::default());
        assert_eq!(
            written(&mut wanted, HashMap::new()),
            [[vec!["alice", "bob"], vec![]]],
            "forgotten"
        );
        written(&mut wanted, change(&[], &["alice", "bob"]));
        wanted.compare(ROOM, &held(me, &["alice"]));
        assert_eq!(written(&mut wanted, HashMap::new()), [[vec![], vec!["alice"]]], "set back");
    }
}
