//! Carries this node's own sets into the cluster and the others' sets into the rooms.
//!
//! It promises that, while the cluster can be reached, its sets show this node's within a moment
//! of each change, and that a room that missed a change of the others has the whole sets within
//! [`LOOK`] of noticing. Whatever the cluster's memory turns out to hold for this incarnation, it
//! is made to hold what it should. Without the cluster the foreign part of every list stays as it
//! was, and this node's own changes are kept, merged, until they can be told.

pub(super) mod wanted;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::wanted::{Difference, Wanted};
use super::{
    Here,
    here::bounded,
    rooms::{Command, Reading},
};
use crate::{
    cluster::{BusError, Envelope, Notice, SetChange},
    domain::{RoomId, Username},
};

/// How often the rooms' versions are compared.
const LOOK: Duration = Duration::from_millis(500);
/// How many rooms are written or read side by side.
const SIDE_BY_SIDE: usize = 32;

/// Changes of this node's own sets on their way to the cluster: what is said here is carried by
/// the pump. Changes of one room merge, so it holds at most one entry per person and room.
#[derive(Debug, Default)]
pub struct OwnChanges {
    pending: Mutex<BTreeMap<RoomId, HashMap<Username, bool>>>,
    wake: Notify,
    look: Notify,
    doubt: Notify,
}

impl OwnChanges {
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

/// Runs the pump until the node stops.
pub(super) async fn run(here: Here, own: Arc<OwnChanges>) {
    let mut wanted = Wanted::new(here.me());
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Whether all sets have to be read, whatever their versions.
    let mut in_doubt = false;
    let stopped = here.tasks.stopped().clone();
    loop {
        // Whatever it is, changes are told after it; so the changes come last here, or they could keep
        // the reading waiting.
        let reads = tokio::select! {
            biased;
            () = stopped.cancelled() => return,
            () = own.doubt.notified() => { in_doubt = true; true }
            () = own.look.notified() => true,
            _ = look.tick() => true,
            () = own.wake.notified() => false,
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
    own: &OwnChanges,
    wanted: &mut Wanted,
    changes: BTreeMap<RoomId, HashMap<Username, bool>>,
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
                wanted.lost(room, left);
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
        let reading = Reading::of(sets.version, known, all);
        here.rooms.send(Command::Sets { room, sets, reading }).await;
    }
    complete
}
