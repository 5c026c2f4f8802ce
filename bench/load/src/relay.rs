//! What it costs that everything goes on to a RabbitMQ: how fast a node tells it what has gathered, and what those who
//! chat feel of it, also while it is away or says nothing.
//!
//! The node and PostgreSQL have the servers' core. The broker is beside the generator: its own work would be on another
//! machine, and is told apart.

mod backlog;
mod beside;
mod servers;

use crate::{
    Outcome,
    figures::{Backlog, Beside},
    report::{rounds, step},
};
use servers::Servers;

/// Both, round after round; those who chat keep this share of the servers' core busy.
pub fn run(count: usize, load: f64) -> Outcome<(Vec<Backlog>, Vec<Beside>)> {
    let servers = Servers::start()?;
    let gathered = backlog::gather(&servers)?;
    let chats = beside::chats(&servers)?;
    let rate = beside::rate(&servers, &chats, load)?;
    rounds(count, (backlog::none(), beside::none()), |round, (backlogs, besides)| {
        step(&format!("round {round} of {count}"));
        backlog::tell_all(&servers, &gathered, backlogs)?;
        // What comes first has the machine as the round before has left it: everybody is first in turn.
        let first = round % chats.len();
        let order = (0..chats.len()).map(|at| (first + at) % chats.len());
        for at in order {
            beside::turn_of(&servers, &chats[at], rate, &mut besides[at])?;
        }
        Ok(())
    })
}
