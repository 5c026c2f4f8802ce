//! A sign-in is the cluster's, not a node's: when it ends its sockets close everywhere, also while
//! nothing carries the news, and a ticket that was used anywhere is used.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    NODES,
    common::{Client, PASSWORD},
    harness::scene::{Cluster, Setup},
};

/// How soon the bus carries the end. Usually well under a second; a machine may be busy.
const BY_THE_BUS: Duration = Duration::from_secs(5);
/// How soon the database tells it: its poll, and what a round takes while Redis does not answer.
const BY_THE_DATABASE: Duration = Duration::from_secs(8);

/// A socket in the lobby on each node.
async fn everywhere(cluster: &Cluster, token: &str) -> Vec<Client> {
    let mut sockets = Vec::new();
    for node in 0..NODES {
        sockets.push(cluster.web(node).guest(token).await);
    }
    sockets
}

/// All of these are closed because their sign-in has ended, so soon.
async fn all_close(sockets: Vec<Client>, began: Instant, limit: Duration) {
    for mut socket in sockets {
        let closed = socket.closed_because().await;
        assert_eq!(closed, (4001, "session_ended".to_owned()));
    }
    assert!(began.elapsed() <= limit, "{:?}", began.elapsed());
}

async fn sign_out(cluster: &Cluster, node: usize, token: &str) {
    let out = cluster.web(node).post("/logout", "", json!({ "token": token })).await;
    assert_eq!(out.status, 200, "{out:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_on_one_node_is_signed_out_on_all_with_redis_and_without() {
    let cluster = Setup::of(NODES).start().await;
    let tokens = [
        cluster.web(0).sign_in("alice").await,
        cluster.web(1).login("alice").await,
    ];
    let (first, second) = (everywhere(&cluster, &tokens[0]).await, everywhere(&cluster, &tokens[1]).await);

    let began = Instant::now();
    sign_out(&cluster, 0, &tokens[0]).await;
    all_close(first, began, BY_THE_BUS).await;
    for node in 0..NODES {
        assert!(Client::try_open(cluster.nodes[node].address(), &tokens[0]).await.is_err());
    }

    cluster.redis().kill();
    let began = Instant::now();
    sign_out(&cluster, 2, &tokens[1]).await;
    all_close(second, began, BY_THE_DATABASE).await;
    for node in 0..NODES {
        assert!(Client::try_open(cluster.nodes[node].address(), &tokens[1]).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_other_sign_ins_everywhere() {
    let cluster = Setup::of(NODES).start().await;
    let mine = cluster.web(0).sign_in("alice").await;
    let theirs = [
        cluster.web(1).login("alice").await,
        cluster.web(2).login("alice").await,
    ];
    let mut stays = everywhere(&cluster, &mine).await;
    let mut ends = everywhere(&cluster, &theirs[0]).await;
    ends.extend(everywhere(&cluster, &theirs[1]).await);

    let began = Instant::now();
    let new = json!({ "current": PASSWORD, "new": "another horse" });
    let answer = cluster.web(0).post("/password", &mine, new).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    all_close(ends, began, BY_THE_BUS).await;
    let seats = stays.iter_mut().enumerate();
    for (node, socket) in seats {
        socket.say_acked("lobby", &format!("m{node}"), "still here").await;
        for token in &theirs {
            assert!(Client::try_open(cluster.nodes[node].address(), token).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_socket_of_the_whole_cluster() {
    let cluster = Setup::of(NODES).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let ticket = cluster.web(0).ticket(&token, "").await;
    let path = format!("/ws?ticket={ticket}");
    Client::knock(cluster.nodes[1].address(), &path, &[]).await.unwrap();
    for node in 0..NODES {
        assert_eq!(cluster.web(node).refused(&path, &[]).await.0, 401, "node {node}");
    }
    // Shown everywhere at once, with and without what carries between the nodes.
    for redis in [true, false] {
        if !redis {
            cluster.redis().kill();
        }
        for turn in 0..10 {
            let ticket = cluster.web(turn % NODES).ticket(&token, "").await;
            let path = format!("/ws?ticket={ticket}");
            let addresses = cluster.addresses();
            let knocks = addresses.iter().map(|node| Client::knock(*node, &path, &[]));
            let opened = futures_util::future::join_all(knocks).await;
            let opened = opened.iter().filter(|knock| knock.is_ok()).count();
            assert_eq!(opened, 1, "turn {turn}, Redis there: {redis}");
        }
    }
}
