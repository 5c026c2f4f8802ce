//! The secret that signs tokens is replaced, node by node, in the three steps of docs/operations.md: whoever is
//! signed in stays so, and every node lets in whom any other has signed in, whichever step it has taken.

use serde_json::json;

use crate::{
    NODES,
    common::{Client, program::JWT_SECRET},
    harness::{
        crowd::Crowd,
        record::Event,
        scene::{Cluster, Expected, Setup},
    },
    inhabited,
    nodes::PACE,
};

const OLD: &str = JWT_SECRET;
const NEW: &str = "the next secret, of more than thirty-two bytes";
const PEOPLE: usize = 6;

/// Each node is restarted with these secrets; whenever one is, everybody is let in everywhere.
async fn step(cluster: &mut Cluster, crowd: &Crowd, (signs, accepts): (&str, &str), signed_in: &[&str]) {
    for node in 0..NODES {
        cluster.nodes[node].set("JWT_SECRET", signs);
        cluster.nodes[node].set("JWT_SECRET_PREVIOUS", accepts);
        assert_eq!(cluster.nodes[node].stop().await, Some(0));
        cluster.nodes[node].start().await;
        crowd.acked(20).await;
        lets_everybody_in(cluster, signed_in).await;
    }
}

/// Who was signed in long ago, and who signs in now on any node, calls every node and opens sockets there.
async fn lets_everybody_in(cluster: &Cluster, signed_in: &[&str]) {
    let mut tokens: Vec<String> = signed_in.iter().map(|token| (*token).to_owned()).collect();
    for node in 0..NODES {
        tokens.push(cluster.web(node).login("alice").await);
    }
    for token in &tokens {
        for node in 0..NODES {
            let asked = cluster.web(node).get("/me", token).await;
            assert_eq!(asked.status, 200, "node {node}: {asked:?}");
            // A ticket is shown to another node than the one that made it.
            let ticket = cluster.web(node).ticket(token, "").await;
            let elsewhere = cluster.nodes[(node + 1) % NODES].address();
            Client::knock(elsewhere, &format!("/ws?ticket={ticket}"), &[]).await.unwrap();
        }
    }
    for token in &tokens[signed_in.len()..] {
        cluster.web(0).post("/logout", "", json!({ "token": token })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_replaced_in_three_steps_and_nobody_is_signed_out() {
    let setup = Setup::of(NODES).with("SHUTDOWN_TIMEOUT_SECONDS", "3");
    let (mut cluster, crowd) = inhabited(setup, PEOPLE).await;
    let old = cluster.web(0).sign_in("alice").await;
    let (ends, cookie) = cluster.web(1).remembered("alice").await;
    crowd.talk(PACE).await;
    crowd.acked(50).await;

    // 1. Every node learns to accept the new one.
    step(&mut cluster, &crowd, (OLD, NEW), &[&old, &ends]).await;
    // 2. One after the other signs with it.
    step(&mut cluster, &crowd, (NEW, OLD), &[&old, &ends]).await;
    // (The predecessor's page signs in whenever it comes.)
    for recording in crowd.people.iter().map(|person| person.recorder().so_far()) {
        let signed_in = recording.entries.iter().filter(|entry| entry.event == Event::SignedIn);
        assert_eq!(signed_in.count(), 1, "{} was signed in again", recording.client);
    }
    cluster.judge(&crowd, Expected::default()).await;

    // While TOKEN_TTL_SECONDS pass, clients renew what they have.
    let renewed = cluster.web(2).post("/refresh", &old, json!({})).await.body;
    let renewed = renewed["token"].as_str().unwrap().to_owned();
    // 3. The old one is forgotten.
    crowd.talk(PACE).await;
    step(&mut cluster, &crowd, (NEW, ""), &[&renewed]).await;
    for node in 0..NODES {
        let web = cluster.web(node);
        for token in [&old, &ends] {
            assert_eq!(web.get("/me", token).await.refusal(), (401, "unauthorized"), "node {node}");
        }
    }
    // A browser that is remembered needs no token to come back.
    let web = cluster.web(0);
    let origin = format!("http://{}", web.address);
    assert_eq!(web.by_cookie(&origin, &cookie).await.status, 200);
    cluster.judge(&crowd, Expected::default()).await;
}
