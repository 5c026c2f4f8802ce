//! Thousands of connects, reloads from node to node and a kill, by a fixed plan: at the end all
//! nodes and all clients have the same people.

use std::time::{Duration, Instant};

use crate::{
    NODES,
    harness::{
        crowd::Crowd,
        line::Backoff,
        person::Order,
        scene::{Expected, Setup},
    },
};

const PEOPLE: usize = 40;
const CONNECTS: usize = 2000;
/// How long the churn may take on a slow machine.
const MOST: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread")]
async fn after_thousands_of_connects_and_a_kill_all_lists_are_the_same() {
    let mut cluster = Setup::of(NODES).with("MAX_SOCKETS_PER_USER", "1000").start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(PEOPLE).await;
    crowd.talk(Duration::from_millis(500)).await;
    let mut chance = Backoff::of("churn");
    let began = Instant::now();
    let mut killed = false;
    while crowd.visits() < CONNECTS {
        assert!(began.elapsed() < MOST, "{} connects only", crowd.visits());
        for person in &crowd.people {
            let node = (0..NODES).find(|_| chance.part() < 0.4).unwrap_or_default();
            let order = match chance.part() {
                part if part < 0.1 => Order::Leave,
                part if part < 0.3 => Order::Return,
                _ => Order::Reload(Some(node)),
            };
            person.tell(order).await;
        }
        if !killed && crowd.visits() > CONNECTS / 2 {
            cluster.nodes[1].kill().await;
            cluster.nodes[1].start().await;
            killed = true;
        }
    }
    assert!(killed);
    // A half stays away.
    for (number, person) in crowd.people.iter().enumerate() {
        person.tell(if number % 2 == 0 { Order::Return } else { Order::Leave }).await;
    }
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert!(judged.sockets >= CONNECTS, "{judged:?}");
}
