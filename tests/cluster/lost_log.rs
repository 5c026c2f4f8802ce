//! The end of the log is lost beneath running nodes: a restore of an older state, or a failover to a
//! replica that lagged. Everybody is told that the log has changed, every node goes on from where the
//! log ends now, and nothing that is said from then on is dropped.

use std::time::Instant;

use serde_json::json;

use crate::{
    NODES,
    common::{Client, LIMIT, eventually},
    harness::{
        proxy::Proxy,
        scene::{Cluster, Setup},
    },
    servers::postgres::Postgres,
};

/// Messages that stay, and that are lost.
const KEPT: u64 = 4;
const LOST: u64 = 6;

/// Somebody on each node, who has heard everything that was said until now.
async fn witnesses(cluster: &Cluster) -> Vec<Client> {
    let mut all = Vec::new();
    for (node, name) in ["wanda", "willy", "wolf"].into_iter().enumerate() {
        all.push(cluster.guest(node, name).await);
    }
    say(&mut all, "kept", KEPT).await;
    all
}

/// So much is said on all nodes in turn, and heard by everybody.
async fn say(all: &mut [Client], what: &str, count: u64) {
    let mut last = 0;
    for n in 0..count {
        let (id, speaker) = (format!("{what}-{n}"), usize::try_from(n).unwrap() % all.len());
        let ack = all[speaker].say_acked("lobby", &id, "a word").await;
        last = ack["seq"].as_u64().unwrap();
    }
    for client in all {
        client.until_seq("lobby", last).await;
    }
}

/// Said until it is acknowledged: while the database is away it is refused.
async fn insists(client: &mut Client, id: &str) {
    let began = Instant::now();
    loop {
        client.say("lobby", id, "from now on").await;
        let answer = client.until(|frame| frame["id"] == id && frame["type"] != "message").await;
        if answer["type"] == "ack" {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{answer}");
    }
}

/// Everybody says new things at once, is told what happened, and ends up with the log as it is now.
async fn go_on(cluster: &Cluster, all: &mut [Client], new: usize) {
    let began = Instant::now();
    let talk = all.iter_mut().enumerate().map(|(who, client)| async move {
        for n in 0..new {
            insists(client, &format!("new-{who}-{n}")).await;
        }
    });
    futures_util::future::join_all(talk).await;
    let log = cluster.log("lobby");
    let said = log.iter().filter(|said| said.id.starts_with("new-")).count();
    assert_eq!(said, new * all.len(), "nothing new is missing: {log:?}");
    for client in all {
        let joined = client.until(|frame| frame["reason"] == "log_changed").await;
        assert_eq!(joined["recovered"], json!(false));
        client.until_seq("lobby", log.last().unwrap().seq).await;
        let seen = &client.seen["lobby"];
        let same: Vec<_> =
            log[log.len() - seen.len()..].iter().map(|said| (said.seq, said.id.clone())).collect();
        assert_eq!(*seen, same);
    }
    println!("everybody has been told and has everything after {:.1?}", began.elapsed());
}

/// The log is put back to an older state while no node can look.
async fn restored_to_an_older_state(new: usize) {
    let cluster = Setup::of(NODES).proxied().start().await;
    let mut all = witnesses(&cluster).await;
    say(&mut all, "lost", LOST).await;
    let lines = || cluster.nodes.iter().map(|node| node.to_postgres.as_ref().unwrap());
    lines().for_each(Proxy::cut);
    cluster.postgres.sql(
        &cluster.database,
        &format!(
            "BEGIN; DELETE FROM messages WHERE seq > {KEPT};
             UPDATE rooms SET last_seq = {KEPT} WHERE name = 'lobby'; COMMIT"
        ),
    );
    lines().for_each(Proxy::heal);
    go_on(&cluster, &mut all, new).await;
    say(&mut all, "later", 3).await;
}

/// Less is said than was lost: the log ends before what nodes have delivered.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_restored_and_grows_a_little_drops_nothing_new() {
    restored_to_an_older_state(1).await;
}

/// More is said than was lost, before anybody could look: other messages stand where nodes have
/// delivered some, and go on behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_restored_and_outgrows_what_was_lost_drops_nothing_new() {
    restored_to_an_older_state(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_to_a_replica_that_lagged_is_told_and_drops_nothing_new() {
    let mut cluster = Setup::of(NODES).proxied().start().await;
    let mut all = witnesses(&cluster).await;
    let replica = Postgres::start_replica(&cluster.postgres);
    let follows = "SELECT count(*) FROM pg_stat_wal_receiver";
    eventually("it follows", async || replica.sql("postgres", follows) == "1").await;
    replica.sql("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
    replica.sql("postgres", "SELECT pg_reload_conf()");
    eventually("it lags", async || replica.sql("postgres", follows) == "0").await;
    say(&mut all, "lost", LOST).await;

    cluster.postgres.kill();
    replica.sql("postgres", "SELECT pg_promote()");
    for node in &cluster.nodes {
        node.to_postgres.as_ref().unwrap().aim(([127, 0, 0, 1], replica.port()).into());
    }
    cluster.postgres = replica;
    go_on(&cluster, &mut all, 2).await;
    say(&mut all, "later", 3).await;
}
