//! How a node begins and ends: what it answers while it waits, and what signals do to it.

#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use chorus::{
    node::{Backends, Listeners, Node, StartError},
    shutdown::Tasks,
    store::{Store, sqlite::SqliteStore},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    common::{
        Client, LIMIT, eventually,
        program::{Program, built, command},
        settings,
        web::Web,
        within,
    },
    servers::free_port,
};

/// What `GET` answers: 0 when nobody does.
async fn get(client: &reqwest::Client, url: &str) -> (u16, Value) {
    match client.get(url).send().await {
        Ok(answer) => (answer.status().as_u16(), answer.json().await.unwrap_or_default()),
        Err(_) => (0, Value::Null),
    }
}

/// The program, serving on loopback with its data in `dir` and no other settings than these.
fn program(dir: &Path, port: u16, settings: &[(&str, &str)]) -> Child {
    started(Command::new(env!("CARGO_BIN_EXE_chorus")), dir, port, settings)
}

fn started(mut program: Command, dir: &Path, port: u16, settings: &[(&str, &str)]) -> Child {
    program
        .env_clear()
        .envs([("BIND", "127.0.0.1"), ("METRICS_PORT", "0"), ("BCRYPT_COST", "4")])
        .env("DATA_DIR", dir)
        .env("PORT", port.to_string())
        .envs(settings.iter().copied())
        .current_dir(dir)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn tell_to_stop(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
}

async fn ended(child: &mut Child) -> ExitStatus {
    timeout(LIMIT, child.wait()).await.expect("it ends in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waits_for_its_database_lives_and_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let config = settings(dir.path());
    let other = SqliteStore::open(dir.path()).unwrap();
    let listeners = Listeners::bind(&config).unwrap();
    let client = reqwest::Client::new();
    let sites = [listeners.address(), listeners.metrics_address().unwrap()].map(|at| format!("http://{at}"));
    for site in &sites {
        assert_eq!(get(&client, &format!("{site}/health")).await.0, 200);
        let starting = json!({ "status": "unavailable", "causes": ["starting"] });
        assert_eq!(get(&client, &format!("{site}/ready")).await, (503, starting));
        let (status, refused) = get(&client, &format!("{site}/rooms")).await;
        assert_eq!((status, &refused["code"]), (503, &json!("unavailable")));
    }
    let start = async {
        let backends = Backends::open(&config, &Tasks::new()).await.unwrap();
        Node::start_on(listeners, &config, backends, None).await.unwrap()
    };
    let (node, ()) = tokio::join!(start, other.close());
    for site in &sites {
        assert_eq!(
            get(&client, &format!("{site}/ready")).await,
            (200, json!({ "status": "ready" }))
        );
    }
    assert_eq!(get(&client, &format!("{}/rooms", sites[0])).await.0, 401);
    assert!(node.stop().await);
}

#[tokio::test]
async fn listeners_that_are_dropped_answer_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let listeners = Listeners::bind(&settings(dir.path())).unwrap();
    let health = format!("http://{}/health", listeners.address());
    drop(listeners);
    eventually("nobody answers", async || get(&reqwest::Client::new(), &health).await.0 == 0).await;
}

#[tokio::test]
async fn a_taken_port_is_told_although_the_database_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let _other = SqliteStore::open(dir.path()).unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut config = settings(dir.path());
    (config.bind, config.port) = (Ipv4Addr::LOCALHOST.into(), port);
    let refused = Listeners::bind(&config).err();
    assert!(matches!(refused, Some(StartError::Listen { name: "PORT", .. })), "{refused:?}");
    let began = Instant::now();
    assert_eq!(ended(&mut program(dir.path(), port, &[])).await.code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(15), "it did not wait for the database");
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let _other = SqliteStore::open(dir.path()).unwrap();
    let port = free_port();
    let mut waiting = program(dir.path(), port, &[]);
    let (client, health) = (reqwest::Client::new(), format!("http://127.0.0.1:{port}/health"));
    eventually("it lives", async || get(&client, &health).await.0 == 200).await;
    tell_to_stop(&waiting).await;
    assert_eq!(ended(&mut waiting).await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_a_stopping_node_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let patient = [("DEMO_ACCOUNTS", "true"), ("SHUTDOWN_TIMEOUT_SECONDS", "600")];
    let mut node = program(dir.path(), port, &patient);
    let (client, site) = (reqwest::Client::new(), format!("http://127.0.0.1:{port}"));
    let ready = format!("{site}/ready");
    eventually("it is ready", async || get(&client, &ready).await.0 == 200).await;
    let demo = json!({ "username": "demo", "password": "demo1234" });
    let answer = client.post(format!("{site}/login")).json(&demo).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let token = answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
    let _stays = Client::open(format!("127.0.0.1:{port}").parse().unwrap(), &token).await;
    tell_to_stop(&node).await;
    eventually("it drains", async || get(&client, &ready).await.0 == 503).await;
    tell_to_stop(&node).await;
    assert_eq!(ended(&mut node).await.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_commit_makes_the_node_unready() {
    let dir = tempfile::tempdir().unwrap();
    let config = settings(dir.path());
    let backends = Backends::open(&config, &Tasks::new()).await.unwrap();
    let node = Node::start(&config, backends, None).await.unwrap();
    let (client, ready) = (reqwest::Client::new(), format!("http://{}/ready", node.address));
    // As good as a full disk: whoever holds this keeps others from writing, not from reading.
    let beside = rusqlite::Connection::open(dir.path().join("chorus.db")).unwrap();
    beside.busy_timeout(LIMIT).unwrap();
    beside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let broken = json!({ "status": "unavailable", "causes": ["database"] });
    eventually("it says so", async || get(&client, &ready).await == (503, broken.clone())).await;
    beside.execute_batch("ROLLBACK").unwrap();
    eventually("it recovers", async || get(&client, &ready).await.0 == 200).await;
    assert!(node.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_all_the_open_files_that_it_may_have() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut frugal = Command::new("sh");
    frugal.args(["-c", "ulimit -Sn 256; exec \"$0\"", env!("CARGO_BIN_EXE_chorus")]);
    let mut node = started(frugal, dir.path(), port, &[]);
    let client = reqwest::Client::new();
    let ready = format!("http://127.0.0.1:{port}/ready");
    eventually("it is ready", async || get(&client, &ready).await.0 == 200).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.id().unwrap())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard, ..] = files.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{files}")
    };
    assert_eq!(soft, hard);
    assert_ne!(soft, "256");
    tell_to_stop(&node).await;
    assert!(ended(&mut node).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_open_files_left_serves_who_is_there_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let mut frugal = command(Path::new("/bin/sh"), dir.path(), &[]);
    frugal.args(["-c", "ulimit -n 100; exec \"$0\""]).arg(built());
    let mut node = Program::of(frugal);
    let (address, _) = node.ready().await;
    let web = Web::of(address);
    let mut alice = web.guest(&web.sign_in("alice").await).await;
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    let open = format!("/proc/{}/fd", node.id());
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    eventually("all files are open", async || std::fs::read_dir(&open).unwrap().count() >= 100).await;
    for seq in 1..=20 {
        alice.say_acked("lobby", &format!("a{seq}"), "who is here stays").await;
        bob.until_seq("lobby", seq).await;
    }
    drop(crowd);
    let carol = within(Duration::from_secs(5), "others can come again", async || {
        let knock = reqwest::Client::new().get(format!("http://{address}/health"));
        knock.send().await.is_ok()
    });
    println!("others can come {:.1?} after files were free", carol.await);
    web.guest(&web.sign_in("carol").await).await;
    let told = node.said().matches("connections can't be accepted").count();
    assert!((1..20).contains(&told), "it is said {told} times");
    node.kill().await;
}

/// Names of this process's threads, each with how nice it is.
#[cfg(target_os = "linux")]
fn threads(process: u32) -> Vec<(String, i32)> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // One that ends meanwhile is left out.
    let stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let read = stats.map(|stat| {
        let (name, fields) = stat.rsplit_once(')').unwrap();
        let nice = fields.split_whitespace().nth(16).unwrap().parse().unwrap();
        (name.split_once('(').unwrap().1.to_owned(), nice)
    });
    read.collect()
}

/// Who comes, signs in or asks over HTTP has threads that stand back for those of who is there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn http_has_threads_of_its_own_that_stand_back_when_a_core_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let (node, address, _) = Program::start(dir.path(), &[]).await;
    let web = Web::of(address);
    let mut alice = web.guest(&web.sign_in("alice").await).await;
    alice.say_acked("lobby", "a1", "from the runtime where sockets live").await;
    let own = threads(std::process::id()).into_iter().map(|(_, nice)| nice).min().unwrap();
    let threads = threads(node.id());
    let nice = |name: &str| -> Vec<i32> {
        threads.iter().filter(|(it, _)| it.starts_with(name)).map(|(_, nice)| *nice).collect()
    };
    for (kind, expected) in [
        ("http", own.max(10)),
        ("tokio", own),
        ("hub shard", own),
        ("chorus-store-wr", own),
    ] {
        let found = nice(kind);
        assert!(!found.is_empty(), "no {kind} in {threads:?}");
        assert!(found.iter().all(|it| *it == expected), "{kind} in {threads:?}");
    }
    node.kill().await;
}
