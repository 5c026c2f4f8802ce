//! The operator's desk: what this node knows of itself and of the others, and what an operator may do
//! to all of them.
//!
//! One node is asked and speaks for itself; what it does not know it asks the others over the bus
//! ([`inquiries`]), and says who did not answer. What they ask is answered in [`answers`]. Nothing here
//! is needed for the chat to go on, and nothing here waits longer than [`inquiries::PATIENCE`] or the
//! store's own limit.

mod answers;
mod connections;
mod deeds;
mod inquiries;
mod overview;
mod rebalance;
mod tokens;
mod vitals;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::{
    connections::{Asked, Connections, parse_place, written},
    overview::{Member, Overview},
    rebalance::{Rebalanced, WINDOW_MAX},
    tokens::ListedToken,
    vitals::Vitals,
};
use self::{deeds::Deeds, inquiries::Inquiries, overview::Hosts};
use crate::{
    auth::Auth,
    chat::{Chat, announcement},
    cluster::{
        Envelope, Incarnation,
        inquiry::{Request, Told},
    },
    domain::{MessageBody, RoomName, Username},
    error::Refusal,
    readiness::Readiness,
    shutdown::Tasks,
    ws::Sockets,
};

/// Notices for the desk that may wait; more are lost, and whoever asked hears nothing.
pub const HEARD: usize = 256;

/// What a node hands to its desk.
pub struct Parts {
    /// What operators call this node: host and port.
    pub name: String,
    /// Who is signed in.
    pub auth: Arc<Auth>,
    /// Rooms, and the way to the others.
    pub chat: Arc<Chat>,
    /// The sockets.
    pub sockets: Sockets,
    /// Whether it should be sent people.
    pub readiness: Readiness,
    /// What it stands on.
    pub vitals: Vitals,
    /// The longest text of an announcement, in Unicode scalar values.
    pub message_chars: usize,
    /// How long a drain may take.
    pub shutdown_timeout: Duration,
}

/// The desk of one node.
pub struct Desk {
    parts: Parts,
    began: Instant,
    inquiries: Inquiries,
    hosts: Hosts,
    deeds: Deeds,
    stop: CancellationToken,
}

/// What came of something that all nodes were asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Each node that did it, and to how many sockets.
    pub nodes: Vec<DoneThere>,
    /// Nodes that did not answer.
    pub silent: Vec<String>,
}

/// What one node did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneThere {
    /// Which.
    pub node: String,
    /// To so many.
    pub sockets: u64,
}

/// A node that has begun to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drained {
    /// Which.
    pub node: String,
    /// How long it may take.
    pub within_seconds: u64,
}

impl Desk {
    /// Starts it. `heard` is what other nodes ask and answer.
    pub fn start(parts: Parts, heard: mpsc::Receiver<Envelope>, tasks: &Tasks) -> Arc<Self> {
        let desk = Arc::new(Self {
            inquiries: Inquiries::new(parts.chat.clone()),
            parts,
            began: Instant::now(),
            hosts: Hosts::default(),
            deeds: Deeds::new(tasks),
            stop: CancellationToken::new(),
        });
        let (to_answer, questions) = mpsc::channel(HEARD);
        tasks.spawn("desk", desk.clone().hear(heard, to_answer, tasks.stopped().clone()));
        tasks.spawn("desk answers", desk.clone().reply_to_all(questions));
        desk
    }

    /// Ends all sign-ins of a person, their sockets everywhere and what browsers remember; answers how
    /// many sign-ins there were.
    ///
    /// # Errors
    /// `not_found`, or what the store refuses.
    pub async fn sign_out(&self, username: &Username) -> Result<usize, Refusal> {
        let ended = self.parts.auth.admin_sign_out(username).await?;
        tracing::info!(%username, ended, "the operator ended somebody's sign-ins");
        Ok(ended)
    }

    /// Says something to everybody on all nodes, or in one room; to the end, also when nobody waits for it
    /// any more.
    ///
    /// # Errors
    /// `message_empty`, `message_too_long`, `room_not_found`; `unavailable` when too much is under way.
    pub async fn announce(self: &Arc<Self>, text: &str, room: Option<&RoomName>) -> Result<Done, Refusal> {
        let text = MessageBody::parse(text, self.parts.message_chars)?;
        let room = match room {
            Some(name) => Some(self.parts.chat.number_of(name).await?.0),
            None => None,
        };
        let desk = Arc::clone(self);
        self.deeds.run(async move { desk.announce_to_all(room, text).await }).await
    }

    async fn announce_to_all(&self, room: Option<i64>, text: MessageBody) -> Done {
        let here = self.tell(room, text.as_str()).await;
        tracing::info!(sockets = here, "the operator announced something");
        let answers = self.inquiries.ask(Request::Announce { room, text: text.as_str().to_owned() }).await;
        let mut nodes = vec![DoneThere { node: self.parts.name.clone(), sockets: here }];
        for answer in &answers.told {
            if let Told::Done(sockets) = answer.what {
                nodes.push(DoneThere { node: self.hosts.name(answer.from), sockets });
            }
        }
        Done { nodes, silent: self.names(&answers.silent) }
    }

    /// The sockets here are told; answers how many.
    async fn tell(&self, room: Option<i64>, text: &str) -> u64 {
        let told = match room {
            Some(room) => self.parts.chat.announce(crate::domain::RoomId(room), text).await,
            None => self.parts.sockets.tell_all(&announcement(text)).await,
        };
        told as u64
    }

    /// This node is to stop, as if it had been sent SIGTERM.
    pub fn drain(&self) -> Drained {
        tracing::info!("the operator drains this node");
        self.stop.cancel();
        Drained {
            node: self.parts.name.clone(),
            within_seconds: self.parts.shutdown_timeout.as_secs(),
        }
    }

    /// Ends when [`Desk::drain`] was called.
    pub async fn drained(&self) {
        self.stop.cancelled().await;
    }

    fn names(&self, nodes: &[Incarnation]) -> Vec<String> {
        nodes.iter().map(|who| self.hosts.name(*who)).collect()
    }
}
