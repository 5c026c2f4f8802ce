//! What is refused at the edge, what the nodes are told of a visitor, and what no log tells.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_tungstenite::tungstenite;

use super::scene::{Scene, visit};
use crate::{
    common::{Client, PASSWORD, eventually, web::Web},
    dead_line::ends_at,
    harness::beside,
    servers::nginx::{GENEROUS, Nginx},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_nginx_refuses_is_refused_in_our_words() {
    let scene = Scene::of(1, &[]).await;
    for path in [
        "/metrics",
        "/metrics/x",
        "/%6detrics",
        "/debug-sentry",
        "/debug",
        "/admin/users",
        "/.refused/request",
    ] {
        let answer = scene.web.get(path, "").await;
        assert_eq!(answer.refusal(), (404, "not_found"), "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    let unknown = scene.web.get("/nowhere", "").await;
    assert_eq!(unknown.refusal(), (404, "not_found"), "the node's own");
    let large = scene.web.post("/login", "", json!({ "username": "a".repeat(20_000) })).await;
    assert_eq!(large.refusal(), (413, "payload_too_large"));
    let long = scene.web.request(Method::GET, "/health", "").header("X", "a".repeat(40_000));
    assert_eq!(scene.web.ask(long).await.refusal(), (431, "invalid_request"));
    assert_eq!(scene.web.get("/health", "").await.header("server"), "nginx", "and no version");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_node_left_callers_are_told_to_try_again() {
    let mut scene = Scene::of(1, &[]).await;
    scene.nodes.remove(0).program.kill().await;
    for answer in [
        scene.web.get("/server", "").await,
        scene.web.post("/rooms/lobby/messages", "x", json!({ "message": "hello" })).await,
    ] {
        assert_eq!(answer.refusal(), (503, "unavailable"), "it reached no node: {answer:?}");
        assert_eq!(answer.header("retry-after"), "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_sent_is_not_sent_again() {
    let mut scene = Scene::of(2, &[]).await;
    let cookies = scene.cookies().await;
    scene.know("alice").await;
    let token = Web::of(scene.nodes[0].address).login("alice").await;
    let stuck = scene.nodes.remove(0);
    stuck.program.signal("-STOP").await;
    let post = scene.web.request(Method::POST, "/rooms/lobby/messages", &token);
    let post = post.header("Cookie", &cookies[0]).json(&json!({ "id": "m1", "message": "hello" }));
    let asking = scene.web.ask(post);
    let address = stuck.address;
    // What nginx asks to find out how a node is is shorter than the token alone.
    let sent = async || ends_at(address.port()).iter().any(|end| end.unread > token.len());
    let killing = async {
        eventually("it lies in the node's socket", sent).await;
        stuck.program.kill().await;
    };
    let (answer, ()) = tokio::join!(asking, killing);
    assert_eq!(answer.refusal(), (503, "outcome_unknown"), "{answer:?}");
    let there = Web::of(scene.nodes[0].address);
    let token = there.login("alice").await;
    let log = there.get("/rooms/lobby/messages", &token).await;
    assert_eq!(log.body["lastSeq"], json!(0), "the other node was not asked");
}

/// Where somebody says that it is ready and then refuses whoever comes, and counts them.
async fn full(came: Arc<AtomicUsize>) -> SocketAddr {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    beside(async move {
        while let Ok((mut line, _)) = door.accept().await {
            let mut asked = [0; 4096];
            let read = line.read(&mut asked).await.unwrap_or_default();
            let status = if asked[..read].starts_with(b"GET /ready ") {
                "200 OK"
            } else {
                came.fetch_add(1, Ordering::Relaxed);
                "503 Service Unavailable"
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = line.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_all_refuse_costs_a_large_cluster_no_more_than_ten_calls() {
    let came = Arc::new(AtomicUsize::new(0));
    let mut nodes = Vec::new();
    for _ in 0..12 {
        nodes.push(full(came.clone()).await);
    }
    let nginx = Nginx::start(&nodes, &GENEROUS);
    for node in &nodes {
        nginx.until_ready(*node, true);
    }
    let refused = visit(nginx.address, "/ws", "token", "").await.err();
    let Some(tungstenite::Error::Http(answer)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(answer.status(), 503);
    assert_eq!(came.load(Ordering::Relaxed), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_bounded_for_all_nodes_together() {
    let scene = Scene::of(2, &[("SIGN_IN_PER_MINUTE", "6"), ("SIGN_IN_BURST", "4")]).await;
    let guess = json!({ "username": "alice", "password": PASSWORD });
    let mut seen = Vec::new();
    for n in 0..8 {
        let path = if n % 2 == 0 { "/login" } else { "/register" };
        let request =
            scene.web.request(Method::POST, path, "").header("X-Forwarded-For", format!("10.1.1.{n}"));
        seen.push(scene.web.ask(request.json(&guess)).await);
    }
    let refused: Vec<_> = seen.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(refused.len(), 3, "five of eight pass, whatever they call themselves: {seen:?}");
    for answer in refused {
        assert_eq!((answer.refusal().1, answer.header("retry-after")), ("rate_limited", "10"));
    }
    let preflight =
        scene.web.request(Method::OPTIONS, "/login", "").header("Origin", "http://localhost:5500");
    let preflight = preflight.header("Access-Control-Request-Method", "POST");
    assert_eq!(scene.web.ask(preflight).await.status, 200, "a preflight is no guess");
    assert_eq!(
        scene.web.get("/server", "").await.status,
        200,
        "and nothing else is bounded by it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_one_address_are_bounded_for_all_nodes_together() {
    let scene = Scene::of(2, &[("MAX_SOCKETS_PER_ADDRESS", "2")]).await;
    let cookies = scene.cookies().await;
    let (_alice, _) = scene.guest(0, "alice", &cookies[0]).await;
    let (bob, _) = scene.guest(1, "bob", &cookies[1]).await;
    let (status, code, retry) = scene.web.refused("/ws", &[]).await;
    assert_eq!((status, &*code, &*retry), (429, "too_many_sockets", "30"));
    drop(bob);
    let carol = async || scene.web.refused("/ws", &[]).await.0 == 401;
    eventually("the place is free again: only the credential is missing", carol).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_visitors_write_into_a_proxys_headers_counts_for_nothing() {
    let scene = Scene::with(1, &[("RATE_LIMIT_PER_HOUR", "3")], &[]).await;
    let forged = [
        ("X-Forwarded-For", "198.51.100.1"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=198.51.100.1;proto=https"),
    ];
    let mut seen = Vec::new();
    for n in 0..4 {
        let mut request = scene.web.request(Method::GET, "/server", "");
        for (name, value) in forged {
            request = request.header(name, value.replace(".1", &format!(".{n}")));
        }
        let answer = scene.web.ask(request).await;
        assert_eq!(answer.header("strict-transport-security"), "", "nobody believes in https");
        assert!(!answer.header("set-cookie").contains("Secure"));
        seen.push(answer.status);
    }
    assert_eq!(seen, [200, 200, 200, 429], "it is one address");
    let evil = [
        ("Origin", "http://evil.example"),
        ("X-Forwarded-Host", "evil.example"),
    ];
    assert_eq!(scene.web.refused("/ws", &evil).await.1, "forbidden_origin");
    let own = format!("http://{}", scene.nginx.address);
    assert_eq!(
        scene.web.refused("/ws", &[("Origin", &own)]).await.1,
        "unauthorized",
        "the page's own host"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_front_is_believed_when_it_is_named() {
    let node = [("RATE_LIMIT_PER_HOUR", "1")];
    let scene = Scene::with(1, &node, &[("REAL_IP_FROM", "127.0.0.0/8, 10.0.0.0/8")]).await;
    for n in 0..3 {
        let request = scene.web.request(Method::GET, "/server", "");
        // The left one is the visitor's own invention, the right one a second proxy.
        let hops = format!("203.0.113.{n}, 198.51.100.{n}, 10.0.0.1");
        let request = request.header("X-Forwarded-For", hops).header("X-Forwarded-Proto", "https");
        let answer = scene.web.ask(request).await;
        assert_eq!(answer.status, 200, "each is an address of its own");
        assert!(answer.header("strict-transport-security").starts_with("max-age"));
        assert!(answer.header("set-cookie").ends_with("; Secure"), "{answer:?}");
        scene.served(answer.header("x-request-id"));
        assert!(scene.nginx.said().contains(&format!("\"client\":\"198.51.100.{n}\"")));
    }
    let page = [
        ("Origin", "https://chat.example"),
        ("X-Forwarded-Host", "chat.example"),
    ];
    assert_eq!(
        scene.web.refused("/ws", &page).await.1,
        "unauthorized",
        "the host that the proxy tells"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_tells_a_ticket_or_a_token() {
    let mut scene = Scene::of(2, &[]).await;
    let token = Web::of(scene.nodes[0].address).sign_in("alice").await;
    let cookies = scene.cookies().await;
    let headers = [("Cookie", &*cookies[0])];
    let path = format!("/?token={token}");
    let mut alice = Client::knock(scene.nginx.address, &path, &headers).await.expect("it opens");
    alice.join("lobby").await;
    // Now each of these is an error of nginx itself, whose log prints the whole line.
    for node in scene.nodes.drain(..) {
        node.program.kill().await;
    }
    for path in [
        "/ws?ticket=SECRET-1",
        "/?token=SECRET-2",
        "/ws?x=\u{ff}&ticket=SECRET-3",
        "/rooms?x=%22&ticket=SECRET-4",
    ] {
        let request = scene.web.request(Method::GET, path, "");
        let request = request.header("Referer", "http://localhost/?ticket=SECRET-5");
        assert_eq!(scene.web.ask(request.bearer_auth("SECRET-6")).await.status, 503);
    }
    for bytes in [
        &b"GET /ws?ticket=SECRET-7\xff&x=\" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"[..],
        b"GET /ws?ticket=SECRET-8\x01 HTTP/9\r\n\r\n",
    ] {
        scene.nginx.raw(bytes);
    }
    scene.nginx.until("the errors were printed", || {
        let said = scene.nginx.said();
        said.matches("[error]").count() >= 5 && said.matches("\"status\":503").count() >= 5
    });
    drop(alice);
    scene.nginx.stop();
    let written = scene.nginx.everything_written();
    assert!(written.contains("\"path\":\"/ws\""), "paths are there: {written}");
    assert!(!written.contains("SECRET"), "{written}");
    assert!(!written.contains(&token) && !written.contains(&token[..20]));
    assert!(!scene.nginx.said().contains('?'), "no query at all: {written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_as_the_node_made_it() {
    let scene = Scene::of(1, &[]).await;
    let straight = Web::of(scene.nodes[0].address);
    for path in ["/", "/main.js", "/sdk/api.js", "/favicon.svg"] {
        let ask = async |web: &Web| {
            let request = web.request(Method::GET, path, "").header("Accept-Encoding", "gzip");
            let answer = request.send().await.unwrap();
            let head = |name: &str| answer.headers().get(name).map(|value| value.as_bytes().to_vec());
            let heads = [
                "content-type",
                "content-encoding",
                "etag",
                "content-security-policy",
            ]
            .map(head);
            (answer.status(), heads, answer.bytes().await.unwrap())
        };
        let (through, direct) = (ask(&scene.web).await, ask(&straight).await);
        assert_eq!(through.0, 200, "{path}");
        assert!(through == direct, "{path} is the same, compressed once");
    }
}
