//! What was lost on the way: found by the slow tick or a gap, read from the log.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::{Conductor, REPAIR_BYTES, REPAIR_PAUSE, TICK, TICK_TROUBLED};
use crate::{
    chat::rooms::{Command, room::Room},
    domain::{Event, RoomId, Seq},
    store::{Head, Missing, StoreError},
};

impl Conductor {
    /// The bus may have lost something: the log is asked at once, and more often from now on.
    pub(super) const fn bus_trouble(&mut self, now: Instant) {
        if self.troubled.is_none() {
            self.troubled = Some(TICK_TROUBLED.0);
            self.next_tick = now;
        }
    }

    /// All rooms are subscribed again.
    pub(super) fn bus_fine(&mut self) {
        self.troubled = None;
        // Whatever was said meanwhile of who came and went was not heard.
        self.own.doubt();
    }

    /// Asks the log for what has been missing for too long, for all rooms in one query.
    pub(super) fn repair(&mut self, now: Instant) {
        if self.repairing || self.repair_after.is_some_and(|at| at > now) {
            return;
        }
        let patience = self.patience.duration();
        let missing: Vec<Missing> =
            self.rooms.values().filter_map(|room| room.sequencer.overdue(now, patience)).collect();
        if missing.is_empty() {
            return;
        }
        self.repairing = true;
        self.repair_after = None;
        metrics::counter!("chorus_repairs_total").increment(1);
        let here = self.here.clone();
        self.here.tasks.spawn("repair", async move {
            let found = here.store.missing(&missing, REPAIR_BYTES).await;
            here.rooms.send(Command::Repaired(found)).await;
        });
    }

    pub(super) async fn repaired(&mut self, now: Instant, found: Result<Vec<Event>, StoreError>) {
        self.repairing = false;
        match found {
            Ok(events) => {
                let mut by_room: BTreeMap<RoomId, Vec<Arc<Event>>> = BTreeMap::new();
                for event in events {
                    by_room.entry(event.room).or_default().push(event.shared());
                }
                if by_room.is_empty() {
                    self.repair_after = Some(now + REPAIR_PAUSE);
                }
                for (room, events) in by_room {
                    self.mend(now, room, events).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a repair failed");
                self.repair_after = Some(now + REPAIR_PAUSE);
            }
        }
        let gaps: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.sequencer.gap_since().is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in gaps {
            self.plan(now, id);
        }
    }

    /// What the log held of a room's overdue range.
    async fn mend(&mut self, now: Instant, id: RoomId, events: Vec<Arc<Event>>) {
        let Some((room, first)) = self.rooms.get(&id).zip(events.first()) else {
            return;
        };
        match room.sequencer.check_repair(first.seq) {
            Ok(()) => self.offer(now, id, events, false).await,
            Err(why) => self.reset(id, why).await,
        }
    }

    /// Compares where the log ends with what was delivered, for all rooms in one query.
    pub(super) fn tick(&mut self, now: Instant) {
        let length = match self.troubled {
            None => TICK,
            Some(length) => {
                self.troubled = Some((length * 5 / 4).min(TICK_TROUBLED.1));
                length
            }
        };
        self.next_tick = now + length;
        let at = |(id, room): (&RoomId, &Room)| Some((*id, room.sequencer.delivered()?.seq));
        let asked: Vec<(RoomId, Seq)> = self.rooms.iter().filter_map(at).collect();
        if asked.is_empty() || self.checking {
            return;
        }
        self.checking = true;
        // One at a time: it may take longer than a tick.
        let subscribes = self.troubled.is_some() && !self.subscribing.swap(true, Ordering::Relaxed);
        let (here, subscribing) = (self.here.clone(), Arc::clone(&self.subscribing));
        self.here.tasks.spawn("slow tick", async move {
            let heads = here.store.heads(&asked).await.map(|heads| pair(&asked, heads));
            here.rooms.send(Command::Checked(heads)).await;
            if subscribes {
                here.subscribe_again(&asked).await;
                subscribing.store(false, Ordering::Relaxed);
            }
        });
    }

    pub(super) async fn checked(&mut self, now: Instant, heads: Result<Vec<(Seq, Head)>, StoreError>) {
        self.checking = false;
        let Ok(heads) = heads else { return };
        for (asked, head) in heads {
            let Some(room) = self.rooms.get_mut(&head.room) else { continue };
            match room.sequencer.check(now, asked, &head) {
                Ok(()) => self.look(now, head.room).await,
                Err(why) => self.reset(head.room, why).await,
            }
        }
    }
}

fn pair(asked: &[(RoomId, Seq)], heads: Vec<Head>) -> Vec<(Seq, Head)> {
    let asked: HashMap<RoomId, Seq> = asked.iter().copied().collect();
    heads.into_iter().filter_map(|head| Some((*asked.get(&head.room)?, head))).collect()
}
