//! Two real nodes on one PostgreSQL and one Redis are one chat; a node that would be alone on their
//! database is kept from it.

use serde_json::json;

use crate::{
    common::{
        Client, eventually,
        program::{JWT_SECRET, Program},
        web::{Web, session_cookie},
    },
    servers::{postgres::Postgres, redis::Redis},
};

/// A database and what carries between nodes.
struct Scene {
    _database: Postgres,
    redis: Redis,
    database_url: String,
    redis_url: String,
    dir: tempfile::TempDir,
}

impl Scene {
    fn set() -> Self {
        let (database, redis) = (Postgres::start_fast(), Redis::start());
        Self {
            database_url: database.url(&database.create_database(None)),
            redis_url: redis.url(),
            dir: tempfile::tempdir().unwrap(),
            _database: database,
            redis,
        }
    }

    /// What a node of the cluster is set to.
    const fn shared(&self) -> [(&str, &str); 3] {
        [
            ("DATABASE_URL", self.database_url.as_str()),
            ("JWT_SECRET", JWT_SECRET),
            ("REDIS_URL", self.redis_url.as_str()),
        ]
    }

    /// What a node is set to that has the database for itself.
    const fn alone(&self) -> [(&str, &str); 2] {
        [
            ("DATABASE_URL", self.database_url.as_str()),
            ("JWT_SECRET", JWT_SECRET),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_and_done_on_one_node_is_seen_on_the_other() {
    let scene = Scene::set();
    let (first, a, _) = Program::start(scene.dir.path(), &scene.shared()).await;
    let (second, b, _) = Program::start(scene.dir.path(), &scene.shared()).await;
    let (on_a, on_b) = (Web::of(a), Web::of(b));
    let token = on_a.sign_in("alice").await;
    let mut alice = on_a.guest(&token).await;
    let mut bob = on_b.guest(&on_b.sign_in("bob").await).await;
    for client in [&mut alice, &mut bob] {
        client.until_people("lobby", &["alice", "bob"]).await;
    }
    alice.say_acked("lobby", "a1", "hello").await;
    bob.until_seq("lobby", 1).await;
    bob.say_acked("lobby", "b1", "hello yourself").await;
    alice.until_seq("lobby", 2).await;
    bob.send(json!({"type": "typing", "room": "lobby"})).await;
    assert_eq!(alice.expect("typing").await["username"], "bob");

    // A ticket of one node opens a socket of the other, once.
    let ticket = on_a.ticket(&token, "").await;
    let path = format!("/ws?ticket={ticket}");
    let mut elsewhere = Client::knock(b, &path, &[]).await.unwrap();
    assert_eq!(on_a.refused(&path, &[]).await.0, 401, "used");
    assert_eq!(on_b.refused(&path, &[]).await.0, 401, "used");

    // A browser that is remembered is so by every node, and two of them agree on its next cookie.
    let (remembered, first_cookie) = on_a.remembered("alice").await;
    let mut tab = on_b.guest(&remembered).await;
    let [here, there] = [a, b].map(|node| format!("http://{node}"));
    let (one, two) =
        tokio::join!(on_a.by_cookie(&here, &first_cookie), on_b.by_cookie(&there, &first_cookie));
    assert_eq!((one.status, two.status), (200, 200));
    let next = session_cookie(&one);
    assert_eq!(next, session_cookie(&two));
    assert_eq!(on_b.by_cookie(&there, &next).await.status, 200);
    // One that is outdated ends the sign-in on both.
    assert_eq!(on_a.by_cookie(&here, &first_cookie).await.refusal(), (401, "session_ended"));
    assert_eq!(tab.closed().await, 4001);

    // Who signs out on one node is signed out on the other.
    let out = on_b.post("/logout", "", json!({ "token": token })).await;
    assert_eq!(out.status, 200);
    assert_eq!(alice.closed().await, 4001);
    assert_eq!(elsewhere.closed().await, 4001);
    bob.until_people("lobby", &["bob"]).await;

    for node in [first, second] {
        assert!(!node.said().contains(&scene.redis_url), "no line names the URL");
        node.terminate().await;
        assert_eq!(node.ended().await.0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_and_nodes_of_a_cluster_never_share_a_database() {
    let scene = Scene::set();
    let (shared, ..) = Program::start(scene.dir.path(), &scene.shared()).await;
    let mut alone = Program::spawn(scene.dir.path(), &scene.alone());
    let waiting = alone.line(|line| line.contains("waiting for the database")).await;
    assert!(waiting.contains("REDIS_URL"), "{waiting}");
    shared.terminate().await;
    shared.ended().await;
    let (address, _) = alone.ready().await;

    let mut late = Program::spawn(scene.dir.path(), &scene.shared());
    late.line(|line| line.contains("waiting for the database")).await;
    alone.terminate().await;
    assert_eq!(alone.ended().await.0, Some(0));
    let (other, _) = late.ready().await;
    eventually("it took the other one's place", async || {
        Web::of(other).get("/ready", "").await.status == 200
    })
    .await;
    assert_ne!(other, address);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_find_each_other_over_tls_and_only_by_an_authority_they_know() {
    let mut scene = Scene::set();
    let (redis, url, authority) = Redis::start_with_tls();
    scene.redis_url = url;
    let authority = authority.display().to_string();
    let knows = [&scene.shared()[..], &[("SSL_CERT_FILE", authority.as_str())]].concat();
    let (_first, a, _) = Program::start(scene.dir.path(), &knows).await;
    let (_second, b, _) = Program::start(scene.dir.path(), &knows).await;
    let (on_a, on_b) = (Web::of(a), Web::of(b));
    let mut alice = on_a.guest(&on_a.sign_in("alice").await).await;
    let mut bob = on_b.guest(&on_b.sign_in("bob").await).await;
    for client in [&mut alice, &mut bob] {
        client.until_people("lobby", &["alice", "bob"]).await;
    }
    bob.send(json!({"type": "typing", "room": "lobby"})).await;
    assert_eq!(alice.expect("typing").await["username"], "bob");

    // Two nodes with three connections each. (One that only shakes hands says nothing yet.)
    let connections = || redis.cli(&["CLIENT", "LIST"]).matches("resp=3").count();
    assert_eq!(connections(), 6);
    // Another node trusts somebody else: it is not let down to plain text.
    let (own, _, stranger) = Redis::start_with_tls();
    let stranger = stranger.display().to_string();
    let doubts = [&scene.shared()[..], &[("SSL_CERT_FILE", stranger.as_str())]].concat();
    let mut third = Program::spawn(scene.dir.path(), &doubts);
    third.line(|line| line.contains("Redis does not answer yet")).await;
    third.ready().await;
    assert_eq!(connections(), 6);
    drop(own);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_start_and_talk_while_redis_is_away_and_agree_when_it_is_back() {
    let scene = Scene::set();
    scene.redis.kill();
    let (_first, a, _) = Program::start(scene.dir.path(), &scene.shared()).await;
    let (_second, b, _) = Program::start(scene.dir.path(), &scene.shared()).await;
    let (on_a, on_b) = (Web::of(a), Web::of(b));
    let mut alice = on_a.guest(&on_a.sign_in("alice").await).await;
    let mut bob = on_b.guest(&on_b.sign_in("bob").await).await;
    alice.say_acked("lobby", "a1", "is anybody there?").await;
    bob.until_seq("lobby", 1).await;
    bob.say_acked("lobby", "b1", "through the log").await;
    alice.until_seq("lobby", 2).await;
    scene.redis.restart();
    for client in [&mut alice, &mut bob] {
        client.until_people("lobby", &["alice", "bob"]).await;
    }
}
