//! Sign-ins: what prolongs them, what ends them, and what their sockets are told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{
    Client, LIMIT, PASSWORD,
    web::{node, session_cookie},
};

#[tokio::test]
async fn an_expired_sign_in_closes_its_sockets_unless_it_was_renewed() {
    let (town, web) = node(|config| config.token_ttl = Duration::from_secs(4)).await;
    let (first, other) = (web.sign_in("alice").await, web.sign_in("bob").await);
    let (mut alice, mut bob) = (web.guest(&first).await, web.guest(&other).await);
    let began = Instant::now();
    // Tokens expire at whole seconds. One that lasts for two more leaves time for what is asked between.
    let ends = |of: &Value| of["expiresAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let first_ends = ends(&alice.welcome);
    let second = loop {
        let refreshed = web.post("/refresh", &first, json!({})).await;
        assert_eq!(refreshed.status, 200);
        if ends(&refreshed.body) >= first_ends + 2 {
            break refreshed.body;
        }
        assert!(began.elapsed() < LIMIT);
    };
    let token = second["token"].as_str().unwrap();
    let ticket = web.ticket(token, "").await;
    alice.send(json!({ "type": "renew", "ticket": ticket })).await;
    assert_eq!(alice.expect("renewed").await["expiresAt"], second["expiresAt"]);

    assert_eq!(bob.closed().await, 4001);
    assert_eq!(web.get("/me", &other).await.refusal(), (401, "unauthorized"));
    assert_eq!(
        web.refused("/ws", &[("Authorization", &format!("Bearer {other}"))]).await.0,
        401
    );
    alice.say_acked("lobby", "m1", "still here").await;
    assert_eq!(alice.closed().await, 4001);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    town.stop().await;
}

#[tokio::test]
async fn a_ticket_of_another_sign_in_renews_nothing() {
    let (town, web) = node(|_| {}).await;
    let here = web.sign_in("alice").await;
    let elsewhere = web.login("alice").await;
    let mut alice = web.guest(&here).await;
    for ticket in [
        web.ticket(&elsewhere, "").await,
        web.ticket(&web.sign_in("bob").await, "").await,
    ] {
        alice.send(json!({ "type": "renew", "ticket": ticket })).await;
        assert_eq!(alice.expect("error").await["code"], "wrong_session");
    }
    for ticket in ["", "garbage", &here] {
        alice.send(json!({ "type": "renew", "ticket": ticket })).await;
        assert_eq!(alice.expect("error").await["code"], "unauthorized");
    }
    let ticket = web.ticket(&here, "").await;
    alice.send(json!({ "type": "renew", "ticket": ticket })).await;
    alice.expect("renewed").await;
    alice.send(json!({ "type": "renew", "ticket": ticket })).await;
    assert_eq!(alice.expect("error").await["code"], "unauthorized", "a ticket is good once");
    town.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sign_ins_and_keeps_its_own() {
    let (town, web) = node(|_| {}).await;
    let here = web.sign_in("alice").await;
    let elsewhere = web.login("alice").await;
    let (mut own, mut other) = (web.guest(&here).await, web.guest(&elsewhere).await);
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    let wrong = json!({ "current": "not this one", "new": "another horse" });
    assert_eq!(
        web.post("/password", &here, wrong).await.refusal(),
        (401, "invalid_credentials")
    );

    let change = json!({ "current": PASSWORD, "new": "another horse" });
    let changed = web.post("/password", &here, change).await;
    assert_eq!((changed.status, &changed.body["username"]), (200, &json!("alice")));
    assert_eq!(other.closed().await, 4001);
    own.say_acked("lobby", "m1", "still here").await;
    bob.say_acked("lobby", "m2", "so am I").await;
    assert_eq!(web.get("/me", changed.body["token"].as_str().unwrap()).await.status, 200);
    assert_eq!(web.get("/me", &elsewhere).await.status, 401);
    assert_eq!(
        web.refused("/ws", &[("Authorization", &format!("Bearer {elsewhere}"))]).await.0,
        401
    );
    town.stop().await;
}

#[tokio::test]
async fn signing_out_ends_one_sign_in_and_leaves_the_others() {
    let (town, web) = node(|_| {}).await;
    let here = web.sign_in("alice").await;
    let elsewhere = web.login("alice").await;
    let refreshed = web.post("/refresh", &here, json!({})).await;
    let second = refreshed.body["token"].as_str().unwrap();
    let (mut first, mut by_second) = (web.guest(&here).await, web.guest(second).await);
    let mut other = web.guest(&elsewhere).await;
    assert_eq!(web.post("/logout", &here, json!({})).await.status, 200);
    assert_eq!(first.closed().await, 4001);
    assert_eq!(by_second.closed().await, 4001, "a refreshed token is of the same sign-in");
    assert_eq!(web.post("/refresh", second, json!({})).await.refusal(), (401, "unauthorized"));
    other.say_acked("lobby", "m1", "still here").await;
    Client::open(web.address, &elsewhere).await;
    town.stop().await;
}

#[tokio::test]
async fn a_browser_comes_back_by_its_cookie_after_its_token_expired() {
    let (town, web) = node(|config| config.token_ttl = Duration::from_secs(4)).await;
    web.register("alice").await;
    let (token, first) = web.remembered("alice").await;
    let mut slept = web.guest(&token).await;
    assert_eq!(slept.closed().await, 4001, "no token prolonged it");
    let own = format!("http://{}", web.address);
    let answer = web.by_cookie(&own, &first).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut alice = web.guest(answer.body["token"].as_str().unwrap()).await;
    alice.say_acked("lobby", "m1", "good morning").await;
    town.stop().await;
}

#[tokio::test]
async fn an_outdated_cookie_closes_the_sockets_of_its_sign_in_and_of_no_other() {
    let (town, web) = node(|_| {}).await;
    let elsewhere = web.sign_in("alice").await;
    let (token, first) = web.remembered("alice").await;
    let own = format!("http://{}", web.address);
    let renewed = web.by_cookie(&own, &first).await;
    let second = session_cookie(&renewed);
    assert_eq!(web.by_cookie(&own, &second).await.status, 200);
    let mut sockets = [
        web.guest(&token).await,
        web.guest(renewed.body["token"].as_str().unwrap()).await,
    ];
    let mut other = web.guest(&elsewhere).await;
    assert_eq!(web.by_cookie(&own, &first).await.refusal(), (401, "session_ended"));
    for socket in &mut sockets {
        assert_eq!(socket.closed_because().await, (4001, "session_ended".to_owned()));
    }
    other.say_acked("lobby", "m1", "still here").await;
    town.stop().await;
}
