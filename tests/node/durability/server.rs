//! A node on a PostgreSQL server: what it does while the server is gone, and beside another node.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    common::{
        Client, PASSWORD, eventually,
        program::{JWT_SECRET, Program, run},
        web::Web,
    },
    servers::postgres::Postgres,
};

/// A fresh database on a server of its own, as settings.
struct Scene {
    server: Postgres,
    url: String,
    dir: tempfile::TempDir,
}

impl Scene {
    fn set() -> Self {
        let server = Postgres::start();
        let url = server.url(&server.create_database(None));
        Self { server, url, dir: tempfile::tempdir().unwrap() }
    }

    fn settings(&self) -> [(&str, &str); 2] {
        [("DATABASE_URL", &self.url), ("JWT_SECRET", JWT_SECRET)]
    }
}

/// Says it while the server is gone: refused within the limit, never acknowledged.
async fn is_refused(alice: &mut Client, id: &str) {
    let began = Instant::now();
    alice.say("lobby", id, "can you hear me?").await;
    let answer = alice.until(|frame| frame["id"] == id && frame["type"] != "message").await;
    assert_eq!(answer["type"], "error", "{answer}");
    let code = answer["code"].as_str().unwrap();
    assert!(["unavailable", "outcome_unknown"].contains(&code), "{code}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_or_freezes_beneath_a_node_costs_nothing_that_was_acknowledged() {
    let scene = Scene::set();
    let (node, address, _) = Program::start(scene.dir.path(), &scene.settings()).await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    let (mut alice, mut bob) = (web.guest(&token).await, web.guest(&web.sign_in("bob").await).await);
    alice.say_acked("lobby", "before", "hello").await;

    scene.server.kill();
    is_refused(&mut alice, "killed").await;
    assert_eq!(web.get("/health", "").await.status, 200, "the node lives");
    eventually("it is not ready", async || web.get("/ready", "").await.status == 503).await;
    scene.server.restart();
    eventually("it is ready again", async || web.get("/ready", "").await.status == 200).await;
    alice.say_acked("lobby", "killed", "can you hear me?").await;

    scene.server.freeze();
    is_refused(&mut alice, "frozen").await;
    scene.server.thaw();
    eventually("it is ready again", async || web.get("/ready", "").await.status == 200).await;
    alice.say_acked("lobby", "frozen", "can you hear me?").await;

    bob.until_seq("lobby", 3).await;
    alice.until_seq("lobby", 3).await;
    let ids: Vec<String> = bob.into_seen("lobby").into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, ["before", "killed", "frozen"], "each once, for who stayed too");
    assert!(!node.said().contains(&scene.url), "no line names the URL");
    node.terminate().await;
    assert_eq!(node.ended().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_lone_node_waits_for_the_first_and_commands_work_beside_it() {
    let scene = Scene::set();
    let (first, address, _) = Program::start(scene.dir.path(), &scene.settings()).await;
    let token = Web::of(address).sign_in("alice").await;
    let other = tempfile::tempdir().unwrap();
    let mut second = Program::spawn(other.path(), &scene.settings());
    let waiting = second.line(|line| line.contains("waiting for the database")).await;
    assert!(waiting.contains("REDIS_URL"), "{waiting}");

    let add = ["user", "add", "carol"];
    let added = run(scene.dir.path(), &scene.settings(), &add, &format!("{PASSWORD}\n")).await;
    assert!(added.status.success(), "{added:?}");
    let mut alice = Web::of(address).guest(&token).await;
    let delete = ["user", "delete", "alice"];
    assert!(run(scene.dir.path(), &scene.settings(), &delete, "").await.status.success());
    assert_eq!(alice.closed().await, 4001, "the node finds the end in the database");

    assert!(!second.said().contains(" ready "), "{}", second.said());
    first.terminate().await;
    assert_eq!(first.ended().await.0, Some(0));
    let (address, _) = second.ready().await;
    let carol = json!({ "username": "carol", "password": PASSWORD });
    assert_eq!(Web::of(address).post("/login", "", carol).await.status, 200);
    second.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stands_still_revives_no_sign_in_and_hides_nobody() {
    let primary = Postgres::start_fast();
    let database = primary.create_database(None);
    let replica = Postgres::start_replica(&primary);
    let (url, replica_url) = (primary.url(&database), replica.url(&database));
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_REPLICA_URLS", &replica_url),
        ("JWT_SECRET", JWT_SECRET),
    ];
    let (node, address, metrics) = Program::start(dir.path(), &settings).await;
    let web = Web::of(address);
    let counts = format!("http://{metrics}/metrics");
    let token = web.sign_in("alice").await;
    eventually("the replica is asked", async || {
        assert_eq!(web.get("/me", &token).await.status, 200);
        let counted = reqwest::get(&counts).await.unwrap().text().await.unwrap();
        !counted.contains("chorus_replica_reads_total{outcome=\"served\"} 0\n")
    })
    .await;

    replica.sql("postgres", "SELECT pg_wal_replay_pause()");
    let bob = web.sign_in("bob").await;
    assert_eq!(web.get("/me", &bob).await.status, 200, "who has just come is known");
    assert_eq!(web.post("/logout", &token, json!({})).await.status, 200);
    for _ in 0..20 {
        assert_eq!(web.get("/me", &token).await.status, 401, "whatever the replica says");
    }
    let change = json!({ "current": PASSWORD, "new": "another horse" });
    assert_eq!(web.post("/password", &bob, change).await.status, 200);
    let login = async |password: &str| {
        web.post("/login", "", json!({ "username": "bob", "password": password })).await.status
    };
    assert_eq!(login(PASSWORD).await, 401, "the old password is over at once");
    assert_eq!(login("another horse").await, 200, "and the new one good");
    assert_eq!(login("neither of them").await, 401);
    replica.kill();
    assert_eq!(login("another horse").await, 200, "a dead replica is no loss");
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_predecessor_sign_in_with_the_passwords_they_have() {
    let scene = Scene::set();
    let (old, twins) = (bcrypt::hash(PASSWORD, 4).unwrap(), bcrypt::hash("another horse", 4).unwrap());
    let people = format!(
        "CREATE TABLE users (id SERIAL PRIMARY KEY, username VARCHAR(50) UNIQUE NOT NULL,
             password_hash VARCHAR(255) NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
         INSERT INTO users (username, password_hash) VALUES ('Alice', '{old}'), ('alice', '{twins}')"
    );
    scene.server.sql("test0", &people);
    let (node, address, _) = Program::start(scene.dir.path(), &scene.settings()).await;
    let web = Web::of(address);
    let login = async |username: &str, password: &str| {
        let answer = web.post("/login", "", json!({ "username": username, "password": password })).await;
        (answer.status, answer.body["username"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(login("Alice", PASSWORD).await, (200, "Alice".to_owned()));
    assert_eq!(login("alice", "another horse").await, (200, "alice".to_owned()));
    assert_eq!(login("alice", PASSWORD).await.0, 401, "each has a password of its own");
    assert_eq!(login("ALICE", PASSWORD).await.0, 401, "which of the two is not guessed");
    assert_eq!(web.register("aLICE").await.status, 409, "there is no third");
    node.kill().await;
}
