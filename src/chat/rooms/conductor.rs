//! The rooms' task: what it is told goes into the pure cores, what they answer goes to the hub.
//!
//! It never waits for the store, the bus or a socket; such work runs beside it and comes back as
//! a command, one of each kind at a time, so the work in flight is bounded.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Arrival, Command, GoLive, People, Settings, room::Room};
use crate::{
    chat::{Here, join, presence_pump::OwnSets, roster::Knowledge, sequencer::Patience},
    cluster::{Incarnation, Notice, RoomSets},
    domain::{Event, Position, RoomId, RoomName, Seq, Timestamp, Username},
    error::Refusal,
    hub::{Behind, Frame, Hub, MemberId, frame},
    protocol::{Ref, seed, v1},
    store::{Head, Missing, StoreError},
};

/// How often the log is compared with what was delivered, while all is well.
const TICK: Duration = Duration::from_secs(2);
/// The same while the bus is in trouble: at first, and after backing off.
const TICK_TROUBLED: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(500));
/// The largest repair, in bytes; what does not fit is asked for next.
const REPAIR_BYTES: usize = 1024 * 1024;
/// How long a room stays open without members: longer than anybody takes to read their way in,
/// and a room that is left and entered again need not be opened again.
const KEPT: Duration = Duration::from_secs(10);
/// The pause after a repair that failed.
const REPAIR_PAUSE: Duration = Duration::from_millis(200);

/// The state of the rooms' task.
pub struct Conductor {
    rooms: HashMap<RoomId, Room>,
    agenda: BTreeSet<(Instant, RoomId)>,
    hub: Hub,
    here: Here,
    own: Arc<OwnSets>,
    settings: Settings,
    patience: Patience,
    repairing: bool,
    repair_after: Option<Instant>,
    checking: bool,
    next_tick: Instant,
    /// The tick's length while the bus is in trouble.
    troubled: Option<Duration>,
}

impl Conductor {
    /// A conductor without rooms.
    pub(in crate::chat) fn new(hub: Hub, here: Here, own: Arc<OwnSets>, settings: Settings) -> Self {
        Self {
            rooms: HashMap::new(),
            agenda: BTreeSet::new(),
            hub,
            here,
            own,
            settings,
            patience: Patience::new(),
            repairing: false,
            repair_after: None,
            checking: false,
            next_tick: Instant::now() + TICK,
            troubled: None,
        }
    }

    /// Runs until the node stops.
    pub(in crate::chat) async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let stopped = self.here.tasks.stopped().clone();
        loop {
            let wake = self.agenda.first().map_or(self.next_tick, |(at, _)| (*at).min(self.next_tick));
            tokio::select! {
                command = queue.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                () = tokio::time::sleep_until(wake.into()) => self.look_around(Instant::now()).await,
                () = stopped.cancelled() => return,
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Enter { room, name, answer } => self.enter(now, room, name, answer),
            Command::GoLive { entry, answer } => {
                let joining = self.go_live(now, entry).await;
                let _ = answer.send(joining);
            }
            Command::Leave { room, member, how } => {
                if let Some(here) = self.rooms.get_mut(&room)
                    && let Some(gone) = here.forget(member)
                {
                    self.hub.leave(room.0, member).await;
                    let name = &gone.person.username;
                    if here.roster.depart(name, now, how, self.settings.grace) {
                        self.own.left(room, name);
                    }
                    self.look(now, room).await;
                }
            }
            Command::Fragment { room, answer } => {
                let _ = answer.send(self.rooms.get_mut(&room).map(|room| room.roster.fragment()));
            }
            Command::Users { room, member, reference } => self.users(room, member, reference.as_ref()).await,
            Command::People { room, after, limit, answer } => {
                let _ = answer.send(self.rooms.get(&room).map(|room| people(room, after.as_ref(), limit)));
            }
            Command::Counts { answer } => {
                let _ = answer.send(self.rooms.iter().map(|(id, room)| (*id, room.roster.count())).collect());
            }
            Command::Typing { room, user, username } => self.typing(room, Some(user), &username).await,
            Command::Committed { room, events } => self.offer(now, room, events, false).await,
            Command::Heard { from, notice } => self.hear(now, from, notice).await,
            Command::BusTrouble if self.troubled.is_none() => {
                self.troubled = Some(TICK_TROUBLED.0);
                self.next_tick = now;
            }
            Command::BusTrouble => {}
            Command::BusFine => self.troubled = None,
            Command::Opened { room, at } => self.opened(now, room, at).await,
            Command::Repaired(found) => self.repaired(now, found).await,
            Command::Checked(heads) => self.checked(now, heads).await,
            Command::SetsVersions { answer } => {
                let open = self.rooms.iter().filter(|(_, room)| room.waiting.is_none());
                let _ = answer.send(open.map(|(id, room)| (*id, room.roster.sets_version())).collect());
            }
            Command::Sets { room, sets, begun_anew } => self.sets(now, room, &sets, begun_anew).await,
            Command::OwnTold { room, version } => {
                if let Some(here) = self.rooms.get_mut(&room)
                    && here.roster.own_change_told(version) == Knowledge::Behind
                {
                    self.own.look();
                }
            }
            Command::Died(who) => {
                let ids: Vec<RoomId> = self.rooms.keys().copied().collect();
                for id in ids {
                    if let Some(room) = self.rooms.get_mut(&id) {
                        room.roster.bury(who);
                    }
                    self.look(now, id).await;
                }
            }
        }
    }

    /// Everything that is due: rooms on the agenda, and the slow tick.
    async fn look_around(&mut self, now: Instant) {
        while let Some((at, room)) = self.agenda.first().copied() {
            if at > now {
                break;
            }
            self.agenda.pop_first();
            if let Some(room) = self.rooms.get_mut(&room) {
                room.wake = None;
            }
            self.look(now, room).await;
        }
        if now >= self.next_tick {
            self.tick(now);
        }
    }

    // ---- opening and closing -------------------------------------------------------------

    fn enter(
        &mut self,
        now: Instant,
        id: RoomId,
        name: RoomName,
        answer: oneshot::Sender<Result<(), Refusal>>,
    ) {
        let known = self.rooms.contains_key(&id);
        let room = self.rooms.entry(id).or_insert_with(|| Room::new(id, name));
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
    fn open(&self, room: RoomId, pause: Duration) {
        let here = self.here.clone();
        self.here.tasks.spawn("room opener", async move {
            tokio::time::sleep(pause).await;
            let subscribed = here.bus.subscribe(room).await;
            if subscribed.is_err() {
                here.rooms.send(Command::BusTrouble).await;
            }
            let sets = match subscribed {
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

    async fn opened(
        &mut self,
        now: Instant,
        id: RoomId,
        at: Result<(Position, Option<RoomSets>), StoreError>,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let waiting = room.waiting.take().unwrap_or_default();
        match at {
            Err(error) => {
                let refusal = Refusal::from(error);
                for answer in waiting {
                    let _ = answer.send(Err(refusal.clone()));
                }
                if room.attendees.is_empty() {
                    return self.close(id).await;
                }
                // A reset room keeps its members; it goes on trying until the log answers.
                room.waiting = Some(Vec::new());
                self.open(id, REPAIR_PAUSE);
            }
            Ok((at, sets)) => {
                self.hub.open(id.0, at.seq.0).await;
                if let Some(sets) = sets {
                    let me = self.here.me();
                    room.roster.replace(&sets, me, |who| self.here.is_dead(who));
                }
                let events = room.sequencer.start(now, at);
                self.deliver(id, &events).await;
                for answer in waiting {
                    let _ = answer.send(Ok(()));
                }
                self.look(now, id).await;
            }
        }
    }

    fn unsubscribe(&self, room: RoomId) {
        let bus = Arc::clone(&self.here.bus);
        self.here.tasks.spawn("unsubscribe", async move { bus.unsubscribe(room).await });
    }

    async fn close(&mut self, id: RoomId) {
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

    /// The log contradicts what was delivered: begin anew where it ends now, and let everybody
    /// join again, with the reason.
    async fn reset(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        tracing::warn!(room = %room.name, "the log changed under this room; its members rejoin");
        metrics::counter!("chorus_sequencer_resets_total").increment(1);
        self.hub.close(id.0).await;
        room.sequencer = crate::chat::sequencer::Sequencer::new(id);
        room.waiting = Some(Vec::new());
        let everybody: Vec<_> = room
            .attendees
            .values()
            .map(|one| (Arc::clone(&one.member), Arc::clone(&one.person)))
            .collect();
        let (here, name) = (self.here.clone(), room.name.clone());
        self.open(id, Duration::ZERO);
        self.here
            .tasks
            .spawn("rejoin", async move { join::rejoin(&here, id, name, everybody).await });
    }

    // ---- messages ------------------------------------------------------------------------

    async fn offer(&mut self, now: Instant, id: RoomId, events: Vec<Arc<Event>>, by_bus: bool) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let gap = room.sequencer.gap_since();
        let before = room.sequencer.delivered().map(|at| at.seq);
        let mut ready = Vec::new();
        for event in events {
            match room.sequencer.offer(now, event) {
                Ok(events) => ready.extend(events),
                Err(_) => return self.reset(id).await,
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

    async fn deliver(&self, id: RoomId, events: &[Arc<Event>]) {
        let Some(room) = self.rooms.get(&id) else { return };
        if events.is_empty() {
            return;
        }
        let now = self.here.clock.now();
        for event in events {
            metrics::histogram!("chorus_publish_to_deliver_seconds").record(seconds(event.timestamp, now));
        }
        self.hub.deliver(id.0, room.frames(events)).await;
    }

    async fn hear(&mut self, now: Instant, from: Incarnation, notice: Notice) {
        if from == self.here.me() {
            return;
        }
        match notice {
            Notice::Committed(room, events) => self.offer(now, room, events, true).await,
            Notice::Presence(id, change) => {
                if let Some(room) = self.rooms.get_mut(&id).filter(|room| room.waiting.is_none()) {
                    if !self.here.is_dead(from) && room.roster.change(from, &change) == Knowledge::Behind {
                        self.own.look();
                    }
                    self.look(now, id).await;
                }
            }
            Notice::Typing(room, username) => self.typing(room, None, &username).await,
            Notice::SignInEnded(_) => {}
        }
    }

    async fn typing(&self, id: RoomId, except: Option<i64>, username: &Username) {
        if let Some(room) = self.rooms.get(&id) {
            let v1 = frame::text(&v1::typing(&room.name, username));
            self.hub.signal(id.0, Frame { v1, seed: Bytes::new() }, except).await;
        }
    }

    // ---- members -------------------------------------------------------------------------

    async fn go_live(
        &mut self,
        now: Instant,
        entry: GoLive,
    ) -> Option<oneshot::Receiver<Result<(), Behind>>> {
        let id = entry.room;
        let room = self.rooms.get_mut(&id).filter(|room| room.waiting.is_none())?;
        if entry.rejoining && !room.attendees.contains_key(&entry.member.id()) {
            return Some(settled());
        }
        if room.attend(&entry.member, &entry.person) {
            self.own.joined(id, &entry.person.username);
        }
        // In a quiet room the others are told now, so that the newcomer's list is the new one.
        self.look(now, id).await;
        let room = self.rooms.get_mut(&id)?;
        let people = room.roster.fragment_with(&entry.person.username);
        let (at, greeting) = match entry.arrival {
            Arrival::Page { at, events, recovered, reason, reference } => {
                let joined = v1::Joined {
                    room: &room.name,
                    seq: at.seq,
                    recovered,
                    reason,
                    has_more: false,
                    messages: &events,
                    people: &people,
                    reference: reference.as_ref(),
                };
                (at.seq, frame::text(&v1::joined(&joined)))
            }
            Arrival::Now => {
                let mut names: Vec<Username> =
                    room.roster.list(None).take(seed::USERS_MAX).cloned().collect();
                if !names.contains(&entry.person.username) && names.len() < seed::USERS_MAX {
                    let me = &entry.person.username;
                    let place = names.partition_point(|other| other.list_order(me).is_lt());
                    names.insert(place, me.clone());
                }
                (room.sequencer.delivered()?.seq, frame::text(&seed::user_list(&names)))
            }
        };
        Some(self.hub.join(id.0, entry.member, at.0, greeting).await)
    }

    async fn users(&mut self, id: RoomId, member: MemberId, reference: Option<&Ref>) {
        if let Some(room) = self.rooms.get_mut(&id) {
            let people = room.roster.fragment();
            let v1 = frame::text(&v1::user_list(&room.name, &people, reference));
            if let Some(asker) = room.attendees.get(&member).filter(|_| room.waiting.is_some()) {
                // While the room begins anew the hub has no members, and nothing overtakes this.
                asker.member.send(v1);
                return;
            }
            self.hub.answer(id.0, member, Frame { v1, seed: Bytes::new() }).await;
        }
    }

    async fn sets(&mut self, now: Instant, id: RoomId, sets: &RoomSets, begun_anew: bool) {
        let me = self.here.me();
        let open = self.rooms.get_mut(&id).filter(|room| room.waiting.is_none());
        // What was read before a change that is known by now is older than that.
        if let Some(room) = open.filter(|room| begun_anew || sets.version >= room.roster.sets_version()) {
            room.roster.replace(sets, me, |who| self.here.is_dead(who));
            self.look(now, id).await;
        }
    }

    // ---- what is due in a room -----------------------------------------------------------

    /// Does what is due in a room and notes when to look again.
    async fn look(&mut self, now: Instant, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.waiting.is_none() {
            for name in room.roster.expire(now) {
                self.own.left(id, &name);
            }
            if room.roster.is_dirty() && room.announcer.delta_at(now) <= now {
                Self::tell_delta(&self.hub, now, id, room).await;
            }
            if room.seeds > 0 && room.announcer.list_at(now).is_some_and(|at| at <= now) {
                Self::tell_seeds(&self.hub, now, id, room).await;
            }
            if room.is_over(now) {
                return self.close(id).await;
            }
            self.repair(now);
        }
        self.plan(now, id);
    }

    fn plan(&mut self, now: Instant, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let blocked = self.repairing || self.repair_after.is_some_and(|at| at > now);
        let mut next = room.next_look(now, self.patience, blocked);
        if let Some(after) = self.repair_after.filter(|at| *at > now && room.sequencer.gap_since().is_some())
        {
            next = Some(next.map_or(after, |at| at.min(after)));
        }
        if room.wake != next {
            if let Some(at) = room.wake {
                self.agenda.remove(&(at, id));
            }
            room.wake = next;
            self.agenda.extend(next.map(|at| (at, id)));
        }
    }

    async fn tell_delta(hub: &Hub, now: Instant, id: RoomId, room: &mut Room) {
        let Some(change) = room.roster.flush() else { return };
        room.announcer.told(now, &change);
        if room.seeds == 0 {
            room.announcer.lines();
        }
        let text = v1::presence(&room.name, &change.joined, &change.left, change.count, change.version);
        hub.signal(id.0, Frame { v1: frame::text(&text), seed: Bytes::new() }, None).await;
    }

    async fn tell_seeds(hub: &Hub, now: Instant, id: RoomId, room: &mut Room) {
        let mut bytes = 0;
        for line in room.announcer.lines() {
            let person = line.about.and_then(|name| room.tag_of(&name));
            let seed = frame::text(&seed::announcement(&line.text));
            bytes += seed.len();
            hub.signal(id.0, Frame { v1: Bytes::new(), seed }, person).await;
        }
        let names: Vec<Username> = room.roster.list(None).take(seed::USERS_MAX).cloned().collect();
        let seed = frame::text(&seed::user_list(&names));
        bytes += seed.len();
        room.announcer.spent(now, bytes);
        hub.signal(id.0, Frame { v1: Bytes::new(), seed }, None).await;
    }

    // ---- repair --------------------------------------------------------------------------

    /// Asks the log for what has been missing for too long, for all rooms in one query.
    fn repair(&mut self, now: Instant) {
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

    async fn repaired(&mut self, now: Instant, found: Result<Vec<Event>, StoreError>) {
        self.repairing = false;
        match found {
            Ok(events) => {
                let mut by_room: HashMap<RoomId, Vec<Arc<Event>>> = HashMap::new();
                for event in events {
                    by_room.entry(event.room).or_default().push(event.shared());
                }
                if by_room.is_empty() {
                    self.repair_after = Some(now + REPAIR_PAUSE);
                }
                for (room, events) in by_room {
                    self.offer(now, room, events, false).await;
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

    /// Compares where the log ends with what was delivered, for all rooms in one query.
    fn tick(&mut self, now: Instant) {
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
        let (here, troubled) = (self.here.clone(), self.troubled.is_some());
        self.here.tasks.spawn("slow tick", async move {
            let heads = here.store.heads(&asked).await.map(|heads| pair(&asked, heads));
            here.rooms.send(Command::Checked(heads)).await;
            if troubled {
                here.subscribe_again(&asked).await;
            }
        });
    }

    async fn checked(&mut self, now: Instant, heads: Result<Vec<(Seq, Head)>, StoreError>) {
        self.checking = false;
        let Ok(heads) = heads else { return };
        for (asked, head) in heads {
            let Some(room) = self.rooms.get_mut(&head.room) else { continue };
            if room.sequencer.check(now, asked, &head).is_err() {
                self.reset(head.room).await;
            } else {
                self.look(now, head.room).await;
            }
        }
    }
}

/// The position at a room's end: its last number, with the id found there.
async fn end_of(here: &Here, room: RoomId) -> Result<Position, StoreError> {
    let page = here.store.page(room, crate::store::Slice::Newest, 1, usize::MAX).await?;
    Ok(page.events.last().map_or(Position::START, Position::after))
}

/// The answer to somebody who need not join any more.
fn settled() -> oneshot::Receiver<Result<(), Behind>> {
    let (answer, settled) = oneshot::channel();
    let _ = answer.send(Ok(()));
    settled
}

fn pair(asked: &[(RoomId, Seq)], heads: Vec<Head>) -> Vec<(Seq, Head)> {
    let asked: HashMap<RoomId, Seq> = asked.iter().copied().collect();
    heads.into_iter().filter_map(|head| Some((*asked.get(&head.room)?, head))).collect()
}

fn people(room: &Room, after: Option<&Username>, limit: usize) -> People {
    let mut users: Vec<Username> = room.roster.list(after).take(limit + 1).cloned().collect();
    let more = users.len() > limit;
    users.truncate(limit);
    let next = if more { users.last().cloned() } else { None };
    People { users, user_count: room.roster.count(), next }
}

#[expect(clippy::cast_precision_loss, reason = "a latency in milliseconds is small")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.0 - from.0).max(0) as f64 / 1000.0
}
