//! The cluster as this node sees it: itself exactly, the others by their heartbeats and by what they
//! answer.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Desk;
use crate::{
    chat::Peer,
    cluster::{
        Incarnation,
        inquiry::{NodeState, Request, Told},
    },
};

/// Names that are remembered, so that a node that is gone can still be called by its own.
const REMEMBERED: usize = 1000;

/// What other nodes are called.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<Incarnation, String>>);

impl Hosts {
    pub(super) fn learn(&self, who: Incarnation, name: &str) {
        let mut names = self.0.lock();
        if names.len() < REMEMBERED || names.contains_key(&who) {
            names.insert(who, name.to_owned());
        }
    }

    /// Its name, or its incarnation's first digits as long as it has not said it.
    pub(super) fn name(&self, who: Incarnation) -> String {
        let known = self.0.lock().get(&who).cloned();
        known.unwrap_or_else(|| who.to_string().chars().take(8).collect())
    }
}

/// The cluster as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The node that was asked.
    pub node: Member,
    /// The others.
    pub peers: Vec<Member>,
}

/// A node as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its incarnation.
    pub incarnation: String,
    /// What operators call it, or its incarnation's first digits.
    pub name: String,
    /// Whether it was declared dead.
    pub dead: bool,
    /// How long its heartbeat has stood still; of a dead one, since when it is.
    pub lease_age_millis: u64,
    /// How long its answer took over the bus.
    pub answered_millis: Option<u64>,
    /// What it says of itself; nothing when it did not answer.
    pub state: Option<NodeState>,
}

impl Desk {
    /// The cluster as this node sees it now.
    pub async fn overview(&self) -> Overview {
        let answers = self.inquiries.ask(Request::State).await;
        let mut told = HashMap::new();
        for answer in answers.told {
            if let Told::State(state) = answer.what {
                self.hosts.learn(answer.from, &state.name);
                told.insert(answer.from, (millis(answer.after), *state));
            }
        }
        let mut peers: Vec<Member> = self
            .parts
            .chat
            .peers()
            .into_iter()
            .map(|peer| self.member(peer, told.remove(&peer.who)))
            .collect();
        peers.sort_by(|a, b| (a.dead, &a.name).cmp(&(b.dead, &b.name)));
        Overview { node: self.myself().await, peers }
    }

    fn member(&self, peer: Peer, told: Option<(u64, NodeState)>) -> Member {
        let (answered_millis, state) = told.unzip();
        Member {
            incarnation: peer.who.to_string(),
            name: self.hosts.name(peer.who),
            dead: peer.dead,
            lease_age_millis: millis(peer.age),
            answered_millis,
            state,
        }
    }

    async fn myself(&self) -> Member {
        Member {
            incarnation: self.parts.chat.me().to_string(),
            name: self.parts.name.clone(),
            dead: false,
            lease_age_millis: 0,
            answered_millis: Some(0),
            state: Some(self.state().await),
        }
    }

    /// How this node is.
    pub(super) async fn state(&self) -> NodeState {
        let (parts, backlog) = (&self.parts, self.parts.chat.backlog());
        NodeState {
            name: parts.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            up_seconds: self.began.elapsed().as_secs(),
            causes: parts.readiness.causes().iter().map(|cause| cause.as_str().to_owned()).collect(),
            sockets: parts.sockets.len() as u64,
            people: parts.auth.people() as u64,
            rooms: parts.chat.open_rooms().await as u64,
            log_queue: backlog.log as u64,
            bus_queue: backlog.bus as u64,
            database: parts.vitals.database(),
            bus: parts.vitals.bus(),
            replicas: parts.vitals.replicas(),
        }
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
