//! The cookie by which a browser is remembered: what it looks like, who may show it, what ends it.

use super::*;

/// The page that this server itself serves.
const OWN: &str = "http://chat.example";

/// The session cookie that an answer sets: its value and its attributes.
fn cookie(answer: &Answer) -> (String, String) {
    let line = line(answer, "chorus_session").unwrap_or_else(|| panic!("{answer:?}"));
    let (value, attributes) = line.split_once("; ").unwrap();
    (value.to_owned(), attributes.to_owned())
}

/// The rest of the line that sets this cookie.
fn line(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap());
    let mut lines = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let found = lines.next().map(str::to_owned);
    assert!(lines.next().is_none(), "twice");
    found
}

/// `/refresh` as a page of `origin` (empty: none) on this host asks it with this cookie.
fn by_cookie(origin: &str, value: &str) -> Request<Body> {
    let request = Request::post("/refresh").header("Host", "chat.example");
    let request = request.header("Cookie", format!("theme=dark; chorus_session={value}"));
    let request = if origin.is_empty() { request } else { request.header("Origin", origin) };
    request.body(Body::empty()).unwrap()
}

impl Site {
    /// Signs somebody in, to be remembered: the token and the cookie.
    async fn remembered(&self, name: &str) -> (String, String) {
        let body = json!({ "username": name, "password": "correct horse", "remember": true });
        let answer = self.post("/login", "", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.body["token"].as_str().unwrap().to_owned(), cookie(&answer).0)
    }

    async fn show(&self, value: &str) -> Answer {
        self.send(by_cookie(OWN, value)).await
    }

    /// Shows a cookie that is good: the token and the next cookie.
    async fn next(&self, value: &str) -> (String, String) {
        let answer = self.show(value).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (answer.body["token"].as_str().unwrap().to_owned(), cookie(&answer).0)
    }
}

#[tokio::test]
async fn who_wants_to_be_remembered_gets_a_cookie_for_refresh_alone() {
    let site = Site::open();
    site.register("alice").await;
    let sign_in =
        |remember: Value| json!({ "username": "alice", "password": "correct horse", "remember": remember });
    let plain = json!({ "username": "alice", "password": "correct horse" });
    for body in [plain, sign_in(json!(false))] {
        let answer = site.post("/login", "", body).await;
        assert_eq!(answer.status, 200);
        assert!(answer.headers.get("set-cookie").is_none());
    }
    assert_eq!(
        site.post("/login", "", sign_in(json!("yes"))).await.code(),
        (400, "invalid_request")
    );
    let wrong = json!({ "username": "alice", "password": "wrong horse", "remember": true });
    assert!(site.post("/login", "", wrong).await.headers.get("set-cookie").is_none());

    let answer = site.post("/login", "", sign_in(json!(true))).await;
    let (value, attributes) = cookie(&answer);
    assert_eq!(attributes, "Path=/refresh; Max-Age=1209600; HttpOnly; SameSite=Strict");
    assert_eq!(value.len(), 64, "128 bits of family, 256 of secret");
    // What tells the page that there is one lets nobody in.
    let told = line(&answer, "chorus_remembered").unwrap();
    assert_eq!(told, "1; Path=/; Max-Age=1209600; SameSite=Strict");
    assert_eq!(answer.body.as_object().unwrap().len(), 3, "not in the body");
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure() {
    let site = Site::open();
    site.register("alice").await;
    let body = json!({ "username": "alice", "password": "correct horse", "remember": true });
    for (from, secure) in [("127.0.0.1", true), ("203.0.113.7", false)] {
        let mut request = json_request(Request::post("/login").header("X-Forwarded-Proto", "https"), &body);
        request.extensions_mut().insert(peer(from));
        let answer = site.send(request).await;
        let (value, attributes) = cookie(&answer);
        assert_eq!(
            attributes.ends_with("; Secure"),
            secure,
            "{from}: only a trusted proxy is believed"
        );
        let mut request = by_cookie(OWN, &value);
        request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
        request.extensions_mut().insert(peer(from));
        assert_eq!(cookie(&site.send(request).await).1.ends_with("; Secure"), secure);
    }
}

#[tokio::test]
async fn the_cookie_answers_a_token_of_the_same_sign_in_and_the_next_cookie() {
    let site = Site::open();
    site.register("Alice").await;
    let (token, first) = site.remembered("alice").await;
    let answer = site.show(&first).await;
    assert_eq!((answer.status.as_u16(), &answer.body["username"]), (200, &json!("Alice")));
    assert!(answer.body["expiresAt"].is_string());
    let (second, attributes) = cookie(&answer);
    assert_ne!(second, first);
    assert_eq!(attributes, "Path=/refresh; Max-Age=1209600; HttpOnly; SameSite=Strict");
    assert!(line(&answer, "chorus_remembered").unwrap().contains("Max-Age=1209600"));
    let renewed = answer.body["token"].as_str().unwrap();
    let sid = |token: &str| site.state.auth.claims(token).unwrap().sid;
    assert_eq!(sid(renewed), sid(&token));
    for token in [renewed, &token] {
        assert_eq!(site.get("/me", token).await.status, 200);
    }
    let (_, third) = site.next(&second).await;
    assert_ne!(third, second);
}

#[tokio::test]
async fn only_the_own_page_may_show_the_cookie() {
    let site = Site::open();
    site.register("alice").await;
    let (_, value) = site.remembered("alice").await;
    for origin in [
        "",
        "null",
        // On the list of those that may call.
        "http://localhost:5500",
        "http://chat.example.evil.test",
        "http://chat.example:8080",
        "http://evil.chat.example",
    ] {
        let answer = site.send(by_cookie(origin, &value)).await;
        assert_eq!(answer.code(), (403, "forbidden_origin"), "{origin:?}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
    // The host that was asked for behind a proxy counts if the proxy does.
    for (from, status) in [("203.0.113.7", 403), ("127.0.0.1", 200)] {
        let mut request = by_cookie("https://public.example", &value);
        request.headers_mut().insert("x-forwarded-host", "public.example".parse().unwrap());
        request.extensions_mut().insert(peer(from));
        assert_eq!(site.send(request).await.status, status, "{from}");
    }
    assert_eq!(site.show(&value).await.status, 200, "what was refused used nothing up");
}

#[tokio::test]
async fn no_other_origin_reads_answers_with_the_browsers_credentials() {
    let site = Site::open();
    site.register("alice").await;
    let (_, value) = site.remembered("alice").await;
    let preflight = Request::options("/refresh")
        .header("Origin", "http://localhost:5500")
        .header("Access-Control-Request-Method", "POST");
    for request in [
        preflight.body(Body::empty()).unwrap(),
        by_cookie("http://localhost:5500", &value),
    ] {
        let answer = site.send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), "http://localhost:5500");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn two_tabs_that_ask_at_once_get_the_same_cookie_and_both_stay() {
    let site = Arc::new(Site::open());
    site.register("alice").await;
    let (_, first) = site.remembered("alice").await;
    let asking = [(); 6].map(|()| {
        let (site, first) = (site.clone(), first.clone());
        async move { site.next(&first).await }
    });
    let answers = futures_util::future::join_all(asking).await;
    let second = &answers[0].1;
    for (token, next) in &answers {
        assert_eq!(next, second, "whichever answer comes last, the browser has the current one");
        assert_eq!(site.get("/me", token).await.status, 200);
    }
    // Half a minute long, and not a moment more by being asked again.
    site.age("UPDATE refresh_cookies SET rotated_at = rotated_at - 25000");
    assert_eq!(&site.next(&first).await.1, second);
    site.age("UPDATE refresh_cookies SET rotated_at = rotated_at - 5000");
    assert_eq!(site.show(&first).await.code(), (401, "session_ended"));
}

#[tokio::test]
async fn an_outdated_cookie_ends_the_sign_in() {
    let site = Site::open();
    site.register("alice").await;
    let elsewhere = site.login("alice").await;
    for older in [true, false] {
        let (token, first) = site.remembered("alice").await;
        let (renewed, second) = site.next(&first).await;
        let third = if older {
            site.next(&second).await.1
        } else {
            site.age("UPDATE refresh_cookies SET rotated_at = rotated_at - 30001");
            second.clone()
        };
        let theft = site.show(&first).await;
        assert_eq!(theft.code(), (401, "session_ended"), "older: {older}");
        assert!(theft.headers.get("set-cookie").is_none());
        for token in [&token, &renewed] {
            assert_eq!(site.get("/me", token).await.code(), (401, "unauthorized"));
        }
        for value in [&third, &second, &first] {
            assert_eq!(site.show(value).await.code(), (401, "unauthorized"), "it is over for all");
        }
    }
    assert_eq!(
        site.get("/me", &elsewhere).await.status,
        200,
        "other sign-ins are not concerned"
    );
}

#[tokio::test]
async fn an_unknown_cookie_is_unauthorized_and_harms_nobody() {
    let site = Site::open();
    site.register("alice").await;
    let (token, value) = site.remembered("alice").await;
    let foreign = Site::open();
    foreign.register("alice").await;
    let (_, others) = foreign.remembered("alice").await;
    for bad in [
        "",
        "garbage",
        &token,
        &value[1..],
        &format!("{value}A"),
        &others,
        "é",
    ] {
        assert_eq!(site.show(bad).await.code(), (401, "unauthorized"), "{bad}");
    }
    let none = Request::post("/refresh").header("Origin", OWN).header("Host", "chat.example");
    let answer = site.send(none.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.code(), (401, "unauthorized"));
    assert_eq!(site.show(&value).await.status, 200);
}

#[tokio::test]
async fn a_cookie_outlives_its_tokens_and_slides_for_fourteen_days() {
    let site = Site::open();
    site.register("alice").await;
    let (token, mut value) = site.remembered("alice").await;
    let old_tokens = "UPDATE active_tokens SET expires_at = 0;";
    for _ in 0..2 {
        // Thirteen days and 23 hours pass, the tokens with them.
        let passes = "UPDATE refresh_cookies SET expires_at = expires_at - 1206000000;";
        site.age(&format!("{old_tokens} {passes}"));
        site.store.sweep().await.unwrap();
        assert_eq!(site.get("/me", &token).await.status, 401);
        let (token, next) = site.next(&value).await;
        assert_eq!(site.get("/me", &token).await.status, 200, "signed in again without a password");
        value = next;
    }
    site.age(&format!(
        "{old_tokens} UPDATE refresh_cookies SET expires_at = expires_at - 1209600000;"
    ));
    assert_eq!(site.show(&value).await.code(), (401, "unauthorized"));
}

#[tokio::test]
async fn signing_out_ends_the_cookie_and_makes_the_browser_forget_it() {
    let site = Site::open();
    site.register("alice").await;
    let (token, value) = site.remembered("alice").await;
    let (_, others) = site.remembered("alice").await;
    let refused = site.post("/logout", "garbage", json!({})).await;
    assert!(
        refused.headers.get("set-cookie").is_none(),
        "who is not signed out is not forgotten"
    );
    let out = site.post("/logout", &token, json!({})).await;
    // The path of the cookie that is to go, though this is not /refresh.
    assert_eq!(
        line(&out, "chorus_session").unwrap(),
        "; Path=/refresh; Max-Age=0; HttpOnly; SameSite=Strict"
    );
    assert_eq!(line(&out, "chorus_remembered").unwrap(), "; Path=/; Max-Age=0; SameSite=Strict");
    assert_eq!(site.show(&value).await.code(), (401, "unauthorized"));
    assert_eq!(site.show(&others).await.status, 200);
}

#[tokio::test]
async fn a_password_change_keeps_the_own_cookie_and_ends_all_others() {
    let site = Site::open();
    site.register("alice").await;
    let (token, own) = site.remembered("alice").await;
    let (_, others) = site.remembered("alice").await;
    let change = json!({ "current": "correct horse", "new": "another horse" });
    assert_eq!(site.post("/password", &token, change).await.status, 200);
    assert_eq!(site.show(&own).await.status, 200);
    assert_eq!(site.show(&others).await.code(), (401, "unauthorized"));
    let name = crate::domain::Username::parse("alice").unwrap();
    let new = crate::domain::Password::parse("the operator's").unwrap();
    let (_, again) = site.next(&own).await;
    site.state.auth.admin_set_password(&name, &new).await.unwrap();
    assert_eq!(site.show(&again).await.code(), (401, "unauthorized"));
}

#[tokio::test]
async fn a_bearer_counts_before_the_cookie_and_only_refresh_reads_that() {
    let site = Site::open();
    site.register("alice").await;
    let (token, value) = site.remembered("alice").await;
    let with = |token: &str| {
        let mut request = by_cookie("", &value);
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let answer = site.send(with(&token)).await;
    assert_eq!(answer.status, 200, "no origin is needed");
    assert!(answer.headers.get("set-cookie").is_none(), "and the cookie stays as it is");
    assert_eq!(site.send(with("garbage")).await.code(), (401, "unauthorized"));
    for (method, path) in [
        ("GET", "/me"),
        ("POST", "/ws-ticket"),
        ("GET", "/rooms"),
        ("POST", "/logout"),
    ] {
        let mut request = by_cookie(OWN, &value);
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        let status = site.send(request).await.status;
        assert!(status == 401 || status == 400, "{path}: {status}");
    }
    assert_eq!(site.show(&value).await.status, 200);
}

#[tokio::test]
async fn a_refresh_by_cookie_counts_as_a_call_of_its_address() {
    let site = Site::with(|config| config.rate_limit_per_hour = 4);
    site.register("alice").await;
    let (token, value) = site.remembered("alice").await;
    for _ in 0..2 {
        assert_eq!(site.show(&value).await.status, 200);
    }
    let limited = site.show(&value).await;
    assert_eq!(limited.code(), (429, "rate_limited"));
    assert!(!limited.header("retry-after").is_empty());
    assert_eq!(site.post("/refresh", &token, json!({})).await.status, 200, "counted by name");
}
