//! What remembers fails: PostgreSQL is killed, stands still, or can't be reached by one node. What
//! was acknowledged stays; what was not is said again.

use std::time::Duration;

use serde_json::json;

use crate::{
    NODES,
    common::eventually,
    harness::{
        crowd::Crowd,
        proxy::Direction,
        record::{Event, Recording},
        scene::{Cluster, Expected, Setup},
    },
    talking,
};

fn refusals(recording: &Recording) -> usize {
    let refused = |event: &Event| matches!(event, Event::Error { .. });
    recording.entries.iter().filter(|entry| refused(&entry.event)).count()
}

async fn somebody_is_refused(crowd: &Crowd) {
    let count = || crowd.people.iter().map(|person| person.recorder().look(refusals)).sum::<usize>();
    let before = count();
    eventually("somebody is refused", async || count() > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_killed_and_started_again_under_load() {
    let (cluster, crowd) = talking(Setup::of(NODES).durable()).await;
    let from = cluster.clock.now();
    for _ in 0..2 {
        cluster.postgres.kill();
        somebody_is_refused(&crowd).await;
        cluster.postgres.restart();
        crowd.acked(100).await;
    }
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, 10, "nobody lost a socket over it");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_stands_still_under_load() {
    let (cluster, crowd) = talking(Setup::of(NODES)).await;
    let from = cluster.clock.now();
    cluster.postgres.freeze();
    somebody_is_refused(&crowd).await;
    cluster.postgres.thaw();
    crowd.acked(100).await;
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, 10, "nobody lost a socket over it");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_s_line_to_postgresql_breaks_in_every_way() {
    let (cluster, crowd) = talking(Setup::of(NODES).proxied()).await;
    let line = cluster.nodes[0].to_postgres.as_ref().unwrap();
    line.cut();
    somebody_is_refused(&crowd).await;
    line.heal();
    crowd.acked(50).await;
    line.swallow(Direction::Down);
    somebody_is_refused(&crowd).await;
    line.heal();
    crowd.acked(50).await;
    line.half_close(Direction::Down);
    crowd.acked(50).await;
    line.delay(Duration::from_millis(50));
    crowd.acked(50).await;
    line.heal();
    cluster.judge(&crowd, Expected::default()).await;
}

/// The sessions at the server that have appended to the log last.
fn appending(cluster: &Cluster) -> Vec<String> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%chorus_append%' AND pid <> pg_backend_pid()";
    cluster.postgres.sql(&cluster.database, sql).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stalled_line_held_back_is_not_committed_when_it_heals() {
    let cluster = Setup::of(NODES).proxied().start().await;
    let mut alice = cluster.guest(0, "alice").await;
    alice.say_acked("lobby", "m1", "before").await;
    let sessions = appending(&cluster);
    let line = cluster.nodes[0].to_postgres.as_ref().unwrap();
    line.stall();
    alice.say("lobby", "z1", "held back").await;
    let refused = alice.until(|frame| frame["type"] == "error" && frame["id"] == "z1").await;
    assert_eq!(refused["code"], "outcome_unknown");
    line.heal();
    // Such a session has read all that was held before it can see that its node is gone.
    let over = async || !appending(&cluster).iter().any(|session| sessions.contains(session));
    eventually("what was held back has arrived", over).await;
    let ids: Vec<_> = cluster.log("lobby").into_iter().map(|said| said.id).collect();
    assert_eq!(ids, ["m1"], "what alice was told is over is over");
    let again = alice.say_acked("lobby", "z1", "held back").await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(2), &json!(null)), "{again}");
}
