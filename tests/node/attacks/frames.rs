//! Broken and hostile frames over a socket.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Client, web::node};

/// Not JSON, not an object, too deep, twice the same field, wrong types.
fn broken() -> Vec<(String, &'static str)> {
    let deep = format!(
        r#"{{"type":"leave","room":"lobby","x":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    [
        ("nonsense", "invalid_json"),
        ("", "invalid_json"),
        (r#"{"type":"join""#, "invalid_json"),
        (&deep, "invalid_json"),
        ("[]", "invalid_request"),
        (r#"{"type":"leave","type":"join","room":"lobby"}"#, "invalid_request"),
        (r#"{"type":"join","room":["lobby"]}"#, "invalid_request"),
        (r#"{"type":"join","room":"lobby","after":-1}"#, "invalid_request"),
        (
            r#"{"type":"message","room":"lobby","id":"x","message":{"a":1}}"#,
            "invalid_request",
        ),
        (r#"{"type":"message","room":"lobby","id":7,"message":"x"}"#, "invalid_request"),
        (r#"{"type":"join","room":"x'; DROP TABLE rooms;--"}"#, "invalid_room_name"),
        (r#"{"type":"join","room":"../../etc/passwd"}"#, "invalid_room_name"),
        (r#"{"type":"message","room":"lobby","id":"a b","message":"x"}"#, "invalid_id"),
        (r#"{"type":"__proto__"}"#, "unknown_type"),
    ]
    .map(|(text, code)| (text.to_owned(), code))
    .to_vec()
}

#[tokio::test]
async fn a_broken_frame_gets_its_error_and_changes_nothing() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    // A few at a time: patience is for bugs, not for floods.
    for few in broken().chunks(7) {
        let mut alice = web.guest(&token).await;
        for (text, code) in few {
            alice.text(text).await;
            let error = alice.expect("error").await;
            assert_eq!(error["code"], *code, "{}", &text[..text.len().min(80)]);
        }
        alice.send(json!({ "type": "users", "room": "lobby" })).await;
        assert_eq!(alice.expect("userList").await["users"], json!(["alice"]));
    }
    assert!(town.log().await.is_empty());
    town.stop().await;
}

#[tokio::test]
async fn broken_frames_again_and_again_close_with_1008() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let long = json!({ "type": "message", "room": "lobby", "id": "x", "message": "a".repeat(501) });
    for bad in [
        "nonsense".to_owned(),
        r#"{"type":"dance"}"#.to_owned(),
        long.to_string(),
    ] {
        let mut alice = web.guest(&token).await;
        for _ in 0..10 {
            alice.text(&bad).await;
        }
        assert_eq!(alice.closed().await, 1008, "{bad}");
    }
    assert!(town.log().await.is_empty());
    town.stop().await;
}

#[tokio::test]
async fn what_is_said_is_cleaned_bounded_and_otherwise_literal() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let (mut alice, mut bob) = (web.guest(&token).await, web.guest(&web.sign_in("bob").await).await);
    let said = [
        ("'; DROP TABLE messages; --", "'; DROP TABLE messages; --"),
        ("<script>alert(\"1\")</script> &amp;", "<script>alert(\"1\")</script> &amp;"),
        ("a\u{0}b\u{7}c\u{1b}[31m\u{9f}", "abc[31m"),
        ("user\u{202e}gnp.exe\u{202c}\u{2066}x\u{2069}", "usergnp.exex"),
        (" \r\nline\n\tline\r\n ", "line\n\tline"),
        ("%00%s{}${7*7}\\u0000", "%00%s{}${7*7}\\u0000"),
    ];
    for (n, (sent, kept)) in said.iter().enumerate() {
        alice.say_acked("lobby", &format!("m{n}"), sent).await;
        assert_eq!(bob.expect("message").await["message"], *kept);
    }
    for (n, nothing) in ["", "  \n ", "\u{0}\u{202e}"].iter().enumerate() {
        alice.say("lobby", &format!("n{n}"), nothing).await;
        assert_eq!(alice.expect("error").await["code"], "message_empty");
    }
    alice.say("lobby", "long", &"ü".repeat(501)).await;
    let error = alice.expect("error").await;
    assert_eq!((&error["code"], &error["id"]), (&json!("message_too_long"), &json!("long")));
    alice.say_acked("lobby", "whole", &"😀".repeat(500)).await;
    let page = web.get("/rooms/lobby/messages", &token).await;
    let kept: Vec<_> = page.body["messages"].as_array().unwrap().iter().map(|m| &m["message"]).collect();
    assert_eq!(kept.len(), said.len() + 1);
    assert!(said.iter().zip(kept).all(|((_, kept), found)| found == kept));
    town.stop().await;
}

#[tokio::test]
async fn nobody_chooses_their_own_name_number_or_time() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let (mut alice, mut bob) = (web.guest(&token).await, web.guest(&web.sign_in("bob").await).await);
    let mut forged = json!({
        "room": "lobby", "id": "m1", "message": "it was bob",
        "username": "bob", "sender": 2, "seq": 999, "timestamp": "1970-01-01T00:00:00.000Z",
    });
    let posted = web.post("/rooms/lobby/messages", &token, forged.clone()).await;
    assert_eq!((posted.status, &posted.body["seq"]), (201, &json!(1)));
    forged["type"] = json!("message");
    forged["id"] = json!("m2");
    alice.send(forged).await;
    for seq in 1..=2 {
        let message = bob.expect("message").await;
        assert_eq!((&message["username"], &message["seq"]), (&json!("alice"), &json!(seq)));
        assert!(message["timestamp"].as_str().unwrap() > "2020");
    }
    town.stop().await;
}

#[tokio::test]
async fn somebody_who_shouts_nonsense_disturbs_nobody() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("mallory").await;
    let mut alice = web.guest(&web.sign_in("alice").await).await;
    let shouting = async {
        for _ in 0..20 {
            let mut mallory = Client::open(web.address, &token).await;
            for _ in 0..10 {
                mallory.text("\u{0}{{{{").await;
            }
            assert_eq!(mallory.closed().await, 1008);
        }
    };
    let talking = async {
        for n in 0..50 {
            let began = std::time::Instant::now();
            alice.say_acked("lobby", &format!("m{n}"), "calm").await;
            assert!(began.elapsed() < Duration::from_secs(5));
        }
    };
    tokio::join!(shouting, talking);
    assert_eq!(
        web.get("/rooms/lobby/users", &token).await.body["users"],
        Value::from(vec!["alice"])
    );
    town.stop().await;
}
