//! Rooms, the people in them, and who is typing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Client, LIMIT, web::node};

#[tokio::test]
async fn rooms_are_opened_listed_joined_and_left() {
    let (town, web) = node(|config| config.presence_grace = Duration::ZERO).await;
    let token = web.sign_in("alice").await;
    assert_eq!(web.post("/rooms", &token, json!({ "room": "garden" })).await.status, 201);
    let again = web.post("/rooms", &token, json!({ "room": "garden" })).await;
    assert_eq!(again.refusal(), (409, "room_taken"));
    assert_eq!(web.get("/rooms/cellar", &token).await.refusal(), (404, "room_not_found"));

    let mut alice = Client::open(web.address, &token).await;
    alice.send(json!({ "type": "join", "room": "cellar" })).await;
    assert_eq!(alice.expect("error").await["code"], "room_not_found");
    let mut bob = Client::open(web.address, &web.sign_in("bob").await).await;
    alice.join("garden").await;
    bob.join("garden").await;
    alice.until_people("garden", &["alice", "bob"]).await;
    let ack = alice.say_acked("garden", "m1", "in the garden").await;

    let garden = json!({ "room": "garden", "userCount": 2, "lastSeq": 1, "lastTimestamp": ack["timestamp"] });
    assert_eq!(web.get("/rooms/garden", &token).await.body, garden);
    let listed = web.get("/rooms", &token).await;
    let lobby = json!({ "room": "lobby", "userCount": 0, "lastSeq": 0, "lastTimestamp": null });
    assert_eq!(listed.body, json!({ "rooms": [garden, lobby], "next": null }));
    let first = web.get("/rooms/garden/users?limit=1", &token).await;
    assert_eq!(first.body, json!({ "users": ["alice"], "userCount": 2, "next": "alice" }));
    let second = web.get("/rooms/garden/users?limit=1&after=alice", &token).await;
    assert_eq!(second.body["users"], json!(["bob"]));

    bob.send(json!({ "type": "users", "room": "garden" })).await;
    let list = bob.expect("userList").await;
    assert_eq!((&list["users"], &list["userCount"]), (&json!(["alice", "bob"]), &json!(2)));

    bob.send(json!({ "type": "leave", "room": "garden" })).await;
    alice.until_people("garden", &["alice"]).await;
    alice.say_acked("garden", "m2", "alone").await;
    bob.join("lobby").await;
    let told = bob.say_acked("lobby", "m1", "elsewhere").await;
    assert_eq!(told["seq"], 1, "each room counts for itself");
    assert_eq!(bob.last("garden"), 1, "who left hears nothing more");
    town.stop().await;
}

#[tokio::test]
async fn what_needs_a_room_says_that_it_was_not_joined() {
    let (town, web) = node(|_| {}).await;
    let mut alice = Client::open(web.address, &web.sign_in("alice").await).await;
    for frame in [
        json!({ "type": "message", "room": "lobby", "id": "m1", "message": "x" }),
        json!({ "type": "leave", "room": "lobby" }),
        json!({ "type": "users", "room": "lobby" }),
        json!({ "type": "typing", "room": "lobby" }),
    ] {
        alice.send(frame.clone()).await;
        let error = alice.expect("error").await;
        assert_eq!(error["code"], "not_joined", "{frame}");
        assert_eq!(error["id"], frame["id"], "{frame}");
        assert_eq!(error["retryAfterMs"], Value::Null);
    }
    town.stop().await;
}

#[tokio::test]
async fn one_socket_joins_only_so_many_rooms() {
    let (town, web) = node(|config| config.max_rooms_per_socket = 2).await;
    let token = web.sign_in("alice").await;
    assert_eq!(web.get("/server", "").await.body["limits"]["roomsPerSocket"], 2);
    for room in ["a", "b"] {
        assert_eq!(web.post("/rooms", &token, json!({ "room": room })).await.status, 201);
    }
    let mut alice = Client::open(web.address, &token).await;
    alice.join("lobby").await;
    alice.join("a").await;
    alice.send(json!({ "type": "join", "room": "b" })).await;
    assert_eq!(alice.expect("error").await["code"], "too_many_rooms");
    // A room it is in can be joined anew, and one that is left makes a place.
    alice.join("a").await;
    alice.send(json!({ "type": "leave", "room": "lobby" })).await;
    alice.join("b").await;
    // Another socket has places of its own.
    Client::open(web.address, &token).await.join("b").await;
    town.stop().await;
}

#[tokio::test]
async fn typing_is_told_to_the_others_once_in_three_seconds() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let (mut alice, mut elsewhere) = (web.guest(&token).await, web.guest(&token).await);
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    let typing = json!({ "type": "typing", "room": "lobby" });
    let began = Instant::now();
    for _ in 0..5 {
        alice.send(typing.clone()).await;
    }
    alice.say_acked("lobby", "m1", "typed").await;
    let (before, _) = bob.up_to(|frame| frame["type"] == "message").await;
    let hints: Vec<_> = before.iter().filter(|frame| frame["type"] == "typing").collect();
    assert_eq!(hints, [&json!({ "type": "typing", "room": "lobby", "username": "alice" })]);

    while began.elapsed() < LIMIT {
        alice.send(typing.clone()).await;
        let heard = bob.listen_for(Duration::from_millis(100)).await;
        if heard.iter().any(|frame| frame["type"] == "typing") {
            break;
        }
    }
    assert!(began.elapsed() > Duration::from_millis(2900), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    bob.say_acked("lobby", "m2", "the last").await;
    for own in [&mut alice, &mut elsewhere] {
        let (before, _) = own.up_to(|frame| frame["id"] == "m2").await;
        assert!(before.iter().all(|frame| frame["type"] != "typing"), "{before:?}");
    }
    town.stop().await;
}
