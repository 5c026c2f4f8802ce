//! What an operator does: stop, look, manage accounts, start a second one.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::common::{
    Client, PASSWORD,
    program::{Program, run},
    web::Web,
};

#[tokio::test]
async fn a_stop_sends_everybody_away_and_exits_with_zero_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let limit = ("SHUTDOWN_TIMEOUT_SECONDS", "8");
    let (program, address, _) = Program::start(dir.path(), &[limit]).await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    let (mut alice, mut bob) = (web.guest(&token).await, web.guest(&web.sign_in("bob").await).await);
    // One that reads nothing from here on, and one that never finishes its request.
    let _frozen = web.guest(&web.sign_in("carol").await).await;
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nCook").await.unwrap();
    alice.say_acked("lobby", "m1", "before").await;

    let began = Instant::now();
    program.terminate().await;
    for client in [&mut alice, &mut bob] {
        let hint = client.expect("reconnect").await;
        assert!(hint["afterMs"].as_u64().unwrap() <= 4000, "{hint}");
    }
    let ready = web.get("/ready", "").await;
    assert_eq!((ready.status, &ready.body["causes"]), (503, &json!(["draining"])));
    let bearer = format!("Bearer {token}");
    assert_eq!(web.refused("/ws", &[("Authorization", &bearer)]).await.1, "draining");
    assert_eq!(web.post("/ws-ticket", &token, json!({})).await.refusal(), (503, "draining"));
    bob.say_acked("lobby", "m2", "served until the end").await;
    alice.until_seq("lobby", 2).await;
    assert_eq!(alice.closed().await, 1001);
    assert_eq!(bob.closed().await, 1001);
    let (code, said) = program.ended().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());

    // What it said to the end is there at the next start, and tokens live on.
    let (_program, address, _) = Program::start(dir.path(), &[]).await;
    let mut alice = Client::open(address, &token).await;
    alice.join("lobby").await;
    assert_eq!(alice.into_seen("lobby"), [(1, "m1".to_owned()), (2, "m2".to_owned())]);
}

#[tokio::test]
async fn the_healthcheck_tells_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let (program, address, _) = Program::start(dir.path(), &[]).await;
    let port = address.port().to_string();
    let check = async || run(dir.path(), &[("PORT", port.as_str())], &["healthcheck"], "").await;
    assert_eq!(check().await.status.code(), Some(0));
    program.kill().await;
    let told = check().await;
    assert_eq!(told.status.code(), Some(1));
    assert!(!told.stderr.is_empty());
}

#[tokio::test]
async fn accounts_are_managed_with_and_without_a_running_node() {
    let dir = tempfile::tempdir().unwrap();
    let password = format!("{PASSWORD}\n");
    let user = async |metrics: &str, args: &[&str], input: &str| {
        let args: Vec<_> = ["user"].iter().chain(args).copied().collect();
        let ended = run(dir.path(), &[("METRICS_PORT", metrics)], &args, input).await;
        let said = format!("{ended:?}");
        assert!(!said.contains(PASSWORD) && !said.contains("another horse"), "{said}");
        ended.status.code()
    };
    assert_eq!(user("0", &["add", "alice"], &password).await, Some(0));
    assert_eq!(user("0", &["add", "ALICE"], &password).await, Some(1), "one name");
    assert_eq!(user("0", &["add", "x"], &password).await, Some(1), "too short");
    assert_eq!(user("0", &["add", "bob"], "short\n").await, Some(1));
    assert_eq!(user("0", &["delete", "nobody"], "").await, Some(1));

    let (program, address, metrics) = Program::start(dir.path(), &[("REGISTRATION", "closed")]).await;
    let (web, port) = (Web::of(address), metrics.port().to_string());
    let mut alice = web.guest(&web.login("alice").await).await;
    assert_eq!(user(&port, &["add", "bob"], &password).await, Some(0));
    assert_eq!(user(&port, &["add", "bob"], &password).await, Some(1));
    let mut bob = web.guest(&web.login("bob").await).await;
    assert_eq!(user(&port, &["password", "alice"], "another horse\n").await, Some(0));
    assert_eq!(alice.closed().await, 4001);
    let old = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(web.post("/login", "", old).await.refusal(), (401, "invalid_credentials"));
    let new = json!({ "username": "alice", "password": "another horse" });
    assert_eq!(web.post("/login", "", new.clone()).await.status, 200);
    bob.say_acked("lobby", "m1", "I was here").await;
    assert_eq!(user(&port, &["delete", "bob"], "").await, Some(0));
    assert_eq!(bob.closed().await, 4001);
    let gone = json!({ "username": "bob", "password": PASSWORD });
    assert_eq!(web.post("/login", "", gone).await.refusal(), (401, "invalid_credentials"));
    let token = web.post("/login", "", new).await.body["token"].as_str().unwrap().to_owned();
    let page = web.get("/rooms/lobby/messages", &token).await;
    assert_eq!(page.body["messages"][0]["message"], "I was here", "what was said stays");

    program.kill().await;
    assert_eq!(user("0", &["password", "alice"], &password).await, Some(0));
    assert_eq!(user("0", &["delete", "alice"], "").await, Some(0));
    let (_program, address, _) = Program::start(dir.path(), &[]).await;
    let web = Web::of(address);
    assert_eq!(web.get("/me", &token).await.status, 401);
    assert_eq!(web.register("alice").await.status, 201, "the name is free again");
}

#[tokio::test]
async fn a_second_node_on_the_same_data_waits_for_the_first_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let (first, address, _) = Program::start(dir.path(), &[]).await;
    let token = Web::of(address).sign_in("alice").await;
    let mut second = Program::spawn(dir.path(), &[]);
    second.line(|line| line.contains("another node uses this folder")).await;
    let mut alice = Web::of(address).guest(&token).await;
    alice.say_acked("lobby", "m1", "undisturbed").await;
    assert!(!second.said().contains("ready"), "{}", second.said());
    first.kill().await;
    let (address, _) = second.ready().await;
    let mut alice = Client::open(address, &token).await;
    alice.join("lobby").await;
    assert_eq!(alice.last("lobby"), 1);
    second.kill().await;
}
