//! After a restart people are where the restart left them. This sends so many of this node's sockets
//! elsewhere as it has more than the mean of all nodes.
//!
//! Each is asked to reconnect at a time of its own and served until then, as in a drain. A balancer
//! that keeps people on their node would bring them back, so this node turns each of them away once
//! ([`crate::ws::Moves`]), and so does each of the others from the moment on when it has the mean itself:
//! whoever goes on asking the next node ends where there is room, however many nodes there are.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Desk, DoneThere};
use crate::{
    cluster::inquiry::{MOST, NodeState, Request, Told},
    error::Refusal,
    ws::Mover,
};

/// The longest window.
pub const WINDOW_MAX: Duration = Duration::from_mins(10);
/// How long after the last of them should have gone one is still turned away.
const LATE: Duration = Duration::from_secs(15);

/// What is moved, and why so many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebalanced {
    /// This node's sockets before.
    pub sockets: u64,
    /// So many each node would have.
    pub mean: u64,
    /// So many are asked to go.
    pub moving: u64,
    /// Within so many seconds.
    pub window_seconds: u64,
    /// Whether they are only counted.
    pub dry_run: bool,
    /// The other nodes that people may go to.
    pub nodes: Vec<DoneThere>,
    /// Nodes that did not answer, and are not reckoned with.
    pub silent: Vec<String>,
}

impl Desk {
    /// Evens this node out, within `window`; or only says what that would be. Whom it has begun to send away
    /// it does, also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// `unavailable` when too much is under way.
    pub async fn rebalance(self: &Arc<Self>, window: Duration, dry_run: bool) -> Result<Rebalanced, Refusal> {
        let desk = Arc::clone(self);
        self.deeds.run(async move { desk.even_out(window, dry_run).await }).await
    }

    async fn even_out(&self, window: Duration, dry_run: bool) -> Rebalanced {
        let answers = self.inquiries.ask(Request::State).await;
        let mut others = Vec::new();
        for answer in &answers.told {
            if let Told::State(state) = &answer.what {
                self.hosts.learn(answer.from, &state.name);
                others.push((answer.from, state));
            }
        }
        let ready: Vec<_> = others.iter().filter(|(_, state)| takes_people(state)).collect();
        let own = self.parts.sockets.len() as u64;
        let counts: Vec<u64> = ready.iter().map(|(_, state)| state.sockets).collect();
        let mean = mean(own, &counts);
        let wanted = usize::try_from(own.saturating_sub(mean)).unwrap_or(usize::MAX);
        let movers = if ready.is_empty() { Vec::new() } else { self.parts.sockets.newest(wanted).await };
        let moving = movers.len() as u64;
        if !dry_run && moving > 0 {
            tracing::info!(moving, mean, sockets = own, "the operator evens out this node");
            let full = ready.iter().filter(|(_, state)| state.sockets >= mean);
            let full = full.map(|(who, _)| who.to_string()).collect();
            self.send_away(movers, Enough { mean, full }, window).await;
        }
        Rebalanced {
            sockets: own,
            mean,
            moving,
            window_seconds: window.as_secs(),
            dry_run,
            nodes: ready
                .iter()
                .map(|(_, state)| DoneThere { node: state.name.clone(), sockets: state.sockets })
                .collect(),
            silent: self.names(&answers.silent),
        }
    }

    /// Tells the others who comes, then those sockets when to go. A node that has not heard it in time lets
    /// in whoever comes.
    async fn send_away(&self, movers: Vec<Mover>, enough: Enough, window: Duration) {
        let within = window + LATE;
        // Here there is no room for any of them, however many have gone.
        let sids = movers.iter().map(|mover| mover.sid);
        self.parts.sockets.moves().send_on(Instant::now(), within, 0, sids);
        let full: Vec<String> = enough.full.into_iter().take(MOST).collect();
        let sids: Vec<String> = movers.iter().map(|mover| mover.sid.to_string()).collect();
        for (index, some) in sids.chunks(MOST).enumerate() {
            let (seconds, mean) = (within.as_secs(), Some(enough.mean));
            let expect = Request::Expect { sids: some.to_vec(), full: full.clone(), mean, seconds };
            if (index + 1) * MOST < sids.len() {
                self.inquiries.tell(expect);
            } else {
                // Who has answered the last part has mostly heard the others; the first socket may go.
                self.inquiries.ask(expect).await;
            }
        }
        let count = u32::try_from(movers.len()).unwrap_or(u32::MAX).max(1);
        for (index, mover) in (0u32..).zip(&movers) {
            mover.ask(window / count * index);
            if index % 256 == 255 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// When a node has enough sockets.
struct Enough {
    /// From so many on.
    mean: u64,
    /// Which had so many when they were asked: for nodes of the version before, which go by this.
    full: Vec<String>,
}

/// Whether people may be sent there.
const fn takes_people(state: &NodeState) -> bool {
    state.causes.is_empty()
}

/// What each node would have if all had the same, rounded up: nobody is moved for one socket.
fn mean(own: u64, others: &[u64]) -> u64 {
    let all = others.iter().fold(own, |all, sockets| all.saturating_add(*sockets));
    all.div_ceil(others.len() as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_of_all_nodes_and_rounded_up() {
        assert_eq!(mean(30, &[0, 15]), 15);
        assert_eq!(mean(10, &[10, 11]), 11);
        assert_eq!(mean(7, &[]), 7, "nobody to send anybody to");
        assert_eq!(mean(u64::MAX, &[u64::MAX]), u64::MAX / 2 + 1);
    }
}
