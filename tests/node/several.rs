//! Several nodes of one chat in one process, their doorbells lost, doubled, late and out of
//! order: what members see must not depend on it.

use std::time::Duration;

use chorus::cluster::{Presence, local::Faults};
use serde_json::json;

use crate::common::{Client, Town, eventually};

const fn every_fault(seed: u64) -> Faults {
    Faults {
        lost: 25,
        doubled: 25,
        late: 40,
        delay: Duration::from_millis(300),
        seed,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_one_order_whatever_happens_to_the_doorbells() {
    for seed in [1, 2, 3] {
        let town = Town::faulty(3, every_fault(seed)).await;
        let mut clients = Vec::new();
        for n in 0..6 {
            clients.push(town.guest(n % 3, &format!("user{n}")).await);
        }
        let mut talking = tokio::task::JoinSet::new();
        for (n, mut client) in clients.into_iter().enumerate() {
            talking.spawn(async move {
                for k in 0..40 {
                    client.say_acked("lobby", &format!("{n}-{k}"), "hello").await;
                }
                client.until_seq("lobby", 240).await;
                client.into_seen("lobby")
            });
        }
        let log = {
            let seen = talking.join_all().await;
            let log = town.log().await;
            for one in seen {
                assert_eq!(one, log, "what a member saw is the log, seed {seed}");
            }
            log
        };
        assert_eq!(log.len(), 240);
        town.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_last_message_comes_within_seconds() {
    let town = Town::faulty(2, Faults { lost: 100, ..Faults::default() }).await;
    let mut alice = town.guest(0, "alice").await;
    let mut bob = town.guest(1, "bob").await;
    alice.say_acked("lobby", "only", "can you hear me?").await;
    let began = std::time::Instant::now();
    bob.until_seq("lobby", 1).await;
    assert!(began.elapsed() < Duration::from_secs(8), "the slow tick finds it");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_goes_on_through_the_log_while_a_node_is_cut_off_and_heals() {
    let town = Town::of(2).await;
    let mut alice = town.guest(0, "alice").await;
    let mut bob = town.guest(1, "bob").await;
    town.wires[1].cut(true);
    for n in 0..10 {
        alice.say_acked("lobby", &format!("a{n}"), "to the cut off node").await;
        bob.say_acked("lobby", &format!("b{n}"), "from the cut off node").await;
    }
    alice.until_seq("lobby", 20).await;
    bob.until_seq("lobby", 20).await;
    town.wires[1].cut(false);
    alice.say_acked("lobby", "healed", "again").await;
    alice.until_seq("lobby", 21).await;
    bob.until_seq("lobby", 21).await;
    assert_eq!(alice.into_seen("lobby"), bob.into_seen("lobby"));
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_its_memory_changes_no_list_and_announces_nobody() {
    let town = Town::of(2).await;
    let mut alice = town.guest(0, "alice").await;
    let mut bob = town.guest(1, "bob").await;
    for client in [&mut alice, &mut bob] {
        client.until_people("lobby", &["alice", "bob"]).await;
        client.listen_for(Duration::from_millis(1)).await;
    }
    town.forget();
    let lobby = chorus::domain::RoomId(1);
    eventually("both nodes have written their sets again", async || {
        town.wires[0].sets(lobby).await.unwrap().sets.len() == 2
    })
    .await;
    let carol = town.guest(1, "carol").await;
    for client in [&mut alice, &mut bob] {
        client.until_people("lobby", &["alice", "bob", "carol"]).await;
    }
    // Longer than a lost memory may still be written again.
    let heard = alice.listen_for(Duration::from_secs(8)).await;
    assert!(heard.iter().all(|frame| frame["type"] != "presence"), "{heard:?}");
    assert_eq!(alice.people["lobby"].0, ["alice", "bob", "carol"]);
    drop(carol);
    let gone = alice.expect("presence").await;
    assert_eq!(gone["left"], json!(["carol"]), "announced as before");
    town.stop().await;
}

/// Whether somebody heard of nobody coming or going since this was asked last.
async fn was_told_quietly(client: &mut Client) -> bool {
    let heard = client.listen_for(Duration::from_millis(10)).await;
    heard.iter().all(|frame| frame["type"] != "presence")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_while_the_cluster_was_out_of_reach_is_listed_and_not_announced() {
    // Whatever notices first that it is over, and whenever that is.
    let outages = (0..5).map(|round| who_came_meanwhile(Duration::from_millis(1500 + 100 * round)));
    futures_util::future::join_all(outages).await;
}

async fn who_came_meanwhile(outage: Duration) {
    let town = Town::of(2).await;
    let _alice = town.guest(0, "alice").await;
    town.wires[1].cut(true);
    // First the room is opened in the middle of the outage, then it was open before.
    let mut bob = town.guest(1, "bob").await;
    tokio::time::sleep(outage).await;
    town.wires[1].cut(false);
    bob.until_people("lobby", &["alice", "bob"]).await;
    assert!(was_told_quietly(&mut bob).await, "alice did not come just now");
    town.wires[1].cut(true);
    let _carol = town.guest(0, "carol").await;
    bob.say_acked("lobby", "lonely", "is anybody there?").await;
    tokio::time::sleep(outage).await;
    town.wires[1].cut(false);
    bob.until_people("lobby", &["alice", "bob", "carol"]).await;
    assert!(was_told_quietly(&mut bob).await, "carol did not come just now");
    // Who comes when all is well again is, after at most a few who come before the nodes know.
    let mut late = Vec::new();
    let mut names = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
    while was_told_quietly(&mut bob).await {
        assert!(late.len() < 100, "nobody is announced any more");
        names.push(format!("dora{:02}", late.len()));
        late.push(town.guest(0, &names[names.len() - 1]).await);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        bob.until_people("lobby", &all).await;
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resuming_on_another_node_leaves_no_hole_and_shows_nothing_twice() {
    let town = Town::faulty(3, every_fault(9)).await;
    let mut alice = town.guest(0, "alice").await;
    let token = town.sign_in("bob").await;
    let mut talking = tokio::task::JoinSet::new();
    talking.spawn(async move {
        for n in 0..300 {
            alice.say_acked("lobby", &format!("a{n}"), "hello").await;
        }
        alice
    });
    let mut seen = Vec::new();
    for turn in 0..12 {
        let mut bob = town.client(turn % 3, &token).await;
        let joined = bob.resume("lobby", seen).await;
        assert_eq!(joined["recovered"], json!(true), "{joined}");
        bob.listen_for(Duration::from_millis(20)).await;
        seen = bob.into_seen("lobby");
    }
    let alice = talking.join_all().await;
    let mut bob = town.client(0, &token).await;
    bob.resume("lobby", seen).await;
    bob.until_seq("lobby", 300).await;
    assert_eq!(bob.into_seen("lobby"), town.log().await);
    drop(alice);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_absence_is_read_in_pages_and_a_longer_one_is_told() {
    let town = Town::of(2).await;
    let mut alice = town.guest(0, "alice").await;
    for n in 0..1200 {
        alice.say("lobby", &format!("a{n}"), "hello").await;
    }
    alice.until_seq("lobby", 1200).await;
    let log = town.log().await;
    let token = town.sign_in("bob").await;

    let mut bob = town.client(1, &token).await;
    let joined = bob.resume("lobby", log[..300].to_vec()).await;
    assert_eq!((&joined["recovered"], &joined["hasMore"]), (&json!(true), &json!(false)));
    assert_eq!(bob.into_seen("lobby"), log);

    let mut bob = town.client(1, &token).await;
    let joined = bob.resume("lobby", log[..100].to_vec()).await;
    assert_eq!((&joined["recovered"], &joined["reason"]), (&json!(false), &json!("too_far")));
    assert_eq!(joined["messages"].as_array().unwrap().last().unwrap()["seq"], json!(1200));

    let mut bob = town.client(1, &token).await;
    let joined = bob.resume("lobby", vec![(1000, "another".into())]).await;
    assert_eq!(
        (&joined["recovered"], &joined["reason"]),
        (&json!(false), &json!("log_changed"))
    );
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_shows_the_same_people() {
    let town = Town::faulty(3, every_fault(4)).await;
    let mut clients = Vec::new();
    for (node, name) in ["carol", "Alice", "bob"].iter().enumerate() {
        clients.push(town.guest(node, name).await);
    }
    for client in &mut clients {
        client.until_people("lobby", &["Alice", "bob", "carol"]).await;
    }
    clients[2].send(json!({"type": "leave", "room": "lobby"})).await;
    for client in &mut clients[..2] {
        client.until_people("lobby", &["Alice", "carol"]).await;
    }
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_no_list_and_the_grace_time_ends() {
    let town = Town::with(2, None, |config| config.presence_grace = Duration::from_secs(2)).await;
    let mut alice = town.guest(0, "alice").await;
    let bob = town.guest(1, "bob").await;
    alice.until_people("lobby", &["alice", "bob"]).await;
    alice.listen_for(Duration::from_millis(200)).await;
    drop(bob);
    let bob = town.guest(0, "bob").await;
    let told = alice.listen_for(Duration::from_secs(3)).await;
    assert!(told.is_empty(), "nobody is told of a reload: {told:?}");
    drop(bob);
    alice.until_people("lobby", &["alice"]).await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_people_of_a_dead_node_are_gone_within_ten_seconds() {
    let mut town = Town::of(2).await;
    let mut alice = town.guest(0, "alice").await;
    let _bob = town.guest(1, "bob").await;
    alice.until_people("lobby", &["alice", "bob"]).await;
    town.wires[1].cut(true);
    town.nodes.pop().unwrap().die().await;
    let began = std::time::Instant::now();
    alice.until_people("lobby", &["alice"]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_closes_the_sockets_on_every_node() {
    let town = Town::of(2).await;
    let token = town.sign_in("alice").await;
    let mut here = town.client(0, &token).await;
    let mut there = town.client(1, &token).await;
    let mut other = town.guest(1, "bob").await;
    town.nodes[0].auth().logout(&token).await.unwrap();
    assert_eq!(here.closed().await, 4001);
    assert_eq!(there.closed().await, 4001);
    assert!(Client::try_open(town.nodes[1].address, &token).await.is_err());
    other.say_acked("lobby", "still", "here").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_is_heard_of_through_the_store_when_the_bus_lost_it() {
    let town = Town::faulty(2, Faults { lost: 100, ..Faults::default() }).await;
    let token = town.sign_in("alice").await;
    let mut there = town.client(1, &token).await;
    town.nodes[0].auth().logout(&token).await.unwrap();
    assert_eq!(there.closed().await, 4001);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_node_sends_its_people_away_and_nobody_sees_them_leave() {
    let mut town = Town::with(2, None, |config| config.shutdown_timeout = Duration::from_secs(4)).await;
    let token = town.sign_in("bob").await;
    let mut alice = town.guest(0, "alice").await;
    let mut bob = town.client(1, &token).await;
    bob.join("lobby").await;
    alice.until_people("lobby", &["alice", "bob"]).await;
    alice.listen_for(Duration::from_millis(200)).await;
    let leaving = town.nodes.pop().unwrap();
    let mut stopping = tokio::task::JoinSet::new();
    stopping.spawn(leaving.stop());
    let hint = bob.expect("reconnect").await;
    assert!(hint["afterMs"].as_u64().unwrap() <= 2000);
    let seen = bob.into_seen("lobby");
    let mut bob = town.client(0, &token).await;
    assert_eq!(bob.resume("lobby", seen).await["recovered"], json!(true));
    assert_eq!(stopping.join_all().await, [true], "all tasks ended in time");
    let told = alice.listen_for(Duration::from_secs(7)).await;
    assert!(told.is_empty(), "{told:?}");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_everybody_left_comes_back_whole() {
    let town = Town::with(1, None, |config| config.presence_grace = Duration::ZERO).await;
    let mut alice = town.guest(0, "alice").await;
    alice.say_acked("lobby", "one", "first").await;
    drop(alice);
    eventually("everybody has left", async || town.nodes[0].sockets() == 0).await;
    let mut alice = town.guest(0, "alice").await;
    assert_eq!(alice.last("lobby"), 1);
    alice.say_acked("lobby", "two", "second").await;
    alice.until_seq("lobby", 2).await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_restored_under_a_running_node_is_told_and_goes_on() {
    let town = Town::with(1, None, |config| config.presence_grace = Duration::ZERO).await;
    let mut alice = town.guest(0, "alice").await;
    let mut bob = town.guest(0, "bob").await;
    for n in 1..=5 {
        alice.say_acked("lobby", &format!("a{n}"), "hello").await;
    }
    bob.until_seq("lobby", 5).await;
    alice.until_seq("lobby", 5).await;
    let database = rusqlite::Connection::open(town.config.data_dir.join("chorus.db")).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
        .execute_batch(
            "BEGIN IMMEDIATE; DELETE FROM messages WHERE seq > 3; UPDATE rooms SET last_seq = 3; COMMIT;",
        )
        .unwrap();
    for client in [&mut alice, &mut bob] {
        let joined = client.until(|frame| frame["reason"] == "log_changed").await;
        assert_eq!((&joined["recovered"], &joined["seq"]), (&json!(false), &json!(3)));
    }
    alice.say_acked("lobby", "after", "goes on").await;
    bob.until_seq("lobby", 4).await;
    assert_eq!(bob.into_seen("lobby"), town.log().await);
    alice.until_people("lobby", &["alice", "bob"]).await;
    town.stop().await;
}
