//! The message window: it belongs to the person, whatever they speak through.

use serde_json::json;

use crate::common::{
    Client,
    web::{Web, node},
};

/// Says this many things, each accepted.
async fn spend(client: &mut Client, messages: usize) {
    for n in 0..messages {
        client.say_acked("lobby", &format!("m{n}"), "x").await;
    }
}

async fn spend_one(client: &mut Client) {
    client.say_acked("lobby", "another-socket", "x").await;
}

async fn is_limited(client: &mut Client, id: &str) {
    client.say("lobby", id, "x").await;
    let error = client.until(|frame| frame["id"] == id && frame["type"] != "message").await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("rate_limited")));
    let wait = error["retryAfterMs"].as_u64().unwrap();
    assert!((1..=10_000).contains(&wait), "{wait}");
}

async fn posts(web: &Web, token: &str) -> u16 {
    web.post("/rooms/lobby/messages", token, json!({ "message": "x" })).await.status
}

#[tokio::test]
async fn the_window_survives_a_reconnect_and_counts_every_way_of_speaking() {
    let (town, web) = node(|config| config.message_limit = 4).await;
    let token = web.sign_in("alice").await;
    let mut alice = web.guest(&token).await;
    spend(&mut alice, 2).await;
    assert_eq!(posts(&web, &token).await, 201);
    spend_one(&mut web.guest(&token).await).await;
    is_limited(&mut alice, "over").await;
    drop(alice);
    let mut alice = web.guest(&token).await;
    is_limited(&mut alice, "reconnected").await;
    let again = web.login("alice").await;
    is_limited(&mut web.guest(&again).await, "signed-in-anew").await;
    let refused = web.post("/rooms/lobby/messages", &token, json!({ "message": "x" })).await;
    assert_eq!(refused.refusal(), (429, "rate_limited"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    // Nobody else is concerned, and nothing refused was said.
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    assert_eq!(bob.say_acked("lobby", "m", "x").await["seq"], 5);
    town.stop().await;
}

#[tokio::test]
async fn three_times_the_limit_closes_and_a_reconnect_does_not_help() {
    let (town, web) = node(|config| config.message_limit = 3).await;
    let token = web.sign_in("alice").await;
    let mut alice = web.guest(&token).await;
    spend(&mut alice, 3).await;
    for n in 0..6 {
        is_limited(&mut alice, &format!("over{n}")).await;
    }
    alice.say("lobby", "too-much", "x").await;
    assert_eq!(alice.closed_because().await, (1008, "Rate limit exceeded".to_owned()));
    let mut alice = web.guest(&token).await;
    alice.say("lobby", "once-more", "x").await;
    assert_eq!(alice.closed().await, 1008);
    assert_eq!(posts(&web, &token).await, 429);
    town.stop().await;
}

#[tokio::test]
async fn what_was_committed_before_gives_its_place_back() {
    let (town, web) = node(|config| config.message_limit = 3).await;
    let token = web.sign_in("alice").await;
    let mut alice = web.guest(&token).await;
    spend(&mut alice, 2).await;
    for _ in 0..6 {
        assert_eq!(alice.say_acked("lobby", "m1", "x").await["duplicate"], true);
        let again = json!({ "id": "m0", "message": "x" });
        assert_eq!(web.post("/rooms/lobby/messages", &token, again).await.status, 200);
    }
    spend_one(&mut alice).await;
    is_limited(&mut alice, "over").await;
    town.stop().await;
}
