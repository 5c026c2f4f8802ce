//! How often somebody may call.

use super::*;

fn from(address: &str, forwarded: &str, request: http::request::Builder) -> Request<Body> {
    let mut request = request.header("X-Forwarded-For", forwarded).body(Body::empty()).unwrap();
    request.extensions_mut().insert(peer(address));
    request
}

#[tokio::test]
async fn calls_without_a_sign_in_are_counted_by_address() {
    let site = Site::with(|config| config.rate_limit_per_hour = 2);
    let ask = |address, forwarded: &str| site.send(from(address, forwarded, Request::get("/server")));
    // What the visitor forges counts for nothing.
    assert_eq!(ask("203.0.113.7", "1.1.1.1").await.status, 200);
    assert_eq!(ask("203.0.113.7", "2.2.2.2").await.status, 200);
    let limited = ask("203.0.113.7", "3.3.3.3").await;
    assert_eq!(limited.code(), (429, "rate_limited"));
    let wait: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");
    // Others are not concerned; behind a trusted proxy each client counts for itself.
    assert_eq!(ask("203.0.113.8", "").await.status, 200);
    for client in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        assert_eq!(ask("127.0.0.1", &format!("203.0.113.7, {client}")).await.status, 200);
    }
    assert_eq!(ask("127.0.0.1", "203.0.113.7").await.status, 429);
}

#[tokio::test]
async fn files_health_and_preflights_are_free() {
    let site = Site::with(|config| config.rate_limit_per_hour = 1);
    assert_eq!(site.get("/server", "").await.status, 200);
    assert_eq!(site.get("/server", "").await.status, 429);
    for path in ["/health", "/ready", "/", "/index.html", "/ws"] {
        for _ in 0..5 {
            assert_eq!(site.get(path, "").await.status, 200, "{path}");
        }
    }
    let preflight = || {
        let request = Request::options("/login").header("Origin", "http://localhost:5500");
        request.header("Access-Control-Request-Method", "POST").body(Body::empty()).unwrap()
    };
    for _ in 0..5 {
        assert_eq!(site.send(preflight()).await.status, 200);
    }
}

#[tokio::test]
async fn who_is_signed_in_is_counted_by_name() {
    let site = Site::with(|config| {
        config.rate_limit_per_hour = 6;
        config.api_limit_per_minute = 3;
    });
    let (alice, bob) = (site.token("alice").await, site.token("bob").await);
    for _ in 0..3 {
        assert_eq!(site.get("/me", &alice).await.status, 200);
    }
    let limited = site.get("/me", &alice).await;
    assert_eq!(limited.code(), (429, "rate_limited"));
    assert_eq!(site.get("/me", &bob).await.status, 200);
    // A token that is not ours is counted by address: two calls are left of six.
    assert_eq!(site.get("/me", "forged").await.status, 401);
    assert_eq!(site.get("/me", "forged").await.status, 401);
    assert_eq!(site.get("/me", "forged").await.status, 429);
}

#[tokio::test]
async fn a_token_buys_no_guesses_of_passwords() {
    let site = Site::with(|config| config.rate_limit_per_hour = 4);
    let token = site.token("alice").await;
    let guess = || site.post("/login", &token, json!({ "username": "bob", "password": "a guess of many" }));
    assert_eq!(guess().await.status, 401);
    assert_eq!(guess().await.status, 401);
    assert_eq!(guess().await.status, 429);
}
