//! Broken and hostile frames over a socket, and hostile words in good ones.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Door, Town};
use crate::{
    BUSY,
    common::{Client, eventually},
    harness::times::Times,
};

/// What a message takes at most beside an attack, on a machine that may be busy.
const AT_MOST: Duration = Duration::from_secs(2).saturating_add(BUSY.saturating_mul(3));

/// Messages took so long beside an attack: nearly all of them less than this, and none much longer.
pub(super) fn nobody_waited(door: &Door, took: &Times, nearly_all: Duration) {
    let soon = took.percentile(95) < nearly_all && took.longest() < AT_MOST;
    assert!(soon, "{}: messages took {took}", door.name);
}

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
        (r#"{"type":"leave","room":"lobby","ref":"1","ref":"2"}"#, "invalid_request"),
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

/// Somebody in the lobby who has an account of their own at each door.
async fn guest(door: &Door, name: &str) -> (String, Client) {
    let token = door.web.sign_in(&format!("{name}{}", door.name.len())).await;
    let client = door.web.guest(&token).await;
    (token, client)
}

/// What stands in the lobby's log.
fn log(town: &Town) -> Vec<String> {
    town.cluster.log("lobby").into_iter().map(|said| said.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_frame_gets_its_error_and_changes_nothing() {
    let town = Town::start().await;
    for door in town.doors() {
        // A few at a time: patience is for bugs, not for floods.
        for few in broken().chunks(7) {
            let (token, mut alice) = guest(&door, "alice").await;
            for (text, code) in few {
                alice.text(text).await;
                let error = alice.expect("error").await;
                assert_eq!(error["code"], *code, "{}: {}", door.name, &text[..text.len().min(80)]);
            }
            let own = format!("alice{}", door.name.len());
            let here = async || {
                let users = door.web.get("/rooms/lobby/users", &token).await;
                users.body["users"].as_array().unwrap().contains(&json!(own))
            };
            eventually("she is still there", here).await;
            alice.send(json!({ "type": "users", "room": "lobby" })).await;
            alice.expect("userList").await;
        }
    }
    assert!(log(&town).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_again_and_again_close_with_1008_and_disturb_nobody() {
    let town = Town::start().await;
    let long = json!({ "type": "message", "room": "lobby", "id": "x", "message": "a".repeat(501) });
    let bad = ["nonsense", r#"{"type":"dance"}"#, "\u{0}{{{{", &long.to_string()].map(str::to_owned);
    for door in town.doors() {
        let (_, mut calm) = guest(&door, "calm").await;
        let shouting = async {
            for text in bad.iter().cycle().take(12) {
                let (_, mut mallory) = guest(&door, "mallory").await;
                for _ in 0..10 {
                    mallory.text(text).await;
                }
                assert_eq!(mallory.closed().await, 1008, "{}: {text}", door.name);
            }
            let mut page = door.page("page").await;
            for _ in 0..10 {
                page.text("nonsense").await;
            }
            assert_eq!(page.closed().await.0, 1008, "{}: a page of the predecessor", door.name);
        };
        let talking = async {
            let mut took = Vec::new();
            for n in 0..50 {
                let began = Instant::now();
                calm.say_acked("lobby", &format!("m{n}"), "calm").await;
                took.push(began.elapsed());
            }
            Times::of(took)
        };
        let ((), took) = tokio::join!(shouting, talking);
        nobody_waited(&door, &took, Duration::from_secs(2));
    }
    assert!(log(&town).iter().all(|text| text == "calm"));
}

/// Words, and what is kept of them.
const SAID: [(&str, &str); 6] = [
    ("'; DROP TABLE messages; --", "'; DROP TABLE messages; --"),
    ("<script>alert(\"1\")</script> &amp;", "<script>alert(\"1\")</script> &amp;"),
    ("a\u{0}b\u{7}c\u{1b}[31m\u{9f}", "abc[31m"),
    ("user\u{202e}gnp.exe\u{202c}\u{2066}x\u{2069}", "usergnp.exex"),
    (" \r\nline\n\tline\r\n ", "line\n\tline"),
    ("%00%s{}${7*7}\\u0000", "%00%s{}${7*7}\\u0000"),
];
/// Words of which nothing is kept.
const NOTHING: [&str; 3] = ["", "  \n ", "\u{0}\u{202e}"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_cleaned_bounded_and_otherwise_literal() {
    let town = Town::start().await;
    let mut kept = Vec::new();
    for door in town.doors() {
        let (token, mut alice) = guest(&door, "alice").await;
        let (_, mut bob) = guest(&door, "bob").await;
        let mut page = door.page("page").await;
        let post = async |id: &str, text: &str| {
            let message = json!({ "id": id, "message": text });
            door.web.post("/rooms/lobby/messages", &token, message).await
        };
        for (n, (sent, stays)) in SAID.iter().enumerate() {
            alice.say_acked("lobby", &format!("m{n}"), sent).await;
            assert_eq!(bob.expect("message").await["message"], *stays);
            assert_eq!(post(&format!("p{n}"), sent).await.status, 201);
            assert_eq!(bob.expect("message").await["message"], *stays);
            kept.extend([*stays, *stays]);
        }
        page.expect("message").await;
        page.expect("message").await;
        let encoded = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp;amp;";
        assert_eq!(page.expect("message").await["message"], encoded);
        for (n, nothing) in NOTHING.iter().enumerate() {
            alice.say("lobby", &format!("n{n}"), nothing).await;
            assert_eq!(alice.expect("error").await["code"], "message_empty");
            assert_eq!(post("n", nothing).await.refusal(), (400, "message_empty"));
        }
        alice.say("lobby", "long", &"ü".repeat(501)).await;
        let error = alice.expect("error").await;
        assert_eq!((&error["code"], &error["id"]), (&json!("message_too_long"), &json!("long")));
        assert_eq!(post("long", &"ü".repeat(501)).await.refusal(), (400, "message_too_long"));
        let whole = "😀".repeat(500);
        alice.say_acked("lobby", "whole", &whole).await;
        assert_eq!(bob.expect("message").await["message"], whole);
    }
    let found = log(&town);
    let found: Vec<_> = found.iter().filter(|text| !text.starts_with('😀')).collect();
    assert_eq!(found, kept, "as PostgreSQL has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_chooses_their_own_name_number_or_time() {
    let town = Town::start().await;
    let mut seq = 0;
    for door in town.doors() {
        let (token, mut alice) = guest(&door, "alice").await;
        let (_, mut bob) = guest(&door, "bob").await;
        let mut page = door.page("page").await;
        let name = format!("alice{}", door.name.len());
        let mut forged = json!({
            "room": "lobby", "id": "m1", "message": "it was bob", "username": "bob",
            "sender": 2, "seq": 999, "timestamp": "1970-01-01T00:00:00.000Z",
        });
        for way in ["POST", "message", "chat"] {
            forged["type"] = json!(way);
            forged["id"] = json!(way);
            match way {
                "POST" => {
                    let posted = door.web.post("/rooms/lobby/messages", &token, forged.clone()).await;
                    assert_eq!((posted.status, &posted.body["seq"]), (201, &json!(seq + 1)));
                }
                "message" => alice.send(forged.clone()).await,
                _ => page.text(&forged.to_string()).await,
            }
            seq += 1;
            let who = if way == "chat" { "page" } else { &name };
            let message = bob.expect("message").await;
            let told = (&message["username"], &message["seq"]);
            assert_eq!(told, (&json!(who), &json!(seq)), "{}: {way}", door.name);
            assert!(message["timestamp"].as_str().unwrap() > "2020");
        }
    }
}
