//! A calm day: what comes, as what, how soon, and where it begins.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{process::Command, task::spawn_blocking};

use super::{
    Way, broker::meanwhile, consumer, consumer::Consumer, has_all, leader, leader_of, relaying, shared, told,
    told_of,
};
use crate::{
    common::{
        eventually,
        program::{JWT_SECRET, Program},
        web::Web,
        within,
    },
    harness::scene::{Cluster, Setup},
    servers::rabbitmq::RabbitMq,
};

/// From the acknowledgement to the consumer, on a machine with nothing else to do it is milliseconds.
const SOON: Duration = Duration::from_millis(500);

/// What an event is.
pub(super) fn schema() -> jsonschema::Validator {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/event.json");
    jsonschema::validator_for(&serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_on_any_node_comes_once_in_order_and_as_the_schema_says() {
    let (way, consumer) = shared().await;
    let cluster = relaying(Setup::of(2), &way).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let room = json!({ "room": "plans-2_b" });
    assert_eq!(cluster.web(0).post("/rooms", &token, room).await.status, 201);
    for n in 0..40 {
        for (node, room) in [(0, "lobby"), (1, "plans-2_b")] {
            let said = json!({ "id": format!("m{n}"), "message": format!("{n} <&> \"ü\"") });
            let answer = cluster.web(node).post(&format!("/rooms/{room}/messages"), &token, said).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    }
    has_all(&consumer, &cluster, &["lobby".to_owned(), "plans-2_b".to_owned()]).await;
    let schema = schema();
    let came = consumer.came();
    for one in &came {
        assert!(schema.is_valid(&one.event), "{}", one.event);
        assert_eq!(one.key, format!("room.{}", one.event["subject"].as_str().unwrap()));
        let properties = &one.properties;
        assert_eq!(*properties.delivery_mode(), Some(2), "it is persistent");
        assert_eq!(
            properties.message_id().as_ref().unwrap().as_str(),
            one.event["id"].as_str().unwrap()
        );
    }
    let ids: BTreeSet<&str> = came.iter().map(|one| one.event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 80, "no two events have one id");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_within_milliseconds_from_the_node_that_relays_and_soon_from_the_others() {
    let (way, consumer) = shared().await;
    let cluster = relaying(Setup::of(2).undisturbed(), &way).start().await;
    let here = leader(&cluster).await;
    let token = cluster.web(0).sign_in("alice").await;
    let mut times = Vec::new();
    for n in 0..20 {
        let said = json!({ "message": format!("message {n}") });
        cluster.web(here).post("/rooms/lobby/messages", &token, said).await;
        let acked = Instant::now();
        eventually("it comes", async || consumer.count("lobby") > n).await;
        times.push(acked.elapsed());
    }
    times.sort();
    println!(
        "from the acknowledgement to the consumer: median {:.1?}, most {:.1?}",
        times[10], times[19]
    );
    assert!(times[10] < SOON, "{times:?}");
    let said = json!({ "message": "from elsewhere" });
    cluster.web(1 - here).post("/rooms/lobby/messages", &token, said).await;
    let took = within(Duration::from_secs(3), "it comes", async || consumer.count("lobby") > 20).await;
    println!("from the other node after {took:.1?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_node_relays_and_goes_on_after_a_restart_where_it_was() {
    let (way, consumer) = shared().await;
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("AMQP_URL", way.url.as_str()),
        ("AMQP_EXCHANGE", &way.exchange),
        ("JWT_SECRET", JWT_SECRET),
    ];
    for run in 0..3 {
        let (program, address, _) = Program::start(dir.path(), &settings).await;
        let web = Web::of(address);
        let token = web.sign_in("alice").await;
        for n in 0..5 {
            let said = json!({ "message": format!("run {run} message {n}") });
            assert_eq!(web.post("/rooms/lobby/messages", &token, said).await.status, 201);
        }
        // The last of it may be killed before it was told.
        program.kill().await;
    }
    let (program, ..) = Program::start(dir.path(), &settings).await;
    eventually("all has come", async || consumer.count("lobby") >= 15).await;
    let texts: Vec<String> = consumer.seen("lobby").into_iter().map(|(_, text)| text).collect();
    let expected: Vec<String> =
        (0..3).flat_map(|run| (0..5).map(move |n| format!("run {run} message {n}"))).collect();
    assert_eq!(texts, expected);
    program.terminate().await;
    assert_eq!(program.ended().await.0, Some(0), "it ends in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_now_is_told_nothing_of_before() {
    let (way, consumer) = shared().await;
    let mut cluster = Setup::alone().start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let say = async |cluster: &Cluster, text: &str| {
        let answer = cluster.web(0).post("/rooms/lobby/messages", &token, json!({ "message": text })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    say(&cluster, "before").await;
    for (text, from) in [("after", "now"), ("later", "start")] {
        assert_eq!(cluster.nodes[0].stop().await, Some(0));
        cluster.nodes[0].set("AMQP_URL", &way.url);
        cluster.nodes[0].set("AMQP_EXCHANGE", &way.exchange);
        cluster.nodes[0].set("RELAY_FROM", from);
        cluster.nodes[0].start().await;
        leader(&cluster).await;
        say(&cluster, text).await;
    }
    eventually("it comes", async || consumer.count("lobby") >= 2).await;
    let seen = consumer.seen("lobby");
    assert_eq!(
        seen,
        [(2, "after".to_owned()), (3, "later".to_owned())],
        "where it begins counts once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_is_bound_for_waits_and_says_so_and_keeps_no_other_room_waiting() {
    let way = Way::shared().await;
    let consumer = Consumer::of(&way, "room.heard").await;
    let cluster = relaying(Setup::alone(), &way).start().await;
    let web = cluster.web(0);
    let token = web.sign_in("alice").await;
    web.post("/rooms", &token, json!({ "room": "heard" })).await;
    for n in 0..30 {
        for room in ["lobby", "heard"] {
            let said = json!({ "message": format!("message {n}") });
            web.post(&format!("/rooms/{room}/messages"), &token, said).await;
        }
    }
    has_all(&consumer, &cluster, &["heard".to_owned()]).await;
    let node = &cluster.nodes[0];
    eventually("it is counted", async || told(node, "returned_total").await > 1.0).await;
    eventually("it waits", async || told(node, "lag_messages").await >= 30.0).await;
    assert_eq!(consumer.count("lobby"), 0);
    let lines = node.said().lines().filter(|line| line.contains("no queue is bound")).count();
    assert_eq!(lines, 1, "one line: {}", node.said());
    assert!(!node.said().contains("message 1"), "what people say is in no line");
    assert_eq!(cluster.ready(0).await, (200, vec![]));
    consumer::declare(&way, "#").await.unwrap();
    has_all(&consumer, &cluster, &["lobby".to_owned(), "heard".to_owned()]).await;
    eventually("nothing waits", async || told(node, "lag_messages").await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ten_lines_of_the_page_print_the_chat_also_when_the_broker_is_killed_in_between() {
    let broker = Arc::new(spawn_blocking(RabbitMq::start).await.unwrap());
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md")).unwrap();
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    // Debian's, whatever other one the path begins with.
    let run = || {
        let mut printer = Command::new("/usr/bin/python3");
        printer.args(["-c", program]).env("AMQP_URL", broker.url()).kill_on_drop(true);
        printer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program::of(printer)
    };
    let mut printer = run();
    let cluster = relaying(Setup::of(2), &Way::to(&broker.url())).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let say = async |text: &str| {
        let said = json!({ "message": text });
        assert_eq!(cluster.web(1).post("/rooms/lobby/messages", &token, said).await.status, 201);
    };
    say("Hello").await;
    printer.line(|line| line == "lobby 1 alice: Hello").await;
    meanwhile(&broker, RabbitMq::kill).await;
    say("Is anybody there?").await;
    meanwhile(&broker, RabbitMq::restart).await;
    printer.kill().await;
    let mut printer = run();
    printer.line(|line| line == "lobby 2 alice: Is anybody there?").await;
    printer.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_spoken_to_in_tls_if_its_certificate_is_vouched_for() {
    let (broker, url, authority) = spawn_blocking(RabbitMq::start_with_tls).await.unwrap();
    let consumer = Consumer::of(&Way::to(&broker.url()), "#").await;
    let way = Way::to(&url);
    let authority = authority.display().to_string();
    let cluster = relaying(Setup::alone(), &way).with("SSL_CERT_FILE", &authority).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    cluster.web(0).post("/rooms/lobby/messages", &token, json!({ "message": "Hello" })).await;
    has_all(&consumer, &cluster, &["lobby".to_owned()]).await;
    // Who holds a place on stage must not wait for another one.
    drop(cluster);
    let stranger = relaying(Setup::alone(), &way).start().await;
    let said = async || stranger.nodes[0].said().contains("certificate");
    eventually("it says why it does not trust it", said).await;
    assert!(told(&stranger.nodes[0], "connected").await == 0.0);
    assert!(!stranger.nodes[0].said().contains("guest"), "no credential is in any line");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_after_a_restore_is_told_though_its_numbers_were_given_before() {
    let (way, consumer) = shared().await;
    let mut cluster = relaying(Setup::alone(), &way).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    let say = async |cluster: &Cluster, text: &str| {
        let answer = cluster.web(0).post("/rooms/lobby/messages", &token, json!({ "message": text })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    say(&cluster, "kept").await;
    eventually("it is confirmed", async || {
        told(&cluster.nodes[0], "confirmed_total").await >= 1.0
    })
    .await;
    eventually("nothing waits", async || told(&cluster.nodes[0], "lag_messages").await == 0.0).await;
    let dump = cluster.postgres.dump(&cluster.database);
    say(&cluster, "lost").await;
    say(&cluster, "lost, too").await;
    eventually("it comes", async || consumer.count("lobby") == 3).await;
    assert_eq!(cluster.nodes[0].stop().await, Some(0));
    let restored = cluster.postgres.restore(&dump);
    cluster.goes_on_with(restored).await;
    say(&cluster, "new").await;
    eventually("it comes", async || consumer.count("lobby") == 4).await;
    let seen: Vec<(u64, String)> = consumer.seen("lobby");
    let texts: Vec<(u64, &str)> = seen.iter().map(|(seq, text)| (*seq, text.as_str())).collect();
    assert_eq!(texts, [(1, "kept"), (2, "lost"), (3, "lost, too"), (2, "new")]);
    let came = consumer.came();
    let of = |place: usize, name: &str| came[place].event[name].clone();
    assert_eq!(of(0, "source"), of(3, "source"), "it is the same chat");
    assert_ne!(of(0, "epoch"), of(3, "epoch"));
    assert_ne!(of(1, "id"), of(3, "id"), "another event with the number of one that was lost");
}

/// Rooms that were talked in for years, as far as the database can tell.
pub(super) const FULL: &str = "
    INSERT INTO rooms (name) SELECT 'full-' || n FROM generate_series(1, 40) n;
    INSERT INTO messages (room_id, seq, sender_id, client_id, body, ts)
        SELECT r.id, n, (SELECT min(id) FROM users), 'id' || n, 'text ' || n, chorus_now()
        FROM rooms r CROSS JOIN generate_series(1, 500) n WHERE r.name LIKE 'full-%';
    UPDATE rooms SET last_seq = 500, last_ts = chorus_now() WHERE name LIKE 'full-%'";

/// Waits until all of that is confirmed, and says how fast that was; which rooms it was.
pub(super) async fn confirms_all(sink: &str, cluster: &Cluster) -> Vec<String> {
    leader_of(sink, cluster).await;
    let (began, node) = (Instant::now(), &cluster.nodes[0]);
    let confirmed = async || told_of(sink, node, "confirmed_total").await >= 20_000.0;
    eventually("all is confirmed", confirmed).await;
    let took = began.elapsed();
    println!(
        "20,000 events of 40 rooms confirmed in {took:.1?}: {:.0} a second",
        20_000.0 / took.as_secs_f64()
    );
    (1..=40).map(|n| format!("full-{n}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_gathered_for_years_goes_on_in_order() {
    let (way, consumer) = shared().await;
    let mut cluster = Setup::alone().undisturbed().start().await;
    cluster.web(0).sign_in("alice").await;
    assert_eq!(cluster.nodes[0].stop().await, Some(0));
    cluster.postgres.sql(&cluster.database, FULL);
    cluster.nodes[0].set("AMQP_URL", &way.url);
    cluster.nodes[0].set("AMQP_EXCHANGE", &way.exchange);
    cluster.nodes[0].start().await;
    let rooms = confirms_all("rabbitmq", &cluster).await;
    has_all(&consumer, &cluster, &rooms).await;
}
