//! The rooms that have members on this node: one task owns their sequencers and rosters, so that
//! what it tells the hub is in one order.
//!
//! Everything reaches it by one bounded queue; whoever hands something in waits when it is full.

mod command;
mod conductor;
mod room;

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

pub(super) use command::{Arrival, Command, GoLive, NotLive, Reading};
pub use conductor::Conductor;

use super::{roster::LISTED, sequencer::Contradiction};
use crate::{
    cluster::SetsVersion,
    domain::{RoomId, RoomName, Username},
    error::Refusal,
    protocol::v1::PeopleFragment,
};

/// How many commands may wait.
const QUEUE: usize = 4096;

/// A page of people.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// Names in list order.
    pub users: Vec<Username>,
    /// How many there are in all.
    pub user_count: usize,
    /// The last name of this page, if the list goes on.
    pub next: Option<Username>,
}

/// Names and units of what is counted here, and each of it from zero.
pub(super) fn describe_metrics() {
    metrics::describe_histogram!(
        "chorus_publish_to_deliver_seconds",
        metrics::Unit::Seconds,
        "From a message's commit to its delivery on this node"
    );
    metrics::describe_counter!(
        "chorus_repairs_total",
        "Ranges of messages read from the log because a notice was missed"
    );
    let _ = metrics::histogram!("chorus_publish_to_deliver_seconds");
    metrics::counter!("chorus_repairs_total").increment(0);
    Contradiction::describe();
}

/// A handle on the rooms' task.
#[derive(Clone)]
pub struct Rooms {
    commands: mpsc::Sender<Command>,
}

impl Rooms {
    /// A handle, and the queue's other end for [`Conductor`].
    pub(super) fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (commands, queue) = mpsc::channel(QUEUE);
        (Self { commands }, queue)
    }

    /// Hands a command in; waits while the queue is full. After the node's stop it does nothing.
    pub(super) async fn send(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    pub(super) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, asked) = oneshot::channel();
        self.send(command(answer)).await;
        asked.await.ok()
    }

    /// Makes sure that the room is followed here: what is committed from now on is delivered.
    /// Bounded by the bus' and the store's own limits.
    pub(super) async fn enter(&self, room: RoomId, name: RoomName) -> Result<(), Refusal> {
        let entered = self.ask(|answer| Command::Enter { room, name, answer }).await;
        entered.unwrap_or_else(|| Err(Refusal::unavailable()))
    }

    /// The last step of joining, in order with everything the members are told.
    pub(super) async fn go_live(&self, entry: GoLive) -> Result<(), NotLive> {
        let joining = self.ask(|answer| Command::GoLive { entry, answer }).await;
        match joining.flatten() {
            None => Err(NotLive::Closed),
            Some(joined) => match joined.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(NotLive::Behind),
                Err(_) => Err(NotLive::Closed),
            },
        }
    }

    /// The encoded list of a room that has members here.
    pub(super) async fn fragment(&self, room: RoomId) -> Option<Arc<PeopleFragment>> {
        self.ask(|answer| Command::Fragment { room, answer }).await.flatten()
    }

    /// A page of the list of a room that has members here.
    pub(super) async fn people(&self, room: RoomId, after: Option<Username>, limit: usize) -> Option<People> {
        self.ask(|answer| Command::People { room, after, limit, answer }).await.flatten()
    }

    /// The version of the cluster's sets that each open room shows.
    pub(super) async fn sets_versions(&self) -> Vec<(RoomId, SetsVersion)> {
        self.ask(|answer| Command::SetsVersions { answer }).await.unwrap_or_default()
    }

    /// How many people are in each room that has members here.
    pub(super) async fn counts(&self) -> Vec<(RoomId, usize)> {
        self.ask(|answer| Command::Counts { answer }).await.unwrap_or_default()
    }
}

/// What the rooms' task is set to.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a person whose last socket was lost stays in the list.
    pub grace: Duration,
}

const _: () = assert!(LISTED == crate::protocol::v1::USERS_MAX);
