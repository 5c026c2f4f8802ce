//! What nodes tell each other besides the chat: whether a node misses what others reach, who spoke how
//! much, which sign-ins ended. Each also while a part of the cluster is out of reach.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod harness;

use std::time::{Duration, Instant};

use common::{Client, PASSWORD, eventually, web::Web};
use harness::scene::{Cluster, Setup};
use serde_json::{Value, json};

const NODES: usize = 3;
/// Longer than a node's word about itself counts, and a look.
const LONG_ENOUGH: Duration = Duration::from_secs(8);

async fn causes(node: &Web) -> Value {
    let answer = node.get("/ready", "").await;
    assert_eq!(answer.status == 200, answer.body["causes"].is_null(), "{answer:?}");
    answer.body["causes"].clone()
}

async fn until_causes(node: &Web, expected: Value) {
    eventually(&format!("{expected}"), async || causes(node).await == expected).await;
}

/// For longer than anything takes that could change it.
async fn all_stay_ready(cluster: &Cluster) {
    let began = Instant::now();
    while began.elapsed() < LONG_ENOUGH {
        for node in 0..NODES {
            assert_eq!(causes(&cluster.web(node)).await, Value::Null, "node {node}");
            assert_eq!(cluster.web(node).get("/health", "").await.status, 200);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn guest(node: &Web, name: &str) -> Client {
    node.guest(&node.sign_in(name).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_not_ready_for_what_only_it_can_not_reach() {
    let cluster = Setup::of(NODES).proxied().start().await;
    let webs: Vec<Web> = (0..NODES).map(|node| cluster.web(node)).collect();
    let (mut alice, mut bob) = (guest(&webs[0], "alice").await, guest(&webs[0], "bob").await);

    let to_redis = cluster.nodes[0].to_redis.as_ref().unwrap();
    to_redis.cut();
    until_causes(&webs[0], json!(["bus"])).await;
    alice.say_acked("lobby", "cut", "its own chat goes on").await;
    bob.until_seq("lobby", 1).await;
    for other in &webs[1..] {
        assert_eq!(causes(other).await, Value::Null);
    }
    to_redis.heal();
    until_causes(&webs[0], Value::Null).await;

    let to_postgres = cluster.nodes[0].to_postgres.as_ref().unwrap();
    to_postgres.cut();
    until_causes(&webs[0], json!(["database"])).await;
    for other in &webs[1..] {
        assert_eq!(causes(other).await, Value::Null);
    }
    to_postgres.heal();
    until_causes(&webs[0], Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_down_for_everybody_takes_nobody_out_of_the_balancer() {
    let cluster = Setup::of(NODES).durable().start().await;
    let mut alice = guest(&cluster.web(0), "alice").await;
    cluster.redis().kill();
    all_stay_ready(&cluster).await;
    cluster.redis().restart();
    cluster.postgres.kill();
    let began = Instant::now();
    alice.say("lobby", "nowhere", "can you hear me?").await;
    let answer = alice.until(|frame| frame["id"] == "nowhere").await;
    assert_eq!(answer["type"], "error", "{answer}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    all_stay_ready(&cluster).await;
    cluster.postgres.restart();
    alice.say_acked("lobby", "nowhere", "can you hear me?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_gives_no_new_message_window() {
    let window = Setup::of(NODES).with("MESSAGE_LIMIT", "20").with("MESSAGE_WINDOW_SECONDS", "60");
    let cluster = window.start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let mut here = cluster.web(0).guest(&token).await;
    let mut there = cluster.web(1).guest(&token).await;
    for n in 0..19 {
        here.say_acked("lobby", &format!("here{n}"), "hello").await;
    }
    // It takes up to a second until the other node has heard: of what is said there meanwhile each is
    // one of the twenty, or too much.
    let began = Instant::now();
    let mut more = 0;
    let refusal = loop {
        let id = format!("there{more}");
        there.say("lobby", &id, "hello").await;
        let answer = there.until(|frame| frame["id"] == id.as_str() && frame["type"] != "message").await;
        if answer["type"] == "error" {
            break answer;
        }
        more += 1;
        assert!(began.elapsed() < Duration::from_secs(5) && more <= 20, "{more} more were taken");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(refusal["code"], "rate_limited", "{refusal}");
    assert!(refusal["retryAfterMs"].as_u64().unwrap() > 40_000, "{refusal}");
    let over_http = json!({ "id": "http", "message": "hello" });
    eventually("a third node has heard of it too", async || {
        cluster.web(2).post("/rooms/lobby/messages", &token, over_http.clone()).await.status == 429
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_everywhere_also_while_redis_is_away() {
    let cluster = Cluster::of(NODES).await;
    let webs: Vec<Web> = (0..NODES).map(|node| cluster.web(node)).collect();
    let away = [false, true];
    for redis_is_away in away {
        let first = webs[0].sign_in("alice").await;
        let second = webs[1].login("alice").await;
        let mut sockets = vec![webs[1].guest(&first).await, webs[2].guest(&first).await];
        let mut other = webs[0].guest(&second).await;
        if redis_is_away {
            cluster.redis().kill();
        }
        let began = Instant::now();
        assert_eq!(webs[2].post("/logout", "", json!({ "token": first })).await.status, 200);
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, 4001);
        }
        let limit = Duration::from_secs(if redis_is_away { 8 } else { 3 });
        assert!(began.elapsed() < limit, "{:?}", began.elapsed());

        // A new password ends all sign-ins but the one that asked for it.
        let third = webs[2].login("alice").await;
        let mut asks = webs[1].guest(&third).await;
        let change = json!({ "current": PASSWORD, "new": PASSWORD });
        assert_eq!(webs[1].post("/password", &third, change).await.status, 200);
        assert_eq!(other.closed().await, 4001);
        asks.say_acked("lobby", &format!("stays{redis_is_away}"), "still here").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_while_redis_is_away_joins_when_it_comes() {
    let mut cluster = Cluster::of(NODES).await;
    assert_eq!(cluster.nodes[2].stop().await, Some(0));
    let mut alice = guest(&cluster.web(0), "alice").await;
    cluster.redis().kill();
    cluster.nodes[2].start().await;
    let mut bob = guest(&cluster.web(2), "bob").await;
    alice.say_acked("lobby", "a", "through the log").await;
    bob.until_seq("lobby", 1).await;
    bob.say_acked("lobby", "b", "likewise").await;
    alice.until_seq("lobby", 2).await;
    cluster.redis().restart();
    for client in [&mut alice, &mut bob] {
        client.until_people("lobby", &["alice", "bob"]).await;
    }
}
