//! Forged, foreign, stale and revoked credentials, refused before the upgrade.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chorus::{
    domain::{SignInId, Timestamp, UserId},
    store::{NewToken, SignIns, TokenHash},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use crate::common::{
    Client, Town,
    web::{PAGE, Web, node},
};

const SECRET: &str = "the secret of this node, long enough";

/// A token of these claims, signed with this key.
fn signed(header: &Header, claims: &Value, secret: &str) -> String {
    encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Makes the store know a token, so that only its own words can get it refused.
async fn remember(town: &Town, token: &str, claims: &Value) {
    let until = Timestamp((claims["iat"].as_i64().unwrap() + 3600) * 1000);
    let known = NewToken {
        sid: SignInId::parse(claims["sid"].as_str().unwrap()).unwrap(),
        user: UserId(claims["sub"].as_str().unwrap().parse().unwrap()),
        hash: TokenHash(Sha256::digest(token).into()),
        expires_at: until,
    };
    assert!(town.store.add_token(&known).await.unwrap());
}

/// Knocks with a token in both ways that a token can come.
async fn is_refused(web: &Web, token: &str, what: &str) {
    let bearer = format!("Bearer {token}");
    for (path, headers) in [
        ("/ws".to_owned(), vec![("Authorization", bearer.as_str())]),
        (format!("/ws?token={token}"), vec![]),
        (format!("/?token={token}"), vec![("Origin", PAGE)]),
    ] {
        let (status, code, _) = web.refused(&path, &headers).await;
        assert_eq!((status, code.as_str()), (401, "unauthorized"), "{what}");
    }
}

#[tokio::test]
async fn only_a_timely_token_of_ours_opens_a_socket() {
    let (town, web) = node(|config| config.jwt_secret = Some(SECRET.to_owned().into())).await;
    let real = web.sign_in("alice").await;
    let honest = claims(&real);
    let now = honest["iat"].as_i64().unwrap();
    let header = Header::new(Algorithm::HS256);
    let with = |name: &str, value: Value| {
        let mut changed = honest.clone();
        changed[name] = value;
        changed
    };

    // Made as the bad ones are, and good: so each of those is refused for its own fault.
    let good = signed(&header, &with("jti", json!("another")), SECRET);
    remember(&town, &good, &honest).await;
    Client::open(web.address, &good).await;

    for (what, changed) in [
        ("expired a second ago", with("exp", json!(now - 1))),
        ("not yet valid", with("nbf", json!(now + 60))),
        ("of another issuer", with("iss", json!("chorus.evil"))),
        ("for another audience", with("aud", json!("another"))),
        ("without an end", with("exp", Value::Null)),
        ("of another user", with("sub", json!("999"))),
        ("of another sign-in", with("sid", json!("00000000-0000-4000-8000-000000000000"))),
    ] {
        let token = signed(&header, &changed, SECRET);
        remember(&town, &token, &honest).await;
        is_refused(&web, &token, what).await;
    }
    for (what, token) in [
        ("a foreign key", signed(&header, &honest, "another secret that is long enough")),
        ("HS384", signed(&Header::new(Algorithm::HS384), &honest, SECRET)),
    ] {
        remember(&town, &token, &honest).await;
        is_refused(&web, &token, what).await;
    }
    let (_, body, signature) = split(&good);
    for alg in ["none", "None", "RS256", "ES256", "HS512"] {
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT" }).to_string());
        for end in ["", signature] {
            let token = format!("{head}.{body}.{end}");
            remember(&town, &token, &honest).await;
            is_refused(&web, &token, alg).await;
        }
    }
    for garbled in ["garbage", "a.b.c", "..", &real[1..], &real[..real.len() - 2]] {
        is_refused(&web, garbled, "garbled").await;
    }
    assert_eq!(web.refused("/ws", &[]).await.0, 401);
    assert_eq!(web.refused("/ws?token=", &[]).await.0, 401);
    town.stop().await;
}

fn split(token: &str) -> (&str, &str, &str) {
    let mut parts = token.split('.');
    (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
}

#[tokio::test]
async fn a_key_that_a_header_names_is_not_looked_at() {
    let (town, web) = node(|config| config.jwt_secret = Some(SECRET.to_owned().into())).await;
    let honest = claims(&web.sign_in("alice").await);
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("../../dev/null".to_owned());
    header.jku = Some(format!("http://{}/keys", web.address));
    let foreign = signed(&header, &honest, "the attacker's own secret, long enough");
    remember(&town, &foreign, &honest).await;
    is_refused(&web, &foreign, "a key of its own").await;
    let ours = signed(&header, &honest, SECRET);
    remember(&town, &ours, &honest).await;
    Client::open(web.address, &ours).await;
    town.stop().await;
}

#[tokio::test]
async fn a_revoked_token_opens_nothing() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let refreshed = web.post("/refresh", &token, json!({})).await;
    let second = refreshed.body["token"].as_str().unwrap();
    let ticket = web.ticket(&token, "").await;
    assert_eq!(web.post("/logout", &token, json!({})).await.status, 200);
    is_refused(&web, &token, "revoked").await;
    is_refused(&web, second, "of the same sign-in").await;
    assert_eq!(web.refused(&format!("/ws?ticket={ticket}"), &[]).await.0, 401);
    town.stop().await;
}

#[tokio::test]
async fn a_ticket_opens_one_socket_in_ten_seconds_for_its_origin() {
    let (town, web) = node(|_| {}).await;
    let token = web.sign_in("alice").await;
    let stale = web.ticket(&token, PAGE).await;
    let over = Instant::now() + Duration::from_secs(10);

    let path = |ticket: &str| format!("/ws?ticket={ticket}");
    let ticket = web.ticket(&token, PAGE).await;
    for origin in [vec![("Origin", "http://127.0.0.1:5500")], vec![]] {
        assert_eq!(web.refused(&path(&ticket), &origin).await.1, "unauthorized");
    }
    // A ticket that does not do is not made good by a token beside it.
    let bearer = format!("Bearer {token}");
    let beside = [
        ("Origin", "http://localhost:8080"),
        ("Authorization", bearer.as_str()),
    ];
    assert_eq!(web.refused(&path(&ticket), &beside).await.0, 401);
    Client::knock(web.address, &path(&ticket), &[("Origin", PAGE)]).await.unwrap();
    assert_eq!(web.refused(&path(&ticket), &[("Origin", PAGE)]).await.0, 401, "replayed");
    is_refused(&web, &web.ticket(&token, "").await, "a ticket is no token").await;
    assert_eq!(web.refused(&path(&token), &[]).await.0, 401, "a token is no ticket");

    sleep_until(over).await;
    assert_eq!(web.refused(&path(&stale), &[("Origin", PAGE)]).await.0, 401, "expired");
    town.stop().await;
}

#[tokio::test]
async fn the_token_in_the_address_can_be_forbidden() {
    let (town, web) = node(|config| config.allow_query_token = false).await;
    let token = web.sign_in("alice").await;
    assert_eq!(web.refused(&format!("/ws?token={token}"), &[]).await.0, 401);
    Client::open(web.address, &token).await;
    town.stop().await;
}
