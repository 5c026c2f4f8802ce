//! Calls that are asked wrongly, and what every answer carries.

use reqwest::Method;
use serde_json::json;

use super::Town;
use crate::common::wire::{exchange, status};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_refused_in_our_words() {
    let town = Town::start().await;
    for door in town.doors() {
        let body = r#"{"username":"alice","password":"correct horse"}"#;
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "",
        ] {
            let request = door.web.request(Method::POST, "/login", "").body(body);
            let request = if kind.is_empty() { request } else { request.header("Content-Type", kind) };
            let refusal = door.web.ask(request).await;
            assert_eq!(refusal.refusal(), (415, "unsupported_media_type"), "{}: {kind:?}", door.name);
        }
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let refusal = door.web.ask(door.web.request(method.clone(), "/login", "")).await;
            assert_eq!(refusal.refusal(), (405, "method_not_allowed"), "{}: {method}", door.name);
        }
        for (line, expected) in [
            ("TRACE / HTTP/1.1", &["405"][..]),
            ("CONNECT evil.test:443 HTTP/1.1", &["400", "404", "405"]),
            ("BREW / HTTP/1.1", &["405"]),
            ("G\u{0}T / HTTP/1.1", &["400"]),
            ("GET / HTTP/9.9", &["400", "505"]),
        ] {
            let request = format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = exchange(door.address, request.as_bytes()).await;
            assert!(expected.contains(&status(&answer)), "{}: {line:?} → {answer}", door.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers() {
    let town = Town::start().await;
    for door in town.doors() {
        for path in ["/", "/health", "/me", "/nowhere", "/metrics"] {
            let answer = door.web.get(path, "").await;
            let case = format!("{}: {path}: {answer:?}", door.name);
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{case}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{case}");
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("frame-ancestors 'none'"), "{case}");
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{case}");
            assert_eq!(answer.header("strict-transport-security"), "", "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_database_says_nothing_of_the_inside() {
    let town = Town::start().await;
    let doors = town.doors();
    let token = doors[0].web.sign_in("alice").await;
    let sql = |sql: &str| town.cluster.postgres.sql(&town.cluster.database, sql);
    sql("ALTER TABLE messages RENAME TO elsewhere");
    for door in &doors {
        for answer in [
            door.web.get("/rooms/lobby/messages", &token).await,
            door.web
                .post("/rooms/lobby/messages", &token, json!({ "id": "a", "message": "hello" }))
                .await,
        ] {
            assert!(answer.status >= 500, "{}: {answer:?}", door.name);
            let said: Vec<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(said.iter().all(|key| ["message", "code"].contains(key)), "{answer:?}");
            let text = answer.body.to_string();
            for inside in [
                "relation",
                "elsewhere",
                "SELECT",
                "42P01",
                ".rs",
                "chorus_append",
                "postgres",
            ] {
                assert!(!text.contains(inside), "{}: {text}", door.name);
            }
        }
    }
    sql("ALTER TABLE elsewhere RENAME TO messages");
}
