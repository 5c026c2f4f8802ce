//! What the parts of chat share on one node: the seams, the clock, and who this node is.

use std::{collections::HashMap, sync::Arc};

use futures_util::{
    FutureExt, StreamExt,
    stream::{self, FuturesUnordered},
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::{
    leases::Leases,
    presence_pump::bounded,
    rooms::{Command, Rooms},
    trace,
};
use crate::{
    cluster::{Bus, Committed, Envelope, Heard, Incarnation, Notice, Peers, Presence, RoomSets},
    domain::{Event, RoomId, Seq, SignInId},
    shutdown::Tasks,
    store::{DbClock, LaggingReads, Page, Slice, Store, StoreError},
};

/// How many notices may wait to be published. More are dropped: a bell may be lost, the log has
/// everything.
const BELLS: usize = 4096;

/// How many of them may be on their way at once, each for at most the bus' own limit: a slow bus
/// delays notices, but does not make them queue behind each other's answers.
const IN_FLIGHT: usize = 256;
/// How many rooms are subscribed side by side after trouble.
const SUBSCRIBING: usize = 32;
/// For how many rooms it is remembered up to where this node has committed.
const REMEMBERED: usize = 100_000;

/// A handle on what is shared; clones are cheap.
#[derive(Clone)]
pub struct Here {
    pub(super) store: Arc<dyn Store>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) presence: Arc<dyn Presence>,
    pub(super) peers: Arc<dyn Peers>,
    replicas: Option<Arc<dyn LaggingReads>>,
    /// Up to where this node has committed, for pages from replicas. Kept only if there are any.
    committed: Arc<Mutex<HashMap<RoomId, Seq>>>,
    pub(super) rooms: Rooms,
    pub(super) clock: DbClock,
    pub(super) tasks: Tasks,
    pub(super) leases: Arc<Mutex<Leases>>,
    me: Arc<RwLock<Incarnation>>,
    bells: mpsc::Sender<Envelope>,
}

/// What [`Here::new`] is made of.
pub struct Seams {
    /// What lasts.
    pub store: Arc<dyn Store>,
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
}

impl Here {
    /// Starts the publisher and answers the handle.
    pub(super) fn new(seams: Seams, rooms: Rooms, tasks: &Tasks) -> Self {
        let (bells, ringing) = mpsc::channel(BELLS);
        let here = Self {
            store: seams.store,
            bus: seams.bus,
            presence: seams.presence,
            peers: seams.peers,
            replicas: seams.replicas,
            committed: Arc::default(),
            clock: seams.clock,
            rooms,
            leases: Arc::default(),
            me: Arc::new(RwLock::new(Incarnation::random())),
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
            *me = Incarnation::random();
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
        let now = std::time::Instant::now();
        let mut leases = self.leases.lock();
        for (who, _) in sets.sets.iter().filter(|(who, _)| *who != self.me()) {
            leases.met(now, *who);
        }
        Some(sets)
    }

    /// Hands a notice to the publisher.
    pub(super) fn ring(&self, envelope: Envelope) {
        if self.bells.try_send(envelope).is_err() {
            metrics::counter!("chorus_drops_total", "cause" => "publish_queue").increment(1);
        }
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
    fn note_committed(&self, room: RoomId, events: &[Arc<Event>]) {
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

    async fn publish(self, mut ringing: mpsc::Receiver<Envelope>) {
        let stopped = self.tasks.stopped().clone();
        let mut under_way = FuturesUnordered::new();
        loop {
            let published = tokio::select! {
                biased;
                Some(published) = under_way.next() => published,
                envelope = ringing.recv(), if under_way.len() < IN_FLIGHT => {
                    let Some(envelope) = envelope else { return };
                    let spans = trace::publish(&envelope);
                    let publishing = bounded(self.bus.publish(envelope));
                    under_way.push(publishing.inspect(move |_| drop(spans)));
                    continue;
                }
                () = stopped.cancelled() => return,
            };
            if let Err(error) = published {
                tracing::debug!(%error, "a notice was not published");
                metrics::counter!("chorus_drops_total", "cause" => "publish_failed").increment(1);
                self.rooms.send(Command::BusTrouble).await;
            }
        }
    }

    /// Hears the others until the node stops.
    pub(super) async fn listen(self, ended: Arc<dyn Fn(SignInId) + Send + Sync>) {
        let Some(mut heard) = self.bus.listen() else { return };
        let stopped = self.tasks.stopped().clone();
        loop {
            let next = tokio::select! {
                next = heard.recv() => next,
                () = stopped.cancelled() => return,
            };
            match next {
                None => return,
                Some(Heard::Interrupted) => self.rooms.send(Command::BusTrouble).await,
                Some(Heard::Said(Envelope { notice: Notice::SignInEnded(sid), .. })) => ended(sid),
                Some(Heard::Said(Envelope { from, notice })) => {
                    self.rooms.send(Command::Heard { from, notice }).await;
                }
            }
        }
    }
}

/// What was committed goes to this node's own rooms first, then to the others.
#[async_trait::async_trait]
impl super::log_writer::Outlet for Here {
    async fn committed(&self, committed: Committed) {
        self.note_committed(committed.room, &committed.events);
        self.rooms.send(Command::Committed(committed.clone())).await;
        self.ring(Envelope { from: self.me(), notice: Notice::Committed(committed) });
    }
}
