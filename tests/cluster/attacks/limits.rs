//! How much one person may say and how many sockets they may have, wherever they come in.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::Town;
use crate::common::{Client, eventually};

/// The protocol's limit, of so many messages in ten seconds.
const MESSAGES: usize = 20;
/// Another node has heard of it after this: it is told twice a second, on a machine that may be busy.
const TOLD: Duration = Duration::from_secs(3);
/// Between two tries: fewer fit into that time than the 200 after which saying again is refused by itself.
const AGAIN: Duration = Duration::from_millis(20);

/// Nobody is kept on one node.
const ROUND: [(&str, &str); 1] = [("STICKY", "off")];

#[tokio::test(flavor = "multi_thread")]
async fn the_21st_message_is_refused_wherever_it_is_said() {
    let limit = MESSAGES.to_string();
    let town = Town::with(&[("MESSAGE_LIMIT", &limit)], &ROUND).await;
    let doors = town.doors();
    for (door, other) in [(&doors[0], &doors[1]), (&doors[1], &doors[0])] {
        let token = door.web.sign_in(&format!("alice{}", door.name.len())).await;
        let mut alice = door.web.guest(&token).await;
        for n in 0..MESSAGES {
            alice.say_acked("lobby", &format!("m{n}"), "hello").await;
        }
        alice.say("lobby", "m20", "hello").await;
        let refused = alice.expect("error").await;
        let wait = refused["retryAfterMs"].as_u64().unwrap();
        assert_eq!((&refused["code"], &refused["id"]), (&json!("rate_limited"), &json!("m20")));
        assert!((1..=10_000).contains(&wait), "{wait}");
        // A new socket is no new window, nor is another node once it has been told.
        for web in [&door.web, &other.web] {
            let mut client = web.guest(&token).await;
            let said = Instant::now();
            while !is_limited(&mut client).await {
                assert!(said.elapsed() < TOLD, "{}: {:?}", door.name, said.elapsed());
                sleep(AGAIN).await;
            }
        }
        for n in 0..3 * MESSAGES {
            let more = json!({ "type": "message", "room": "lobby", "id": format!("x{n}"), "message": "x" });
            // It may be closed before the last one.
            let _ = alice.try_send(&more).await;
        }
        assert_eq!(alice.closed().await, 1008, "{}: three times as many", door.name);
    }
}

/// Says again what was said before, which takes no place: whether that is refused.
async fn is_limited(client: &mut Client) -> bool {
    client.say("lobby", "m0", "hello").await;
    let answer = client.until(|frame| frame["id"] == "m0" && frame["type"] != "message").await;
    answer["code"] == "rate_limited"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_predecessor_is_closed_at_the_21st_message() {
    let limit = MESSAGES.to_string();
    let town = Town::with(&[("MESSAGE_LIMIT", &limit)], &ROUND).await;
    for door in town.doors() {
        let mut page = door.page(&format!("page{}", door.name.len())).await;
        for n in 0..=MESSAGES {
            page.text(&json!({ "type": "chat", "message": format!("message {n}") }).to_string()).await;
        }
        let closed = (1008, "Rate limit exceeded".to_owned());
        assert_eq!(page.closed().await, closed, "{}", door.name);
    }
    assert_eq!(town.cluster.log("lobby").len(), 2 * MESSAGES);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_has_only_so_many_sockets() {
    let town = Town::with(&[("MAX_SOCKETS_PER_USER", "2")], &[]).await;
    for door in town.doors() {
        let token = door.web.sign_in(&format!("alice{}", door.name.len())).await;
        let bearer = format!("Bearer {token}");
        // Through nginx each node would open two.
        let mut held = Vec::new();
        let refused = loop {
            match Client::try_open(door.address, &token).await {
                Ok(client) => held.push(client),
                Err(_) => break door.web.refused("/ws", &[("Authorization", &bearer)]).await,
            }
            assert!(held.len() <= 2 * crate::NODES, "{}", door.name);
        };
        assert_eq!((refused.0, refused.1.as_str()), (429, "too_many_sockets"), "{}", door.name);
        assert!((1..=60).contains(&refused.2.parse::<u32>().unwrap()));
        door.web.guest(&door.web.sign_in("bob").await).await;
        drop(held);
        eventually("the place is free", async || {
            Client::try_open(door.address, &token).await.is_ok()
        })
        .await;
    }
}
