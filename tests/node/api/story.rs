//! From the first look at a node to the last goodbye.

use reqwest::Method;
use serde_json::json;

use crate::common::{
    Client,
    web::{PAGE, node},
};

#[tokio::test]
async fn somebody_registers_talks_and_signs_out() {
    let (town, web) = node(|config| config.message_limit = 20).await;
    let registered = web.register("Alice").await;
    assert_eq!(registered.status, 201);
    assert_eq!(
        registered.body,
        json!({ "message": "User created successfully", "username": "Alice" })
    );
    assert_eq!(web.register("alice").await.refusal(), (409, "username_taken"));
    let token = web.login("alice").await;
    let me = web.get("/me", &token).await;
    assert_eq!((me.status, &me.body["username"]), (200, &json!("Alice")));

    let path = format!("/ws?ticket={}", web.ticket(&token, PAGE).await);
    let mut alice = Client::knock(web.address, &path, &[("Origin", PAGE)]).await.unwrap();
    assert_eq!(alice.welcome["protocol"], "chorus.v1");
    assert_eq!(alice.welcome["username"], "Alice");
    assert_eq!(alice.welcome["expiresAt"], me.body["expiresAt"]);
    assert_eq!(alice.welcome["limits"], web.get("/server", "").await.body["limits"]);

    let joined = alice.join("lobby").await;
    assert_eq!((&joined["recovered"], &joined["reason"]), (&json!(false), &json!("fresh")));
    assert_eq!((&joined["users"], &joined["userCount"]), (&json!(["Alice"]), &json!(1)));
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    alice.until_people("lobby", &["Alice", "bob"]).await;

    let ack = alice.say_acked("lobby", "first", "Hello, bob").await;
    for client in [&mut alice, &mut bob] {
        let message = client.expect("message").await;
        assert_eq!(message["message"], "Hello, bob");
        assert_eq!(message["username"], "Alice");
        assert_eq!(message["id"], "first");
        assert_eq!((&message["seq"], &message["timestamp"]), (&ack["seq"], &ack["timestamp"]));
    }
    let page = web.get("/rooms/lobby/messages?limit=10", &token).await;
    assert_eq!((&page.body["lastSeq"], &page.body["hasMore"]), (&json!(1), &json!(false)));
    assert_eq!(page.body["messages"][0]["message"], "Hello, bob");

    let logout = web.post("/logout", "", json!({ "token": token })).await;
    assert_eq!(
        (logout.status, &logout.body),
        (200, &json!({ "message": "User logout successfully" }))
    );
    assert_eq!(alice.closed_because().await, (4001, "session_ended".to_owned()));
    bob.until_people("lobby", &["bob"]).await;
    assert_eq!(web.get("/me", &token).await.refusal(), (401, "unauthorized"));
    town.stop().await;
}

#[tokio::test]
async fn a_node_tells_what_it_is_and_that_it_lives() {
    let (town, web) = node(|config| config.message_limit = 7).await;
    let server = web.get("/server", "").await;
    assert_eq!((server.status, &server.body["registration"]), (200, &json!("open")));
    assert_eq!(
        (&server.body["name"], &server.body["demoAccounts"]),
        (&json!("Chorus"), &json!(false))
    );
    assert_eq!(server.body["limits"]["messages"], 7);
    for limit in [
        "messageChars",
        "windowSeconds",
        "frameBytes",
        "roomsPerSocket",
        "resume",
        "usernameMin",
        "usernameMax",
        "passwordMin",
        "passwordMax",
    ] {
        assert!(server.body["limits"][limit].is_u64(), "{limit}");
    }
    let health = web.get("/health", "").await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")));
    let told = health.body["timeStamp"].as_str().unwrap();
    assert!(told.len() == "2025-10-14T12:34:56.789Z".len() && told.ends_with('Z'), "{told}");
    let ready = web.get("/ready", "").await;
    assert_eq!((ready.status, ready.body), (200, json!({ "status": "ready" })));
    town.stop().await;
}

#[tokio::test]
async fn a_program_posts_once_however_often_it_tries() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("robot").await;
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    let post = async |key: &str, text: &str| {
        let request = web.request(Method::POST, "/rooms/lobby/messages", &token);
        web.ask(request.header("Idempotency-Key", key).json(&json!({ "message": text }))).await
    };
    let first = post("k1", "built").await;
    assert_eq!(
        (first.status, &first.body["id"], &first.body["seq"]),
        (201, &json!("k1"), &json!(1))
    );
    let again = post("k1", "built").await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(post("k1", "failed").await.refusal(), (409, "id_conflict"));
    assert_eq!(post("k2", "deployed").await.body["seq"], 2);
    bob.until_seq("lobby", 2).await;
    assert_eq!(bob.into_seen("lobby"), [(1, "k1".to_owned()), (2, "k2".to_owned())]);
    town.stop().await;
}

#[tokio::test]
async fn the_same_id_is_acknowledged_again_and_another_text_refused() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let mut alice = web.guest(&token).await;
    let first = alice.say_acked("lobby", "m1", "Hello").await;
    assert!(first["duplicate"].is_null());
    let again = alice.say_acked("lobby", "m1", " Hello ").await;
    assert_eq!(again["duplicate"], true);
    assert_eq!((&again["seq"], &again["timestamp"]), (&first["seq"], &first["timestamp"]));
    alice.say("lobby", "m1", "Goodbye").await;
    let error = alice.expect("error").await;
    assert_eq!((&error["code"], &error["id"]), (&json!("id_conflict"), &json!("m1")));
    // Ids are of a sender: bob's own m1 is another message.
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    assert_eq!(bob.say_acked("lobby", "m1", "Hi").await["seq"], 2);
    alice.until_seq("lobby", 2).await;
    town.stop().await;
}

#[tokio::test]
async fn whatever_answers_a_frame_echoes_its_ref() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let mut alice = Client::open(web.address, &token).await;
    let ticket = web.ticket(&token, "").await;
    for (frame, kind) in [
        (json!({ "type": "join", "room": "lobby" }), "joined"),
        (json!({ "type": "message", "room": "lobby", "id": "m", "message": "x" }), "ack"),
        (json!({ "type": "users", "room": "lobby" }), "userList"),
        (json!({ "type": "renew", "ticket": ticket }), "renewed"),
        (json!({ "type": "renew", "ticket": ticket }), "error"),
        (json!({ "type": "join", "room": "nowhere" }), "error"),
        (
            json!({ "type": "message", "room": "lobby", "id": "e", "message": " " }),
            "error",
        ),
        (json!({ "type": "dance" }), "error"),
        (json!({ "type": "leave", "room": "nowhere" }), "error"),
    ] {
        for reference in [json!("r-1"), json!(7)] {
            let mut asked = frame.clone();
            asked["ref"] = reference.clone();
            alice.send(asked.clone()).await;
            let answer = alice.until(|frame| !frame["ref"].is_null()).await;
            let again = kind == "renewed" && answer["type"] == "error";
            assert!(answer["type"] == kind || again, "{asked} got {answer}");
            assert_eq!(answer["ref"], reference, "{asked} got {answer}");
        }
    }
    town.stop().await;
}

#[tokio::test]
async fn fields_that_nobody_knows_are_ignored() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let mut alice = Client::open(web.address, &token).await;
    alice
        .send(json!({ "type": "join", "room": "lobby", "colour": "red", "z": [{}, null] }))
        .await;
    alice.expect("joined").await;
    let said =
        json!({ "type": "message", "room": "lobby", "id": "m", "message": "x", "priority": { "a": 1 } });
    alice.send(said).await;
    alice.expect("ack").await;
    let body = json!({ "message": "y", "colour": "red" });
    assert_eq!(web.post("/rooms/lobby/messages", &token, body).await.status, 201);
    alice.until_seq("lobby", 2).await;
    town.stop().await;
}
