//! The rooms' task: what it is told goes into the pure cores, what they answer goes to the hub.
//!
//! It never waits for the store, the bus or a socket; such work runs beside it and comes back as
//! a command, one of each kind at a time, so the work in flight is bounded. What it does is in seven
//! parts: [`opening`] rooms, ordering [`messages`], serving [`members`], telling of [`presence`],
//! [`repair`], the [`survey`] that operators ask for, and the [`agenda`] of what is due.

mod agenda;
mod members;
mod messages;
mod opening;
mod presence;
mod repair;
mod survey;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot};

use super::{Command, Settings, room::Room};
use crate::{
    chat::{Here, clock, presence_pump::OwnChanges, sequencer::Patience},
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
    /// In order, so that what befalls several rooms at once can be repeated.
    rooms: BTreeMap<RoomId, Room>,
    agenda: BTreeSet<(Instant, RoomId)>,
    hub: Hub,
    here: Here,
    own: Arc<OwnChanges>,
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
    pub(in crate::chat) fn new(hub: Hub, here: Here, own: Arc<OwnChanges>, settings: Settings) -> Self {
        Self {
            rooms: BTreeMap::new(),
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
            next_tick: clock::now() + TICK,
            troubled: None,
        }
    }

    /// Runs until the node stops.
    pub(in crate::chat) async fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let stopped = self.here.tasks.stopped().clone();
        loop {
            let now = clock::now();
            // However many commands wait, what is due is done between them.
            if self.wake() <= now {
                self.look_around(now).await;
            }
            tokio::select! {
                biased;
                () = stopped.cancelled() => return,
                command = queue.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                () = tokio::time::sleep_until(self.wake().into()) => {}
            }
        }
    }

    /// When something is due.
    fn wake(&self) -> Instant {
        self.agenda.first().map_or(self.next_tick, |(at, _)| (*at).min(self.next_tick))
    }

    /// Each command is one function of one of the parts.
    async fn obey(&mut self, command: Command) {
        let now = clock::now();
        match command {
            Command::Enter { room, name, answer } => self.enter(now, room, name, answer),
            Command::Opened { room, at } => self.opened(now, room, at).await,
            Command::GoLive { entry, answer } => tell(answer, self.go_live(now, entry).await),
            Command::Leave { room, member, how } => self.leave(now, room, member, how).await,
            Command::Committed(committed) => self.hear_committed(now, committed, false).await,
            Command::Heard { from, notice } => self.hear(now, from, notice).await,
            Command::Typing { room, user, username } => self.typing(room, Some(user), &username).await,
            Command::Users { room, member, reference } => self.users(room, member, reference.as_ref()).await,
            Command::Fragment { room, answer } => tell(answer, self.fragment(room)),
            Command::People { room, after, limit, answer } => {
                tell(answer, self.people(room, after.as_ref(), limit));
            }
            Command::Counts { answer } => tell(answer, self.counts()),
            Command::SetsVersions { answer } => tell(answer, self.sets_versions()),
            Command::Sets { room, sets, reading } => self.sets(now, room, &sets, reading).await,
            Command::OwnTold { room, version } => self.own_told(room, version),
            Command::Died(who) => self.died(now, who).await,
            Command::BusTrouble => self.bus_trouble(now),
            Command::BusFine => self.bus_fine(),
            Command::Announce { room, frame, answer } => tell(answer, self.announce(room, frame).await),
            Command::Attendees { room, answer } => tell(answer, self.attendees(room)),
            Command::Whereabouts { members, answer } => tell(answer, self.whereabouts(&members)),
            Command::Repaired(found) => self.repaired(now, found).await,
            Command::Checked(heads) => self.checked(now, heads).await,
        }
    }
}

/// Whoever asked may be gone.
fn tell<T>(answer: oneshot::Sender<T>, what: T) {
    let _ = answer.send(what);
}
