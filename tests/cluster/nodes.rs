//! Nodes die and stand still.

use std::time::{Duration, Instant};

use crate::{
    NO_GHOSTS, NODES,
    common::eventually,
    harness::{
        check::NodeList,
        person::{Order, Plan},
        scene::{Expected, Setup},
    },
    talking,
};

/// How often each of the people says something.
pub(crate) const PACE: Duration = Duration::from_millis(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_takes_nobody_and_nothing_with_it() {
    let (mut cluster, mut crowd) = talking(Setup::of(NODES)).await;
    // One who knows no other node, so that only the others can find out that it is gone.
    let only = [cluster.nodes[1].address()];
    crowd.enter_as(Plan::of("faithful", &only, 0));
    crowd.all_here().await;
    crowd.talk(PACE).await;
    crowd.acked(50).await;

    // Slower, or who is away for long is too far behind to resume.
    crowd.talk(5 * PACE).await;
    cluster.nodes[1].kill().await;
    let killed = Instant::now();
    eventually("no list has a ghost", async || {
        let lists = cluster.lists("lobby").await;
        lists.len() == 2 && lists.iter().all(|list| is_complete(list, "faithful"))
    })
    .await;
    assert!(killed.elapsed() < NO_GHOSTS, "{:?}", killed.elapsed());
    crowd.acked(100).await;

    cluster.nodes[1].start().await;
    crowd.all_here().await;
    crowd.people[0].tell(Order::SignOut).await;
    let judged = cluster.judge(&crowd, Expected::default()).await;
    assert!(judged.acks >= 250 && judged.sockets >= 11 + 4, "{judged:?}");
}

/// Everybody but one is there.
fn is_complete(list: &NodeList, without: &str) -> bool {
    list.users.len() == 10 && !list.users.iter().any(|name| name == without)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_for_longer_than_its_lease_comes_back_as_another() {
    let (cluster, crowd) = talking(Setup::of(NODES)).await;
    let buried = || cluster.nodes[2].said().contains("comes back as another");
    assert!(!buried());
    cluster.nodes[2].freeze().await;
    for person in &crowd.people {
        person.until("being on a node that lives", |progress| progress.here).await;
    }
    // Longer than the others wait for its heartbeat; they talk meanwhile.
    let frozen = Instant::now();
    while frozen.elapsed() < Duration::from_secs(8) {
        crowd.acked(20).await;
    }
    cluster.nodes[2].thaw().await;
    eventually("it finds itself declared dead", async || buried()).await;
    crowd.acked(100).await;
    cluster.judge(&crowd, Expected::default()).await;
}
