//! Carries this node's own sets into the cluster and the others' sets into the rooms.
//!
//! It promises that, while the cluster can be reached, its sets show this node's within a moment
//! of each change, and that a room that missed a change of the others has the whole sets within
//! [`LOOK`] of noticing. Without the cluster the foreign part of every list stays as it was, and
//! this node's own changes are kept, merged, until they can be told.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Here, rooms::Command};
use crate::{
    cluster::{BusError, Envelope, Notice, SetChange},
    domain::{RoomId, Username},
};

/// How often the rooms' versions are compared.
const LOOK: Duration = Duration::from_millis(500);
/// How often this incarnation's counter is raised.
const BEAT: Duration = Duration::from_secs(1);
/// The longest a call into the cluster may take here.
const CALL: Duration = Duration::from_secs(1);

/// Changes of this node's own sets on their way to the cluster: what is said here is carried by
/// the pump. Changes of one room merge, so it holds at most one entry per person and room.
#[derive(Debug, Default)]
pub struct OwnSets {
    pending: Mutex<HashMap<RoomId, HashMap<Username, bool>>>,
    wake: Notify,
    look: Notify,
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

    fn changed(&self, room: RoomId, name: &Username, here: bool) {
        self.pending.lock().entry(room).or_default().insert(name.clone(), here);
        self.wake.notify_one();
    }
}

/// The pump's own memory: what the cluster should hold for this incarnation.
#[derive(Default)]
struct Wanted {
    sets: HashMap<RoomId, HashSet<Username>>,
    /// Rooms whose set in the cluster is not known: it is written whole.
    unsure: HashMap<RoomId, HashSet<Username>>,
}

/// Runs the pump until the node stops.
pub(super) async fn run(here: Here, own: std::sync::Arc<OwnSets>) {
    let mut wanted = Wanted::default();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut beaten: Option<Instant> = None;
    let stopped = here.tasks.stopped().clone();
    loop {
        tokio::select! {
            () = own.wake.notified() => {}
            () = own.look.notified() => read_changed(&here).await,
            _ = look.tick() => {
                if beaten.is_none_or(|at| at.elapsed() >= BEAT) {
                    beaten = Some(Instant::now());
                    beat(&here, &mut wanted).await;
                }
                read_changed(&here).await;
            }
            () = stopped.cancelled() => return,
        }
        let changes = std::mem::take(&mut *own.pending.lock());
        tell(&here, &mut wanted, changes).await;
    }
}

/// Writes this node's changes into the cluster and rings for each.
async fn tell(here: &Here, wanted: &mut Wanted, changes: HashMap<RoomId, HashMap<Username, bool>>) {
    let mut rooms: HashMap<RoomId, (Vec<Username>, Vec<Username>)> = HashMap::new();
    for (room, names) in changes {
        let set = wanted.sets.entry(room).or_default();
        let (joined, left) = rooms.entry(room).or_default();
        for (name, is_here) in names {
            if is_here && set.insert(name.clone()) {
                joined.push(name);
            } else if !is_here && set.remove(&name) {
                left.push(name);
            }
        }
        if set.is_empty() {
            wanted.sets.remove(&room);
        }
    }
    for (room, gone) in std::mem::take(&mut wanted.unsure) {
        let (joined, left) = rooms.entry(room).or_default();
        let set = wanted.sets.get(&room);
        *joined = set.into_iter().flatten().cloned().collect();
        left.extend(gone.into_iter().filter(|name| !set.is_some_and(|set| set.contains(name))));
    }
    for (room, (joined, left)) in rooms {
        if joined.is_empty() && left.is_empty() {
            continue;
        }
        match bounded(here.presence.change(here.me(), room, &joined, &left)).await {
            Ok(version) => {
                here.rooms.send(Command::OwnTold { room, version }).await;
                let notice = Notice::Presence(room, SetChange { version, joined, left });
                here.ring(Envelope { from: here.me(), notice });
            }
            Err(error) => {
                wanted.unsure.entry(room).or_default().extend(left);
                if matches!(error, BusError::DeclaredDead) {
                    reborn(here, wanted);
                }
            }
        }
    }
}

/// Shows that this node lives and finds out who doesn't.
async fn beat(here: &Here, wanted: &mut Wanted) {
    match bounded(here.presence.beat(here.me())).await {
        Ok(beats) => {
            let died = here.leases.lock().observe(Instant::now(), &beats);
            for who in died.into_iter().filter(|who| *who != here.me()) {
                tracing::warn!(incarnation = %who, "a node is gone; its people leave the lists");
                here.rooms.send(Command::Died(who)).await;
                if let Err(error) = bounded(here.presence.reap(who)).await {
                    tracing::debug!(%error, "not reaped; another node will");
                }
            }
        }
        Err(BusError::DeclaredDead) => reborn(here, wanted),
        Err(error) => tracing::debug!(%error, "no heartbeat"),
    }
}

/// The others have buried this incarnation: take a new id and write everything again.
fn reborn(here: &Here, wanted: &mut Wanted) {
    here.reborn();
    for room in wanted.sets.keys() {
        wanted.unsure.entry(*room).or_default();
    }
}

/// Reads the sets of the rooms whose version is not the known one.
async fn read_changed(here: &Here) {
    let known = here.rooms.sets_versions().await;
    if known.is_empty() {
        return;
    }
    let rooms: Vec<RoomId> = known.iter().map(|(room, _)| *room).collect();
    let Ok(versions) = bounded(here.presence.versions(&rooms)).await else {
        return;
    };
    for ((room, known), version) in known.into_iter().zip(versions) {
        if known != version
            && let Some(sets) = here.sets_of(room).await
        {
            // Known was asked before.
            let begun_anew = version.contradicts(known);
            here.rooms.send(Command::Sets { room, sets, begun_anew }).await;
        }
    }
}

/// A call into the cluster, bounded here whatever the backend promises.
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let late = |_| Err(BusError::Unreachable("no answer in time".into()));
    tokio::time::timeout(CALL, call).await.unwrap_or_else(late)
}
