//! Whether a node should be sent people, as it learns it from the others: what it alone misses
//! takes it out, what everybody misses empties no balancer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    BEYOND_A_LEASE, BUSY, NODES, all_the_while,
    common::{Client, PASSWORD, eventually},
    harness::{
        proxy::Proxy,
        scene::{Cluster, Setup},
    },
};

/// DESIGN: what can't be committed is refused within 2 s.
const REFUSED: Duration = Duration::from_secs(2).saturating_add(BUSY);
/// A call over HTTP may ask the store twice, and each is bounded so; the rest is the hashing of passwords.
const ANSWERED: Duration = Duration::from_millis(4500).saturating_add(BUSY);

const fn ok() -> (u16, Vec<String>) {
    (200, vec![])
}

/// The first node is not ready for this cause alone, and until it says so the others never are
/// anything but ready.
async fn only_the_first_misses(cluster: &Cluster, cause: &str) {
    let missing = (503, vec![cause.to_owned()]);
    eventually("it says what it misses", async || {
        for node in 1..NODES {
            assert_eq!(cluster.ready(node).await, ok(), "node {node}");
        }
        cluster.ready(0).await == missing
    })
    .await;
}

async fn the_first_is_ready_again(cluster: &Cluster, line: &Proxy) {
    line.heal();
    eventually("it is ready again", async || cluster.ready(0).await == ok()).await;
}

async fn all_stay_ready(cluster: &Cluster) {
    all_the_while(BEYOND_A_LEASE, async || {
        for node in 0..NODES {
            assert_eq!(cluster.ready(node).await, ok(), "node {node}");
            assert_eq!(cluster.web(node).get("/health", "").await.status, 200);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_alone_does_not_reach_redis_says_so_and_serves_its_people() {
    let cluster = Setup::of(NODES).proxied().start().await;
    let mut alice = cluster.guest(0, "alice").await;
    let mut bob = cluster.guest(0, "bob").await;
    let mut far = cluster.guest(1, "far").await;
    let line = cluster.nodes[0].to_redis.as_ref().unwrap();
    line.cut();
    only_the_first_misses(&cluster, "bus").await;
    alice.say_acked("lobby", "a1", "do you hear me?").await;
    bob.until_seq("lobby", 1).await;
    bob.say_acked("lobby", "b1", "as always").await;
    for client in [&mut alice, &mut far] {
        client.until_seq("lobby", 2).await;
    }
    the_first_is_ready_again(&cluster, line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_alone_does_not_reach_the_database_says_so() {
    let cluster = Setup::of(NODES).proxied().start().await;
    let line = cluster.nodes[0].to_postgres.as_ref().unwrap();
    line.cut();
    only_the_first_misses(&cluster, "database").await;
    assert_eq!(cluster.web(0).get("/health", "").await.status, 200, "it lives all the same");
    the_first_is_ready_again(&cluster, line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_is_gone_for_everybody_empties_no_balancer() {
    let cluster = Setup::of(NODES).start().await;
    cluster.redis().kill();
    all_stay_ready(&cluster).await;
    cluster.redis().restart();
    all_stay_ready(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_for_everybody_empties_no_balancer_and_refuses_in_time() {
    let cluster = Setup::of(NODES).proxied().start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let mut alice = cluster.web(0).guest(&token).await;
    alice.say_acked("lobby", "a0", "before").await;
    let lines: Vec<&Proxy> = cluster.nodes.iter().filter_map(|node| node.to_postgres.as_ref()).collect();
    assert_eq!(lines.len(), NODES);
    for line in &lines {
        line.cut();
    }
    is_refused_in_time(&mut alice, "a1").await;
    all_stay_ready(&cluster).await;
    // Nobody says that it is gone, it only does not answer.
    for line in &lines {
        line.heal();
        line.stall();
    }
    tokio::join!(
        is_refused_in_time(&mut alice, "a2"),
        is_answered_503(
            &cluster,
            "/rooms/lobby/messages",
            &token,
            json!({ "message": "hello" }),
            REFUSED
        ),
        is_answered_503(&cluster, "/ws-ticket", &token, json!({}), ANSWERED),
        is_answered_503(
            &cluster,
            "/login",
            "",
            json!({ "username": "alice", "password": PASSWORD }),
            ANSWERED
        ),
        is_answered_503(
            &cluster,
            "/register",
            "",
            json!({ "username": "new", "password": PASSWORD }),
            ANSWERED
        ),
    );
    for line in &lines {
        line.heal();
    }
    eventually("all are ready", async || {
        let all = [
            cluster.ready(0).await,
            cluster.ready(1).await,
            cluster.ready(2).await,
        ];
        all.iter().all(|one| *one == ok())
    })
    .await;
}

/// Says something, and is told in time that it was not taken.
async fn is_refused_in_time(client: &mut Client, id: &str) {
    let began = Instant::now();
    client.say("lobby", id, "is anything written down?").await;
    let refused = client.until(|frame| frame["id"] == id).await;
    assert!(began.elapsed() < REFUSED, "{:?}: {refused}", began.elapsed());
    assert_eq!(refused["type"], "error", "{refused}");
    let code: &Value = &refused["code"];
    assert!([json!("unavailable"), json!("outcome_unknown")].contains(code), "{refused}");
}

/// Asks over HTTP what can't be done now, and is told so in time, in our words.
async fn is_answered_503(cluster: &Cluster, path: &str, token: &str, body: Value, limit: Duration) {
    let began = Instant::now();
    let answer = cluster.web(1).post(path, token, body).await;
    println!("{path}: {:?} after {:.1?}", answer.refusal(), began.elapsed());
    assert!(began.elapsed() <= limit, "{path}: {:?}", began.elapsed());
    let (status, code) = answer.refusal();
    assert_eq!(status, 503, "{path}: {answer:?}");
    assert!(["unavailable", "outcome_unknown"].contains(&code), "{path}: {answer:?}");
}
