//! Forged, foreign, stale and revoked credentials, refused before the upgrade.

use std::time::Duration;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until},
};

use super::{Door, Town};
use crate::common::{Client, program::JWT_SECRET, web::PAGE};

/// Somebody else's.
const FOREIGN: &str = "the attacker's own secret, long enough";

/// A token of this header and these claims, signed with this key.
fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let told = match header["alg"].as_str() {
        Some("HS384") => Algorithm::HS384,
        _ => Algorithm::HS256,
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let words = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    format!("{words}.{}", crypto::sign(words.as_bytes(), &key, told).unwrap())
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// These claims, with one of them changed.
fn with(honest: &Value, name: &str, value: Value) -> Value {
    let mut changed = honest.clone();
    changed[name] = value;
    changed
}

/// Makes the database know these tokens, so that only their own words can get them refused.
fn remember(town: &Town, tokens: &[&str], honest: &Value) {
    let (sid, iat) = (honest["sid"].as_str().unwrap(), honest["iat"].as_i64().unwrap() * 1000);
    let row = |token: &&str| {
        let hash = STANDARD.encode(Sha256::digest(token));
        format!("(decode('{hash}', 'base64'), '{sid}', {iat}, {})", iat + 3_600_000)
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    let sql = format!("INSERT INTO active_tokens VALUES {} ON CONFLICT DO NOTHING", rows.join(", "));
    town.cluster.postgres.sql(&town.cluster.database, &sql);
}

/// Knocks with a token in every way that a token can come.
async fn is_refused(door: &Door, token: &str, what: &str) {
    let bearer = format!("Bearer {token}");
    for (path, headers) in [
        ("/ws".to_owned(), vec![("Authorization", bearer.as_str())]),
        (format!("/ws?token={token}"), vec![]),
        (format!("/?token={token}"), vec![("Origin", PAGE)]),
    ] {
        let (status, code, _) = door.web.refused(&path, &headers).await;
        assert_eq!((status, code.as_str()), (401, "unauthorized"), "{}: {what}", door.name);
    }
}

/// Tokens that are wrong in one thing, and in which.
fn forged(honest: &Value) -> Vec<(String, String)> {
    let now = honest["iat"].as_i64().unwrap();
    let mut forged: Vec<(String, String)> = [
        ("expired a second ago", "exp", json!(now - 1)),
        ("not yet valid", "nbf", json!(now + 600)),
        ("of another issuer", "iss", json!("chorus.evil")),
        ("for another audience", "aud", json!("another")),
        ("without an end", "exp", Value::Null),
        ("of another user", "sub", json!("999")),
        ("of another sign-in", "sid", json!("00000000-0000-4000-8000-000000000000")),
    ]
    .map(|(what, name, value)| (what.to_owned(), signed(&header(), &with(honest, name, value), JWT_SECRET)))
    .into();
    forged.push(("with a foreign key".to_owned(), signed(&header(), honest, FOREIGN)));
    let longer = json!({ "alg": "HS384", "typ": "JWT" });
    forged.push(("HS384".to_owned(), signed(&longer, honest, JWT_SECRET)));
    for alg in ["none", "None", "NONE", "nOnE", "RS256", "ES256", "HS512"] {
        let token = signed(&json!({ "alg": alg, "typ": "JWT" }), honest, JWT_SECRET);
        let unsigned = token[..=token.rfind('.').unwrap()].to_owned();
        forged.extend([(alg.to_owned(), token), (format!("{alg}, unsigned"), unsigned)]);
    }
    forged
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_timely_token_of_ours_opens_a_socket() {
    let town = Town::start().await;
    let doors = town.doors();
    let real = doors[0].web.sign_in("alice").await;
    let honest = claims(&real);
    // Made as the bad ones are, and good: so each of those is refused for its own fault.
    let good = signed(&header(), &with(&honest, "jti", json!("another")), JWT_SECRET);
    let forged = forged(&honest);
    let mut known: Vec<&str> = forged.iter().map(|(_, token)| token.as_str()).collect();
    known.push(&good);
    remember(&town, &known, &honest);
    for door in &doors {
        Client::open(door.address, &good).await;
        for (what, token) in &forged {
            is_refused(door, token, what).await;
        }
        for garbled in ["garbage", "a.b.c", "..", &real[1..], &real[..real.len() - 2]] {
            is_refused(door, garbled, "garbled").await;
        }
        assert_eq!(door.web.refused("/ws", &[]).await.0, 401);
        assert_eq!(door.web.refused("/ws?token=", &[]).await.0, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_header_names_is_not_looked_at() {
    let town = Town::start().await;
    let doors = town.doors();
    let honest = claims(&doors[0].web.sign_in("alice").await);
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", elsewhere.local_addr().unwrap());
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(FOREIGN) });
    for (name, value) in [
        ("kid", json!("../../dev/null")),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([URL_SAFE_NO_PAD.encode(FOREIGN)])),
        ("jwk", jwk),
    ] {
        let named = with(&header(), name, value);
        let (foreign, ours) = (signed(&named, &honest, FOREIGN), signed(&named, &honest, JWT_SECRET));
        remember(&town, &[&foreign, &ours], &honest);
        for door in &doors {
            is_refused(door, &foreign, name).await;
            Client::open(door.address, &ours).await;
        }
    }
    let asked = std::pin::pin!(elsewhere.accept());
    assert!(futures_util::poll!(asked).is_pending(), "nobody is asked for a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_opens_nothing() {
    let town = Town::start().await;
    let doors = town.doors();
    for (here, there) in [(0, 1), (1, 0)] {
        let (web, name) = (&doors[here].web, ["alice", "bob"][here]);
        let token = web.sign_in(name).await;
        let refreshed = web.post("/refresh", &token, json!({})).await;
        let second = refreshed.body["token"].as_str().unwrap();
        let ticket = web.ticket(&token, "").await;
        let mut open = Client::open(doors[there].address, &token).await;
        assert_eq!(web.post("/logout", &token, json!({})).await.status, 200);
        // By then its node has heard of it.
        assert_eq!(open.closed().await, 4001);
        for door in &doors {
            is_refused(door, &token, "revoked").await;
            is_refused(door, second, "of the same sign-in").await;
            assert_eq!(door.web.refused(&format!("/ws?ticket={ticket}"), &[]).await.0, 401);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_socket_in_ten_seconds_for_its_origin() {
    // Everybody goes round, so that a replay reaches a node that has not seen the ticket.
    let town = Town::with(&[], &[("STICKY", "off")]).await;
    let doors = town.doors();
    let token = doors[0].web.sign_in("alice").await;
    let path = |ticket: &str| format!("/ws?ticket={ticket}");
    let stale = doors[0].web.ticket(&token, PAGE).await;
    let honest = claims(&token);
    let brief = with(&honest, "exp", json!(honest["iat"].as_i64().unwrap() + 8));
    let brief = signed(&header(), &brief, JWT_SECRET);
    remember(&town, &[&brief], &honest);
    let over = Instant::now() + Duration::from_secs(10);
    for door in &doors {
        Client::open(door.address, &brief).await;
    }
    for door in &doors {
        let ticket = door.web.ticket(&token, PAGE).await;
        for origin in [vec![("Origin", "http://127.0.0.1:5500")], vec![]] {
            assert_eq!(door.web.refused(&path(&ticket), &origin).await.1, "unauthorized");
        }
        // A ticket that does not do is not made good by a token beside it.
        let bearer = format!("Bearer {token}");
        let beside = [
            ("Origin", "http://localhost:8080"),
            ("Authorization", bearer.as_str()),
        ];
        assert_eq!(door.web.refused(&path(&ticket), &beside).await.0, 401);
        Client::knock(door.address, &path(&ticket), &[("Origin", PAGE)]).await.unwrap();
        for other in doors.iter().chain([door]).cycle().take(6) {
            let replayed = other.web.refused(&path(&ticket), &[("Origin", PAGE)]).await;
            assert_eq!(replayed.0, 401, "replayed at {} after {}", other.name, door.name);
        }
        is_refused(door, &door.web.ticket(&token, "").await, "a ticket is no token").await;
        assert_eq!(door.web.refused(&path(&token), &[]).await.0, 401, "a token is no ticket");
    }
    sleep_until(over).await;
    for door in &doors {
        assert_eq!(door.web.refused(&path(&stale), &[("Origin", PAGE)]).await.0, 401, "expired");
        is_refused(door, &brief, "it was good some seconds ago").await;
    }
}
