//! Everything at once, as the dice fall: nodes are killed and frozen, the broker is killed, lines break. A seed that
//! fails prints what was done; `RELAY_SEED=n` does it again.

use std::{sync::Arc, time::Duration};

use super::{
    broker::{meanwhile, talking},
    has_all, leader, own, relaying,
};
use crate::{
    harness::{
        line::Backoff,
        proxy::{Direction, Proxy},
        scene::{Cluster, Setup},
    },
    servers::rabbitmq::RabbitMq,
};

const NODES: usize = 3;
/// How often each deed is done.
const TIMES: usize = 2;

/// The seed of this run.
#[allow(clippy::disallowed_methods, reason = "a test, not the program")]
pub(super) fn seed() -> u64 {
    std::env::var("RELAY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    KillLeader,
    FreezeLeader,
    KillBroker,
    LoseWords,
    CutLine,
    SlowLine,
}

const DEEDS: [Deed; 6] = [
    Deed::KillLeader,
    Deed::FreezeLeader,
    Deed::KillBroker,
    Deed::LoseWords,
    Deed::CutLine,
    Deed::SlowLine,
];

/// Dice that fall the same way for the same seed.
pub(super) struct Dice(Backoff);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self(Backoff::of(&format!("relay {seed}")))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.0.part() * count as f64) as usize).min(count - 1)
    }

    /// These, in an order that the dice choose.
    pub(super) fn mixed<D>(&mut self, mut deeds: Vec<D>) -> Vec<D> {
        for last in (1..deeds.len()).rev() {
            deeds.swap(last, self.below(last + 1));
        }
        deeds
    }
}

/// A node is killed, and comes back.
pub(super) async fn kills(cluster: &mut Cluster, place: usize, pause: Duration) {
    cluster.nodes[place].kill().await;
    tokio::time::sleep(pause).await;
    cluster.nodes[place].start().await;
}

/// A node stands still for a while.
pub(super) async fn freezes(cluster: &mut Cluster, place: usize, pause: Duration) {
    cluster.nodes[place].freeze().await;
    tokio::time::sleep(pause).await;
    cluster.nodes[place].thaw().await;
}

/// What comes back on a line is lost.
pub(super) async fn loses_words(line: &Proxy, pause: Duration) {
    line.swallow(Direction::Down);
    tokio::time::sleep(pause).await;
    line.reset();
    line.heal();
}

/// A line is cut.
pub(super) async fn cuts(line: &Proxy, pause: Duration) {
    line.cut();
    tokio::time::sleep(pause).await;
    line.heal();
}

async fn does(deed: Deed, cluster: &mut Cluster, broker: &Arc<RabbitMq>, line: &Proxy, pause: Duration) {
    match deed {
        Deed::KillLeader => {
            let place = leader(cluster).await;
            kills(cluster, place, pause).await;
        }
        Deed::FreezeLeader => {
            let place = leader(cluster).await;
            freezes(cluster, place, pause * 4).await;
        }
        Deed::KillBroker => {
            meanwhile(broker, RabbitMq::kill).await;
            tokio::time::sleep(pause).await;
            meanwhile(broker, RabbitMq::restart).await;
        }
        Deed::LoseWords => loses_words(line, pause).await,
        Deed::CutLine => cuts(line, pause).await,
        Deed::SlowLine => {
            line.delay(Duration::from_millis(300));
            tokio::time::sleep(pause).await;
            line.heal();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_a_consumer_sees_each_event_once_and_in_order() {
    let seed = seed();
    let (broker, way, consumer) = own().await;
    let broker = Arc::new(broker);
    let (way, line) = way.by_a_line().await;
    let mut cluster = relaying(Setup::of(NODES), &way).start().await;
    let crowd = talking(&cluster, 9).await;
    let mut dice = Dice::of(seed);
    for (step, deed) in dice.mixed(DEEDS.repeat(TIMES)).into_iter().enumerate() {
        let pause = Duration::from_millis(100 + 100 * dice.below(15) as u64);
        println!("seed {seed}, step {step}: {deed:?} for {pause:?}");
        does(deed, &mut cluster, &broker, &line, pause).await;
        crowd.acked(20).await;
    }
    crowd.fall_silent().await;
    has_all(&consumer, &cluster, &crowd.rooms()).await;
    let came = consumer.came();
    let again = came.iter().filter(|one| !one.taken).count();
    println!("seed {seed}: {} events came, {again} of them again or too early", came.len());
}
