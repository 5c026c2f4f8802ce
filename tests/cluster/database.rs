//! What remembers fails: PostgreSQL is killed, stands still, or can't be reached by one node. What
//! was acknowledged stays; what was not is said again.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use crate::{
    AT_THE_EDGE, BUSY, NODES, all_the_while,
    common::{Client, eventually, web::Web},
    harness::{
        beside,
        crowd::Crowd,
        proxy::Direction,
        record::{Event, Recording},
        scene::{Cluster, Expected, NodeProcess, Setup},
        times,
    },
    talking,
};

/// FAULTS: what can't be committed is refused so soon, and what can be again is acknowledged so soon
/// after the database is back.
const IN_TIME: Duration = A_CALL.saturating_add(BUSY);
/// The longest that a node waits for its database.
const A_CALL: Duration = Duration::from_secs(2);
/// Memory that a node may gain while its database hangs: nothing piles up.
const GAIN: u64 = 32 * 1024 * 1024;

/// How long PostgreSQL stands still; for longer by `POSTGRES_HANGS_SECONDS=20`.
#[allow(clippy::disallowed_methods, reason = "a test, not the program")]
fn hangs() -> Duration {
    let seconds = std::env::var("POSTGRES_HANGS_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(6))
}

fn refusals(recording: &Recording) -> usize {
    let refused = |event: &Event| matches!(event, Event::Error { .. });
    recording.entries.iter().filter(|entry| refused(&entry.event)).count()
}

pub(crate) async fn somebody_is_refused(crowd: &Crowd) {
    let count = || crowd.people.iter().map(|person| person.recorder().look(refusals)).sum::<usize>();
    let before = count();
    eventually("somebody is refused", async || count() > before).await;
}

/// Whoever was refused in this time was refused in time.
fn is_refused_in_time(crowd: &Crowd, during: &Range<Duration>) {
    let refused = times::refusals(&crowd.recordings(), during);
    println!("refusals: {refused}");
    assert!(refused.longest() <= IN_TIME, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_killed_and_started_again_under_load() {
    let (cluster, crowd) = talking(Setup::of(NODES).durable().behind_nginx()).await;
    let from = cluster.clock.now();
    for _ in 0..2 {
        cluster.postgres.kill();
        somebody_is_refused(&crowd).await;
        cluster.postgres.restart();
        let recovered = crowd.acked_within(IN_TIME, 1).await;
        println!("the first acknowledgement came {recovered:.1?} after its return");
        crowd.acked(100).await;
    }
    let to = cluster.clock.now();
    let expected = Expected::steady(crowd.everybody(), from, to);
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, 10 + AT_THE_EDGE, "nobody lost a socket over it");
    is_refused_in_time(&crowd, &(from..to));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_stands_still_under_load() {
    let (cluster, crowd) = talking(Setup::of(NODES).behind_nginx()).await;
    let token = cluster.web(0).sign_in("latecomer").await;
    let from = cluster.clock.now();
    cluster.postgres.freeze();
    somebody_is_refused(&crowd).await;
    let memory: Vec<u64> = cluster.nodes.iter().map(NodeProcess::memory).collect();
    all_the_while(hangs(), async || {
        nothing_piles_up(&cluster).await;
        comes_in_vain(&cluster, &token).await;
    })
    .await;
    for (node, before) in cluster.nodes.iter().zip(memory) {
        let gained = node.memory().saturating_sub(before);
        println!("{} gained {} KiB", node.name(), gained / 1024);
        assert!(gained < GAIN, "{} gained {gained} bytes", node.name());
    }
    let to = cluster.clock.now();
    cluster.postgres.thaw();
    crowd.acked_within(IN_TIME, 1).await;
    cluster.web(0).guest(&token).await;
    crowd.acked(100).await;
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, 10 + AT_THE_EDGE, "nobody lost a socket over it");
    is_refused_in_time(&crowd, &(from..to));
}

/// Somebody who comes meanwhile, at a node and at nginx, is told in time that it can't be now. nginx asks one node after
/// the other.
async fn comes_in_vain(cluster: &Cluster, token: &str) {
    let all = A_CALL * u32::try_from(NODES).unwrap() + BUSY;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Sec-WebSocket-Protocol", "chorus.v1"),
    ];
    for (way, limit) in [
        (cluster.nodes[0].address(), IN_TIME),
        (cluster.edge().unwrap(), all),
    ] {
        let comes = Web::anew(way);
        let (status, ..) = timeout(limit, comes.refused("/ws", &headers)).await.expect("in time");
        assert_eq!(status, 503, "{way}");
    }
}

/// Each of the people has some messages in the air, and no more than these wait.
async fn nothing_piles_up(cluster: &Cluster) {
    for node in &cluster.nodes {
        let waiting = node.metric("chorus_log_queue_events").await;
        assert!(waiting <= 12.0 * 16.0, "{waiting} events wait at {}", node.name());
        let calls = node.metric("chorus_postgres_calls_waiting{pool=\"log\"}").await;
        assert!(calls <= 64.0, "{calls} calls wait at {}", node.name());
    }
}

/// Others hold all connections that the server gives, and it cuts those of the nodes.
#[tokio::test(flavor = "multi_thread")]
async fn all_connections_of_postgresql_are_used_up() {
    let (cluster, crowd) = talking(Setup::of(NODES)).await;
    let from = cluster.clock.now();
    let url = cluster.postgres.url("postgres");
    let mut taken = Vec::new();
    let nodes =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'chorus'";
    loop {
        while let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await {
            beside(connection);
            taken.push(client);
        }
        let ended: i64 = taken[0].query_one(nodes, &[]).await.unwrap().get(0);
        if ended == 0 {
            break;
        }
    }
    somebody_is_refused(&crowd).await;
    for node in 0..NODES {
        assert_eq!(cluster.web(node).get("/health", "").await.status, 200, "node {node} lives");
    }
    let to = cluster.clock.now();
    println!("{} connections were taken", taken.len());
    drop(taken);
    let recovered = crowd.acked_within(IN_TIME, 1).await;
    println!("the first acknowledgement came {recovered:.1?} after they were given back");
    crowd.acked(100).await;
    let expected = Expected::steady(crowd.everybody(), from, cluster.clock.now());
    let judged = cluster.judge(&crowd, expected).await;
    assert_eq!(judged.sockets, 10, "nobody lost a socket over it");
    is_refused_in_time(&crowd, &(from..to));
}

/// Two of three nodes get no answer from the database. What the third commits reaches their people,
/// and so does who is typing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_heard_where_the_database_hangs() {
    let cluster = Setup::of(NODES).proxied().start().await;
    let mut alice = cluster.guest(0, "alice").await;
    let (mut bob, mut carol) = (cluster.guest(1, "bob").await, cluster.guest(2, "carol").await);
    bob.until_people("lobby", &["alice", "bob", "carol"]).await;
    for node in &cluster.nodes[1..] {
        node.to_postgres.as_ref().unwrap().stall();
    }
    for seq in 1..=20 {
        alice.say_acked("lobby", &format!("a{seq}"), "you need no database to hear this").await;
        let both = async { tokio::join!(bob.until_seq("lobby", seq), carol.until_seq("lobby", seq)) };
        timeout(IN_TIME, both).await.expect("it is heard in time");
    }
    bob.send(json!({ "type": "typing", "room": "lobby" })).await;
    for client in [&mut alice, &mut carol] {
        client.until(|frame| frame["type"] == "typing" && frame["username"] == "bob").await;
    }
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

/// New transactions of the server can't write, or can again.
async fn read_only(cluster: &Cluster, word: &str) {
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {word}");
    cluster.postgres.sql("postgres", &set);
    cluster.postgres.sql("postgres", "SELECT pg_reload_conf()");
    let shown = || cluster.postgres.sql("postgres", "SHOW default_transaction_read_only");
    eventually("it is so", async || shown() == word).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_refuses_what_is_said_and_lets_everybody_read() {
    let cluster = Setup::of(NODES).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let mut alice = cluster.web(0).guest(&token).await;
    alice.say_acked("lobby", "a1", "before").await;
    read_only(&cluster, "on").await;
    alice.say("lobby", "a2", "while").await;
    let refused = timeout(IN_TIME, alice.until(|frame| frame["id"] == "a2")).await.expect("in time");
    assert_eq!(refused["code"], "unavailable", "{refused}");
    for node in 0..NODES {
        let web = cluster.web(node);
        let said = web.post("/rooms/lobby/messages", &token, json!({ "message": "while" })).await;
        assert_eq!(said.refusal(), (503, "unavailable"), "{said:?}");
        let history = web.get("/rooms/lobby/messages", &token).await;
        assert_eq!(history.body["messages"][0]["id"], "a1", "{history:?}");
        let joined = Client::open(web.address, &token).await.join("lobby").await;
        assert_eq!(joined["seq"], 1, "{joined}");
        assert_eq!(cluster.ready(node).await, (200, vec![]), "all miss the same");
    }
    read_only(&cluster, "off").await;
    let since = Instant::now();
    alice.say_acked("lobby", "a2", "while").await;
    assert!(since.elapsed() <= IN_TIME, "{:?}", since.elapsed());
}
