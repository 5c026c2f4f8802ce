//! The Rust peers for real, each for a second: ten members in a room hear everything that one of
//! them says, and those of another room hear nothing.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use chorus_load::{crowd::Crowd, pace::Pace, peers::Peer, stop};

const MEMBERS: usize = 10;

fn all_hear(peer: Peer) {
    let running = peer.start(None, &[]).unwrap();
    let people: Vec<String> = running.people(None, 2 * MEMBERS).unwrap();
    let rooms = ["lobby", "elsewhere"].map(str::to_owned).to_vec();
    let mut crowd = Crowd::of(running.speech, vec![running.door], rooms).unwrap();
    crowd
        .enter(people.iter().enumerate().map(|(at, it)| (it.as_str(), at / MEMBERS)))
        .unwrap();
    assert_eq!(crowd.size(), 2 * MEMBERS);
    // An upgrade is answered a moment before its socket hears.
    crowd.settle(Duration::from_millis(700)).unwrap();
    let before = running.used().unwrap();
    let began = Instant::now();
    let mut said = 0;
    while began.elapsed() < Duration::from_secs(1) {
        // An error if anybody heard too much or too little.
        assert_eq!(crowd.burst(0..8).unwrap(), 8 * MEMBERS as u64);
        said += 8;
    }
    let times = crowd.paced(Pace { every: Duration::from_millis(5), times: 20 }, |_| Ok(false)).unwrap();
    assert!(times.acked.is_empty());
    let times = times.heard;
    assert_eq!(times.len(), 20);
    assert!(times.iter().all(|it| (0.0..1000.0).contains(it)), "{times:?}");
    assert!(said > 100, "{said} messages in a second");
    let used = (running.used().unwrap() - before).all;
    assert!((Duration::from_millis(1)..began.elapsed() * 2).contains(&used), "{used:?}");
    assert!(running.resident().unwrap() > 500_000.0);
}

#[test]
fn the_floor_writes_to_its_room() {
    all_hear(Peer::Floor);
}

#[test]
fn the_axum_peer_writes_to_its_room() {
    all_hear(Peer::Axum);
}

#[test]
fn the_socketioxide_peer_writes_to_its_room() {
    all_hear(Peer::Socketioxide);
}

#[test]
fn a_server_ends_soon_when_it_is_asked_to() {
    // Once the wish of whoever asks was kept from the servers, too.
    stop::listen().unwrap();
    let running = Peer::Floor.start(None, &[]).unwrap();
    let began = Instant::now();
    drop(running);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
