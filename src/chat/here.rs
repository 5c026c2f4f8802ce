//! What the parts of chat share on one node: the seams, the clock, and who this node is.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use super::{
    leases::Leases,
    presence_pump::bounded,
    rooms::{Command, Rooms},
};
use crate::{
    cluster::{Bus, Committed, Envelope, Heard, Incarnation, Notice, Presence, RoomSets},
    domain::{Event, RoomId, Seq, SignInId},
    shutdown::Tasks,
    store::{DbClock, Store},
};

/// How many notices may wait to be published. More are dropped: a bell may be lost, the log has
/// everything.
const BELLS: usize = 4096;

/// A handle on what is shared; clones are cheap.
#[derive(Clone)]
pub struct Here {
    pub(super) store: Arc<dyn Store>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) presence: Arc<dyn Presence>,
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

    /// Takes a new incarnation id: the others have buried the old one.
    pub(super) fn reborn(&self) {
        let me = Incarnation::random();
        tracing::warn!(incarnation = %me, "declared dead by the others; this node comes back as another");
        *self.me.write() = me;
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
        for (room, _) in rooms {
            if bounded(self.bus.subscribe(*room)).await.is_err() {
                return;
            }
        }
        self.rooms.send(Command::BusFine).await;
    }

    async fn publish(self, mut ringing: mpsc::Receiver<Envelope>) {
        let stopped = self.tasks.stopped().clone();
        loop {
            let envelope = tokio::select! {
                envelope = ringing.recv() => envelope,
                () = stopped.cancelled() => return,
            };
            let Some(envelope) = envelope else { return };
            if let Err(error) = bounded(self.bus.publish(envelope)).await {
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
    async fn committed(&self, room: RoomId, events: Vec<Arc<Event>>) {
        self.rooms.send(Command::Committed { room, events: events.clone() }).await;
        let committed = Committed { room, events, traces: Vec::new() };
        self.ring(Envelope { from: self.me(), notice: Notice::Committed(committed) });
    }
}
