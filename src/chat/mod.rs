//! What a message, a join and a presence change mean.
//!
//! The way of one message: [`Visitor::post`] (or [`Chat::post`] over HTTP) → [`log_writer`] →
//! committed → [`rooms`] (sequencer) → hub; beside it the publisher rings for the other nodes,
//! whose [`rooms`] hear it. Joining is in [`join`], who is here in [`roster`] and
//! [`presence_pump`].

pub mod announcer;
mod heartbeat;
mod here;
pub mod join;
pub mod leases;
pub mod log_writer;
pub mod presence_pump;
pub mod rooms;
pub mod roster;
pub mod sequencer;
pub mod trace;
mod visitor;
pub mod window;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use tokio::sync::oneshot;

pub use here::{Here, Seams};
pub use rooms::People;
pub use roster::Departure;
pub use visitor::Visitor;

use crate::{
    cluster::{Envelope, Notice},
    domain::{ClientId, MessageBody, RoomId, RoomName, Seq, SignInId, Timestamp, UserId, Username},
    error::{Code, Refusal},
    hub::Hub,
    shutdown::Tasks,
    store::{Log, NewEvent, Page, Room, Slice, StoreError},
};
use log_writer::{Answer, Entry, LogWriter, Outlet, Place};
use presence_pump::OwnSets;
use rooms::{Conductor, Rooms};
use window::{Admission, WindowLimit, Windows};

/// How many names of rooms are remembered; beyond it the store is asked.
const REMEMBERED_ROOMS: usize = 10_000;
/// How often nodes tell each other who spoke how much.
const EXCHANGE: Duration = Duration::from_millis(500);
/// Of how many people in one call.
const EXCHANGED: usize = 500;

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub user: UserId,
    /// The name.
    pub username: Username,
}

/// What chat is set to.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The longest message, in Unicode scalar values.
    pub message_chars: usize,
    /// The message window.
    pub window: WindowLimit,
    /// How many rooms one socket may join.
    pub max_rooms_per_socket: usize,
    /// How long a person whose last socket was lost stays in the lists.
    pub grace: Duration,
}

/// Why a message was not taken.
#[derive(Debug)]
pub enum PostRefused {
    /// It is refused; the connection stays.
    Refused(Refusal),
    /// Three times the message limit was tried: the connection must be closed with 1008.
    Excess,
}

impl From<Refusal> for PostRefused {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub id: ClientId,
    /// Its room.
    pub room: RoomName,
    /// Its number.
    pub seq: Seq,
    /// Its time.
    pub timestamp: Timestamp,
    /// Whether it had been committed before.
    pub duplicate: bool,
}

/// A room as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its name.
    pub room: RoomName,
    /// How many people are in it.
    pub user_count: usize,
    /// Its newest number.
    pub last_seq: Seq,
    /// When that was committed.
    pub last_timestamp: Option<Timestamp>,
}

/// A page of rooms.
#[derive(Debug, Clone, Default)]
pub struct RoomList {
    /// By name.
    pub rooms: Vec<RoomInfo>,
    /// The last name of this page, if the list goes on.
    pub next: Option<RoomName>,
}

/// Chat on one node.
pub struct Chat {
    here: Here,
    log: LogWriter,
    windows: Arc<Windows>,
    directory: RwLock<HashMap<RoomName, RoomId>>,
    settings: Settings,
}

impl Chat {
    /// Starts chat's tasks. `ended` is called when another node says that a sign-in ended.
    pub fn start(
        seams: Seams,
        hub: Hub,
        tasks: &Tasks,
        settings: Settings,
        ended: Arc<dyn Fn(SignInId) + Send + Sync>,
    ) -> Arc<Self> {
        let (rooms, queue) = Rooms::channel();
        let here = Here::new(seams, rooms, tasks);
        let own = Arc::new(OwnSets::default());
        let set = rooms::Settings { grace: settings.grace };
        tasks.spawn("rooms", Conductor::new(hub, here.clone(), Arc::clone(&own), set).run(queue));
        tasks.spawn("heartbeat", heartbeat::run(here.clone(), Arc::clone(&own)));
        tasks.spawn("burials", heartbeat::bury(here.clone()));
        tasks.spawn("presence", presence_pump::run(here.clone(), own));
        tasks.spawn("bus", here.clone().listen(ended));
        let outlet: Arc<dyn Outlet> = Arc::new(here.clone());
        let store: Arc<dyn Log> = here.store.clone();
        let log = LogWriter::start(tasks, &store, &outlet);
        let windows = Arc::new(Windows::new(settings.window));
        tasks.spawn("windows", tend_windows(Arc::clone(&windows), here.clone()));
        Arc::new(Self { here, log, windows, directory: RwLock::default(), settings })
    }

    /// Says something over HTTP; answers when it is committed.
    pub async fn post(
        &self,
        person: &Arc<Person>,
        room: &RoomName,
        id: ClientId,
        text: &str,
    ) -> Result<Receipt, Refusal> {
        let number = self.room_id(room).await?;
        let (told, answer) = oneshot::channel();
        let submitted = self.submit(person, number, id.clone(), text, move |answer| drop(told.send(answer)));
        match submitted {
            Ok(()) => {}
            Err(PostRefused::Refused(refusal)) => return Err(refusal),
            Err(PostRefused::Excess) => return Err(limited(self.settings.window.window)),
        }
        let Place { seq, timestamp, duplicate } =
            answer.await.unwrap_or_else(|_| Err(Refusal::unavailable()))?;
        Ok(Receipt { id, room: room.clone(), seq, timestamp, duplicate })
    }

    /// Checks a message and hands it to the log. `answer` is called with the log's answer, unless
    /// an error is answered here.
    fn submit(
        &self,
        person: &Arc<Person>,
        room: RoomId,
        id: ClientId,
        text: &str,
        answer: impl FnOnce(Answer) + Send + Sync + 'static,
    ) -> Result<(), PostRefused> {
        let body = MessageBody::parse(text, self.settings.message_chars).map_err(Refusal::from)?;
        let user = person.user;
        let place = match self.windows.admit(user) {
            Admission::Admitted(place) => place,
            Admission::Limited(wait) => return Err(limited(wait).into()),
            Admission::Excess => return Err(PostRefused::Excess),
        };
        let windows = Arc::clone(&self.windows);
        let answer = move |told: Answer| {
            if matches!(told, Ok(Place { duplicate: true, .. })) {
                windows.give_back(user, place);
            }
            answer(told);
        };
        self.log.submit(Entry {
            event: NewEvent { room, sender: user, id, body },
            username: person.username.clone(),
            answer: Box::new(answer),
            since: Instant::now(),
            span: trace::message(),
        });
        Ok(())
    }

    async fn typing(&self, room: RoomId, person: &Person) {
        let (user, username) = (person.user.0, person.username.clone());
        self.here
            .rooms
            .send(rooms::Command::Typing { room, user, username: username.clone() })
            .await;
        self.here.ring(Envelope { from: self.here.me(), notice: Notice::Typing(room, username) });
    }

    /// Rooms by name, after `after`.
    pub async fn list_rooms(&self, after: Option<RoomName>, limit: usize) -> Result<RoomList, Refusal> {
        let mut found = self.here.store.rooms(after.as_ref(), limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = if more { found.last().map(|room| room.name.clone()) } else { None };
        let mut open: HashMap<RoomId, usize> = self.here.rooms.counts().await.into_iter().collect();
        let absent: Vec<RoomId> =
            found.iter().map(|room| room.id).filter(|id| !open.contains_key(id)).collect();
        open.extend(self.absent_counts(&absent).await);
        let counted = found.into_iter().map(|room| {
            let count = open.get(&room.id).copied().unwrap_or(0);
            info(room, count)
        });
        Ok(RoomList { rooms: counted.collect(), next })
    }

    /// Opens a room.
    ///
    /// # Errors
    /// `room_taken`.
    pub async fn create_room(&self, name: RoomName) -> Result<RoomInfo, Refusal> {
        match self.here.store.create_room(&name).await {
            Ok(room) => Ok(info(room, 0)),
            Err(StoreError::Taken) => {
                Err(Refusal::new(Code::RoomTaken, "There is a room of this name already."))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One room.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn room_info(&self, name: &RoomName) -> Result<RoomInfo, Refusal> {
        let room = self.here.store.room(name).await?.ok_or_else(Refusal::room_not_found)?;
        let people = self.people(name, None, 0).await?;
        Ok(info(room, people.user_count))
    }

    /// A page of a room's log.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn history(&self, room: &RoomName, slice: Slice, limit: usize) -> Result<Page, Refusal> {
        let id = self.room_id(room).await?;
        Ok(self.here.page(id, slice, limit).await?)
    }

    /// A page of a room's people.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn people(
        &self,
        room: &RoomName,
        after: Option<Username>,
        limit: usize,
    ) -> Result<People, Refusal> {
        let id = self.room_id(room).await?;
        if let Some(people) = self.here.rooms.people(id, after.clone(), limit).await {
            return Ok(people);
        }
        let names = self.absent_people(id).await;
        let from = after.map_or(0, |after| names.partition_point(|name| name.list_order(&after).is_le()));
        let users: Vec<Username> = names.iter().skip(from).take(limit).cloned().collect();
        let next = if from + users.len() < names.len() { users.last().cloned() } else { None };
        Ok(People { users, user_count: names.len(), next })
    }

    /// How many people are in rooms without members on this node; nothing while the cluster does
    /// not answer.
    async fn absent_counts(&self, rooms: &[RoomId]) -> HashMap<RoomId, usize> {
        let dead = self.here.leases.lock().dead();
        let counts = if rooms.is_empty() {
            Ok(Vec::new())
        } else {
            self.here.presence.counts(rooms, &dead).await
        };
        rooms.iter().copied().zip(counts.unwrap_or_default()).collect()
    }

    /// The people of a room without members on this node, in list order.
    async fn absent_people(&self, room: RoomId) -> Vec<Username> {
        let Some(sets) = self.here.sets_of(room).await else { return Vec::new() };
        let live = sets.sets.into_iter().filter(|(who, _)| !self.here.is_dead(*who));
        let mut names: Vec<Username> = live.flat_map(|(_, names)| names).collect();
        names.sort_by(Username::list_order);
        names.dedup();
        names
    }

    /// The number of a room.
    async fn room_id(&self, name: &RoomName) -> Result<RoomId, Refusal> {
        if let Some(id) = self.directory.read().get(name) {
            return Ok(*id);
        }
        let room = self.here.store.room(name).await?.ok_or_else(Refusal::room_not_found)?;
        let mut directory = self.directory.write();
        if directory.len() < REMEMBERED_ROOMS {
            directory.insert(name.clone(), room.id);
        }
        Ok(room.id)
    }

    /// This node stops: its people stay in the lists for the grace time and no longer.
    pub async fn withdraw(&self) {
        let call = self.here.presence.withdraw(self.here.me(), self.settings.grace);
        if let Err(error) = presence_pump::bounded(call).await {
            tracing::debug!(%error, "not withdrawn; the lease ends by itself");
        }
    }
}

fn info(room: Room, user_count: usize) -> RoomInfo {
    RoomInfo {
        room: room.name,
        user_count,
        last_seq: room.last_seq,
        last_timestamp: room.last_timestamp,
    }
}

fn limited(wait: Duration) -> Refusal {
    metrics::counter!("chorus_limits_hit_total", "limit" => "messages").increment(1);
    Refusal::new(Code::RateLimited, "You are sending too fast. Please wait a moment.").retry_after(wait)
}

/// Tells the other nodes who spoke how much here and hears the same of them.
async fn tend_windows(windows: Arc<Windows>, here: Here) {
    let mut tick = tokio::time::interval(EXCHANGE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while here.tasks.stopped().run_until_cancelled(tick.tick()).await.is_some() {
        windows.sweep();
        for spoken in windows.spoken().chunks(EXCHANGED) {
            let call = here.peers.exchange_spoken(here.me(), windows.length(), spoken);
            match presence_pump::bounded(call).await {
                Ok(elsewhere) => windows.heard(spoken, &elsewhere),
                Err(error) => {
                    tracing::debug!(%error, "each node counts messages for itself");
                    break;
                }
            }
        }
    }
}
