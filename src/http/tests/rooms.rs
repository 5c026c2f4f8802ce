//! Rooms, messages and people over HTTP.

use super::*;

#[tokio::test]
async fn rooms_are_opened_listed_and_shown() {
    let site = Site::open();
    let token = site.token("alice").await;
    let created = site.post("/rooms", &token, json!({ "room": "garden" })).await;
    assert_eq!(created.status, 201);
    let shown = json!({ "room": "garden", "userCount": 0, "lastSeq": 0, "lastTimestamp": null });
    assert_eq!(created.body, shown);
    assert_eq!(
        site.post("/rooms", &token, json!({ "room": "garden" })).await.code(),
        (409, "room_taken")
    );
    assert_eq!(
        site.post("/rooms", &token, json!({ "room": "Garden" })).await.code(),
        (400, "invalid_room_name")
    );
    assert_eq!(site.get("/rooms/garden", &token).await.body, shown);

    let all = site.get("/rooms?after=&limit=", &token).await;
    let names: Vec<_> =
        all.body["rooms"].as_array().unwrap().iter().map(|room| room["room"].clone()).collect();
    assert_eq!(
        (names, &all.body["next"]),
        (vec![json!("garden"), json!("lobby")], &Value::Null)
    );
    let first = site.get("/rooms?limit=1", &token).await;
    assert_eq!(first.body["next"], "garden");
    let second = site.get("/rooms?limit=1&after=garden", &token).await;
    assert_eq!(second.body["rooms"][0]["room"], "lobby");
}

#[tokio::test]
async fn what_needs_a_sign_in_says_so() {
    let site = Site::open();
    for path in [
        "/rooms",
        "/rooms/lobby",
        "/rooms/lobby/messages",
        "/rooms/lobby/users",
        "/me",
    ] {
        assert_eq!(site.get(path, "").await.code(), (401, "unauthorized"), "{path}");
    }
    for path in [
        "/rooms",
        "/rooms/lobby/messages",
        "/refresh",
        "/ws-ticket",
        "/password",
    ] {
        assert_eq!(site.post(path, "", json!({})).await.code(), (401, "unauthorized"), "{path}");
    }
}

#[tokio::test]
async fn a_message_is_posted_once_and_read_back() {
    let site = Site::open();
    let token = site.token("alice").await;
    let text = "<b>it's; DROP TABLE users;--</b> ✓";
    let post = |id: &str, text: &str| {
        site.post("/rooms/lobby/messages", &token, json!({ "id": id, "message": text }))
    };
    let first = post("m1", text).await;
    assert_eq!(
        (first.status.as_u16(), &first.body["seq"], &first.body["room"]),
        (201, &json!(1), &json!("lobby"))
    );
    let again = post("m1", text).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &first.body));
    assert_eq!(post("m1", "other").await.code(), (409, "id_conflict"));
    assert_eq!(post("m 2", "text").await.code(), (400, "invalid_id"));
    assert_eq!(post("m3", " \u{0}\n ").await.code(), (400, "message_empty"));
    assert_eq!(post("m4", &"a".repeat(501)).await.code(), (400, "message_too_long"));

    let page = site.get("/rooms/lobby/messages", &token).await;
    assert_eq!((&page.body["lastSeq"], &page.body["hasMore"]), (&json!(1), &json!(false)));
    let message = &page.body["messages"][0];
    assert_eq!(
        (&message["message"], &message["username"], &message["id"]),
        (&json!(text), &json!("alice"), &json!("m1"))
    );
    assert_eq!(message["timestamp"], first.body["timestamp"]);
}

#[tokio::test]
async fn the_idempotency_key_is_the_id() {
    let site = Site::open();
    let token = site.token("alice").await;
    let post = |key: &str, body: Value| {
        let builder = bearer(Request::post("/rooms/lobby/messages"), &token).header("Idempotency-Key", key);
        site.send(json_request(builder, &body))
    };
    assert_eq!(post("k1", json!({ "message": "hi" })).await.body["id"], "k1");
    assert_eq!(post("k1", json!({ "message": "hi", "id": "k1" })).await.status, 200);
    assert_eq!(
        post("k1", json!({ "message": "hi", "id": "k2" })).await.code(),
        (400, "invalid_id")
    );
    let made = site
        .post(
            "/rooms/lobby/messages",
            &token,
            json!({ "message": "hi", "username": "eve", "seq": 99 }),
        )
        .await;
    assert_eq!((made.status.as_u16(), &made.body["seq"]), (201, &json!(2)));
    assert!(!made.body["id"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn pages_go_both_ways_but_not_at_once() {
    let site = Site::open();
    let token = site.token("alice").await;
    for n in 1..=5 {
        let body = json!({ "id": format!("m{n}"), "message": format!("{n}") });
        assert_eq!(site.post("/rooms/lobby/messages", &token, body).await.status, 201);
    }
    let seqs = |answer: &Answer| -> Vec<u64> {
        answer.body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["seq"].as_u64().unwrap())
            .collect()
    };
    for (query, expected, more) in [
        ("limit=2", vec![4, 5], true),
        ("before=4&limit=2", vec![2, 3], true),
        ("before=2", vec![1], false),
        ("after=3", vec![4, 5], false),
        ("after=1&limit=2", vec![2, 3], true),
        ("after=5", vec![], false),
    ] {
        let page = site.get(&format!("/rooms/lobby/messages?{query}"), &token).await;
        assert_eq!((seqs(&page), page.body["hasMore"] == true), (expected, more), "{query}");
    }
    for bad in [
        "before=4&after=1",
        "limit=0",
        "limit=x",
        "before=-1",
        "after=99999999999999999999",
        "limit=1&limit=2",
    ] {
        let answer = site.get(&format!("/rooms/lobby/messages?{bad}"), &token).await;
        assert_eq!(answer.code(), (400, "invalid_request"), "{bad}");
    }
    for many in ["999", "99999999999999999999999"] {
        assert_eq!(
            site.get(&format!("/rooms/lobby/messages?limit={many}"), &token).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_room_that_is_not_there_is_not_found() {
    let site = Site::open();
    let token = site.token("alice").await;
    for room in ["nowhere", "No%20Room", "%ff", "..%2f.."] {
        assert_eq!(
            site.get(&format!("/rooms/{room}"), &token).await.code(),
            (404, "room_not_found"),
            "{room}"
        );
        assert_eq!(
            site.get(&format!("/rooms/{room}/users"), &token).await.code(),
            (404, "room_not_found")
        );
        let answer = site.post(&format!("/rooms/{room}/messages"), &token, json!({ "message": "hi" })).await;
        assert_eq!(answer.code(), (404, "room_not_found"));
    }
    let users = site.get("/rooms/lobby/users", &token).await;
    assert_eq!(users.body, json!({ "users": [], "userCount": 0, "next": null }));
}

#[tokio::test]
async fn the_message_window_counts_over_http() {
    let site = Site::with(|config| config.message_limit = 2);
    let token = site.token("alice").await;
    let post = || site.post("/rooms/lobby/messages", &token, json!({ "message": "hi" }));
    assert_eq!(post().await.status, 201);
    assert_eq!(post().await.status, 201);
    let limited = post().await;
    assert_eq!(limited.code(), (429, "rate_limited"));
    assert!((1..=10).contains(&limited.header("retry-after").parse::<u32>().unwrap()));
}
