//! What hostile words do to the lines of nodes and nginx, and what a copy of the database tells.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Door, Town};
use crate::common::{
    Client, PASSWORD,
    program::JWT_SECRET,
    web::{PAGE, session_cookie},
    wire::exchange,
};

/// What breaks a line, a terminal or a text in quotes.
const HOSTILE: &str = "a\nb\r\nc\u{1b}[31m\"\\\u{7f}\u{2028}\u{85}\u{9b}d";
/// The same as far as a header or an address can carry it.
const RAW: &[u8] = b"a\x1b[31m\"\\\x7f\xe2\x80\xa8\xff{}d";

/// nginx tells it with an error.
const REFERRED: &str = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nReferer: ";

/// Puts it wherever words can stand.
async fn say_everywhere(door: &Door) {
    let token = door.web.sign_in(&format!("alice{}", door.name.len())).await;
    for body in [
        json!({ "username": HOSTILE, "password": HOSTILE }),
        json!({ HOSTILE: HOSTILE }),
    ] {
        for path in [
            "/register",
            "/login",
            "/rooms/lobby/messages",
            "/password",
            "/logout",
        ] {
            let answer = door.web.post(path, &token, body.clone()).await;
            assert!((200..500).contains(&answer.status), "{}: {path}: {answer:?}", door.name);
        }
    }
    let token = door.web.login(&format!("alice{}", door.name.len())).await;
    let message = json!({ "id": "hostile", "message": HOSTILE });
    assert_eq!(door.web.post("/rooms/lobby/messages", &token, message).await.status, 201);
    let mut alice = door.web.guest(&token).await;
    for frame in [
        json!({ "type": HOSTILE }),
        json!({ "type": "join", "room": HOSTILE }),
        json!({ "type": "message", "room": "lobby", "id": HOSTILE, "message": "x" }),
    ] {
        alice.send(frame).await;
        alice.expect("error").await;
    }
    let percent = "%0a%0d%1b%5b31m%22%5c%7f%e2%80%a8%00";
    for path in [
        percent.to_owned(),
        format!("rooms/{percent}/messages"),
        format!("me?x={percent}"),
    ] {
        door.web.ask(door.web.request(Method::GET, &format!("/{path}"), &token)).await;
    }
    for (before, after) in [
        (
            "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: ",
            "\r\n\r\n",
        ),
        (
            "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: ",
            "\r\n\r\n",
        ),
        ("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: ", "\r\n\r\n"),
        ("GET /", " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ("GET /health?x=", " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        ("GET /health HTTP/1.1\r\nHost: ", "\r\nConnection: close\r\n\r\n"),
        (REFERRED, "\r\n\r\n"),
        ("", "\r\n\r\n"),
    ] {
        exchange(door.address, &[before.as_bytes(), RAW, after.as_bytes()].concat()).await;
    }
    exchange(door.address, b"GET /a\xff\xc3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
}

/// Nothing that is not shown, besides the ends of lines.
fn is_plain(line: &str) -> bool {
    line.chars().all(|char| !char.is_control() || char == '\t')
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_is_broken_by_what_it_tells() {
    let json = [
        ("NODE_ENV", "production"),
        ("BIND", "127.0.0.1"),
        ("METRICS_BIND", "127.0.0.1"),
        ("BCRYPT_COST", "10"),
        ("ALLOWED_ORIGINS", PAGE),
    ];
    for (settings, is_json) in [(&json[..], true), (&[], false)] {
        let town = Town::with(&[settings, &[("LOG_LEVEL", "trace")]].concat(), &[]).await;
        for door in town.doors() {
            say_everywhere(&door).await;
        }
        for node in &town.cluster.nodes {
            for line in node.said().lines() {
                assert!(is_plain(line), "{line:?}");
                assert!(!is_json || serde_json::from_str::<Value>(line).is_ok(), "{line:?}");
            }
        }
        town.nginx.set_nodes(&[SocketAddr::from(([127, 0, 0, 1], 9))]);
        let referred = [REFERRED.as_bytes(), RAW, b"\r\n\r\n"].concat();
        exchange(town.nginx.address, &referred).await;
        let told = |line: &str| line.starts_with('{');
        town.nginx.until("the error is told, and the call", || {
            let said = town.nginx.said();
            said.contains("[error]") && said.lines().next_back().is_some_and(told)
        });
        for line in town.nginx.said().lines() {
            assert!(is_plain(line), "{line:?}");
            assert!(!told(line) || serde_json::from_str::<Value>(line).is_ok(), "{line:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_database_opens_nothing() {
    let town = Town::start().await;
    let mut secrets = vec![
        PASSWORD.to_owned(),
        "another horse".to_owned(),
        JWT_SECRET.to_owned(),
    ];
    for door in town.doors() {
        let name = format!("alice{}", door.name.len());
        let token = door.web.sign_in(&name).await;
        let (remembered, cookie) = door.web.remembered(&name).await;
        let by_cookie = door.web.by_cookie(&format!("http://{}", door.address), &cookie).await;
        let ticket = door.web.ticket(&token, PAGE).await;
        Client::knock(door.address, &format!("/ws?ticket={ticket}"), &[("Origin", PAGE)])
            .await
            .unwrap();
        let change = json!({ "current": PASSWORD, "new": "another horse" });
        let changed = door.web.post("/password", &token, change).await;
        let changed = changed.body["token"].as_str().unwrap().to_owned();
        secrets.extend([
            token,
            remembered,
            cookie,
            session_cookie(&by_cookie),
            ticket,
            changed,
        ]);
    }
    let (postgres, database) = (&town.cluster.postgres, &town.cluster.database);
    let dump = postgres.dump_as_text(database);
    assert!(
        dump.contains("COPY public.active_tokens") && dump.contains("alice5"),
        "it is a copy"
    );
    for secret in &secrets {
        // A token's head is the same for all; its signature is what opens.
        let telling = secret.rsplit('.').next().unwrap();
        assert!(!dump.contains(telling), "{secret} stands in the copy");
    }
    let hashes = postgres.sql(database, "SELECT password_hash FROM users");
    for hash in hashes.lines() {
        let bcrypt = hash.strip_prefix("sha384:").unwrap_or(hash);
        assert!(bcrypt.starts_with("$2b$") && bcrypt.len() == 60, "{hash}");
    }
    let others = "SELECT count(*) FROM active_tokens WHERE length(token_hash) <> 32";
    assert_eq!(postgres.sql(database, others).trim(), "0");
}
