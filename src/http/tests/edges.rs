//! Bodies, methods, paths, headers, files: what meets a request before anybody knows who asks.

use super::*;

#[tokio::test]
async fn a_body_is_json_and_small() {
    let site = Site::open();
    let post = |kind: &str, body: String| {
        let request = Request::post("/register").header("Content-Type", kind).body(Body::from(body)).unwrap();
        site.send(request)
    };
    let good = json!({ "username": "alice", "password": "correct horse" }).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        assert_eq!(post(kind, good.clone()).await.code(), (415, "unsupported_media_type"), "{kind}");
    }
    for bad in ["", "{", "nope", "\u{feff}{}"] {
        assert_eq!(
            post("application/json", bad.to_owned()).await.code(),
            (400, "invalid_json"),
            "{bad}"
        );
    }
    let deep = "[".repeat(5000);
    assert_eq!(post("application/json", format!("{{\"username\":{deep}")).await.status, 400);
    let twice = r#"{"username":"alice","username":"bob","password":"correct horse"}"#;
    assert_eq!(
        post("application/json", twice.to_owned()).await.code(),
        (400, "invalid_request")
    );
    let huge = json!({ "username": "alice", "password": "a".repeat(17_000) }).to_string();
    assert_eq!(post("application/json", huge.clone()).await.code(), (413, "payload_too_large"));
    assert_eq!(post("Application/JSON; charset=utf-8", good).await.status, 201);

    // Without a declared length it is cut at the limit.
    let pieces: Vec<_> = huge.as_bytes().chunks(1000).map(|p| Ok::<_, std::io::Error>(p.to_vec())).collect();
    let chunked = Body::from_stream(futures_util::stream::iter(pieces));
    let request = Request::post("/register")
        .header("Content-Type", "application/json")
        .body(chunked)
        .unwrap();
    assert_eq!(site.send(request).await.code(), (413, "payload_too_large"));
}

#[tokio::test]
async fn wrong_methods_and_paths_are_told_as_json() {
    let site = Site::open();
    for (method, path) in [
        ("GET", "/login"),
        ("PUT", "/login"),
        ("DELETE", "/rooms"),
        ("POST", "/health"),
        ("POST", "/ws"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = site.send(request).await;
        assert_eq!(answer.code(), (405, "method_not_allowed"), "{method} {path}");
        assert!(!answer.header("allow").is_empty());
    }
    for path in [
        "/nowhere",
        "/metrics",
        "/admin/users",
        "/../etc/passwd",
        "/.env",
        "/sdk/",
        "/rooms/a/b/c",
    ] {
        assert_eq!(site.get(path, "").await.code(), (404, "not_found"), "{path}");
    }
    assert_eq!(site.post("/nowhere", "", json!({})).await.code(), (404, "not_found"));
}

#[tokio::test]
async fn health_and_readiness() {
    let site = Site::open();
    let health = site.get("/health", "").await;
    let time = health.body["timeStamp"].as_str().unwrap();
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("ok")));
    assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[19] == b'.', "{time}");
    assert_eq!(site.get("/ready", "").await.body, json!({ "status": "ready" }));
    site.state.readiness.set(Cause::Draining, true);
    let ready = site.get("/ready", "").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body, json!({ "status": "unavailable", "causes": ["draining"] }));
    for path in ["/health", "/metrics"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(answer(&site.operator, request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_server_says_what_a_client_needs() {
    let site = Site::with(|config| config.demo_accounts = true);
    let told = site.get("/server", "").await.body;
    assert_eq!(
        (&told["name"], &told["registration"], &told["demoAccounts"]),
        (&json!("Chorus"), &json!("open"), &json!(true))
    );
    assert_eq!(told["limits"]["messageChars"], 500);
}

#[tokio::test]
async fn a_fault_says_nothing_of_the_inside() {
    let site = Site::open();
    let raised = site.get("/debug-sentry", "").await;
    assert_eq!(raised.code(), (500, "internal"));
    assert!(!raised.body.to_string().contains("purpose"));
    let panicked = site.get("/ws?panic", "").await;
    assert_eq!(panicked.code(), (500, "internal"));
    assert_eq!(panicked.body, raised.body);
    assert!(!panicked.header("x-request-id").is_empty());

    let production = Site::with(|config| config.node_env = crate::config::Environment::Production);
    assert_eq!(production.get("/debug-sentry", "").await.code(), (404, "not_found"));
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let site = Site::open();
    for path in ["/", "/health", "/nowhere", "/me"] {
        let answer = site.get(path, "").await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("strict-transport-security"), "");
    }
    for path in ["/main.js", "/styles/page.css", "/manifest.webmanifest"] {
        let part = site.get(path, "").await;
        assert_eq!(part.header("x-content-type-options"), "nosniff");
        assert_eq!(part.header("content-security-policy"), "", "no document: {path}");
    }
    let over_tls = |from: &str| {
        let mut request = Request::get("/").header("X-Forwarded-Proto", "https").body(Body::empty()).unwrap();
        request.extensions_mut().insert(peer(from));
        site.send(request)
    };
    assert!(over_tls("127.0.0.1").await.header("strict-transport-security").starts_with("max-age="));
    assert_eq!(
        over_tls("203.0.113.7").await.header("strict-transport-security"),
        "",
        "not from a stranger"
    );
}

#[tokio::test]
async fn a_sane_request_id_is_kept() {
    let site = Site::open();
    let ask = |id: &'static str| {
        site.send(Request::get("/health").header("X-Request-Id", id).body(Body::empty()).unwrap())
    };
    assert_eq!(ask("from-nginx_1.2").await.header("x-request-id"), "from-nginx_1.2");
    for odd in [
        "",
        "a b",
        "<script>",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    ] {
        let id = ask(odd).await;
        assert_eq!(id.header("x-request-id").len(), 32, "{odd}");
    }
}

#[tokio::test]
async fn pages_of_the_list_may_call() {
    let site = Site::open();
    let preflight = |origin: &'static str| {
        let request = Request::options("/rooms/lobby/messages").header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "POST");
        let request =
            request.header("Access-Control-Request-Headers", "authorization,content-type,idempotency-key");
        site.send(request.body(Body::empty()).unwrap())
    };
    let listed = preflight("http://localhost:5500").await;
    assert_eq!(listed.status, 200);
    assert_eq!(listed.header("access-control-allow-origin"), "http://localhost:5500");
    assert_eq!(listed.header("access-control-allow-methods"), "GET,POST");
    assert_eq!(
        listed.header("access-control-allow-headers"),
        "authorization,content-type,idempotency-key"
    );
    assert_eq!(listed.header("access-control-max-age"), "600");
    assert_eq!(listed.header("access-control-allow-credentials"), "");
    for foreign in [
        "https://evil.test",
        "null",
        "http://localhost:5500.evil.test",
        "http://localhost:55000",
    ] {
        assert_eq!(preflight(foreign).await.header("access-control-allow-origin"), "", "{foreign}");
    }
    let request = Request::get("/health")
        .header("Origin", "http://localhost:5500")
        .body(Body::empty())
        .unwrap();
    let called = site.send(request).await;
    assert_eq!(called.header("access-control-allow-origin"), "http://localhost:5500");
    assert_eq!(called.header("access-control-expose-headers"), "retry-after,x-request-id");
    let limited = Site::with(|config| config.rate_limit_per_hour = 1);
    let ask = || {
        limited.send(
            Request::get("/server")
                .header("Origin", "http://localhost:5500")
                .body(Body::empty())
                .unwrap(),
        )
    };
    ask().await;
    let refused = ask().await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("access-control-allow-origin")),
        (429, "http://localhost:5500")
    );
}

#[tokio::test]
async fn the_sdk_may_be_loaded_by_any_page_and_nothing_else_may() {
    let site = Site::open();
    let get = |path: &'static str, origin: &'static str| {
        site.send(Request::get(path).header("Origin", origin).body(Body::empty()).unwrap())
    };
    let sdk = get("/sdk/chorus.js", "https://elsewhere.test").await;
    assert_eq!(sdk.status, 200);
    assert_eq!(sdk.header("access-control-allow-origin"), "*");
    assert_eq!(sdk.header("access-control-allow-credentials"), "");
    for path in ["/", "/main.js", "/sdk/none.js", "/health", "/server", "/me"] {
        let answer = get(path, "https://elsewhere.test").await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    for path in ["/sdk/chorus.js", "/main.js", "/server"] {
        let listed = get(path, "http://localhost:5500").await;
        assert_eq!(listed.header("access-control-allow-origin"), "http://localhost:5500", "{path}");
        assert_eq!(listed.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn an_upgrade_is_a_socket_at_both_paths() {
    let site = Site::open();
    for path in ["/", "/ws"] {
        let upgrade = Request::get(path).header("Upgrade", "WebSocket").body(Body::empty()).unwrap();
        assert_eq!(site.send(upgrade).await.body, "a socket", "{path}");
    }
    assert_ne!(site.get("/", "").await.body, "a socket");
}

#[tokio::test]
async fn edited_files_are_served_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("index.html");
    std::fs::write(&page, "one").unwrap();
    std::fs::create_dir(dir.path().join("sdk")).unwrap();
    std::fs::write(dir.path().join("sdk/api.js"), "export {};".repeat(100)).unwrap();
    let site = Site::with(|config| config.client_dir = Some(dir.path().to_owned()));
    let first = site.get("/", "").await;
    assert_eq!(
        (&first.body, first.header("content-type")),
        (&json!("one"), "text/html; charset=utf-8")
    );
    assert_eq!(first.header("cache-control"), "no-cache");
    let again = Request::get("/")
        .header("If-None-Match", first.header("etag"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(site.send(again).await.status, 304);
    std::fs::write(&page, "two").unwrap();
    assert_eq!(site.get("/", "").await.body, "two");

    let script = site
        .send(Request::get("/sdk/api.js").header("Accept-Encoding", "gzip").body(Body::empty()).unwrap())
        .await;
    assert_eq!(script.header("content-encoding"), "gzip");
    assert_eq!(script.header("content-type"), "text/javascript");
}
