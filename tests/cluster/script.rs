//! `./scripts/cluster` keeps what it says about itself: one line for each part and then `ready`, all
//! of it answers, settings pass through, and nothing is left when it ends or can't start.

use std::{collections::HashMap, path::Path, process::Stdio, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    common::{eventually, web::Web},
    relay::{Way, consumer::Consumer, kafka},
};

/// Everything starts and ends within this, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(90);

/// The script with two nodes, its folder below this one.
fn cluster(below: &Path, settings: &[(&str, &str)], args: &[&str]) -> Child {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster");
    let mut command = Command::new(script);
    command
        .arg("2")
        .args(args)
        .env("TMPDIR", below)
        .env("CHORUS_BIN", env!("CARGO_BIN_EXE_chorus"))
        .env("BCRYPT_COST", "4")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command.spawn().unwrap()
}

async fn terminate(script: &mut Child) -> Option<i32> {
    let id = script.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    timeout(LIMIT, script.wait()).await.expect("it ends in time").unwrap().code()
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().unwrap().next().is_none()
}

/// A folder that other users may enter, as PostgreSQL's must.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), anybody).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_everything_is_and_leaves_nothing() {
    let below = folder();
    let mut script = cluster(below.path(), &[("MESSAGE_LIMIT", "77")], &["--logs"]);
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let mut logs = script.stderr.take().unwrap();
    let reading = tokio::task::JoinSet::from_iter([async move {
        let mut text = String::new();
        logs.read_to_string(&mut text).await.unwrap();
        text
    }]);
    let mut said = Vec::new();
    while said.last().is_none_or(|line| line != "ready") {
        let line = timeout(LIMIT, lines.next_line()).await.expect("in time").unwrap();
        said.push(line.unwrap_or_else(|| panic!("it ended after {said:?}")));
    }
    let (names, urls): (Vec<&str>, Vec<&str>) =
        said.iter().map(|line| line.split_once(' ').unwrap_or((line, ""))).unzip();
    let expected = [
        "gateway", "node1", "node2", "metrics1", "metrics2", "postgres", "redis", "ready",
    ];
    assert_eq!(names, expected);

    let at = |part: usize| urls[part].strip_prefix("http://").unwrap().parse().unwrap();
    for part in 0..3 {
        let answer = Web::of(at(part)).get("/server", "").await;
        assert_eq!(answer.body["limits"]["messages"], 77, "{answer:?}");
    }
    for part in 3..5 {
        assert_eq!(Web::of(at(part)).get("/metrics", "").await.status, 200);
    }
    // Who signs in at the gateway is known to every node.
    let token = Web::of(at(0)).sign_in("alice").await;
    assert_eq!(Web::of(at(2)).get("/me", &token).await.body["username"], "alice");

    assert_eq!(terminate(&mut script).await, Some(143));
    assert!(is_empty(below.path()), "its folder is gone");
    let logs = reading.join_all().await.remove(0);
    for part in ["node1 | ", "node2 | ", "postgres | ", "redis | ", "nginx | "] {
        assert!(logs.lines().any(|line| line.starts_with(part)), "nothing of {part}: {logs}");
    }
    for part in 0..5 {
        let address: std::net::SocketAddr = at(part);
        assert!(std::net::TcpStream::connect(address).is_err(), "{address} is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_a_rabbitmq_and_a_kafka_when_asked() {
    let below = folder();
    let mut script = cluster(below.path(), &[], &["--rabbitmq", "--kafka"]);
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    let mut said = HashMap::new();
    while !said.contains_key("ready") {
        let line = timeout(LIMIT, lines.next_line()).await.expect("in time").unwrap();
        let line = line.unwrap_or_else(|| panic!("it ended after {said:?}"));
        let (name, url) = line.split_once(' ').unwrap_or((&line, ""));
        said.insert(name.to_owned(), url.to_owned());
    }
    let consumer = Consumer::of(&Way::to(&said["rabbitmq"]), "#").await;
    let other = kafka::consume(&kafka::Way::to(said["kafka"].clone()), &[]);
    let web = Web::of(said["gateway"].strip_prefix("http://").unwrap().parse().unwrap());
    let token = web.sign_in("alice").await;
    web.post("/rooms/lobby/messages", &token, json!({ "message": "Hello" })).await;
    eventually("it goes on", async || consumer.count("lobby") == 1 && other.count("lobby") == 1).await;
    assert_eq!(terminate(&mut script).await, Some(143));
    assert!(is_empty(below.path()), "its folder is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_cannot_start_is_named_with_its_last_lines() {
    let below = folder();
    let script = cluster(below.path(), &[("REQUIRE_ORIGIN", "perhaps")], &[]);
    let ended = timeout(LIMIT, script.wait_with_output()).await.expect("in time").unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(1), &b""[..]), "{said}");
    assert!(said.contains("node1 has ended"), "{said}");
    assert!(said.contains("REQUIRE_ORIGIN must be true or false"), "{said}");
    assert!(is_empty(below.path()), "its folder is gone");
}
