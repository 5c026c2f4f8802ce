//! Two chats, each with a database of its own, that were given one Redis by mistake: the second says so and
//! mixes nobody into the first.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
    time::Duration,
};

use chorus::{
    cluster::redis::OpenError,
    config::{Config, Database},
    node::{Backends, StartError},
    shutdown::Tasks,
};
use serde_json::json;
use tokio::{
    runtime,
    task::spawn_blocking,
    time::{Instant, pause},
};

use crate::{
    common::{
        eventually,
        program::{JWT_SECRET, Program},
        settings,
        web::Web,
    },
    harness::{
        proxy::Proxy,
        scene::{Cluster, Setup},
    },
    servers::redis::Redis,
};

/// A node of a second chat on the first one's servers.
struct Stranger {
    program: Program,
    _dir: tempfile::TempDir,
}

impl Stranger {
    /// Starts it with a Redis at this port.
    fn beside(cluster: &Cluster, redis: u16) -> Self {
        let database = cluster.postgres.url(&cluster.postgres.create_database(None));
        let redis = format!("redis://127.0.0.1:{redis}");
        let settings = [
            ("DATABASE_URL", database.as_str()),
            ("REDIS_URL", &redis),
            ("JWT_SECRET", JWT_SECRET),
        ];
        let dir = tempfile::tempdir().unwrap();
        Self { program: Program::spawn(dir.path(), &settings), _dir: dir }
    }
}

/// The word of the first chat's nodes ends at once and not after half a minute.
fn forget_the_first(redis: &Redis) {
    redis.cli(&["DEL", "chorus:{chat}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_given_the_redis_of_another_chat_does_not_start_before_that_has_gone() {
    let mut cluster = Setup::of(1).start().await;
    let mut stranger = Stranger::beside(&cluster, cluster.redis().port());
    let told = stranger.program.line(|line| line.contains("another chat")).await;
    assert!(told.contains("REDIS_URL") && told.contains("ERROR"), "{told}");
    assert!(!stranger.program.said().contains(" ready "), "{}", stranger.program.said());
    assert_eq!(cluster.ready(0).await, (200, vec![]), "the first goes on");
    assert_eq!(cluster.nodes[0].stop().await, Some(0));
    forget_the_first(cluster.redis());
    let (address, _) = stranger.program.ready().await;
    assert_eq!(Web::of(address).get("/ready", "").await.status, 200);
    stranger.program.kill().await;
}

/// Opens what a node stands on: why it is refused, and after how long. What it says goes into this file.
///
/// The servers are real, and so is what they answer. As soon as it has said that it keeps out, its clock jumps
/// to whatever it waits for next.
async fn refused_in_fast_time(config: &Config, log: &Path) -> (Option<StartError>, Duration) {
    let said = tracing_subscriber::fmt().with_writer(Arc::new(File::create(log).unwrap())).finish();
    let _quiet = tracing::subscriber::set_default(said);
    let (tasks, began) = (Tasks::new(), Instant::now());
    let keeps_out = async || fs::read_to_string(log).unwrap().contains("keeps out of Redis");
    let told = async {
        eventually("it says that it keeps out", keeps_out).await;
        pause();
    };
    let (opened, ()) = tokio::join!(Backends::open(config, &tasks), told);
    tasks.stop();
    (opened.err(), began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_redis_stays_another_chats_ends_after_a_minute() {
    let cluster = Setup::of(1).start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = settings(dir.path());
    let url = cluster.postgres.url(&cluster.postgres.create_database(None));
    config.database = Some(Database { url: url.into(), replicas: vec![], connections: 4 });
    config.redis_url = Some(cluster.redis().url().into());
    let log = dir.path().join("log");
    let waiting = spawn_blocking(move || {
        let one_thread = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        one_thread.block_on(refused_in_fast_time(&config, &log))
    });
    let (refused, after) = waiting.await.unwrap();
    // What keeps a node from starting ends the program.
    assert!(
        matches!(refused, Some(StartError::Cluster(OpenError::AnotherChat))),
        "{refused:?}"
    );
    assert!((60..75).contains(&after.as_secs()), "{after:?}");
    assert_eq!(cluster.ready(0).await, (200, vec![]), "the first goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_finds_out_later_is_not_ready_and_mixes_nobody() {
    let cluster = Setup::of(1).start().await;
    let line = Proxy::to_port(cluster.redis().port()).await;
    line.cut();
    let mut stranger = Stranger::beside(&cluster, line.address().port());
    let (address, metrics) = stranger.program.ready().await;
    let web = Web::of(address);
    let mut mallory = web.guest(&web.sign_in("mallory").await).await;
    let mut alice = cluster.guest(0, "alice").await;
    line.heal();
    eventually("it says why it is not ready", async || {
        let answer = web.get("/ready", "").await;
        (answer.status, &answer.body["causes"]) == (503, &json!(["bus_taken"]))
    })
    .await;
    // The rooms of both have the same number, and their people the same: nobody hears of the other.
    mallory.say_acked("lobby", "m1", "is anybody here?").await;
    alice.say_acked("lobby", "a1", "only me").await;
    for client in [&mut alice, &mut mallory] {
        client.until_seq("lobby", 1).await;
    }
    let seen = |seen: Vec<(u64, String)>| seen.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    assert_eq!(seen(alice.into_seen("lobby")), ["a1"]);
    assert_eq!(seen(mallory.into_seen("lobby")), ["m1"]);
    let token = web.login("mallory").await;
    let users = web.get("/rooms/lobby/users", &token).await.body["users"].clone();
    assert!(!users.to_string().contains("alice"), "{users}");
    let [list] = &cluster.lists("lobby").await[..] else { panic!("one node") };
    assert!(!list.users.contains(&"mallory".to_owned()), "{list:?}");
    let counted = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
    assert!(counted.contains("\nchorus_not_ready{cause=\"bus_taken\"} 1\n"), "{counted}");
    stranger.program.kill().await;
}
