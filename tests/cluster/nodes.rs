//! Nodes die and stand still.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::{Client as Session, NoTls};

use crate::{
    AT_THE_EDGE, BUSY, NO_GHOSTS, NODES,
    common::eventually,
    harness::{
        beside,
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
    let (mut cluster, mut crowd) = talking(Setup::of(NODES).behind_nginx().undisturbed()).await;
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
    assert!(judged.acks >= 250 && judged.sockets >= 11 + AT_THE_EDGE + 4, "{judged:?}");
}

/// Everybody but one is there.
fn is_complete(list: &NodeList, without: &str) -> bool {
    list.users.len() == 10 + AT_THE_EDGE && !list.users.iter().any(|name| name == without)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_for_longer_than_its_lease_comes_back_as_another() {
    let (cluster, crowd) = talking(Setup::of(NODES).behind_nginx()).await;
    let buried = || cluster.nodes[2].said().contains("comes back as another");
    assert!(!buried());
    // Slower, as above: who comes through nginx may be sent to it again before that notices.
    crowd.talk(5 * PACE).await;
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

/// FAULTS: no room stays locked for others for longer.
const LOCKED: Duration = Duration::from_secs(2).saturating_add(BUSY);

/// A session of the database's administrator.
async fn session(url: &str) -> Session {
    let (session, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    beside(connection);
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_stopped_in_the_middle_of_an_append_locks_nobody_out() {
    let cluster = Setup::of(NODES).start().await;
    let (mut alice, mut bob) = (cluster.guest(0, "alice").await, cluster.guest(1, "bob").await);
    bob.say_acked("lobby", "b0", "before").await;
    let url = cluster.postgres.url(&cluster.database);
    let (holder, watcher) = (session(&url).await, session(&url).await);

    holder
        .batch_execute("BEGIN; SELECT 1 FROM rooms WHERE name = 'lobby' FOR UPDATE")
        .await
        .unwrap();
    alice.say("lobby", "a1", "in the middle").await;
    let waits =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%chorus_append%'";
    eventually("the append has begun", async || {
        !watcher.query(waits, &[]).await.unwrap().is_empty()
    })
    .await;
    cluster.nodes[0].freeze().await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let stopped = Instant::now();
    timeout(LOCKED, bob.say_acked("lobby", "b1", "can I?"))
        .await
        .expect("the room is not locked");
    println!("the next append was acknowledged {:.1?} after the stop", stopped.elapsed());

    cluster.nodes[0].thaw().await;
    let answer = alice.until(|frame| frame["id"] == "a1" && frame["type"] != "message").await;
    if answer["type"] == "error" {
        assert_eq!(answer["code"], "outcome_unknown", "{answer}");
        alice.say_acked("lobby", "a1", "in the middle").await;
    }
    for client in [&mut alice, &mut bob] {
        client.until_seq("lobby", 3).await;
    }
    let ids: Vec<String> = cluster.log("lobby").into_iter().map(|said| said.id).collect();
    assert_eq!((ids.len(), &ids[0]), (3, &"b0".to_owned()), "each once: {ids:?}");
}
