//! What was said goes on to other systems: every committed event reaches a sink (a queue, say) at least once, in the
//! order of its room, whatever dies.
//!
//! There is no second write path. A sink is told what the log holds: the [`worker`] finds the rooms of which it has
//! not all, reads them, publishes, and moves the room's cursor when the sink has confirmed. Of all nodes one leads a
//! sink ([`lead`]); the others wait. What decides (which rooms come next, how many events at once, what was
//! confirmed, when to try again) is the pure [`plan`]. A sink is behind the seam [`sink`]: [`rabbitmq`], [`kafka`],
//! [`webhook`]. What it is told is in [`envelope`].
//!
//! The contract for whoever consumes: of a room everything from the first event on that was not confirmed is
//! published again, and each event names the one before it. Who takes an event only if `prevseq <= last < seq` sees
//! each once and in order, also when a broker refuses one and takes the next, and when two nodes publish for a while
//! because one of them has slept.
//!
//! Whether a sink can be reached says nothing about whether a node is ready.

mod again;
mod backoff;
mod counts;
pub mod envelope;
pub mod kafka;
mod lead;
mod nudge;
mod pace;
pub mod plan;
pub mod rabbitmq;
pub mod sink;
mod stream;
pub mod webhook;
mod worker;

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

pub use self::{
    again::{AgainError, tell_again},
    counts::describe_metrics,
    nudge::Nudge,
    sink::{Fate, Lost, Outgoing, Published, Sink},
};
use self::{counts::Counts, lead::Leadership, worker::Worker};
use crate::{
    shutdown::Tasks,
    store::{Candidate, DbClock, StartAt, Store},
};

/// What relaying to one sink stands on.
pub struct Parts {
    /// The log, and how far the sink is.
    pub store: Arc<dyn Store>,
    /// The database's clock.
    pub clock: DbClock,
    /// Where it goes.
    pub sink: Box<dyn Sink>,
    /// Where a sink begins that the store has never heard of.
    pub start_at: StartAt,
}

/// Relays to a sink until the node stops. What is answered is to be told of each room in which something was
/// committed here; whatever it is not told is found within a second.
pub fn start(parts: Parts, tasks: &Tasks) -> Nudge {
    let Parts { store, clock, sink, start_at } = parts;
    let (name, nudge): (Arc<str>, _) = (sink.name().into(), Nudge::default());
    let counts = Counts::of(&name);
    let (leads, led) = watch::channel(None);
    let candidate = Candidate { me: Uuid::new_v4(), ttl: lead::TTL, start_at };
    let leadership = Leadership {
        store: Arc::clone(&store),
        sink: Arc::clone(&name),
        candidate,
    };
    let beside = sink.beside();
    let log = Arc::clone(&store);
    let worker = Worker {
        store,
        log,
        clock,
        name,
        limits: sink.limits(),
        lines: std::iter::once(sink).chain(beside).collect(),
        led,
        nudge: nudge.clone(),
        counts: counts.clone(),
        stop: tasks.stopped().clone(),
    };
    tasks.spawn("relay", async move {
        // The lead is kept while a publication waits, and given up after the last one.
        tokio::select! {
            () = leadership.keep(&leads, &counts) => {}
            () = worker.run() => {}
        }
        leadership.give_up(&leads, &counts).await;
    });
    nudge
}
