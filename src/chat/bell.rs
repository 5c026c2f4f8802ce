//! The doorbell, both ends: what this node says goes to the bus in the order of its saying, many at
//! once under way; what others say goes to the rooms.
//!
//! Nobody waits for the bus. What does not fit or fails is lost, and the rooms are told that something
//! may have been: the log has everything.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{Here, here::bounded, log_writer::Outlet, rooms::Command, trace};
use crate::{
    cluster::{Committed, Envelope, Heard, Notice},
    tally::Dropped,
};

/// How many notices may wait to be published. More are dropped: a bell may be lost, the log has
/// everything.
pub(super) const BELLS: usize = 4096;

/// How many of them may be on their way at once, each for at most the bus' own limit: a slow bus
/// delays notices, but does not make them queue behind each other's answers.
const IN_FLIGHT: usize = 256;

/// What was committed goes to this node's own rooms first, then to the relay and the others.
#[async_trait::async_trait]
impl Outlet for Here {
    async fn committed(&self, committed: Committed) {
        self.note_committed(committed.room, &committed.events);
        self.rooms.send(Command::Committed(committed.clone())).await;
        (self.relay)(committed.room);
        self.ring(Envelope { from: self.me(), notice: Notice::Committed(committed) });
    }
}

impl Here {
    /// Hands a notice to the publisher.
    pub(super) fn ring(&self, envelope: Envelope) {
        if self.bells.try_send(envelope).is_err() {
            Dropped::PublishQueue.count(1);
        }
    }

    /// Rings until the node stops.
    pub(super) async fn publish(self, mut ringing: mpsc::Receiver<Envelope>) {
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
                Dropped::PublishFailed.count(1);
                self.rooms.send(Command::BusTrouble).await;
            }
        }
    }

    /// Hears the others until the node stops.
    pub(super) async fn listen(self, others: Arc<dyn Fn(Envelope) + Send + Sync>) {
        let Some(mut heard) = self.bus.listen() else { return };
        let stopped = self.tasks.stopped().clone();
        loop {
            let next = tokio::select! {
                biased;
                () = stopped.cancelled() => return,
                next = heard.recv() => next,
            };
            match next {
                None => return,
                Some(Heard::Interrupted) => self.rooms.send(Command::BusTrouble).await,
                Some(Heard::Said(said)) if said.notice.is_for_all() => others(said),
                Some(Heard::Said(Envelope { from, notice })) => {
                    self.rooms.send(Command::Heard { from, notice }).await;
                }
            }
        }
    }
}
