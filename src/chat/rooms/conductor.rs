//! The rooms' task: what it is told goes into the pure cores, what they answer goes to the hub.
//!
//! It never waits for the store, the bus or a socket; such work runs beside it and comes back as
//! a command, one of each kind at a time, so the work in flight is bounded. What it does is in four
//! parts: [`opening`] rooms, ordering [`messages`], serving [`members`], and [`repair`].

mod members;
mod messages;
mod opening;
mod repair;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{Command, Settings, room::Room};
use crate::{
    chat::{Here, presence_pump::OwnSets, roster::Knowledge, sequencer::Patience},
    domain::RoomId,
    hub::Hub,
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
    /// Whether all rooms are being subscribed again.
    subscribing: Arc<AtomicBool>,
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
            subscribing: Arc::default(),
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
                let _ = answer
                    .send(self.rooms.get(&room).map(|room| members::people(room, after.as_ref(), limit)));
            }
            Command::Counts { answer } => {
                let _ = answer.send(self.rooms.iter().map(|(id, room)| (*id, room.roster.count())).collect());
            }
            Command::Typing { room, user, username } => self.typing(room, Some(user), &username).await,
            Command::Committed(committed) => self.hear_committed(now, committed, false).await,
            Command::Heard { from, notice } => self.hear(now, from, notice).await,
            Command::BusTrouble if self.troubled.is_none() => {
                self.troubled = Some(TICK_TROUBLED.0);
                self.next_tick = now;
            }
            Command::BusTrouble => {}
            Command::BusFine => {
                self.troubled = None;
                // Whatever was said meanwhile of who came and went was not heard.
                self.own.doubt();
            }
            Command::Opened { room, at } => self.opened(now, room, at).await,
            Command::Repaired(found) => self.repaired(now, found).await,
            Command::Checked(heads) => self.checked(now, heads).await,
            Command::SetsVersions { answer } => {
                let open = self.rooms.iter().filter(|(_, room)| room.waiting.is_none());
                let _ = answer.send(open.map(|(id, room)| (*id, room.roster.sets_version())).collect());
            }
            Command::Sets { room, sets, reading } => self.sets(now, room, &sets, reading).await,
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
}
