//! Registering, signing in and out, tokens, passwords.

use super::*;

#[tokio::test]
async fn a_sign_in_lives_from_login_to_logout() {
    let site = Site::open();
    let registered = site
        .post("/register", "", json!({ "username": "Alice", "password": "correct horse" }))
        .await;
    assert_eq!(registered.status, 201);
    assert_eq!(
        registered.body,
        json!({ "message": "User created successfully", "username": "Alice" })
    );

    let login = site.post("/login", "", json!({ "username": "alice", "password": "correct horse" })).await;
    assert_eq!((login.status.as_u16(), &login.body["username"]), (200, &json!("Alice")));
    assert_eq!(login.header("cache-control"), "no-store");
    let token = login.body["token"].as_str().unwrap();
    let me = site.get("/me", token).await;
    assert_eq!(me.body, json!({ "username": "Alice", "expiresAt": login.body["expiresAt"] }));

    let refreshed = site.post("/refresh", token, json!({})).await;
    let second = refreshed.body["token"].as_str().unwrap();
    assert_ne!(second, token);
    assert_eq!(site.get("/me", token).await.status, 200, "the old token lives on");

    let logout = site.post("/logout", "", json!({ "token": second })).await;
    assert_eq!(
        (logout.status.as_u16(), logout.body),
        (200, json!({ "message": "User logout successfully" }))
    );
    for token in [token, second] {
        assert_eq!(site.get("/me", token).await.code(), (401, "unauthorized"));
        assert_eq!(site.post("/logout", token, json!({})).await.code(), (401, "unauthorized"));
    }
}

#[tokio::test]
async fn logout_takes_body_or_bearer_and_needs_one() {
    let site = Site::open();
    let token = site.token("alice").await;
    let nothing = Request::post("/logout").body(Body::empty()).unwrap();
    assert_eq!(site.send(nothing).await.code(), (400, "invalid_request"));
    assert_eq!(site.post("/logout", "", json!({})).await.code(), (400, "invalid_request"));
    let by_bearer = bearer(Request::post("/logout"), &token).body(Body::empty()).unwrap();
    assert_eq!(site.send(by_bearer).await.status, 200);
}

#[tokio::test]
async fn an_unknown_name_and_a_wrong_password_are_told_alike() {
    let site = Site::open();
    site.register("alice").await;
    let mut told = Vec::new();
    for (name, password) in [
        ("alice", "wrong horse"),
        ("nobody", "wrong horse"),
        ("x", "y"),
        ("alice", "short"),
    ] {
        let answer = site.post("/login", "", json!({ "username": name, "password": password })).await;
        assert_eq!(answer.code(), (401, "invalid_credentials"));
        told.push(answer.body);
    }
    assert!(told.iter().all(|body| *body == told[0]));
    for bad in [
        json!({}),
        json!({ "username": "alice" }),
        json!({ "username": "", "password": "" }),
    ] {
        assert_eq!(site.post("/login", "", bad).await.code(), (400, "invalid_request"));
    }
}

#[tokio::test]
async fn names_and_passwords_have_bounds() {
    let site = Site::open();
    for (name, password, code) in [
        ("ab", "correct horse", "invalid_username"),
        ("al ice", "correct horse", "invalid_username"),
        ("<script>", "correct horse", "invalid_username"),
        ("alice", "seven77", "invalid_password"),
        ("alice", &"a".repeat(129), "invalid_password"),
    ] {
        let answer = site.post("/register", "", json!({ "username": name, "password": password })).await;
        assert_eq!(answer.code(), (400, code));
    }
    let long = "😀".repeat(128);
    let body = json!({ "username": "alice", "password": long });
    assert_eq!(site.post("/register", "", body.clone()).await.status, 201);
    assert_eq!(site.post("/login", "", body).await.status, 200);
}

#[tokio::test]
async fn of_racing_registrations_one_wins() {
    let site = Arc::new(Site::open());
    let names = ["Alice", "alice", "ALICE", "aLICE", "alicE", "alIce"];
    let race =
        names.map(|name| {
            let site = site.clone();
            async move {
                site.post("/register", "", json!({ "username": name, "password": "correct horse" })).await
            }
        });
    let answers = futures_util::future::join_all(race).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert_eq!(
        answers.iter().filter(|answer| answer.code() == (409, "username_taken")).count(),
        5
    );
}

#[tokio::test]
async fn closed_registration_refuses() {
    let site = Site::with(|config| config.registration_open = false);
    let body = json!({ "username": "alice", "password": "correct horse" });
    assert_eq!(site.post("/register", "", body).await.code(), (403, "registration_closed"));
    assert_eq!(site.get("/server", "").await.body["registration"], "closed");
}

#[tokio::test]
async fn anything_but_a_valid_token_is_refused() {
    let site = Site::open();
    let token = site.token("alice").await;
    let ticket = site.post("/ws-ticket", &token, json!({})).await;
    let ticket = ticket.body["ticket"].as_str().unwrap();
    let other = Site::open();
    let foreign = other.token("alice").await;
    let (head, _) = token.rsplit_once('.').unwrap();
    for bad in [
        "",
        "garbage",
        "a.b.c",
        ticket,
        &foreign,
        &format!("{head}."),
        &format!("{token}x"),
    ] {
        let answer = site.get("/me", bad).await;
        assert_eq!(answer.code(), (401, "unauthorized"), "{bad}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let basic = Request::get("/me")
        .header("Authorization", format!("Basic {token}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(site.send(basic).await.status, 401);
    let lower = Request::get("/me")
        .header("Authorization", format!("bearer {token}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(site.send(lower).await.status, 200);
}

#[tokio::test]
async fn a_password_change_ends_all_other_sign_ins() {
    let site = Site::open();
    let here = site.token("alice").await;
    let elsewhere = site.login("alice").await;
    let wrong = json!({ "current": "not the one", "new": "another horse" });
    assert_eq!(site.post("/password", &here, wrong).await.code(), (401, "invalid_credentials"));
    let short = json!({ "current": "correct horse", "new": "short" });
    assert_eq!(site.post("/password", &here, short).await.code(), (400, "invalid_password"));

    let change = json!({ "current": "correct horse", "new": "another horse" });
    let changed = site.post("/password", &here, change).await;
    assert_eq!(changed.status, 200);
    assert_eq!(site.get("/me", changed.body["token"].as_str().unwrap()).await.status, 200);
    assert_eq!(site.get("/me", &elsewhere).await.status, 401);
    let old = json!({ "username": "alice", "password": "correct horse" });
    assert_eq!(site.post("/login", "", old).await.status, 401);
}

#[tokio::test]
async fn a_truncated_hash_of_the_predecessor_is_replaced_at_sign_in() {
    let site = Site::open();
    let name = crate::domain::Username::parse("alice").unwrap();
    // libxcrypt's hash of 80 × "a", of which it read 72.
    let old = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
    site.store.create_user(&name, old).await.unwrap();
    let login = |length: usize| json!({ "username": "alice", "password": "a".repeat(length) });
    assert_eq!(site.post("/login", "", login(80)).await.status, 200);
    assert_ne!(site.store.account(&name).await.unwrap().unwrap().password_hash, old);
    assert_eq!(site.post("/login", "", login(80)).await.status, 200);
    assert_eq!(
        site.post("/login", "", login(79)).await.status,
        401,
        "no byte is ignored any more"
    );
}

#[tokio::test]
async fn demo_accounts_never_take_a_name_over() {
    let site = Site::open();
    let own = json!({ "username": "Demo", "password": "somebody's own" });
    assert_eq!(site.post("/register", "", own.clone()).await.status, 201);
    site.state.auth.make_demo_accounts().await.unwrap();
    site.state.auth.make_demo_accounts().await.unwrap();
    assert_eq!(site.post("/login", "", own).await.status, 200);
    let demo = json!({ "username": "demo", "password": "demo1234" });
    assert_eq!(site.post("/login", "", demo).await.status, 401);
    let guest = json!({ "username": "guest", "password": "guest1234" });
    assert_eq!(site.post("/login", "", guest).await.status, 200);
}

#[tokio::test]
async fn the_operator_needs_the_token_and_this_machine() {
    let site = Site::open();
    let body = json!({ "username": "alice", "password": "correct horse" });
    let ask = |from: &str, token: &str, path: &str, body: &Value| {
        let mut request = json_request(bearer(Request::post(path), token), body);
        request.extensions_mut().insert(peer(from));
        let operator = site.operator.clone();
        async move { answer(&operator, request).await }
    };
    for (from, token) in [
        ("127.0.0.1", ""),
        ("127.0.0.1", "wrong"),
        ("203.0.113.7", ADMIN),
        ("10.0.0.1", ADMIN),
    ] {
        assert_eq!(ask(from, token, "/admin/users", &body).await.code(), (403, "forbidden"));
    }
    assert_eq!(ask("::1", ADMIN, "/admin/users", &body).await.status, 201);
    assert_eq!(
        ask("127.0.0.1", ADMIN, "/admin/users", &body).await.code(),
        (409, "username_taken")
    );
    let token = site.login("alice").await;
    let set = json!({ "username": "alice", "password": "another horse" });
    assert_eq!(ask("127.0.0.1", ADMIN, "/admin/users/password", &set).await.status, 204);
    assert_eq!(site.get("/me", &token).await.status, 401);
    let delete = json!({ "username": "alice" });
    assert_eq!(ask("127.0.0.1", ADMIN, "/admin/users/delete", &delete).await.status, 204);
    assert_eq!(
        ask("127.0.0.1", ADMIN, "/admin/users/delete", &delete).await.code(),
        (404, "not_found")
    );
    assert_eq!(
        site.post("/admin/users", ADMIN, body).await.code(),
        (404, "not_found"),
        "not on the public port"
    );
}
