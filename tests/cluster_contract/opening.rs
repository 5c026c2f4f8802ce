//! How a cluster on Redis is opened and left: without waiting for it, and without leaving a trace.

use std::time::{Duration, Instant};

use chorus::{
    cluster::{Envelope, Incarnation},
    shutdown::Tasks,
};

use crate::{
    fixture::{Ears, LIMIT, NodeEnds, any_room, bell, eventually, typing},
    redis::{Home, any_space, node},
    servers::redis::Redis,
};

/// Waits until a node can ring again.
async fn rings(node: &NodeEnds) {
    eventually("it rings", async || {
        let envelope = Envelope { from: Incarnation::random(), notice: bell() };
        node.bus.publish(envelope).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_opens_without_redis_and_finds_it_later() {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let _home = Home(tasks.clone());
    let one = node(&server.url(), &space, &tasks).await;
    server.kill();
    let began = Instant::now();
    let late = node(&server.url(), &space, &tasks).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let (room, mut ears) = (any_room(), Ears::of(&late));
    assert!(late.bus.subscribe(room).await.is_err(), "nobody confirms it");
    assert!(late.presence.sets(room).await.is_err());
    server.restart();
    // What was asked for in vain is asked for again.
    eventually("it is confirmed", async || late.bus.subscribe(room).await.is_ok()).await;
    // Until it knows whose Redis it is, it believes nothing.
    eventually("it knows whose it is", async || late.presence.sets(room).await.is_ok()).await;
    rings(&one).await;
    let told = one.ring(typing(room)).await;
    ears.until(&told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wanted_while_redis_was_away_is_heard_once_it_is_back() {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let _home = Home(tasks.clone());
    let (one, other) = (
        node(&server.url(), &space, &tasks).await,
        node(&server.url(), &space, &tasks).await,
    );
    let (room, mut ears) = (any_room(), Ears::of(&other));
    server.kill();
    assert!(other.bus.subscribe(room).await.is_err());
    server.restart();
    let channel = format!("{space}:bell:{}", room.0);
    eventually("it is subscribed without being asked again", async || {
        server.cli(&["PUBSUB", "NUMSUB", &channel]).ends_with('1')
    })
    .await;
    rings(&one).await;
    let told = one.ring(typing(room)).await;
    ears.until(&told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_leaves_no_connection() {
    let (server, tasks) = (Redis::start(), Tasks::new());
    let ends = node(&server.url(), &any_space(), &tasks).await;
    let connections = || server.cli(&["CLIENT", "LIST"]).lines().count();
    assert_eq!(connections(), 4, "three of the node and ours");
    tasks.stop();
    assert!(tasks.join(LIMIT).await, "all tasks end");
    eventually("they are closed", async || connections() == 1).await;
    assert!(ends.presence.beat(Incarnation::random()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_the_door_and_is_never_repeated() {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let _home = Home(tasks.clone());
    server.cli(&["CONFIG", "SET", "requirepass", "hunter2-right"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", server.port());
    let good = node(&url("hunter2-right"), &space, &tasks).await;
    let me = Incarnation::random();
    assert_eq!(good.presence.beat(me).await.unwrap(), [(me, 1)]);
    let began = Instant::now();
    let bad = node(&url("hunter2-wrong"), &space, &tasks).await;
    let Err(error) = bad.presence.beat(me).await else { panic!("it got in") };
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
