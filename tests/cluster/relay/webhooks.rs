//! Webhooks of a cluster: one node posts at a time, another takes over, and a receiver that keeps the rule sees each
//! event once and in order. What receivers do is in `tests/node/webhooks`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::{
    common::{
        eventually,
        receiver::{Came, Receiver, Reply, SECRET},
    },
    database::somebody_is_refused,
    harness::{
        crowd::Crowd,
        scene::{Cluster, NodeProcess, Setup},
    },
    nodes::PACE,
};

/// A scene whose nodes post there.
fn posting(setup: Setup, receiver: &Receiver) -> Setup {
    setup
        .with("WEBHOOKS", &format!("a=http://{}/", receiver.address))
        .with("WEBHOOK_SECRET", SECRET)
        .with("WEBHOOK_ALLOW", "127.0.0.1")
}

async fn told(node: &NodeProcess, name: &str) -> f64 {
    node.metric(&format!("chorus_relay_{name}{{sink=\"webhook.a\"}}")).await
}

/// The place of the node that posts.
async fn leader(cluster: &Cluster) -> usize {
    let found = AtomicUsize::new(usize::MAX);
    eventually("a node posts", async || {
        for (place, node) in cluster.nodes.iter().enumerate().filter(|(_, node)| node.runs()) {
            if told(node, "leading").await > 0.0 {
                found.store(place, Ordering::Relaxed);
                return true;
            }
        }
        false
    })
    .await;
    found.into_inner()
}

/// Waits until the receiver has all that is in the log of these rooms, and judges that it took each once, in order.
async fn has_all(receiver: &Receiver, cluster: &Cluster, rooms: &[String]) {
    for room in rooms {
        let log = cluster.log(room);
        eventually("the receiver has all", async || receiver.count(room) >= log.len()).await;
        let expected: Vec<(u64, String)> = log.into_iter().map(|said| (said.seq, said.text)).collect();
        assert_eq!(receiver.seen(room), expected, "{room}: each once and in order");
    }
}

async fn more(receiver: &Receiver, count: usize) {
    let so_far = receiver.came().len();
    eventually("more comes", async || receiver.came().len() >= so_far + count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_takes_over_from_one_that_is_killed_and_nothing_is_missing() {
    let receiver = Receiver::start();
    let count = AtomicUsize::new(0);
    // Of a hundred words five are lost, and one is a fault.
    receiver.answers(move |_| match count.fetch_add(1, Ordering::Relaxed) % 100 {
        9 | 29 | 49 | 69 | 89 => Reply::Cuts,
        99 => Reply::status(503),
        _ => Reply::status(200),
    });
    let mut cluster = posting(Setup::of(3), &receiver).start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(6).await;
    crowd.talk(5 * PACE).await;
    for _ in 0..2 {
        more(&receiver, 20).await;
        let place = leader(&cluster).await;
        cluster.nodes[place].kill().await;
        let began = Instant::now();
        let next = leader(&cluster).await;
        println!("taken over after {:.1?}", began.elapsed());
        assert_ne!(next, place);
        more(&receiver, 20).await;
        cluster.nodes[place].start().await;
    }
    crowd.fall_silent().await;
    has_all(&receiver, &cluster, &crowd.rooms()).await;
    let doubled = receiver.came().iter().filter(|one| !one.taken).count();
    println!("{} requests, {doubled} of them again", receiver.came().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_costs_the_receiver_nothing() {
    let receiver = Receiver::start();
    let count = AtomicUsize::new(0);
    // Now and then a word is lost: events are under way again when the database goes.
    receiver.answers(move |_| match count.fetch_add(1, Ordering::Relaxed) % 20 {
        9 => Reply::Cuts,
        _ => Reply::status(200),
    });
    let cluster = posting(Setup::of(2).durable(), &receiver).start().await;
    let mut crowd = Crowd::of(cluster.clock, &cluster.addresses());
    crowd.enter(4).await;
    crowd.talk(PACE).await;
    more(&receiver, 20).await;
    cluster.postgres.kill();
    somebody_is_refused(&crowd).await;
    tokio::task::block_in_place(|| cluster.postgres.restart());
    crowd.acked(20).await;
    more(&receiver, 20).await;
    crowd.fall_silent().await;
    let rooms = crowd.rooms();
    has_all(&receiver, &cluster, &rooms).await;
    let has: usize = rooms.iter().map(|room| receiver.count(room)).sum();
    assert!(has >= crowd.acks(), "{has} of {} that were acknowledged", crowd.acks());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_is_known_to_whoever_takes_over_and_can_be_posted_again() {
    let receiver = Receiver::start();
    receiver.answers(|came| Reply::status(if came.text() == "poison" { 400 } else { 200 }));
    let mut cluster = posting(Setup::of(2), &receiver).start().await;
    let web = cluster.web(0);
    let token = web.sign_in("alice").await;
    let say = async |cluster: &Cluster, node: usize, room: &str, text: &str| {
        let said = serde_json::json!({ "message": text });
        let answer = cluster.web(node).post(&format!("/rooms/{room}/messages"), &token, said).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    web.post("/rooms", &token, serde_json::json!({ "room": "other" })).await;
    say(&cluster, 0, "lobby", "one").await;
    say(&cluster, 0, "lobby", "poison").await;
    let poisons = || {
        let came = receiver.came().into_iter();
        came.filter(|one| one.text() == "poison").collect::<Vec<Came>>()
    };
    eventually("it is tried", async || !poisons().is_empty()).await;
    let place = leader(&cluster).await;
    eventually("it is put aside", async || {
        // Others are taken between its tries: that it is the event shows by them.
        say(&cluster, 0, "other", "meanwhile").await;
        told(&cluster.nodes[place], "dead_letters_total").await >= 1.0
    })
    .await;
    let sql = "SELECT sink, seq, reason, attempts FROM relay_dead_letters";
    let kept = || cluster.postgres.sql(&cluster.database, sql);
    eventually("it is kept", async || !kept().is_empty()).await;
    let kept = kept();
    let attempts = kept.strip_prefix("webhook.a|2|status 400|").unwrap_or_else(|| panic!("{kept}"));
    let attempts: usize = attempts.parse().unwrap();
    assert_eq!(attempts, poisons().len(), "each was one: {kept}");
    assert!(attempts >= 5, "it was tried some times: {kept}");
    // Whoever takes over knows only what the store knows.
    cluster.nodes[place].kill().await;
    say(&cluster, 1 - place, "lobby", "three").await;
    eventually("the room goes on", async || receiver.count("lobby") == 2).await;
    let third = receiver.came().into_iter().find(|one| one.text() == "three").unwrap();
    assert_eq!((third.number("prevseq"), third.number("seq")), (1, 3));
    // The receiver was mended.
    receiver.answers(|_| Reply::status(200));
    let home = tempfile::tempdir().unwrap();
    let said = cluster.nodes[1 - place].command(home.path(), &["dead-letters", "list"]).await;
    let listed = format!("webhook.a  lobby    2  status 400  {attempts:>8}");
    assert!(said.contains(&listed), "{said}");
    let said = cluster.nodes[1 - place].command(home.path(), &["dead-letters", "post", "a"]).await;
    assert!(said.contains("lobby 2: taken") && said.contains("1 of 1 were taken"), "{said}");
    let came = poisons();
    let ids: Vec<&str> = came.iter().map(Came::id).collect();
    assert!(ids.len() == attempts + 1 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// Rooms that were talked in for years, as far as the database can tell.
const FULL: &str = "
    INSERT INTO rooms (name) SELECT 'full-' || n FROM generate_series(1, 40) n;
    INSERT INTO messages (room_id, seq, sender_id, client_id, body, ts)
        SELECT r.id, n, (SELECT min(id) FROM users), 'id' || n, 'text ' || n, chorus_now()
        FROM rooms r CROSS JOIN generate_series(1, 100) n WHERE r.name LIKE 'full-%';
    UPDATE rooms SET last_seq = 100, last_ts = chorus_now() WHERE name LIKE 'full-%'";
/// How many that is.
const GATHERED: u16 = 4_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_has_gathered_goes_on_in_order_and_side_by_side() {
    let receiver = Receiver::start();
    let mut cluster = Setup::alone().undisturbed().start().await;
    cluster.web(0).sign_in("alice").await;
    assert_eq!(cluster.nodes[0].stop().await, Some(0));
    cluster.postgres.sql(&cluster.database, FULL);
    for (name, value) in [
        ("WEBHOOKS", format!("a=http://{}/", receiver.address).as_str()),
        ("WEBHOOK_SECRET", SECRET),
        ("WEBHOOK_ALLOW", "127.0.0.1"),
    ] {
        cluster.nodes[0].set(name, value);
    }
    cluster.nodes[0].start().await;
    leader(&cluster).await;
    let (began, node) = (Instant::now(), &cluster.nodes[0]);
    eventually("all is confirmed", async || {
        told(node, "confirmed_total").await >= f64::from(GATHERED)
    })
    .await;
    let took: Duration = began.elapsed();
    let rate = f64::from(GATHERED) / took.as_secs_f64();
    println!("{GATHERED} events of 40 rooms confirmed in {took:.1?}: {rate:.0} a second");
    let connections = receiver.connections();
    assert!(
        (2..=20).contains(&connections),
        "rooms go side by side, on connections that are kept: {connections}"
    );
    let rooms: Vec<String> = (1..=40).map(|n| format!("full-{n}")).collect();
    has_all(&receiver, &cluster, &rooms).await;
}
