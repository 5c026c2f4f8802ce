//! The database is dumped while people talk, put back into another one, and the nodes go on with that: all from
//! before the dump is there, and what came after it is gone from everybody's log alike.

use std::time::Duration;

use serde_json::json;

use crate::{
    NODES,
    common::Client,
    harness::{
        crowd::Crowd,
        scene::{Cluster, Expected, Setup},
    },
    talking,
};

const WITNESSES: [&str; 3] = ["wanda", "willy", "wolf"];

/// Somebody on each node who hears all that is said.
async fn witnesses(cluster: &Cluster, tokens: &[String]) -> Vec<Client> {
    let mut all = Vec::new();
    for (node, token) in tokens.iter().enumerate() {
        all.push(cluster.web(node).guest(token).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_made_under_load_is_restored_and_everybody_ends_up_with_one_order() {
    let (mut cluster, crowd) = talking(Setup::of(NODES).with("SHUTDOWN_TIMEOUT_SECONDS", "3")).await;
    let mut tokens = Vec::new();
    for (node, name) in WITNESSES.iter().enumerate() {
        tokens.push(cluster.web(node).sign_in(name).await);
    }
    let mut before = witnesses(&cluster, &tokens).await;
    let known = cluster.log("lobby");
    let dump = cluster.postgres.dump(&cluster.database);
    crowd.acked(100).await;
    let late = cluster.web(0).login(WITNESSES[0]).await;
    let end = cluster.log("lobby").last().unwrap().seq;
    let mut remembered = Vec::new();
    for mut witness in before.drain(..) {
        witness.until_seq("lobby", end).await;
        remembered.push(witness.into_seen("lobby"));
    }
    // They must not come back by themselves: what they remember is of another log.
    drop(crowd);

    for node in &mut cluster.nodes {
        node.stop().await;
    }
    let restored = cluster.postgres.restore(&dump);
    cluster.goes_on_with(restored).await;
    let log = cluster.log("lobby");
    assert_eq!(log[..known.len()], known[..], "nothing from before is missing");
    assert!(log.last().unwrap().seq < end, "the dump is older than the end");

    let late = cluster.web(1).get("/me", &late).await;
    assert_eq!(
        late.refusal(),
        (401, "unauthorized"),
        "who signed in after the dump does so again"
    );
    come_back(&cluster, &tokens, remembered).await;
    // Everything else is as it should be.
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(6).await;
    crowd.talk(Duration::from_millis(50)).await;
    crowd.acked(50).await;
    cluster.judge(&crowd, Expected::default()).await;
}

/// Who remembers more than the log holds is told, and hears what all the others hear.
async fn come_back(cluster: &Cluster, tokens: &[String], remembered: Vec<Vec<(u64, String)>>) {
    let mut back = Vec::new();
    for ((node, token), seen) in tokens.iter().enumerate().zip(remembered) {
        let mut client = Client::open(cluster.nodes[node].address(), token).await;
        let joined = client.resume("lobby", seen).await;
        assert_eq!(
            (&joined["recovered"], &joined["reason"]),
            (&json!(false), &json!("log_changed"))
        );
        back.push(client);
    }
    for (n, client) in back.iter_mut().enumerate() {
        client.say_acked("lobby", &format!("back-{n}"), "and on it goes").await;
    }
    let log = cluster.log("lobby");
    for mut client in back {
        client.until_seq("lobby", log.last().unwrap().seq).await;
        let seen = client.into_seen("lobby");
        let same = log[log.len() - seen.len()..].iter().map(|said| (said.seq, said.id.clone()));
        assert_eq!(seen, same.collect::<Vec<_>>());
    }
}
