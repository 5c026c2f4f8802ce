//! A client written from the predecessor's text and nothing else, on its page's own origin: what
//! it was told still holds, so it works here unchanged.

use std::time::Duration;

use futures_util::SinkExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::common::{
    page::Page,
    web::{PAGE, Web, node},
};

/// `fetch` as the page calls it from its own origin: a preflight first, and the answer is only
/// read if the node allows that.
async fn fetch(web: &Web, origin: &str, path: &str, body: Value) -> (u16, Value) {
    let preflight = web
        .request(Method::OPTIONS, path, "")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type");
    let allowed = web.ask(preflight).await;
    assert!((200..300).contains(&allowed.status), "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), origin);
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert!(allowed.header("access-control-allow-headers").to_lowercase().contains("content-type"));
    let answer = web.ask(web.request(Method::POST, path, "").header("Origin", origin).json(&body)).await;
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    (answer.status, answer.body)
}

async fn sign_in(web: &Web, name: &str) -> String {
    let credentials = json!({ "username": name, "password": "secret123" });
    fetch(web, PAGE, "/register", credentials.clone()).await;
    let (status, body) = fetch(web, PAGE, "/login", credentials).await;
    assert_eq!(status, 200);
    body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn its_calls_answer_what_its_text_says() {
    let (town, web) = node(|_| {}).await;
    let credentials = json!({ "username": "alice", "password": "secret123" });
    let (status, body) = fetch(&web, PAGE, "/register", credentials.clone()).await;
    assert_eq!(
        (status, body),
        (201, json!({ "message": "User created successfully", "username": "alice" }))
    );
    let (status, login) = fetch(&web, PAGE, "/login", credentials).await;
    assert_eq!((status, &login["username"]), (200, &json!("alice")));
    let token = login["token"].as_str().unwrap();
    assert_eq!(token.split('.').count(), 3, "a JWT");
    let (status, body) = fetch(&web, PAGE, "/logout", json!({ "token": token })).await;
    assert_eq!((status, body), (200, json!({ "message": "User logout successfully" })));
    let health = web.ask(web.request(Method::GET, "/health", "").header("Origin", PAGE)).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")));
    assert!(health.body["timeStamp"].as_str().unwrap().ends_with('Z'));
    town.stop().await;
}

#[tokio::test]
async fn two_of_its_pages_talk_and_leave() {
    let (town, web) = node(|config| config.presence_grace = Duration::ZERO).await;
    let (first, second) = (sign_in(&web, "bob").await, sign_in(&web, "alice").await);
    let mut bob = Page::connect(web.address, PAGE, &first).await.unwrap();
    bob.expect_users(&["bob"]).await;
    let mut alice = Page::connect(web.address, "http://127.0.0.1:5500", &second).await.unwrap();
    alice.expect_users(&["alice", "bob"]).await;
    let joined = json!({ "type": "announcement", "message": "alice has joined the chat room" });
    assert_eq!(bob.expect("announcement").await, joined);
    bob.expect_users(&["alice", "bob"]).await;

    alice.chat("Tom & \"Jerry's\" <b>house</b>").await;
    alice
        .send(&json!({ "type": "message", "message": "plain", "username": "eve", "timestamp": "1" }))
        .await;
    for page in [&mut alice, &mut bob] {
        let message = page.expect("message").await;
        let keys: Vec<_> = message.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["message", "timestamp", "type", "username"]);
        assert_eq!(message["username"], "alice");
        assert_eq!(message["message"], "Tom &amp; &quot;Jerry&#39;s&quot; &lt;b&gt;house&lt;/b&gt;");
        is_a_12_hour_clock(message["timestamp"].as_str().unwrap());
        let plain = page.expect("message").await;
        assert_eq!((&plain["message"], &plain["username"]), (&json!("plain"), &json!("alice")));
        is_a_12_hour_clock(plain["timestamp"].as_str().unwrap());
    }
    alice.socket.close(None).await.unwrap();
    let left = json!({ "type": "announcement", "message": "alice has left the chat room" });
    assert_eq!(bob.expect("announcement").await, left);
    bob.expect_users(&["bob"]).await;
    assert_eq!(web.post("/logout", "", json!({ "token": first })).await.status, 200);
    assert_eq!(bob.closed().await.0, 4001);
    assert!(Page::connect(web.address, PAGE, &first).await.is_err());
    town.stop().await;
}

/// `12:34:56 PM`
fn is_a_12_hour_clock(told: &str) {
    let (clock, half) = told.split_once(' ').unwrap_or_else(|| panic!("{told}"));
    let parts: Vec<u8> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    assert!(matches!(half, "AM" | "PM"), "{told}");
    assert!(matches!(parts[..], [1..=12, 0..=59, 0..=59]), "{told}");
}

#[tokio::test]
async fn the_21st_message_in_ten_seconds_closes_the_socket() {
    let (town, web) = node(|config| config.message_limit = 20).await;
    let token = sign_in(&web, "alice").await;
    let mut bob = Page::connect(web.address, PAGE, &sign_in(&web, "bob").await).await.unwrap();
    let mut alice = Page::connect(web.address, PAGE, &token).await.unwrap();
    for n in 1..=21 {
        alice.chat(&format!("message {n}")).await;
    }
    assert_eq!(alice.closed().await, (1008, "Rate limit exceeded".to_owned()));
    for n in 1..=20 {
        assert_eq!(bob.expect("message").await["message"], format!("message {n}"));
    }
    // "Client reconnects automatically", but a new socket is no new window.
    let mut alice = Page::connect(web.address, PAGE, &token).await.unwrap();
    alice.chat("message 22").await;
    assert_eq!(alice.closed().await, (1008, "Rate limit exceeded".to_owned()));
    bob.chat("that was all").await;
    assert_eq!(bob.expect("message").await["message"], "that was all");
    town.stop().await;
}

#[tokio::test]
async fn what_it_may_not_say_is_an_error_and_changes_nothing() {
    let (town, web) = node(|_| {}).await;
    let mut alice = Page::connect(web.address, PAGE, &sign_in(&web, "alice").await).await.unwrap();
    alice.chat(&"a".repeat(501)).await;
    alice.chat("").await;
    alice.socket.send(Message::text("not JSON")).await.unwrap();
    alice.send(&json!({ "type": "join", "room": "garden" })).await;
    alice.send(&json!({ "type": "chat", "message": 7 })).await;
    for _ in 0..5 {
        let error = alice.expect("error").await;
        assert!(!error["message"].as_str().unwrap().is_empty());
        assert_eq!(error.as_object().unwrap().len(), 2, "{error}");
    }
    alice.chat(&"a".repeat(500)).await;
    assert_eq!(alice.expect("message").await["message"], "a".repeat(500));
    town.stop().await;
}

#[tokio::test]
async fn pages_of_strangers_may_not_read_and_not_connect() {
    let (town, web) = node(|_| {}).await;
    let token = sign_in(&web, "alice").await;
    let stranger = "http://evil.example";
    let answer = web.ask(web.request(Method::GET, "/me", &token).header("Origin", stranger)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    match Page::connect(web.address, stranger, &token).await {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403),
        Ok(_) => panic!("a stranger's page connected"),
        Err(other) => panic!("{other}"),
    }
    town.stop().await;
}
