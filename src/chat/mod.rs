//! What a message, a join and a presence change mean.
//!
//! The way of one message: [`Visitor::post`] (or [`Chat::post`] over HTTP) → [`post`] → [`log_writer`]
//! → committed → [`rooms`] (sequencer) → hub; beside it the [`bell`] rings for the other nodes, whose
//! [`rooms`] hear it. Joining is in [`join`], who is here in [`roster`] and [`presence_pump`], what is
//! asked over HTTP in [`listing`], what a room's log looks like to other programs in [`export`].

pub mod announcer;
mod bell;
mod clock;
mod directory;
mod exchange;
pub mod export;
mod heartbeat;
mod here;
pub mod join;
pub mod leases;
mod listing;
pub mod log_writer;
#[cfg(test)]
mod model;
mod operator;
mod post;
pub mod presence_pump;
mod reads;
pub mod rooms;
pub mod roster;
pub mod sequencer;
pub mod trace;
mod visitor;
pub mod window;

use std::{sync::Arc, time::Duration};

pub use here::{Here, Seams};
pub use listing::{RoomInfo, RoomList};
pub use operator::{Backlog, Peer, announcement};
pub use post::{PostRefused, Receipt};
pub use rooms::People;
pub use roster::Departure;
pub use visitor::Visitor;

use self::{
    directory::Directory,
    log_writer::{LogWriter, Outlet},
    presence_pump::OwnChanges,
    rooms::{Conductor, Rooms},
    window::{WindowLimit, Windows},
};
use crate::{
    cluster::Envelope,
    domain::{RoomId, RoomName, UserId, Username},
    error::Refusal,
    hub::Hub,
    shutdown::Tasks,
};

/// Names and units of what this room counts, and each of it from zero.
pub fn describe_metrics() {
    log_writer::describe_metrics();
    rooms::describe_metrics();
    metrics::describe_gauge!(
        "chorus_presence_current",
        "1 while the lists of people follow the other nodes, 0 while they are frozen without the bus"
    );
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub user: UserId,
    /// The name.
    pub username: Username,
    /// Whether it is a program, which has a limit of its own.
    pub is_bot: bool,
}

/// What chat is set to.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The longest message, in Unicode scalar values.
    pub message_chars: usize,
    /// The message window.
    pub window: WindowLimit,
    /// Messages of a bot in that window.
    pub bot_messages: usize,
    /// How many rooms one socket may join.
    pub max_rooms_per_socket: usize,
    /// How long a person whose last socket was lost stays in the lists.
    pub grace: Duration,
}

/// Chat on one node. What may be asked of it is in [`post`] and [`listing`], for HTTP, and in
/// [`Visitor`], for sockets.
pub struct Chat {
    here: Here,
    log: LogWriter,
    windows: Arc<Windows>,
    directory: Directory,
    settings: Settings,
}

impl Chat {
    /// Starts chat's tasks. `others` is called with what nodes tell each other that is not chat's:
    /// ends of sign-ins, an operator's questions and answers. It must not wait.
    pub fn start(
        seams: Seams,
        hub: Hub,
        tasks: &Tasks,
        settings: Settings,
        others: Arc<dyn Fn(Envelope) + Send + Sync>,
    ) -> Arc<Self> {
        let (rooms, queue) = Rooms::channel();
        let here = Here::new(seams, rooms, tasks);
        let own = Arc::new(OwnChanges::default());
        let set = rooms::Settings { grace: settings.grace };
        tasks.spawn("rooms", Conductor::new(hub, here.clone(), Arc::clone(&own), set).run(queue));
        tasks.spawn("heartbeat", heartbeat::run(here.clone(), Arc::clone(&own)));
        tasks.spawn("burials", heartbeat::bury(here.clone()));
        tasks.spawn("presence", presence_pump::run(here.clone(), own));
        tasks.spawn("bus", here.clone().listen(others));
        let outlet: Arc<dyn Outlet> = Arc::new(here.clone());
        let log = LogWriter::start(tasks, &here.store, &outlet);
        let windows = Arc::new(Windows::new(settings.window.window));
        tasks.spawn("windows", exchange::run(Arc::clone(&windows), here.clone()));
        Arc::new(Self {
            here,
            log,
            windows,
            directory: Directory::default(),
            settings,
        })
    }

    /// The number of a room.
    async fn room_id(&self, name: &RoomName) -> Result<RoomId, Refusal> {
        self.directory.id(name, &*self.here.store).await
    }

    /// This node stops: its people stay in the lists for the grace time and no longer.
    pub async fn withdraw(&self) {
        let call = self.here.presence.withdraw(self.here.me(), self.settings.grace);
        if let Err(error) = here::bounded(call).await {
            tracing::debug!(%error, "not withdrawn; the lease ends by itself");
        }
    }
}
