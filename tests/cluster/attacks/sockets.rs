//! Bytes on an open socket that break RFC 6455 or are too many.

use std::time::{Duration, Instant};

use chorus::ws::FRAME_BYTES;
use futures_util::future::join_all;

use super::{Door, Town, frames::nobody_waited};
use crate::{
    common::{
        LIMIT,
        raw_socket::{Got, RawSocket, broken, header, masked, upgrade},
        wire::{exchange, status},
    },
    harness::times::Times,
};

/// Settings with which one person may have all sockets of a test.
const MANY: [(&str, &str); 2] = [
    ("MAX_SOCKETS_PER_USER", "1000"),
    ("MAX_SOCKETS_PER_ADDRESS", "5000"),
];
/// Both dialects, as header lines.
const DIALECTS: [&str; 2] = ["Sec-WebSocket-Protocol: chorus.v1\r\n", ""];

async fn open(door: &Door, dialect: &str, token: &str) -> RawSocket {
    let headers = format!("{dialect}Authorization: Bearer {token}\r\n");
    let (status, socket) = RawSocket::knock(door.address, "/ws", &headers).await;
    assert_eq!(status, 101, "{}", door.name);
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_gets_its_close_code() {
    let town = Town::with(&MANY, &[]).await;
    for door in town.doors() {
        let token = door.web.sign_in("mallory").await;
        for dialect in DIALECTS {
            for (what, bytes, code) in broken(FRAME_BYTES) {
                let mut socket = open(&door, dialect, &token).await;
                socket.send(&[&bytes[..], &masked(0x81, b"after")].concat()).await;
                let got = socket.get_all().await;
                let end = &got[got.len().saturating_sub(2)..];
                assert_eq!(end, [Got::close(code), Got::End], "{}: {what} ({dialect})", door.name);
            }
        }
        let mut alice = door.web.guest(&door.web.sign_in("alice").await).await;
        alice.say_acked("lobby", door.name, "nobody else is hurt").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_costs_no_memory() {
    let town = Town::with(&MANY, &[]).await;
    let resident = async || town.cluster.nodes[0].metric("process_resident_memory_bytes").await;
    let door = &town.doors()[0];
    let token = door.web.sign_in("mallory").await;
    let declare = async || {
        let mut socket = open(door, DIALECTS[0], &token).await;
        socket.send(&header(0x81, 1 << 62)).await;
        socket.get_all().await
    };
    let before = resident().await;
    for _ in 0..15 {
        join_all((0..20).map(|_| declare())).await;
    }
    let grown = resident().await - before;
    assert!(grown < 32.0 * 1024.0 * 1024.0, "{grown} bytes for 300 sockets");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_followed_by_silence_is_cut_after_two_pings() {
    let town = Town::with(&[("PING_SECONDS", "1")], &[]).await;
    for door in town.doors() {
        let token = door.web.sign_in("mallory").await;
        let mut alive = door.web.guest(&door.web.sign_in("alice").await).await;
        let request = upgrade("/ws", &format!("Authorization: Bearer {token}\r\n"));
        let silent = async {
            let began = Instant::now();
            (exchange(door.address, request.as_bytes()).await, began.elapsed())
        };
        let ((answer, took), _) = tokio::join!(silent, alive.listen_for(Duration::from_secs(4)));
        assert_eq!(status(&answer), "101");
        assert!(took < Duration::from_secs(5), "{}: {took:?}", door.name);
        alive.say_acked("lobby", door.name, "who answers pings stays").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pings_costs_the_others_nothing() {
    let town = Town::start().await;
    let flood = masked(0x89, &[7; 125]).repeat(100);
    for door in town.doors() {
        let mut alice = door.web.guest(&door.web.sign_in("alice").await).await;
        let mut mallory = open(&door, DIALECTS[0], &door.web.sign_in("mallory").await).await;
        let flooding = async {
            // Its pongs are not read; the node gives it up.
            while tokio::io::AsyncWriteExt::write_all(&mut mallory.0, &flood).await.is_ok() {}
        };
        let talking = async {
            let mut took = Vec::new();
            for n in 0..50 {
                let began = Instant::now();
                alice.say_acked("lobby", &format!("{}{n}", door.name.len()), "calm").await;
                took.push(began.elapsed());
            }
            Times::of(took)
        };
        let (over, took) = tokio::join!(tokio::time::timeout(LIMIT, flooding), talking);
        assert!(over.is_ok(), "{}: it floods for ever", door.name);
        nobody_waited(&door, &took, Duration::from_secs(1));
    }
}
