//! How a room opens, closes and begins anew.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Conductor, KEPT, REPAIR_PAUSE, TICK_TROUBLED};
use crate::{
    chat::{
        Here, join,
        rooms::{Command, room::Room},
        sequencer::{Contradiction, Sequencer},
    },
    cluster::RoomSets,
    domain::{Position, RoomId, RoomName},
    error::Refusal,
    store::{Slice, StoreError},
};

impl Conductor {
    /// Somebody wants to come in: opens the room unless it is open, and keeps it open for a while.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        id: RoomId,
        name: RoomName,
        answer: oneshot::Sender<Result<(), Refusal>>,
    ) {
        let known = self.rooms.contains_key(&id);
        let room = self.rooms.entry(id).or_insert_with(|| Room::new(now, id, name));
        room.kept_until = now + KEPT;
        match &mut room.waiting {
            None => drop(answer.send(Ok(()))),
            Some(waiting) => waiting.push(answer),
        }
        if !known {
            self.open(id, Duration::ZERO);
        }
    }

    /// Subscribes, then asks the log where it ends: what is committed after that is heard, or
    /// found by the slow tick.
    pub(super) fn open(&self, room: RoomId, pause: Duration) {
        let here = self.here.clone();
        self.here.tasks.spawn("room opener", async move {
            tokio::time::sleep(pause).await;
            let sets = match here.bus.subscribe(room).await {
                Ok(()) => here.sets_of(room).await,
                Err(_) => None,
            };
            let at = async {
                let head = end_of(&here, room).await?;
                Ok((head, sets))
            };
            let at = at.await;
            here.rooms.send(Command::Opened { room, at }).await;
        });
    }

    /// The room was subscribed and the log asked, with or without success.
    pub(super) async fn opened(
        &mut self,
        now: Instant,
        id: RoomId,
        at: Result<(Position, Option<RoomSets>), StoreError>,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let waiting = room.waiting.take().unwrap_or_default();
        let opened = match at {
            Ok((at, sets)) => {
                self.follow(now, id, at, sets).await;
                Ok(())
            }
            Err(error) => Err(Refusal::from(error)),
        };
        for answer in waiting {
            let _ = answer.send(opened.clone());
        }
        if opened.is_ok() {
            self.look(now, id).await;
        } else {
            self.open_again_or_close(id).await;
        }
    }

    /// From now on the room is delivered, from the end of its log.
    async fn follow(&mut self, now: Instant, id: RoomId, at: Position, sets: Option<RoomSets>) {
        self.hub.open(id.0, at.seq.0).await;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if let Some(sets) = sets {
            let me = self.here.me();
            room.roster.replace(&sets, false, me, |who| self.here.is_dead(who));
        } else {
            // Who is found there later did not come later. And the room may not be subscribed: an end
            // of trouble that was told meanwhile did not mean it.
            room.roster.doubt();
            self.troubled.get_or_insert(TICK_TROUBLED.0);
            self.next_tick = now;
        }
        let events = room.sequencer.start(now, at);
        self.deliver(id, &events).await;
    }

    /// A reset room keeps its members; it goes on trying until the log answers.
    async fn open_again_or_close(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.attendees.is_empty() {
            return self.close(id).await;
        }
        room.waiting = Some(Vec::new());
        self.open(id, REPAIR_PAUSE);
    }

    fn unsubscribe(&self, room: RoomId) {
        let bus = Arc::clone(&self.here.bus);
        self.here.tasks.spawn("unsubscribe", async move { bus.unsubscribe(room).await });
    }

    /// Nobody is here any more.
    pub(super) async fn close(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.remove(&id) {
            if let Some(at) = room.wake {
                self.agenda.remove(&(at, id));
            }
            for name in room.roster.own() {
                self.own.left(id, name);
            }
        }
        self.hub.close(id.0).await;
        self.unsubscribe(id);
    }

    /// The log does not go on from what was delivered: begin anew where it ends now, and let everybody
    /// join again, with the reason.
    pub(super) async fn reset(&mut self, id: RoomId, why: Contradiction) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let found = match why {
            Contradiction::Changed => "the log changed under this room",
            Contradiction::Expired => "what comes next in this room was deleted for its age",
        };
        tracing::warn!(room = %room.name, "{found}; its members rejoin");
        why.count(1);
        self.hub.close(id.0).await;
        room.sequencer = Sequencer::new(id);
        room.waiting = Some(Vec::new());
        let attendees = room.attendees.values();
        let mut everybody: Vec<_> =
            attendees.map(|one| (Arc::clone(&one.member), Arc::clone(&one.person))).collect();
        everybody.sort_by_key(|(member, _)| member.id());
        let (here, name) = (self.here.clone(), room.name.clone());
        self.open(id, Duration::ZERO);
        self.here
            .tasks
            .spawn("rejoin", async move { join::rejoin(&here, (id, name), everybody, why).await });
    }
}

/// The position at a room's end: its last number, with the id found there.
async fn end_of(here: &Here, room: RoomId) -> Result<Position, StoreError> {
    let page = here.store.page(room, Slice::Newest, 1, usize::MAX).await?;
    Ok(page.events.last().map_or(Position::START, Position::after))
}
