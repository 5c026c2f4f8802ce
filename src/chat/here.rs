//! What the parts of chat share on one node: the seams, the clock, and who this node is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::{
    bell::BELLS,
    clock,
    leases::Leases,
    reads::Reads,
    rooms::{Command, Rooms},
};
use crate::{
    cluster::{Bus, BusError, Envelope, Incarnation, Peers, Presence, RoomSets},
    domain::{Event, RoomId, Seq},
    shutdown::Tasks,
    store::{DbClock, LaggingReads, Log, Page, Slice, StoreError},
};

/// The longest a call into the cluster may take here.
const CALL: Duration = Duration::from_secs(1);
/// How many rooms are subscribed side by side after trouble.
const SUBSCRIBING: usize = 32;
/// For how many rooms it is remembered up to where this node has committed.
const REMEMBERED: usize = 100_000;

/// A handle on what is shared; clones are cheap.
#[derive(Clone)]
pub struct Here {
    pub(super) store: Arc<dyn Log>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) presence: Arc<dyn Presence>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) reads: Arc<Reads>,
    replicas: Option<Arc<dyn LaggingReads>>,
    /// Up to where this node has committed, for pages from replicas. Kept only if there are any.
    committed: Arc<Mutex<HashMap<RoomId, Seq>>>,
    pub(super) rooms: Rooms,
    pub(super) clock: DbClock,
    pub(super) tasks: Tasks,
    pub(super) leases: Arc<Mutex<Leases>>,
    me: Arc<RwLock<Incarnation>>,
    incarnations: Arc<dyn Fn() -> Incarnation + Send + Sync>,
    pub(super) bells: mpsc::Sender<Envelope>,
    pub(super) relay: Arc<dyn Fn(RoomId) + Send + Sync>,
}

/// What [`Here::new`] is made of.
pub struct Seams {
    /// The log of what was said.
    pub store: Arc<dyn Log>,
    /// The doorbell.
    pub bus: Arc<dyn Bus>,
    /// Who is connected where.
    pub presence: Arc<dyn Presence>,
    /// What else nodes tell each other.
    pub peers: Arc<dyn Peers>,
    /// Read replicas of the store, if there are any.
    pub replicas: Option<Arc<dyn LaggingReads>>,
    /// The database's clock.
    pub clock: DbClock,
    /// Answers an id that no incarnation had before.
    pub incarnations: Arc<dyn Fn() -> Incarnation + Send + Sync>,
    /// Called with each room in which something was committed here, for what goes on to other systems. It must not
    /// wait.
    pub relay: Arc<dyn Fn(RoomId) + Send + Sync>,
}

impl Here {
    /// Starts the publisher and answers the handle.
    pub(super) fn new(seams: Seams, rooms: Rooms, tasks: &Tasks) -> Self {
        let (bells, ringing) = mpsc::channel(BELLS);
        let here = Self {
            reads: Arc::new(Reads::new(Arc::clone(&seams.store))),
            store: seams.store,
            bus: seams.bus,
            presence: seams.presence,
            peers: seams.peers,
            replicas: seams.replicas,
            committed: Arc::default(),
            clock: seams.clock,
            rooms,
            leases: Arc::default(),
            me: Arc::new(RwLock::new((seams.incarnations)())),
            incarnations: seams.incarnations,
            relay: seams.relay,
            bells,
            tasks: tasks.clone(),
        };
        tasks.spawn("publisher", here.clone().publish(ringing));
        here
    }

    /// This incarnation.
    pub(super) fn me(&self) -> Incarnation {
        *self.me.read()
    }

    /// Takes a new incarnation id, unless `buried` is not this one's any more: the others have
    /// buried that.
    pub(super) fn reborn(&self, buried: Incarnation) {
        let mut me = self.me.write();
        if *me == buried {
            *me = (self.incarnations)();
            tracing::warn!(incarnation = %me, "declared dead by the others; this node comes back as another");
        }
    }

    /// Whether an incarnation is dead for this node.
    pub(super) fn is_dead(&self, who: Incarnation) -> bool {
        self.leases.lock().is_dead(who)
    }

    /// The sets of a room, if the cluster answers; whoever is met in them has a lease from now on.
    pub(super) async fn sets_of(&self, room: RoomId) -> Option<RoomSets> {
        let sets = bounded(self.presence.sets(room)).await.ok()?;
        let now = clock::now();
        let mut leases = self.leases.lock();
        for (who, _) in sets.sets.iter().filter(|(who, _)| *who != self.me()) {
            leases.met(now, *who);
        }
        Some(sets)
    }

    /// Subscribes rooms again after trouble; says so when all are.
    pub(super) async fn subscribe_again(&self, rooms: &[(RoomId, Seq)]) {
        let subscribe = async |(room, _): &(RoomId, Seq)| bounded(self.bus.subscribe(*room)).await;
        let mut subscribing = stream::iter(rooms).map(subscribe).buffer_unordered(SUBSCRIBING);
        while let Some(subscribed) = subscribing.next().await {
            if subscribed.is_err() {
                return;
            }
        }
        self.rooms.send(Command::BusFine).await;
    }

    /// A page of a room's log, from a replica if there is one.
    pub(super) async fn page(&self, room: RoomId, slice: Slice, limit: usize) -> Result<Page, StoreError> {
        let Some(replicas) = &self.replicas else {
            return self.store.page(room, slice, limit, usize::MAX).await;
        };
        let at_least = self.committed.lock().get(&room).copied().unwrap_or_default();
        replicas.lagging_page(room, slice, limit, usize::MAX, at_least).await
    }

    /// Who was told that something is committed here finds it also on a replica.
    pub(super) fn note_committed(&self, room: RoomId, events: &[Arc<Event>]) {
        let Some(last) = events.last().filter(|_| self.replicas.is_some()) else {
            return;
        };
        let mut committed = self.committed.lock();
        if committed.len() >= REMEMBERED {
            // By now the replicas have caught up with nearly all of them.
            committed.clear();
        }
        committed.insert(room, last.seq);
    }
}

/// A call into the cluster, bounded here whatever the backend promises.
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let late = |_| Err(BusError::Unreachable("no answer in time".into()));
    tokio::time::timeout(CALL, call).await.unwrap_or_else(late)
}
