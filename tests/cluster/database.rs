//! What remembers fails: PostgreSQL is killed, stands still, or can't be reached by one node. What
//! was acknowledged stays; what was not is said again.

use std::time::Duration;

use crate::{
    NODES,
    common::eventually,
    harness::{
        crowd::Crowd,
        proxy::Direction,
        record::{Event, Recording},
        scene::{Expected, Setup},
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
