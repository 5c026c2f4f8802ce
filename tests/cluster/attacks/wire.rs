//! Below HTTP's surface: slow, smuggled and oversized bytes.

use std::time::{Duration, Instant};

use super::Town;
use crate::{
    BUSY,
    common::wire::{dribble, exchange, in_pieces, status},
};

/// Whoever sends byte by byte is gone after this: after ten seconds, on a machine that may be busy. The next longer
/// limit of a node is twenty, that of nginx twenty-five.
const CUT: Duration = Duration::from_secs(10).saturating_add(BUSY.saturating_mul(3));
const LOGIN: &str = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// A beginning, the byte that follows it again and again (if any does), and the status that the node
/// or nginx says (empty: it may say none).
fn slow() -> Vec<(String, Option<u8>, &'static str)> {
    let length = "Content-Length: 1000\r\n\r\n";
    let declared = format!("{LOGIN}{length}");
    let chunked = format!("{LOGIN}Transfer-Encoding: chunked\r\n\r\n3e8\r\n");
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\n{length}");
    vec![
        (String::new(), None, ""),
        ("GET / HTTP/1.1\r\nHost: x\r\nCook".to_owned(), None, ""),
        ("GET / HTTP/1.1\r\nX: ".to_owned(), Some(b'a'), ""),
        (declared.clone(), None, "400"),
        (declared, Some(b' '), "400"),
        (chunked, Some(b' '), "400"),
        (format!("GET /health HTTP/1.1\r\nHost: x\r\n{length}"), Some(b' '), "200"),
        (format!("GET /ws HTTP/1.1\r\nHost: x\r\n{length}"), Some(b' '), "4"),
        (post("/nowhere"), Some(b' '), "404"),
        (post("/metrics"), Some(b' '), "404"),
        (post("/ws-ticket"), Some(b' '), "401"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dribbles_is_cut_within_ten_seconds() {
    let town = Town::start().await;
    let (doors, slow) = (town.doors(), slow());
    let mut cuts = Vec::new();
    for door in &doors {
        for (beginning, byte, expected) in &slow {
            cuts.push(async move {
                let (took, answer) = dribble(door.address, beginning, *byte).await;
                let case = format!("{}: {beginning:?}", door.name);
                assert!(took <= CUT, "{case} lasted {took:?}");
                assert!(status(&answer).starts_with(expected), "{case}: {answer}");
            });
        }
    }
    futures_util::future::join_all(cuts).await;
}

/// Requests behind which another one is hidden, for whoever reads their lengths in another way.
fn smuggled() -> Vec<String> {
    let hidden = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = hidden.len() + 5;
    [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "Content-Length: +0\r\n\r\n".to_owned(),
        "X: y\r\n Content-Length: 0\r\n\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_owned(),
    ]
    .map(|lengths| format!("{LOGIN}{lengths}{hidden}"))
    .into()
}

/// Requests of which more is asked for than anybody reads, and the status they get.
fn oversized() -> Vec<(String, &'static [&'static str])> {
    let get = |path: &str, lines: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n")
    };
    let login = format!("{LOGIN}Connection: close\r\n");
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000)).repeat(5);
    vec![
        (get("/health", &format!("X: {}\r\n", "a".repeat(20_000))), &["431"]),
        (get("/health", &"X: y\r\n".repeat(200)), &["431"]),
        (get(&format!("/{}", "a".repeat(70_000)), ""), &["414", "431"]),
        (format!("{login}Content-Length: 1000000000\r\n\r\n"), &["413"]),
        (format!("{login}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"), &["413"]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_and_nothing_too_large_is_read() {
    let town = Town::start().await;
    let began = Instant::now();
    for door in town.doors() {
        for request in smuggled() {
            let answer = exchange(door.address, request.as_bytes()).await;
            let case = format!("{}: {request}\n→ {answer}", door.name);
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{case}");
            assert_eq!(status(&answer), "400", "{case}");
            assert!(!answer.contains("timeStamp"), "{case}");
        }
        for (request, expected) in oversized() {
            let answer = exchange(door.address, request.as_bytes()).await;
            let case = format!("{}: {}", door.name, &request[..request.len().min(200)]);
            assert!(expected.contains(&status(&answer)), "{case}\n→ {answer}");
        }
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_before_its_body_is_read_is_told_all_the_same() {
    let town = Town::start().await;
    let body = format!("{{\"message\":\"{}\"}}", "a".repeat(12_000));
    let head = |line: &str, kind: &str| {
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let cases = [
        (head("POST /login", "text/plain"), "415"),
        (head("POST /rooms/lobby/messages", "application/json"), "401"),
        (head("POST /nowhere", "application/json"), "404"),
        (head("PUT /login", "application/json"), "405"),
    ];
    let (first, second) = body.split_at(100);
    for door in town.doors() {
        // This one is read to its end, and then it says too much.
        let token = door.web.sign_in("alice").await;
        let kind = format!("application/json\r\nAuthorization: Bearer {token}");
        let whole = (head("POST /rooms/lobby/messages", &kind), "400");
        for (head, expected) in cases.iter().chain([&whole]) {
            for _ in 0..50 {
                let pieces = [head.as_bytes(), first.as_bytes(), second.as_bytes()];
                let answer = in_pieces(door.address, &pieces).await;
                assert_eq!(status(&answer), *expected, "{}: {head}{answer}", door.name);
            }
        }
    }
}
