//! How much one person may say is counted over all nodes together: whoever spreads it over several
//! is refused as soon as the nodes have told each other.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    NODES,
    common::{Client, LIMIT},
    harness::{
        line::{self, Credential},
        scene::{Cluster, Setup},
    },
};

/// The protocol's limit, of so many messages in this time.
const MESSAGES: usize = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// The nodes tell each other twice a second: one to tell, one to hear, and a busy machine.
const TOLD: Duration = Duration::from_secs(3);

/// Says something that was said before, which takes no place unless it is refused: the answer.
async fn say_again(client: &mut Client, id: &str) -> Value {
    client.say("lobby", id, "hello").await;
    client.until(|frame| frame["id"] == id && frame["type"] != "message").await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_on_several_nodes_has_one_window() {
    let cluster = Setup::of(NODES).with("MESSAGE_LIMIT", &MESSAGES.to_string()).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let mut alice = Vec::new();
    for node in 0..NODES {
        alice.push(cluster.web(node).guest(&token).await);
    }
    for number in 0..MESSAGES {
        let acked = alice[number % 2].say_acked("lobby", &format!("m{number}"), "hello").await;
        assert_eq!(acked["type"], "ack");
    }
    let said = Instant::now();
    for on in [0, 1] {
        let refused = loop {
            let answer = say_again(&mut alice[on], &format!("m{on}")).await;
            if answer["type"] == "error" {
                break answer;
            }
            assert_eq!(answer["duplicate"], json!(true), "{answer}");
            assert!(said.elapsed() < TOLD, "node {on} has not heard of the other");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(refused["code"], "rate_limited", "{refused}");
        assert!(said.elapsed() < TOLD, "{:?}", said.elapsed());
    }
    // The 21st is refused wherever it is said, and a new socket is no new window.
    let mut anew = cluster.web(1).guest(&token).await;
    for client in [&mut alice[0], &mut anew] {
        client.say("lobby", "m20", "one too many").await;
        let refused = client.until(|frame| frame["id"] == "m20").await;
        assert_eq!(refused["code"], "rate_limited", "{refused}");
        let wait = Duration::from_millis(refused["retryAfterMs"].as_u64().unwrap());
        assert!(!wait.is_zero() && wait <= WINDOW, "{refused}");
    }
    old_page_is_closed(cluster.nodes[2].address(), &token, said).await;
    // What was refused is taken when the time that was told is over; what the old page still said
    // there may not have been heard of when it was told first.
    let mut waits = 0;
    let answer = loop {
        anew.say("lobby", "m20", "not too many any more").await;
        let answer = anew.until(|frame| frame["id"] == "m20" && frame["type"] != "message").await;
        if answer["type"] == "ack" {
            break answer;
        }
        waits += 1;
        assert!(waits <= 3 && said.elapsed() < WINDOW + 3 * TOLD, "{waits} waits: {answer}");
        tokio::time::sleep(Duration::from_millis(answer["retryAfterMs"].as_u64().unwrap())).await;
    };
    assert_eq!(answer["seq"], json!(log_end(&cluster)), "{answer}");
}

/// The number of the lobby's last message.
fn log_end(cluster: &Cluster) -> u64 {
    cluster.log("lobby").last().map_or(0, |said| said.seq)
}

/// A page of the predecessor on the third node, where nothing was said before: its person is as
/// limited there, once that node has asked the others.
async fn old_page_is_closed(node: std::net::SocketAddr, token: &str, said: Instant) {
    let mut page = line::open(node, Credential::Seed(token)).await.unwrap();
    let opened = Instant::now();
    let frame = json!({ "type": "chat", "message": "a line of the old page" }).to_string();
    let closed = loop {
        assert!(said.elapsed() < WINDOW, "the window is over");
        // Too late to be taken: how it ended is read below.
        let _ = line::send(&mut page, Message::text(frame.clone())).await;
        match timeout(Duration::from_millis(50), page.next()).await {
            Ok(Some(Ok(Message::Close(closed)))) => break closed.unwrap(),
            Ok(None | Some(Err(_))) => panic!("it ended without a word"),
            _ => assert!(opened.elapsed() < LIMIT, "it is never closed"),
        }
    };
    assert_eq!((u16::from(closed.code), closed.reason.as_str()), (1008, "Rate limit exceeded"));
    assert!(opened.elapsed() < TOLD, "{:?}", opened.elapsed());
}
