//! The doorbell inside one process: a notice goes straight into the queues of those who want it,
//! or, with faults, by a task that is late.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::LocalNode;
use crate::{
    cluster::{Bus, Envelope, Heard, Result, queue::Queue},
    domain::RoomId,
    shutdown::Tasks,
};

/// One node's end of the bus.
pub(super) struct Ear {
    node: usize,
    queue: Queue,
    rooms: HashSet<RoomId>,
    cut: bool,
}

impl Ear {
    pub(super) fn new(node: usize, queue: Queue) -> Self {
        Self { node, queue, rooms: HashSet::new(), cut: false }
    }

    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Cut off or healed; a healed one hears that it may have missed something.
    pub(super) fn cut(&mut self, cut: bool) {
        self.cut = cut;
        self.hear(Heard::Interrupted);
    }

    /// Queues it, unless the node is cut off.
    pub(super) fn hear(&self, heard: Heard) {
        if !self.cut {
            self.queue.put(heard);
        }
    }

    /// Whether a notice of that room, or of none, is for this node when `from` says it.
    fn wants(&self, from: usize, room: Option<RoomId>) -> bool {
        self.node != from && room.is_none_or(|room| self.rooms.contains(&room))
    }
}

#[async_trait]
impl Bus for LocalNode {
    async fn subscribe(&self, room: RoomId) -> Result<()> {
        self.cluster.shared.lock().ear(self.node)?.rooms.insert(room);
        Ok(())
    }

    async fn unsubscribe(&self, room: RoomId) {
        if let Ok(ear) = self.cluster.shared.lock().ear(self.node) {
            ear.rooms.remove(&room);
        }
    }

    async fn publish(&self, envelope: Envelope) -> Result<()> {
        let mut shared = self.cluster.shared.lock();
        shared.ear(self.node)?;
        let room = envelope.notice.room();
        let wanting = shared.ears.iter().filter(|ear| ear.wants(self.node, room));
        let Some((tasks, faults)) = &self.cluster.faulty else {
            wanting.for_each(|ear| ear.hear(Heard::Said(envelope.clone())));
            return Ok(());
        };
        let targets: Vec<usize> = wanting.map(|ear| ear.node).collect();
        for to in targets {
            for delay in shared.dice.fate(faults) {
                self.deliver_late(tasks, delay, to, envelope.clone());
            }
        }
        Ok(())
    }

    fn listen(&self) -> Option<mpsc::Receiver<Heard>> {
        self.heard.lock().take()
    }
}

impl LocalNode {
    fn deliver_late(&self, tasks: &Tasks, delay: Duration, to: usize, envelope: Envelope) {
        let cluster = self.cluster.clone();
        tasks.spawn("late notice", async move {
            tokio::time::sleep(delay).await;
            if let Some(ear) = cluster.shared.lock().ears.get(to) {
                ear.hear(Heard::Said(envelope));
            }
        });
    }
}
