//! Bots at the whole router: what a token allows, and everything it does not.

use secrecy::ExposeSecret;

use super::*;
use crate::domain::{RoomName, Scope, Username};

async fn token(site: &Site, rooms: &[&str], read: bool, write: bool) -> String {
    let rooms = rooms.iter().map(|room| RoomName::parse(room).unwrap()).collect();
    let scope = Scope::new(rooms, read, write).unwrap();
    let made = site
        .state
        .auth
        .admin_add_token(&Username::parse("adder").unwrap(), scope, None)
        .await
        .unwrap();
    made.token.expose_secret().to_owned()
}

async fn with_rooms(site: &Site) {
    let alice = site.token("alice").await;
    assert_eq!(site.post("/rooms", &alice, json!({ "room": "ops" })).await.status, 201);
}

#[tokio::test]
async fn a_token_is_good_for_its_rooms_and_rights_alone() {
    let site = Site::open();
    with_rooms(&site).await;
    let hello = || json!({ "message": "Hello" });
    let both = token(&site, &["lobby"], true, true).await;
    assert_eq!(site.post("/rooms/lobby/messages", &both, hello()).await.status, 201);
    let page = site.get("/rooms/lobby/messages", &both).await;
    assert_eq!(
        (page.status.as_u16(), &page.body["messages"][0]["username"]),
        (200, &json!("adder"))
    );
    for path in ["/rooms/lobby", "/rooms/lobby/users"] {
        assert_eq!(site.get(path, &both).await.status, 200, "{path}");
    }
    // Another room, there or not, is beyond it alike.
    for room in ["ops", "nowhere"] {
        for path in [
            format!("/rooms/{room}"),
            format!("/rooms/{room}/messages"),
            format!("/rooms/{room}/users"),
        ] {
            assert_eq!(site.get(&path, &both).await.code(), (403, "forbidden"), "{path}");
        }
        let path = format!("/rooms/{room}/messages");
        assert_eq!(site.post(&path, &both, hello()).await.code(), (403, "forbidden"));
    }
    let reader = token(&site, &["ops"], true, false).await;
    assert_eq!(site.get("/rooms/ops/messages", &reader).await.status, 200);
    assert_eq!(
        site.post("/rooms/ops/messages", &reader, hello()).await.code(),
        (403, "forbidden")
    );
    let writer = token(&site, &["ops", "lobby"], false, true).await;
    assert_eq!(site.post("/rooms/ops/messages", &writer, hello()).await.status, 201);
    assert_eq!(site.get("/rooms/ops/messages", &writer).await.code(), (403, "forbidden"));
}

#[tokio::test]
async fn a_bot_can_do_nothing_with_accounts_and_the_list_of_rooms() {
    let site = Site::open();
    let bot = token(&site, &["lobby"], true, true).await;
    let calls = [
        ("/logout", json!({})),
        ("/logout", json!({ "token": bot })),
        ("/refresh", json!({})),
        ("/password", json!({ "current": "x", "new": "correct horse" })),
        ("/rooms", json!({ "room": "mine" })),
    ];
    for (path, body) in calls {
        assert_eq!(site.post(path, &bot, body).await.code(), (403, "forbidden"), "{path}");
    }
    for path in ["/me", "/rooms"] {
        assert_eq!(site.get(path, &bot).await.code(), (403, "forbidden"), "{path}");
    }
    assert_eq!(site.get("/rooms/lobby", &bot).await.status, 200, "nothing of this ended it");
    let guess = json!({ "username": "adder", "password": "correct horse" });
    assert_eq!(
        site.post("/login", "", guess.clone()).await.code(),
        (401, "invalid_credentials")
    );
    assert_eq!(site.post("/register", "", guess).await.code(), (409, "username_taken"));
}

#[tokio::test]
async fn garbage_and_what_ended_is_unauthorized() {
    let site = Site::open();
    let bot = token(&site, &["lobby"], true, true).await;
    let mut forged = bot.clone();
    forged.replace_range(40..41, if &bot[40..41] == "A" { "B" } else { "A" });
    let garbage = [
        "chorus_",
        "chorus_x",
        &bot[..70],
        &forged,
        &bot[7..],
        &format!("{bot}x"),
    ]
    .map(str::to_owned);
    for token in garbage {
        for path in ["/rooms/lobby", "/me"] {
            assert_eq!(site.get(path, &token).await.code(), (401, "unauthorized"), "{path} {token}");
        }
        assert_eq!(
            site.post("/logout", &token, json!({})).await.code(),
            (401, "unauthorized"),
            "{token}"
        );
    }
    site.age("UPDATE active_tokens SET expires_at = 1");
    assert_eq!(site.get("/rooms/lobby", &bot).await.code(), (401, "unauthorized"), "it expired");

    let next = token(&site, &["lobby"], true, true).await;
    assert_eq!(site.get("/rooms/lobby", &next).await.status, 200);
    assert_eq!(
        site.state.auth.admin_revoke(&Username::parse("ADDER").unwrap(), None).await.unwrap(),
        1
    );
    assert_eq!(site.get("/rooms/lobby", &next).await.code(), (401, "unauthorized"));
}

#[tokio::test]
async fn what_is_kept_of_a_token_lets_nobody_in() {
    let site = Site::open();
    let bot = token(&site, &["lobby"], true, true).await;
    site.store.check().await.unwrap();
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(site.dir.path()).unwrap() {
        kept.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let secret = &bot.as_bytes()[30..];
    assert!(!kept.windows(secret.len()).any(|part| part == secret));
}

#[tokio::test]
async fn a_bot_is_counted_as_itself_and_has_a_message_limit_of_its_own() {
    let site = Site::with(|config| {
        config.rate_limit_per_hour = 2;
        config.api_limit_per_minute = 6;
        config.message_limit = 1;
        config.bot_message_limit = 3;
    });
    let bot = token(&site, &["lobby"], true, true).await;
    // The first call counts by address, because nobody knows the token yet.
    assert_eq!(site.get("/rooms/lobby", &bot).await.status, 200);
    for _ in 0..3 {
        assert_eq!(
            site.post("/rooms/lobby/messages", &bot, json!({ "message": "Hello" })).await.status,
            201
        );
    }
    let limited = site.post("/rooms/lobby/messages", &bot, json!({ "message": "Hello" })).await;
    assert_eq!(limited.code(), (429, "rate_limited"));
    for _ in 0..2 {
        assert_eq!(site.get("/rooms/lobby", &bot).await.status, 200);
    }
    assert_eq!(site.get("/rooms/lobby", &bot).await.code(), (429, "rate_limited"));
    // Tokens that nobody made buy no calls.
    let guess = |n: u8| format!("chorus_{}", char::from(b'A' + n).to_string().repeat(64));
    assert_eq!(site.get("/rooms/lobby", &guess(0)).await.code(), (401, "unauthorized"));
    assert_eq!(site.get("/rooms/lobby", &guess(1)).await.code(), (429, "rate_limited"));
}

#[tokio::test]
async fn the_operator_makes_lists_and_revokes_tokens() {
    let site = Site::open();
    let operator = async |path: &str, body: Value| {
        let mut request = json_request(bearer(Request::post(path), ADMIN), &body);
        request.extensions_mut().insert(peer("127.0.0.1"));
        answer(&site.operator, request).await
    };
    let wanted = json!({ "username": "adder", "rooms": ["lobby"], "read": true, "write": false, "days": 7 });
    let made = operator("/admin/tokens", wanted).await;
    assert_eq!(made.status, 201, "{made:?}");
    let token = made.body["token"].as_str().unwrap();
    assert_eq!(site.get("/rooms/lobby", token).await.status, 200);
    let listed = operator("/admin/tokens/list", json!({})).await;
    assert!(!listed.body.to_string().contains(&token[20..]), "it is shown once");
    assert_eq!(listed.body["tokens"][0]["id"], made.body["id"]);
    assert_eq!(listed.body["tokens"][0]["expiresAt"], made.body["expiresAt"]);

    let bad = |change: Value| {
        let mut wanted = json!({ "username": "adder", "rooms": ["lobby"], "read": true, "write": true });
        wanted.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        wanted
    };
    site.register("alice").await;
    for (change, expected) in [
        (json!({ "username": "alice" }), (409, "username_taken")),
        (json!({ "rooms": ["nowhere"] }), (404, "room_not_found")),
        (json!({ "rooms": ["A room"] }), (400, "invalid_room_name")),
        (json!({ "rooms": [] }), (400, "invalid_request")),
        (json!({ "read": false, "write": false }), (400, "invalid_request")),
    ] {
        assert_eq!(operator("/admin/tokens", bad(change)).await.code(), expected);
    }
    let password = json!({ "username": "adder", "password": "correct horse" });
    assert_eq!(
        operator("/admin/users/password", password).await.code(),
        (403, "forbidden"),
        "it has none"
    );
    let revoke = json!({ "username": "adder", "id": made.body["id"] });
    assert_eq!(operator("/admin/tokens/revoke", revoke.clone()).await.body["ended"], 1);
    assert_eq!(operator("/admin/tokens/revoke", revoke).await.code(), (404, "not_found"));
    assert_eq!(site.get("/rooms/lobby", token).await.code(), (401, "unauthorized"));
    for path in ["/admin/tokens", "/admin/tokens/list", "/admin/tokens/revoke"] {
        let answered = answer(&site.operator, json_request(Request::post(path), &json!({}))).await;
        assert_eq!(answered.code(), (403, "forbidden"), "{path}");
    }
}
