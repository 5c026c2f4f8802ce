//! Two chats, each with a database of its own, that were given one Redis by mistake: the second says so and
//! mixes nobody into the first.

use serde_json::json;

use crate::{
    common::{
        eventually,
        program::{JWT_SECRET, Program},
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
