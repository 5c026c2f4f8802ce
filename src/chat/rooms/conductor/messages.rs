//! Committed events, from wherever, in order to the hub.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::Conductor;
use crate::{
    cluster::{Committed, Incarnation, Notice},
    domain::{Event, RoomId, Timestamp, Username},
    hub::{Frame, frame},
    protocol::v1,
};

impl Conductor {
    /// What another node says.
    pub(super) async fn hear(&mut self, now: Instant, from: Incarnation, notice: Notice) {
        if from == self.here.me() {
            return;
        }
        match notice {
            Notice::Committed(committed) => self.hear_committed(now, committed, true).await,
            Notice::Presence(id, change) => self.hear_change(now, from, id, &change).await,
            Notice::Typing(room, username) => self.typing(room, None, &username).await,
            Notice::SignInEnded(_) | Notice::Asked(_) | Notice::Answered(_) => {}
        }
    }

    /// Committed events, here or (`by_bus`) elsewhere.
    pub(super) async fn hear_committed(&mut self, now: Instant, committed: Committed, by_bus: bool) {
        let Committed { room: id, events, traces } = committed;
        if let Some(room) = self.rooms.get_mut(&id) {
            room.trace(&traces, by_bus);
        }
        self.offer(now, id, events, by_bus).await;
    }

    /// Gives them to the room's sequencer, and what is next in order to the hub. (From `repair` too.)
    pub(super) async fn offer(&mut self, now: Instant, id: RoomId, events: Vec<Arc<Event>>, by_bus: bool) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let gap = room.sequencer.gap_since();
        let before = room.sequencer.delivered().map(|at| at.seq);
        let mut ready = Vec::new();
        for event in events {
            match room.sequencer.offer(now, event) {
                Ok(events) => ready.extend(events),
                Err(why) => return self.reset(id, why).await,
            }
        }
        if by_bus && let Some(since) = gap {
            if !ready.is_empty() {
                self.patience.closed_after(now.saturating_duration_since(since));
            } else if self.repairing && room.sequencer.delivered().map(|at| at.seq) == before {
                self.patience.was_hasty();
            }
        }
        self.deliver(id, &ready).await;
        self.look(now, id).await;
    }

    /// What is next in order: encoded once per dialect, for all members.
    pub(super) async fn deliver(&mut self, id: RoomId, events: &[Arc<Event>]) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if events.is_empty() {
            return;
        }
        let now = self.here.clock.now();
        for event in events {
            metrics::histogram!("chorus_publish_to_deliver_seconds").record(seconds(event.timestamp, now));
        }
        let spans = room.traced();
        self.hub.deliver(id.0, room.frames(events), spans).await;
    }

    /// Somebody is typing; all but that person's own sockets are told.
    pub(super) async fn typing(&self, id: RoomId, except: Option<i64>, username: &Username) {
        if let Some(room) = self.rooms.get(&id) {
            let v1 = frame::text(&v1::typing(&room.name, username));
            self.hub.signal(id.0, Frame { v1, seed: Bytes::new() }, except).await;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a latency in milliseconds is small")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.0 - from.0).max(0) as f64 / 1000.0
}
